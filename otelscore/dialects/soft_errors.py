"""Soft errors: what in the result of a call says that it failed, where nothing else does.

Results are looked at from the outside in, through the wrappers of MCP, LangChain, Bedrock and the message formats. Only
what marks an object as a whole, or what a text starts or ends with, counts: a search result about errors is none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from otelscore.dialects.content import MAX_DEPTH, MAX_TEXT, parse, type_of
from otelscore.dialects.patterns import (
    ERROR_WORDS,
    EXIT_BLOCK,
    EXIT_STATUS,
    KILLED,
    NOTHING,
    NOTHING_FOUND_COMMANDS,
    RETRY_PROMPT,
    SOFT_ERROR_TEXT,
    TOOL_MESSAGE_REPR,
)
from otelscore.model import AttributeValue

Patterns = tuple[re.Pattern[str], ...]

_EDGE = 400  # characters at the start and at the end of a text that are looked at
_EXIT_KEYS = ("exit_code", "exitcode", "exitCode", "returncode", "return_code", "returnCode")
_STATUS_KEYS = ("status", "status_code", "statusCode", "http_status")
_MESSAGE_KEYS = frozenset({"message", "msg", "detail", "details", "reason", "error_message", "description", "status"})
_RESULT_TYPES = {
    "tool_call_response": ("response", "result"),
    "tool_result": ("content",),
    "function_call_output": ("output",),
}
_LONE_WRAPPERS = frozenset(
    {
        "output",
        "result",
        "response",
        "content",
        "text",
        "return_value",
        "value",
        "structuredContent",
        "message",
        "detail",
    }
)
_ERROR_KEYS = ("error", "errors", "Error", "Error Message")
_MARKS = frozenset(
    {"isError", "is_error", "success", "ok", "timed_out", "timedOut", "code", "metadata", "errorType", "__type"}
    | {*_ERROR_KEYS, *_EXIT_KEYS, *_STATUS_KEYS}
)
"""Every field that can say that an object is an error."""

_TEXTS = frozenset({"text", "content"})
"""Where a text part has its text: MCP and Anthropic, OTel GenAI."""

_WRAPPER_FIELDS = frozenset({"raw_output", "type", "lc", "content", "text", "parts", "toolResult"})
"""Without any of these an object of several fields wraps nothing."""

_COMMAND_KEYS = ("command", "cmd", "bash_command", "script", "code")


@dataclass(frozen=True, slots=True)
class SoftError:
    """A result that says that the call failed."""

    rule: str
    text: str = ""  # what to classify the error by; lives only while the span is read
    flag: bool = False  # a protocol's own mark (MCP isError, a tool message's status), not a guess from content


def soft_error(result: AttributeValue, *, command: AttributeValue = None, extra: Patterns = ()) -> SoftError | None:
    """What in a result says that the call failed, or None.

    `command` is the call's arguments where captured: exit status 1 of grep and its like is no failure. `extra` are
    the user's own patterns, matched at the start of a text.
    """
    return _in_value(parse(result), command, extra, MAX_DEPTH)


def _in_value(value: AttributeValue, command: AttributeValue, extra: Patterns, levels: int) -> SoftError | None:
    if isinstance(value, str):
        return _in_text(value, command, extra)
    found = _in_object(value, command) if isinstance(value, dict) else None
    if found is not None or levels == 0:
        return found
    inner = _unwrap(value)
    return None if inner is None else _in_value(parse(inner), command, extra, levels - 1)


# -------------------------------------------------------------------------------------------------------- objects


def _in_object(value: dict[str, AttributeValue], command: AttributeValue) -> SoftError | None:
    marks = _MARKS.intersection(value)
    if not marks:
        return None
    if value.get("isError") is True or value.get("is_error") is True:
        return SoftError("is_error", _words(value), flag=True)
    if "status" in marks and value["status"] == "error" and _is_tool_message(value):
        return SoftError("tool_message_status", _words(value), flag=True)
    for name in _ERROR_KEYS:
        if name in marks and not _says_nothing(value[name]):
            return SoftError(name, _words(value))
    if ("errorType" in marks and "errorMessage" in value) or str(value.get("__type", "")).endswith("Exception"):
        return SoftError("aws", _words(value))  # of Lambda, and of the other services
    for name in ("success", "ok"):
        if name in marks and value[name] is False:
            return SoftError(name, _words(value))
    if value.get("timed_out") is True or value.get("timedOut") is True:
        return SoftError("killed", "timed out")
    metadata = value.get("metadata")  # where Codex has the exit code
    for holder in (value, metadata) if isinstance(metadata, dict) else (value,):
        for name in _EXIT_KEYS:
            if name in holder and _failed_with(_number(holder[name]), value.get("command", command)):
                return SoftError("exit_code", _words(value))
    for name in _STATUS_KEYS:
        if name in marks and _is_http_error(value[name]):
            return SoftError("status_code", f"HTTP {_number(value[name])} {_words(value)}")
    # A code alone may be one of a country or an area.
    if "code" in marks and _is_http_error(value["code"]) and (len(value) == 1 or not _MESSAGE_KEYS.isdisjoint(value)):
        return SoftError("status_code", f"HTTP {_number(value['code'])} {_words(value)}")
    status = value.get("status")
    if isinstance(status, str) and status.strip().lower() in ERROR_WORDS:
        return SoftError("status_word", _words(value))
    return None


def _unwrap(value: AttributeValue) -> AttributeValue:
    """What an MCP result, a content part, a tool message or a lone `output` wraps; None where it is a plain object."""
    if isinstance(value, list):
        first = value[0] if value else None
        if isinstance(first, dict) and first.get("role") == "tool":
            return first
        return first if _is_part(first) and (len(value) == 1 or _has_type(first)) else None
    if not isinstance(value, dict) or (len(value) > 1 and _WRAPPER_FIELDS.isdisjoint(value)):
        return None
    if "raw_output" in value and "tool_name" in value:  # LlamaIndex
        return value["raw_output"]
    if type_of(value) == "tool" and isinstance(value.get("data"), dict):
        return value["data"]
    if value.get("lc") == 1 and isinstance(value.get("kwargs"), dict):
        return value["kwargs"]
    for name in _RESULT_TYPES.get(type_of(value), ()):
        if name in value:
            return value[name]
    if _is_tool_message(value) or _is_part(value):
        return value.get("content", value.get("text"))
    for name in ("content", "parts"):
        parts = value.get(name)
        if isinstance(parts, list) and parts and _is_part(parts[0]):
            return parts[0]
    if isinstance(value.get("toolResult"), dict):
        return value["toolResult"]
    if len(value) == 1:
        (name,) = value
        return value[name] if name in _LONE_WRAPPERS else None
    return None


def _is_tool_message(value: dict[str, AttributeValue]) -> bool:
    return "content" in value and (
        "tool_call_id" in value or "toolUseId" in value or value.get("role") == "tool" or type_of(value) == "tool"
    )


def _is_part(value: AttributeValue) -> bool:
    """A content part: `{"type": "text", "text": ...}` (MCP, Anthropic), `{"text": ...}` (Bedrock), a tool's answer."""
    return isinstance(value, dict) and (("text" in value and len(value) == 1) or _has_type(value))


