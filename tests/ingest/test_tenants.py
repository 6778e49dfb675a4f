"""Who sends is asked before a body is read, and is then said of every span."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from itertools import pairwise

import grpc
import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otelscore.ingest.decode import Decoder
from otelscore.ingest.gate import Gate
from otelscore.ingest.grpc import SERVICES, GrpcServer
from otelscore.ingest.http import OtlpHttp
from otelscore.ingest.receiver import Content, Receiver, Result, Signal
from otelscore.model import Batch, UnauthenticatedError

OPEN = Gate(lambda: 0.0, 100, 2**30, 1.0)
TRACES = f"/{next(iter(SERVICES))}/Export"


class Door:
    """A receiver that knows the token `key` of the tenant `acme`."""

    def __init__(self, decoder: Decoder) -> None:
        self.batches: list[Batch] = []
        self.results: list[Result] = []
        self.receiver = Receiver(
            decoder,
            self.batches.append,
            lambda signal, transport, result: self.results.append(result),
            lambda limit: None,
            100_000,
            authenticate=self.tenant,
        )

    def tenant(self, headers: Iterable[tuple[str, str]]) -> str:
        if ("x-api-key", "key") in headers:
            return "acme"
        raise UnauthenticatedError("whose?")


@pytest.fixture
def door(decoder: Decoder) -> Door:
    return Door(decoder)


@pytest.fixture
def channel(door: Door) -> Iterator[grpc.Channel]:
    server = GrpcServer(door.receiver, OPEN, "127.0.0.1", 0, 60, 10)
    with grpc.insecure_channel(f"127.0.0.1:{server.start()}") as channel:
        yield channel
    server.stop(0)


def never(gone: threading.Event) -> Iterator[bytes]:
    """A message that does not come."""
    gone.wait(30)
    yield from ()


def test_grpc_refuses_before_there_is_a_message(door, channel):
    gone = threading.Event()
    with pytest.raises(grpc.RpcError) as refused:
        channel.stream_unary(TRACES)(never(gone), timeout=30)
    gone.set()
    assert (refused.value.code(), refused.value.details()) == (grpc.StatusCode.UNAUTHENTICATED, "whose?")
    assert door.results == [Result.UNAUTHENTICATED]


def test_grpc_says_of_every_span_who_sent_it(door, channel, request_of):
    body = request_of({}).SerializeToString()
    channel.unary_unary(TRACES)(body, timeout=30, metadata=(("x-api-key", "key"), ("x-bin", b"\x00\xff")))
    assert [span.origin.tenant for span in door.batches[0].spans] == ["acme"]


async def no_body() -> dict[str, object]:
    raise AssertionError("the body was asked for")


@pytest.mark.parametrize("content", Content)
@pytest.mark.parametrize("signal", Signal)
def test_http_refuses_before_it_reads(door, content, signal):
    sent = []

    async def send(event: dict[str, object]) -> None:
        sent.append(event)

    headers = [(b"content-type", content.value.encode()), (b"x-api-key", b"another")]
    asked = {"type": "http", "method": "POST", "path": f"/v1/{signal}", "headers": headers}
    with pytest.raises(StopIteration):
        OtlpHttp(door.receiver, OPEN, 60)(asked, no_body, send).send(None)
    start, body = sent
    assert start["status"] == 401
    assert (b"www-authenticate", b"Bearer") in start["headers"]
    expected = Status(code=16, message="whose?").SerializeToString()
    assert body["body"] == (expected if content is Content.PROTOBUF else b'{"code": 16, "message": "whose?"}')
    assert door.results == [Result.UNAUTHENTICATED]


def test_spans_of_one_origin_still_share_it(door):
    request = ExportTraceServiceRequest()
    for service in ("shop", "bank"):
        of_resource = request.resource_spans.add()
        of_resource.resource.attributes.add(key="service.name").value.string_value = service
        of_scope = of_resource.scope_spans.add()
        for number in range(1, 4):
            of_scope.spans.add(trace_id=bytes(range(1, 17)), span_id=bytes([number] * 8))
    body = request.SerializeToString()
    door.receiver.export(Signal.TRACES, "http", body, Content.PROTOBUF, "", "acme")
    door.receiver.export(Signal.TRACES, "http", body, Content.PROTOBUF, "", "beta")
    door.receiver.export(Signal.TRACES, "http", body, Content.PROTOBUF, "")
    for batch, tenant in zip(door.batches, ("acme", "beta", ""), strict=True):
        origins = [span.origin for span in batch.spans]
        assert [(origin.service, origin.tenant) for origin in origins] == 3 * [("shop", tenant)] + 3 * [
            ("bank", tenant)
        ]
        assert sum(one is not other for one, other in pairwise(origins)) == 1
