"""The Claude SDKs and the Claude API: `anthropic.*` spans, which follow OTel's GenAI convention but for a few habits.

Sources: platform.claude.com/docs/en/api/opentelemetry/spans; anthropic (PyPI) 2.12, anthropic/_tracing.py and
anthropic/lib/_tracing. A tool without a status was cancelled. Requests that call no model may still name one.
"""

from __future__ import annotations

from dataclasses import replace

from otelscore.dialects.genai import GENAI, OPERATIONS
from otelscore.dialects.kinds import ByName, ByValue
from otelscore.model import UNSET, AttributeValue, Kind, RawSpan

_SCOPES = ("com.anthropic.sdk", "com.anthropic.claude-platform")


def _unset(span: RawSpan) -> AttributeValue:
    return True if span.status == UNSET and span.name.startswith(_TOOLS) else None


_TOOLS = ("anthropic.tool_use", "anthropic.mcp_tool_use", "anthropic.custom_tool_use")

ANTHROPIC = replace(
    GENAI,
    name="anthropic",
    kinds=(
        ByValue("gen_ai.operation.name", OPERATIONS, otherwise=Kind.WRAPPER, scopes=_SCOPES),
        ByName((("anthropic.", Kind.WRAPPER),), scopes=_SCOPES),
    ),
    result=("gen_ai.tool.call.result", "anthropic.tool_result.content"),
    session=("gen_ai.conversation.id", "anthropic.session.id"),
    skipped_if=(_unset,),
    cannot_show="Arguments, results and messages where content is not captured.",
)
