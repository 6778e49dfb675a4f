from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otelscore.ingest.decode import Decoder
from otelscore.ingest.records import NotOtlpError
from otelscore.model import SenderError

DATA = Path(__file__).parent / "data"
TRACE, SPAN = bytes(range(1, 17)), bytes(range(1, 9))
IDS = ("traceId", "spanId", "parentSpanId")


def as_json(message: Message, **options: bool) -> dict[str, Any]:
    """proto3's JSON with the ids in hex, as OTLP wants them."""

    def with_hex_ids(node: Any) -> Any:
        if isinstance(node, list):
            return [with_hex_ids(item) for item in node]
        if not isinstance(node, dict):
            return node
        return {
            key: base64.b64decode(value).hex() if key in IDS else with_hex_ids(value) for key, value in node.items()
        }

    return with_hex_ids(json_format.MessageToDict(message, **options))


def document(span: object) -> bytes:
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()


def span_with(**fields: object) -> dict[str, object]:
    return {"traceId": TRACE.hex(), "spanId": SPAN.hex(), **fields}


# ------------------------------------------------------------------- equal requests

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
nanos = st.integers(0, 2**64 - 1) | st.integers(0, 100)
keys = st.sampled_from(["service.name", "service.version", "exception.type", "event.name", "a", "b", ""])
scalars = (
    texts.map(lambda v: {"string_value": v})
    | st.booleans().map(lambda v: {"bool_value": v})
    | st.integers(-(2**63), 2**63 - 1).map(lambda v: {"int_value": v})
    | st.floats().map(lambda v: {"double_value": v})
    | st.binary(max_size=9).map(lambda v: {"bytes_value": v})
    | st.just({})
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda items: {"array_value": {"values": items}})
        | st.lists(st.fixed_dictionaries({"key": keys, "value": inner}), max_size=3).map(
            lambda pairs: {"kvlist_value": {"values": pairs}}
        )
    ),
    max_leaves=6,
)
attributes = st.lists(st.fixed_dictionaries({"key": keys}, optional={"value": values}), max_size=4)
trace_ids = st.just(TRACE) | st.sampled_from([b"", bytes(16), b"abc"]) | st.binary(min_size=16, max_size=16)
span_ids = st.just(SPAN) | st.sampled_from([b"", bytes(8), b"abc"]) | st.binary(min_size=8, max_size=8)


