"""AgentOps: `agentops.span.kind`.

Source: AgentOps-AI/agentops, agentops/semconv and agentops/instrumentation, 0.4. What a client library was asked and
answered is in the flattened attributes that OpenLLMetry had.
"""

from __future__ import annotations

import re
from dataclasses import replace

from otelscore.dialects.genai import GENAI
from otelscore.dialects.kinds import ByName, ByValue
from otelscore.model import Kind

_NAMES = {
    "agent": Kind.AGENT,
    "llm": Kind.MODEL,
    "tool": Kind.TOOL,
    "chain": Kind.WRAPPER,
    "guardrail": Kind.WRAPPER,
    "operation": Kind.WRAPPER,
    "session": Kind.WRAPPER,
    "task": Kind.WRAPPER,
    "workflow": Kind.WRAPPER,
}
KINDS = {prefix + name: kind for name, kind in _NAMES.items() for prefix in ("", "agentopsspankindvalues.")}
"""agentops.span.kind; some wrappers write the name of the enumeration before it. Of every other the name may tell."""

AGENTOPS = replace(
    GENAI,
    name="agentops",
    kinds=(
        # A span for every call that a model asks for, as long as its answer was read: nobody has made it yet.
        ByName((("tool_call.", Kind.WRAPPER),), scopes=("agentops.instrumentation.providers",)),
        ByValue("agentops.span.kind", KINDS),
    ),
    tool_name=("tool.name", "operation.name"),
    tool_in_name=re.compile(r"(.+?)(?:\.tool)?"),
    call_id=("tool.call.id", *GENAI.call_id),
    arguments=("tool.parameters", "agentops.entity.input"),
    result=("tool.result", "agentops.entity.output"),
    agent=("agent.name", *GENAI.agent),
    agent_in_name=re.compile(r"(.+?)(?:\.agent)?"),
    failed_if={**GENAI.failed_if, "tool.status": frozenset({"failed", "error"})},
    cannot_show="What models said under OpenAI Agents with the chat API; a model call that failed there.",
)
