"""OTLP/JSON: one walk over the parsed document.

Not quite proto3's own JSON: ids are hex instead of base64. Names are lowerCamelCase, enums numbers or names, 64-bit
integers strings or numbers, bytes base64; null stands for the default and unknown fields are ignored.

Source: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding and https://protobuf.dev/programming-guides/json/
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn, cast

import orjson
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from otelscore.ingest.records import (
    MAX_DEPTH,
    NotOtlpError,
    Origins,
    Rejected,
    WantedKeys,
    check_depth,
    raw_event,
    raw_log,
    raw_span,
)
from otelscore.model import AttributeValue, Origin, RawEvent, RawLog, RawSpan, SenderError

Object = dict[str, Any]

_INTEGER = re.compile(r"-?[0-9]{1,20}", re.ASCII)
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?|NaN|-?Infinity", re.ASCII)
_URL_SAFE = str.maketrans("-_", "+/")
_KINDS = dict(Span.SpanKind.items())
_CODES = dict(Status.StatusCode.items())
_INT32 = range(-(2**31), 2**31)
_INT64 = range(-(2**63), 2**63)
_UINT32 = range(2**32)
_UINT64 = range(2**64)
_TYPE_NAMES = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
}


def parse(body: bytes) -> Object:
    """The document; SenderError if the body is no JSON object."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise SenderError(f"not JSON: {error}") from None
    if type(document) is not dict:
        raise NotOtlpError(f"the document is {_type_name(document)}, want an object")
    return document


def spans(document: Object, wanted: WantedKeys, origins: Origins) -> Iterator[RawSpan | Rejected]:
    """The spans of an ExportTraceServiceRequest in its order; SenderError if the document is none."""
    for where, origin, span in _records(document, ("resourceSpans", "scopeSpans", "spans"), origins):
        try:
            raw = _span(span, wanted, origin)
        except SenderError as error:
            yield Rejected(f"{where}: {error}")
        else:
            yield raw


def logs(document: Object, wanted: WantedKeys, origins: Origins) -> Iterator[RawLog | Rejected]:
    """The records of an ExportLogsServiceRequest in its order; SenderError if the document is none."""
    for where, origin, record in _records(document, ("resourceLogs", "scopeLogs", "logRecords"), origins):
        try:
            raw = _log(record, wanted, origin)
        except SenderError as error:
            yield Rejected(f"{where}: {error}")
        else:
            yield raw


def check_metrics(body: bytes) -> None:
    """Raises SenderError if the body is no ExportMetricsServiceRequest."""
    _objects_of_request(parse(body), "resourceMetrics")


def _records(document: Object, levels: tuple[str, str, str], origins: Origins) -> Iterator[tuple[str, Origin, object]]:
    """Yields (place, origin, record) of every record; an envelope of wrong types is the whole request's fault."""
    by_resource, by_scope, leaf = levels
    for i, of_resource in enumerate(_objects_of_request(document, by_resource)):
        try:
            resource = _resource(_object(of_resource, "resource"), origins)
            of_scopes = _objects(of_resource, by_scope)
        except SenderError as error:
            raise SenderError(f"{by_resource}[{i}]: {error}") from None
        for j, of_scope in enumerate(of_scopes):
            try:
                origin = origins.get(resource, _string(_object(of_scope, "scope"), "name"))
                records = _list(of_scope, leaf)
            except SenderError as error:
                raise SenderError(f"{by_resource}[{i}].{by_scope}[{j}]: {error}") from None
            for k, record in enumerate(records):
                yield f"{by_resource}[{i}].{by_scope}[{j}].{leaf}[{k}]", origin, record


def _objects_of_request(document: Object, key: str) -> list[Object]:
    if document and key not in document:
        raise NotOtlpError(f"no {key} in the document")
    return _objects(document, key)


def _span(span: object, wanted: WantedKeys, origin: Origin) -> RawSpan:
    if type(span) is not dict:
        raise SenderError(f"it is {_type_name(span)}, want an object")
    status = _object(span, "status")
    return raw_span(
        _id(span, "traceId"),
        _id(span, "spanId"),
        _id(span, "parentSpanId"),
        _string(span, "name"),
        _enum(span, "kind", _KINDS),
        _integer(span, "flags", _UINT32),
        _integer(span, "startTimeUnixNano", _UINT64),
        _integer(span, "endTimeUnixNano", _UINT64),
        _enum(status, "code", _CODES),
        _string(status, "message"),
        _attributes(span, wanted),
        [_event(event, wanted) for event in _objects(span, "events")],
        [(_id(link, "traceId"), _id(link, "spanId")) for link in _objects(span, "links")],
        origin,
    )


def _event(event: Object, wanted: WantedKeys) -> RawEvent:
    return raw_event(_string(event, "name"), _integer(event, "timeUnixNano", _UINT64), _attributes(event, wanted))


