"""LangGraph under OpenInference's instrumentation: `python agent_langgraph.py CHARACTER inject|proxy`.

OpenInference's spans are never current, so calls to an MCP server carry the context of whatever span is around the run:
here one of the application's own, as a web framework has one.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import BaseTool, StructuredTool
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition
from openinference.instrumentation.langchain import LangChainInstrumentor
from openinference.instrumentation.mcp import MCPInstrumentor
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from script import Script, list_orders

from otelscore.faults import inject

script = Script(sys.argv[1])
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
trace.set_tracer_provider(provider)
LangChainInstrumentor().instrument()
MCPInstrumentor().instrument()


class Model(BaseChatModel):
    @property
    def _llm_type(self) -> str:
        return "script"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        told = [(one.status == "error", text(one.content)) for one in messages if isinstance(one, ToolMessage)]
        answer = script.next(told)
        asked = {"name": "list_orders", "args": {"customer": script.customer}, "id": f"call-{len(told)}"}
        message = AIMessage("", tool_calls=[asked]) if answer is None else AIMessage(answer)
        return ChatResult(generations=[ChatGeneration(message=message)])


def text(content: Any) -> str:
    """Of a tool's message: text as it is, or content blocks."""
    return content if isinstance(content, str) else "".join(block["text"] for block in content)


async def run(tools: list[BaseTool]) -> str:
    graph = StateGraph(MessagesState)
    model = Model()
    graph.add_node("model", lambda state: {"messages": [model.invoke(state["messages"])]})
    graph.add_node("tools", ToolNode(tools, handle_tool_errors=True))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", tools_condition)
    graph.add_edge("tools", "model")
    state = await graph.compile(name="clerk").ainvoke({"messages": [("user", "sum?")]})
    return str(state["messages"][-1].content)


async def main() -> None:
    if sys.argv[2] == "inject":
        answer = await run([StructuredTool.from_function(inject(list_orders))])
    else:
        # Only now, since the instrumentation patches what these would have imported already.
        from langchain_mcp_adapters.client import MultiServerMCPClient
        from langchain_mcp_adapters.tools import load_mcp_tools

        command = json.loads(os.environ["MCP_SERVER"])
        server = {"transport": "stdio", "command": command[0], "args": command[1:], "env": dict(os.environ)}
        async with MultiServerMCPClient({"shop": server}).session("shop") as session:
            tools = await load_mcp_tools(session)
            with trace.get_tracer("application").start_as_current_span("POST /ask"):
                answer = await run(tools)
    script.write_account(answer)


asyncio.run(main())
provider.shutdown()
