"""What a model is told of the calls that it had asked for: the end of the messages that it is given.

Where nobody traces the tools, this is all that is seen of them. The history grows with every call and most of it was
told before, so only what follows the last message of the model itself is looked at, and parsed. Where what the model
said is left out (OpenLIT), all of it is, and the ids of the calls tell what was told before.

Sources: OpenTelemetry GenAI messages with parts, the chat and response formats of OpenAI, Anthropic, Gemini, Bedrock
and the Vercel AI SDK.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

import orjson

from otelscore.dialects.content import digest, hidden, parse, type_of
from otelscore.dialects.failure import classify
from otelscore.dialects.messages import Asked, asked_in, first_word
from otelscore.dialects.soft_errors import Patterns, soft_error
from otelscore.model import Attributes, AttributeValue, Call, Failure, Result

MAX_RESULTS = 100
"""Results of one turn that are looked at."""

_OWN_MARKS = ('"assistant"', '"model"', '"function_call"')
"""What marks a message of the model, the surest first; "model" is Gemini's role, and a field of requests."""

_STARTS = ('{"role":', '{"role": ')
"""What is before the mark where a message is written as it nearly always is; inside a text its quotes were escaped."""

_RESULT_MARK = re.compile(
    r'"(?:tool(?:_call_response|[_-]result|_call_id|Result|_call_result)|function(?:_call_output|_?[rR]esponse)'
    r'|role": ?"(?:tool|function))"'
)
"""Without any of these a text holds no result."""

_OWN_ROLES = frozenset({"assistant", "model"})
_RESULT_ROLES = frozenset({"tool", "function"})
_RESULT_TYPES = frozenset({"tool_call_response", "tool_result", "tool-result", "function_call_output"})
_WRAPPERS = frozenset({"toolResult", "functionResponse", "function_response", "tool_call_result"})
"""Of Bedrock, Gemini, and Haystack."""

_FLAGS = frozenset({"is_error", "isError", "status"})
_IDS = ("tool_call_id", "tool_use_id", "toolCallId", "toolUseId", "call_id", "id")
_NAMES = ("name", "toolName")
_SAID = ("response", "result", "output", "content", "parts")
_HOLDERS = ("messages", "input", "contents", "prompt")
"""Fields of a request in which its messages are."""

_DECODER = json.JSONDecoder()


class _Told(NamedTuple):
    """A result in a message."""

    call_id: str
    name: str
    said: AttributeValue


def results(value: AttributeValue, key: bytes, extra: Patterns = ()) -> tuple[Result, ...]:
    """What the messages given to a model say of the calls that it asked for last, in their order.

    `key` is that of the hashes of arguments, `extra` the user's own patterns of soft errors. A result that was not
    captured is none.
    """
    requested: list[Asked] = []  # these two the last first
    told: list[_Told] = []
    messages = _messages(value)
    has_own = not isinstance(value, str)  # else a result without an id may be of any call before
    for message in reversed(messages):
        if _is_own(message):
            has_own = True
            if not told and message is messages[0]:
                break
            requested += reversed(asked_in(message))
        elif requested:
            break
        elif isinstance(message, dict):
            told += reversed(_told_in(message))
    if not told:
        return ()
    requested.reverse()
    told.reverse()
    told = [one for one in told if not hidden(one.said) and (has_own or one.call_id)]
    return tuple([_result(one, requested, key, extra) for one in told[-MAX_RESULTS:]])


def holds_results(value: AttributeValue) -> bool:
    """Whether a text may hold results after the model's last message."""
    return isinstance(value, str) and _last_own(value) > 0


def numbered(attributes: Attributes, prefix: str, call_id: str, content: str) -> AttributeValue:
    """The results at the end of messages that are flattened into attributes, as messages; None where there are none.

    A field of a message is `prefix`, its number and the name of the field; only results have the field `call_id`.
    """
    found: dict[int, dict[str, AttributeValue]] = {}
    for key, value in attributes.items():
        if key.startswith(prefix):
            number, _, name = key[len(prefix) :].partition(".")
            if name in (call_id, content) and number.isdecimal() and len(number) < 6:
                found.setdefault(int(number), {})[name] = value
    ends: list[AttributeValue] = []  # the last first
    for _, fields in sorted(found.items(), reverse=True):
        if call_id in fields:
            ends.append({"role": "tool", "id": fields[call_id], "content": fields.get(content)})
        elif ends:
            break
    return ends[::-1] or None


