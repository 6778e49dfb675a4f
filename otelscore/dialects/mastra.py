"""Mastra's own exporters, 0.x and 1.x: `mastra.span.type`.

Source: mastra-ai/mastra, observability/otel-exporter (also what its OTel bridge and its Langfuse exporter write), and
what 0.24 with exporter 0.3, 1.4 with 1.0 and 1.71 with 1.4 send. A generation is the loop around its steps, and in
newer versions a step is one around its inference and its tools: all three are read as model calls, and the tree tells
which of them are. A generation that a model error ended is OK but for its finish reason.
"""

from __future__ import annotations

import re

from otelscore.dialects.content import parse
from otelscore.dialects.genai import GENAI
from otelscore.dialects.kinds import ByFunction, ByValue
from otelscore.dialects.table import Dialect
from otelscore.model import AttributeValue, Kind, RawSpan

KINDS: dict[str, Kind] = {
    "agent_run": Kind.AGENT,
    "model_generation": Kind.MODEL,
    "model_step": Kind.MODEL,
    "model_inference": Kind.MODEL,
    "llm_generation": Kind.MODEL,
    "llm_step": Kind.MODEL,
    "tool_call": Kind.TOOL,
    "mcp_tool_call": Kind.TOOL,
    "client_tool_call": Kind.TOOL,
    "provider_tool_call": Kind.TOOL,
    "rag_embedding": Kind.RETRIEVAL,
}
"""mastra.span.type; every other one (workflows and their steps, chunks, processors, memory, ...) is a wrapper."""
_TYPE, _OPERATION = "mastra.span.type", "gen_ai.operation.name"
_METADATA = ("modelMetadata", "mastra.metadata.modelMetadata")


def _loop(span: RawSpan) -> Kind | None:
    """From exporter 1.3 on the operation of what calls the model is `chat`, that of the loops around it is not."""
    operation = span.attributes.get(_OPERATION)
    return Kind.WRAPPER if operation in ("agent_step", "model_generation") else None


def _model(span: RawSpan) -> AttributeValue:
    """Of a step in older versions."""
    value = parse(next((span.attributes[key] for key in _METADATA if key in span.attributes), None))
    return value.get("modelId") if isinstance(value, dict) else None


MASTRA = Dialect(
    name="mastra",
    kinds=(
        ByFunction(_loop, f"{_OPERATION} of a loop", frozenset({_TYPE})),
        ByValue(_TYPE, KINDS, otherwise=Kind.WRAPPER),
    ),
    tool_name=GENAI.tool_name,
    call_id=(*GENAI.call_id, "mastra.metadata.toolCallId"),
    arguments=("gen_ai.tool.call.arguments", "gen_ai.tool.input", "mastra.client_tool_call.input", "input"),
    result=("gen_ai.tool.call.result", "gen_ai.tool.output", "mastra.client_tool_call.output", "output"),
    output=(
        "gen_ai.output.messages",
        "mastra.model_step.output",
        "mastra.model_generation.output",
        "mastra.agent_run.output",
        "output",
    ),
    agent=("gen_ai.agent.name", "gen_ai.agent.id", "agent.id"),
    agent_in_name=re.compile(r"(?:invoke_agent |agent\.)(.+)"),
    tool_in_name=re.compile(r"(?:execute_tool |tool\.execute )(.+)"),
    model=(*GENAI.model, _model),
    session=("gen_ai.conversation.id", "session.id", "mastra.metadata.threadId", "threadId", "sessionId"),
    failed_if={**GENAI.failed_if, "gen_ai.tool.success": frozenset({"false"})},
    keys=frozenset(_METADATA),
    cannot_show="In 0.x the error that ended a run: a span `chunk: 'error'` is its only sign.",
)
