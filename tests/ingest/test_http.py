"""The HTTP door: the app by itself, then with real clients over real sockets."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import json
import logging
import socket
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from otelscore.ingest.decode import Decoder
from otelscore.ingest.gate import Gate
from otelscore.ingest.http import PATHS, OtlpHttp
from otelscore.ingest.receiver import Receiver, Result, Signal
from otelscore.model import Batch, OverloadedError
from otelscore.serving import HttpServer

LIMIT = 100_000
PROTOBUF, JSON = "application/x-protobuf", "application/json"
Make = Callable[..., ExportTraceServiceRequest]


class Answer:
    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body


class Door:
    """The app, and what came through it."""

    def __init__(self, decoder: Decoder, request_time: float = 60, concurrency: int = 100) -> None:
        self.batches: list[Batch] = []
        self.counts: list[tuple[str, str, str]] = []
        self.reached: list[str] = []
        self.overloaded = False
        receiver = Receiver(decoder, self.accept, self.count, self.reached.append, LIMIT)
        self.now = 0.0
        gate = Gate(lambda: self.now, concurrency, 100 * LIMIT, 1.0)
        self.app = OtlpHttp(receiver, gate, request_time)

    def accept(self, batch: Batch) -> None:
        if self.overloaded:
            raise OverloadedError("no room")
        self.batches.append(batch)

    def count(self, *what: str) -> None:
        self.counts.append(what)

    def ask(
        self,
        *chunks: bytes,
        path: str = "/v1/traces",
        method: str = "POST",
        content: str = PROTOBUF,
        encoding: str = "",
        ends: bool = True,
    ) -> Answer | None:
        """One request, its body in chunks; where it does not end, nothing more comes."""
        events = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
        if ends:
            events.append({"type": "http.request", "body": b"", "more_body": False})
        return asyncio.run(self._ask(events, path, method, content, encoding))

    async def _ask(
        self, events: list[dict[str, Any]], path: str, method: str, content: str, encoding: str
    ) -> Answer | None:
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return events.pop(0) if events else await asyncio.Future()

        async def send(event: Any) -> None:
            sent.append(event)

        headers = [(b"content-type", content.encode()), (b"content-encoding", encoding.encode())]
        await self.app({"type": "http", "path": path, "method": method, "headers": headers}, receive, send)
        if not sent:
            return None
        fields = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        body = sent[1]["body"]
        assert int(fields["content-length"]) == len(body)
        return Answer(sent[0]["status"], fields, body)


@pytest.fixture
def door(decoder: Decoder) -> Door:
    return Door(decoder)


# ------------------------------------------------------------------- the app by itself


@pytest.mark.parametrize("path", [path for path, signal in PATHS.items() if signal is Signal.TRACES])
@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("", bytes), ("identity", bytes), ("gzip", gzip.compress), ("deflate", zlib.compress), ("GZIP", gzip.compress)],
)
def test_spans_come_in(door: Door, request_of: Make, path: str, encoding: str, pack: Callable[[bytes], bytes]) -> None:
    body = pack(request_of({}).SerializeToString())
    answer = door.ask(body[:10], body[10:], path=path, encoding=encoding)
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, b"", PROTOBUF)
    assert [len(batch.spans) for batch in door.batches] == [1]
    assert door.counts == [(Signal.TRACES, "http", Result.ACCEPTED)]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("content", "body", "written", "answer_body"),
    [
        ("application/x-protobuf", b"", PROTOBUF, b""),
        ("application/protobuf", b"", PROTOBUF, b""),
        ("application/json", b"{}", JSON, b"{}"),
        ("Application/JSON; charset=utf-8", b"{}", JSON, b"{}"),
    ],
)
def test_the_answer_is_written_as_the_request_was(
    door: Door, path: str, content: str, body: bytes, written: str, answer_body: bytes
) -> None:
    answer = door.ask(body, path=path, content=content)
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, written, answer_body)
    assert door.counts == [(PATHS[path], "http", Result.ACCEPTED)]


def test_bad_spans_are_told_of_in_partial_success(door: Door, request_of: Make) -> None:
    answer = door.ask(request_of({}, {"span_id": b""}).SerializeToString())
    assert answer.status == 200
    assert ExportTraceServiceResponse.FromString(answer.body).partial_success.rejected_spans == 1


REFUSALS = [
    ({"chunks": [b"garbage"]}, 400, "not a protobuf ExportTraceServiceRequest"),
    ({"chunks": [b"garbage"], "content": JSON}, 400, "not JSON"),
    ({"chunks": [b"garbage"], "encoding": "gzip"}, 400, "corrupt"),
    ({"chunks": [b"x" * LIMIT, b"x"]}, 413, "larger than 100000 bytes"),
    ({"chunks": [gzip.compress(bytes(LIMIT + 1))], "encoding": "gzip"}, 413, "larger than 100000 bytes"),
    ({"chunks": [], "content": "text/plain"}, 415, "content type"),
    ({"chunks": [], "content": ""}, 415, "content type"),
    ({"chunks": [], "encoding": "br"}, 415, "content encoding"),
]


@pytest.mark.parametrize(("request_", "status", "message"), REFUSALS)
def test_what_the_sender_does_wrong_is_told_as_a_status_and_counted(
    door: Door, request_: dict[str, Any], status: int, message: str
) -> None:
    how = {name: value for name, value in request_.items() if name != "chunks"}
    answer = door.ask(*request_["chunks"], **how)
    assert answer.status == status
    if answer.headers["content-type"] == PROTOBUF:
        told = Status.FromString(answer.body).message
    else:
        told = json.loads(answer.body)["message"]
    assert message in told
    assert door.counts == [(Signal.TRACES, "http", Result.REJECTED)]
    assert door.batches == []


@pytest.mark.parametrize(
    ("request_", "status", "allow"),
    [({"path": "/"}, 404, None), ({"path": "/v1/profiles"}, 404, None), ({"method": "GET"}, 405, "POST")],
)
def test_what_is_not_served(door: Door, request_: dict[str, str], status: int, allow: str | None) -> None:
    answer = door.ask(b"", **request_)
    assert (answer.status, answer.headers.get("allow")) == (status, allow)
    assert door.counts == []


def test_no_room_is_unavailable_with_a_time_to_retry(door: Door) -> None:
    door.overloaded = True
    answer = door.ask(b"")
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    status, retry = Status.FromString(answer.body), RetryInfo()
    assert (status.code, status.message) == (14, "no room")
    assert status.details[0].Unpack(retry)
    assert retry.retry_delay.seconds == 1
    assert door.counts == [(Signal.TRACES, "http", Result.REFUSED)]


def test_no_room_in_json(door: Door) -> None:
    door.overloaded = True
    answer = door.ask(b"{}", content=JSON)
    assert json.loads(answer.body) == {
        "code": 14,
        "message": "no room",
        "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1s"}],
    }


def test_of_a_body_that_is_too_large_no_more_than_the_limit_is_held(door: Door) -> None:
    chunk = bytes(LIMIT // 2)
    tracemalloc.start()
    try:
        answer = door.ask(*[chunk] * 200)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert answer.status == 413
    assert peak < 10 * LIMIT
    assert door.reached == ["request_size"]


def test_a_body_must_come_in_time(decoder: Decoder) -> None:
    door = Door(decoder, request_time=0.01)
    answer = door.ask(b"begin", ends=False)
    assert (answer.status, answer.headers["retry-after"], answer.headers["connection"]) == (503, "1", "close")
    assert door.counts == [(Signal.TRACES, "http", Result.REFUSED)]
    assert door.reached == ["request_time"]


def test_too_many_requests_at_a_time_are_asked_to_come_back(decoder: Decoder) -> None:
    door = Door(decoder, request_time=0.01, concurrency=1)

    async def ask_twice() -> list[Answer | None]:
        slow = [{"type": "http.request", "body": b"begin", "more_body": True}]
        whole = [{"type": "http.request", "body": b"", "more_body": False}]
        how = ("/v1/traces", "POST", PROTOBUF, "")
        return [*await asyncio.gather(door._ask(slow, *how), door._ask(whole[:], *how)), await door._ask(whole, *how)]

    _, at_a_time, afterwards = asyncio.run(ask_twice())
    assert (at_a_time.status, at_a_time.headers["retry-after"], afterwards.status) == (503, "1", 200)
    assert Status.FromString(at_a_time.body).message == "too many requests at a time"
    assert door.reached == ["concurrent_requests", "request_time"]


def test_a_sender_that_goes_away_is_not_answered(door: Door) -> None:
    gone = [{"type": "http.request", "body": b"x", "more_body": True}, {"type": "http.disconnect"}]
    assert asyncio.run(door._ask(gone, "/v1/traces", "POST", PROTOBUF, "")) is None
    assert door.batches == []


# ------------------------------------------------------------------- over sockets


@pytest.fixture
def port(door: Door) -> Iterator[int]:
    server = HttpServer(door.app, "127.0.0.1", 0, 20, 30, door.reached.append)
    yield server.start()
    server.stop(0)


@pytest.mark.parametrize("compression", Compression)
def test_the_sdks_own_exporter_is_understood(door: Door, port: int, compression: Compression) -> None:
    provider = TracerProvider(resource=Resource({"service.name": "shop"}), shutdown_on_exit=False)
    exporter = OTLPSpanExporter(f"http://127.0.0.1:{port}/v1/traces", compression=compression)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with provider.get_tracer("tests").start_as_current_span("invoke_agent"):
        pass
    provider.shutdown()
    (span,) = door.batches[0].spans
    assert (span.name, span.origin.service, span.origin.scope) == ("invoke_agent", "shop", "tests")


def test_the_answer_to_a_body_that_is_too_large_arrives_and_the_connection_lives_on(door: Door, port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    for body, status in ((bytes(50 * LIMIT), 413), (b"", 200)):
        connection.request("POST", "/v1/traces", body, {"content-type": PROTOBUF})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status


def test_a_sender_that_breaks_off_leaves_no_trace(door: Door, port: int, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), socket.create_connection(("127.0.0.1", port)) as sender:
        sender.sendall(
            b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{"
        )
        sender.shutdown(socket.SHUT_RDWR)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("POST", "/v1/traces", b"", {"content-type": PROTOBUF})
    assert connection.getresponse().status == 200
    assert caplog.records == []
