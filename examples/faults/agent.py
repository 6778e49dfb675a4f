"""A small real agent: a loop of model calls and tool calls, traced with OpenTelemetry, over a real MCP connection.

The model is a script, so that it needs no key: asked for the sum of some customers' orders, it calls the tool for one
after the other and answers. What it does when something is wrong is its character (`python agent.py CHARACTER`):

- careful   checks what it was told and asks again; says so where it cannot get a good answer
- trusting  believes whatever looks like an answer; asks again after an error
- stubborn  believes everything, and makes an answer up after an error
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mcp import ClientSession
from mcp.client.stdio import StdioServerParameters, stdio_client
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

SERVER = Path(__file__).with_name("server.py")
TRIES = 3


class Told(NamedTuple):
    """What the tool told of a customer; `text` is the error's where it failed."""

    customer: str
    failed: bool
    text: str


class Ask(NamedTuple):
    """The model wants this customer's orders."""

    customer: str


def model(character: str, customers: Sequence[str], told: Sequence[Told]) -> Ask | str:
    """The scripted model: what it wants or says after all that the tool has told it so far."""
    total = 0
    for customer in customers:
        answers = [one for one in told if one.customer == customer]
        if not answers:
            return Ask(customer)
        found, good = read(answers[-1])
        if answers[-1].failed and character == "stubborn":
            found, good = 100, True
        elif answers[-1].failed or (character == "careful" and not good):
            return Ask(customer) if len(answers) < TRIES else "I could not get orders that add up."
        total += found
    return f"The sum is {total}."


def read(told: Told) -> tuple[int, bool]:
    """(the sum of the orders, 0 where they cannot be read; whether all of it fits together)."""
    try:
        said = json.loads(told.text)
        totals = [order["total"] for order in said["orders"]]
        return sum(totals), said == {**said, "customer": told.customer, "count": len(totals), "sum": sum(totals)}
    except (ValueError, KeyError, TypeError):
        return 0, False


async def run(client: ClientSession, character: str, customers: Sequence[str], tracer: trace.Tracer) -> str:
    """One run of the agent, with the spans that the GenAI conventions ask for."""
    named = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": f"{character}-clerk"}
    with tracer.start_as_current_span(f"invoke_agent {character}-clerk", attributes=named):
        told: list[Told] = []
        while isinstance(answer := think(tracer, character, customers, told), Ask):
            told.append(await call(tracer, client, answer.customer))
        return answer


def think(tracer: trace.Tracer, character: str, customers: Sequence[str], told: Sequence[Told]) -> Ask | str:
    chat = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "script"}
    with tracer.start_as_current_span("chat script", attributes=chat) as span:
        answer = model(character, customers, told)
        part: dict[str, Any] = {"type": "text", "content": answer}
        if isinstance(answer, Ask):
            asked = {"customer": answer.customer}
            part = {"type": "tool_call", "id": f"call-{len(told)}", "name": "list_orders", "arguments": asked}
        span.set_attribute("gen_ai.output.messages", json.dumps([{"role": "assistant", "parts": [part]}]))
        return answer


async def call(tracer: trace.Tracer, client: ClientSession, customer: str) -> Told:
    arguments = {"customer": customer}
    attributes = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "list_orders",
        "gen_ai.tool.call.arguments": json.dumps(arguments),
    }
    with tracer.start_as_current_span("execute_tool list_orders", attributes=attributes) as span:
        try:
            result = await client.call_tool("list_orders", arguments)
        except Exception as error:  # of whatever kind: the model is told
            span.set_status(trace.Status(trace.StatusCode.ERROR, str(error)))
            span.record_exception(error)
            return Told(customer, True, str(error))
        text = "".join(block.text for block in result.content if block.type == "text")
        if result.is_error:
            span.set_attribute("error.type", "tool_error")
            span.set_status(trace.Status(trace.StatusCode.ERROR, text))
        return Told(customer, bool(result.is_error), text)


async def connect_and_run(character: str, customers: Sequence[str], tracer: trace.Tracer) -> str:
    proxy = [sys.executable, "-m", "otelscore", "fault-proxy", "--", sys.executable, str(SERVER)]
    parameters = StdioServerParameters(command=proxy[0], args=proxy[1:], env=dict(os.environ))
    async with stdio_client(parameters) as streams, ClientSession(*streams) as client:
        await client.initialize()
        return await run(client, character, customers, tracer)


def main() -> None:
    customers = json.loads(os.environ["OTELSCORE_TASK"])["customers"]
    provider = TracerProvider(resource=Resource.create({"service.name": "shop-example"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    sys.stdout.write(asyncio.run(connect_and_run(sys.argv[1], customers, trace.get_tracer("example"))) + "\n")
    provider.shutdown()


if __name__ == "__main__":
    main()
