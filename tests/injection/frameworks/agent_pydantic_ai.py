"""Pydantic AI with its own instrumentation: `python agent_pydantic_ai.py CHARACTER inject|proxy`."""

from __future__ import annotations

import asyncio
import json
import os
import sys

from fastmcp.client.transports import StdioTransport
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from pydantic_ai import Agent, ModelRetry
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.messages import ModelMessage, ModelResponse, RetryPromptPart, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.instrumented import InstrumentationSettings
from script import Script, list_orders

from otelscore.faults import inject

script = Script(sys.argv[1])
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))


def model(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    told = [
        (isinstance(part, RetryPromptPart), text(part.content))
        for message in messages
        for part in message.parts
        if isinstance(part, ToolReturnPart | RetryPromptPart)
    ]
    answer = script.next(told)
    if answer is not None:
        return ModelResponse(parts=[TextPart(answer)])
    return ModelResponse(parts=[ToolCallPart("list_orders", {"customer": script.customer})])


def text(content: object) -> str:
    return content if isinstance(content, str) else json.dumps(content)


real = inject(list_orders)


def tool(customer: str) -> object:
    """All orders of a customer."""
    try:
        return real(customer)
    except Exception as error:
        raise ModelRetry(f"{type(error).__name__}: {error}") from error


async def main() -> None:
    Agent.instrument_all(InstrumentationSettings(tracer_provider=provider))
    agent = Agent(FunctionModel(model), name="clerk", retries=5)
    if sys.argv[2] == "inject":
        agent.tool_plain(tool, name="list_orders")
        result = await agent.run("sum?")
    else:
        command = json.loads(os.environ["MCP_SERVER"])
        transport = StdioTransport(command[0], command[1:], env=dict(os.environ))
        async with agent:
            result = await agent.run("sum?", toolsets=[MCPToolset(transport, init_timeout=60)])
    script.write_account(result.output)


asyncio.run(main())
provider.shutdown()
