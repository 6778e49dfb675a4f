"""A small real agent: a loop of model calls and tool calls, traced with OpenTelemetry, over a real MCP connection.

The model is a script, so that it needs no key: asked for the sum of a customer's orders, it calls the tool and answers.
What it does when something is wrong is its character (`python agent.py CHARACTER`):

- careful   checks what it was told and asks again; says so where it cannot get a good answer
- trusting  believes whatever looks like an answer; asks again after an error
- stubborn  believes everything, and makes an answer up after an error
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from mcp import ClientSession
from mcp.client.stdio import StdioServerParameters, stdio_client
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

SERVER = Path(__file__).with_name("server.py")
TRIES = 3


def model(character: str, told: list[tuple[bool, str]]) -> str | None:
    """The scripted model: its answer after what the tool has told it so far, None to call the tool (again)."""
    if not told:
        return None
    failed, text = told[-1]
    if failed:
        if character == "stubborn":
            return "The sum is 100."
        return None if len(told) < TRIES else "I could not get the orders."
    try:
        said = json.loads(text)
        totals = [order["total"] for order in said["orders"]]
        total = sum(totals)
        good = (len(totals), total) == (said["count"], said["sum"])
    except (ValueError, KeyError, TypeError):
        total, good = 0, False
    if character == "careful" and not good:
        return None if len(told) < TRIES else "I could not get orders that add up."
    return f"The sum is {total}."


async def run(character: str, customer: str, tracer: trace.Tracer) -> str:
    """One run of the agent, with the spans that the GenAI conventions ask for."""
    proxy = [sys.executable, "-m", "otelscore", "fault-proxy", "--", sys.executable, str(SERVER)]
    parameters = StdioServerParameters(command=proxy[0], args=proxy[1:], env=dict(os.environ))
    async with stdio_client(parameters) as (read, write), ClientSession(read, write) as client:
        await client.initialize()
        named = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": f"{character}-clerk"}
        with tracer.start_as_current_span(f"invoke_agent {character}-clerk", attributes=named):
            told: list[tuple[bool, str]] = []
            while (answer := ask(tracer, character, customer, told)) is None:
                told.append(await call(tracer, client, customer))
            return answer


def ask(tracer: trace.Tracer, character: str, customer: str, told: list[tuple[bool, str]]) -> str | None:
    chat = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "script"}
    with tracer.start_as_current_span("chat script", attributes=chat) as span:
        answer = model(character, told)
        part: dict[str, Any] = {"type": "text", "content": answer}
        if answer is None:
            asked = {"customer": customer}
            part = {"type": "tool_call", "id": f"call-{len(told)}", "name": "list_orders", "arguments": asked}
        span.set_attribute("gen_ai.output.messages", json.dumps([{"role": "assistant", "parts": [part]}]))
        return answer


async def call(tracer: trace.Tracer, client: ClientSession, customer: str) -> tuple[bool, str]:
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
            return True, str(error)
        text = "".join(block.text for block in result.content if block.type == "text")
        if result.is_error:
            span.set_attribute("error.type", "tool_error")
            span.set_status(trace.Status(trace.StatusCode.ERROR, text))
        return bool(result.is_error), text


def main() -> None:
    customer = json.loads(os.environ["OTELSCORE_TASK"])["customer"]
    provider = TracerProvider(resource=Resource.create({"service.name": "shop-example"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    sys.stdout.write(asyncio.run(run(sys.argv[1], customer, trace.get_tracer("example"))) + "\n")
    provider.shutdown()


if __name__ == "__main__":
    main()
