"""OTLP as protobuf: one walk over the parsed message.

The time goes into reaching from Python for the fields of the C message, not into parsing: a field costs about as much
as a hundred bytes of parsing do. So every field is touched at most once, and values of unwanted attributes never.

Source: opentelemetry/proto/trace/v1/trace.proto and logs/v1/logs.proto.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

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
from otelscore.model import AttributeValue, Origin, RawLog, RawSpan, SenderError

_Request = TypeVar("_Request", bound=Message)


def spans(body: bytes, wanted: WantedKeys, origins: Origins) -> Iterator[RawSpan | Rejected]:
    """The spans of an ExportTraceServiceRequest in its order; SenderError if the body is none."""
    request = _parse(ExportTraceServiceRequest, body)
    if body and not request.resource_spans:
        raise NotOtlpError("no resource_spans in the request: is this a traces request?")
    for i, of_resource in enumerate(request.resource_spans):
        resource = _resource(of_resource.resource, origins)
        for j, of_scope in enumerate(of_resource.scope_spans):
            origin = origins.get(resource, of_scope.scope.name)
            for k, span in enumerate(of_scope.spans):
                try:
                    raw = _span(span, wanted, origin)
                except SenderError as error:
                    yield Rejected(f"resourceSpans[{i}].scopeSpans[{j}].spans[{k}]: {error}")
                else:
                    yield raw


def logs(body: bytes, wanted: WantedKeys, origins: Origins) -> Iterator[RawLog | Rejected]:
    """The records of an ExportLogsServiceRequest in its order; SenderError if the body is none."""
    request = _parse(ExportLogsServiceRequest, body)
    if body and not request.resource_logs:
        raise NotOtlpError("no resource_logs in the request: is this a logs request?")
    for i, of_resource in enumerate(request.resource_logs):
        resource = _resource(of_resource.resource, origins)
        for j, of_scope in enumerate(of_resource.scope_logs):
            origin = origins.get(resource, of_scope.scope.name)
            for k, record in enumerate(of_scope.log_records):
                try:
                    raw = _log(record, wanted, origin)
                except SenderError as error:
                    yield Rejected(f"resourceLogs[{i}].scopeLogs[{j}].logRecords[{k}]: {error}")
                else:
                    yield raw


def check_metrics(body: bytes) -> None:
    """Raises SenderError if the body is no ExportMetricsServiceRequest."""
    if not _parse(ExportMetricsServiceRequest, body).resource_metrics and body:
        raise NotOtlpError("no resource_metrics in the request: is this a metrics request?")


def _parse(request: type[_Request], body: bytes) -> _Request:
    try:
        return request.FromString(body)
    except DecodeError as error:
        # "Error parsing message with type '...': Wire format was corrupt"; one bad string spoils the whole message.
        raise SenderError(f"not a protobuf {request.DESCRIPTOR.name}: {str(error).rpartition(': ')[2]}") from None


def _span(span: Span, wanted: WantedKeys, origin: Origin) -> RawSpan:
    status = span.status
    events = span.events
    links = span.links
    return raw_span(
        span.trace_id,
        span.span_id,
        span.parent_span_id,
        span.name,
        span.kind,
        span.flags,
        span.start_time_unix_nano,
        span.end_time_unix_nano,
        status.code,
        status.message,
        _attributes(span.attributes, wanted),
        [raw_event(event.name, event.time_unix_nano, _attributes(event.attributes, wanted)) for event in events]
        if events
        else [],
        [(link.trace_id, link.span_id) for link in links] if links else (),
        origin,
    )


def _log(record: LogRecord, wanted: WantedKeys, origin: Origin) -> RawLog:
    return raw_log(
        record.trace_id,
        record.span_id,
        record.time_unix_nano or record.observed_time_unix_nano,
        record.event_name,
        _value(record.body, MAX_DEPTH),
        _attributes(record.attributes, wanted),
        origin,
    )


def _attributes(pairs: Iterable[KeyValue], wanted: WantedKeys) -> dict[str, AttributeValue]:
    found: dict[str, AttributeValue] = {}
    for pair in pairs:
        key = pair.key
        if wanted[key]:
            value = pair.value
            found[key] = value.string_value or _value(value, MAX_DEPTH)
    return found


def _resource(resource: Resource, origins: Origins) -> dict[str, str]:
    return {pair.key: pair.value.string_value for pair in resource.attributes if origins.wants(pair.key)}


def _value(value: AnyValue, depth: int) -> AttributeValue:
    kind = value.WhichOneof("value")
    if kind is None or kind == "string_value_strindex":  # the latter is for profiles only: as if absent
        return None
    if kind == "array_value":
        check_depth(depth)
        return [_value(item, depth - 1) for item in value.array_value.values]
    if kind == "kvlist_value":
        check_depth(depth)
        return {pair.key: _value(pair.value, depth - 1) for pair in value.kvlist_value.values}
    plain: str | bool | int | float | bytes = getattr(value, kind)
    return plain
