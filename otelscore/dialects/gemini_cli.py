"""Gemini CLI: GenAI attributes, but operations of its own and its messages in place of arguments and results.

Source: google-gemini/gemini-cli, packages/core/src/telemetry/{trace,constants}.ts and where they are used. Every prompt
and every round of tool calls is a trace of its own, so a run is seen in pieces; sub-agents bear the name of the CLI.
"""

from __future__ import annotations

from otelscore.dialects import content
from otelscore.dialects.kinds import ByValue
from otelscore.dialects.table import Dialect
from otelscore.model import AttributeValue, Kind, RawSpan

_OPERATIONS: dict[str, Kind] = {
    "tool_call": Kind.TOOL,
    "llm_call": Kind.MODEL,
    "agent_call": Kind.AGENT,
    "user_prompt": Kind.WRAPPER,
    "system_prompt": Kind.WRAPPER,
    "schedule_tool_calls": Kind.WRAPPER,
}
_OUTPUT = "gen_ai.output.messages"


def _arguments(span: RawSpan) -> AttributeValue:
    request = content.parse(span.attributes.get("gen_ai.input.messages"))
    return request.get("args") if isinstance(request, dict) else None


def _result(span: RawSpan) -> AttributeValue:
    """How the call ended; what it gave lies deep inside, under the request."""
    call = content.parse(span.attributes.get(_OUTPUT))
    response = call.get("response") if isinstance(call, dict) else None
    if not isinstance(call, dict) or not isinstance(response, dict):
        return span.attributes.get(_OUTPUT)  # cut, so that it is no JSON any more
    kind = str(response.get("errorType") or "").replace("_", " ")
    return {"status": call.get("status"), "reason": kind, "message": response.get("resultDisplay")}


def _cancelled(span: RawSpan) -> AttributeValue:
    output = span.attributes.get(_OUTPUT)
    return True if isinstance(output, str) and output.startswith('{"status":"cancelled"') else None


GEMINI_CLI = Dialect(
    name="gemini_cli",
    kinds=(ByValue("gen_ai.operation.name", _OPERATIONS),),
    tool_name=("gen_ai.tool.name",),
    call_id=("gen_ai.tool.call_id",),
    arguments=(_arguments,),
    result=(_result,),
    output=(_OUTPUT,),
    agent=("gen_ai.agent.name",),
    model=("gen_ai.response.model", "gen_ai.request.model"),
    session=("gen_ai.conversation.id",),
    skipped_if=(_cancelled,),
    keys=frozenset({"gen_ai.input.messages"}),
    cannot_show=(
        "A run as a whole: every prompt and every round of tool calls is a trace of its own. Names of sub-agents."
    ),
)
