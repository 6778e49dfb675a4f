"""Spans of Claude Code and the Agent SDK, as its monitoring reference and captured telemetry describe them."""

from __future__ import annotations

import pytest
from raw import Raw, raw, run, runs, steps

from otelscore.model import ERROR, AttributeValue, Kind, Outcome, Role

SCOPE = "com.anthropic.claude_code.tracing"


def cc(name: str, start: float, end: float, *children: Raw, status: int = 0, **attributes: AttributeValue) -> Raw:
    attributes = {"span.type": name, "session.id": "s1"} | {key.replace("__", "."): v for key, v in attributes.items()}
    return raw(f"claude_code.{name}", start, end, attributes, *children, status=status, scope=SCOPE)


def request(start: float, **attributes: AttributeValue) -> Raw:
    return cc("llm_request", start, start + 0.5, gen_ai__request__model="claude", success="true", **attributes)


def tool(
    name: str, start: float, *inside: Raw, end: float = 0, error: str = "", denied: bool = False, **more: AttributeValue
) -> Raw:
    """A call as it is written: the outcome is on the span of carrying it out, which a denied call has not."""
    asking = cc("tool.blocked_on_user", start, start + 0.1, decision="reject" if denied else "accept", source="config")
    told = {"success": "false", "error": error} if error else {"success": "true"}
    end = end or start + 0.5
    doing = cc("tool.execution", start + 0.1, end, *inside, status=ERROR if error else 0, **told)
    return cc("tool", start, end, asking, *(() if denied else (doing,)), tool_name=name, **more)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("interaction", Kind.AGENT),
        ("llm_request", Kind.MODEL),
        ("tool", Kind.TOOL),
        ("hook", Kind.WRAPPER),
        ("something_new", Kind.WRAPPER),
    ],
)
def test_spans_are_told_by_their_names(read, name: str, kind: Kind) -> None:
    for scope, attributes in ((SCOPE, {}), ("normalized", {"span.type": name})):
        reading = read(f"claude_code.{name}", attributes, scope=scope)
        assert (reading.kind, reading.dialect) == (kind, "claude_code")
    assert read("claude_code.tool", scope="another").kind is Kind.OTHER


def test_a_tool_call(read) -> None:
    attributes = {"tool_name": "Bash", "tool_use_id": "t1", "full_command": "ls", "session.id": "s1"}
    reading = read("claude_code.tool", attributes, scope=SCOPE)
    assert (reading.name, reading.call_id, reading.session, reading.role) == ("Bash", "t1", "s1", Role.ORDINARY)
    assert reading.arguments is not None
    hidden = {"tool_name": "Edit", "file_path": "a.py", "tool_input": "<REDACTED>"}
    assert read("claude_code.tool", hidden, scope=SCOPE).arguments is None


@pytest.mark.parametrize("name", ["claude_code.tool.execution", "claude_code.tool.blocked_on_user"])
def test_a_part_of_a_call_is_no_call(read, name: str) -> None:
    reading = read(name, {"success": "true"}, scope=SCOPE)
    assert (reading.kind, reading.name, reading.role) == (Kind.TOOL, "", Role.PART)


def test_the_words_of_an_error_class_it(read) -> None:
    attributes = {"success": "false", "error": "Command timed out after 2m 0.0s"}
    assert read("claude_code.tool.execution", attributes, scope=SCOPE).failure.error_class == "timeout"
    failed = read("claude_code.llm_request", {"success": False, "error": "529 overloaded"}, scope=SCOPE)
    assert (failed.flagged, failed.failure.error_class) == (True, "unavailable")


def test_an_interaction_is_a_run_and_each_call_one_step() -> None:
    found = run(
        cc(
            "interaction",
            0,
            9,
            request(1),
            tool("Read", 2, error="File does not exist."),
            request(3),
            tool("Read", 4),
            request(5),
        )
    )
    assert steps(found) == [
        ("model", "claude", "ok"),
        ("tool", "Read", "error"),
        ("model", "claude", "ok"),
        ("tool", "Read", "ok"),
        ("model", "claude", "ok"),
    ]
    assert (found.agent, found.session, found.outcome) == ("claude_code", "s1", Outcome.COMPLETED)
    assert [step.error_class for step in found.steps if step.failed] == ["not_found"]


def test_a_call_that_the_user_denied_is_neither_success_nor_failure() -> None:
    found = run(cc("interaction", 0, 9, request(1), tool("Bash", 2, denied=True), request(3)))
    assert steps(found)[1] == ("tool", "Bash", "skipped")


@pytest.mark.parametrize("name", ["Task", "Agent"])
def test_a_subagent_works_inside_the_execution_of_its_tool(name: str) -> None:
    inside = request(2.2), tool("Grep", 3, error="permission denied"), request(4)
    found = run(cc("interaction", 0, 9, request(1), tool(name, 2, *inside, end=6), request(7)))
    assert [(step.name, step.agent) for step in found.steps] == [
        ("claude", "claude_code"),
        ("claude", name),
        ("Grep", name),
        ("claude", name),
        ("claude", "claude_code"),
    ]
    assert [step.name for step in found.steps if step.failed] == ["Grep"]


@pytest.mark.parametrize("name", ["Task", "Agent"])
def test_a_subagent_that_calls_no_tool_is_one_all_the_same(name: str) -> None:
    found = run(cc("interaction", 0, 9, request(1), tool(name, 2, request(2.2), end=4), request(5)))
    assert [step.agent for step in found.steps] == ["claude_code", name, "claude_code"]


def test_a_subagent_that_could_not_start_is_a_failed_step() -> None:
    found = run(cc("interaction", 0, 9, request(1), tool("Agent", 2, error="Agent type not found"), request(3)))
    assert steps(found)[1] == ("tool", "Agent", "error")


def test_a_tool_that_asks_a_model_stays_a_tool() -> None:
    found = run(cc("interaction", 0, 9, request(1), tool("WebFetch", 2, request(2.2), end=4), request(5)))
    assert [name for _, name, _ in steps(found)] == ["claude", "WebFetch", "claude"]


def test_the_agent_sdk_runs_inside_the_span_of_its_host() -> None:
    inner = cc("interaction", 1, 8, request(2), tool("Bash", 3), request(4))
    found = run(raw("invoke_agent helper", 0, 9, {"gen_ai.operation.name": "invoke_agent"}, inner, scope="app"))
    assert (found.agent, len(found.steps)) == ("helper", 3)


def test_requests_without_their_interaction_are_no_run() -> None:
    assert runs(request(1)) == []


@pytest.mark.parametrize(("name", "failed"), [("mcp__shop__search", ["mcp__shop__search"]), ("Read", [])])
def test_what_a_server_gave_back_is_looked_at_but_not_what_a_file_holds(name: str, failed: list[str]) -> None:
    said = [("tool.output", {"output": '{"error": "no such shop"}'})]
    call = raw("claude_code.tool", 1, 2, {"span.type": "tool", "tool_name": name}, events=said, scope=SCOPE)
    found = run(cc("interaction", 0, 9, call, request(3)))
    assert [step.name for step in found.steps if step.failed] == failed
