"""Where the proxy's messages come from and go to: the transports of the `mcp` SDK, and its spans to OpenTelemetry."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from typing import Any

from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.stdio import stdio_server
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter

from otelscore.faults.proxy import OWN_ID, run_proxy


async def serve_stdio(command: Sequence[str], url: str | None, options: Mapping[str, Any]) -> None:
    """Speaks MCP on standard input and output until it ends; `options` are those of the proxy.

    Raises OSError where the command cannot be started.
    """
    logging.getLogger("mcp").setLevel(logging.CRITICAL)  # the proxy says itself what the SDK would log with tracebacks
    with _tracer() as tracer:
        async with AsyncExitStack() as stack:
            server = None
            if url:
                server = await stack.enter_async_context(streamable_http_client(url))
            elif command:
                started = StdioServerParameters(
                    command=command[0],
                    args=list(command[1:]),
                    env=dict(os.environ),
                    encoding_error_handler="replace",  # else one bad byte ends the whole session
                )
                server = await stack.enter_async_context(stdio_client(started))
            client = await stack.enter_async_context(stdio_server())
            await run_proxy(client, server, tracer=tracer, **options)


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
