"""MLflow tracing, by hand or by its autologging of other libraries: `mlflow.spanType`, every value in JSON.

Source: mlflow/mlflow, mlflow/tracing, mlflow/entities/span.py and the autologging of langchain, openai, crewai,
pydantic_ai, smolagents, llama_index, dspy, autogen and agno. Autologging names the span of an object after its class
and method, and puts the object's own name in the attribute `name`.
"""

from __future__ import annotations

import re

from otelscore.dialects.content import parse
from otelscore.dialects.kinds import ByFunction, ByValue
from otelscore.dialects.langgraph import graph_kind
from otelscore.dialects.patterns import AGENT_NAME
from otelscore.dialects.table import Dialect
from otelscore.model import AttributeValue, Kind, RawSpan

TYPES: dict[str, Kind] = {
    "agent": Kind.AGENT,
    "tool": Kind.TOOL,
    "llm": Kind.MODEL,
    "chat_model": Kind.MODEL,
    "retriever": Kind.RETRIEVAL,
    "embedding": Kind.RETRIEVAL,
    "reranker": Kind.RETRIEVAL,
}
"""mlflow.spanType in lower case; every other one (CHAIN, PARSER, MEMORY, UNKNOWN, WORKFLOW, ...) is a wrapper."""

_TYPE = "mlflow.spanType"
_INPUTS = "mlflow.spanInputs"
_METADATA = "metadata"
_CHAINS = ('"CHAIN"', '"UNKNOWN"')

_RUNS = frozenset({"AgentRunner.run", "AgentRunner.run_streamed", "Agent workflow"})
"""Roots that OpenAI Agents run in, which are no agents."""

_NO_CALLS = re.compile(r".*\.(?:list_tools|_prepare_chat_with_tools|get_tool_calls_from_response|count_tokens)")
"""Preparations that autologging takes for tool and model calls: of MCP clients, LlamaIndex and Gemini."""

_CALL = re.compile(r"ToolManager\.(?:handle|execute_tool)_call")
"""pydantic-ai before 2: the call is an argument."""


def _exception(span: RawSpan) -> Kind | None:
    if span.name in _RUNS or _NO_CALLS.fullmatch(span.name):
        return Kind.WRAPPER
    if span.name == "Handoff" and span.attributes[_TYPE] == '"CHAIN"':
        return Kind.TOOL
    return None


def _graph(span: RawSpan) -> Kind | None:
    if span.attributes.get(_TYPE) != '"CHAIN"':
        return None
    metadata = _metadata(span)
    return graph_kind(span.name, metadata.get("lc_agent_name"), metadata.get("langgraph_node"), called_agent=False)


def _root(span: RawSpan) -> Kind | None:
    return Kind.LOOP if not span.parent_id and span.attributes.get(_TYPE) in _CHAINS else None


def _metadata(span: RawSpan) -> dict[str, AttributeValue]:
    value = parse(span.attributes.get(_METADATA))
    return value if isinstance(value, dict) else {}


def _agent(span: RawSpan) -> AttributeValue:
    if _METADATA in span.attributes:
        return _metadata(span).get("lc_agent_name")
    return _object(span) if span.attributes.get(_TYPE) == '"AGENT"' else None


def _object(span: RawSpan) -> AttributeValue:
    """The own name of the object whose method the span is of."""
    return span.attributes.get("name") if "." in span.name else None


def _call(span: RawSpan, field: str) -> AttributeValue:
    if not _CALL.fullmatch(span.name):
        return None
    inputs = parse(span.attributes.get(_INPUTS))
    call = inputs.get("call") if isinstance(inputs, dict) else None
    return call.get(field) if isinstance(call, dict) else None


MLFLOW = Dialect(
    name="mlflow",
    kinds=(
        ByFunction(_exception, "the name of the span", frozenset({_TYPE})),
        ByFunction(_graph, "the agent's name in LangChain's metadata", frozenset({_METADATA})),
        ByFunction(_root, "a chain or plain span at the root", frozenset({_TYPE})),
        ByValue(_TYPE, TYPES, otherwise=Kind.WRAPPER),
    ),
    tool_name=(_object, lambda span: _call(span, "tool_name")),
    tool_in_name=re.compile(r"(?:Tool\.)?(.+?)(?:\.(?:__call__|forward|a?call|a?execute))?"),
    call_id=("tool_call_id", lambda span: _call(span, "tool_call_id")),
    arguments=(lambda span: _call(span, "args"), _INPUTS),
    result=("mlflow.spanOutputs",),
    input=(_INPUTS,),
    output=("mlflow.spanOutputs",),
    agent=(_agent,),
    agent_in_name=re.compile(AGENT_NAME.pattern.replace(".+", ".+?") + r"(?:\.[a-z_]+)?"),
    model=("mlflow.llm.model", "model", "model_name"),
    session=("mlflow.trace.session", "session.id"),
    keys=frozenset({"name", _TYPE}),
    cannot_show="Ids of calls but LangChain's: equal calls at the same time are told apart by their start alone.",
)
