"""LiveKit Agents: `lk.*` attributes, GenAI ones on its model requests.

Source: livekit/agents, livekit-agents/livekit/agents/telemetry/trace_types.py and where it is used; until 2026 content
was without the `pii` in its keys. The answer to tool calls is a turn of its own, so only the whole session is a run.
"""

from __future__ import annotations

from otelscore.dialects.kinds import ByName
from otelscore.dialects.table import Dialect
from otelscore.model import Kind

_NAMES: tuple[tuple[str, Kind], ...] = (
    ("function_tool", Kind.TOOL),
    ("llm_request_run", Kind.WRAPPER),  # an attempt
    ("llm_request", Kind.MODEL),
    ("llm_node", Kind.MODEL),  # around the request
    ("agent_turn", Kind.WRAPPER),
    ("agent_session", Kind.AGENT),
    ("job_entrypoint", Kind.WRAPPER),
)

LIVEKIT = Dialect(
    name="livekit",
    kinds=(ByName(_NAMES, scopes=("livekit-agents",)),),
    tool_name=("lk.function_tool.name",),
    call_id=("lk.function_tool.id",),
    arguments=("lk.pii.function_tool.arguments", "lk.function_tool.arguments"),
    result=("lk.pii.function_tool.output", "lk.function_tool.output"),
    output=("lk.pii.response.text", "lk.response.text"),
    agent=("lk.agent_label", "lk.agent_name"),
    model=("gen_ai.request.model",),
    session=("lk.job_id",),
    failed_if={"lk.function_tool.is_error": frozenset({"true"})},
    cannot_show="One exchange as a run: the answer to tool calls is a turn of its own.",
)
