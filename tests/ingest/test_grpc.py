"""The gRPC door, with real clients over real sockets."""

from __future__ import annotations

import gzip
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health_pb2, health_pb2_grpc
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from otelscore.ingest.decode import Decoder
from otelscore.ingest.gate import Gate
from otelscore.ingest.grpc import SERVICES, GrpcServer
from otelscore.ingest.receiver import Receiver, Result
from otelscore.model import Batch, OverloadedError
from otelscore.serving import PortInUseError, listen

LIMIT = 200_000
TRACES = next(iter(SERVICES))
Make = Callable[..., ExportTraceServiceRequest]


class Door:
    """A running server, and what came through it."""

    def __init__(self, decoder: Decoder, request_time: float = 60, concurrency: int = 100, limit: int = LIMIT) -> None:
        self.batches: list[Batch] = []
        self.results: list[Result] = []
        self.reached: list[str] = []
        self.take: Callable[[Batch], None] = self.batches.append
        receiver = Receiver(decoder, self.accept, self.count, self.reached.append, limit)
        gate = Gate(lambda: 0.0, concurrency, 100 * LIMIT, 1.0)
        self.server = GrpcServer(receiver, gate, "127.0.0.1", 0, request_time, 10)
        self.address = f"127.0.0.1:{self.server.start()}"
        self.channel = grpc.insecure_channel(self.address)

    def accept(self, batch: Batch) -> None:
        self.take(batch)

    def count(self, signal: str, transport: str, result: Result) -> None:
        self.results.append(result)

    def export(
        self, body: bytes, service: str = TRACES, method: str = "Export", compression: grpc.Compression | None = None
    ) -> bytes:
        return self.channel.unary_unary(f"/{service}/{method}")(body, timeout=30, compression=compression)

    def error(self, body: bytes, **how: object) -> grpc.RpcError:
        with pytest.raises(grpc.RpcError) as raised:
            self.export(body, **how)
        return raised.value


@contextmanager
def running(door: Door) -> Iterator[Door]:
    try:
        yield door
    finally:
        door.channel.close()
        door.server.stop(0)


def listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        listen(host, int(port)).close()
    except PortInUseError:
        return True
    return False


@pytest.fixture
def door(decoder: Decoder) -> Iterator[Door]:
    with running(Door(decoder)) as door:
        yield door


