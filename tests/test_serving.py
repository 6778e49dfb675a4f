from __future__ import annotations

import asyncio
import errno
import http.client
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
    server = HttpServer(hello, "127.0.0.1", 0, connections=10)
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
            HttpServer(hello, "127.0.0.1", port, connections=10).start()
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

    server = HttpServer(slow, "127.0.0.1", 0, connections=10)
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
    HttpServer(hello, "127.0.0.1", 0, connections=10).stop(0)
