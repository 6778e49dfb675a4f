"""Requests reach a real backend as they came, whatever it answers first, and nobody who sends waits for it."""

from __future__ import annotations

import errno
import gzip
import json
import os
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
import trustme
from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from live import eventually
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from sink import GrpcSink, HttpSink, Sink
from structlog.testing import capture_logs

from otelscore.export import forward, sending
from otelscore.export.backend import Backend
from otelscore.export.forward import Forwarder
from otelscore.export.sending import make_sender
from otelscore.export.spool import Spool
from otelscore.model import OverloadedError

PROTOBUF, JSON = "application/x-protobuf", "application/json"
CODE = grpc.StatusCode

SPAN = ExportTraceServiceRequest()
SPAN.resource_spans.add().scope_spans.add().spans.add(
    trace_id=bytes(range(16)), span_id=bytes(range(8)), parent_span_id=b"12345678", name="run", kind=2, flags=0x101
)
BODY = SPAN.SerializeToString()
AS_JSON = json.dumps(
    {
        "resourceSpans": [
            {
                "scopeSpans": [
                    {
                        "spans": [
                            {
                                "traceId": bytes(range(16)).hex(),
                                "spanId": bytes(range(8)).hex().upper(),
                                "parentSpanId": b"12345678".hex(),
                                "name": "run",
                                "kind": "SPAN_KIND_SERVER",
                                "flags": 257,
                                "someNewField": {"a": 1},
                            }
                        ]
                    }
                ]
            }
        ]
    }
).encode()


def retry_info(seconds: int) -> dict[str, bytes]:
    status = Status(code=14)
    status.details.add().Pack(RetryInfo(retry_delay=Duration(seconds=seconds)))
    return {"grpc-status-details-bin": status.SerializeToString()}


@pytest.fixture(params=[HttpSink, GrpcSink])
def sink(request: pytest.FixtureRequest) -> Iterator[Sink]:
    sink = request.param().start()
    yield sink
    sink.stop()


@pytest.fixture
def http_sink() -> Iterator[HttpSink]:
    sink = HttpSink().start()
    yield sink
    sink.stop()


@pytest.fixture
def grpc_sink() -> Iterator[GrpcSink]:
    sink = GrpcSink().start()
    yield sink
    sink.stop()


@pytest.fixture
def to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Forwarder]]:
    monkeypatch.setattr(forward, "_FIRST_PAUSE", 0.02)
    made: list[Forwarder] = []

    def make(sink: Sink, limit: int = 2**20, required: bool = False, folder: Path = tmp_path, **more: str) -> Forwarder:
        protocol = "grpc" if isinstance(sink, GrpcSink) else "http/protobuf"
        backend = Backend(**{"url": sink.url, "protocol": protocol} | more)
        made.append(Forwarder(make_sender(backend), Spool(folder, limit), required, reached.append))
        made[-1].start()
        return made[-1]

    reached: list[str] = []
    make.reached = reached  # type: ignore[attr-defined]
    yield make
    for forwarder in made:
        forwarder.stop(0.1)


def give(
    forwarder: Forwarder, body: bytes = BODY, signal: str = "traces", how: str = PROTOBUF, packed: str = ""
) -> None:
    with forwarder.passing_on(signal, how, packed, body):
        pass


def value(forwarder: Forwarder, name: str, *labels: str) -> float:
    (found,) = [
        sample.value
        for family in forwarder.families()
        for sample in family.samples
        if (family.metric.name, sample.labels) == (name, labels)
    ]
    return found


@pytest.mark.parametrize("signal", ["traces", "logs", "metrics"])
def test_each_signal_goes_its_own_way_byte_by_byte(to: Callable[..., Forwarder], sink: Sink, signal: str) -> None:
    forwarder = to(sink)
    give(forwarder, b"\x0a\x00", signal)
    assert eventually(lambda: sink.bodies(signal), [b"\x0a\x00"]) == [b"\x0a\x00"]
    assert eventually(lambda: value(forwarder, "forwarded_requests_total", signal), 1.0) == 1.0
    assert value(forwarder, "forward_spool_requests") == value(forwarder, "forward_spool_bytes") == 0


def test_http_gets_what_came_as_it_was_written_and_compressed(
    to: Callable[..., Forwarder], http_sink: HttpSink
) -> None:
    packed = gzip.compress(AS_JSON)
    give(to(http_sink), packed, how=JSON, packed="gzip")
    assert eventually(lambda: [one.raw for one in http_sink.got], [packed]) == [packed]
    headers = http_sink.got[0].headers
    assert (headers["content-type"], headers["content-encoding"]) == (JSON, "gzip")


