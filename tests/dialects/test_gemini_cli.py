"""Spans of Gemini CLI, as packages/core/src/telemetry/trace.ts writes them."""

from __future__ import annotations

import json

import pytest
from raw import raw, run, runs, steps

from otelscore.model import OK, AttributeValue, Kind


def attributes(operation: str, **more: AttributeValue) -> dict[str, AttributeValue]:
    own = {"gen_ai.operation.name": operation, "gen_ai.agent.name": "gemini-cli", "gen_ai.conversation.id": "s1"}
    return own | {key.replace("__", "."): value for key, value in more.items()}


def called(status: str, error_type: str = "", shown: str = "") -> str:
    response = {
        "callId": "c1",
        "responseParts": [],
        "resultDisplay": shown,
        "errorType": error_type or None,
        "error": {},
    }
    call = {"status": status, "request": {"callId": "c1", "args": {}}, "response": response}
    return json.dumps(call, separators=(",", ":"))


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("tool_call", Kind.TOOL),
        ("llm_call", Kind.MODEL),
        ("agent_call", Kind.AGENT),
        ("user_prompt", Kind.WRAPPER),
        ("system_prompt", Kind.WRAPPER),
        ("schedule_tool_calls", Kind.WRAPPER),
    ],
)
def test_its_operations(read, operation: str, kind: Kind) -> None:
    reading = read(operation, attributes(operation))
    assert (reading.kind, reading.dialect, reading.session) == (kind, "gemini_cli", "s1")


def test_a_tool_call(read) -> None:
    given = json.dumps({"callId": "c1", "name": "read_file", "args": {"path": "a"}, "prompt_id": "p1"})
    more = {"gen_ai__tool__name": "read_file", "gen_ai__tool__call_id": "c1", "gen_ai__input__messages": given}
    reading = read("tool_call", attributes("tool_call", **more))
    again = given.replace("c1", "c2").replace("p1", "p2")
    assert (reading.name, reading.call_id) == ("read_file", "c1")
    assert (
        reading.arguments == read("x", attributes("tool_call", **more | {"gen_ai__input__messages": again})).arguments
    )


@pytest.mark.parametrize(
    ("output", "rule", "error_class"),
    [
        (called("success", shown="Error handling is in main.py"), "", None),
        (called("error", "file_not_found"), "status_word", "not_found"),
        (called("error", "unhandled_exception", "request timed out"), "status_word", "timeout"),
        (called("error", "shell_execute_error")[:60], "cut_object", "unknown"),
    ],
)
def test_an_error_is_in_the_outcome_under_an_ok_status(read, output: str, rule: str, error_class: str | None) -> None:
    reading = read("tool_call", attributes("tool_call", gen_ai__output__messages=output), status=OK)
    assert reading.soft_error == rule
    assert (reading.soft_failure.error_class if reading.soft_failure else None) == error_class


def test_a_call_that_the_user_cancelled_is_skipped(read) -> None:
    assert read("tool_call", attributes("tool_call", gen_ai__output__messages=called("cancelled"))).skipped
    assert not read("tool_call", attributes("tool_call", gen_ai__output__messages=called("success"))).skipped


def test_a_subagents_work_is_a_run_and_a_prompt_alone_is_none() -> None:
    scope = "gemini-cli"
    inner = raw("llm_call", 1, 2, attributes("llm_call", gen_ai__request__model="gemini"))
    tool = raw("tool_call", 3, 4, attributes("tool_call", gen_ai__tool__name="grep"))
    scheduled = raw("schedule_tool_calls", 3, 4, attributes("schedule_tool_calls"), tool)
    found = run(raw("agent_call", 0, 5, attributes("agent_call"), inner, scheduled, scope=scope))
    assert steps(found) == [("model", "gemini", "ok"), ("tool", "grep", "ok")]
    assert runs(raw("user_prompt", 0, 5, attributes("user_prompt"), inner, scope=scope)) == []
