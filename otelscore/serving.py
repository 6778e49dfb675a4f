"""Listening: the socket that is ours alone, and an ASGI app served by uvicorn in a thread of its own."""

from __future__ import annotations

import errno
import socket
import threading
from collections.abc import Awaitable, Callable

import uvicorn

_IDLE = 75  # seconds a kept-alive connection may be silent: longer than the 60 s that senders export in at the most


class PortInUseError(OSError):
    """Somebody else listens there. `host` and `port` say where."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(errno.EADDRINUSE, f"{host}:{port} is in use")
        self.host = host
        self.port = port


def listen(host: str, port: int) -> socket.socket:
    """A listening TCP socket; port 0 takes a free one.

    Raises PortInUseError, or OSError where the host is not one of this machine or the port is not allowed.
    """
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    try:
        return socket.create_server(address[:2], family=family, backlog=128)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortInUseError(host, port) from None
        raise


class HttpServer:
    """Serves one ASGI app on one address, from `start` to `stop`.

    Beyond `connections` open ones, idle ones too, every request on any of them is answered 503: leave room.
    """

    def __init__(self, app: Callable[..., Awaitable[None]], host: str, port: int, connections: int) -> None:
        self._host = host
        self._port = port
        self._config = uvicorn.Config(
            app,
            loop="asyncio",
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            limit_concurrency=connections,
            timeout_keep_alive=_IDLE,
        )
        self._server = uvicorn.Server(self._config)
        self._thread: threading.Thread | None = None

    def start(self) -> int:
        """Listens, and returns the port. Raises PortInUseError or OSError."""
        listener = listen(self._host, self._port)
        port: int = listener.getsockname()[1]
        self._thread = threading.Thread(target=self._server.run, args=([listener],), name=f"http-{port}", daemon=True)
        self._thread.start()
        return port

    def stop(self, grace: int) -> None:
        """Stops listening at once and waits up to `grace` seconds for requests that are under way."""
        self._config.timeout_graceful_shutdown = grace
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join()
