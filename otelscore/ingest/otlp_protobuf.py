"""OTLP as protobuf: one walk over the bytes of the request.

Nothing is built but what scoring needs: unwanted attribute values and unknown fields are stepped over. The same source
runs interpreted and compiled (the types for Cython are in otlp_protobuf.pxd). Every read is within the bounds of its
own message, else the request is refused; a text that is no UTF-8 spoils its own record alone.

Sources: protobuf.dev/programming-guides/encoding; opentelemetry/proto/trace/v1/trace.proto and logs/v1/logs.proto. A
tag is a field's number times 8 plus its wire type; a known field of another wire type counts as unknown, and of a
message that comes twice the parts are merged, as protobuf says.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import unpack
from typing import Any

from otelscore.ingest.records import (
    MAX_DEPTH,
    NotOtlpError,
    Origins,
    RawKeys,
    Rejected,
    WantedKeys,
    check_depth,
    raw_event,
    raw_log,
    raw_span,
)
from otelscore.model import AttributeValue, Origin, RawEvent, RawLog, RawSpan, SenderError

_MAX_GROUPS = 100  # levels of groups inside one another; as in protobuf's own parsers
_VARINT, _FIXED64, _LENGTH, _GROUP, _END_GROUP, _FIXED32 = range(6)  # wire types
_CUT_OFF = "it is cut off"
_MAX_TAG, _SIGN, _MASK = 2**32 - 1, 2**63, 2**64 - 1

_SPAN_PLACE, _LOG_PLACE = "resourceSpans[{}].scopeSpans[{}].spans[{}]", "resourceLogs[{}].scopeLogs[{}].logRecords[{}]"

Range = tuple[int, int]


class _WireError(Exception):
    """The bytes are no protobuf message."""


def spans(body: bytes, wanted: WantedKeys, origins: Origins) -> Iterator[RawSpan | Rejected]:
    """The spans of an ExportTraceServiceRequest in its order; SenderError if the body is none."""
    return _records(body, wanted.raw, origins, False)


def logs(body: bytes, wanted: WantedKeys, origins: Origins) -> Iterator[RawLog | Rejected]:
    """The records of an ExportLogsServiceRequest in its order; SenderError if the body is none."""
    return _records(body, wanted.raw, origins, True)


def _records(body: bytes, wanted: RawKeys, origins: Origins, of_logs: bool) -> Iterator[Any]:
    """The records of a request of either signal; their requests are built alike."""
    signal, request = ("logs", "ExportLogsServiceRequest") if of_logs else ("traces", "ExportTraceServiceRequest")
    try:
        found = _parts(body, 0, len(body), 0x0A)
        if body and not found:
            field = "resource_logs" if of_logs else "resource_spans"
            raise NotOtlpError(f"no {field} in the request: is this a {signal} request?")
        for i, (start, stop) in enumerate(found):
            resource = _resource(body, start, stop, origins)
            for j, (scope_start, scope_stop) in enumerate(_parts(body, start, stop, 0x12)):
                origin = origins.get(resource, _scope(body, scope_start, scope_stop))
                for k, (at, end) in enumerate(_parts(body, scope_start, scope_stop, 0x12)):
                    try:
                        raw = _log(body, at, end, wanted, origin) if of_logs else _span(body, at, end, wanted, origin)
                    except (SenderError, UnicodeDecodeError) as error:
                        where = _LOG_PLACE if of_logs else _SPAN_PLACE
                        yield Rejected(f"{where.format(i, j, k)}: {_reason(error)}")
                    else:
                        yield raw
    except _WireError as error:
        raise SenderError(f"not a protobuf {request}: {_reason(error)}") from None


def check_metrics(body: bytes) -> None:
    """Raises SenderError if the body is no ExportMetricsServiceRequest."""
    try:
        found = _parts(body, 0, len(body), 0x0A)
    except _WireError as error:
        raise SenderError(f"not a protobuf ExportMetricsServiceRequest: {_reason(error)}") from None
    if body and not found:
        raise NotOtlpError("no resource_metrics in the request: is this a metrics request?")


def _reason(error: Exception) -> str:
    return "a text is no UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)


def _span(body: bytes, at: int, end: int, wanted: RawKeys, origin: Origin) -> RawSpan:
    trace_id = span_id = parent_id = b""
    name = message = ""
    kind = flags = status = 0
    started = ended = 0
    attributes: dict[str, AttributeValue] = {}
    events: list[RawEvent] = []
    links: list[tuple[bytes, bytes]] = []
    while at < end:
        if body[at] == 0x4A:
            size, start = _varint(body, at + 1, end)
            at = start + size
            if size > end - start:
                raise _WireError(_CUT_OFF)
            _attribute(body, start, at, wanted, attributes, MAX_DEPTH)
            continue
        tag, start, at = _field(body, at, end)
        if tag == 0x0A:
            trace_id = body[start:at]
        elif tag == 0x12:
            span_id = body[start:at]
        elif tag == 0x22:
            parent_id = body[start:at]
        elif tag == 0x2A:
            name = body[start:at].decode()
        elif tag == 0x30:
            kind = body[start] if start + 1 == at else _int32(body, start, at)
        elif tag == 0x39:
            started = int.from_bytes(body[start:at], "little")
        elif tag == 0x41:
            ended = int.from_bytes(body[start:at], "little")
        elif tag == 0x7A:
            status, message = _status(body, start, at, status, message)
        elif tag == 0x85:
            flags = int.from_bytes(body[start:at], "little")
        elif tag == 0x5A:
            events.append(_event(body, start, at, wanted))
        elif tag == 0x6A:
            links.append(_link(body, start, at))
    return raw_span(
        trace_id,
        span_id,
        parent_id,
        name,
        kind,
        flags,
        started,
        ended,
        status,
        message,
        attributes,
        events,
        links,
        origin,
    )


def _status(body: bytes, at: int, end: int, code: int, message: str) -> tuple[int, str]:
    while at < end:
        tag, start, at = _field(body, at, end)
        if tag == 0x12:
            message = body[start:at].decode()
        elif tag == 0x18:
            code = _int32(body, start, at)
    return code, message


def _event(body: bytes, at: int, end: int, wanted: RawKeys) -> RawEvent:
    name, time = "", 0
    attributes: dict[str, AttributeValue] = {}
    while at < end:
        tag, start, at = _field(body, at, end)
        if tag == 0x1A:
            _attribute(body, start, at, wanted, attributes, MAX_DEPTH)
        elif tag == 0x12:
            name = body[start:at].decode()
        elif tag == 0x09:
            time = int.from_bytes(body[start:at], "little")
    return raw_event(name, time, attributes)


def _link(body: bytes, at: int, end: int) -> tuple[bytes, bytes]:
    trace_id = span_id = b""
    while at < end:
        tag, start, at = _field(body, at, end)
        if tag == 0x0A:
            trace_id = body[start:at]
        elif tag == 0x12:
            span_id = body[start:at]
    return trace_id, span_id


def _log(body: bytes, at: int, end: int, wanted: RawKeys, origin: Origin) -> RawLog:
    trace_id = span_id = b""
    event_name = ""
    time = observed = 0
    said: list[Range] = []
    attributes: dict[str, AttributeValue] = {}
    while at < end:
        tag, start, at = _field(body, at, end)
        if tag == 0x32:
            _attribute(body, start, at, wanted, attributes, MAX_DEPTH)
        elif tag == 0x2A:
            said.append((start, at))
        elif tag == 0x4A:
            trace_id = body[start:at]
        elif tag == 0x52:
            span_id = body[start:at]
        elif tag == 0x09:
            time = int.from_bytes(body[start:at], "little")
        elif tag == 0x59:
            observed = int.from_bytes(body[start:at], "little")
        elif tag == 0x62:
            event_name = body[start:at].decode()
    return raw_log(trace_id, span_id, time or observed, event_name, _merged(body, said, MAX_DEPTH), attributes, origin)


def _resource(body: bytes, at: int, end: int, origins: Origins) -> dict[str, str]:
    """The texts of the resource attributes that are kept, of a ResourceSpans or ResourceLogs."""
    found: dict[str, str] = {}
    for start, stop in _parts(body, at, end, 0x0A):
        for pair_start, pair_stop in _parts(body, start, stop, 0x0A):
            key = _last_text(body, pair_start, pair_stop, 0x0A)
            if origins.wants(key):
                values = [body[i:j] for i, j in _parts(body, pair_start, pair_stop, 0x12)]
                whole = b"".join(values)
                found[key] = _last_text(whole, 0, len(whole), 0x0A)
    return found


def _scope(body: bytes, at: int, end: int) -> str:
    name = ""
    for start, stop in _parts(body, at, end, 0x0A):
        name = _last_text(body, start, stop, 0x0A) or name
    return name


def _last_text(body: bytes, at: int, end: int, wanted_tag: int) -> str:
    parts = _parts(body, at, end, wanted_tag)
    return body[parts[-1][0] : parts[-1][1]].decode(errors="replace") if parts else ""


def _attribute(
    body: bytes, at: int, end: int, wanted: RawKeys | None, found: dict[str, AttributeValue], depth: int
) -> None:
    """Puts a KeyValue in `found` where it is wanted (None: all are); what comes later replaces what came before."""
    if end - at > 3 and body[at] == 0x0A and body[at + 1] < 0x80:  # a short key and a text, as nearly always
        middle = at + 2 + body[at + 1]
        if middle + 1 < end and body[middle] == 0x12:
            size, start = _varint(body, middle + 1, end)
            if size == end - start:
                key = body[at + 2 : middle]
                name = key.decode() if wanted is None else wanted[key]
                if name is not None:
                    if size > 1 and body[start] == 0x0A:
                        size, begin = _varint(body, start + 1, end)
                        if size == end - begin:
                            found[name] = body[begin:end].decode()
                            return
                    found[name] = _value(body, start, end, depth)
                return
    key = b""
    values: list[Range] | None = None
    start = stop = 0
    while at < end:
        tag, begin, at = _field(body, at, end)
        if tag == 0x0A:
            key = body[begin:at]
        elif tag == 0x12:
            if stop:
                values = [*(values or [(start, stop)]), (begin, at)]
            start, stop = begin, at
    name = key.decode() if wanted is None else wanted[key]
    if name is not None:
        found[name] = _value(body, start, stop, depth) if values is None else _merged(body, values, depth)


def _merged(body: bytes, values: list[Range], depth: int) -> AttributeValue:
    """The AnyValue of which these are the parts: merging messages is parsing them one after the other."""
    whole = b"".join([body[start:stop] for start, stop in values])
    return _value(whole, 0, len(whole), depth)


def _value(body: bytes, at: int, end: int, depth: int) -> AttributeValue:
    value: AttributeValue = None
    items: list[AttributeValue] = []
    pairs: dict[str, AttributeValue] = {}
    while at < end:
        tag, start, at = _field(body, at, end)
        if tag == 0x0A:
            value = body[start:at].decode()
        elif tag == 0x10:
            value = _int64(body, start, at) != 0
        elif tag == 0x18:
            value = _int64(body, start, at)
        elif tag == 0x21:
            (value,) = unpack("<d", body[start:at])
        elif tag == 0x2A:
            check_depth(depth)
            items = items if value is items else []
            for begin, stop in _parts(body, start, at, 0x0A):
                items.append(_value(body, begin, stop, depth - 1))
            value = items
        elif tag == 0x32:
            check_depth(depth)
            pairs = pairs if value is pairs else {}
            for begin, stop in _parts(body, start, at, 0x0A):
                _attribute(body, begin, stop, None, pairs, depth - 1)
            value = pairs
        elif tag == 0x3A:
            value = body[start:at]
        elif tag == 0x40:  # string_value_strindex is for profiles only
            value = None
    return value


def _parts(body: bytes, at: int, end: int, wanted_tag: int) -> list[Range]:
    """Where the values of one repeated field are in a message."""
    found: list[Range] = []
    while at < end:
        tag, start, at = _field(body, at, end)
        if tag == wanted_tag:
            found.append((start, at))
    return found


def _field(body: bytes, at: int, end: int) -> tuple[int, int, int]:
    """(tag, where the value starts, where it ends) of the field at a place; the value of a group is not told."""
    tag = body[at]  # there is one: whoever calls has seen that `at` is before `end`
    at += 1
    if tag >= 0x80:
        tag, at = _varint(body, at - 1, end)
    wire = tag & 7
    stop = at
    if wire == _LENGTH:
        size, at = _varint(body, at, end)
        if size > end - at:
            raise _WireError(_CUT_OFF)
        stop = at + size
    elif wire == _VARINT:
        _, stop = _varint(body, at, end)
    elif wire == _FIXED64:
        stop = at + 8
    elif wire == _FIXED32:
        stop = at + 4
    elif wire == _GROUP:
        stop = _skip_group(body, at, end, tag, _MAX_GROUPS)
    else:
        raise _WireError(f"a field of wire type {wire}")
    if stop > end:
        raise _WireError(_CUT_OFF)
    if not 8 <= tag <= _MAX_TAG:
        raise _WireError("a field without a number")
    return tag, at, stop


def _skip_group(body: bytes, at: int, end: int, opened: int, depth: int) -> int:
    """Where a group ends whose start was at a place; nobody sends them, but protobuf steps over them."""
    if not depth:
        raise _WireError("groups are nested too deep")
    while at < end:
        tag, after = _varint(body, at, end)
        if tag == opened + 1:
            return after
        if tag & 7 == _GROUP:
            at = _skip_group(body, after, end, tag, depth - 1)
        else:
            _, _, at = _field(body, at, end)
    raise _WireError(_CUT_OFF)


def _varint(body: bytes, at: int, end: int) -> tuple[int, int]:
    """(an unsigned integer of 64 bits, where it ends)."""
    if at < end and body[at] < 0x80:
        return body[at], at + 1
    value = shift = 0
    while at < end:
        byte = body[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & _MASK, at
        shift += 7
        if shift > 63:
            raise _WireError("a number of more than ten bytes")
    raise _WireError(_CUT_OFF)


def _int64(body: bytes, at: int, end: int) -> int:
    value, _ = _varint(body, at, end)
    return (value ^ _SIGN) - _SIGN


def _int32(body: bytes, at: int, end: int) -> int:
    value, _ = _varint(body, at, end)
    return ((value & 0xFFFFFFFF) ^ 0x80000000) - 0x80000000