@pytest.mark.parametrize("compression", [None, grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_spans_come_in_packed_or_not(door: Door, request_of: Make, compression: grpc.Compression | None) -> None:
    body = request_of(*[{"name": f"span {i}"} for i in range(50)]).SerializeToString()
    assert door.export(body, compression=compression) == b""
    assert [len(batch.spans) for batch in door.batches] == [50]


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_the_sdks_own_exporter_is_understood(door: Door, compression: grpc.Compression) -> None:
    provider = TracerProvider(resource=Resource({"service.name": "shop"}), shutdown_on_exit=False)
    exporter = OTLPSpanExporter(door.address, insecure=True, compression=compression)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("tests").start_as_current_span("invoke_agent"):
        pass
    provider.shutdown()
    (span,) = door.batches[0].spans
    assert (span.name, span.origin.service, span.origin.scope, span.parent_id) == ("invoke_agent", "shop", "tests", b"")


@pytest.mark.parametrize("service", SERVICES)
def test_all_signals_are_served(door: Door, service: str) -> None:
    assert door.export(b"", service) == b""
    assert door.error(b"garbage", service=service).code() == grpc.StatusCode.INVALID_ARGUMENT


def test_bad_spans_are_told_of_in_partial_success(door: Door, request_of: Make) -> None:
    answer = door.export(request_of({}, {"span_id": b""}).SerializeToString())
    assert ExportTraceServiceResponse.FromString(answer).partial_success.rejected_spans == 1


@pytest.mark.parametrize(
    "body", [b"garbage", gzip.compress(b"garbage", mtime=0), b"\x1f\x8bgarbage", b"\x78\x9cgarbage"]
)
def test_bad_input_is_an_invalid_argument(door: Door, body: bytes) -> None:
    error = door.error(body)
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert error.details()
    assert door.results == [Result.REJECTED]


@pytest.mark.parametrize("compression", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_a_small_message_that_unpacks_to_too_much_is_refused(door: Door, compression: grpc.Compression) -> None:
    error = door.error(bytes(LIMIT + 1), compression=compression)
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "after decompression" in error.details()
    assert "grpc-status-details-bin" not in dict(error.trailing_metadata())


def test_a_message_that_is_too_large_as_sent_is_refused(door: Door) -> None:
    assert door.error(bytes(LIMIT + 1)).code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert door.reached == ["request_size"]


def test_the_limit_may_be_above_what_grpc_takes_by_itself(decoder: Decoder, request_of: Make) -> None:
    with running(Door(decoder, limit=6 * 2**20)) as door:
        door.export(request_of({"name": "x" * 5 * 2**20}).SerializeToString())
        assert door.results == [Result.ACCEPTED]


def test_no_room_is_unavailable_with_a_time_to_retry(door: Door) -> None:
    def refuse(batch: Batch) -> None:
        raise OverloadedError("no room")

    door.take = refuse
    error = door.error(b"")
    assert (error.code(), error.details()) == (grpc.StatusCode.UNAVAILABLE, "no room")
    status = Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"])
    retry = RetryInfo()
    assert status.code == grpc.StatusCode.UNAVAILABLE.value[0]
    assert status.details[0].Unpack(retry)
    assert retry.retry_delay.seconds > 0


def test_unknown_methods_are_unimplemented(door: Door) -> None:
    assert door.error(b"", method="Import").code() == grpc.StatusCode.UNIMPLEMENTED
    assert door.error(b"", service="nobody.Service").code() == grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("service", ["", *SERVICES])
def test_the_health_service_answers(door: Door, service: str) -> None:
    request = health_pb2.HealthCheckRequest(service=service)
    answer = health_pb2_grpc.HealthStub(door.channel).Check(request, timeout=30, compression=grpc.Compression.Gzip)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_a_port_in_use_is_named(door: Door, decoder: Decoder) -> None:
    port = int(door.address.rpartition(":")[2])
    receiver = Receiver(decoder, door.accept, door.count, door.reached.append, LIMIT)
    with pytest.raises(PortInUseError, match=f"127.0.0.1:{port} is in use"):
        GrpcServer(receiver, Gate(lambda: 0.0, 1, 1, 1.0), "127.0.0.1", port, 60, 100).start()


def test_stop_waits_for_the_request_under_way(door: Door) -> None:
    entered, leave = threading.Event(), threading.Event()

    def slow(batch: Batch) -> None:
        entered.set()
        assert leave.wait(30)
        door.batches.append(batch)

    door.take = slow
    answer = door.channel.unary_unary(f"/{TRACES}/Export").future(b"")
    assert entered.wait(30)
    stop = threading.Thread(target=door.server.stop, args=(30,))
    stop.start()
    while listens(door.address):
        pass
    leave.set()
    assert answer.result(30) == b""
    stop.join(30)
    assert len(door.batches) == 1


SERVER = """
import sys
from pathlib import Path
from otelscore.ingest.decode import Decoder
from otelscore.ingest.gate import Gate
from otelscore.ingest.grpc import GrpcServer
from otelscore.ingest.receiver import Receiver
def peak():
    return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) // 1024
receiver = Receiver(Decoder(None), print, lambda *_: None, lambda *_: None, 2**20)
server = GrpcServer(receiver, Gate(lambda: 0.0, 100, 2**30, 1.0), "127.0.0.1", 0, 60, 100)
print(server.start(), peak(), flush=True)
sys.stdin.readline()
print(peak(), flush=True)
"""


def test_a_bomb_costs_no_more_memory_than_the_limit() -> None:
    command = [sys.executable, "-c", SERVER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        port, before = map(int, server.stdout.readline().split())
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            export = channel.unary_unary(f"/{TRACES}/Export")
            with pytest.raises(grpc.RpcError, match="RESOURCE_EXHAUSTED"):
                export(bytes(150 * 2**20), timeout=60, compression=grpc.Compression.Gzip)
        server.stdin.write("\n")
        server.stdin.flush()
        after = int(server.stdout.readline())
        server.kill()
    assert after - before < 50  # MiB


@contextmanager
def senders_that_stop(door: Door, number: int) -> Iterator[list[grpc.Future]]:
    """Requests whose message never comes."""
    never = threading.Event()

    def message() -> Iterator[bytes]:
        never.wait()
        yield from ()

    export = door.channel.stream_unary(f"/{TRACES}/Export")
    try:
        yield [export.future(message()) for _ in range(number)]
    finally:
        never.set()


def test_senders_that_stop_do_not_keep_others_out(door: Door) -> None:
    with senders_that_stop(door, 50):
        assert door.export(b"") == b""


def test_a_message_must_come_in_time(decoder: Decoder) -> None:
    with running(Door(decoder, request_time=0.01)) as door, senders_that_stop(door, 1) as (call,):
        assert call.exception(30).code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert door.results == [Result.REFUSED]
        assert door.reached == ["request_time"]


def test_a_request_without_a_message_is_an_invalid_argument(door: Door) -> None:
    with pytest.raises(grpc.RpcError, match="no message"):
        door.channel.stream_unary(f"/{TRACES}/Export")(iter(()), timeout=30)
    assert door.results == [Result.REJECTED]


def test_more_requests_at_a_time_than_allowed_are_asked_to_retry(decoder: Decoder) -> None:
    entered, leave = threading.Event(), threading.Event()

    def slow(batch: Batch) -> None:
        entered.set()
        assert leave.wait(30)

    with running(Door(decoder, concurrency=1)) as door:
        door.take = slow
        first = door.channel.unary_unary(f"/{TRACES}/Export").future(b"")
        assert entered.wait(30)
        error = door.error(b"")
        leave.set()
        assert first.result(30) == b""
        assert error.code() == grpc.StatusCode.UNAVAILABLE
        assert "grpc-status-details-bin" in dict(error.trailing_metadata())
        assert door.results == [Result.REFUSED, Result.ACCEPTED]
        assert door.reached == ["concurrent_requests"]
        assert door.export(b"") == b""


def test_the_port_is_free_after_stop(decoder: Decoder) -> None:
    with running(Door(decoder)) as door:
        pass
    assert not listens(door.address)
