"""LangSmith SDKs exporting to OpenTelemetry: `langsmith.span.kind`.

Source: langchain-ai/langsmith-sdk, python/langsmith/_internal/otel/_otel_exporter.py and js/src/experimental/otel. The
operation that it writes beside the kind is wrong for retrievers (embeddings) and prompts (chat). Status OK is set on
all that did not fail, and the exception of an error is always of the type `Exception`.
"""

from __future__ import annotations

from otelscore.dialects.kinds import ByFunction, ByValue
from otelscore.dialects.langgraph import graph_kind
from otelscore.dialects.patterns import AGENT_NAME
from otelscore.dialects.table import Dialect
from otelscore.model import AttributeValue, Kind, RawSpan

KINDS: dict[str, Kind] = {
    "llm": Kind.MODEL,
    "tool": Kind.TOOL,
    "retriever": Kind.RETRIEVAL,
    "embedding": Kind.RETRIEVAL,
}
"""langsmith.span.kind, LangSmith's run type; every other one (chain, prompt, parser) is a wrapper."""

_KIND = "langsmith.span.kind"
_INTERRUPTS = ("GraphInterrupt(", "NodeInterrupt(", "ParentCommand(")
_AGENT, _NODE = "langsmith.metadata.lc_agent_name", "langsmith.metadata.langgraph_node"


def _graph(span: RawSpan) -> Kind | None:
    if span.attributes.get(_KIND) != "chain":
        return None
    return graph_kind(span.name, span.attributes.get(_AGENT), span.attributes.get(_NODE), called_agent=False)


def _root(span: RawSpan) -> Kind | None:
    return Kind.LOOP if not span.parent_id and span.attributes.get(_KIND) == "chain" else None


def _interrupted(span: RawSpan) -> AttributeValue:
    """A call that LangGraph broke off, to ask a human or to hand over."""
    words = [str(event.attributes.get("exception.message")) for event in span.events if event.name == "exception"]
    return True if words and words[-1].startswith(_INTERRUPTS) else None


LANGSMITH = Dialect(
    name="langsmith",
    kinds=(
        ByFunction(_graph, "the agent's name in LangChain's metadata", frozenset({_AGENT})),
        ByFunction(_root, "a chain at the root", frozenset({_KIND})),
        ByValue(_KIND, KINDS, otherwise=Kind.WRAPPER),
    ),
    tool_name=("gen_ai.tool.name", "langsmith.trace.name"),
    call_id=("gen_ai.tool.call.id", "langsmith.metadata.tool_call_id"),
    arguments=("gen_ai.prompt",),
    result=("gen_ai.completion",),
    input=("gen_ai.prompt",),
    output=("gen_ai.completion",),
    agent=(_AGENT,),
    agent_in_name=AGENT_NAME,
    model=("gen_ai.request.model", "gen_ai.response.model", "langsmith.metadata.ls_model_name"),
    session=tuple(f"langsmith.metadata.{name}" for name in ("thread_id", "session_id", "conversation_id")),
    skipped_if=(_interrupted,),
    keys=frozenset({_NODE}),
    cannot_show=("The type of an exception, and the session where the application puts none into the metadata."),
)
