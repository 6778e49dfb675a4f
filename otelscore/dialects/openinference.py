"""OpenInference (Arize): `openinference.span.kind` and flattened message attributes.

Source: Arize-ai/openinference, spec/semantic_conventions.md.
"""

from __future__ import annotations

import re

from otelscore.dialects import content
from otelscore.dialects.table import Dialect
from otelscore.model import AttributeValue, Kind, RawSpan

KINDS: dict[str, Kind] = {
    "LLM": Kind.MODEL,
    "TOOL": Kind.TOOL,
    "RETRIEVER": Kind.RETRIEVAL,
    "EMBEDDING": Kind.RETRIEVAL,
    "RERANKER": Kind.RETRIEVAL,
    "AGENT": Kind.AGENT,
}
"""openinference.span.kind; every other one (CHAIN, PROMPT, GUARDRAIL, EVALUATOR, UNKNOWN) is a wrapper."""

_KIND = "openinference.span.kind"
_LANGCHAIN = frozenset({"openinference.instrumentation.langchain", "@arizeai/openinference-instrumentation-langchain"})
_AROUND_NAME = re.compile(
    r"^(?:invoke_agent|ai\.\w+) |(?:\.run|\._execute_core)$|_[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
)
"""Added by ADK and Vercel, by smolagents, LlamaIndex and CrewAI, by AutoGen's teams."""

_OUTPUT = "llm.output_messages."
_CALL = ".message.tool_calls."


def kind(span: RawSpan) -> Kind | None:
    given = span.attributes.get(_KIND)
    if not isinstance(given, str):
        return None
    found = KINDS.get(given.upper(), Kind.WRAPPER)
    if found is Kind.MODEL and span.name.startswith("invoke_agent "):  # Google ADK marks some of its agents LLM
        return Kind.AGENT
    if span.origin.scope in _LANGCHAIN and (found is Kind.AGENT or given.upper() == "CHAIN"):
        return _langchain_graph(span, found)
    return found


def _langchain_graph(span: RawSpan, found: Kind) -> Kind:
    """LangGraph calls every node with "agent" in its name AGENT, and a sub-agent's graph CHAIN.

    The graph of an agent bears the name that the metadata gives as `lc_agent_name`; where there is none (older
    LangChain), the nodes called `agent` or `something.before_agent` are not agents.
    """
    metadata = _metadata(span)
    agent = metadata.get("lc_agent_name")
    if agent:
        return Kind.AGENT if span.name == agent else Kind.WRAPPER
    node = metadata.get("langgraph_node")
    if found is Kind.AGENT and node == span.name and (node == "agent" or "." in node):
        return Kind.WRAPPER
    return found


def _metadata(span: RawSpan) -> dict[str, AttributeValue]:
    value = content.parse(span.attributes.get("metadata"))
    return value if isinstance(value, dict) else {}


def _langchain_agent(span: RawSpan) -> AttributeValue:
    """The agent that a span of LangChain belongs to."""
    return _metadata(span).get("lc_agent_name") if "metadata" in span.attributes else None


def _agent_name(span: RawSpan) -> AttributeValue:
    """An agent span's own name, without what instrumentations put around it."""
    return (_AROUND_NAME.sub("", span.name) or None) if kind(span) is Kind.AGENT else None


def _output_messages(span: RawSpan) -> AttributeValue:
    """The last of `llm.output_messages.N.message.*`, put together again as an OpenAI message."""
    messages: dict[str, list[AttributeValue]] = {}
    calls: dict[tuple[str, str], dict[str, AttributeValue]] = {}
    for key, value in span.attributes.items():
        if not key.startswith(_OUTPUT):
            continue
        number, _, rest = key[len(_OUTPUT) :].partition(".")
        texts = messages.setdefault(number, [])
        if _CALL in key:
            index, _, name = rest.removeprefix(_CALL[1:]).partition(".tool_call.")
            calls.setdefault((number, index), {})[name] = value
        elif rest == "message.content" or rest.endswith(".message_content.text"):
            texts.append(value)
    if not messages:
        return None
    last = max(messages, key=_order)
    asked: list[AttributeValue] = [
        {
            "id": call.get("id"),
            "function": {"name": call.get("function.name"), "arguments": call.get("function.arguments")},
        }
        for (number, index), call in sorted(calls.items(), key=lambda item: _order(item[0][1]))
        if number == last
    ]
    return [{"role": "assistant", "content": messages[last], "tool_calls": asked}]


def _order(number: str) -> int:
    return int(number) if number.isdecimal() and len(number) < 9 else 0


def _tool_call_id(span: RawSpan) -> AttributeValue:
    """LangChain: only inside the tool message that the call returned."""
    value = span.attributes.get("output.value")
    if isinstance(value, str) and '"tool_call_id"' not in value:
        return None
    value = content.parse(value)
    if isinstance(value, dict):
        data = value.get("data", value)
        if isinstance(data, dict):
            return data.get("tool_call_id")
    return None


OPENINFERENCE = Dialect(
    name="openinference",
    kind=kind,
    tool_name=("tool.name",),
    call_id=("tool.id", "tool_call.id", _tool_call_id),
    arguments=("input.value", "tool.parameters"),
    result=("output.value",),
    output=(_output_messages, "output.value"),
    agent=("agent.name", "graph.node.name", _langchain_agent, _agent_name),
    model=("llm.model_name", "llm.request.model_name", "llm.response.model_name"),
    session=("session.id",),
    failed_if={"llm.finish_reason": frozenset({"error"})},
    keys=frozenset({_KIND, "metadata"}),
    prefixes=(_OUTPUT,),
)