@pytest.mark.parametrize("packed", ["", "gzip"])
def test_grpc_gets_json_as_the_message_that_it_stands_for(
    to: Callable[..., Forwarder], grpc_sink: GrpcSink, packed: str
) -> None:
    forwarder = to(grpc_sink)
    give(forwarder, gzip.compress(AS_JSON) if packed else AS_JSON, how=JSON, packed=packed)
    give(forwarder, gzip.compress(BODY) if packed else BODY, packed=packed)
    assert eventually(lambda: len(grpc_sink.got), 2) == 2
    for body in grpc_sink.bodies():
        assert json_format.MessageToDict(ExportTraceServiceRequest.FromString(body)) == json_format.MessageToDict(SPAN)


def test_the_backend_gets_the_headers_of_the_settings(to: Callable[..., Forwarder], sink: Sink) -> None:
    give(to(sink, headers=(("Authorization", "Bearer key"),)))
    assert eventually(lambda: [one.headers.get("authorization") for one in sink.got], ["Bearer key"]) == ["Bearer key"]


TRANSIENT = [
    (HttpSink, 408, {}, "busy"),
    (HttpSink, 429, {}, "busy"),
    (HttpSink, 503, {"retry-after": "0"}, "busy"),
    (HttpSink, 503, {"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, "busy"),
    (HttpSink, 500, {}, "error"),
    (GrpcSink, CODE.UNAVAILABLE, {}, "unreachable"),
    (GrpcSink, CODE.UNAVAILABLE, retry_info(0), "busy"),
    (GrpcSink, CODE.RESOURCE_EXHAUSTED, retry_info(0), "busy"),
    (GrpcSink, CODE.ABORTED, {}, "busy"),
    (GrpcSink, CODE.UNKNOWN, {}, "error"),
]
FINAL = [
    *((HttpSink, status) for status in (301, 400, 401, 403, 404, 413)),
    *((GrpcSink, code) for code in (CODE.INVALID_ARGUMENT, CODE.UNAUTHENTICATED, CODE.UNIMPLEMENTED)),
    (GrpcSink, CODE.RESOURCE_EXHAUSTED),
]


@pytest.mark.parametrize(("kind", "answer", "headers", "reason"), TRANSIENT)
def test_what_may_pass_is_tried_again(
    to: Callable[..., Forwarder], kind: type[Sink], answer: object, headers: dict[str, str], reason: str
) -> None:
    sink = kind().start()
    sink.answers.extend([(answer, headers)] * 3)
    forwarder = to(sink)
    give(forwarder)
    assert eventually(sink.bodies, [BODY]) == [BODY]
    assert value(forwarder, "forward_failures_total", reason) == 3
    assert value(forwarder, "forward_dropped_requests_total", "rejected") == 0
    sink.stop()


@pytest.mark.parametrize(("kind", "answer"), FINAL)
def test_what_is_for_good_is_dropped_counted_and_logged_once(
    to: Callable[..., Forwarder], kind: type[Sink], answer: object
) -> None:
    sink = kind().start()
    sink.answers.extend([(answer, {})] * 2)
    with capture_logs() as lines:
        forwarder = to(sink)
        for body in (BODY, BODY, b"\x0a\x00"):
            give(forwarder, body)
        assert eventually(lambda: value(forwarder, "forward_spool_requests"), 0) == 0
    assert len(sink.bodies()) == 1
    assert value(forwarder, "forward_dropped_requests_total", "rejected") == 2
    assert value(forwarder, "forwarded_requests_total", "traces") == 1
    name = answer.name if isinstance(answer, CODE) else str(answer)
    assert [line["error"].split()[-1] for line in lines if "error" in line] == [name]
    sink.stop()


def test_a_request_that_the_backend_stumbles_over_does_not_block_the_others(
    to: Callable[..., Forwarder], http_sink: HttpSink
) -> None:
    http_sink.answers.extend([(500, {})] * 5)
    forwarder = to(http_sink)
    give(forwarder)
    assert eventually(lambda: value(forwarder, "forward_dropped_requests_total", "rejected"), 1.0) == 1.0
    give(forwarder, b"\x0a\x00")
    assert eventually(http_sink.bodies, [b"\x0a\x00"]) == [b"\x0a\x00"]


@pytest.mark.parametrize(("kind", "answer", "headers"), [
    (HttpSink, 503, {"retry-after": "1"}), (GrpcSink, CODE.UNAVAILABLE, retry_info(1)),
])  # fmt: skip
def test_a_backend_that_asks_for_time_gets_it(
    to: Callable[..., Forwarder], kind: type[Sink], answer: object, headers: dict[str, str]
) -> None:
    sink = kind().start()
    sink.answers.append((answer, headers))
    begin = time.monotonic()
    give(to(sink))
    assert eventually(sink.bodies, [BODY]) == [BODY]
    assert time.monotonic() - begin >= 1  # and not after 0.02 s
    sink.stop()


def test_a_redirection_is_not_followed(to: Callable[..., Forwarder], http_sink: HttpSink) -> None:
    http_sink.answers.append((307, {"location": f"{http_sink.url}/v1/logs"}))
    forwarder = to(http_sink)
    give(forwarder)
    assert eventually(lambda: value(forwarder, "forward_dropped_requests_total", "rejected"), 1.0) == 1.0
    assert not http_sink.got


def test_an_answer_that_does_not_come_is_a_timeout(
    to: Callable[..., Forwarder], sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "TIMEOUT", 0.1)
    sink.let_go.clear()
    forwarder = to(sink)
    give(forwarder)
    assert eventually(lambda: value(forwarder, "forward_failures_total", "timeout") > 0, True)
    sink.let_go.set()
    assert eventually(lambda: BODY in sink.bodies(), True)


def test_json_that_is_no_message_is_dropped(to: Callable[..., Forwarder], grpc_sink: GrpcSink) -> None:
    forwarder = to(grpc_sink)
    give(forwarder, b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "xyz"}]}]}]}', how=JSON)
    assert eventually(lambda: value(forwarder, "forward_dropped_requests_total", "rejected"), 1.0) == 1.0


