"""OpenLLMetry (Traceloop): `traceloop.span.kind`, `traceloop.entity.*`, and `llm.*` names of its earlier versions.

Source: traceloop/openllmetry, packages/opentelemetry-instrumentation-* and traceloop-sdk, versions 0.15 to 0.62. Since
2026 it also writes the GenAI conventions, but `invoke_agent` for every chain and task: its own kind comes first.
"""

from __future__ import annotations

import re

from otelscore.dialects import content, flattened
from otelscore.dialects.genai import GENAI
from otelscore.dialects.kinds import ByFunction, ByName, ByValue
from otelscore.dialects.table import Dialect, Found
from otelscore.model import AttributeValue, Kind, RawSpan

KINDS: dict[str, Kind] = {
    "agent": Kind.AGENT,
    "tool": Kind.TOOL,
    "handoff": Kind.TOOL,
    "workflow": Kind.LOOP,  # before 2026 the graph of an agent was nothing else
}
"""traceloop.span.kind; every other one (task, session, server, unknown) is a wrapper."""

_CERTAIN = frozenset({"agent", "tool", "handoff"})

REQUESTS: dict[str, Kind] = {
    "chat": Kind.MODEL,
    "completion": Kind.MODEL,
    "response": Kind.MODEL,
    "embedding": Kind.RETRIEVAL,
    "rerank": Kind.RETRIEVAL,
}
"""llm.request.type, on the spans of client libraries."""

CALLS: dict[str, Kind] = {
    "chat": Kind.MODEL,
    "text_completion": Kind.MODEL,
    "embeddings": Kind.RETRIEVAL,
    "rerank": Kind.RETRIEVAL,
    "vector_db_retrieve": Kind.RETRIEVAL,
}
"""gen_ai.operation.name that is right on a span that is marked as a task or a workflow."""

SEARCHES = tuple(
    (name, Kind.RETRIEVAL)
    for name in (
        "chroma.query",
        "pinecone.query",
        "qdrant.search",
        "qdrant.query",
        "qdrant.recommend",
        "qdrant.discover",
        "milvus.search",
        "milvus.hybrid_search",
        "milvus.query",
        "lancedb.search",
        "marqo.search",
        "db.weaviate.collections.query.",
        "db.weaviate.gql.get.do",
        "db.weaviate.gql.query.get",
    )
)
"""Names of the spans of vector databases that look something up."""

_SCOPE = "opentelemetry.instrumentation."
_DATABASES = tuple(
    _SCOPE + name for name in ("chromadb", "pinecone", "qdrant", "milvus", "lancedb", "marqo", "weaviate")
)
_LLAMA_INDEX, _LANGCHAIN, _CREWAI = _SCOPE + "llamaindex", _SCOPE + "langchain", _SCOPE + "crewai"
_AGNO = _SCOPE + "agno"
_KIND, _INPUT, _OUTPUT = "traceloop.span.kind", "traceloop.entity.input", "traceloop.entity.output"
_PROPERTY = "traceloop.association.properties."
_OLD_COMPLETION = "llm.completions."

_CALL_ID = re.compile(r'"tool_(?:call_)?id": ?"([^"\\]+)"')
_AGNO_RESULT = re.compile(
    r"status='(?P<status>success|failure)' result=(?P<result>.*) error=(?P<error>None|'.*?'|\".*?\")(?: \w+=.*)?",
    re.DOTALL,
)
"""What `str()` makes of a result of Agno."""

_LLAMA_TOOL = re.compile(r'"tool_name": ?"([^"\\]+)"')

_LLAMA_CLASSES: tuple[tuple[re.Pattern[str], Kind], ...] = (
    (re.compile(r"\w*Tool\.(?:task|workflow)"), Kind.TOOL),
    (re.compile(r"\w*(?:Agent|AgentWorkflow|AgentRunner)\.workflow"), Kind.AGENT),
    (re.compile(r"\w*(?:Retriever|Embedding|Rerank|Reranker)\.(?:task|workflow)"), Kind.RETRIEVAL),
)
"""LlamaIndex has only tasks and workflows: what they are is in the names of their classes."""


def _call(span: RawSpan) -> Kind | None:
    """A call of a client library that its framework shows as a task."""
    if content.word(span.attributes.get(_KIND)) in _CERTAIN:
        return None
    operation = span.attributes.get("gen_ai.operation.name")
    return CALLS.get(operation) if isinstance(operation, str) else None


def _llama_index(span: RawSpan) -> Kind | None:
    if not span.origin.scope.startswith(_LLAMA_INDEX) or content.word(span.attributes.get(_KIND)) in _CERTAIN:
        return None
    if "gen_ai.request.model" in span.attributes:
        return Kind.MODEL
    if "tool.name" in span.attributes:  # with a description it is the worker, and the tool is below it
        return Kind.WRAPPER if "tool.description" in span.attributes else Kind.TOOL
    return next((kind for pattern, kind in _LLAMA_CLASSES if pattern.fullmatch(span.name)), None)


def _crewai_call(span: RawSpan) -> Kind | None:
    return Kind.MODEL if span.origin.scope.startswith(_CREWAI) and span.name.endswith(".llm") else None


def _tool_definition(span: RawSpan) -> Kind | None:
    """OpenAI Agents in 2025: a span for every tool that an agent has, called or not."""
    return None if "gen_ai.tool.name" in span.attributes else Kind.WRAPPER


def _handoff(span: RawSpan) -> AttributeValue:
    if span.attributes.get(_KIND) != "handoff":
        return None
    return "handoff to " + content.word(span.attributes.get("gen_ai.handoff.to_agent"))


