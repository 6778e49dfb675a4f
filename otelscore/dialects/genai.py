"""OpenTelemetry GenAI semantic conventions: names up to 1.36, 1.37 to 1.41, and the current ones.

Sources: open-telemetry/semantic-conventions v1.41.1 docs/gen-ai and open-telemetry/semantic-conventions-genai. Most
emitters still write 1.36 or older, so old and new names are always both read.
"""

from __future__ import annotations

import re

from otelscore.dialects import content, flattened
from otelscore.dialects.kinds import ByName, ByPresence, ByValue
from otelscore.dialects.table import Dialect, EventField, Found
from otelscore.model import AttributeValue, Kind, RawSpan, Role

OPERATIONS: dict[str, Kind] = {
    "chat": Kind.MODEL,
    "generate_content": Kind.MODEL,
    "text_completion": Kind.MODEL,
    "text_completions": Kind.MODEL,  # Semantic Kernel in Python
    "chat.completions": Kind.MODEL,  # and these four until 2025
    "text.completions": Kind.MODEL,
    "chat.streaming_completions": Kind.MODEL,
    "text.streaming_completions": Kind.MODEL,
    "completion": Kind.MODEL,  # LlamaIndex
    "embeddings": Kind.RETRIEVAL,
    "rerank": Kind.RETRIEVAL,
    "retrieval": Kind.RETRIEVAL,
    "search_memory": Kind.RETRIEVAL,
    "execute_tool": Kind.TOOL,
    "handoff": Kind.TOOL,
    "agent_handoff": Kind.TOOL,
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
)
"""Span names of the convention, for emitters that leave the operation out."""

_MODEL_KEYS = ("gen_ai.request.model", "gen_ai.response.model")
_SPEAKER_KEYS = ("gen_ai.system", "gen_ai.provider.name", "gen_ai.agent.name", "gen_ai.workflow.name")
_ID = r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}"  # Agent Framework for .NET writes it behind a name, or alone
_NO_REASON_SCOPES = tuple(
    f"opentelemetry.{name}"
    for name in ("instrumentation.genai.", "instrumentation.openai_v2", "instrumentation.langchain", "util.genai")
)
"""OpenTelemetry's own instrumentations give the reason "error" where none is given; their errors have types."""

_DETAILS = "gen_ai.client.inference.operation.details"
_OLD_PROMPT, _OLD_COMPLETION = "gen_ai.prompt.", "gen_ai.completion."
_PARAMETER, _COUNT = "code.function.parameters.", "code.args.keyword.count"


def _function_arguments(span: RawSpan) -> AttributeValue:
    """The Google GenAI SDK calls Python functions itself: each parameter is an attribute."""
    if _COUNT not in span.attributes:
        return None
    found = {
        key.removeprefix(_PARAMETER).removesuffix(".value"): value
        for key, value in span.attributes.items()
        if key.startswith(_PARAMETER) and key.endswith(".value")
    }
    return found or None


def _old_completion(span: RawSpan) -> AttributeValue:
    return flattened.answer(span.attributes, _OLD_COMPLETION)


def _old_prompt(span: RawSpan) -> AttributeValue:
    return flattened.told(span.attributes, _OLD_PROMPT)


def _told_in_events(span: RawSpan) -> AttributeValue:
    """The events up to 1.36 that tell a model the results of the calls it asked for last."""
    told: list[AttributeValue] = []
    for event in reversed(span.events):
        if event.name == "gen_ai.tool.message":
            message = content.parse(event.attributes.get("gen_ai.event.content")) or event.attributes  # Azure, others
            said = content.parse(message.get("content")) if isinstance(message, dict) else None
            told.insert(0, {**message, "role": "tool", "content": said} if isinstance(message, dict) else None)
        elif told and event.name == "gen_ai.assistant.message":
            break
    return told or None


GENAI = Dialect(
    name="genai",
    kinds=(
        ByValue("gen_ai.operation.name", OPERATIONS, otherwise=Kind.WRAPPER),
        ByPresence(frozenset({"gen_ai.tool.name", "gen_ai.tool.call.id"}), Kind.TOOL),
        ByName(NAME_PREFIXES, keys=frozenset({*_MODEL_KEYS, *_SPEAKER_KEYS})),
        ByPresence(frozenset(_MODEL_KEYS), Kind.MODEL),
    ),
    tool_name=("gen_ai.tool.name",),
    call_id=("gen_ai.tool.call.id",),
    arguments=(
        "gen_ai.tool.call.arguments",
        EventField("gen_ai.tool.message", "content"),
        Found(_function_arguments, frozenset({_COUNT})),
    ),
    result=(
        "gen_ai.tool.call.result",
        "code.function.return.value",
        EventField("gen_ai.choice", "message"),
        EventField(_DETAILS, "gen_ai.output.messages"),  # Strands, where it writes the current conventions
    ),
    input=(
        "gen_ai.input.messages",
        EventField(_DETAILS, "gen_ai.input.messages"),
        Found(_told_in_events, events=True),
        Found(_old_prompt, prefixes=(_OLD_PROMPT,)),
    ),
    output=(
        "gen_ai.output.messages",
        EventField("gen_ai.choice", "message"),
        EventField("gen_ai.choice", "content"),
        EventField("gen_ai.choice", "gen_ai.event.content"),
        EventField(_DETAILS, "gen_ai.output.messages"),
        EventField("gen_ai.content.completion", "gen_ai.completion"),
        "gen_ai.completion",
        Found(_old_completion, prefixes=(_OLD_COMPLETION,)),
    ),
    agent=("gen_ai.agent.name",),
    model=_MODEL_KEYS,
    session=("gen_ai.conversation.id", "session.id"),
    retrieval_name=("gen_ai.data_source.id",),
    agent_in_name=re.compile(rf"invoke_agent (?!{_ID}$)(.+?)(?:\({_ID}\))?"),
    tool_in_name=re.compile(r"execute_tool (.+)"),
    failed_if={
        "gen_ai.tool.status": frozenset({"error", "failed"}),
        "gen_ai.response.finish_reasons": frozenset({"error", "['error']", '["error"]'}),
    },
    failed_not_in=_NO_REASON_SCOPES,
    offered=("gen_ai.tool.definitions",),
    roles={"gen_ai.transfer.mode": {"pass_control": Role.HANDOFF, "return_to_caller": Role.DELEGATION}},
    prefixes=(_OLD_COMPLETION,),
    families=((_PARAMETER, ".value"), *((_OLD_PROMPT, f".{name}") for name in flattened.TOLD)),
    keys=frozenset({_COUNT, "content", "id", "gen_ai.event.content"}),
    cannot_show=(
        "Arguments, results and messages where the sender does not capture content, as is the default of "
        "most: then soft errors are not seen, and a retry and a revision look alike."
    ),
)
