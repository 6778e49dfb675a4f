"""Telemetry as it came: what a dialect is shown of a span or a log record while it is read. It holds content."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

AttributeValue = str | bool | int | float | bytes | list["AttributeValue"] | dict[str, "AttributeValue"] | None
"""An OTLP AnyValue: a list for an array, a dict for a kvlist, None for an empty value."""

Attributes = Mapping[str, AttributeValue]

SERVER, CONSUMER = 2, 5  # SpanKind numbers of opentelemetry/proto/trace/v1/trace.proto
UNSET, OK, ERROR = 0, 1, 2  # Status.StatusCode numbers of the same file


@dataclass(frozen=True, slots=True)
class Origin:
    """The resource and scope that spans came from, shared by all spans of one ScopeSpans."""

    service: str = "unknown_service"
    scope: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """Resource attributes kept for labels (service.version, deployment.environment.name, ...)."""
    tenant: str = ""
    """Who sent them, by the token that came with the request; "" where none is asked for."""


@dataclass  # with slots by hand, as Cython knows dataclasses without
class RawEvent:
    """A span event as it came."""

    __slots__ = ("attributes", "name", "time")

    name: str
    time: int
    attributes: dict[str, AttributeValue]


@dataclass  # likewise
class RawSpan:
    """What a dialect is shown of one OTLP span; it holds content and is dropped when the reading is made."""

    __slots__ = (
        "attributes",
        "end",
        "events",
        "flags",
        "kind",
        "links",
        "message",
        "name",
        "origin",
        "parent_id",
        "span_id",
        "start",
        "status",
        "trace_id",
    )

    trace_id: bytes
    span_id: bytes
    parent_id: bytes  # b"" for a root
    name: str
    kind: int
    flags: int
    start: int
    end: int
    status: int
    message: str
    attributes: dict[str, AttributeValue]  # only the keys that the reader wants
    events: list[RawEvent]  # likewise
    links: tuple[tuple[bytes, bytes], ...]  # (trace id, span id)
    origin: Origin


@dataclass(slots=True)
class RawLog:
    """What a dialect is shown of one OTLP log record."""

    trace_id: bytes
    span_id: bytes
    time: int  # time_unix_nano, else observed_time_unix_nano
    event_name: str  # the field, else the attribute `event.name`
    body: AttributeValue
    attributes: dict[str, AttributeValue]
    origin: Origin
