"""What a model or an agent said last, in the message formats that instrumentations capture.

Sources: OpenTelemetry GenAI messages with parts, the chat and response formats of OpenAI, Anthropic and Gemini,
Bedrock content blocks, LangChain generations, CrewAI task outputs.
"""

from __future__ import annotations

from dataclasses import dataclass

from otelscore.dialects.content import MAX_DEPTH, digest, hidden, parse, type_of, word
from otelscore.model import AttributeValue, Call

_CALL_TYPES = frozenset({"tool_call", "tool_use", "tool-call", "function_call"})
_CALL_WRAPPERS = frozenset({"function", "toolUse", "functionCall", "function_call"})  # OpenAI, Bedrock, Gemini
_CALL_IDS = ("id", "toolUseId", "toolCallId", "tool_call_id")
_CALL_NAMES = ("name", "toolName")
_CALL_ARGUMENTS = ("arguments", "input", "args")
_UNSAID = frozenset(
    {"tool_call_response", "tool_result", "function_call_output", "reasoning", "thinking", "redacted_thinking"}
)
"""Parts of a message that are no answer."""

_MESSAGE_FIELDS = frozenset({"role", "message", "kwargs"})
_LANGCHAIN_ROLES = frozenset({"human", "ai", "system", "tool"})

_INSIDE = frozenset(
    {"messages", "choices", "candidates", "generations", "kwargs", "message", "parts"}
    | {"output", "raw", "content", "text", "tool_calls"}
)
"""Fields in which the words and calls of a message are."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a model or an agent said last."""

    text: str | None  # lives only while the span is read; None: not captured
    calls: tuple[Call, ...] = ()


def said(value: AttributeValue, key: bytes) -> Said:
    """The text and the calls asked for in the last message of a captured output; plain text is itself.

    `key` is that of the hashes of arguments.
    """
    if hidden(value):
        return Said(None)
    texts: list[str] = []
    calls: list[Call] = []
    _walk(parse(value), texts, calls, key, MAX_DEPTH)
    if not texts and not calls and isinstance(value, str):
        texts.append(value)  # a structured answer of the agent's own shape
    return Said("\n".join(texts), tuple(calls))


def _walk(value: AttributeValue, texts: list[str], calls: list[Call], key: bytes, levels: int) -> None:
    if isinstance(value, str):
        texts.append(value)
    elif levels == 0:
        return
    elif isinstance(value, list):
        last = next((item for item in reversed(value) if _is_message(item)), None)
        for item in value:
            if item is last or not _is_message(item):
                _walk(item, texts, calls, key, levels - 1)
    elif isinstance(value, dict):
        call = _call(value, key)
        if call is not None:
            calls.append(call)
        elif type_of(value) not in _UNSAID and "toolResult" not in value:
            for name, inner in value.items():
                if inner and name in _INSIDE:
                    _walk(inner, texts, calls, key, levels - 1)


def _is_message(value: AttributeValue) -> bool:
    return isinstance(value, dict) and (not _MESSAGE_FIELDS.isdisjoint(value) or type_of(value) in _LANGCHAIN_ROLES)


def _call(value: dict[str, AttributeValue], key: bytes) -> Call | None:
    """The call that a part of a message is, or None."""
    body: AttributeValue = value
    if not _CALL_WRAPPERS.isdisjoint(value):
        body = next(value[name] for name in value if name in _CALL_WRAPPERS)
    elif type_of(value) not in _CALL_TYPES:
        return None
    if not isinstance(body, dict):
        return None
    # The Responses API of OpenAI gives a call an id of its own beside the one that its result refers to.
    ids = (value.get("call_id"), *(body.get(name) for name in _CALL_IDS), value.get("id"))
    return Call(
        next(filter(None, map(word, ids)), ""),
        next(filter(None, (word(body.get(name)) for name in _CALL_NAMES)), ""),
        digest(next((body[name] for name in _CALL_ARGUMENTS if name in body), None), key),
    )
