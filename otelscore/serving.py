"""Listening: the socket that is ours alone, and an ASGI app served by uvicorn in a thread of its own.

uvicorn waits for a request's beginning, and for a reader of its answer, as long as the other side likes, and keeps as
many header fields as it sends; here each has an end. And it takes requests of which a proxy could read another host.
"""

from __future__ import annotations

import asyncio
import errno
import re
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_MAX_HEAD = 64 * 1024  # bytes that a sender may send without saying anything: header fields, trailers, chunk extensions
_TOO_LONG = f"more than {_MAX_HEAD} bytes of header fields"
_IDLE = 75  # seconds a kept-alive connection may be silent: longer than the 60 s that senders export in at the most

_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[\w.~!$&'()*+;=%-]+)(:\d*)?", re.ASCII)  # RFC 9110, 7.2; no list of them

_REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\nretry-after: 1\r\n"
    b"connection: close\r\ncontent-length: %d\r\n\r\n%b"
)


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


class _Connection(HttpToolsProtocol):
    """One connection, as uvicorn serves it, but for how long and how much it waits for."""

    def __init__(self, most: int, patience: float, reach: Callable[[str], object], **served: Any) -> None:
        super().__init__(**served)
        self._most = most
        self._patience = patience
        self._reach = reach
        self._unread = 0  # bytes since there was a body, or a head was whole
        self._wrong = ""  # with a head that is well formed
        self._waiting: asyncio.TimerHandle | None = None  # for the sender
        self._writing: asyncio.TimerHandle | None = None  # for the reader

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._most:
            self._reach("connections")
            self._refuse("too many connections")
        else:
            self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in filter(None, (self._waiting, self._writing)):
            timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._unread += len(data)
        super().data_received(data)
        if self._unread > _MAX_HEAD and not self.transport.is_closing():
            self.send_400_response(_TOO_LONG)
        self._watch()

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """A sender that only closes its own side still gets the answer to what it had sent whole."""
        if self._is_served() and not self.cycle.more_body and self.scheme == "http":
            self.cycle.keep_alive = False
            return True
        return None

    def on_headers_complete(self) -> None:
        """Looks at what llhttp lets through; an error here ends its work."""
        self._unread = 0
        hosts = [value for name, value in self.headers if name == b"host"]
        if self.parser.get_http_version() == "1.1" and not (len(hosts) == 1 and _HOST.fullmatch(hosts[0])):
            self._wrong = "there must be one Host field, of one host"
        elif len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > _MAX_HEAD:
            self._wrong = _TOO_LONG
        if self._wrong:
            raise ValueError(self._wrong)
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        super().send_400_response(self._wrong or msg)

    def on_body(self, body: bytes) -> None:
        self._unread = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if not self._is_served():  # it was answered before it was whole, and is idle only now
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._is_served() and self.cycle.more_body:  # the rest is still to come: it is not idle
            self._unset_keepalive_if_required()
        self._watch()

    def timeout_keep_alive_handler(self) -> None:
        self._end()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._writing = self.loop.call_later(_IDLE, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._writing is not None:
            self._writing.cancel()

    def _is_served(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _watch(self) -> None:
        """Sets a time for the sender, where neither the app is at work nor the connection idle."""
        if self._is_served() or self.timeout_keep_alive_task is not None:
            if self._waiting is not None:
                self._waiting.cancel()
            self._waiting = None
        elif self._waiting is None:
            self._waiting = self.loop.call_later(self._patience, self._give_up)

    def _give_up(self) -> None:
        self._reach("request_time")
        if self._unread:
            self._refuse(f"the request did not begin within {self._patience:g} s")
        self._end()

    def _end(self) -> None:
        """Closes the connection; who did not read an answer for so long does not get the rest."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()

    def _refuse(self, why: str) -> None:
        self.transport.write(_REFUSAL % (len(why), why.encode()))
        self.transport.close()


class _Server(uvicorn.Server):
    """uvicorn's, which leaves a TLS handshake a minute."""

    def __init__(self, config: uvicorn.Config, patience: float) -> None:
        super().__init__(config)
        self._patience = patience

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        if self.config.ssl:
            loop = asyncio.get_running_loop()
            create_server = partial(loop.create_server, ssl_handshake_timeout=self._patience)
            loop.create_server = create_server  # type: ignore[method-assign]  # there is no other way in
        await super().startup(sockets)


class HttpServer:
    """Serves one ASGI app on one address, from `start` to `stop`.

    Beyond `connections` open ones, idle ones too, new ones are answered 503 and closed. The head of a request must come
    within `request_time` seconds, and so must a TLS handshake, and what is sent after an answer. `reach` is told of the
    name of a limit. Without a `context` it does not speak TLS.
    """

    def __init__(
        self,
        app: Callable[..., Awaitable[None]],
        host: str,
        port: int,
        connections: int,
        request_time: float,
        reach: Callable[[str], object],
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._config = uvicorn.Config(
            app,
            loop="asyncio",
            http=cast("type[asyncio.Protocol]", partial(_Connection, connections, request_time, reach)),
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",  # else every bad request would be a line
            access_log=False,
            server_header=False,
            timeout_keep_alive=_IDLE,
        )
        self._config.load()
        self._config.ssl = context  # uvicorn would make one that it never changes
        self._server = _Server(self._config, request_time)
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
