"""OpenTelemetry GenAI semantic conventions: names up to 1.36, 1.37 to 1.41, and the current ones.

Sources: open-telemetry/semantic-conventions v1.41.1 docs/gen-ai and open-telemetry/semantic-conventions-genai. Most
emitters still write 1.36 or older, so old and new names are always both read.
"""

from __future__ import annotations

from otelscore.dialects.table import Dialect, EventField
from otelscore.model import AttributeValue, Kind, RawSpan

OPERATIONS: dict[str, Kind] = {
    "chat": Kind.MODEL,
    "generate_content": Kind.MODEL,
    "text_completion": Kind.MODEL,
    "embeddings": Kind.RETRIEVAL,
    "rerank": Kind.RETRIEVAL,
    "retrieval": Kind.RETRIEVAL,
    "search_memory": Kind.RETRIEVAL,
    "execute_tool": Kind.TOOL,
    "invoke_agent": Kind.AGENT,
}
"""gen_ai.operation.name; every other operation (create_agent, invoke_workflow, plan, ...) is a wrapper."""

NAME_PREFIXES: tuple[tuple[str, Kind], ...] = (
    ("execute_tool ", Kind.TOOL),
    ("invoke_agent ", Kind.AGENT),
    ("chat ", Kind.MODEL),
    ("text_completion ", Kind.MODEL),
    ("generate_content ", Kind.MODEL),
    ("retrieval ", Kind.RETRIEVAL),
    ("embeddings ", Kind.RETRIEVAL),
    ("create_agent ", Kind.WRAPPER),
    ("invoke_workflow ", Kind.WRAPPER),
    ("agent run", Kind.AGENT),  # pydantic-ai before 1.0
)
"""Span names of the convention, for emitters that leave the operation out."""

_MODEL_KEYS = ("gen_ai.request.model", "gen_ai.response.model")
_SPEAKER_KEYS = ("gen_ai.system", "gen_ai.provider.name", "gen_ai.agent.name", "agent_name")
_DETAILS = "gen_ai.client.inference.operation.details"
_OLD_COMPLETION = "gen_ai.completion."


def kind(span: RawSpan) -> Kind | None:
    """By the operation, else by the name of the span, else by the attributes that only one kind has."""
    attributes = span.attributes
    operation = attributes.get("gen_ai.operation.name")
    if isinstance(operation, str) and operation:
        return OPERATIONS.get(operation, Kind.WRAPPER)
    if "gen_ai.tool.name" in attributes or "gen_ai.tool.call.id" in attributes:
        return Kind.TOOL
    named = next((kind for prefix, kind in NAME_PREFIXES if span.name.startswith(prefix)), None)
    if any(key in attributes for key in _MODEL_KEYS):
        return named or Kind.MODEL
    return named if any(key in attributes for key in _SPEAKER_KEYS) else None


def _old_completion(span: RawSpan) -> AttributeValue:
    """The text of the last `gen_ai.completion.N.content` of conventions before 1.27."""
    found = [
        value
        for key, value in span.attributes.items()
        if key.startswith(_OLD_COMPLETION) and key.endswith(".content") and isinstance(value, str)
    ]
    return found[-1] if found else None


GENAI = Dialect(
    name="genai",
    kind=kind,
    tool_name=("gen_ai.tool.name",),
    call_id=("gen_ai.tool.call.id",),
    arguments=("gen_ai.tool.call.arguments", "tool_arguments", EventField("gen_ai.tool.message", "content")),
    result=(
        "gen_ai.tool.call.result",
        "tool_response",
        EventField("gen_ai.choice", "message"),
        EventField(_DETAILS, "gen_ai.output.messages"),  # Strands, where it writes the current conventions
    ),
    output=(
        "gen_ai.output.messages",
        EventField("gen_ai.choice", "message"),
        EventField("gen_ai.choice", "content"),
        EventField("gen_ai.choice", "gen_ai.event.content"),
        EventField(_DETAILS, "gen_ai.output.messages"),
        EventField("gen_ai.content.completion", "gen_ai.completion"),
        "gen_ai.completion",
        _old_completion,
        "final_result",
    ),
    agent=("gen_ai.agent.name", "agent_name"),
    agent_prefix="invoke_agent ",
    model=_MODEL_KEYS,
    session=("gen_ai.conversation.id", "session.id"),
    retrieval_name=("gen_ai.data_source.id",),
    tool_prefixes=("execute_tool ", "running tool: "),
    failed_if={
        "gen_ai.tool.status": frozenset({"error", "failed"}),
        "gen_ai.response.finish_reasons": frozenset({"error", "['error']", '["error"]'}),
    },
    skipped_if=("pydantic_ai.tool.deferral.name",),
    keys=frozenset({"gen_ai.operation.name", "gen_ai.system", "gen_ai.provider.name"}),
    prefixes=(_OLD_COMPLETION,),
)