def _has_type(value: AttributeValue) -> bool:
    return isinstance(value, dict) and (
        type_of(value) in _RESULT_TYPES or (type_of(value) == "text" and not _TEXTS.isdisjoint(value))
    )


def _says_nothing(value: AttributeValue, levels: int = MAX_DEPTH) -> bool:
    """Whether what stands under `error` says that there is none: null, false, "none", a count, or nothing but these."""
    if isinstance(value, str):
        return value.strip().lower() in NOTHING
    if isinstance(value, (dict, list)) and levels:
        return all(_says_nothing(item, levels - 1) for item in (value.values() if isinstance(value, dict) else value))
    return value is not True and (value is None or isinstance(value, (int, float))) and not _is_http_error(value)


def _is_http_error(value: AttributeValue) -> bool:
    code = _number(value)
    return code is not None and 400 <= code <= 599


def _number(value: AttributeValue) -> int | None:
    if isinstance(value, str) and len(value) < 12 and value.strip().lstrip("-").isdecimal():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _words(value: AttributeValue, levels: int = MAX_DEPTH) -> str:
    """Text to classify an error by: the first strings of an object, those about the error first."""
    if isinstance(value, str):
        return value[:1000]
    items: list[AttributeValue] = []
    if isinstance(value, dict):
        named = ("error", "errors", "code", "message", "detail", "reason") if value.get("error") else ()
        items = [value.get(name) for name in named] or list(value.values())
    elif isinstance(value, list):
        items = value
    return " ".join(filter(None, (_words(item, levels - 1) for item in items[:8] if levels)))[:1000]


# ---------------------------------------------------------------------------------------------------------- texts


def _in_text(text: str, command: AttributeValue, extra: Patterns) -> SoftError | None:
    text = text.strip()
    if not text:
        return None
    if text.endswith(RETRY_PROMPT):
        return SoftError("retry_prompt", text[:MAX_TEXT], flag=True)
    head, tail = text[:_EDGE], text[-_EDGE:]
    message = TOOL_MESSAGE_REPR.match(text) if head.startswith("content=") else None
    if message:
        if "status='error'" in message["rest"]:
            return SoftError("tool_message_status", message["content"][:MAX_TEXT], flag=True)
        return _in_text(message["content"], command, extra)
    last_line = tail[tail.rfind("\n") + 1 :]
    status = EXIT_STATUS.match(head) or EXIT_STATUS.match(last_line)
    if status is None and "\n" in head:
        status = EXIT_BLOCK.search(f"\n{head}")
    if status is None and "\n" in tail:
        status = EXIT_BLOCK.search(f"\n{tail}")
    if status:
        code = int("".join(filter(None, status.groups())))  # one of them matched
        return SoftError("exit_status", text[:MAX_TEXT]) if _failed_with(code, command) else None
    if KILLED.match(head) or KILLED.match(last_line):
        return SoftError("killed", "timed out")
    marker = SOFT_ERROR_TEXT.match(head)
    if marker:
        return SoftError(str(marker.lastgroup), text[:MAX_TEXT])
    for pattern in extra:
        if pattern.match(head):
            return SoftError("configured", text[:MAX_TEXT])
    return None


def _failed_with(code: int | None, command: AttributeValue) -> bool:
    return bool(code) and not (code == 1 and _finds_nothing(command))


def _finds_nothing(command: AttributeValue) -> bool:
    """Whether the last program of a command line is one whose exit status 1 means that nothing was found."""
    value = parse(command)
    if isinstance(value, dict):
        value = next((value[name] for name in _COMMAND_KEYS if name in value), None)
    if isinstance(value, list):  # of an argument list like ["bash", "-lc", "grep x"] the script counts
        script = len(value) == 3 and str(value[1]).startswith("-") and str(value[1]).endswith("c")
        value = str(value[2]) if script else " ".join(map(str, value))
    if not isinstance(value, str):
        return False
    unquoted = re.sub(r"'[^']*'|\"[^\"]*\"", "_", value[:MAX_TEXT])
    last = re.split(r"&&|\|\||[;|\n]", unquoted.strip())[-1].split()
    words = [word for word in last if "=" not in word and word not in ("sudo", "git")]
    return bool(words) and words[0].rsplit("/", 1)[-1] in NOTHING_FOUND_COMMANDS