def part(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


spans = part(
    trace_id=trace_ids,
    span_id=span_ids,
    parent_span_id=span_ids,
    name=texts,
    kind=st.integers(0, 7),
    flags=st.integers(0, 2**32 - 1),
    start_time_unix_nano=nanos,
    end_time_unix_nano=nanos,
    attributes=attributes,
    status=part(code=st.integers(0, 4), message=texts),
    events=st.lists(part(name=texts, time_unix_nano=nanos, attributes=attributes), max_size=2),
    links=st.lists(part(trace_id=trace_ids, span_id=span_ids), max_size=2),
)
logs = part(
    trace_id=trace_ids,
    span_id=span_ids,
    time_unix_nano=nanos,
    observed_time_unix_nano=nanos,
    event_name=texts | st.just("gen_ai.evaluation.result"),
    body=values,
    attributes=attributes,
)
resources = part(attributes=attributes)
scopes = part(name=texts)


def requests(resource_key: str, scope_key: str, leaf_key: str, leaf: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    of_scope = part(scope=scopes, **{leaf_key: st.lists(leaf, max_size=4)})
    of_resource = part(resource=resources, **{scope_key: st.lists(of_scope, max_size=2)})
    return st.fixed_dictionaries({resource_key: st.lists(of_resource, max_size=2)})


wants = st.sampled_from([lambda key: True, lambda key: False, lambda key: key in ("a", "exception.type")])


@given(
    requests("resource_spans", "scope_spans", "spans", spans).map(lambda f: ExportTraceServiceRequest(**f)),
    wants,
    st.booleans(),
)
def test_equal_traces_in_protobuf_and_json_give_equal_batches(make_recorder, request_, wanted, numbers) -> None:
    shown_protobuf, shown_json = make_recorder(wanted), make_recorder(wanted)
    kept = frozenset({"service.version"})
    from_protobuf = Decoder(shown_protobuf, kept).traces(request_.SerializeToString())
    body = json.dumps(as_json(request_, use_integers_for_enums=numbers)).encode()
    from_json = Decoder(shown_json, kept).traces_json(body)
    assert repr(from_json) == repr(from_protobuf)  # by repr, since NaN is not equal to itself
    assert as_comparable(shown_json.spans) == as_comparable(shown_protobuf.spans)


@given(requests("resource_logs", "scope_logs", "log_records", logs).map(lambda f: ExportLogsServiceRequest(**f)), wants)
def test_equal_logs_in_protobuf_and_json_give_equal_batches(make_recorder, request_, wanted) -> None:
    shown_protobuf, shown_json = make_recorder(wanted), make_recorder(wanted)
    from_protobuf = Decoder(shown_protobuf).logs(request_.SerializeToString())
    from_json = Decoder(shown_json).logs_json(json.dumps(as_json(request_)).encode())
    assert repr(from_json) == repr(from_protobuf)
    assert as_comparable(shown_json.logs) == as_comparable(shown_protobuf.logs)


def as_comparable(raws: list[Any]) -> list[str]:
    return [repr(raw) for raw in raws]


# ------------------------------------------------------------------- one field at a time


def test_a_captured_request_of_vercel_is_read(decoder) -> None:
    batch = decoder.traces_json((DATA / "vercel.json").read_bytes())
    assert batch.spans
    assert batch.rejected == 0


@pytest.mark.parametrize(
    ("fields", "name", "read"),
    [
        ({"traceId": TRACE.hex().upper()}, "trace_id", TRACE),
        ({"kind": "SPAN_KIND_CLIENT"}, "kind", 3),
        ({"kind": 3}, "kind", 3),
        ({"status": {"code": "STATUS_CODE_ERROR"}}, "status", 2),
        ({"status": {"code": 2}}, "status", 2),
        ({"startTimeUnixNano": "12"}, "start", 12),
        ({"startTimeUnixNano": 12}, "start", 12),
        ({"startTimeUnixNano": 12.0}, "start", 12),
        ({"startTimeUnixNano": 1763800000123456789}, "start", 1763800000123456789),
        ({"name": None, "status": None, "attributes": None, "links": None}, "name", ""),
        ({"parentSpanId": ""}, "parent_id", b""),
        ({"start_time_unix_nano": 9, "unknown": {"deep": [1]}}, "start", 0),
    ],
)
def test_fields(recorder, decoder, fields: dict[str, object], name: str, read: object) -> None:
    assert decoder.traces_json(document(span_with(**fields))).rejected == 0
    assert getattr(recorder.spans[0], name) == read


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ({"intValue": "-9223372036854775808"}, -(2**63)),
        ({"intValue": 7}, 7),
        ({"doubleValue": 7}, 7.0),
        ({"doubleValue": "1.5e3"}, 1500.0),
        ({"doubleValue": "-Infinity"}, float("-inf")),
        ({"bytesValue": "-_8="}, b"\xfb\xff"),
        ({"bytesValue": "+/8"}, b"\xfb\xff"),
        ({"stringValue": None}, None),
        ({"stringValue": None, "intValue": 1}, 1),
        ({"arrayValue": {}}, []),
        ({"somethingNew": 1}, None),
        ({}, None),
        (None, None),
    ],
)
def test_values(recorder, decoder, value: object, read: object) -> None:
    batch = decoder.traces_json(document(span_with(attributes=[{"key": "k", "value": value}])))
    assert batch.rejected == 0
    assert recorder.spans[0].attributes["k"] == read
    assert type(recorder.spans[0].attributes["k"]) is type(read)


