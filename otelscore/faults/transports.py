"""Where the proxy's messages come from and go to: the transports of the `mcp` SDK, and its spans to OpenTelemetry."""

from __future__ import annotations

import asyncio
import logging
import os
import stat
import sys
from asyncio.streams import FlowControlMixin
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.stdio import stdio_server
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter

from otelscore.faults.listener import Options, serve_http
from otelscore.faults.proxy import OWN_ID, run_proxy
from otelscore.serving import listen

log = logging.getLogger(__name__)

_LINE = 1 << 28
"""Bytes of one message at most."""
_PARTING = 5
"""Seconds for the end of a session with a server."""


async def serve_stdio(command: Sequence[str], url: str | None, options: Options) -> None:
    """Speaks MCP on standard input and output until it ends.

    Raises OSError where the command cannot be started.
    """
    with _tracer() as tracer:
        async with connect(command, url) as server, stdio_server(*await _pipes()) as client:
            await run_proxy(client, server, tracer=tracer, **options())


async def serve_port(port: int, command: Sequence[str], url: str | None, options: Options) -> None:
    """Speaks MCP over HTTP on a port of this machine until it is told to stop; each client has a server of its own.

    Raises OSError where the port is taken.
    """
    with listen("127.0.0.1", port) as listening, _tracer() as tracer:
        log.warning("listening at http://127.0.0.1:%d/mcp", listening.getsockname()[1])
        await serve_http(listening, partial(connect, command, url), lambda: {"tracer": tracer, **options()})


@asynccontextmanager
async def connect(command: Sequence[str], url: str | None) -> AsyncIterator[Any]:
    """A connection to the real server, as (read stream, write stream); None where a cassette alone answers."""
    logging.getLogger("mcp").setLevel(logging.CRITICAL)  # the proxy says itself what the SDK would log with tracebacks
    if url:
        async with _apart(streamable_http_client(url)) as streams:
            yield streams
    elif command:
        started = StdioServerParameters(
            command=command[0],
            args=list(command[1:]),
            env=dict(os.environ),
            encoding_error_handler="replace",  # else one bad byte ends the whole session
        )
        async with stdio_client(started) as streams:
            yield streams
    else:
        yield None


@asynccontextmanager
async def _apart(transport: AbstractAsyncContextManager[Any]) -> AsyncIterator[Any]:
    """A transport in a task of its own: where it fails, which ends whatever is around it, only its messages end."""
    arrive, arrived = anyio.create_memory_object_stream[Any](0)
    leave, left = anyio.create_memory_object_stream[Any](0)
    over = anyio.Event()

    async def receive(stream: Any) -> None:
        async with arrive:
            async for item in stream:
                await arrive.send(item)

    async def run() -> None:
        try:
            async with arrive, left, transport as (read, write), anyio.create_task_group() as tasks:
                tasks.start_soon(receive, read)
                async for item in left:
                    await write.send(item)
                tasks.cancel_scope.cancel()
        except Exception as error:
            log.warning("the server cannot be reached: %s", first_of(error))
        finally:
            over.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        try:
            yield arrived, leave
        finally:
            await leave.aclose()
            with anyio.move_on_after(_PARTING):  # it tells the server that the session is over
                await over.wait()
            tasks.cancel_scope.cancel()


def first_of(error: BaseException) -> BaseException:
    """The first exception in a group of groups, as the SDK's transports raise them."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def _pipes() -> tuple[Any, Any]:
    """Standard input and output for the SDK, which would use a thread for each line: that takes longer than all else
    that the proxy does. None, for the SDK's own, where they are no pipes but a terminal or a file.
    """
    if not all(stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) for mode in (os.fstat(fd).st_mode for fd in (0, 1))):
        return None, None
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=_LINE)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    transport, protocol = await loop.connect_write_pipe(lambda: FlowControlMixin(loop), sys.stdout)
    return reader, _Output(asyncio.StreamWriter(transport, protocol, None, loop))


@dataclass(frozen=True, slots=True)
class _Output:
    writer: asyncio.StreamWriter

    async def write(self, text: str) -> None:
        self.writer.write(text.encode())

    async def flush(self) -> None:
        await self.writer.drain()


@contextmanager
def _tracer() -> Iterator[trace.Tracer]:
    """Sends spans where the environment says, as any OpenTelemetry SDK would; nowhere without an endpoint."""
    names = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    if not any(os.environ.get(name) for name in names):
        yield trace.get_tracer(OWN_ID)
        return
    service = os.environ.get("OTEL_SERVICE_NAME") or OWN_ID
    provider = TracerProvider(resource=Resource.create({"service.name": service}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(_exporter()))
    try:
        yield provider.get_tracer(OWN_ID)
    finally:
        provider.shutdown()


def _exporter() -> SpanExporter:
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    if protocol == "grpc":
        return GrpcExporter()
    return HttpExporter()
