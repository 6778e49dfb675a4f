"""Spans as Google's ADK writes them: google/adk-python 0.1 to 2.x, src/google/adk/telemetry."""

from __future__ import annotations

import json

import pytest
from raw import Raw, raised, raw, run
from support import failed, names, responses

from otelscore.model import ERROR, AttributeValue, ErrorClass, Kind, Role

SCOPE = "gcp.vertex.agent"
ARGUMENTS, RESPONSE = "gcp.vertex.agent.tool_call_args", "gcp.vertex.agent.tool_response"


def tool(name: str = "weather", **more: AttributeValue) -> dict[str, AttributeValue]:
    return {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name, **more}


@pytest.mark.parametrize(
    ("name", "attributes", "kind", "named"),
    [
        ("invocation", {}, Kind.WRAPPER, ""),
        ("agent_run [planner]", {}, Kind.AGENT, "planner"),
        ("invoke_agent planner", {"gen_ai.operation.name": "invoke_agent"}, Kind.AGENT, "planner"),
        ("call_llm", {"gen_ai.system": SCOPE, "gen_ai.request.model": "gemini"}, Kind.MODEL, "gemini"),
        ("call_llm", {}, Kind.MODEL, ""),  # the model failed before anything was written
        ("generate_content gemini", {"gen_ai.operation.name": "generate_content"}, Kind.MODEL, ""),
        ("tool_call [weather]", {"gen_ai.system": SCOPE}, Kind.TOOL, "weather"),  # until 1.1
        ("tool_response [weather]", {"gen_ai.system": SCOPE}, Kind.WRAPPER, ""),
        ("execute_tool weather", {}, Kind.TOOL, "weather"),  # the tool failed before anything was written
        ("execute_tool weather", tool(), Kind.TOOL, "weather"),
        ("invoke_workflow planner", {"gen_ai.operation.name": "invoke_workflow"}, Kind.WRAPPER, ""),
        ("invoke_node fetch", {"gen_ai.operation.name": "invoke_node"}, Kind.WRAPPER, ""),
        ("send_data", {}, Kind.WRAPPER, ""),
        ("something new", {}, Kind.OTHER, ""),
    ],
)
def test_names_say_what_operations_do_not(
    read, name: str, attributes: dict[str, AttributeValue], kind: Kind, named: str
) -> None:
    reading = read(name, attributes, scope=SCOPE)
    assert (reading.kind, reading.name) == (kind, named)
    assert reading.dialect == ("" if kind is Kind.OTHER else "adk")


def test_names_alone_are_anybodys_elsewhere(read) -> None:
    for name in ("invocation", "call_llm", "agent_run [planner]", "tool_call [weather]"):
        assert read(name).kind is Kind.OTHER


@pytest.mark.parametrize(
    "attributes",
    [
        {ARGUMENTS: '{"city": "Paris"}', RESPONSE: '{"error": "ValueError: bad city"}'},
        {
            "gen_ai.tool.call.arguments": '{"city":"Paris"}',
            "gen_ai.tool.call.result": '{"error": "ValueError: bad city"}',
        },
    ],
    ids=["until 2.0", "since"],
)
def test_arguments_and_response_are_read_in_both_schemas(read, attributes: dict[str, AttributeValue]) -> None:
    reading = read("execute_tool weather", tool(**attributes), scope=SCOPE)
    assert reading.arguments == read("x", {ARGUMENTS: '{"city": "Paris"}', **tool()}, scope=SCOPE).arguments
    assert (reading.soft_error, reading.soft_failure.error_class) == ("error", ErrorClass.INVALID_ARGUMENTS)


def test_a_text_is_wrapped_in_a_result(read) -> None:
    wrapped = json.dumps({"result": json.dumps({"error": "rate limited", "status": 429})})
    assert read("x", tool(**{RESPONSE: wrapped}), scope=SCOPE).soft_failure.error_class is ErrorClass.RATE_LIMIT
    assert read("x", tool(**{RESPONSE: '{"result": "18C"}'}), scope=SCOPE).soft_error == ""


def test_without_content_nobody_knows_the_arguments(read) -> None:
    hidden = read("x", tool(**{ARGUMENTS: "{}", RESPONSE: "{}"}), scope=SCOPE)
    assert (hidden.arguments, hidden.has_result) == (None, False)
    none = read("x", tool(**{ARGUMENTS: "{}", RESPONSE: '{"result": null}'}), scope=SCOPE)
    assert none.arguments is not None


