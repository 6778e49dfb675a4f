"""Spans as AgentOps writes them: its instrumentations of OpenAI Agents and of client libraries, and its decorators."""

from __future__ import annotations

import pytest
from raw import raised, raw, run, steps
from support import responses

from otelscore.model import Kind

SPAN_KIND = "agentops.span.kind"
AGENTS = "openai-agents"


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ("agent", Kind.AGENT),
        ("llm", Kind.MODEL),
        ("tool", Kind.TOOL),
        ("AgentOpsSpanKindValues.TOOL", Kind.TOOL),
        ("task", Kind.WRAPPER),
        ("workflow", Kind.WRAPPER),
        ("http", Kind.OTHER),
    ],
)
def test_its_own_kind_says_what_a_span_is(read, given: str, kind: Kind) -> None:
    assert read("x", {SPAN_KIND: given}).kind is kind


def test_decorated_functions_have_their_name_in_an_attribute(read) -> None:
    reading = read(
        "search.tool", {SPAN_KIND: "tool", "operation.name": "search", "agentops.entity.output": '{"error": "x"}'}
    )
    assert (reading.name, reading.soft_error) == ("search", "error")
    assert read("planner.agent", {SPAN_KIND: "agent"}).name == "planner"


def test_an_error_that_the_runner_noted_is_the_tools(read) -> None:
    def tool(start: float, **more):
        attributes = {
            SPAN_KIND: "tool",
            "tool.name": "search",
            "tool.parameters": '{"q": 1}',
            "tool.status": "succeeded",
        }
        return raw("search", start, start + 1, attributes | more.pop("attributes", {}), **more)

    noted = {"tool.result": "Error: TimeoutError: no answer", "error.type": "AgentError"}
    trajectory = run(
        raw(
            "planner",
            0,
            9,
            {SPAN_KIND: "agent", "agent.name": "planner"},
            raw("generation", 1, 2, {SPAN_KIND: "llm", "gen_ai.request.model": "gpt"}),
            tool(2, attributes=noted, events=raised("Exception", "Error running tool (non-fatal)")),
            raw("generation", 3, 4, {SPAN_KIND: "llm", "gen_ai.request.model": "gpt"}),
            tool(5),
            scope=AGENTS,
        )
    )
    assert trajectory.agent == "planner"
    assert steps(trajectory)[1::2] == [("tool", "search", "error"), ("tool", "search", "ok")]
    assert responses(trajectory) == ["retried"]


def test_a_call_that_only_was_asked_for_is_none() -> None:
    """The wrapper of OpenAI's client makes a span of every call in an answer, before anybody runs it."""
    asked = {SPAN_KIND: "AgentOpsSpanKindValues.TOOL", "tool.name": "search", "tool.call.id": "c1"}
    scope = "agentops.instrumentation.providers.openai.wrappers.chat"
    told = {
        "gen_ai.request.model": "gpt",
        "gen_ai.prompt.1.tool_calls.0.id": "c1",
        "gen_ai.prompt.1.tool_calls.0.name": "search",
        "gen_ai.prompt.2.tool_call_id": "c1",
        "gen_ai.prompt.2.content": "Error: HTTP 503",
    }
    trajectory = run(
        raw(
            "app",
            0,
            9,
            {},
            raw(
                "openai.chat.completion",
                1,
                2,
                {"gen_ai.request.model": "gpt"},
                raw("tool_call.search", 1.9, 2, asked, scope=scope),
            ),
            raw("openai.chat.completion", 5, 6, told),
        )
    )
    assert steps(trajectory) == [("model", "gpt", "ok"), ("tool", "search", "error"), ("model", "gpt", "ok")]
    assert [step.duration_seconds for step in trajectory.steps] == [1, 3, 1]
