"""Content reduced to facts: what a result, an argument list or an answer says, without keeping a word of it.

Everything here takes attribute values as they came (text, JSON text, lists, dicts) and gives hashes, rule names and
truth values. It never raises on any value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice

import orjson

from otelscore.dialects.patterns import (
    ACKNOWLEDGEMENT,
    ERROR_WORDS,
    EXIT_STATUS,
    KILLED,
    NOTHING_FOUND_COMMANDS,
    SOFT_ERROR_TEXTS,
    TRUNCATED_ERROR,
)
from otelscore.model import AttributeValue, Call

Json = AttributeValue

REDACTED = frozenset({"", "__REDACTED__", "<REDACTED>", "[REDACTED]", "REDACTED", "<not specified>"})
"""What instrumentations write in place of a value that they hide or do not have."""

MAX_DEPTH = 6
MAX_TEXT = 20_000  # characters of one text that are searched
_EDGE = 400  # characters of a text's first and last line in which an exit status is looked for
_STATUS_KEYS = ("status", "code", "status_code", "statusCode", "http_status")
_EXIT_KEYS = ("exit_code", "exitcode", "exitCode", "returncode", "return_code", "returnCode")
_SINGLE_WRAPPERS = frozenset(
    {"output", "result", "response", "content", "text", "return_value", "value", "structuredContent"}
)


@dataclass(frozen=True, slots=True)
class SoftError:
    """A result that says that the call failed."""

    rule: str
    flag: bool = (
        False  # an explicit mark of a protocol (MCP isError, a tool message's status), not a guess from content
    )
    text: str = ""  # what to classify the error by; lives only while the span is read


def parse(value: AttributeValue) -> Json:
    """The value that JSON text stands for, unquoted up to twice; any other value as it is."""
    for _ in range(2):
        if not isinstance(value, str):
            return value
        text = value.strip()
        if text[:1] not in ("{", "[", '"'):
            return value
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError:
            return value
    return value


def digest(value: AttributeValue, key: bytes) -> bytes | None:
    """Keyed hash (8 bytes) of arguments as the model gave them; None where they were not captured.

    Equal JSON gives equal hashes whatever its spacing and order of keys.
    """
    if value is None or (isinstance(value, str) and value.strip() in REDACTED):
        return None
    value = parse(value)
    if isinstance(value, dict) and value.keys() == {"args", "kwargs"}:
        value = value["kwargs"] if not value["args"] else [value["args"], value["kwargs"]]
    try:
        canonical = orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS, default=repr)
    except (orjson.JSONEncodeError, RecursionError):
        canonical = repr(value).encode("utf-8", "replace")
    return blake2b(canonical, digest_size=8, key=key).digest()


def text_digest(text: str, key: bytes) -> bytes:
    """Keyed hash (8 bytes) of an error message."""
    return blake2b(text.strip().encode("utf-8", "replace"), digest_size=8, key=key).digest()


def acknowledges(text: str) -> bool:
    """Whether an answer says that something could not be done."""
    return ACKNOWLEDGEMENT.search(text[:MAX_TEXT].replace("\u2019", "'")) is not None


# ---------------------------------------------------------------------------------------------------- soft errors


def soft_error(
    result: AttributeValue, *, command: AttributeValue = None, extra: Iterable[re.Pattern[str]] = ()
) -> SoftError | None:
    """What in a result says that the call failed, or None.

    `command` is the call's arguments where captured: exit status 1 of grep and its like is no failure. `extra` are
    the user's own patterns, matched at the start of a text.
    """
    return _soft(parse(result), command, tuple(extra), 0)


def _soft(value: Json, command: AttributeValue, extra: tuple[re.Pattern[str], ...], depth: int) -> SoftError | None:
    if depth > MAX_DEPTH:
        return None
    if isinstance(value, str):
        return _soft_text(value, command, extra)
    if isinstance(value, dict):
        found = _soft_object(value, command)
        if found is None:
            inner = _unwrap(value)
            found = None if inner is None else _soft(parse(inner), command, extra, depth + 1)
        return found
    if isinstance(value, list) and value and all(_is_part(item) for item in value):
        return _soft(value[0], command, extra, depth + 1)
    return None


def _soft_object(value: dict[str, Json], command: AttributeValue) -> SoftError | None:
    if value.get("isError") is True or value.get("is_error") is True:
        return SoftError("is_error", flag=True, text=_first_text(value))
    if _is_tool_message(value) and str(value.get("status", "")).lower() == "error":
        return SoftError("tool_message_status", flag=True, text=_first_text(value))
    for name in ("error", "errors"):
        said = value.get(name)
        if said and not isinstance(said, (int, float)) and not (isinstance(said, str) and _says_nothing(said)):
            return SoftError(name, text=_first_text(value))
    if value.get("error") is True:
        return SoftError("error", text=_first_text(value))
    for name in ("success", "ok"):
        if value.get(name) is False:
            return SoftError(name, text=_first_text(value))
    for name in _EXIT_KEYS:
        code = _number(value.get(name))
        if code and not (code == 1 and _finds_nothing(value.get("command", command))):
            return SoftError("exit_code", text=_first_text(value))
    for name in _STATUS_KEYS:
        said = value.get(name)
        code = _number(said)
        if code is not None and 400 <= code <= 599:
            return SoftError("status_code", text=f"HTTP {code} {_first_text(value)}")
        if name == "status" and isinstance(said, str) and said.strip().lower() in ERROR_WORDS:
            return SoftError("status_word", text=_first_text(value))
    return None


def _soft_text(text: str, command: AttributeValue, extra: tuple[re.Pattern[str], ...]) -> SoftError | None:
    text = text.strip()
    if not text:
        return None
    head = text[:_EDGE]
    for rule, pattern in SOFT_ERROR_TEXTS:
        if pattern.match(head):
            return SoftError(rule, text=text[:MAX_TEXT])
    if TRUNCATED_ERROR.match(head):
        return SoftError("error", text=text[:MAX_TEXT])
    for pattern in extra:
        if pattern.match(head):
            return SoftError("configured", text=text[:MAX_TEXT])
    for line in (head.split("\n", 1)[0], text[-_EDGE:].rsplit("\n", 1)[-1]):
        if KILLED.search(line):
            return SoftError("killed", text="timed out")
        exit_status = EXIT_STATUS.search(line)
        if exit_status:
            code = int(exit_status[1] or exit_status[2])
            if code and not (code == 1 and _finds_nothing(command)):
                return SoftError("exit_status", text=text[:MAX_TEXT])
    return None


def _unwrap(value: dict[str, Json]) -> Json:
    """What an MCP result, a content part, a tool message or a lone `output` wraps; None where it is a plain object."""
    if value.get("type") == "tool" and isinstance(value.get("data"), dict):
        return value["data"]
    if value.get("lc") == 1 and isinstance(value.get("kwargs"), dict):
        return value["kwargs"]
    if _is_tool_message(value) or _is_part(value):
        return value.get("content", value.get("text"))
    content = value.get("content")
    if isinstance(content, list) and content and all(_is_part(item) for item in content):
        return content
    tool_result = value.get("toolResult")
    if isinstance(tool_result, dict):
        return tool_result
    if len(value) == 1:
        (key,) = value
        if key in _SINGLE_WRAPPERS:
            return value[key]
    return None


def _is_tool_message(value: dict[str, Json]) -> bool:
    return "content" in value and (
        "tool_call_id" in value or "toolUseId" in value or value.get("role") == "tool" or value.get("type") == "tool"
    )


def _is_part(value: Json) -> bool:
    """A content part: `{"type": "text", "text": ...}` (MCP, Anthropic) or `{"text": ...}` (Bedrock)."""
    return isinstance(value, dict) and "text" in value and (value.get("type") == "text" or len(value) == 1)


def _says_nothing(text: str) -> bool:
    return text.strip().lower() in ("", "none", "null", "no", "false", "no error", "0", "ok")


def _number(value: Json) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, str) and value.strip().lstrip("-").isdecimal() and len(value) < 12:
        return int(value)
    return None


def _first_text(value: Json, depth: int = 0) -> str:
    """Text to classify an error by: the first strings of an object, joined."""
    if isinstance(value, str):
        return value[:1000]
    if depth > MAX_DEPTH:
        return ""
    items: Iterator[Json] = (
        iter(value.values()) if isinstance(value, dict) else iter(value if isinstance(value, list) else ())
    )
    if isinstance(value, dict) and value.get("error"):
        items = iter([value["error"], *(value.get(name) for name in ("code", "message", "detail", "reason"))])
    return " ".join(filter(None, (_first_text(item, depth + 1) for item in islice(items, 8))))[:1000]


def _finds_nothing(command: AttributeValue) -> bool:
    """Whether the last program of a command line is one whose exit status 1 means that nothing was found."""
    value = parse(command)
    if isinstance(value, dict):
        value = next(
            (value[name] for name in ("command", "cmd", "bash_command", "script", "code") if name in value), None
        )
    if isinstance(value, list):
        value = " ".join(str(part) for part in value)
    if not isinstance(value, str):
        return False
    last = re.split(r"&&|\|\||[;|\n]", value.strip())[-1].split()
    words = [word for word in last if "=" not in word and word not in ("sudo", "git")]
    return bool(words) and words[0].rsplit("/", 1)[-1] in NOTHING_FOUND_COMMANDS


# ------------------------------------------------------------------------------------------------- model messages


@dataclass(frozen=True, slots=True)
class Said:
    """What a model or an agent said last."""

    text: str | None  # lives only while the span is read; None: not captured
    calls: tuple[Call, ...] = ()


def said(value: AttributeValue, key: bytes) -> Said:
    """The text and the calls asked for in the last message of a captured output.

    Knows OTel GenAI messages with parts, OpenAI and Anthropic messages, Bedrock content blocks and plain text.
    """
    if value is None or (isinstance(value, str) and value.strip() in REDACTED):
        return Said(None)
    texts: list[str] = []
    calls: list[Call] = []
    _walk_message(parse(value), texts, calls, key, 0)
    return Said("\n".join(texts), tuple(calls))


def _walk_message(value: Json, texts: list[str], calls: list[Call], key: bytes, depth: int) -> None:
    if depth > MAX_DEPTH:
        return
    if isinstance(value, str):
        texts.append(value)
    elif isinstance(value, list):
        messages = [item for item in value if isinstance(item, dict) and ("role" in item or "message" in item)]
        for item in messages[-1:] if messages else value:
            _walk_message(item, texts, calls, key, depth + 1)
    elif isinstance(value, dict):
        call = _call_of(value, key)
        if call is not None:
            calls.append(call)
            return
        if value.get("type") in ("tool_call_response", "tool_result", "reasoning", "thinking") or "toolResult" in value:
            return
        for name in ("message", "parts", "content", "text", "tool_calls"):
            inner = value.get(name)
            if inner:
                _walk_message(inner, texts, calls, key, depth + 1)


def _call_of(value: dict[str, Json], key: bytes) -> Call | None:
    body: Json = value
    if "toolUse" in value:  # Bedrock
        body = value["toolUse"]
    elif isinstance(value.get("function"), dict):  # OpenAI
        function = value["function"]
        body = {**function, "id": value.get("id")} if isinstance(function, dict) else None
    elif value.get("type") not in ("tool_call", "tool_use", "tool-call", "function_call"):
        return None
    if not isinstance(body, dict):
        return None
    call_id = next(
        (body[name] for name in ("id", "toolUseId", "toolCallId", "call_id", "tool_call_id") if body.get(name)), ""
    )
    arguments = next((body[name] for name in ("arguments", "input", "args") if name in body), None)
    return Call(str(call_id), str(body.get("name") or body.get("toolName") or ""), digest(arguments, key))
