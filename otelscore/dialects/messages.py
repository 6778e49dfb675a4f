"""What a model or an agent said last, in the message formats that instrumentations capture.

Sources: OpenTelemetry GenAI messages with parts, the chat and response formats of OpenAI, Anthropic and Gemini,
Bedrock content blocks, LangChain generations, CrewAI task outputs.
"""

from __future__ import annotations

from typing import NamedTuple

from otelscore.dialects.content import MAX_DEPTH, digest, hidden, parse, type_of, word
from otelscore.model import AttributeValue, Call

_CALL_TYPES = frozenset({"tool_call", "tool_use", "tool-call", "function_call"})
_CALL_WRAPPERS = frozenset({"function", "toolUse", "functionCall", "function_call", "tool_call"})
"""OpenAI, Bedrock, Gemini, and Haystack."""

_CALL_FIELDS = frozenset({"toolCallId", "toolName"})  # of the Vercel AI SDK, which leaves the type out
_TELLING = _CALL_WRAPPERS | _CALL_FIELDS | {"type", "toolResult"}
"""Without any of these an object is neither a call nor a result."""

_CALL_IDS = ("id", "toolUseId", "toolCallId", "tool_call_id")
_CALL_NAMES = ("name", "toolName", "tool_name")
_CALL_ARGUMENTS = ("arguments", "input", "args")
_UNSAID = frozenset(
    {
        "tool_call_response",
        "tool_result",
        "tool-result",
        "function_call_output",
        "reasoning",
        "thinking",
        "redacted_thinking",
    }
)
"""Parts of a message that are no answer."""

_MESSAGE_FIELDS = frozenset({"role", "message", "kwargs"})
_LANGCHAIN_ROLES = frozenset({"human", "ai", "system", "tool"})

_INSIDE = frozenset(
    {"messages", "choices", "candidates", "generations", "replies", "kwargs", "message", "parts"}
    | {"output", "raw", "content", "text", "tool_calls", "toolCalls"}
)
"""Fields in which the words and calls of a message are."""


MAX_CALLS = 256
"""Calls asked for in one answer that are kept: they are held as long as their span is."""


class Said(NamedTuple):
    """What a model or an agent said last."""

    text: str | None  # lives only while the span is read; None: not captured
    calls: tuple[Call, ...] = ()


class Asked(NamedTuple):
    """A call that a model asks for in a message."""

    call_id: str
    name: str
    arguments: AttributeValue


def asked_in(message: AttributeValue) -> list[Asked]:
    """The calls that a message of a model asks for, in its order."""
    calls: list[Asked] = []
    _walk(message, [], calls, MAX_DEPTH)
    return calls


def said(value: AttributeValue, key: bytes) -> Said:
    """The text and the calls asked for in the last message of a captured output; plain text is itself.

    `key` is that of the hashes of arguments.
    """
    if hidden(value):
        return Said(None)
    texts: list[str] = []
    calls: list[Asked] = []
    parsed = parse(value)
    _walk(parsed, texts, calls, MAX_DEPTH)
    if not texts and not calls:
        if any(map(_is_message, parsed if isinstance(parsed, list) else (parsed,))):
            return Said(None)  # its words were left out
        if isinstance(value, str):
            texts.append(value)  # a structured answer of the agent's own shape
    if not calls:
        return Said("\n".join(texts))
    kept = calls[:MAX_CALLS]
    return Said("\n".join(texts), tuple(Call(call.call_id, call.name, digest(call.arguments, key)) for call in kept))


def _walk(value: AttributeValue, texts: list[str], calls: list[Asked], levels: int) -> None:
    if isinstance(value, str):
        if not hidden(value):
            texts.append(value)
    elif levels == 0:
        return
    elif isinstance(value, list):
        if len(value) == 1:
            _walk(value[0], texts, calls, levels - 1)
            return
        last = max([at for at, item in enumerate(value) if _is_message(item)], default=-1)
        for at, item in enumerate(value):
            if at == last or not _is_message(item):
                _walk(item, texts, calls, levels - 1)
    elif isinstance(value, dict):
        plain = value.get("content")
        if isinstance(plain, str) and value.get("type") == "text":  # as nearly all are
            _walk(plain, texts, calls, levels)
            return
        if not _TELLING.isdisjoint(value):
            call = _call(value)
            if call is not None:
                calls.append(call)
                return
            if type_of(value) in _UNSAID or "toolResult" in value:
                return
        for name, inner in value.items():
            if inner and name in _INSIDE:
                _walk(inner, texts, calls, levels - 1)


def _is_message(value: AttributeValue) -> bool:
    return isinstance(value, dict) and (not _MESSAGE_FIELDS.isdisjoint(value) or type_of(value) in _LANGCHAIN_ROLES)


def _call(value: dict[str, AttributeValue]) -> Asked | None:
    """The call that a part of a message is, or None."""
    body: AttributeValue = value
    if not _CALL_WRAPPERS.isdisjoint(value):
        (body, *_) = [value[name] for name in value if name in _CALL_WRAPPERS]
    elif type_of(value) not in _CALL_TYPES and ("type" in value or not value.keys() >= _CALL_FIELDS):
        return None
    if not isinstance(body, dict):
        return None
    # The Responses API of OpenAI gives a call an id of its own beside the one that its result refers to.
    call_id = first_word(value, ("call_id",)) or first_word(body, _CALL_IDS) or first_word(value, ("id",))
    given = [body[name] for name in _CALL_ARGUMENTS if name in body]
    return Asked(call_id, first_word(body, _CALL_NAMES), given[0] if given else None)


def first_word(value: dict[str, AttributeValue], fields: tuple[str, ...]) -> str:
    """The first of the fields that says something; "" where none does."""
    for name in fields:
        if name in value:
            said = word(value[name])
            if said:
                return said
    return ""
