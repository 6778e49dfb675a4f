"""Spans of the Claude SDKs and the Claude API, as anthropic/_tracing.py and its reference describe them."""

from __future__ import annotations

import json

import pytest
from raw import Raw, raw, run, runs, steps

from otelscore.model import ERROR, OK, UNSET, Kind, Outcome

SDK, API = "com.anthropic.sdk.python", "com.anthropic.claude-platform"


def create(start: float, **more: object) -> Raw:
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "claude",
        "gen_ai.provider.name": "anthropic",
    }
    api = raw("anthropic.messages.create", start + 0.1, start + 0.4, attributes, status=OK, scope=API)
    return raw("anthropic.messages.create", start, start + 0.5, attributes, api, status=OK, scope=SDK, kind=3)


def tool(start: float, status: int = OK, prefix: str = "anthropic.custom_tool_use") -> Raw:
    attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "weather", "gen_ai.tool.call.id": "t1"}
    error = {"error.type": "tool_error"} if status == ERROR else {}
    return raw(f"{prefix} weather", start, start + 0.5, attributes | error, status=status, scope=SDK)


def runner(*spans: Raw, status: int = OK) -> Raw:
    attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.request.model": "claude"}
    return raw("anthropic.messages.tool_runner", 0, 9, attributes, *spans, status=status, scope=SDK)


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("anthropic.messages.count_tokens", {"gen_ai.request.model": "claude"}),
        ("anthropic.sessions.create", {"gen_ai.agent.name": "planner", "gen_ai.request.model": "claude"}),
        ("anthropic.sessions.events.stream", {}),
        ("anthropic.environment.work", {"gen_ai.provider.name": "anthropic"}),
    ],
)
@pytest.mark.parametrize("scope", [SDK, f"{SDK}.bedrock", API])
def test_requests_that_call_no_model_are_none(read, name: str, attributes: dict[str, str], scope: str) -> None:
    assert read(name, attributes, scope=scope).kind is Kind.WRAPPER


def test_the_tool_runner_is_an_unnamed_agent_and_its_tools_are_steps() -> None:
    found = run(runner(create(1), tool(2, ERROR), create(3), tool(4), create(5)))
    assert [status for _, _, status in steps(found)] == ["ok", "error", "ok", "ok", "ok"]
    assert (found.agent, found.outcome) == ("unknown", Outcome.COMPLETED)
    assert [step.response for step in found.steps if step.failed] == ["retried"]


@pytest.mark.parametrize("prefix", ["anthropic.tool_use", "anthropic.mcp_tool_use", "anthropic.custom_tool_use"])
def test_a_tool_without_a_status_was_cancelled(prefix: str) -> None:
    found = run(runner(create(1), tool(2, UNSET, prefix), status=UNSET))
    assert steps(found)[1] == ("tool", "weather", "skipped")


def test_the_content_of_a_result_classes_its_error(read) -> None:
    content = json.dumps([{"type": "text", "text": "Error: permission denied"}])
    attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "weather", "error.type": "tool_error"}
    attributes |= {"anthropic.tool_result.content": content}
    reading = read("anthropic.custom_tool_use weather", attributes, scope=SDK, status=ERROR)
    assert reading.failure.error_class == "auth"


def test_the_sdks_span_and_the_apis_are_one_call_and_alone_no_run() -> None:
    assert steps(run(runner(create(1), tool(2))))[0] == ("model", "claude", "ok")
    assert runs(create(1)) == []
