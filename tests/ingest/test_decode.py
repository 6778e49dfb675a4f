from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from otelscore.ingest import records
from otelscore.ingest.decode import Decoder
from otelscore.model import ERROR, OK, OTHER, Kind, Origin, RawEvent, Reading, SenderError

DATA = Path(__file__).parent / "data"
TRACE, SPAN, PARENT = bytes(range(1, 17)), bytes(range(1, 9)), bytes(range(11, 19))

Make = Callable[..., ExportTraceServiceRequest]


def text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def nested(levels: int) -> AnyValue:
    value = AnyValue(int_value=1)
    for _ in range(levels):
        outer = AnyValue()
        outer.array_value.values.add().CopyFrom(value)
        value = outer
    return value


def test_every_field_of_a_span_reaches_the_reader(recorder, decoder, request_of: Make) -> None:
    span = {
        "parent_span_id": PARENT,
        "name": "execute_tool search",
        "kind": Span.SPAN_KIND_CLIENT,
        "flags": 0x300,
        "start_time_unix_nano": 10,
        "end_time_unix_nano": 20,
        "status": Status(code=Status.STATUS_CODE_ERROR, message="no"),
        "attributes": [text("a", "b"), KeyValue(key="n", value=AnyValue(int_value=-3))],
        "events": [Span.Event(name="exception", time_unix_nano=15, attributes=[text("exception.type", "E")])],
        "links": [Span.Link(trace_id=TRACE, span_id=PARENT), Span.Link()],
    }
    batch = decoder.traces(request_of(span).SerializeToString())

    (raw,) = recorder.spans
    assert (raw.trace_id, raw.span_id, raw.parent_id) == (TRACE, SPAN, PARENT)
    assert (raw.name, raw.kind, raw.flags, raw.start, raw.end) == ("execute_tool search", 3, 0x300, 10, 20)
    assert (raw.status, raw.message) == (ERROR, "no")
    assert raw.attributes == {"a": "b", "n": -3}
    assert raw.events == [RawEvent("exception", 15, {"exception.type": "E"})]
    assert raw.links == ((TRACE, PARENT),)
    assert raw.origin == Origin("shop", "tests")
    (kept,) = batch.spans
    assert (kept.trace_id, kept.name, kept.end, kept.links) == (TRACE, "execute_tool search", 20, raw.links)
    assert kept.remote_parent is True
    assert batch.rejected == 0


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (AnyValue(), None),
        (AnyValue(string_value=""), ""),
        (AnyValue(bool_value=False), False),
        (AnyValue(int_value=0), 0),
        (AnyValue(double_value=0.5), 0.5),
        (AnyValue(bytes_value=b"\x00"), b"\x00"),
        (AnyValue(array_value={}), []),
        (AnyValue(array_value={"values": [{"string_value": "x"}, {}]}), ["x", None]),
        (AnyValue(kvlist_value={"values": [{"key": "k", "value": {"int_value": 1}}]}), {"k": 1}),
        (AnyValue(string_value_strindex=3), None),
    ],
)
def test_values(recorder, decoder, request_of: Make, value: AnyValue, read: object) -> None:
    decoder.traces(request_of({"attributes": [KeyValue(key="k", value=value)]}).SerializeToString())
    found = recorder.spans[0].attributes["k"]
    assert found == read
    assert type(found) is type(read)


def test_only_wanted_attributes_are_shown_and_each_key_is_asked_once(request_of: Make) -> None:
    asked = []

    class Picky:
        def wants(self, key):
            asked.append(key)
            return key == "yes"

        def read(self, span):
            shown.append((span.attributes, span.events[0].attributes))
            return OTHER

    shown: list[object] = []
    attributes = [text("yes", "1"), text("no", "2")]
    span = {"attributes": attributes, "events": [Span.Event(name="e", attributes=attributes)]}
    decoder = Decoder(Picky())
    body = request_of(span, span).SerializeToString()
    decoder.traces(body)
    decoder.traces(body)
    assert shown == [({"yes": "1"}, {"yes": "1"})] * 4
    assert asked == ["yes", "no"]


