"""Spans as Logfire's own instrumentations write them: pydantic/logfire, logfire/_internal/integrations."""

from __future__ import annotations

import json

import pytest
from raw import Raw, raised, raw, run
from support import failed, names, responses

from otelscore.model import ERROR, AttributeValue, ErrorClass, Kind, Role

AGENTS, OPENAI, ANTHROPIC, MCP = "logfire.openai_agents", "logfire.openai", "logfire.anthropic", "logfire.mcp"
ARGUMENTS = {"city": "Paris"}


@pytest.mark.parametrize(
    ("scope", "name", "attributes", "kind", "named"),
    [
        (AGENTS, "OpenAI Agents trace: {name}", {"name": "Agent workflow"}, Kind.WRAPPER, ""),
        (AGENTS, "Agent run: {name!r}", {"name": "planner"}, Kind.AGENT, "planner"),
        (AGENTS, "Function: {name}", {"name": "weather"}, Kind.TOOL, "weather"),
        (AGENTS, "Chat completion with {gen_ai.request.model!r}", {"gen_ai.request.model": "gpt"}, Kind.MODEL, "gpt"),
        (AGENTS, "Responses API with {gen_ai.request.model!r}", {"gen_ai.request.model": "gpt"}, Kind.MODEL, "gpt"),
        (AGENTS, "Responses API", {"gen_ai.operation.name": "chat"}, Kind.MODEL, ""),
        (AGENTS, "Guardrail {name!r} {triggered=}", {"name": "safe"}, Kind.WRAPPER, ""),
        (AGENTS, "Task: Agent workflow", {"name": "Agent workflow"}, Kind.WRAPPER, ""),
        (AGENTS, "Turn {turn} for agent planner", {"turn": 1}, Kind.WRAPPER, ""),
        (AGENTS, "MCP: list tools from server {server}", {}, Kind.WRAPPER, ""),
        (OPENAI, "Chat Completion with {request_data[model]!r}", {"gen_ai.request.model": "gpt"}, Kind.MODEL, "gpt"),
        (OPENAI, "Completion with {request_data[model]!r}", {"gen_ai.request.model": "gpt"}, Kind.MODEL, "gpt"),
        (OPENAI, "Responses API with {gen_ai.request.model!r}", {"gen_ai.request.model": "gpt"}, Kind.MODEL, "gpt"),
        (OPENAI, "Image Generation with {request_data[model]!r}", {"gen_ai.request.model": "x"}, Kind.OTHER, ""),
        (ANTHROPIC, "Message with {request_data[model]!r}", {"gen_ai.request.model": "claude"}, Kind.MODEL, "claude"),
        (MCP, "MCP request: tools/list", {}, Kind.OTHER, ""),
        (MCP, "MCP server handle request: initialize", {}, Kind.OTHER, ""),
    ],
)
def test_the_template_of_the_message_says_what_a_span_is(
    read, scope: str, name: str, attributes: dict[str, AttributeValue], kind: Kind, named: str
) -> None:
    reading = read(name, {"logfire.span_type": "span", **attributes}, scope=scope)
    assert (reading.kind, reading.name) == (kind, named)


def test_an_embedding_is_a_retrieval(read) -> None:
    name = "Embedding Creation with {request_data[model]!r}"
    assert read(name, {"gen_ai.request.model": "small"}, scope=OPENAI).kind is Kind.RETRIEVAL


@pytest.mark.parametrize("span_type", ["pending_span", "log"])
@pytest.mark.parametrize("scope", [OPENAI, "pydantic-ai", AGENTS])
def test_announcements_and_messages_are_no_spans(read, span_type: str, scope: str) -> None:
    """`streaming response from 'gpt' took 1.00s` repeats what the span of the request says."""
    model = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt"}
    assert read("chat gpt", {**model, "logfire.span_type": span_type}, scope=scope).kind is Kind.OTHER


@pytest.mark.parametrize("name", ["MCP request: tools/call weather", "MCP server handle request: tools/call"])
def test_a_call_over_mcp_is_a_tool(read, name: str) -> None:
    request = {
        "method": "tools/call",
        "params": {"_meta": {"traceparent": "1"}, "name": "weather", "arguments": ARGUMENTS},
    }
    answer = {"meta": None, "content": [{"type": "text", "text": "no such city"}], "isError": True}
    attributes = {"request": json.dumps(request), "response": json.dumps(answer)}
    reading = read(name, attributes, scope=MCP)
    assert (reading.kind, reading.name, reading.flagged) == (Kind.TOOL, "weather", True)
    called = read("Function: {name}", {"name": "weather", "input": ARGUMENTS}, scope=AGENTS)
    assert reading.arguments == called.arguments is not None