def _result(told: _Told, requested: list[Asked], key: bytes, extra: Patterns) -> Result:
    name, arguments = "", None
    for call in requested:
        if call.call_id == told.call_id if told.call_id else call.name == told.name:
            _, name, arguments = call
            break
    about = Call(told.call_id, name or told.name, digest(arguments, key))
    found = soft_error(told.said, command=arguments, extra=extra)
    if found is None:
        return Result(about)
    return Result(about, found.flag, found.rule, Failure(*classify((), (found.text,))))


def _is_own(message: AttributeValue) -> bool:
    """Whether the model said it; the Responses API of OpenAI has an item of its own for every call."""
    return isinstance(message, dict) and (_role(message) in _OWN_ROLES or type_of(message) == "function_call")


def _role(message: dict[str, AttributeValue]) -> str:
    role = message.get("role")
    return role if isinstance(role, str) else ""


def _told_in(message: dict[str, AttributeValue]) -> list[_Told]:
    parts = message.get("parts", message.get("content"))
    inner = []
    if isinstance(parts, list):
        for part in parts:
            body = _body(part) if isinstance(part, dict) else None
            if isinstance(body, dict):
                inner.append(_told(body))
    if inner or not (_role(message) in _RESULT_ROLES or type_of(message) in _RESULT_TYPES):
        return inner
    return [_told(message)]


def _body(part: dict[str, AttributeValue]) -> AttributeValue:
    """The result that a part of a message is; None where it is none."""
    if not _WRAPPERS.isdisjoint(part):
        (body, *_) = [part[name] for name in part if name in _WRAPPERS]
        return body
    return part if type_of(part) in _RESULT_TYPES else None


def _told(value: dict[str, AttributeValue]) -> _Told:
    call = value.get("origin")
    if isinstance(call, dict):  # Haystack
        failed, said = value.get("error"), value.get("result")
        value = {"id": call.get("id"), "name": call.get("tool_name"), "isError": failed, "result": said}
    said = None
    for name in _SAID:
        said = value.get(name)
        if said is not None:
            break
    if said == "":
        said = []  # nothing, but captured
    elif isinstance(said, dict) and said.keys() == {"type", "value"}:  # the Vercel AI SDK from 5 on
        failed = str(said["type"]).startswith("error")
        said = {"isError": True, "content": said["value"]} if failed else said["value"]
    elif not _FLAGS.isdisjoint(value) and not hidden(said):
        said = value
    return _Told(first_word(value, _IDS), first_word(value, _NAMES), said)


def _messages(value: AttributeValue) -> list[AttributeValue]:
    """The messages from the model's last one on, or more of them."""
    if isinstance(value, str) and value[:1] == '"':  # JSON in JSON
        value = parse(value)
    if isinstance(value, str):
        at = _last_own(value)
        if at < 0:
            return []
        start = value.rfind("{", 0, at)
        last = _array(value[start:]) if start >= 0 and value[start:at] in _STARTS else None
        value = parse(value) if last is None else last
    for _ in range(3):
        if isinstance(value, dict):
            held = [value[name] for name in (*_HOLDERS, "args") if name in value]
            value = parse(held[0]) if held else None
        elif isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
            value = value[0]
    return value if isinstance(value, list) else []


def _last_own(text: str) -> int:
    """Where the model's last message is marked as its own, or 0, if a result may follow it; else -1."""
    for mark in _OWN_MARKS:
        at = text.rfind(mark)
        if at >= 0:
            return at if _RESULT_MARK.search(text, at) else -1
    return 0 if _RESULT_MARK.search(text) else -1


def _array(text: str) -> list[AttributeValue] | None:
    """The rest of an array from one of its objects on, whatever comes behind it."""
    try:
        found = orjson.loads(f"[{text}")
    except orjson.JSONDecodeError:
        try:
            found, _ = _DECODER.raw_decode(f"[{text}")
        except (ValueError, RecursionError):
            return None
    return found if isinstance(found, list) else None