def test_equal_ids_and_names_of_a_request_are_held_once(request_of: Make) -> None:
    class Plain:
        def wants(self, key):
            return False

        def read(self, span):
            return Reading(Kind.TOOL, name=span.name[:4], agent=span.name[:5], session=span.name[:6])

    body = request_of({"name": "a name", "span_id": b"12345678"}, {"name": "a name", "parent_span_id": b"12345678"})
    one, other = Decoder(Plain()).traces(body.SerializeToString()).spans
    assert other.trace_id is one.trace_id
    assert other.parent_id is one.span_id
    assert other.name is one.name
    assert all(getattr(other.reading, field) is getattr(one.reading, field) for field in ("name", "agent", "session"))


def test_keys_of_senders_are_remembered_up_to_a_bound(recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_MAX_KEYS", 3)
    wanted = records.WantedKeys(recorder)
    assert all(wanted[f"key{i}"] for i in range(10))
    assert len(wanted) == 3


def test_origins_of_senders_are_remembered_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_MAX_ORIGINS", 3)
    origins = records.Origins(frozenset())
    assert origins.get({}, "same") is origins.get({}, "same")
    for i in range(10):
        assert origins.get({}, f"scope{i}").scope == f"scope{i}"
    assert len(origins._known) <= 3


def test_an_origin_keeps_the_short_texts_of_the_keys_it_is_told(recorder) -> None:
    request = ExportTraceServiceRequest()
    of_resource = request.resource_spans.add()
    of_resource.resource.attributes.extend(
        [text("service.version", "1"), text("host.name", "h"), text("long", "x" * 257), text("empty", "")]
    )
    of_resource.resource.attributes.add(key="number").value.int_value = 1
    of_resource.scope_spans.add().spans.add(trace_id=TRACE, span_id=SPAN)
    decoder = Decoder(recorder, frozenset({"service.version", "long", "empty", "number"}))
    (span,) = decoder.traces(request.SerializeToString()).spans
    assert span.origin == Origin("unknown_service", "", {"service.version": "1"})


BAD = [
    ({"trace_id": b"abcd"}, "trace_id is 4 bytes, want 16"),
    ({"trace_id": bytes(16)}, "trace_id is all zero"),
    ({"span_id": b""}, "span_id is 0 bytes, want 8"),
    ({"span_id": bytes(8)}, "span_id is all zero"),
    ({"parent_span_id": b"x"}, "parent_span_id is 1 bytes, want 8"),
    ({"end_time_unix_nano": 2**63}, "a time is after the year 2262"),
    ({"events": [Span.Event(time_unix_nano=2**63)]}, "the time of an event is after the year 2262"),
    ({"attributes": [KeyValue(key="k", value=nested(33))]}, "an attribute value is nested deeper than 32 levels"),
]


@pytest.mark.parametrize(("change", "reason"), BAD)
def test_a_bad_span_is_rejected_alone(decoder, request_of: Make, change: dict[str, object], reason: str) -> None:
    batch = decoder.traces(request_of({}, change, {"trace_id": b""}, {}).SerializeToString())
    assert len(batch.spans) == 2
    assert batch.rejected == 2
    assert batch.reason == f"resourceSpans[0].scopeSpans[0].spans[1]: {reason}"


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ({"parent_span_id": bytes(8)}, {"parent_id": b""}),
        ({"start_time_unix_nano": 9, "end_time_unix_nano": 5}, {"start": 9, "end": 9}),
        ({"start_time_unix_nano": 9, "end_time_unix_nano": 0}, {"start": 9, "end": 0}),
        ({"name": ""}, {"name": ""}),
        ({"name": "n" * 1000}, {"name": "n" * 256}),
        ({"attributes": [KeyValue(key="k", value=nested(32))]}, {}),
        ({"links": [Span.Link(trace_id=TRACE, span_id=SPAN)] * 200}, {"links": ((TRACE, SPAN),) * 8}),
        ({"status": Status(code=Status.STATUS_CODE_OK)}, {"status": OK}),
    ],
)
def test_what_is_odd_but_usable_is_kept(
    decoder, request_of: Make, change: dict[str, object], kept: dict[str, object]
) -> None:
    batch = decoder.traces(request_of(change).SerializeToString())
    assert batch.rejected == 0
    assert {name: getattr(batch.spans[0], name) for name in kept} == kept


