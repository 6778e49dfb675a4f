"""What the two wire formats share: which attributes are kept, whose a record is, and when a record is bad.

Protobuf and JSON both end in `raw_span` and `raw_log`, so that equal requests give equal records and equal refusals.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from otelscore.model import AttributeValue, Origin, RawEvent, RawLog, RawSpan, Reader, SenderError

MAX_DEPTH = 32
"""Levels of an AnyValue inside another; deeper ones make the record bad."""

EVENT_NAME = "event.name"
"""The attribute that named a log event before LogRecord.event_name existed; kept whatever the reader wants."""

_MAX_TEXT = 256  # characters of a resource or scope value, or a key, that is held for long
_MAX_LINKS = 8  # of a span; they are held as long as it is
_MAX_KEYS = 10_000
_MAX_ORIGINS = 1_000
_MAX_TIME = 2**63 - 1  # the year 2262, and what a signed 64-bit column can hold

_UNNAMED = Origin().service
_NO_TRACE = bytes(16)
_NO_SPAN = bytes(8)

Links = Iterable[tuple[bytes, bytes]]


class NotOtlpError(SenderError):
    """The message is well-formed, but nothing in it is OTLP of the signal that was asked for."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A bad record in an otherwise good request."""

    reason: str  # where it is and what is wrong with it, never its content


class WantedKeys(dict[str, bool]):
    """Attribute key -> whether the reader wants it, asked once a key.

    Senders choose the keys, so past `_MAX_KEYS`, and of long ones, nothing is remembered and the reader is asked every
    time.
    """

    def __init__(self, reader: Reader) -> None:
        super().__init__({EVENT_NAME: True})
        self.raw = RawKeys(self)
        self._reader = reader

    def __missing__(self, key: str) -> bool:
        wanted = self._reader.wants(key)
        if len(self) < _MAX_KEYS and len(key) <= _MAX_TEXT:
            self[key] = wanted
        return wanted


class RawKeys(dict[bytes, str | None]):
    """Attribute key as it is on the wire -> the key, None where it is not wanted or no UTF-8."""

    def __init__(self, wanted: WantedKeys) -> None:
        super().__init__()
        self._wanted = wanted

    def __missing__(self, raw: bytes) -> str | None:
        try:
            key = raw.decode()
        except UnicodeDecodeError:
            return None
        found = key if self._wanted[key] else None
        if len(self) < _MAX_KEYS and len(raw) <= _MAX_TEXT:
            self[raw] = found
        return found


class Origins:
    """One shared `Origin` for all spans of the same service, scope and kept resource attributes.

    `resource_keys` are the resource attributes to keep, where they are strings, not empty and short enough for a label.
    """

    def __init__(self, resource_keys: frozenset[str]) -> None:
        self._keys = resource_keys
        self._known: dict[tuple[object, ...], Origin] = {}

    def wants(self, key: str) -> bool:
        return key == "service.name" or key in self._keys

    def get(self, resource: Mapping[str, str], scope: str) -> Origin:
        service = resource.get("service.name", "")[:_MAX_TEXT] or _UNNAMED
        kept = {key: text for key, text in resource.items() if key in self._keys and 0 < len(text) <= _MAX_TEXT}
        identity = (service, scope[:_MAX_TEXT], *sorted(kept.items()))
        origin = self._known.get(identity)
        if origin is None:
            if len(self._known) >= _MAX_ORIGINS:
                self._known.clear()
            origin = self._known[identity] = Origin(service, scope[:_MAX_TEXT], kept)
        return origin


def raw_span(
    trace_id: bytes,
    span_id: bytes,
    parent_id: bytes,
    name: str,
    kind: int,
    flags: int,
    start: int,
    end: int,
    status: int,
    message: str,
    attributes: dict[str, AttributeValue],
    events: list[RawEvent],
    links: Links,
    origin: Origin,
) -> RawSpan:
    """Raises SenderError if the span cannot be placed in a trace.

    An all-zero parent id counts as none. An end before the start becomes the start; an end of 0 (not ended) stays.
    Links that name no span are left out: the SDKs may send empty ones.
    """
    if len(trace_id) != 16 or trace_id == _NO_TRACE:
        raise SenderError(_bad_id("trace_id", trace_id, 16))
    if len(span_id) != 8 or span_id == _NO_SPAN:
        raise SenderError(_bad_id("span_id", span_id, 8))
    if parent_id:
        if len(parent_id) != 8:
            raise SenderError(_bad_id("parent_span_id", parent_id, 8))
        if parent_id == _NO_SPAN:
            parent_id = b""
    if start > _MAX_TIME or end > _MAX_TIME:
        raise SenderError("a time is after the year 2262")
    if 0 < end < start:
        end = start
    return RawSpan(
        trace_id,
        span_id,
        parent_id,
        name,
        kind,
        flags,
        start,
        end,
        status,
        message,
        attributes,
        events,
        _valid_links(links) if links else (),
        origin,
    )


def raw_event(name: str, time: int, attributes: dict[str, AttributeValue]) -> RawEvent:
    """Raises SenderError if the time is out of range."""
    if time > _MAX_TIME:
        raise SenderError("the time of an event is after the year 2262")
    return RawEvent(name, time, attributes)


def raw_log(
    trace_id: bytes,
    span_id: bytes,
    time: int,
    event_name: str,
    body: AttributeValue,
    attributes: dict[str, AttributeValue],
    origin: Origin,
) -> RawLog:
    """Raises SenderError if an id has the wrong length. An all-zero id counts as none, as logs.proto says."""
    if trace_id and len(trace_id) != 16:
        raise SenderError(_bad_id("trace_id", trace_id, 16))
    if span_id and len(span_id) != 8:
        raise SenderError(_bad_id("span_id", span_id, 8))
    if time > _MAX_TIME:
        raise SenderError("the time is after the year 2262")
    if not event_name:
        named = attributes.get(EVENT_NAME)
        event_name = named if isinstance(named, str) else ""
    return RawLog(
        b"" if trace_id == _NO_TRACE else trace_id,
        b"" if span_id == _NO_SPAN else span_id,
        time,
        event_name,
        body,
        attributes,
        origin,
    )


def check_depth(left: int) -> None:
    """Raises SenderError where a container is met with no level left for what is in it."""
    if left == 0:
        raise SenderError(f"an attribute value is nested deeper than {MAX_DEPTH} levels")


def _valid_links(links: Links) -> tuple[tuple[bytes, bytes], ...]:
    valid = [
        (trace_id, span_id)
        for trace_id, span_id in links
        if len(trace_id) == 16 and trace_id != _NO_TRACE and len(span_id) == 8 and span_id != _NO_SPAN
    ]
    return tuple(valid[:_MAX_LINKS])


def _bad_id(field: str, value: bytes, want: int) -> str:
    if len(value) == want:
        return f"{field} is all zero"
    return f"{field} is {len(value)} bytes, want {want}"
