"""The decoder agrees with protobuf's own parser on every valid request, compiled and interpreted."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import reference
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

import otelscore.ingest.otlp_protobuf as installed
from otelscore.ingest.records import RawKeys, Rejected, WantedKeys
from otelscore.model import RawLog, RawSpan, SenderError

CORPUS = sorted((Path(__file__).parents[1] / "corpus").rglob("*.binpb"))


def _interpreted() -> ModuleType:
    source = Path(installed.__file__).parent / "otlp_protobuf.py"
    spec = importlib.util.spec_from_file_location("interpreted_otlp_protobuf", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


INTERPRETED = _interpreted()


class Everything:
    """A reader that wants every attribute."""

    def wants(self, key: str) -> bool:
        return True


WANTED = WantedKeys(Everything())


@pytest.fixture(params=["installed", "interpreted"])
def decoder(request: pytest.FixtureRequest) -> ModuleType:
    return installed if request.param == "installed" else INTERPRETED


def spans(decoder: ModuleType, body: bytes) -> list[RawSpan | str]:
    return [_shown(found) for found in decoder.spans(body, WANTED, reference.ORIGINS)]


def logs(decoder: ModuleType, body: bytes) -> list[RawLog | str]:
    return [_shown(found) for found in decoder.logs(body, WANTED, reference.ORIGINS)]


def _shown(found: object) -> object:
    return found.reason.partition(": ")[2] if isinstance(found, Rejected) else found


# ------------------------------------------------------------------------------------------------- valid requests

ids = st.sampled_from([bytes(range(1, 17)), bytes(range(1, 9)), bytes(8), bytes(16), b"", b"short"])
texts = st.text(max_size=200)
keys = st.sampled_from(["a", "service.name", "service.version", "event.name", "k" * 130, "ключ", ""])
nanos = st.sampled_from([0, 1, 2**62, 2**63 - 1, 2**63, 2**64 - 1]) | st.integers(0, 2**64 - 1)
scalars = st.one_of(
    st.just(AnyValue()),
    st.builds(AnyValue, string_value=texts),
    st.builds(AnyValue, bool_value=st.booleans()),
    st.builds(AnyValue, int_value=st.integers(-(2**63), 2**63 - 1)),
    st.builds(AnyValue, double_value=st.floats(allow_nan=False)),
    st.builds(AnyValue, bytes_value=st.binary(max_size=200)),
    st.builds(AnyValue, string_value_strindex=st.integers(-(2**31), 2**31 - 1)),
)


def _containers(values: st.SearchStrategy[AnyValue]) -> st.SearchStrategy[AnyValue]:
    pairs = st.builds(KeyValue, key=keys, value=values)
    lists = st.lists(values, max_size=3).map(lambda items: AnyValue(array_value={"values": items}))
    return lists | st.lists(pairs, max_size=3).map(lambda items: AnyValue(kvlist_value={"values": items}))


values = st.recursive(scalars, _containers, max_leaves=6)
attributes = st.lists(st.builds(KeyValue, key=keys, value=values), max_size=4)
resources = st.builds(Resource, attributes=attributes)
scopes = st.builds(InstrumentationScope, name=texts, version=texts)
events = st.builds(Span.Event, name=texts, time_unix_nano=nanos, attributes=attributes)
links = st.builds(Span.Link, trace_id=ids, span_id=ids, trace_state=texts, attributes=attributes)
some_spans = st.builds(
    Span,
    trace_id=ids,
    span_id=ids,
    parent_span_id=ids,
    trace_state=texts,
    name=texts,
    kind=st.integers(-(2**31), 2**31 - 1),
    flags=st.integers(0, 2**32 - 1),
    start_time_unix_nano=nanos,
    end_time_unix_nano=nanos,
    dropped_attributes_count=st.integers(0, 2**32 - 1),
    attributes=attributes,
    events=st.lists(events, max_size=2),
    links=st.lists(links, max_size=2),
    status=st.builds(Status, code=st.integers(-5, 5), message=texts),
)
records = st.builds(
    LogRecord,
    trace_id=ids,
    span_id=ids,
    time_unix_nano=nanos,
    observed_time_unix_nano=nanos,
    severity_text=texts,
    event_name=texts,
    body=values,
    attributes=attributes,
)
traces = st.builds(
    ExportTraceServiceRequest,
    resource_spans=st.lists(
        st.builds(
            ResourceSpans,
            resource=resources,
            scope_spans=st.lists(
                st.builds(ScopeSpans, scope=scopes, spans=st.lists(some_spans, max_size=2)), max_size=2
            ),
        ),
        min_size=1,
        max_size=2,
    ),
)
log_requests = st.builds(
    ExportLogsServiceRequest,
    resource_logs=st.lists(
        st.builds(
            ResourceLogs,
            resource=resources,
            scope_logs=st.lists(
                st.builds(ScopeLogs, scope=scopes, log_records=st.lists(records, max_size=2)), max_size=2
            ),
        ),
        min_size=1,
        max_size=2,
    ),
)


@given(traces)
def test_valid_traces_are_read_as_protobuf_reads_them(request_sent):
    body = request_sent.SerializeToString()
    for decoder in (installed, INTERPRETED):
        assert spans(decoder, body) == reference.spans(body)


@given(log_requests)
def test_valid_logs_are_read_as_protobuf_reads_them(request_sent):
    body = request_sent.SerializeToString()
    for decoder in (installed, INTERPRETED):
        assert logs(decoder, body) == reference.logs(body)


# ------------------------------------------------------------------------------------ what nobody sends but may send


def varint(number: int) -> bytes:
    parts = bytearray()
    while number >= 0x80:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])


def field(number: int, payload: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(payload)) + payload


SPAN = field(1, bytes(range(1, 17))) + field(2, bytes(range(1, 9)))


def trace_of(*span_parts: bytes) -> bytes:
    return field(1, field(2, field(2, SPAN + b"".join(span_parts))))


TEXT, NUMBER = field(1, b"text"), b"\x18\x05"
LIST = field(5, field(1, TEXT))
PAIRS = field(6, field(1, field(1, b"k") + field(2, NUMBER)))

UNUSUAL = {
    "status in two parts": [field(15, field(2, b"no")), field(15, b"\x18\x02")],
    "a value in two parts": [field(9, field(1, b"a") + field(2, LIST) + field(2, LIST))],
    "pairs in two parts": [field(9, field(1, b"a") + field(2, PAIRS) + field(2, PAIRS))],
    "a value of two kinds": [field(9, field(1, b"a") + field(2, LIST + TEXT))],
    "a list after a number": [field(9, field(1, b"a") + field(2, LIST + NUMBER + LIST))],
    "a key after its value": [field(9, field(2, TEXT) + field(1, b"a"))],
    "two keys": [field(9, field(1, b"a") + field(2, TEXT) + field(1, b"b"))],
    "no key": [field(9, field(2, TEXT))],
    "no value": [field(9, field(1, b"a"))],
    "an empty value": [field(9, field(1, b"a") + field(2, b""))],
    "the same attribute twice": [field(9, field(1, b"a") + field(2, value)) for value in (TEXT, NUMBER)],
    "unknown fields": [field(4000, b"x"), b"\x9d\x7d\0\0\0\0", b"\xf9\x03" + bytes(8), b"\xf0\x03\x01"],
    "a group": [b"\xfb\x03" + field(1, b"x") + b"\x0b\x08\x01\x0c" + b"\xfc\x03"],
    "known fields of another wire type": [b"\x28\x05", b"\x48\x01", b"\x7d\0\0\0\0"],
    "a number in more bytes than it needs": [b"\x30\x83\x80\x80\x00"],
    "a tag in more bytes than it needs": [b"\xb0\x80\x00\x02"],
    "a length in more bytes than it needs": [b"\x2a\x81\x80\x00n"],
    "a kind of ten bytes": [b"\x30" + b"\xff" * 9 + b"\x01"],
}


@pytest.mark.parametrize("parts", UNUSUAL.values(), ids=UNUSUAL)
def test_unusual_but_valid_bytes_are_read_as_protobuf_reads_them(decoder, parts):
    body = trace_of(*parts)
    assert spans(decoder, body) == reference.spans(body)
    assert len(reference.spans(body)) == 1


def test_a_resource_and_a_scope_count_wherever_they_stand_and_in_parts(decoder):
    named = field(1, field(1, field(1, b"service.name") + field(2, field(1, b"shop"))))
    scope = field(1, field(1, b"lib"))
    version = field(1, field(1, field(1, b"service.version") + field(2, field(1, b"2"))))
    body = field(1, field(2, field(2, SPAN) + scope) + named + version)
    (span,) = spans(decoder, body)
    assert (span.origin.service, span.origin.scope, span.origin.attributes) == ("shop", "lib", {"service.version": "2"})
    assert [span] == reference.spans(body)


# ------------------------------------------------------------------------------------------------------ hostile ones

BROKEN = {
    "wire type 6": [b"\x36"],
    "wire type 7": [b"\x37"],
    "the end of a group that never began": [b"\x34"],
    "a group without an end": [b"\x33\x08\x01"],
    "the end of another group": [b"\x33\x3c"],
    "groups without end": [b"\x33" * 200],
    "field 0": [b"\x02\x00"],
    "a number of eleven bytes": [b"\x30" + b"\xff" * 10 + b"\x01"],
    "a length beyond the span": [b"\x2a\x7f"],
    "a length beyond all memory": [b"\x2a" + b"\xff" * 9 + b"\x01"],
    "an attribute beyond the span": [b"\x4a\x7f"],
    "an attribute's length beyond all memory": [b"\x4a" + b"\xff" * 9 + b"\x01"],
    "a key beyond its attribute": [field(9, b"\x0a\x7fk")],
    "a value beyond its attribute": [field(9, field(1, b"k") + b"\x12\x7f")],
    "a text beyond its value": [field(9, field(1, b"k") + field(2, b"\x0a\x7ftext"))],
    "half a time": [b"\x39\0\0"],
    "a tag without a value": [b"\x4a"],
    "a tag that does not end": [b"\xff"],
}


@pytest.mark.parametrize("parts", BROKEN.values(), ids=BROKEN)
def test_broken_bytes_are_the_senders_error(decoder, parts):
    with pytest.raises(SenderError, match="not a protobuf ExportTraceServiceRequest"):
        spans(decoder, trace_of(*parts))
    with pytest.raises(DecodeError):
        reference.spans(trace_of(*parts))


@pytest.mark.parametrize("spoilt", [field(5, b"\xff"), field(9, field(1, b"k") + field(2, field(1, b"\xff")))])
def test_a_text_that_is_no_utf8_spoils_its_own_span_alone(decoder, spoilt):
    good = field(2, SPAN)
    body = field(1, field(2, good + field(2, SPAN + spoilt) + good))
    first, bad, last = spans(decoder, body)
    assert first == last
    assert bad == "a text is no UTF-8"


def test_a_text_that_nobody_wants_may_be_anything(decoder):
    wanted = RawKeys(WANTED)
    wanted[b"k"] = None
    narrow = WantedKeys(Everything())
    narrow.raw = wanted
    spoilt = field(9, field(1, b"k") + field(2, field(1, b"\xff"))), field(9, field(1, b"\xff") + field(2, TEXT))
    body = trace_of(*spoilt)
    (span,) = decoder.spans(body, narrow, reference.ORIGINS)
    assert span.attributes == {}


@settings(max_examples=300)
@given(st.sampled_from(CORPUS), st.randoms(use_true_random=False), st.integers(1, 4))
def test_damaged_requests_are_read_alike_or_refused(path, chance, damages):
    body = bytearray(path.read_bytes()[:20_000])
    for _ in range(damages):
        at = chance.randrange(len(body))
        match chance.randrange(3):
            case 0:
                body[at] = chance.randrange(256)
            case 1:
                del body[at : at + chance.randrange(1, 9)]
            case _:
                body[at:at] = chance.randbytes(chance.randrange(1, 9))
    found = [_outcome(decoder, bytes(body)) for decoder in (installed, INTERPRETED)]
    assert found[0] == found[1]
    try:
        expected = reference.spans(bytes(body))
    except DecodeError:
        return  # a text of an attribute or a field that nobody reads may be the reason
    if expected:
        assert found[0] == expected


def _outcome(decoder: ModuleType, body: bytes) -> object:
    try:
        return spans(decoder, body)
    except SenderError as error:
        return str(error)