def _log(record: object, wanted: WantedKeys, origin: Origin) -> RawLog:
    if type(record) is not dict:
        raise SenderError(f"it is {_type_name(record)}, want an object")
    return raw_log(
        _id(record, "traceId"),
        _id(record, "spanId"),
        _integer(record, "timeUnixNano", _UINT64) or _integer(record, "observedTimeUnixNano", _UINT64),
        _string(record, "eventName"),
        _value(_object(record, "body"), MAX_DEPTH),
        _attributes(record, wanted),
        origin,
    )


def _attributes(holder: Object, wanted: WantedKeys) -> dict[str, AttributeValue]:
    return {
        key: _value(_object(pair, "value"), MAX_DEPTH)
        for pair in _objects(holder, "attributes")
        if wanted[key := _string(pair, "key")]
    }


def _resource(resource: Object, origins: Origins) -> dict[str, str]:
    texts = {}
    for pair in _objects(resource, "attributes"):
        if origins.wants(key := _string(pair, "key")):
            text = _object(pair, "value").get("stringValue")
            texts[key] = text if type(text) is str else ""
    return texts


def _value(value: Object, depth: int) -> AttributeValue:
    fields = [name for name in value if name in _VALUES and value[name] is not None]
    if not fields:
        return None
    if len(fields) > 1:
        raise SenderError(f"an attribute value has both {fields[0]} and {fields[1]}")
    return _VALUES[fields[0]](value, fields[0], depth)


def _array(value: Object, key: str, depth: int) -> AttributeValue:
    check_depth(depth)
    return [_value(item, depth - 1) for item in _objects(_object(value, key), "values")]


def _kvlist(value: Object, key: str, depth: int) -> AttributeValue:
    check_depth(depth)
    pairs = _objects(_object(value, key), "values")
    return {_string(pair, "key"): _value(_object(pair, "value"), depth - 1) for pair in pairs}


# Every reader below takes (object, field) and gives the field's value, its default where the field is missing or null,
# or raises SenderError that names the field and what was there instead, never the content.


def _object(holder: Object, key: str) -> Object:
    value = holder.get(key)
    if value is None:
        return {}
    return value if type(value) is dict else _wrong(key, value, "an object")


def _list(holder: Object, key: str) -> list[object]:
    value = holder.get(key)
    if value is None:
        return []
    return value if type(value) is list else _wrong(key, value, "a list")


def _objects(holder: Object, key: str) -> list[Object]:
    items = _list(holder, key)
    for i, item in enumerate(items):
        if type(item) is not dict:
            _wrong(f"{key}[{i}]", item, "an object")
    return cast("list[Object]", items)


def _string(holder: Object, key: str) -> str:
    value = holder.get(key)
    if value is None:
        return ""
    return value if type(value) is str else _wrong(key, value, "a string")


def _boolean(holder: Object, key: str) -> bool:
    value = holder.get(key)
    if value is None:
        return False
    return value if type(value) is bool else _wrong(key, value, "a boolean")


def _integer(holder: Object, key: str, allowed: range) -> int:
    value = holder.get(key)
    if value is None:
        return 0
    if (type(value) is str and _INTEGER.fullmatch(value)) or (type(value) is float and value.is_integer()):
        value = int(value)
    if type(value) is not int:
        return _wrong(key, value, "an integer")
    if value not in allowed:
        raise SenderError(f"{key} is out of range")
    return value


def _double(holder: Object, key: str) -> float:
    value = holder.get(key)
    if type(value) is int or type(value) is float or (type(value) is str and _NUMBER.fullmatch(value)):
        return float(value)
    return _wrong(key, value, "a number")


def _enum(holder: Object, key: str, names: Mapping[str, int]) -> int:
    value = holder.get(key)
    if type(value) is str and value in names:
        return names[value]
    return _integer(holder, key, _INT32)


def _id(holder: Object, key: str) -> bytes:
    text = _string(holder, key)
    try:
        return binascii.unhexlify(text)
    except ValueError:
        raise SenderError(f"{key} is not hex") from None


def _base64(holder: Object, key: str) -> bytes:
    text = _string(holder, key).translate(_URL_SAFE).rstrip("=")
    try:
        return b64decode(text + "=" * (-len(text) % 4), validate=True)
    except ValueError:
        raise SenderError(f"{key} is not base64") from None


def _wrong(key: str, value: object, want: str) -> NoReturn:
    raise SenderError(f"{key} is {_type_name(value)}, want {want}")


def _type_name(value: object) -> str:
    return _TYPE_NAMES.get(type(value), "null")


_VALUES: Mapping[str, Callable[[Object, str, int], AttributeValue]] = {
    "stringValue": lambda value, key, _: _string(value, key),
    "boolValue": lambda value, key, _: _boolean(value, key),
    "intValue": lambda value, key, _: _integer(value, key, _INT64),
    "doubleValue": lambda value, key, _: _double(value, key),
    "bytesValue": lambda value, key, _: _base64(value, key),
    "arrayValue": _array,
    "kvlistValue": _kvlist,
}
