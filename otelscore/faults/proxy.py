"""A proxy between an MCP client and its server: passes every message on, and brings faults into tool calls.

It stands on the transports of the official SDK and knows nothing of sessions: whatever the two say to each other goes
through, in any version of the protocol. Every request of the client waits in a task of its own, so that a server that
hangs on one call holds up no other; what a dead server will not answer any more is answered with an error.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

import anyio
from mcp.shared.message import SessionMessage
from mcp.types import (
    CONNECTION_CLOSED,
    REQUEST_TIMEOUT,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCRequest,
    JSONRPCResponse,
)
from opentelemetry import propagate, trace

from otelscore.faults.cassette import Player, Recorder
from otelscore.faults.engine import RUN, Engine, Fault
from otelscore.faults.kinds import Effect
from otelscore.faults.mcp_results import Json, answer_of, failed, has_side_effects, question, recorded, value_of
from otelscore.faults.mcp_results import with_value as put_value
from otelscore.faults.mutations import UNCHANGED
from otelscore.faults.spans import mark

log = logging.getLogger(__name__)

Send = Callable[[JSONRPCMessage], Awaitable[None]]

OWN_ID = "otelscore-fault-proxy"
"""Begins the ids of the proxy's own requests."""


@dataclass(slots=True)
class Proxy:
    """The messages of one session. `to_client` and `to_server` send; the transports call `from_*` in order.

    `to_server` is None where the cassette alone answers. `seconds`: after which a request is answered with an error.
    """

    to_client: Send
    to_server: Send | None
    engine: Engine | None = None
    recorder: Recorder | None = None
    player: Player | None = None
    on_miss: Literal["fail", "real"] = "fail"
    seconds: float = 300.0
    tracer: trace.Tracer = field(default_factory=lambda: trace.get_tracer(OWN_ID))
    _waiting: dict[int | str, asyncio.Future[Json]] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _marked: dict[str, bool] | None = None  # tool -> whether it has side effects; None: not asked yet
    _asked: int = 0

    async def from_client(self, message: JSONRPCMessage) -> None:
        """Takes what the client says."""
        if isinstance(message, JSONRPCRequest):
            task = asyncio.create_task(self._answer(message))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            await self._tell_server(message)

    async def from_server(self, message: JSONRPCMessage) -> None:
        """Takes what the server says."""
        if isinstance(message, JSONRPCResponse | JSONRPCError) and message.id in self._waiting:
            waiting = self._waiting[message.id]
            if not waiting.done():
                said = message.model_dump(mode="json", by_alias=True, exclude_unset=True)
                waiting.set_result({name: value for name, value in said.items() if name in ("result", "error")})
        elif not str(getattr(message, "id", "")).startswith(OWN_ID):
            await self.to_client(message)

    def server_is_gone(self) -> None:
        """The server's transport has ended: nothing more comes."""
        self.to_server = None
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_result(_error(CONNECTION_CLOSED, "the MCP server behind the proxy is gone"))

    async def close(self) -> None:
        """Ends what still waits."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _answer(self, request: JSONRPCRequest) -> None:
        if request.method == "tools/call":
            answer = await self._call(request)
        else:
            answer = await self._ask(request)
            if request.method == "tools/list":
                self._learn(answer)
                answer = self._without_schemas(answer)
        if "error" in answer:
            await self.to_client(JSONRPCError(jsonrpc="2.0", id=request.id, error=ErrorData(**answer["error"])))
        else:
            await self.to_client(JSONRPCResponse(jsonrpc="2.0", id=request.id, result=answer["result"]))

    async def _call(self, request: JSONRPCRequest) -> Json:
        params = request.params or {}
        tool = str(params.get("name", ""))
        context = propagate.extract(params.get("_meta") or {})
        run = os.environ.get(RUN) or _trace_of(context)
        fault: Fault | None = None
        span: trace.Span = trace.INVALID_SPAN
        if self.engine is not None and self.engine.is_on:
            span = self._span(tool, context)
            seen = bool(_trace_of(context)) and span.is_recording()
            fault = self.engine.next_fault(run, tool, await self._has_side_effects(tool), seen)
        if fault is None or self.engine is None:
            answer = await self._ask(request)
            self._remember(run, tool, answer)
            return answer
        if fault.seconds:
            await asyncio.sleep(fault.seconds)
        if fault.effect is Effect.RAISES:
            answer = {"result": failed(fault)}
            span.set_attribute("error.type", type(fault.error()).__name__)
            span.set_status(trace.Status(trace.StatusCode.ERROR, str(fault.error())))
        else:
            real = await self._ask(request)
            self._remember(run, tool, real)
            answer = real if fault.effect is Effect.DELAYS else _changed(real, fault)
            if answer is real and fault.effect is Effect.CHANGES:
                self.engine.refund(run)
                return real
        mark(fault, span)
        await asyncio.to_thread(span.end)  # which sends it, before the client has the answer and may end us
        return answer

    def _span(self, tool: str, context: Any) -> trace.Span:
        """A span below the caller's for a call that may get a fault; it is sent only where it is ended."""
        attributes = {
            "mcp.method.name": "tools/call",
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": tool,
        }
        return self.tracer.start_span(f"tools/call {tool}", context, trace.SpanKind.SERVER, attributes)

    async def _ask(self, request: JSONRPCRequest) -> Json:
        """The answer of the cassette or of the server, to be recorded."""
        if self.player is not None:
            call = self.player.next_call(*question(request.method, request.params))
            if call is not None:
                await asyncio.sleep(call.seconds)
                return answer_of(call)
            if self.on_miss == "fail":
                return _error(CONNECTION_CLOSED, f"the cassette has no such {request.method} left")
        began = time.perf_counter()
        answer = await self._ask_server(request)
        if self.recorder is not None:
            self.recorder.add(recorded(request.method, request.params, answer, time.perf_counter() - began))
        return answer

    async def _ask_server(self, request: JSONRPCRequest) -> Json:
        waiting = self._waiting[request.id] = asyncio.get_running_loop().create_future()
        try:
            await self._tell_server(request)
            return await asyncio.wait_for(waiting, self.seconds)
        except TimeoutError:
            return _error(REQUEST_TIMEOUT, f"the MCP server behind the proxy gave no answer within {self.seconds:g} s")
        finally:
            del self._waiting[request.id]

    async def _tell_server(self, message: JSONRPCMessage) -> None:
        try:
            if self.to_server is not None:
                await self.to_server(message)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            self.to_server = None
        if self.to_server is None:
            self.server_is_gone()

    async def _has_side_effects(self, tool: str) -> bool:
        """As the server marks its tools; it is asked where the client has not asked."""
        cursor: str | None = None
        while self._marked is None or cursor:
            self._asked += 1
            params = {"cursor": cursor} if cursor else {}
            own = JSONRPCRequest(jsonrpc="2.0", id=f"{OWN_ID}-{self._asked}", method="tools/list", params=params)
            answer = answer_of(call) if (call := self._listed(params)) else await self._ask_server(own)
            self._learn(answer)
            self._marked = self._marked or {}
            cursor = answer.get("result", {}).get("nextCursor")
        return self._marked.get(tool, False)

    def _listed(self, params: Json) -> Any:
        return self.player.next_call(*question("tools/list", params)) if self.player is not None else None

    def _learn(self, answer: Json) -> None:
        tools = answer.get("result", {}).get("tools", ())
        self._marked = (self._marked or {}) | {str(tool.get("name")): has_side_effects(tool) for tool in tools}

    def _without_schemas(self, answer: Json) -> Json:
        """Tools whose results may be changed promise no schema of results, since clients refuse what breaks one."""
        if self.engine is None or not self.engine.is_on or "result" not in answer:
            return answer
        changed = self.engine.plan.changes
        tools = [
            {
                name: value
                for name, value in tool.items()
                if name != "outputSchema" or not changed(str(tool.get("name")))
            }
            for tool in answer["result"].get("tools", ())
        ]
        return {"result": {**answer["result"], "tools": tools}}

    def _remember(self, run: str, tool: str, answer: Json) -> None:
        value = value_of(answer["result"]) if self.engine is not None and "result" in answer else UNCHANGED
        if self.engine is not None and value is not UNCHANGED:
            self.engine.remember(run, tool, value)


