"""A span that was read, what reads it, and what a request of them becomes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from otelscore.model.raw import Origin, RawLog, RawSpan
from otelscore.model.reading import Reading, SpanFacts, Verdict


@dataclass(slots=True)  # a value; not frozen for the same reason
class Span:
    """One span, reduced to what scoring needs."""

    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    name: str  # low-cardinality by convention; shown by `explain`, never a label
    kind: int
    flags: int
    start: int
    end: int
    status: int
    origin: Origin
    reading: Reading
    links: tuple[tuple[bytes, bytes], ...] = ()

    @property
    def remote_parent(self) -> bool | None:
        """Whether the parent is in another process: Span.flags bits 8 and 9; None where the sender does not say.

        Source: opentelemetry/proto/trace/v1/trace.proto, SpanFlags.
        """
        return bool(self.flags & 0x200) if self.flags & 0x100 else None


class Reader(Protocol):
    """Turns raw telemetry into facts; `otelscore.dialects` has the one that is used."""

    def wants(self, key: str) -> bool:
        """Whether any dialect reads this attribute; the decoder steps over all others. Called once per key."""

    def read(self, span: RawSpan) -> Reading: ...

    def read_log(self, log: RawLog) -> Verdict | SpanFacts | None: ...


@dataclass(slots=True)
class Batch:
    """One decoded request."""

    spans: list[Span] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    facts: list[SpanFacts] = field(default_factory=list)  # from log records
    records: int = 0  # log records in the request
    rejected: int = 0  # spans or log records that were bad
    reason: str = ""  # why the first of them was
    reached: tuple[str, ...] = ()  # limits that some of them were over
