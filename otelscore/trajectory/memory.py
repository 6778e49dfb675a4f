"""Which spans were seen of runs that are final: what comes again is a duplicate, what comes below them is late."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from otelscore.model import Span

MAX_SERVICES = 16
"""Names of services in one process whose spans are remembered together."""

SPANS_OF_TRACE = 32
"""Spans that a final trace that is remembered may have on average."""


class Learnt(NamedTuple):
    """Spans that became final, or came too late: an addition to the memory of a service in a trace."""

    until: float
    trace_id: bytes
    service: str
    start: int
    end: int
    span_ids: bytes  # 8 bytes each


@dataclass(slots=True)
class Memory:
    """What is remembered of the final runs of one service in one trace."""

    until: float
    start: int
    end: int
    span_ids: bytearray  # 8 bytes each
    known: set[bytes] | None = None  # the same of a long one, made when somebody asks: nearly nobody does

    def holds(self, span_id: bytes) -> bool:
        if self.known is None and len(self.span_ids) > 8 * SPANS_OF_TRACE:
            self.known = {bytes(self.span_ids[at : at + 8]) for at in range(0, len(self.span_ids), 8)}
        if self.known is not None:
            return span_id in self.known
        at = self.span_ids.find(span_id)
        while at > 0 and at % 8:  # the end of one id and the beginning of the next
            at = self.span_ids.find(span_id, at + 1)
        return at >= 0

    def add(self, learnt: Learnt) -> None:
        self.until = max(self.until, learnt.until)
        self.start, self.end = min(self.start, learnt.start), max(self.end, learnt.end)
        self.span_ids += learnt.span_ids
        if self.known is not None:
            self.known |= {learnt.span_ids[at : at + 8] for at in range(0, len(learnt.span_ids), 8)}


class Memories:
    """What is remembered, by trace and service. The oldest goes when its time is over, or when there is no room."""

    def __init__(self, limit: int) -> None:
        """`limit`: how many of a trace and a service there may be."""
        self._limit = limit
        self._memories: OrderedDict[tuple[bytes, str], Memory] = OrderedDict()  # by `until`
        self._span_ids = 0  # in all of them
        self.forgotten = 0
        """How many went for want of room."""
        self.learnt: list[Learnt] = []
        """What came since somebody cleared this."""

    def get(self, trace_id: bytes, service: str) -> Memory | None:
        return self._memories.get((trace_id, service))

    def since(self, now: float) -> float:
        """When the oldest will be forgotten; `now` where there is none."""
        return next((memory.until for memory in self._memories.values()), now)

    def learn(self, learnt: Learnt) -> None:
        """Remembers what is new; `until` never falls."""
        self.learnt.append(learnt)
        self.remember(learnt)

    def learn_all(self, spans: Sequence[Span], start: int, end: int, until: float) -> None:
        """Remembers the spans of one fragment of a trace, which began and ended then.

        Under the name of each service all of them, so that what comes below one of another service is late too. Where
        hostile spans bear too many names, under each only its own.
        """
        trace_id = spans[0].trace_id
        services = dict.fromkeys(span.origin.service for span in spans)
        for service in services:
            own = spans if len(services) <= MAX_SERVICES else [span for span in spans if span.origin.service == service]
            self.learn(Learnt(until, trace_id, service, start, end, b"".join([span.span_id for span in own])))

    def remember(self, learnt: Learnt) -> None:
        """Takes back what was learnt before a restart, in the order of then."""
        key = (learnt.trace_id, learnt.service)
        memory = self._memories.get(key)
        if memory is None:
            memory = self._memories[key] = Memory(learnt.until, learnt.start, learnt.end, bytearray())
        elif memory.until < learnt.until:
            self._memories.move_to_end(key)
        memory.add(learnt)
        self._span_ids += len(learnt.span_ids) // 8
        while max(len(self._memories), self._span_ids / SPANS_OF_TRACE) > self._limit:
            self._forget_oldest()
            self.forgotten += 1

    def expire(self, now: float) -> None:
        """Lets go of what is too old."""
        while self._memories and next(iter(self._memories.values())).until <= now:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        _, memory = self._memories.popitem(last=False)
        self._span_ids -= len(memory.span_ids) // 8
