"""The sender: keeps a few requests in flight to a receiver on this machine and counts what it acknowledged.

Both clients are written for this: they send bodies that were made and compressed before, which is cheap enough to keep
the receiver's core busy from one other core. Anything but an acknowledgement ends the run.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Protocol

HOST = "127.0.0.1"  # nothing else is ever sent to
IN_FLIGHT = 4
MAX_SECONDS = 600
TIMEOUT = 30  # seconds that one request may take

_GRPC_PATH = b"/opentelemetry.proto.collector.trace.v1.TraceService/Export"

# HTTP/2, RFC 9113: frame types and flags.
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_END_STREAM, _ACK, _END_HEADERS = 1, 1, 4
_WINDOW, _FRAME = 65_535, 16_384  # what a receiver takes until it says otherwise


class Connection(Protocol):
    """One request at a time."""

    def export(self, body: bytes) -> None:
        """Raises ConnectionError if the request is not acknowledged."""

    def close(self) -> None: ...


def drive(connect: Callable[[], Connection], bodies: Iterator[bytes], seconds: float) -> int:
    """Sends bodies until the time is over or there are no more; how many were acknowledged."""
    lock = threading.Lock()
    stop = time.perf_counter() + min(seconds, MAX_SECONDS)

    def work() -> int:
        sent = 0
        with closing(connect()) as connection:
            while time.perf_counter() < stop:
                with lock:
                    body = next(bodies, None)
                if body is None:
                    break
                connection.export(body)
                sent += 1
        return sent

    with ThreadPoolExecutor(IN_FLIGHT) as threads:
        return sum(done.result() for done in [threads.submit(work) for _ in range(IN_FLIGHT)])


class HttpConnection:
    """OTLP/HTTP over a kept-alive connection."""

    def __init__(self, port: int, gzipped: bool) -> None:
        self._socket = _connect(port)
        encoding = b"content-encoding: gzip\r\n" if gzipped else b""
        self._head = (
            b"POST /v1/traces HTTP/1.1\r\nhost: %b:%d\r\ncontent-type: application/x-protobuf\r\n%bcontent-length: "
        ) % (HOST.encode(), port, encoding)

    def export(self, body: bytes) -> None:
        self._socket.sendall(self._head + b"%d\r\n\r\n" % len(body) + body)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += _receive(self._socket)
        head, _, rest = answer.partition(b"\r\n\r\n")
        if head[9:12] != b"200":
            raise ConnectionError(answer.decode("latin-1"))
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        left = int(fields[b"content-length"]) - len(rest)
        while left > 0:
            left -= len(_receive(self._socket))

    def close(self) -> None:
        self._socket.close()


class GrpcConnection:
    """OTLP/gRPC: HTTP/2 with just what one call after another needs.

    A real client would compress as it sends, at the cost of more than a core. The table of header fields that HTTP/2
    keeps (HPACK) is turned off on both sides, so that fields can be written and found as they are.
    """

    def __init__(self, port: int, gzipped: bool) -> None:
        self._socket = _connect(port)
        self._buffer = bytearray()
        self._compressed = b"\x01" if gzipped else b"\x00"
        self._stream = -1
        self._initial_window = self._connection_window = self._stream_window = _WINDOW
        fields = {
            b":method": b"POST",
            b":scheme": b"http",
            b":path": _GRPC_PATH,
            b":authority": b"%b:%d" % (HOST.encode(), port),
            b"content-type": b"application/grpc",
            b"te": b"trailers",
        }
        if gzipped:
            fields[b"grpc-encoding"] = b"gzip"
        self._fields = b"".join(
            b"\x00%c%b%c%b" % (len(name), name, len(value), value) for name, value in fields.items()
        )
        no_table = b"\x00\x01\x00\x00\x00\x00"  # SETTINGS_HEADER_TABLE_SIZE 0
        self._socket.sendall(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
            + _frame(_SETTINGS, 0, 0, no_table)
            + _frame(_WINDOW_UPDATE, 0, 0, (2**31 - 1 - _WINDOW).to_bytes(4, "big"))
        )

    def export(self, body: bytes) -> None:
        self._stream += 2
        self._stream_window = self._initial_window
        self._socket.sendall(_frame(_HEADERS, _END_HEADERS, self._stream, self._fields))
        message = self._compressed + len(body).to_bytes(4, "big") + body
        at = 0
        while at < len(message):
            frames = []
            while size := min(_FRAME, len(message) - at, self._connection_window, self._stream_window):
                flags = _END_STREAM if at + size == len(message) else 0
                frames.append(_frame(_DATA, flags, self._stream, message[at : at + size]))
                at += size
                self._connection_window -= size
                self._stream_window -= size
            self._socket.sendall(b"".join(frames))
            if at < len(message):
                self._next_frame()
        answer = b""
        ended = False
        while not ended:
            kind, flags, payload = self._next_frame()
            ended = bool(flags & _END_STREAM) and kind in (_DATA, _HEADERS)
            answer = payload if kind == _HEADERS else answer
        if b"grpc-status\x010" not in answer:
            raise ConnectionError(answer.decode("latin-1"))

    def close(self) -> None:
        self._socket.close()

    def _next_frame(self) -> tuple[int, int, bytes]:
        """Type, flags and payload of the next frame; what is due to windows, settings and pings is done."""
        header = self._take(9)
        kind, flags, stream = header[3], header[4], int.from_bytes(header[5:], "big")
        payload = self._take(int.from_bytes(header[:3], "big"))
        if kind == _WINDOW_UPDATE:
            more = int.from_bytes(payload, "big")
            if stream == 0:
                self._connection_window += more
            elif stream == self._stream:
                self._stream_window += more
        elif kind == _SETTINGS and not flags & _ACK:
            for at in range(0, len(payload), 6):
                if payload[at : at + 2] == b"\x00\x04":  # SETTINGS_INITIAL_WINDOW_SIZE
                    window = int.from_bytes(payload[at + 2 : at + 6], "big")
                    self._stream_window += window - self._initial_window
                    self._initial_window = window
            self._socket.sendall(_frame(_SETTINGS, _ACK, 0, b""))
        elif kind == _PING and not flags & _ACK:
            self._socket.sendall(_frame(_PING, _ACK, 0, payload))
        elif kind in (_RST_STREAM, _GOAWAY):
            raise ConnectionError(f"the server ended it: {payload!r}")
        return kind, flags, payload

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._buffer += _receive(self._socket)
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return b"%b%c%c%b%b" % (len(payload).to_bytes(3, "big"), kind, flags, stream.to_bytes(4, "big"), payload)


def _connect(port: int) -> socket.socket:
    connection = socket.create_connection((HOST, port), TIMEOUT)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _receive(connection: socket.socket) -> bytes:
    data = connection.recv(65_536)
    if not data:
        raise ConnectionError("closed by the server")
    return data