def _changed(answer: Json, fault: Fault) -> Json:
    value = value_of(answer["result"]) if "result" in answer else UNCHANGED
    changed = UNCHANGED if value is UNCHANGED else fault.change(value)
    return answer if changed is UNCHANGED else {"result": put_value(answer["result"], changed)}


def _trace_of(context: Any) -> str:
    found = trace.get_current_span(context).get_span_context()
    return format(found.trace_id, "032x") if found.is_valid else ""


def _error(code: int, message: str) -> Json:
    return {"error": {"code": code, "message": message}}


async def run_proxy(client: Any, server: Any, **options: Any) -> None:
    """Runs a proxy between two transports of the SDK, each (read stream, write stream), until the client is done.

    `server` is None where a cassette alone answers; `options` are fields of `Proxy`.
    """
    client_read, client_write = client

    def sender(stream: Any) -> Send:
        return lambda message: stream.send(SessionMessage(message))

    proxy = Proxy(sender(client_write), sender(server[1]) if server else None, **options)

    async def serve() -> None:
        async for item in server[0]:
            if isinstance(item, Exception):
                log.warning("the server sent what is no message: %s", str(item).splitlines()[0])
            else:
                await proxy.from_server(item.message)
        proxy.server_is_gone()

    serving = asyncio.create_task(serve()) if server else None
    try:
        with suppress(
            anyio.ClosedResourceError
        ):  # a client that ends its HTTP session closes the stream: an orderly end
            async for item in client_read:
                if isinstance(item, Exception):
                    log.warning("the client sent what is no message: %s", str(item).splitlines()[0])
                    continue
                await proxy.from_client(item.message)
    finally:
        await proxy.close()
        await client_write.aclose()  # the transport writes until then
        if serving is not None:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
