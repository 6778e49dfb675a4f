"""The proxy as an MCP server over streamable HTTP, for clients that start no process: one session for each client, with
a connection to the real server of its own.

It listens on this machine alone, and answers no page in a browser: requests must name this machine as their host.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import Any
from uuid import uuid4

import anyio
import uvicorn
from anyio.abc import TaskGroup, TaskStatus
from mcp.server.streamable_http import MCP_SESSION_ID_HEADER, StreamableHTTPServerTransport
from mcp.server.transport_security import RequestBodyLimitMiddleware, TransportSecuritySettings
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from otelscore.faults.proxy import run_proxy

log = logging.getLogger(__name__)

MAX_SESSIONS = 100
MAX_BODY = 16 << 20
"""Bytes of one request."""
IDLE = 1800.0
"""Seconds after which a session without a request ends."""
_HOSTS = [f"{name}:*" for name in ("127.0.0.1", "localhost")]
_SECURITY = TransportSecuritySettings(
    allowed_hosts=_HOSTS, allowed_origins=[f"http://{host}" for host in _HOSTS], enable_dns_rebinding_protection=True
)

Options = Callable[[], Mapping[str, Any]]
"""Makes the proxy's options for one session."""

Connect = Callable[[], AbstractAsyncContextManager[Any]]
"""Opens a connection to the real server: (read stream, write stream), or None where there is none."""


async def serve_http(listening: socket.socket, connect: Connect, options: Options) -> None:
    """Speaks MCP on a listening socket, at any path, until SIGTERM or SIGINT."""
    async with anyio.create_task_group() as tasks:
        app = RequestBodyLimitMiddleware(_Sessions(tasks, connect, options), MAX_BODY)
        server = _Server(
            uvicorn.Config(app, lifespan="off", log_config=None, access_log=False, timeout_graceful_shutdown=1)
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, server.handle_exit, number, None)
        await server.serve(sockets=[listening])
        tasks.cancel_scope.cancel()


class _Server(uvicorn.Server):
    """uvicorn's, which would raise the signal again when it has stopped."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Sessions:
    """An ASGI application: requests go to the session that they name; one that names none opens one."""

    def __init__(self, tasks: TaskGroup, connect: Connect, options: Options) -> None:
        self._tasks = tasks
        self._connect = connect
        self._options = options
        self._open: dict[str, StreamableHTTPServerTransport] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = Headers(scope=scope).get(MCP_SESSION_ID_HEADER)
        if name is None:
            await self._begin(scope, receive, send)
        elif name in self._open:
            await self._open[name].handle_request(scope, receive, send)
        else:
            await PlainTextResponse("no such session", 404)(scope, receive, send)

    async def _begin(self, scope: Scope, receive: Receive, send: Send) -> None:
        if len(self._open) >= MAX_SESSIONS:
            await PlainTextResponse(f"{MAX_SESSIONS} sessions are open", 503)(scope, receive, send)
            return
        name, status = uuid4().hex, 500
        session = StreamableHTTPServerTransport(
            name, is_json_response_enabled=True, security_settings=_SECURITY, idle_timeout=IDLE
        )

        async def watch(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._tasks.start(self._run, name, session)
        except OSError as error:
            log.warning("the server cannot be reached: %s", error)
            await PlainTextResponse("the MCP server behind the proxy cannot be reached", 502)(scope, receive, send)
            return
        try:
            await session.handle_request(scope, receive, watch)
        finally:
            if status >= 400:  # it was no request to begin with
                with anyio.CancelScope(shield=True):
                    await session.terminate()

    async def _run(self, name: str, session: StreamableHTTPServerTransport, *, task_status: TaskStatus[None]) -> None:
        try:
            async with self._connect() as server, session.connect() as client:
                self._open[name] = session
                task_status.started()
                with session.idle_scope or anyio.CancelScope():
                    await run_proxy(client, server, **self._options())
        except Exception as error:
            if name not in self._open:
                raise
            log.warning("a session ended with %r", error)  # the others go on
        finally:
            self._open.pop(name, None)