def test_a_backend_that_is_down_gets_all_of_it_when_it_is_up(to: Callable[..., Forwarder], sink: Sink) -> None:
    sink.stop()
    forwarder = to(sink)
    wanted = sorted(b"\x0a\x02\x12" + bytes([number]) for number in range(20))
    for body in wanted:
        give(forwarder, body)
    assert eventually(lambda: value(forwarder, "forward_failures_total", "unreachable") > 4, True)
    assert value(forwarder, "forward_spool_requests") == 20
    assert value(forwarder, "forward_spool_oldest_age_seconds") > 0
    sink.start()
    assert eventually(lambda: sorted(sink.bodies()), wanted) == wanted


def test_what_was_not_delivered_is_after_a_restart(to: Callable[..., Forwarder], sink: Sink) -> None:
    sink.stop()
    first = to(sink)
    for number in range(8):
        give(first, bytes([10, 2, 18, number]))
    begin = time.monotonic()
    first.stop(5)
    assert time.monotonic() - begin < 4  # it does not wait where an attempt fails
    sink.start()
    to(sink)
    assert eventually(lambda: len(sink.bodies()), 8) == 8
    assert len(set(sink.bodies())) == 8


def test_a_stop_waits_for_what_the_backend_takes(to: Callable[..., Forwarder], sink: Sink) -> None:
    forwarder = to(sink)
    for number in range(100):
        give(forwarder, bytes([10, 2, 18, number]))
    forwarder.stop(60)
    assert len(set(sink.bodies())) == 100


def test_a_hanging_backend_holds_up_neither_who_sends_nor_a_stop(to: Callable[..., Forwarder], sink: Sink) -> None:
    sink.let_go.clear()
    forwarder = to(sink)
    begin = time.monotonic()
    for _ in range(200):
        give(forwarder)
    assert time.monotonic() - begin < 2
    assert value(forwarder, "forward_spool_requests") == 200
    forwarder.stop(0.5)
    assert time.monotonic() - begin < 5


def test_a_full_spool_drops_and_counts(to: Callable[..., Forwarder], http_sink: HttpSink) -> None:
    http_sink.let_go.clear()
    forwarder = to(http_sink, limit=5000)
    for _ in range(10):
        give(forwarder, bytes(1000))
    assert value(forwarder, "forward_dropped_requests_total", "spool_full") == 6
    assert to.reached == ["forward_spool"] * 6  # type: ignore[attr-defined]
    assert value(forwarder, "forward_spool_bytes") <= value(forwarder, "forward_spool_limit_bytes") == 5000
    http_sink.let_go.set()
    assert eventually(lambda: len(http_sink.got), 4) == 4


def test_a_full_spool_refuses_before_the_request_is_taken_where_that_is_required(
    to: Callable[..., Forwarder], http_sink: HttpSink
) -> None:
    http_sink.let_go.clear()
    forwarder = to(http_sink, limit=5000, required=True)
    for _ in range(4):
        give(forwarder, bytes(1000))
    taken = []
    with pytest.raises(OverloadedError, match="try again"), forwarder.passing_on("traces", PROTOBUF, "", bytes(1000)):
        taken.append(1)
    assert not taken
    assert to.reached == ["forward_spool"]  # type: ignore[attr-defined]
    http_sink.let_go.set()
    assert eventually(lambda: value(forwarder, "forward_spool_requests"), 0) == 0
    give(forwarder, bytes(1000))
    assert eventually(lambda: len(http_sink.got), 5) == 5


