"""Spans of no convention that is known, where their names or attributes still tell: the last that is asked.

Precision comes first: a name counts as OTel's GenAI convention makes it, and an agent is only what calls itself one.
"""

from __future__ import annotations

import re

from otelscore.dialects.genai import GENAI
from otelscore.dialects.kinds import ByFunction, ByName, ByPresence
from otelscore.dialects.table import Dialect
from otelscore.model import Kind, RawSpan

_TOOL_KEYS = frozenset({"tool.name", "tool.call.id", "tool_call.id", "tool.call_id", "tool_call_id", "tool_use_id"})
_MODEL_KEYS = frozenset({"llm.model_name", "llm.model", "llm.request.model", "ai.model.id"})
_TRUE, _FALSE = frozenset({"true"}), frozenset({"false"})

_NAMES: tuple[tuple[re.Pattern[str], Kind], ...] = (
    (re.compile(r"(?:execute_tool|tools/call) .+"), Kind.TOOL),
    (re.compile(r"invoke_agent .+"), Kind.AGENT),
    (re.compile(r"chat \S*[-\d./:]\S*"), Kind.MODEL),  # `chat room` is no model
)
_STARTS = ("execute_tool ", "tools/call ", "invoke_agent ", "chat ")


def _named(span: RawSpan) -> Kind | None:
    if not span.name.startswith(_STARTS):
        return None
    return next((kind for pattern, kind in _NAMES if pattern.fullmatch(span.name)), None)


GENERAL = Dialect(
    name="general",
    kinds=(
        # CrewAI reports its usage in spans of its own, one for every call and every error: they are no calls.
        ByName((("", Kind.WRAPPER),), scopes=("crewai.telemetry",)),
        ByPresence(_TOOL_KEYS, Kind.TOOL),
        ByFunction(_named, "the name of the span"),
        ByPresence(_MODEL_KEYS, Kind.MODEL),
    ),
    tool_name=("tool.name", "tool_name"),
    call_id=("tool.call.id", "tool_call.id", "tool.call_id", "tool_call_id", "tool_use_id"),
    arguments=("tool.arguments", "tool.args", "tool.input", "tool.parameters", "input.value", "input"),
    result=("tool.result", "tool.output", "output.value", "output"),
    output=("output.value", "output"),
    agent=("agent.name",),
    model=("llm.model_name", "llm.model", "llm.request.model", "ai.model.id"),
    session=("session.id", *GENAI.session),
    agent_in_name=GENAI.agent_in_name,
    tool_in_name=re.compile(r"(?:execute_tool|tools/call) (.+)"),
    failed_if={"tool.error": _TRUE, "tool.is_error": _TRUE, "tool.success": _FALSE},
    cannot_show="Whatever its few names do not cover.",
)
