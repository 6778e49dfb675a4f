"""Logfire's own instrumentations: scopes `logfire.openai_agents`, `logfire.openai`, `logfire.anthropic`, `logfire.mcp`.

Source: pydantic/logfire, logfire/_internal/integrations. The name of a span is the template of its message. An error of
OpenAI Agents is an attribute, no status. What it writes for Pydantic AI, Google GenAI, LiteLLM and Claude Agents is
read by the conventions that those follow.
"""

from __future__ import annotations

from otelscore.dialects import content
from otelscore.dialects.genai import GENAI
from otelscore.dialects.kinds import ByFunction, ByName, ByValue
from otelscore.dialects.pydantic_ai import choices, prompts
from otelscore.dialects.table import Dialect
from otelscore.model import AttributeValue, Kind, RawSpan

TYPES: dict[str, Kind] = {"pending_span": Kind.OTHER, "log": Kind.OTHER}
"""logfire.span_type of what is no span of its own: the announcement of one, and a message (also: a stream ended)."""

AGENTS_NAMES: tuple[tuple[str, Kind], ...] = (
    ("Agent run: ", Kind.AGENT),
    ("Function: ", Kind.TOOL),
    ("Handoff: ", Kind.TOOL),
    ("Chat completion with ", Kind.MODEL),
    ("Responses API", Kind.MODEL),
    ("", Kind.WRAPPER),
)
"""OpenAI Agents; the rest are traces, tasks, turns, guardrails, custom spans, speech, and lists of MCP's tools."""

CLIENT_NAMES: tuple[tuple[str, Kind], ...] = (
    ("Chat Completion with ", Kind.MODEL),
    ("Responses API", Kind.MODEL),
    ("Completion with ", Kind.MODEL),
    ("Message with ", Kind.MODEL),
    ("Embedding Creation with ", Kind.RETRIEVAL),
    ("", Kind.OTHER),
)

_MCP_CALLS = ("MCP request: tools/call", "MCP server handle request: tools/call")
_AGENTS, _MCP = "logfire.openai_agents", "logfire.mcp"


def _mcp(span: RawSpan) -> Kind | None:
    if span.origin.scope != _MCP:
        return None
    return Kind.TOOL if span.name.startswith(_MCP_CALLS) else Kind.OTHER


def _name(span: RawSpan) -> AttributeValue:
    """The tool of OpenAI Agents; a hand-off names only agents."""
    if span.name.startswith("Handoff: "):
        return "handoff to " + content.word(span.attributes.get("to_agent"))
    return span.attributes.get("name")


def _agent(span: RawSpan) -> AttributeValue:
    return span.attributes.get("name") if span.name.startswith("Agent run: ") else None


def _mcp_parameters(span: RawSpan) -> dict[str, AttributeValue]:
    request = content.parse(span.attributes.get("request"))
    parameters = request.get("params") if isinstance(request, dict) else None
    return parameters if isinstance(parameters, dict) else {}


def _mcp_name(span: RawSpan) -> AttributeValue:
    return _mcp_parameters(span).get("name") if span.origin.scope == _MCP else None


def _mcp_arguments(span: RawSpan) -> AttributeValue:
    return _mcp_parameters(span).get("arguments") if span.origin.scope == _MCP else None


def _request(span: RawSpan) -> AttributeValue:
    """The request of a client; for OpenAI Agents its messages are those before the answer."""
    return span.attributes.get("request_data") if span.origin.scope != _AGENTS else None


def _generation(span: RawSpan) -> AttributeValue:
    """Chat completions of OpenAI Agents: the answer is the last of the messages of the request."""
    request = content.parse(span.attributes.get("request_data")) if span.origin.scope == _AGENTS else None
    messages = request.get("messages") if isinstance(request, dict) else None
    last = messages[-1] if isinstance(messages, list) and messages else None
    return [last] if isinstance(last, dict) and last.get("role") == "assistant" else None


LOGFIRE = Dialect(
    name="logfire",
    kinds=(
        ByValue("logfire.span_type", TYPES),
        ByName(AGENTS_NAMES, scopes=(_AGENTS,)),
        ByFunction(_mcp, "the name of the span", scopes=(_MCP,)),
        ByName(CLIENT_NAMES, scopes=("logfire.openai", "logfire.anthropic")),
    ),
    tool_name=(_mcp_name, _name),
    call_id=GENAI.call_id,
    arguments=("input", _mcp_arguments),
    result=("output", "response"),
    error=("error",),
    input=(*GENAI.input, prompts, _request),
    output=("gen_ai.output.messages", choices, "response_data", _generation),
    agent=(_agent,),
    model=GENAI.model,
    session=("gen_ai.conversation.id", "group_id"),
    failed_if=GENAI.failed_if,
    keys=frozenset({"events", "request_data", "name", "to_agent", "request"}),
    cannot_show="The type of an error of OpenAI Agents: only its words are kept.",
)
