"""OpenInference (Arize): `openinference.span.kind` and flattened message attributes.

Source: Arize-ai/openinference, spec/semantic_conventions.md.
"""

from __future__ import annotations

import re

from otelscore.dialects import content
from otelscore.dialects.kinds import ByFunction, ByPresence, ByValue
from otelscore.dialects.langgraph import graph_kind
from otelscore.dialects.openinference_habits import CLASS_NAME, HABITS
from otelscore.dialects.results import holds_results, numbered
from otelscore.dialects.table import Dialect, Found
from otelscore.model import AttributeValue, Kind, RawSpan

KINDS: dict[str, Kind] = {
    "llm": Kind.MODEL,
    "tool": Kind.TOOL,
    "retriever": Kind.RETRIEVAL,
    "embedding": Kind.RETRIEVAL,
    "reranker": Kind.RETRIEVAL,
    "agent": Kind.AGENT,
}
"""openinference.span.kind; every other one (CHAIN, PROMPT, GUARDRAIL, EVALUATOR, UNKNOWN) is a wrapper."""

_KIND = "openinference.span.kind"
_PYTHON = "openinference.instrumentation."
_LANGCHAIN = frozenset({"openinference.instrumentation.langchain", "@arizeai/openinference-instrumentation-langchain"})
_AGENT_IN_NAME = re.compile(
    r"(?!(?:[aA]gent|agent_step|AiService|ai|beeai-framework-main)(?:\.\w+)?$)"
    r"(?:(?:invoke_agent|ai\.\w+) |agent_collaborator\[)?(.+?)\]?"
    r"(?:\.(?:a?run|_execute_core|kickoff(?:_async)?|execute|AgenticWorkflow|on_messages_stream|a?initiate_chat"
    r"|a?generate_reply|invoke_agent|a?(?:stream_)?chat|a?query|a?forward|prompt|turn"
    r"|ClaudeSDKClient\.receive_response))?"
    r"(?:_[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})?"
)
"""Around it are the prefixes of ADK, Vercel and Bedrock, the method that was called, and the ids of AutoGen's teams;
some names say nothing but that it is an agent."""

_TOOL_IN_NAME = re.compile(r"(?:pipecat\.tool\.|ai\.tool )?(.+?)(?:\.(?:__call__|a?call|a?run))?")
_AUTOGEN = f"{_PYTHON}autogen_agentchat"
_NODE_IS_AGENT = (f"{_PYTHON}crewai", _AUTOGEN)
"""Scopes in which an agent span bears the agent's name as `graph.node.id`; elsewhere that is an id."""

_OUTPUT = "llm.output_messages."
_CALL = ".message.tool_calls."
_INPUT, _TOOL_CALL_ID, _CONTENT = "llm.input_messages.", "message.tool_call_id", "message.content"
_AUTOGEN_RESULTS = tuple(f"function.{number}" for number in range(16))
"""Fields of a message of AutoGen, each the JSON of one result."""


def _adk_agent(span: RawSpan) -> Kind | None:
    return Kind.AGENT if span.name.startswith("invoke_agent ") and _given(span) == "LLM" else None


def _langchain_graph(span: RawSpan) -> Kind | None:
    """LangGraph calls every node with "agent" in its name AGENT, and the graph of an agent CHAIN."""
    given = _given(span)
    if span.origin.scope not in _LANGCHAIN or given not in ("AGENT", "CHAIN"):
        return None
    metadata = _metadata(span)
    agent, node = metadata.get("lc_agent_name"), metadata.get("langgraph_node")
    found = graph_kind(span.name, agent, node, called_agent=given == "AGENT")
    return Kind.LOOP if found is None and given == "CHAIN" and not span.parent_id else found


def _given(span: RawSpan) -> str:
    return str(span.attributes.get(_KIND, "")).upper()


def _metadata(span: RawSpan) -> dict[str, AttributeValue]:
    value = content.parse(span.attributes.get("metadata"))
    return value if isinstance(value, dict) else {}


def _langchain_agent(span: RawSpan) -> AttributeValue:
    """The agent that a span of LangChain belongs to."""
    return _metadata(span).get("lc_agent_name") if "metadata" in span.attributes else None


def _node_agent(span: RawSpan) -> AttributeValue:
    here = _given(span) == "AGENT" and span.origin.scope.startswith(_NODE_IS_AGENT)
    return span.attributes.get("graph.node.id") if here else None


def _output_messages(span: RawSpan) -> AttributeValue:
    """The last of `llm.output_messages.N.message.*`, put together again as an OpenAI message.

    With the calls of those without text: the Responses API has a message for every call.
    """
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
        for (number, _), call in sorted(calls.items(), key=lambda item: tuple(map(_order, item[0])))
        if number == last or not any(messages[number])
    ]
    return [{"role": "assistant", "content": messages[last], "tool_calls": asked}]


def _order(number: str) -> int:
    return int(number) if number.isdecimal() and len(number) < 9 else 0


def _input_messages(span: RawSpan) -> AttributeValue:
    """The request as JSON, which has all results; of several in one message the flattened fields have only the last."""
    if span.origin.scope == _AUTOGEN:
        return _autogen_results(span)
    value = span.attributes.get("input.value")
    return value if holds_results(value) else numbered(span.attributes, _INPUT, _TOOL_CALL_ID, _CONTENT)


def _autogen_results(span: RawSpan) -> AttributeValue:
    """The results in the last message."""
    numbers = (key[len(_INPUT) :].partition(".")[0] for key in span.attributes if key.startswith(_INPUT))
    last = max(map(_order, numbers), default=0)
    found = [content.parse(span.attributes.get(f"{_INPUT}{last}.{name}")) for name in _AUTOGEN_RESULTS]
    return [{**result, "role": "tool"} for result in found if isinstance(result, dict)] or None


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
    kinds=(
        ByFunction(_adk_agent, "the kind LLM under the name `invoke_agent ...`", frozenset({_KIND})),
        ByFunction(_langchain_graph, "the agent's name in LangChain's metadata", frozenset({_KIND})),
        *HABITS,
        ByPresence(frozenset({"workflow.activity"}), Kind.WRAPPER, scopes=("dapr_agents",)),  # around the call's span
        ByValue(_KIND, KINDS, otherwise=Kind.WRAPPER),
    ),
    tool_name=("tool.name",),
    tool_in_name=_TOOL_IN_NAME,
    call_id=("tool.id", "tool_call.id", "tanstack.ai.tool.call.id", _tool_call_id),
    arguments=("tool_call.function.arguments", "input.value", "tool.parameters"),
    result=("output.value",),
    input=("gen_ai.input.messages", _input_messages),
    output=(Found(_output_messages, prefixes=(_OUTPUT,)), "output.value"),
    agent=(
        "agent.name",
        "graph.node.name",
        Found(_langchain_agent, frozenset({"metadata"})),
        Found(_node_agent, frozenset({"graph.node.id"})),
    ),
    agent_in_name=_AGENT_IN_NAME,
    model=("llm.model_name", "llm.request.model_name", "llm.response.model_name"),
    session=("session.id",),
    failed_if={"llm.finish_reason": frozenset({"error"})},
    keys=frozenset({"metadata", "graph.node.id", CLASS_NAME}),
    prefixes=(_OUTPUT,),
    families=((_INPUT, _TOOL_CALL_ID), (_INPUT, _CONTENT), *((_INPUT, f".{name}") for name in _AUTOGEN_RESULTS)),
    cannot_show="Ids of calls in most instrumentations; the type of an error where only its message is kept (Agno).",
)
