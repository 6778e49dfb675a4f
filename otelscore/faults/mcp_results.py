"""Faults and recordings of MCP calls, on plain JSON: pure functions, no transport.

A tool's result is its content blocks, and where the tool has an output schema `structuredContent` beside them, which
says the same. A fault changes both alike. A fault that raises is a result with `isError`, as servers tell of a tool
that failed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from otelscore.faults.cassette import Call
from otelscore.faults.engine import Fault
from otelscore.faults.mutations import UNCHANGED

METHOD = "mcp:"
"""Before the method's name: the `tool` of a recorded request that is no tool call."""

ERROR = "mcp.JSONRPCError"
"""The type of a recorded error; its message is the error object as JSON."""

Json = dict[str, Any]


def value_of(result: Json) -> Any:
    """What a result says: its structured content, else its one text, else the texts of its blocks.

    UNCHANGED where it has blocks of another kind (images, links), which no fault touches.
    """
    structured = result.get("structuredContent")
    if structured is not None:
        return structured["result"] if _is_wrapped(structured) else structured
    blocks = result.get("content")
    if not isinstance(blocks, list) or any(block.get("type") != "text" for block in blocks):
        return UNCHANGED
    texts = [block.get("text", "") for block in blocks]
    return texts[0] if len(texts) == 1 else texts


def with_value(result: Json, value: Any) -> Json:
    """The result saying something else, in its structured content and in its texts."""
    structured = result.get("structuredContent")
    texts = value if isinstance(value, list) and structured is None else [value]
    content = [{"type": "text", "text": text if isinstance(text, str) else _json(text)} for text in texts]
    changed = {**result, "content": content}
    if structured is not None:
        changed["structuredContent"] = {"result": value} if _is_wrapped(structured) else value
        if not isinstance(changed["structuredContent"], dict):  # cut JSON is text, which is no structure
            del changed["structuredContent"]
    return changed


def failed(fault: Fault) -> Json:
    """What a server answers where its tool raised the fault's error."""
    error = fault.error()
    return {"content": [{"type": "text", "text": f"{type(error).__name__}: {error}"}], "isError": True}


def has_side_effects(tool: Json) -> bool:
    """Whether a tool of `tools/list` is marked as changing the world."""
    marks = tool.get("annotations") or {}
    return marks.get("destructiveHint") is True or marks.get("readOnlyHint") is False


def question(method: str, params: Json | None) -> tuple[str, Any]:
    """Tool and arguments under which a request is recorded, without what differs from one session to the next."""
    given = {name: value for name, value in (params or {}).items() if name != "_meta"}
    if method == "tools/call":
        return str(given.get("name", "")), given.get("arguments") or {}
    if method == "initialize":  # who asks makes no difference
        return METHOD + method, {}
    return METHOD + method, given


def recorded(method: str, params: Json | None, answer: Json, seconds: float) -> Call:
    """A request and its answer (`result` or `error`) as a call."""
    tool, arguments = question(method, params)
    if "error" in answer:
        return Call(tool, arguments, None, (ERROR, orjson.dumps(answer["error"]).decode()), seconds)
    return Call(tool, arguments, answer["result"], None, seconds)


def answer_of(call: Call) -> Json:
    """The answer that a recorded call was; `recorded` reversed.

    What `inject` recorded, or what was found in traces, is put into the blocks of an MCP result.
    """
    if call.error is None:
        if isinstance(call.result, dict) and isinstance(call.result.get("content"), list):
            return {"result": call.result}
        if call.tool.startswith(METHOD):
            return {"result": call.result}
        return {"result": with_value({}, call.result)}
    kind, message = call.error
    if kind == ERROR:
        return {"error": orjson.loads(message)}
    return {"result": {"content": [{"type": "text", "text": f"{kind}: {message}"}], "isError": True}}


def _is_wrapped(structured: Mapping[str, Any]) -> bool:
    """Servers wrap results that are no objects so, since structured content must be one."""
    return structured.keys() == {"result"}


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