def test_an_error_is_an_attribute(read) -> None:
    error = {"message": "Error running tool (non-fatal)", "data": {"tool_name": "weather", "error": "timed out"}}
    given = {"name": "weather", "input": "{}", "output": "Please try again."}
    reading = read("Function: {name}", {**given, "error": json.dumps(error)}, scope=AGENTS)
    assert (reading.flagged, reading.failure.error_class) == (True, ErrorClass.TIMEOUT)
    assert not read("Function: {name}", given, scope=AGENTS).flagged


def test_a_handoff_passes_control(read) -> None:
    attributes = {"from_agent": "triage", "to_agent": "booker"}
    reading = read("Handoff: {from_agent} → {to_agent}", attributes, scope=AGENTS)
    assert (reading.name, reading.role) == ("handoff to booker", Role.HANDOFF)


ASKED = [{"id": "c1", "type": "function", "function": {"name": "weather", "arguments": json.dumps(ARGUMENTS)}}]
ANSWER = {"role": "assistant", "content": "I could not.", "tool_calls": ASKED}


@pytest.mark.parametrize(
    ("scope", "attributes"),
    [
        (AGENTS, {"request_data": {"model": "gpt", "messages": [{"role": "user", "content": "Go."}, ANSWER]}}),
        (AGENTS, {"events": [{"event.name": "gen_ai.choice", "index": 0, "message": ANSWER}]}),
        (
            AGENTS,
            {
                "events": [
                    {"event.name": "gen_ai.choice", "index": 0, "message": {"role": "assistant", "tool_calls": ASKED}},
                    {"event.name": "gen_ai.choice", "index": 0, "message": {"role": "assistant", "content": "cannot"}},
                ]
            },
        ),
        (OPENAI, {"response_data": {"message": ANSWER, "usage": {"total_tokens": 1}}}),
    ],
    ids=["chat completions", "responses", "several items", "client"],
)
def test_answers_are_read_wherever_they_are(read, scope: str, attributes: dict[str, object]) -> None:
    name = "Chat completion with {gen_ai.request.model!r}" if scope == AGENTS else "Chat Completion with {x}"
    reading = read(name, {key: json.dumps(value) for key, value in attributes.items()}, scope=scope)
    assert ([call.call_id for call in reading.requested], reading.acknowledges) == (["c1"], True)


def test_a_request_that_ends_with_a_user_has_no_answer(read) -> None:
    request = json.dumps({"messages": [{"role": "user", "content": "I cannot."}]})
    reading = read("Chat completion with {gen_ai.request.model!r}", {"request_data": request}, scope=AGENTS)
    assert (reading.acknowledges, reading.has_result) == (None, False)


@pytest.mark.parametrize("value", ["", "[", "1", "[]", "{}", '{"params": 1}', '{"messages": 1}'])
def test_content_of_another_shape_says_nothing(read, value: str) -> None:
    everywhere = dict.fromkeys(("request", "response", "events", "request_data", "response_data"), value)
    for scope, name in ((MCP, "MCP request: tools/call x"), (AGENTS, "Responses API"), (OPENAI, "Responses API")):
        reading = read(name, everywhere, scope=scope)
        assert (reading.arguments, reading.requested) == (None, ())


# ------------------------------------------------------------------------------------------------------------ trees


def model(start: float, error: str = "") -> Raw:
    return raw(
        "Chat completion with {gen_ai.request.model!r}",
        start,
        start + 1,
        {"gen_ai.request.model": "gpt"},
        status=ERROR if error else 0,
        events=raised(error) if error else (),
    )


def function(start: float, **more: AttributeValue) -> Raw:
    given = {"name": "weather", "input": json.dumps(ARGUMENTS), "output": "18C", **more}
    return raw("Function: {name}", start, start + 1, given)


def agents(*children: Raw) -> Raw:
    turn = raw("Turn {turn} for agent travel", 0, 9, {}, *children)
    agent = raw("Agent run: {name!r}", 0, 9, {"name": "travel"}, turn)
    return raw("OpenAI Agents trace: {name}", 0, 9, {"name": "Agent workflow", "group_id": "g1"}, agent, scope=AGENTS)


def test_a_run_of_openai_agents() -> None:
    error = json.dumps({"message": "Error running tool (non-fatal)", "data": {"error": "timed out"}})
    found = run(agents(model(1), function(2, error=error), model(4), function(5), model(7)))
    assert names(found) == ["gpt", "weather", "gpt", "weather", "gpt"]
    assert (found.agent, found.session) == ("travel", "g1")
    assert (failed(found), responses(found), found.hard_failure) == (["weather"], ["retried"], False)


def test_a_run_that_ends_in_a_failed_model_call() -> None:
    found = run(agents(model(1), function(2), model(4, "openai.APIConnectionError")))
    assert (failed(found), found.hard_failure) == (["gpt"], True)
