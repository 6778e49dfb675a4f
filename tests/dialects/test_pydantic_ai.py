"""Spans as Pydantic AI writes them: pydantic/pydantic-ai 0.0.20 to 2.x, instrumentation versions 1 to 6."""

from __future__ import annotations

import json

import pytest
from raw import Raw, raised, raw, run
from support import failed, names, recoveries, responses

from otelscore.model import ERROR, AttributeValue, ErrorClass, Kind

SCOPE = "pydantic-ai"
ARGUMENTS = '{"city":"Paris"}'
RETRY = "TimeoutError: timed out\n\nFix the errors and try again."


def v2(name: str = "weather", **more: AttributeValue) -> dict[str, AttributeValue]:
    """A tool call until 1.0; the operation came with 1.60."""
    known = {"gen_ai.tool.name": name, "gen_ai.tool.call.id": "c1", "tool_arguments": ARGUMENTS}
    return {**known, "logfire.msg": f"running tool: {name}", **more}


def v3(name: str = "weather", **more: AttributeValue) -> dict[str, AttributeValue]:
    known = {"gen_ai.tool.name": name, "gen_ai.tool.call.id": "c1", "gen_ai.tool.call.arguments": ARGUMENTS}
    return {"gen_ai.operation.name": "execute_tool", **known, "logfire.msg": f"running tool: {name}", **more}


