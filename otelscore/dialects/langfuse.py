"""Langfuse SDKs on OpenTelemetry (Python from 3, JavaScript from 4): `langfuse.observation.type`.

Source: langfuse/langfuse-python, langfuse/_client and langfuse/langchain/CallbackHandler.py; langfuse/langfuse-js,
packages/tracing/src. Metadata are one attribute a field, in JSON in newer versions. Of an exception only the message is
kept: neither its type nor an event.
"""

from __future__ import annotations

from otelscore.dialects.kinds import ByFunction, ByValue
from otelscore.dialects.langgraph import graph_kind
from otelscore.dialects.patterns import AGENT_NAME
from otelscore.dialects.table import Dialect
from otelscore.model import AttributeValue, Kind, RawSpan

TYPES: dict[str, Kind] = {
    "agent": Kind.AGENT,
    "tool": Kind.TOOL,
    "generation": Kind.MODEL,
    "retriever": Kind.RETRIEVAL,
    "embedding": Kind.RETRIEVAL,
}
"""langfuse.observation.type; every other one (span, chain, event, evaluator, guardrail) is a wrapper."""

_TYPE = "langfuse.observation.type"
_METADATA = "langfuse.observation.metadata."
_AGENT, _NODE = f"{_METADATA}lc_agent_name", f"{_METADATA}langgraph_node"
_CHAINS = ("chain", "span")
_LEVEL, _WORDS = "langfuse.observation.level", "langfuse.observation.status_message"
_OUTPUT = "langfuse.observation.output"
_ERRORS = frozenset({"error", "fatal", "critical"})


def _graph(span: RawSpan) -> Kind | None:
    given = span.attributes.get(_TYPE)
    if given not in ("agent", "chain"):
        return None
    agent, node = (str(span.attributes.get(key, "")).strip('"') for key in (_AGENT, _NODE))
    return graph_kind(span.name, agent, node, called_agent=given == "agent")


def _root(span: RawSpan) -> Kind | None:
    return Kind.LOOP if not span.parent_id and span.attributes.get(_TYPE) in _CHAINS else None


def _words(span: RawSpan) -> AttributeValue:
    """The words of an error; of other levels they tell nothing."""
    failed = str(span.attributes.get(_LEVEL, "")).lower() in _ERRORS
    return span.attributes.get(_WORDS) if failed else None


def _interrupted(span: RawSpan) -> AttributeValue:
    """A call that LangGraph broke off, to ask a human or to hand over: words without an error or a result."""
    attributes = span.attributes
    return attributes.get(_WORDS) if attributes.get(_LEVEL) == "DEFAULT" and _OUTPUT not in attributes else None


LANGFUSE = Dialect(
    name="langfuse",
    kinds=(
        ByFunction(_graph, "the agent's name in LangChain's metadata", frozenset({_AGENT, _NODE})),
        ByFunction(_root, "a chain or plain span at the root", frozenset({_TYPE})),
        ByValue(_TYPE, TYPES, otherwise=Kind.WRAPPER),
    ),
    tool_name=(),
    call_id=(f"{_METADATA}tool_call_id", f"{_METADATA}toolCallId"),
    arguments=("langfuse.observation.input",),
    result=(_OUTPUT,),
    input=("langfuse.observation.input",),
    output=(_OUTPUT,),
    agent=(_AGENT,),
    agent_in_name=AGENT_NAME,
    model=("langfuse.observation.model.name",),
    session=("langfuse.session.id", "session.id", f"{_METADATA}langfuse_session_id"),
    failed_if={_LEVEL: _ERRORS},
    error=(_words,),
    skipped_if=(_interrupted,),
    keys=frozenset({_TYPE, _WORDS}),
    cannot_show="Ids of calls but LangChain's, and the type of an exception: only its message is kept.",
)
