"""What a request says, read by protobuf's own parser: what our own must agree with."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otelscore.ingest.records import MAX_DEPTH, Origins, check_depth, raw_event, raw_log, raw_span
from otelscore.model import AttributeValue, RawLog, RawSpan, SenderError

ORIGINS = Origins(frozenset({"service.version"}))


def spans(body: bytes) -> list[RawSpan | str]:
    """Every span, or why it is bad; DecodeError where the body is no request."""
    found: list[RawSpan | str] = []
    for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        for of_scope in of_resource.scope_spans:
            origin = ORIGINS.get(_texts(of_resource.resource.attributes), of_scope.scope.name)
            for span in of_scope.spans:
                try:
                    found.append(
                        raw_span(
                            span.trace_id,
                            span.span_id,
                            span.parent_span_id,
                            span.name,
                            span.kind,
                            span.flags,
                            span.start_time_unix_nano,
                            span.end_time_unix_nano,
                            span.status.code,
                            span.status.message,
                            _attributes(span.attributes, MAX_DEPTH),
                            [
                                raw_event(event.name, event.time_unix_nano, _attributes(event.attributes, MAX_DEPTH))
                                for event in span.events
                            ],
                            [(link.trace_id, link.span_id) for link in span.links],
                            origin,
                        )
                    )
                except SenderError as error:
                    found.append(str(error))
    return found


def logs(body: bytes) -> list[RawLog | str]:
    """Likewise every log record."""
    found: list[RawLog | str] = []
    for of_resource in ExportLogsServiceRequest.FromString(body).resource_logs:
        for of_scope in of_resource.scope_logs:
            origin = ORIGINS.get(_texts(of_resource.resource.attributes), of_scope.scope.name)
            for record in of_scope.log_records:
                try:
                    found.append(
                        raw_log(
                            record.trace_id,
                            record.span_id,
                            record.time_unix_nano or record.observed_time_unix_nano,
                            record.event_name,
                            _value(record.body, MAX_DEPTH),
                            _attributes(record.attributes, MAX_DEPTH),
                            origin,
                        )
                    )
                except SenderError as error:
                    found.append(str(error))
    return found


def _texts(pairs: Iterable[Message]) -> dict[str, str]:
    return {pair.key: pair.value.string_value for pair in pairs if ORIGINS.wants(pair.key)}


def _attributes(pairs: Iterable[Message], depth: int) -> dict[str, AttributeValue]:
    return {pair.key: _value(pair.value, depth) for pair in pairs}


def _value(value: Message, depth: int) -> AttributeValue:
    kind = value.WhichOneof("value")
    if kind is None or kind == "string_value_strindex":
        return None
    if kind == "array_value":
        check_depth(depth)
        return [_value(item, depth - 1) for item in value.array_value.values]
    if kind == "kvlist_value":
        check_depth(depth)
        return _attributes(value.kvlist_value.values, depth - 1)
    return getattr(value, kind)
