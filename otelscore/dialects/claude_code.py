"""Claude Code and the Claude Agent SDK: `claude_code.*` spans (beta).

Sources: code.claude.com/docs/en/monitoring-usage, accounts of what 2.1.28x sends, and what 2.1.330 does. Whether a call
failed, or the user denied it, says only the span of a part of it: of carrying it out, or of asking. Its events, which
come as log records, tell the same again, but for what was answered (logs.py); alone they are no trace and make no run.
"""

from __future__ import annotations

import re

from otelscore.dialects import content
from otelscore.dialects.kinds import ByName
from otelscore.dialects.table import Dialect, EventField, Found, first
from otelscore.model import AttributeValue, Kind, RawSpan, Role

_NAMES: tuple[tuple[str, Kind], ...] = (
    ("claude_code.interaction", Kind.AGENT),
    ("claude_code.llm_request", Kind.MODEL),
    ("claude_code.tool", Kind.TOOL),  # also its parts: `.blocked_on_user` and `.execution`
    ("claude_code.", Kind.WRAPPER),
)


def _denied(span: RawSpan) -> AttributeValue:
    return True if span.attributes.get("decision") == "reject" else None


def _answer_of_server(span: RawSpan) -> AttributeValue:
    """Of the CLI's own tools `success` says all: what they give back may be any text, as of a file."""
    if not content.word(span.attributes.get("tool_name")).startswith("mcp__"):
        return None
    return first(span, (EventField("tool.output", "output"),))


CLAUDE_CODE = Dialect(
    name="claude_code",
    kinds=(ByName(_NAMES, keys=frozenset({"span.type"}), scopes=("com.anthropic.claude_code",)),),
    tool_name=("tool_name",),
    call_id=("gen_ai.tool.call.id", "tool_use_id"),
    arguments=("tool_input", "full_command"),  # a file alone does not tell two edits apart
    result=(Found(_answer_of_server, events=True),),
    output=("response.model_output",),
    agent=("agent.name",),
    model=("gen_ai.request.model", "model"),
    session=("session.id",),
    agent_in_name=re.compile(r"(claude_code)\.interaction"),
    tool_in_name=re.compile(r"claude_code\.tool\.\w+()"),
    failed_if={"success": frozenset({"false"})},
    error=("error",),
    skipped_if=(_denied,),
    roles={"tool_name": {"Task": Role.DELEGATION, "Agent": Role.DELEGATION}},
    keys=frozenset({"decision", "output"}),
    cannot_show="What its own tools gave back: a flag alone says whether a call failed. Answers, without its events.",
)
