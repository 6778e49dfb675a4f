from __future__ import annotations

import asyncio
import errno
import http.client
import socket
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from otelscore.serving import HttpServer, PortInUseError, listen


async def hello(scope: Any, receive: Any, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


def get(port: int) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/")
    return connection.getresponse()


def listens(port: int) -> bool:
    try:
        listen("127.0.0.1", port).close()
    except PortInUseError:
        return True
    return False


def test_an_app_is_served_on_a_free_port() -> None:
    server = HttpServer(hello, "127.0.0.1", 0, 10, 30, print)
    port = server.start()
    try:
        answer = get(port)
        assert (answer.status, answer.read()) == (200, b"hello")
        assert answer.getheader("server") is None
    finally:
        server.stop(0)
    listen("127.0.0.1", port).close()


def test_a_port_in_use_is_named() -> None:
    with listen("127.0.0.1", 0) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortInUseError, match=f"127.0.0.1:{port} is in use") as raised:
            HttpServer(hello, "127.0.0.1", port, 10, 30, print).start()
    assert (raised.value.host, raised.value.port, raised.value.errno) == ("127.0.0.1", port, errno.EADDRINUSE)


def test_an_address_of_another_machine_is_an_error_of_its_own() -> None:
    with pytest.raises(OSError, match="assign requested address") as raised:
        listen("192.0.2.1", 0)  # RFC 5737: of no machine
    assert not isinstance(raised.value, PortInUseError)


def test_stop_waits_for_the_request_under_way() -> None:
    entered, leave = threading.Event(), threading.Event()

    async def slow(scope: Any, receive: Any, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        entered.set()
        await asyncio.to_thread(leave.wait, 30)
        await hello(scope, receive, send)

    server = HttpServer(slow, "127.0.0.1", 0, 10, 30, print)
    port = server.start()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", "/")
    assert entered.wait(30)
    stop = threading.Thread(target=server.stop, args=(30,))
    stop.start()
    while listens(port):
        pass
    leave.set()
    assert connection.getresponse().read() == b"hello"
    stop.join(30)
    assert not stop.is_alive()


def test_stop_without_start_does_nothing() -> None:
    before = threading.active_count()
    server = HttpServer(hello, "127.0.0.1", 0, 10, 30, print)
    server.stop(0)
    assert threading.active_count() == before


def test_beyond_so_many_connections_new_ones_are_told_to_come_back_and_old_ones_are_served() -> None:
    reached: list[str] = []
    server = HttpServer(hello, "127.0.0.1", 0, 1, 30, reached.append)
    port = server.start()
    try:
        old = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        old.connect()
        with socket.create_connection(("127.0.0.1", port), 30) as new:
            assert new.recv(1000).startswith(b"HTTP/1.1 503 ")
        assert reached == ["connections"]
        for _ in range(2):
            old.request("GET", "/")
            assert old.getresponse().read() == b"hello"
    finally:
        server.stop(0)


def test_what_is_sent_after_an_early_answer_has_a_time_and_the_connection_lives_on() -> None:
    reached: list[str] = []
    server = HttpServer(hello, "127.0.0.1", 0, 10, 0.2, reached.append)
    port = server.start()
    try:
        head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\n"
        with socket.create_connection(("127.0.0.1", port), 30) as whole:
            for _ in range(2):
                whole.sendall(head)
                answer = b""
                while not answer.endswith(b"hello"):
                    answer += whole.recv(1000)
                whole.sendall(b"rest")
        assert reached == []
        with socket.create_connection(("127.0.0.1", port), 30) as half:
            half.sendall(head + b"re")
            while half.recv(1000):
                pass
        assert reached == ["request_time"]
    finally:
        server.stop(0)