@pytest.mark.parametrize(
    ("name", "attributes", "kind", "named"),
    [
        ("agent run", {"agent_name": "planner", "model_name": "gpt"}, Kind.AGENT, "planner"),
        ("{agent_name} run {prompt=}", {"agent_name": "planner"}, Kind.AGENT, "planner"),  # 0.0.20
        ("invoke_agent planner", {"gen_ai.operation.name": "invoke_agent"}, Kind.AGENT, "planner"),
        ("chat gpt", {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt"}, Kind.MODEL, "gpt"),
        ("model request", {}, Kind.MODEL, ""),  # 0.0.20
        ("running tool", v2(), Kind.TOOL, "weather"),
        ("running tool: weather", {}, Kind.TOOL, "weather"),
        ("execute_tool weather", v3(), Kind.TOOL, "weather"),
        ("running tools", {"tools": ["weather"], "logfire.msg": "running 1 tool"}, Kind.WRAPPER, ""),
        ("embeddings small", {"gen_ai.operation.name": "embeddings"}, Kind.RETRIEVAL, "embeddings small"),
        ("handle model response", {}, Kind.OTHER, ""),
    ],
)
def test_every_version_has_its_names(
    read, name: str, attributes: dict[str, AttributeValue], kind: Kind, named: str
) -> None:
    reading = read(name, attributes, scope=SCOPE)
    assert (reading.kind, reading.name) == (kind, named)


def test_an_old_name_is_anybodys_elsewhere(read) -> None:
    for name in ("agent run", "running tools", "model request"):
        assert read(name).kind is Kind.OTHER


@pytest.mark.parametrize("name", ["running output function", "execute_tool final_trip"])
def test_an_output_function_is_no_tool(read, name: str) -> None:
    """The model calls it to give its answer; since version 3 its span is called as a tool's."""
    attributes = {**v3("final_trip"), "logfire.msg": "running output function: final_trip"}
    assert read(name, attributes, scope=SCOPE).kind is Kind.WRAPPER
    assert read("execute_tool final_trip", {**attributes, "logfire.msg": "x"}, scope=SCOPE).kind is Kind.TOOL


@pytest.mark.parametrize(
    "attributes",
    [v2(tool_response="Error: no such city"), v3(**{"gen_ai.tool.call.result": "Error: no such city"})],
    ids=["v2", "v3"],
)
def test_a_call_is_read_in_every_version(read, attributes: dict[str, AttributeValue]) -> None:
    reading = read("running tool", attributes, scope=SCOPE)
    assert (reading.call_id, reading.soft_error, reading.has_result) == ("c1", "error_prefix", True)
    assert reading.arguments == read("x", v3(), scope=SCOPE).arguments is not None


@pytest.mark.parametrize("attributes", [v2(tool_response=RETRY), v3(**{"gen_ai.tool.call.result": RETRY})])
@pytest.mark.parametrize("status", [0, ERROR])
def test_a_retry_prompt_is_a_failure_whatever_the_status(
    read, attributes: dict[str, AttributeValue], status: int
) -> None:
    """Until 2025-08 it was the only sign."""
    reading = read("running tool", attributes, scope=SCOPE, status=status)
    assert (reading.flagged, reading.failure.error_class) == (True, ErrorClass.TIMEOUT)


def test_the_type_of_a_failure_is_inside_of_its_wrapper(read) -> None:
    events = raised("pydantic_ai.exceptions.ToolRetryError", "PermissionError: 403 not permitted")
    reading = read("x", v3(), scope=SCOPE, status=ERROR, events=events)
    assert (reading.failure.error_type, reading.failure.error_class) == ("PermissionError", ErrorClass.AUTH)


@pytest.mark.parametrize(
    ("attributes", "events", "status"),
    [
        (v3(**{"pydantic_ai.tool.deferral.name": "CallDeferred"}), [], 0),
        (v3(**{"pydantic_ai.tool.deferral.name": "ApprovalRequired"}), raised("ApprovalRequired"), ERROR),
        (v2(), raised("pydantic_ai.exceptions.CallDeferred"), ERROR),
        (v2(), raised("pydantic_ai.exceptions.ApprovalRequired"), ERROR),
    ],
    ids=["since v5", "before", "call deferred", "approval required"],
)
def test_a_deferred_call_is_skipped(read, attributes, events, status: int) -> None:
    assert read("x", attributes, scope=SCOPE, events=events, status=status).skipped


def test_events_of_the_first_version_are_an_attribute(read) -> None:
    asked = [{"id": "c1", "type": "function", "function": {"name": "weather", "arguments": ARGUMENTS}}]
    events = [
        {"event.name": "gen_ai.user.message", "role": "user", "content": "Go.", "gen_ai.message.index": 0},
        {
            "event.name": "gen_ai.choice",
            "index": 0,
            "message": {"role": "assistant", "content": "I could not.", "tool_calls": asked},
        },
    ]
    reading = read("chat gpt", {"gen_ai.operation.name": "chat", "events": json.dumps(events)}, scope=SCOPE)
    assert reading.acknowledges is True
    (call,) = reading.requested
    assert (call.call_id, call.name, call.arguments) == (
        "c1",
        "weather",
        read("running tool", v2(), scope=SCOPE).arguments,
    )


@pytest.mark.parametrize("events", ["", "[", "{}", "[1]", '[{"event.name": "gen_ai.choice", "message": 1}]'])
def test_events_of_another_shape_say_nothing(read, events: str) -> None:
    reading = read("chat gpt", {"gen_ai.operation.name": "chat", "events": events}, scope=SCOPE)
    assert (reading.requested, reading.acknowledges, reading.results) == ((), None, ())


def test_the_final_result_of_a_run_is_its_answer(read) -> None:
    assert read("agent run", {"agent_name": "x", "final_result": "I could not."}, scope=SCOPE).acknowledges is True


# ------------------------------------------------------------------------------------------------------------ trees


def chat(start: float, *events: dict[str, object]) -> Raw:
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt", "events": json.dumps(events)}
    return raw("chat gpt", start, start + 1, attributes)


def choice(call_id: str = "") -> dict[str, object]:
    asked = [{"id": call_id, "type": "function", "function": {"name": "weather", "arguments": ARGUMENTS}}]
    message = {"role": "assistant", "tool_calls": asked} if call_id else {"role": "assistant", "content": "Done."}
    return {"event.name": "gen_ai.choice", "index": 0, "message": message}


def history(call_id: str, result: str) -> list[dict[str, object]]:
    said = choice(call_id)["message"]
    assert isinstance(said, dict)
    return [
        {"event.name": "gen_ai.assistant.message", **said},
        {"event.name": "gen_ai.tool.message", "role": "tool", "id": call_id, "name": "weather", "content": result},
    ]


def test_a_failure_that_only_the_next_prompt_tells_is_seen() -> None:
    """Until 0.3 a tool span has no result, and a call that failed ends like any other."""
    first, second = history("c1", RETRY), history("c2", "18C")

    def call(start: float, call_id: str) -> Raw:
        attributes = v2(**{"gen_ai.tool.call.id": call_id})
        return raw("running tools", start, start + 1, {}, raw("running tool", start, start + 1, attributes))

    found = run(
        raw(
            "agent run",
            0,
            9,
            {"agent_name": "travel"},
            chat(1, choice("c1")),
            call(2, "c1"),
            chat(4, *first, choice("c2")),
            call(5, "c2"),
            chat(7, *first, *second, choice()),
            scope=SCOPE,
        )
    )
    assert names(found) == ["gpt", "weather", "gpt", "weather", "gpt"]
    assert [step.status for step in found.steps] == ["ok", "error", "ok", "ok", "ok"]
    assert (found.agent, failed(found)) == ("travel", ["weather"])
    assert (responses(found), recoveries(found)) == (["retried"], [True])
    assert found.steps[1].error_class is ErrorClass.TIMEOUT
