"""Every byte string, to every door, gets an answer or the end of its connection, and changes nothing but counters."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress

import grpc
import pytest
from live import FREE, Server, eventually, start
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

PROTOBUF, JSON = "application/x-protobuf", "application/json"
PATIENCE = 1.0  # seconds that a sender has
SOON = 10.0  # seconds in which an answer comes or the connection ends, on a busy machine
LIMITS = {
    "OTELSCORE_LIMITS_REQUEST_TIME": f"{PATIENCE:g}s",
    "OTELSCORE_LIMITS_REQUEST_SIZE": "1MiB",
    "OTELSCORE_LIMITS_REQUEST_RECORDS": "2000",
    "OTELSCORE_LIMITS_ATTRIBUTES": "100",
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = start(*FREE, env=LIMITS)
    yield server
    assert server.process.poll() is None
    assert not [line for line in server.lines if "Traceback" in line or '"error"' in line]
    server.stop()


@pytest.fixture(autouse=True)
def nothing_changes(server: Server) -> Iterator[None]:
    """Nothing that is held, and no figure, is any different afterwards; and everybody else is served."""
    yield
    scraped = server.scrape()
    for name in ("open_spans", "open_trajectories", "verdicts_pending", "log_facts_pending"):
        assert sum(scraped[f"otelscore_{name}"].values()) == 0
    assert "otelscore_steps_total" not in scraped
    assert (
        sum(
            scraped["otelscore_requests_total"][key]
            for key in scraped["otelscore_requests_total"]
            if ("result", "failed") in key
        )
        == 0
    )
    assert status(say(server.http, post(b"{}", JSON))) == 200


def connect(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), SOON)


def say(address: str, *parts: bytes, closing: bool = False) -> bytes:
    """All that is answered to these bytes, until the other side ends it or has said nothing for a moment."""
    with connect(address) as connection:
        with suppress(OSError):  # it ended while we spoke: what was answered is still to be heard
            for part in parts:
                connection.sendall(part)
        if closing:
            connection.shutdown(socket.SHUT_WR)
        return hear(connection, complete)


def hear(connection: socket.socket, enough: Callable[[bytes], bool] = lambda _: False) -> bytes:
    """What is said until it is enough or the connection ends; fails where neither comes in time."""
    heard = b""
    with suppress(ConnectionError):  # a reset is an end, too: of a connection on which we had said more than was read
        while not enough(heard) and (data := connection.recv(65_536)):
            heard += data
    return heard


def complete(answer: bytes) -> bool:
    head, found, body = answer.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), None)
    return bool(found) and length is not None and len(body) >= length


def status(answer: bytes) -> int:
    """0 where the connection ended without a word."""
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.1 ") else 0


def post(body: bytes, content: str = PROTOBUF, path: str = "/v1/traces", **headers: str) -> bytes:
    fields = {"host": "x", "content-type": content, "content-length": str(len(body)), **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


def field(number: int, value: bytes) -> bytes:
    size, length = len(value), b""
    while size > 127:
        length += bytes([size & 127 | 128])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + value


def nested(levels: int) -> bytes:
    value = field(1, b"x")
    for _ in range(levels):
        value = field(5, field(1, value))
    span = (
        field(1, b"t" * 16) + field(2, b"s" * 8) + field(9, field(1, b"gen_ai.tool.call.arguments") + field(2, value))
    )
    return field(1, field(2, field(2, span)))


BOMB = gzip.compress(bytes(50_000_000))
BODIES = {
    "nothing that is protobuf": (post(b"\xff" * 100), 400),
    "nothing that is JSON": (post(b"\xff" * 100, JSON), 400),
    "JSON that never ends": (post(b'{"resourceSpans": [' * 20_000, JSON), 400),
    "deep JSON": (post(b"[" * 500_000 + b"]" * 500_000, JSON), 400),
    "deep protobuf groups": (post(b"\x0b" * 100_000), 400),
    "a number that is too long": (post(b"\x08" + b"\xff" * 100), 400),
    "a field that is longer than all memory": (post(b"\x0a" + b"\xff" * 9 + b"\x01"), 400),
    "a gzip bomb": (post(BOMB, content_encoding="gzip"), 413),
    "a deflate bomb": (post(zlib.compress(bytes(50_000_000)), content_encoding="deflate"), 413),
    "a bomb in a bomb": (post(gzip.compress(BOMB), content_encoding="gzip"), 400),
    "many gzip members": (post(gzip.compress(b"") * 20_000, content_encoding="gzip"), 400),
    "gzip that is cut off": (post(gzip.compress(b"{}")[:-4], JSON, content_encoding="gzip"), 400),
    "two encodings": (post(gzip.compress(b"{}"), JSON, content_encoding="gzip, gzip"), 415),
    "an unknown encoding": (post(b"{}", JSON, content_encoding="br"), 415),
    "wrong types": (post(b'{"resourceSpans": {"a": 1}}', JSON), 400),
    "a number as large as a page": (post(b'{"resourceSpans": ' + b"9" * 100_000 + b"}", JSON), 400),
    "invalid UTF-8": (post(b'{"resourceSpans": "\xff\xfe"}', JSON), 400),
    "a lone surrogate": (post(b'{"resourceSpans": "\\ud800"}', JSON), 400),
    "another content type": (post(b"{}", "text/html"), 415),
    "no content type": (post(b"{}", ""), 415),
    "a multipart form": (post(b"--x\r\n\r\n{}\r\n--x--", "multipart/form-data; boundary=x"), 415),
    "another path": (post(b"{}", JSON, "/v1/traces/../../etc/passwd"), 404),
    "a path with a null": (post(b"{}", JSON, "/v1/traces%00"), 404),
    "another method": (b"DELETE /v1/traces HTTP/1.1\r\nhost: x\r\n\r\n", 405),
    "no method that there is": (b"BREW /v1/traces HTTP/1.1\r\nhost: x\r\n\r\n", 400),
    "more than is allowed": (post(bytes(2_000_000)), 413),
    "more records than are allowed": (post(field(1, field(2, field(2, b"") * 3_000))), 413),
}


@pytest.mark.parametrize(("request_", "wanted"), BODIES.values(), ids=BODIES)
def test_bad_bodies_get_an_answer_that_fits(server: Server, request_: bytes, wanted: int) -> None:
    assert status(say(server.http, request_)) == wanted


def rejected(answer: bytes) -> int:
    return int(json.loads(answer.partition(b"\r\n\r\n")[2]).get("partialSuccess", {}).get("rejectedSpans", 0))


SPANS = {
    "huge ids": {"traceId": "ab" * 10_000, "spanId": "cd" * 8},
    "ids that are none": {"traceId": "00" * 16, "spanId": "00" * 8},
    "no ids": {},
    "ids of a wrong type": {"traceId": 1, "spanId": [2]},
    "a time of the year 2500": {"traceId": "ab" * 16, "spanId": "cd" * 8, "startTimeUnixNano": str(2**64 - 1)},
    "deep attributes": {"attributes": [{"key": "gen_ai.tool.name", "value": {"arrayValue": {"values": [{}] * 3}}}]},
    "two values": {"attributes": [{"key": "gen_ai.tool.name", "value": {"stringValue": "", "intValue": 1}}]},
    "many attributes": {
        "traceId": "ab" * 16,
        "spanId": "cd" * 8,
        "attributes": [{"key": f"gen_ai.prompt.{i}.content", "value": {"stringValue": ""}} for i in range(1000)],
    },
}


@pytest.mark.parametrize("span", SPANS.values(), ids=SPANS)
def test_bad_spans_are_rejected_in_a_good_request(server: Server, span: object) -> None:
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}).encode()
    answer = say(server.http, post(body, JSON))
    assert (status(answer), rejected(answer)) == (200, 1)


def test_deep_attributes_in_protobuf_make_a_span_bad(server: Server) -> None:
    answer = say(server.http, post(nested(1_000)))
    assert status(answer) == 200
    assert b"nested deeper" in answer


SMUGGLED = {
    "a length and chunks": b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n"
    b"transfer-encoding: chunked\r\n\r\n0\r\n\r\nX",
    "two lengths": b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
    "a length with a sign": b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-length: +5\r\n\r\nhello",
    "a length beyond all memory": b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-length: " + b"9" * 30 + b"\r\n\r\n",
    "chunks twice": b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunks not at the end": b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked, x\r\n\r\n0\r\n\r\n",
    "a bad chunk": b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    b"transfer-encoding: chunked\r\n\r\nZZ\r\n",
    "a folded line": b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ntransfer-encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "a space before the colon": b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-length : 5\r\n\r\nhello",
    "a bare line feed": b"POST /v1/traces HTTP/1.1\nhost: x\ncontent-length: 5\n\nhello",
    "a null in a field": b"POST /v1/traces HTTP/1.1\r\nhost: x\r\nx: a\0b\r\n\r\n",
    "no HTTP at all": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    "HTTP/0.9": b"GET /x\r\n\r\n",
    "HTTP/3.7": b"POST /v1/traces HTTP/3.7\r\n\r\n",
    "the beginning of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
    "a tunnel": b"CONNECT example.com:443 HTTP/1.1\r\nhost: x\r\n\r\n",
}


@pytest.mark.parametrize("door", ["http", "metrics"])
@pytest.mark.parametrize("said", SMUGGLED.values(), ids=SMUGGLED)
def test_what_two_servers_could_understand_differently_ends_the_connection(
    server: Server, door: str, said: bytes
) -> None:
    with connect(getattr(server, door)) as connection:
        connection.sendall(said)
        answer = hear(connection)
    assert answer.count(b"HTTP/1.1 ") <= 1
    assert status(answer) in (0, 400, 404, 405, 415, 503)


HEADS = {
    "no host": b"",
    "an empty host": b"host:\r\n",
    "two hosts": b"host: x\r\nhost: y\r\n",
    "the same host twice": b"host: x\r\nHost: x\r\n",
    "a list of hosts": b"host: x, y\r\n",
    "a host with a user": b"host: a@x\r\n",
    "a host with a path": b"host: x/y\r\n",
    "a port that is no number": b"host: x:y\r\n",
    "more than is allowed, in one piece": b"host: x\r\nx: " + b"y" * 100_000 + b"\r\n",
}


@pytest.mark.parametrize("door", ["http", "metrics"])
@pytest.mark.parametrize("fields", HEADS.values(), ids=HEADS)
def test_a_head_that_nobody_should_understand_ends_the_connection(server: Server, door: str, fields: bytes) -> None:
    with connect(getattr(server, door)) as connection:
        connection.sendall(b"POST /v1/traces HTTP/1.1\r\n" + fields + b"content-length: 2\r\n\r\n{}")
        answer = hear(connection)
    assert status(answer) == 400
    assert b"Host" in answer or b"65536 bytes" in answer


@pytest.mark.parametrize("host", [b"x:4318", b"127.0.0.1", b"[::1]:4318", b"otel_score.example.", b"caf%C3%A9"])
def test_a_host_may_be_anything_that_one_is_called(server: Server, host: bytes) -> None:
    said = b"POST /v1/traces HTTP/1.1\r\nhost: %b\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
    assert status(say(server.http, said % host)) == 200


def test_who_speaks_the_first_http_needs_no_host(server: Server) -> None:
    assert status(say(server.http, b"GET / HTTP/1.0\r\n\r\n")) == 404


ENDLESS = {
    "an endless name": b"POST /" + b"a" * 300_000,
    "endless fields": b"POST /v1/traces HTTP/1.1\r\n" + b"x: y\r\n" * 100_000,
    "one endless field": b"POST /v1/traces HTTP/1.1\r\nx: " + b"y" * 600_000,
}


@pytest.mark.parametrize("door", ["http", "metrics"])
@pytest.mark.parametrize("said", ENDLESS.values(), ids=ENDLESS)
def test_a_head_that_never_ends_ends_the_connection_before_its_time(server: Server, door: str, said: bytes) -> None:
    assert status(say(getattr(server, door), said)) in (0, 400)  # 0: what is still on its way hides the answer


def test_trailers_that_never_end_end_the_connection(server: Server) -> None:
    head = (
        b"POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    answer = say(server.http, head + b"2\r\n{}\r\n0\r\n", *[b"x: " + b"y" * 50_000 + b"\r\n"] * 10)
    assert status(answer) in (0, 400)


@pytest.mark.parametrize("door", ["http", "metrics"])
@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"POST /v1/tra",
        b"POST /v1/traces HTTP/1.1\r\nhost: x\r\n",
        post(b"{", JSON, content_length="99"),
        post(b"{", JSON, "/api/v1/verdicts", content_length="99"),
        post(b"{", "text/html", content_length="99"),
    ],
    ids=["nothing", "a line", "a head", "a body", "a verdict", "a body that nobody wants"],
)
def test_a_sender_that_stops_does_not_hold_its_connection(server: Server, door: str, begun: bytes) -> None:
    with connect(getattr(server, door)) as connection:
        connection.sendall(begun)
        connection.settimeout(60)
        assert status(hear(connection)) in (0, 400, 408, 415, 503)


def test_a_head_that_drips_does_not_hold_its_connection(server: Server) -> None:
    with connect(server.http) as connection:
        stop = threading.Event()

        def drip() -> None:
            while not stop.wait(0.1):
                try:
                    connection.sendall(b"x: y\r\n")
                except OSError:
                    return

        connection.sendall(b"POST /v1/traces HTTP/1.1\r\n")
        dripping = threading.Thread(target=drip)
        dripping.start()
        began = time.monotonic()
        hear(connection)
        assert time.monotonic() - began < PATIENCE + SOON
        stop.set()
        dripping.join()
    assert eventually(lambda: bool(server.value("limit_reached_total", limit="request_time")), wanted=True)


def test_a_sender_that_has_closed_its_side_gets_its_answer(server: Server) -> None:
    assert status(say(server.http, post(b"{}", JSON), closing=True)) == 200


def test_many_that_stop_keep_nobody_out(server: Server) -> None:
    crowd = [connect(server.http) for _ in range(200)]
    for one in crowd:
        one.sendall(b"POST /v1/traces HTTP/1.1\r\n")
    assert status(say(server.http, post(b"{}", JSON))) == 200
    assert server.scrape()
    for one in crowd:
        one.close()


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (post(b"\xff", JSON, "/api/v1/verdicts"), 400),
        (post(b"[" * 100_000, JSON, "/api/v1/verdicts"), 400),
        (post(b'{"trace_id": {}, "verdict": []}', JSON, "/api/v1/verdicts"), 400),
        (post(b'{"trace_id": "' + b"a" * 1_000_000 + b'", "verdict": "pass"}', JSON, "/api/v1/verdicts"), 400),
        (post(b"[" + b"{}," * 20_000 + b"{}]", JSON, "/api/v1/verdicts"), 400),
        (post(bytes(5_000_000), JSON, "/api/v1/verdicts"), 413),
        (post(b"{}", "text/plain", "/api/v1/verdicts"), 415),
        (b"GET /api/v1/trajectories?limit=-1 HTTP/1.1\r\nhost: x\r\n\r\n", 400),
        (b"GET /api/v1/trajectories?since=nan HTTP/1.1\r\nhost: x\r\n\r\n", 400),
        (b"GET /api/v1/trajectories/%00%ff HTTP/1.1\r\nhost: x\r\n\r\n", 404),
        (b"GET /metrics?name[]=%ff HTTP/1.1\r\nhost: x\r\naccept: */*;q=x\r\naccept-encoding: gzip;q=x\r\n\r\n", 200),
        (b"TRACE /metrics HTTP/1.1\r\nhost: x\r\n\r\n", 405),
    ],
)
def test_the_metrics_port_answers_anything(server: Server, said: bytes, wanted: int) -> None:
    assert status(say(server.metrics, said)) == wanted


GRPC = {
    "garbage": (b"\xff" * 100, grpc.StatusCode.INVALID_ARGUMENT),
    "a bomb": (BOMB, grpc.StatusCode.RESOURCE_EXHAUSTED),
    "more than is allowed": (bytes(2_000_000), grpc.StatusCode.RESOURCE_EXHAUSTED),
    "deep groups": (b"\x0b" * 100_000, grpc.StatusCode.INVALID_ARGUMENT),
    "more records than are allowed": (field(1, field(2, field(2, b"") * 3_000)), grpc.StatusCode.RESOURCE_EXHAUSTED),
}


@pytest.mark.parametrize(("body", "wanted"), GRPC.values(), ids=GRPC)
def test_bad_messages_get_a_status_that_fits(server: Server, body: bytes, wanted: grpc.StatusCode) -> None:
    with grpc.insecure_channel(server.grpc) as channel:
        export = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export")
        with pytest.raises(grpc.RpcError) as refused:
            export(body, timeout=60)
    assert refused.value.code() is wanted


@pytest.mark.parametrize(
    "said", [b"GET / HTTP/1.1\r\n\r\n", bytes(1_000), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 9]
)
def test_what_is_no_grpc_ends_the_connection(server: Server, said: bytes) -> None:
    with connect(server.grpc) as connection:
        connection.sendall(said)
        assert not hear(connection).startswith(b"HTTP/1.1 200")


def test_runs_without_end_are_scored_in_a_moment() -> None:
    """A million children would be too many for one trace; what is let in costs no more than other spans."""
    server = start(
        *FREE, "--root-grace", "100ms", "--late-window", "100ms", env={"OTELSCORE_LIMITS_TRACE_SPANS": "20000"}
    )
    try:
        request = ExportTraceServiceRequest()
        spans = request.resource_spans.add().scope_spans.add().spans
        for number in range(30_000):
            place, trace = divmod(number, 3)
            own, above = (
                number + 3,
                (3, number, (place + 1) % 10_000 * 3 + 5)[trace],
            )  # many children, a chain, a circle
            span = spans.add(trace_id=bytes([trace + 1] * 16), span_id=own.to_bytes(8, "big"), name="x")
            span.parent_span_id = above.to_bytes(8, "big") if place or trace == 2 else b""
            span.start_time_unix_nano, span.end_time_unix_nano = number + 1, number + 100
            operation = span.attributes.add(key="gen_ai.operation.name")
            operation.value.string_value = "execute_tool" if place else "invoke_agent"
        body = request.SerializeToString()
        answer = say(server.http, post(body))
        assert status(answer) == 200
        assert eventually(lambda: server.value("open_spans"), 0) == 0
        assert server.value("spans_total", fate="kept") == 30_000
        slowest = time.monotonic()
        server.scrape()
        assert time.monotonic() - slowest < SOON
    finally:
        server.process.kill()
        server.process.wait()
