"""A real OTLP backend, over gRPC or HTTP, that remembers what it was sent and can be told to answer badly."""

from __future__ import annotations

import gzip
import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc

SERVICES = {"traces": "trace.v1.TraceService", "logs": "logs.v1.LogsService", "metrics": "metrics.v1.MetricsService"}


@dataclass(frozen=True)
class Received:
    """One request; `body` is unpacked, `raw` as it came (the same with gRPC, which unpacks)."""

    signal: str
    body: bytes
    raw: bytes
    headers: Mapping[str, str]


class Sink:
    """Has one address from the beginning, where it listens between `start` and `stop`.

    `answers` are given first, one a request: a number, or a status code of gRPC, with headers. Then all is well.
    """

    def __init__(self) -> None:
        self.port = 0
        self.got: list[Received] = []
        self.broken = 0
        """Requests that never came whole."""
        self.answers: deque[tuple[Any, Mapping[str, str | bytes]]] = deque()
        self.let_go = threading.Event()
        """While cleared, it takes requests and does not answer."""
        self.let_go.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def bodies(self, signal: str = "traces") -> list[bytes]:
        return [one.body for one in self.got if one.signal == signal]

    def take(self, one: Received) -> tuple[Any, Mapping[str, str | bytes]]:
        self.let_go.wait()
        if self.answers:
            return self.answers.popleft()
        self.got.append(one)
        return None, {}


class HttpSink(Sink):
    def start(self, wrap: Callable[[Any], Any] = lambda connection: connection) -> HttpSink:
        sink = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                size = int(self.headers["content-length"])
                raw = self.rfile.read(size)
                if len(raw) < size:  # the sender was killed while it sent
                    sink.broken += 1
                    self.close_connection = True
                    return
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = gzip.decompress(raw) if headers.get("content-encoding") == "gzip" else raw
                status, more = sink.take(Received(self.path.removeprefix("/v1/"), body, raw, headers))
                self.send_response(status or 200)
                for name, value in more.items():
                    self.send_header(name, str(value))
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.server.daemon_threads = True
        self.server.socket = wrap(self.server.socket)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        self.let_go.set()
        self.server.shutdown()
        self.server.server_close()


class GrpcSink(Sink):
    def start(self, credentials: grpc.ServerCredentials | None = None) -> GrpcSink:
        self.server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
        for signal, service in SERVICES.items():
            method = grpc.unary_unary_rpc_method_handler(self._export(signal))
            name = f"opentelemetry.proto.collector.{service}"
            self.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, {"Export": method}),))
        address = f"127.0.0.1:{self.port}"
        self.port = (
            self.server.add_secure_port(address, credentials) if credentials else self.server.add_insecure_port(address)
        )
        self.server.start()
        return self

    def stop(self) -> None:
        self.let_go.set()
        self.server.stop(0).wait()

    def _export(self, signal: str) -> Callable[[bytes, grpc.ServicerContext], bytes]:
        def export(body: bytes, context: grpc.ServicerContext) -> bytes:
            headers = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
            code, more = self.take(Received(signal, body, body, headers))
            if code is not None:
                context.set_trailing_metadata(tuple(more.items()))
                context.abort(code, "as told")
            return b""

        return export