@pytest.mark.parametrize("required", [False, True])
def test_a_disk_that_is_full_counts_as_a_full_spool(
    to: Callable[..., Forwarder], http_sink: HttpSink, monkeypatch: pytest.MonkeyPatch, required: bool
) -> None:
    forwarder = to(http_sink, required=required)

    def fail(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwritev", fail)
    if required:
        with pytest.raises(OverloadedError, match="No space left"):
            give(forwarder)
    else:
        give(forwarder)
    assert value(forwarder, "forward_dropped_requests_total", "spool_full") == (0 if required else 1)
    assert to.reached == ["forward_spool"]  # type: ignore[attr-defined]


def test_pauses_grow_while_a_backend_is_down(to: Callable[..., Forwarder], http_sink: HttpSink) -> None:
    http_sink.stop()
    forwarder = to(http_sink)
    pauses: list[float] = []
    wait = forwarder._stopping.wait

    def note(seconds: float) -> bool:
        pauses.append(seconds)
        return wait(0.001)

    forwarder._stopping.wait = note  # type: ignore[method-assign,assignment]
    give(forwarder)
    assert eventually(lambda: len(pauses) > 14, True)
    for number, pause in enumerate(pauses):
        longest = min(0.02 * 2**number, 30.0)
        assert longest / 2 <= pause <= longest
    http_sink.start()


def test_a_stop_while_the_backend_is_down_makes_no_round_through_all_that_waits(
    to: Callable[..., Forwarder], http_sink: HttpSink
) -> None:
    http_sink.answers.extend([(503, {})] * 1000)
    forwarder = to(http_sink)
    for _ in range(100):
        give(forwarder)
    assert eventually(lambda: value(forwarder, "forward_failures_total", "busy") >= 4, True)
    before = value(forwarder, "forward_failures_total", "busy")
    forwarder.stop(5)
    assert value(forwarder, "forward_failures_total", "busy") <= before + 8
    assert not http_sink.got


def test_a_request_that_is_not_taken_is_not_passed_on(to: Callable[..., Forwarder], http_sink: HttpSink) -> None:
    forwarder = to(http_sink)
    with pytest.raises(OverloadedError), forwarder.passing_on("traces", PROTOBUF, "", b"refused"):
        raise OverloadedError("no room")
    give(forwarder)
    assert eventually(http_sink.bodies, [BODY]) == [BODY]


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, str]:
    """Files: a certificate for 127.0.0.1, its key, and the authority that signed it."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    one = authority.issue_cert("127.0.0.1")
    paths = folder / "cert.pem", folder / "key.pem", folder / "ca.pem"
    one.cert_chain_pems[0].write_to_path(paths[0])
    one.private_key_pem.write_to_path(paths[1])
    authority.cert_pem.write_to_path(paths[2])
    cert, key, ca = map(str, paths)
    return cert, key, ca


def test_a_backend_of_an_unknown_authority_gets_nothing(
    to: Callable[..., Forwarder], pem: tuple[str, str, str]
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pem[:2])
    sink = HttpSink().start(lambda connection: context.wrap_socket(connection, server_side=True))
    forwarder = to(sink, url=sink.url.replace("http:", "https:"))
    give(forwarder)
    assert eventually(lambda: value(forwarder, "forward_failures_total", "unreachable") > 0, True)
    assert not sink.got
    sink.stop()


def test_a_netrc_does_not_beat_the_headers_of_the_settings(
    to: Callable[..., Forwarder], http_sink: HttpSink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    give(to(http_sink, folder=tmp_path / "spool", headers=(("Authorization", "Bearer key"),)))
    assert eventually(lambda: [one.headers["authorization"] for one in http_sink.got], ["Bearer key"]) == ["Bearer key"]


@pytest.mark.parametrize("kind", [HttpSink, GrpcSink])
def test_tls_both_ways(to: Callable[..., Forwarder], pem: tuple[str, str, str], kind: type[Sink]) -> None:
    cert, key, ca = pem
    sink: Sink
    if kind is HttpSink:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        context.load_verify_locations(ca)
        context.verify_mode = ssl.CERT_REQUIRED
        sink = HttpSink().start(lambda connection: context.wrap_socket(connection, server_side=True))
    else:
        both = Path(key).read_bytes(), Path(cert).read_bytes()
        sink = GrpcSink().start(grpc.ssl_server_credentials([both], Path(ca).read_bytes(), require_client_auth=True))
    url = sink.url.replace("http:", "https:")
    forwarder = to(sink, url=url)
    give(forwarder)
    # Signed by an authority that nobody knows:
    assert eventually(lambda: value(forwarder, "forward_failures_total", "unreachable") > 0, True)
    forwarder.stop(1)
    to(sink, url=url, ca_file=ca, cert_file=cert, key_file=key)
    assert eventually(sink.bodies, [BODY]) == [BODY]
    sink.stop()