def _llama_tool(span: RawSpan) -> AttributeValue:
    """The tool itself has no name, but its output has."""
    value = span.attributes.get(_OUTPUT)
    if not (span.origin.scope.startswith(_LLAMA_INDEX) and isinstance(value, str)):
        return None
    found = _LLAMA_TOOL.search(value)
    return found[1] if found else None


def _entity_name(span: RawSpan) -> AttributeValue:
    name = span.attributes.get("traceloop.entity.name")
    return None if name == span.name else name  # LlamaIndex: the name of the span, with its kind


def _call_id(span: RawSpan) -> AttributeValue:
    """Only among what LangChain's callbacks are given, or in what they or LlamaIndex's tool calls return."""
    if not span.origin.scope.startswith((_LANGCHAIN, _LLAMA_INDEX)):
        return None
    for key in (_INPUT, _OUTPUT):
        value = span.attributes.get(key)
        found = _CALL_ID.search(value) if isinstance(value, str) else None
        if found:
            return found[1]
    return None


def _arguments(span: RawSpan) -> AttributeValue:
    """The arguments inside of what LangChain's callbacks and MCP's parameters have around them."""
    value = span.attributes.get("gen_ai.tool.call.arguments", span.attributes.get(_INPUT))
    if not isinstance(value, str) or not ('"metadata"' in value or '"tool_name"' in value):
        return value
    parsed = content.parse(value)
    if isinstance(parsed, dict) and "metadata" in parsed and "kwargs" in parsed:
        return next((parsed[name] for name in ("inputs", "input_str", "query") if parsed.get(name) is not None), None)
    if isinstance(parsed, dict) and parsed.keys() == {"tool_name", "arguments"}:
        return parsed["arguments"]
    return parsed


def _result(span: RawSpan) -> AttributeValue:
    """The result inside of what LangChain's callbacks, LlamaIndex's tool calls and Agno have around it."""
    value = span.attributes.get("gen_ai.tool.call.result", span.attributes.get(_OUTPUT))
    agno = _AGNO_RESULT.fullmatch(value) if isinstance(value, str) and span.origin.scope.startswith(_AGNO) else None
    if agno:
        return {"error": agno["error"][1:-1]} if agno["status"] == "failure" else agno["result"][1:-1]
    if not isinstance(value, str) or not ('"kwargs"' in value or '"tool_output"' in value):
        return value
    parsed = content.parse(value)
    if isinstance(parsed, dict) and parsed.keys() == {"output", "kwargs"}:
        return parsed["output"]
    return parsed.get("tool_output", parsed) if isinstance(parsed, dict) else parsed


def _answer(span: RawSpan) -> AttributeValue:
    """What an agent's span returned."""
    value = span.attributes.get(_OUTPUT)
    if not isinstance(value, str) or '"outputs"' not in value:
        return value
    parsed = content.parse(value)
    return parsed.get("outputs") if isinstance(parsed, dict) else value


def _old_completion(span: RawSpan) -> AttributeValue:
    return flattened.answer(span.attributes, _OLD_COMPLETION)


TRACELOOP = Dialect(
    name="traceloop",
    kinds=(
        ByValue("llm.request.type", REQUESTS),
        ByFunction(_call, "the operation of a task", frozenset({_KIND})),
        ByFunction(_llama_index, "the name of a class of LlamaIndex", frozenset({_KIND})),
        ByFunction(_tool_definition, "a tool that only is defined", frozenset({"gen_ai.completion.tool.type"})),
        ByName((("AgentExecutor.", Kind.AGENT),), keys=frozenset({_KIND})),
        ByValue(_KIND, KINDS, otherwise=Kind.WRAPPER),
        ByName((("crewai.workflow", Kind.WRAPPER),), scopes=(_CREWAI,)),
        ByFunction(_crewai_call, "the name of the span", scopes=(_CREWAI,)),
        ByName(SEARCHES, scopes=_DATABASES),
    ),
    tool_name=(_handoff, "gen_ai.tool.name", "tool.name", _llama_tool, _entity_name),
    tool_in_name=re.compile(r"(?:execute_tool )?(.+?)(?:\.(?:tool|task|workflow))?"),
    call_id=("gen_ai.tool.call.id", _call_id),
    arguments=("tool.arguments", _arguments),
    result=(_result,),
    offered=(*GENAI.offered, "llm.request.functions.0.name"),
    input=GENAI.input,
    output=(*GENAI.output, Found(_old_completion, prefixes=(_OLD_COMPLETION,)), _answer),
    agent=("gen_ai.agent.name", f"{_PROPERTY}lc_agent_name"),
    agent_in_name=re.compile(r"(.+(?=\.agent$)|\w*Agent(?:Executor|Runner|Workflow)?(?=\.(?:workflow|task)$))\.\w+"),
    model=(*GENAI.model, "llm.request.model", "llm.response.model"),
    session=(
        "gen_ai.conversation.id",
        *(f"{_PROPERTY}{name}" for name in ("session_id", "conversation_id", "thread_id", "chat_id")),
        "session.id",
    ),
    retrieval_name=("gen_ai.data_source.id", _entity_name),
    failed_if={**GENAI.failed_if, "gen_ai.task.status": frozenset({"failure"})},
    keys=frozenset({"tool.description", _INPUT, _OUTPUT, "traceloop.entity.name", "gen_ai.handoff.to_agent"}),
    prefixes=(_OLD_COMPLETION,),
    cannot_show=(
        "Ids of most frameworks' calls; arguments, results and messages where `TRACELOOP_TRACE_CONTENT` is off."
    ),
)