@pytest.mark.parametrize(
    ("span", "reason"),
    [
        ("x", "it is a string, want an object"),
        (None, "it is null, want an object"),
        (span_with(traceId="AQIDBAUGBwgJCgsMDQ4PEA=="), "traceId is not hex"),
        (span_with(traceId="01 02"), "traceId is not hex"),
        (span_with(traceId=5), "traceId is a number, want a string"),
        (span_with(traceId="0102"), "trace_id is 2 bytes, want 16"),
        (span_with(name={}), "name is an object, want a string"),
        (span_with(kind="CLIENT"), "kind is a string, want an integer"),
        (span_with(kind=True), "kind is a boolean, want an integer"),
        (span_with(kind=2**31), "kind is out of range"),
        (span_with(flags=-1), "flags is out of range"),
        (span_with(startTimeUnixNano="1_000"), "startTimeUnixNano is a string, want an integer"),
        (span_with(startTimeUnixNano="٣"), "startTimeUnixNano is a string, want an integer"),
        (span_with(startTimeUnixNano="9" * 9000), "startTimeUnixNano is a string, want an integer"),
        (span_with(startTimeUnixNano=1.5), "startTimeUnixNano is a number, want an integer"),
        (span_with(endTimeUnixNano=2**64), "endTimeUnixNano is out of range"),
        (span_with(attributes={}), "attributes is an object, want a list"),
        (span_with(attributes=[1]), "attributes[0] is a number, want an object"),
        (span_with(attributes=[{"key": 1}]), "key is a number, want a string"),
        (span_with(attributes=[{"value": "x"}]), "value is a string, want an object"),
        (span_with(attributes=[{"value": {"intValue": "9223372036854775808"}}]), "intValue is out of range"),
        (span_with(attributes=[{"value": {"boolValue": 1}}]), "boolValue is a number, want a boolean"),
        (span_with(attributes=[{"value": {"doubleValue": "x"}}]), "doubleValue is a string, want a number"),
        (span_with(attributes=[{"value": {"bytesValue": "%"}}]), "bytesValue is not base64"),
        (span_with(attributes=[{"value": {"arrayValue": []}}]), "arrayValue is a list, want an object"),
        (
            span_with(attributes=[{"value": {"stringValue": "x", "intValue": 1}}]),
            "an attribute value has both stringValue and intValue",
        ),
        (span_with(events=[{"timeUnixNano": "x"}]), "timeUnixNano is a string, want an integer"),
        (span_with(links=[{"traceId": "xyz"}]), "traceId is not hex"),
        (span_with(status=1), "status is a number, want an object"),
    ],
)
def test_a_span_of_wrong_types_is_rejected_alone(decoder, span: object, reason: str) -> None:
    good = span_with()
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [good, span, good]}]}]}).encode()
    batch = decoder.traces_json(body)
    assert len(batch.spans) == 2
    assert (batch.rejected, batch.reason) == (1, f"resourceSpans[0].scopeSpans[0].spans[1]: {reason}")


@pytest.mark.parametrize(("levels", "rejected"), [(32, 0), (33, 1), (200, 1)])
def test_nesting_is_bounded(decoder, levels: int, rejected: int) -> None:
    value: dict[str, Any] = {"intValue": 1}
    for _ in range(levels):
        value = {"arrayValue": {"values": [value]}}
    span = span_with(attributes=[{"key": "k", "value": value}])
    assert decoder.traces_json(document(span)).rejected == rejected


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "not JSON"),
        (b"hello", "not JSON"),
        (b'{"resourceSpans": [', "not JSON"),
        (b'{"resourceSpans": "\xff"}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "not JSON"),
        (b"[]", "the document is a list, want an object"),
        (b'{"resourceLogs": []}', "no resourceSpans"),
        (b'{"resourceSpans": {}}', "resourceSpans is an object, want a list"),
        (b'{"resourceSpans": [1]}', r"resourceSpans\[0\] is a number, want an object"),
        (b'{"resourceSpans": [{"scopeSpans": 1}]}', r"resourceSpans\[0\]: scopeSpans is a number, want a list"),
        (
            b'{"resourceSpans": [{"scopeSpans": [{"spans": {}}]}]}',
            r"resourceSpans\[0\].scopeSpans\[0\]: spans is an object, want a list",
        ),
        (b'{"resourceSpans": [{"resource": {"attributes": 1}}]}', r"resourceSpans\[0\]: attributes is a number"),
    ],
)
def test_a_document_that_is_no_request_is_the_senders_error(decoder, body: bytes, message: str) -> None:
    with pytest.raises(SenderError, match=message):
        decoder.traces_json(body)


def test_an_empty_document_is_an_empty_request(decoder) -> None:
    assert decoder.traces_json(b"{}").spans == []
    assert decoder.logs_json(b'{"resourceLogs": null}').records == 0


def test_a_document_tells_its_signal_by_its_key(decoder) -> None:
    of_span = json.loads(document(span_with()))
    assert len(decoder.any_json(of_span).spans) == 1
    assert decoder.any_json({"resourceLogs": [{"scopeLogs": [{"logRecords": [{}]}]}]}).records == 1
    assert decoder.any_json({"resourceMetrics": [{}]}).spans == []
    with pytest.raises(NotOtlpError):
        decoder.any_json({"truth": 1})
