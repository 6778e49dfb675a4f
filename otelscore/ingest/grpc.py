"""The gRPC door: OTLP/gRPC and the standard health service.

gRPC may decompress a message whole before its size is known (grpcio did up to the spring of 2026), so it is told to
leave that to us; it then no longer says how the message was compressed, but the first bytes do.

The server is the asynchronous one because a sender that stops in the middle of its message would hold a thread of the
other, and a handful of such senders would hold them all. To put a limit on the time that a message may take, Export is
served as a method that takes a stream, of which it reads one message: on the wire the two are the same.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from otelscore.ingest.compression import TooLargeError
from otelscore.ingest.gate import CrowdedError, Gate, Visit
from otelscore.ingest.receiver import RETURNED, UNAVAILABLE, Content, Receiver, Result, Signal, error_status
from otelscore.model import INSTANCE_HEADER, OverloadedError, SenderError, UnauthenticatedError
from otelscore.serving import PortInUseError, listen

SERVICES = {
    "opentelemetry.proto.collector.trace.v1.TraceService": Signal.TRACES,
    "opentelemetry.proto.collector.logs.v1.LogsService": Signal.LOGS,
    "opentelemetry.proto.collector.metrics.v1.MetricsService": Signal.METRICS,
}

_THREADS = 4  # decoding is bound to one core anyway; the others wait for the disk

_STREAMS = 100  # calls at a time on one connection; further ones wait at the sender

_MOMENT = 0.1  # seconds; a message that gRPC refused as too large looks like none, until the call is cancelled at once

# A request begins with the tag of its field 1; these beginnings are of no protobuf message of OTLP.
_MAGIC = {
    b"\x1f\x8b": "gzip",
    b"\x78\x01": "deflate",
    b"\x78\x5e": "deflate",
    b"\x78\x9c": "deflate",
    b"\x78\xda": "deflate",
}


Context = grpc.aio.ServicerContext[bytes, bytes]
Handler = Callable[[object, Context], Awaitable[bytes]]


class GrpcServer:
    """Serves a receiver on one address, from `start` to `stop`, on an event loop in a thread of its own.

    A message must have come whole within `request_time` seconds. Whom the gate does not let in is asked to come back
    later. Beyond `connections` open ones new ones are closed, and gRPC does not say how many. Without `credentials` it
    does not speak TLS.
    """

    def __init__(
        self,
        receiver: Receiver,
        gate: Gate,
        host: str,
        port: int,
        request_time: float,
        connections: int,
        credentials: grpc.ServerCredentials | None = None,
    ) -> None:
        self._receiver = receiver
        self._host = host
        self._port = port
        self._request_time = request_time
        self._connections = connections
        self._credentials = credentials
        self._gate = gate
        self._work = ThreadPoolExecutor(_THREADS, thread_name_prefix="grpc")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="grpc", daemon=True)

    def start(self) -> int:
        """Listens, and returns the port. Raises PortInUseError or OSError."""
        listen(self._host, self._port).close()  # gRPC's own error does not say why
        self._thread.start()
        return asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()

    def stop(self, grace: float) -> None:
        """Stops listening at once and waits up to `grace` seconds for requests that are under way."""
        if not self._thread.is_alive():
            return
        asyncio.run_coroutine_threadsafe(self._stop(grace), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._work.shutdown()

    async def _start(self) -> int:
        self._health = health.aio.HealthServicer()  # type: ignore[attr-defined]
        self._server = grpc.aio.server(
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.max_allowed_incoming_connections", self._connections),
                ("grpc.max_concurrent_streams", _STREAMS),
                ("grpc.max_receive_message_length", self._receiver.limit),
                ("grpc.per_message_decompression", 0),
                ("grpc.server_handshake_timeout_ms", max(1, round(self._request_time * 1000))),
            ],
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        for service, signal in SERVICES.items():
            method = grpc.stream_unary_rpc_method_handler(self._export(signal))
            self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Export": method}),))
            await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)
        host = f"[{self._host}]" if ":" in self._host else self._host
        try:
            address = f"{host}:{self._port}"
            port = (
                self._server.add_secure_port(address, self._credentials)
                if self._credentials
                else self._server.add_insecure_port(address)
            )
        except RuntimeError:
            raise PortInUseError(self._host, self._port) from None
        await self._server.start()
        return port

    async def _stop(self, grace: float) -> None:
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace)

    def _export(self, signal: Signal) -> Handler:
        async def export(_: object, context: Context) -> bytes:
            metadata = context.invocation_metadata() or ()
            headers = [(name, value) for name, value in metadata if isinstance(value, str)]
            try:
                tenant = self._receiver.authenticate(headers)
            except UnauthenticatedError as error:
                self._receiver.count(signal, "grpc", Result.UNAUTHENTICATED)
                await context.abort(grpc.StatusCode.UNAUTHENTICATED, str(error))
            if (INSTANCE_HEADER, self._receiver.instance) in headers:
                self._receiver.count(signal, "grpc", Result.REJECTED)
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, RETURNED)
            try:
                with self._gate.enter() as visit:
                    return await self._take(signal, context, tenant, visit)
            except CrowdedError as error:
                self._receiver.count(signal, "grpc", Result.REFUSED)
                self._receiver.reach(error.limit)
                await _ask_to_retry(context, str(error))

        return export

    async def _take(self, signal: Signal, context: Context, tenant: str, visit: Visit) -> bytes:
        try:
            async with asyncio.timeout(self._request_time):
                body = await context.read()
        except TimeoutError:
            self._receiver.count(signal, "grpc", Result.REFUSED)  # senders try this code again
            self._receiver.reach("request_time")
            message = f"the message did not come within {self._request_time:g} s"
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, message)
        if not isinstance(body, bytes):  # grpc.aio.EOF
            self._receiver.count(signal, "grpc", Result.REJECTED)
            try:
                await asyncio.sleep(_MOMENT)
            except asyncio.CancelledError:
                self._receiver.reach("request_size")
                raise
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "there is no message in the request")
        encoding = _MAGIC.get(body[:2], "")
        visit.hold(len(body))

        def export() -> bytes:
            visit.begin()
            return self._receiver.export(signal, "grpc", body, Content.PROTOBUF, encoding, tenant)

        visit.wait()
        try:
            return await self._loop.run_in_executor(self._work, export)
        except TooLargeError as error:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))
        except SenderError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except CrowdedError:  # its turn came too late
            raise
        except OverloadedError as error:
            await _ask_to_retry(context, str(error))


async def _ask_to_retry(context: Context, message: str) -> NoReturn:
    details = error_status(UNAVAILABLE, message).SerializeToString()
    await context.abort(grpc.StatusCode.UNAVAILABLE, message, (("grpc-status-details-bin", details),))
