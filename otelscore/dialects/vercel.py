"""Vercel AI SDK 3 to 6, and 7 with its legacy integration: `ai.operationId` and `ai.*`.

Source: vercel/ai, packages/ai at the tags ai@3.3.0 to ai@6.0.264, and packages/otel/src/legacy-open-telemetry.ts. The
SDK has no agent span: `ai.generateText` and `ai.streamText` are the loop around its model and tool calls. From 7 on
it writes the GenAI conventions. OpenLLMetry for JavaScript renames many of its attributes, but not the operation.
"""

from __future__ import annotations

from otelscore.dialects.content import parse
from otelscore.dialects.kinds import ByFunction, ByValue
from otelscore.dialects.table import Dialect
from otelscore.model import AttributeValue, Kind, RawSpan

OPERATIONS: dict[str, Kind] = {
    "ai.generatetext": Kind.LOOP,
    "ai.streamtext": Kind.LOOP,
    "ai.generatetext.dogenerate": Kind.MODEL,
    "ai.streamtext.dostream": Kind.MODEL,
    "ai.generateobject.dogenerate": Kind.MODEL,
    "ai.streamobject.dostream": Kind.MODEL,
    "ai.toolcall": Kind.TOOL,
    "ai.embed.doembed": Kind.RETRIEVAL,
    "ai.embedmany.doembed": Kind.RETRIEVAL,
    "ai.rerank.dorerank": Kind.RETRIEVAL,
}
"""ai.operationId in lower case; every other one (ai.generateObject, ai.embed, ...) is a wrapper."""

_OPERATION = "operation.name"
_CALLS = ("ai.response.toolCalls", "ai.result.toolCalls")
_TEXTS = ("ai.response.text", "ai.result.text", "ai.response.object", "ai.result.object")


def _operation(span: RawSpan) -> Kind | None:
    """Before 3.4 only `operation.name` tells: the operation, a space and the function's name."""
    operation = str(span.attributes.get(_OPERATION, "")).partition(" ")[0].lower()
    return OPERATIONS.get(operation, Kind.WRAPPER) if operation.startswith("ai.") else None


def _said(span: RawSpan) -> AttributeValue:
    """Text and calls as one message."""
    text = next((span.attributes[key] for key in _TEXTS if key in span.attributes), None)
    calls = next((span.attributes[key] for key in _CALLS if key in span.attributes), None)
    return text if calls is None else [{"role": "assistant", "content": text, "toolCalls": parse(calls)}]


VERCEL = Dialect(
    name="vercel",
    kinds=(
        ByValue("ai.operationId", OPERATIONS, otherwise=Kind.WRAPPER),
        ByFunction(_operation, f"the beginning of {_OPERATION}", frozenset({_OPERATION})),
    ),
    tool_name=("ai.toolCall.name", "gen_ai.tool.name"),
    call_id=("ai.toolCall.id", "gen_ai.tool.call.id"),
    arguments=("ai.toolCall.args", "gen_ai.tool.call.arguments", "traceloop.entity.input"),
    result=("ai.toolCall.result", "gen_ai.tool.call.result", "traceloop.entity.output"),
    input=("ai.prompt.messages",),
    output=(_said, "gen_ai.output.messages"),
    agent=("gen_ai.agent.name", "ai.telemetry.functionId"),
    model=("ai.model.id", "gen_ai.request.model"),
    session=(
        *(f"ai.telemetry.metadata.{name}" for name in ("sessionId", "session_id", "threadId", "conversationId")),
        "session.id",
        "gen_ai.conversation.id",
        "traceloop.association.properties.sessionId",
    ),
    offered=("ai.prompt.tools", "llm.request.functions.0.name"),
    failed_if={
        "ai.response.finishReason": frozenset({"error"}),
        "ai.finishReason": frozenset({"error"}),
        "gen_ai.response.finish_reasons": frozenset({"['error']"}),
    },
    keys=frozenset({*_CALLS, *_TEXTS}),
    cannot_show=(
        "The name of an agent without a `functionId`; tools that run outside of the SDK, but for what messages tell."
    ),
)