def test_an_id_that_is_not_specified_is_none(read) -> None:
    assert read("x", tool(**{"gen_ai.tool.call.id": "<not specified>"}), scope=SCOPE).call_id == ""


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("(merged tools)", Role.BOOKKEEPING),
        ("transfer_to_agent", Role.HANDOFF),
        ("set_model_response", Role.FINAL_ANSWER),
        ("weather", Role.ORDINARY),
    ],
)
def test_tools_of_the_framework_itself(read, name: str, role: Role) -> None:
    assert read(f"execute_tool {name}", tool(name), scope=SCOPE).role is role


def test_the_response_of_a_model_tells_what_it_asked_for_and_said(read) -> None:
    parts = [{"text": "I could not."}, {"function_call": {"id": "c1", "name": "weather", "args": {"city": "Paris"}}}]
    answer = json.dumps({"content": {"role": "model", "parts": parts}, "finish_reason": "STOP"})
    model = {"gen_ai.request.model": "gemini", "gcp.vertex.agent.llm_response": answer}
    reading = read("call_llm", {**model, "gcp.vertex.agent.session_id": "s1"}, scope=SCOPE)
    assert (reading.acknowledges, reading.session) == (True, "s1")
    (call,) = reading.requested
    asked = read("x", tool(**{ARGUMENTS: '{"city": "Paris"}'}), scope=SCOPE)
    assert (call.call_id, call.name, call.arguments) == ("c1", "weather", asked.arguments)


# ------------------------------------------------------------------------------------------------------------ trees


def model(start: float, end: float, *children: Raw, **more: object) -> Raw:
    attributes = {"gen_ai.system": SCOPE, "gen_ai.request.model": "gemini"}
    return raw("call_llm", start, end, {} if more else attributes, *children, **more)


def call(start: float, response: object, **more: object) -> Raw:
    attributes = tool(**{ARGUMENTS: '{"city": "Paris"}', RESPONSE: json.dumps(response)})
    return raw("execute_tool weather", start, start + 1, attributes, **more)


def test_tools_lie_below_the_model_call_that_asked_for_them() -> None:
    """Until 1.13; and `(merged tools)` of parallel calls is none."""
    merged = raw("execute_tool (merged)", 3.9, 4, tool("(merged tools)"))
    found = run(
        raw(
            "invocation",
            0,
            9,
            {},
            raw(
                "agent_run [travel]",
                0,
                9,
                {},
                model(1, 4, call(2, {"error": "TimeoutError: timed out"}), merged),
                model(5, 7, call(6, {"result": "18C"})),
                model(8, 9),
            ),
            scope=SCOPE,
        )
    )
    assert names(found) == ["gemini", "weather", "gemini", "weather", "gemini"]
    assert (found.agent, failed(found), responses(found)) == ("travel", ["weather"], ["retried"])


def test_a_model_call_around_the_one_of_the_client_is_one() -> None:
    inner = raw("generate_content gemini", 1.1, 1.9, {"gen_ai.operation.name": "generate_content"})
    found = run(
        raw(
            "invoke_agent travel",
            0,
            9,
            tool() | {"gen_ai.operation.name": "invoke_agent"},
            model(1, 2, inner),
            scope=SCOPE,
        )
    )
    assert names(found) == ["gemini"]


def test_a_failed_model_call_without_attributes_ends_the_run() -> None:
    broken = model(5, 6, status=ERROR, events=raised("ConnectionError", "down"))
    agent = raw("agent_run [travel]", 0, 6, {}, model(1, 2), call(3, {"result": 1}), broken, status=ERROR)
    found = run(raw("invocation", 0, 6, {}, agent, status=ERROR, scope=SCOPE))
    assert found.hard_failure
    assert [(step.kind, step.error_class) for step in found.steps if step.failed] == [
        (Kind.MODEL, ErrorClass.UNAVAILABLE)
    ]


def test_an_agent_tool_is_a_delegation_and_a_transfer_a_move() -> None:
    inner = raw("agent_run [researcher]", 2, 5, {}, model(2, 3), call(4, {"result": 1}))
    found = run(
        raw(
            "agent_run [planner]",
            0,
            9,
            {},
            model(1, 1.5),
            raw("execute_tool researcher", 2, 5, tool("researcher"), raw("invocation", 2, 5, {}, inner)),
            model(6, 7),
            raw("execute_tool transfer_to_agent", 8, 8.1, tool("transfer_to_agent")),
            scope=SCOPE,
        )
    )
    assert [step.agent for step in found.steps if step.kind is Kind.TOOL] == ["researcher"]
    assert "researcher" not in names(found)
    assert "transfer_to_agent" not in names(found)
