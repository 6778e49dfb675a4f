"""LlamaIndex's own OpenTelemetry integration: spans named `Class.method`; what models say comes as events.

Sources: run-llama/llama_index, llama-index-observability-otel 0.1 to 0.7 and llama-index-instrumentation. Older names
end in an id, and show nothing but the class of the tool that is called, so other tools of that class look like the same
one. With `genai_enabled` the same calls come as GenAI spans, too.
"""

from __future__ import annotations

import re

from otelscore.dialects import content
from otelscore.dialects.kinds import ByFunction
from otelscore.dialects.table import Dialect, EventField, first
from otelscore.model import AttributeValue, Kind, RawSpan

_ID = r"(?:-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})?"
_METHODS: tuple[tuple[re.Pattern[str], Kind], ...] = tuple(
    (re.compile(names + _ID), kind)
    for names, kind in (
        (r"\w*Agent(?:Workflow)?\.(?:run|a?(?:stream_)?chat)", Kind.AGENT),
        (r"\w*Tool\.(?:a?call|__call__)", Kind.TOOL),
        (r"\w*Retriever\.a?retrieve", Kind.RETRIEVAL),
    )
)
_MODEL_EVENTS = frozenset({"LLMChatStartEvent", "LLMChatEndEvent", "LLMCompletionStartEvent", "LLMCompletionEndEvent"})

_INPUT = "llamaindex.step.input_summary"
_CALL = re.compile(r"ToolCall\(tool_name='([^']+)'(?:, tool_kwargs=(\{.*\}), tool_id='([^']*)'\))?", re.DOTALL)
_AGENT = re.compile(r"\bcurrent_agent_name='([^']+)'")
_OWN = '{"role": "assistant"'


def _method(span: RawSpan) -> Kind:
    for names, kind in _METHODS:
        if names.fullmatch(span.name):
            return kind
    return Kind.MODEL if any(event.name in _MODEL_EVENTS for event in span.events) else Kind.WRAPPER


def _called(span: RawSpan, group: int) -> AttributeValue:
    """Of the call that the workflow's step was given, as Python writes it: its name, arguments or id."""
    given = span.attributes.get(_INPUT)
    found = _CALL.match(given) if isinstance(given, str) else None
    return found[group] if found else None


def _agent(span: RawSpan) -> AttributeValue:
    given = span.attributes.get(_INPUT)
    found = _AGENT.search(given) if isinstance(given, str) else None
    return found[1] if found else None


def _said(span: RawSpan) -> AttributeValue:
    """The message of a model, put together again."""
    blocks = content.parse(first(span, (EventField("LLMChatEndEvent", "response.message.blocks"),)))
    calls = first(span, (EventField("LLMChatEndEvent", "response.message.additional_kwargs.tool_calls"),))
    if blocks is None and calls is None:
        return None
    parts = [_part(block) for block in blocks] if isinstance(blocks, list) else []
    return [{"role": "assistant", "content": parts, "tool_calls": content.parse(calls)}]


def _part(block: AttributeValue) -> AttributeValue:
    if not isinstance(block, dict):
        return block
    if block.get("block_type") != "tool_call":
        return {"type": block.get("block_type"), "text": block.get("text")}
    call = {"id": block.get("tool_call_id"), "name": block.get("tool_name"), "arguments": block.get("tool_kwargs")}
    return {"type": "tool_call", **call}


def _told(span: RawSpan) -> AttributeValue:
    """The messages from the model's last one on, if they hold results."""
    given = first(span, (EventField("LLMChatStartEvent", "messages"),))
    start = given.rfind(_OWN) if isinstance(given, str) else -1
    if not isinstance(given, str) or start < 0 or given.find('"tool_call_id"', start) < 0:
        return None
    messages = content.parse(f"[{given[start:]}")
    return [_message(message) for message in messages] if isinstance(messages, list) else None


def _message(message: AttributeValue) -> AttributeValue:
    if not isinstance(message, dict):
        return None
    more, blocks = message.get("additional_kwargs"), message.get("blocks")
    fields = more if isinstance(more, dict) else {}
    parts: list[AttributeValue] = [_part(block) for block in blocks] if isinstance(blocks, list) else []
    return {**fields, "role": message.get("role"), "content": parts}


LLAMA_INDEX = Dialect(
    name="llama_index",
    kinds=(ByFunction(_method, "the name of the span, or an event of a model", scopes=("llamaindex.opentelemetry",)),),
    tool_name=(lambda span: _called(span, 1),),
    call_id=(lambda span: _called(span, 3),),
    arguments=(lambda span: _called(span, 2),),
    result=(),
    input=(_told,),
    output=(_said, EventField("LLMChatEndEvent", "response"), EventField("LLMCompletionEndEvent", "response.text")),
    agent=(_agent,),
    model=(
        EventField("LLMChatStartEvent", "model_dict.model"),
        EventField("LLMChatStartEvent", "model_dict.model_name"),
    ),
    session=("session.id",),
    tool_in_name=re.compile(r"(\w+)\.\w+" + _ID),
    keys=frozenset({_INPUT, "messages", "response.message.blocks", "response.message.additional_kwargs.tool_calls"}),
    cannot_show="Ids of calls; in older versions the name of a tool, only its class.",
)
