"""Pydantic AI: scope `pydantic-ai`, instrumentation versions 1 to 6, and what 0.0.x wrote through Logfire.

Sources: pydantic/pydantic-ai, pydantic_ai_slim/pydantic_ai/_instrumentation.py, capabilities/instrumentation.py and
models/instrumented.py; before 2025-10 agent.py, tools.py and _tool_manager.py.
"""

from __future__ import annotations

import re

from otelscore.dialects import content
from otelscore.dialects.genai import GENAI, OPERATIONS
from otelscore.dialects.kinds import ByFunction, ByName, ByValue
from otelscore.dialects.table import Dialect
from otelscore.model import AttributeValue, Kind, RawSpan

SCOPE = "pydantic-ai"

NAMES: tuple[tuple[str, Kind], ...] = (
    ("running tools", Kind.WRAPPER),
    ("running output function", Kind.WRAPPER),
    ("running tool", Kind.TOOL),
    ("execute_tool ", Kind.TOOL),
    ("invoke_agent ", Kind.AGENT),
    ("agent run", Kind.AGENT),
    ("{agent_name} run", Kind.AGENT),
    ("chat ", Kind.MODEL),
    ("model request", Kind.MODEL),
)
"""Span names, for versions that leave the operation out."""


_CHOICE = "gen_ai.choice"


def _output_function(span: RawSpan) -> Kind | None:
    """A function that makes the run's result of the model's answer: no tool, though it looks like one."""
    message = span.attributes.get("logfire.msg")
    if not span.origin.scope.startswith(SCOPE) or not isinstance(message, str):
        return None
    return Kind.WRAPPER if message.startswith("running output function") else None


def events(span: RawSpan) -> list[dict[str, AttributeValue]]:
    """The attribute of version 1 that holds the GenAI events up to 1.36, each as one object."""
    value = content.parse(span.attributes.get("events"))
    return [event for event in value if isinstance(event, dict)] if isinstance(value, list) else []


def prompts(span: RawSpan) -> AttributeValue:
    """The messages that the model was given, where there are results of calls among them."""
    value = span.attributes.get("events")
    return [*events(span)] if isinstance(value, str) and '"gen_ai.tool.message"' in value else None


def choices(span: RawSpan) -> AttributeValue:
    """What the model answered, as one message."""
    texts: list[AttributeValue] = []
    calls: list[AttributeValue] = []
    for event in events(span):
        message = event.get("message", event)
        if event.get("event.name") == _CHOICE and isinstance(message, dict):
            asked = message.get("tool_calls")
            calls += asked if isinstance(asked, list) else []
            texts.append(message.get("content"))
    return {"role": "assistant", "content": texts, "tool_calls": calls} if texts else None


PYDANTIC_AI = Dialect(
    name="pydantic_ai",
    kinds=(
        ByFunction(_output_function, "the message `running output function`", frozenset({"logfire.msg"})),
        ByValue("gen_ai.operation.name", OPERATIONS, otherwise=Kind.WRAPPER, scopes=(SCOPE,)),
        ByName(NAMES, scopes=(SCOPE,)),
    ),
    tool_name=GENAI.tool_name,
    tool_in_name=re.compile(r"(?:execute_tool |running tool: )(.+)"),
    call_id=GENAI.call_id,
    arguments=("gen_ai.tool.call.arguments", "tool_arguments"),
    result=("gen_ai.tool.call.result", "tool_response"),
    input=(*GENAI.input, prompts),
    output=("gen_ai.output.messages", choices, "final_result"),
    agent=("gen_ai.agent.name", "agent_name"),
    agent_in_name=re.compile(r"invoke_agent (.+)"),
    model=GENAI.model,
    session=GENAI.session,
    failed_if=GENAI.failed_if,
    skipped_if=("pydantic_ai.tool.deferral.name",),
    keys=frozenset({"events"}),
    cannot_show="Arguments, results and answers where content is not included: a retry and a revision then look alike.",
)