def test_an_empty_body_is_an_empty_request(decoder) -> None:
    assert decoder.traces(b"").spans == []
    assert decoder.logs(b"").records == 0


@pytest.mark.parametrize("body", [b"hello world", b"\x00" * 10, b'{"resourceSpans":[]}', b"\x0a\xff\xff\xff\xff\x0f"])
def test_garbage_is_the_senders_error(decoder, body: bytes) -> None:
    with pytest.raises(SenderError, match="not a protobuf ExportTraceServiceRequest"):
        decoder.traces(body)
    with pytest.raises(SenderError, match="not a protobuf ExportLogsServiceRequest"):
        decoder.logs(body)


def test_a_message_of_another_type_is_the_senders_error(decoder) -> None:
    other = text("k", "v").value  # parses as a request with one unknown field
    body = KeyValue(value=other).SerializeToString()
    with pytest.raises(SenderError, match="no resource_spans"):
        decoder.traces(body)
    with pytest.raises(SenderError, match="no resource_logs"):
        decoder.logs(body)


def test_a_body_cut_off_anywhere_raises_nothing_but_the_senders_error(decoder, request_of: Make) -> None:
    body = request_of({"attributes": [text("a", "b" * 50)]}, {}).SerializeToString()
    whole = decoder.traces(body)
    for length in range(1, len(body)):
        with pytest.raises(SenderError):
            decoder.traces(body[:length])
    assert decoder.traces(body) == whole


def test_logs_give_verdicts_and_exceptions(recorder, decoder) -> None:
    request = ExportLogsServiceRequest()
    of_scope = request.resource_logs.add().scope_logs.add()
    add = of_scope.log_records.add
    add(trace_id=TRACE, span_id=SPAN, time_unix_nano=5, event_name="gen_ai.evaluation.result")
    add(observed_time_unix_nano=6, attributes=[text("event.name", "gen_ai.evaluation.result")])
    add(trace_id=TRACE, span_id=SPAN, attributes=[text("exception.type", "E")], body=AnyValue(string_value="hi"))
    add(trace_id=bytes(16), span_id=bytes(8))
    add(trace_id=b"x")
    batch = decoder.logs(request.SerializeToString())

    assert [(v.time, v.trace_id, v.span_id) for v in batch.verdicts] == [(5, TRACE, SPAN), (6, b"", b"")]
    assert [e.span_id for e in batch.facts] == [SPAN]
    assert [log.body for log in recorder.logs] == [None, None, "hi", None]
    assert (recorder.logs[3].trace_id, recorder.logs[3].span_id) == (b"", b"")
    assert (batch.records, batch.rejected) == (5, 1)
    assert batch.reason == "resourceLogs[0].scopeLogs[0].logRecords[4]: trace_id is 1 bytes, want 16"


def test_event_name_is_known_even_if_the_reader_does_not_want_the_attribute() -> None:
    seen = []

    class Uninterested:
        def wants(self, key):
            return False

        def read_log(self, log):
            seen.append(log.event_name)

    request = ExportLogsServiceRequest()
    request.resource_logs.add().scope_logs.add().log_records.add(attributes=[text("event.name", "x")])
    Decoder(Uninterested()).logs(request.SerializeToString())
    assert seen == ["x"]


def test_the_bytes_tell_traces_from_logs(decoder, request_of: Make) -> None:
    logs = ExportLogsServiceRequest()
    logs.resource_logs.add().scope_logs.add().log_records.add(
        time_unix_nano=5, body=AnyValue(string_value="x" * 300), attributes=[text("k", "v")]
    )
    assert decoder.any_protobuf(logs.SerializeToString()).records == 1
    assert len(decoder.any_protobuf(request_of({}).SerializeToString()).spans) == 1
    assert len(decoder.any_protobuf((DATA / "crewai.binpb").read_bytes()).spans) > 0
    only_bad = decoder.any_protobuf(request_of({"trace_id": b"x"}).SerializeToString())
    assert (only_bad.rejected, only_bad.records) == (1, 0)
    with pytest.raises(SenderError, match="not a protobuf"):
        decoder.any_protobuf(b"hello")
