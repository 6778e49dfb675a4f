"""Spans as ai 3 to 6 write them: packages/ai/src/{generate-text,generate-object,embed,rerank,telemetry}."""

from __future__ import annotations

import json

import pytest
from raw import Raw, raised, raw, run, runs, steps
from support import failed, responses

from otelscore.model import ERROR, ErrorClass, Kind

FUNCTION = {"ai.telemetry.functionId": "travel_agent", "resource.name": "travel_agent"}


def operation(name: str, **more: object) -> dict[str, object]:
    return {"ai.operationId": name, "operation.name": f"{name} travel_agent", **FUNCTION, **more}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ai.generateText", Kind.LOOP),
        ("ai.streamText", Kind.LOOP),
        ("ai.generateText.doGenerate", Kind.MODEL),
        ("ai.streamText.doStream", Kind.MODEL),
        ("ai.generateObject.doGenerate", Kind.MODEL),
        ("ai.streamObject.doStream", Kind.MODEL),
        ("ai.toolCall", Kind.TOOL),
        ("ai.embed.doEmbed", Kind.RETRIEVAL),
        ("ai.embedMany.doEmbed", Kind.RETRIEVAL),
        ("ai.rerank.doRerank", Kind.RETRIEVAL),
        ("ai.generateObject", Kind.WRAPPER),
        ("ai.streamObject", Kind.WRAPPER),
        ("ai.embed", Kind.WRAPPER),
        ("ai.embedMany", Kind.WRAPPER),
        ("ai.rerank", Kind.WRAPPER),
        ("ai.somethingNew", Kind.WRAPPER),
    ],
)
def test_the_operation_says_what_a_span_is(read, name: str, kind: Kind) -> None:
    model = {"gen_ai.system": "openai", "gen_ai.request.model": "gpt"}
    for attributes in (
        operation(name),
        operation(name, **model),
        {"operation.name": f"{name} travel_agent", **model},
        {"operation.name": name},
    ):
        reading = read(name, attributes, scope="ai")
        assert (reading.kind, reading.dialect) == (kind, "vercel")


def test_an_operation_of_somebody_else_is_none_of_its(read) -> None:
    assert read("GET /", {"operation.name": "web.request"}).kind is Kind.OTHER


def test_it_comes_before_what_a_processor_of_openinference_adds(read) -> None:
    reading = read("ai.toolCall", operation("ai.toolCall", **{"openinference.span.kind": "TOOL", "tool.name": "x"}))
    assert reading.dialect == "vercel"


def test_a_tool_call(read) -> None:
    called = {"ai.toolCall.name": "search", "ai.toolCall.id": "call_1", "ai.toolCall.args": '{"q":"x"}'}
    reading = read("ai.toolCall", operation("ai.toolCall", **called, **{"ai.toolCall.result": '{"found":3}'}))
    assert (reading.name, reading.call_id, reading.agent) == ("search", "call_1", "travel_agent")
    assert reading.arguments is not None
    assert reading.has_result
    assert reading.failure is None
    assert not reading.soft_error


def test_a_text_result_is_json_twice_over(read) -> None:
    soft = read("ai.toolCall", operation("ai.toolCall", **{"ai.toolCall.result": json.dumps("Error: HTTP 503")}))
    assert (soft.soft_error, soft.soft_failure.error_class) == ("error_prefix", ErrorClass.UNAVAILABLE)


def test_a_tool_error(read) -> None:
    reading = read("ai.toolCall", operation("ai.toolCall"), events=raised("TimeoutError", "late"), status=ERROR)
    assert (reading.failure.error_type, reading.failure.error_class) == ("TimeoutError", ErrorClass.TIMEOUT)


def test_version_4_wraps_a_tool_error_and_records_both(read) -> None:
    wrapper = raised("AI_ToolExecutionError", "Error executing tool pay: no funds")
    for words, error_type in (("no funds", "PaymentDeclined"), ("an earlier try", "AI_ToolExecutionError")):
        events = [*raised("PaymentDeclined", words), *wrapper]
        reading = read("ai.toolCall", operation("ai.toolCall"), events=events, status=ERROR)
        assert reading.failure.error_type == error_type


@pytest.mark.parametrize(
    ("key", "call"),
    [
        ("ai.response.toolCalls", {"toolCallId": "call_1", "toolName": "search", "input": '{"q":"x"}'}),
        (
            "ai.response.toolCalls",
            {"type": "tool-call", "toolCallId": "call_1", "toolName": "search", "input": {"q": "x"}},
        ),
        (
            "ai.response.toolCalls",
            {"toolCallType": "function", "toolCallId": "call_1", "toolName": "search", "args": '{"q":"x"}'},
        ),
        ("ai.result.toolCalls", {"toolCallId": "call_1", "toolName": "search", "args": '{"q":"x"}'}),
    ],
)
def test_a_model_call_names_the_calls_it_asks_for(read, key: str, call: dict[str, object]) -> None:
    name = "ai.generateText.doGenerate"
    reading = read(name, operation(name, **{key: json.dumps([call]), "ai.model.id": "gpt", "ai.response.text": "Hm."}))
    tool = read("ai.toolCall", operation("ai.toolCall", **{"ai.toolCall.args": '{"q": "x"}'}))
    (asked,) = reading.requested
    assert (asked.call_id, asked.name, asked.arguments) == ("call_1", "search", tool.arguments)
    assert reading.name == "gpt"
    assert reading.acknowledges is False


@pytest.mark.parametrize("key", ["ai.response.text", "ai.result.text"])
def test_what_a_model_says(read, key: str) -> None:
    name = "ai.streamText.doStream"
    assert read(name, operation(name, **{key: "I could not do it."})).acknowledges is True


def test_a_finish_reason_says_that_a_model_call_failed(read) -> None:
    name = "ai.streamText.doStream"
    assert read(name, operation(name, **{"ai.response.finishReason": "error"})).flagged
    assert read(name, operation(name, **{"ai.finishReason": "error"})).flagged
    assert not read(name, operation(name, **{"ai.response.finishReason": "tool-calls"})).flagged


@pytest.mark.parametrize("name", ["sessionId", "session_id", "threadId", "conversationId"])
def test_the_session_is_in_the_metadata(read, name: str) -> None:
    assert read("ai.toolCall", operation("ai.toolCall", **{f"ai.telemetry.metadata.{name}": "s1"})).session == "s1"


def test_a_model_call_is_told_the_results_of_its_calls(read) -> None:
    told = {"type": "tool-result", "toolCallId": "call_1", "toolName": "search"}
    asked = {"type": "tool-call", "toolCallId": "call_1", "toolName": "search", "input": {"q": "x"}}
    for output in ({"output": {"type": "error-text", "value": "invalid input"}}, {"result": "Error: invalid input"}):
        prompt = [{"role": "assistant", "content": [asked]}, {"role": "tool", "content": [told | output]}]
        name = "ai.generateText.doGenerate"
        (result,) = read(name, operation(name, **{"ai.prompt.messages": json.dumps(prompt)})).results
        assert (result.call.call_id, result.call.name) == ("call_1", "search")
        assert result.soft_error


def test_a_model_call_was_offered_tools(read) -> None:
    name = "ai.generateText.doGenerate"
    assert read(name, operation(name, **{"ai.prompt.tools": ["{}"]})).offered
    assert not read(name, operation(name)).offered


@pytest.mark.parametrize("renamed", [0, 1])
def test_openllmetry_renames_all_but_the_operation(read, renamed: int) -> None:
    tool = [
        {"ai.toolCall.name": "search", "ai.toolCall.id": "c1", "traceloop.entity.input": "{}"},
        {"gen_ai.tool.name": "search", "gen_ai.tool.call.id": "c1", "gen_ai.tool.call.arguments": "{}"},
    ][renamed]
    result = ["traceloop.entity.output", "gen_ai.tool.call.result"][renamed]
    session = ["traceloop.association.properties.sessionId", "gen_ai.conversation.id"][renamed]
    reading = read("search.tool", operation("ai.toolCall", **tool, **{result: '"Error: HTTP 503"', session: "s1"}))
    assert (reading.dialect, reading.name, reading.call_id, reading.session) == ("vercel", "search", "c1", "s1")
    assert reading.arguments is not None
    assert reading.soft_error
    said = json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": "I could not."}]}])
    more = {"gen_ai.output.messages": said, "gen_ai.response.finish_reasons": ["error"]}
    more |= {"llm.request.functions.0.name": "search", "gen_ai.request.model": "gpt", "gen_ai.operation.name": "chat"}
    model = read("text.generate", operation("ai.generateText.doGenerate", **more))
    assert (model.name, model.acknowledges, model.offered, model.flagged) == ("gpt", True, True, True)
    named = operation("ai.generateText", **{"gen_ai.agent.name": "planner", "traceloop.span.kind": "agent"})
    assert read("planner.agent", named).name == "planner"


# ------------------------------------------------------------------------------------------------------ the loop


def loop(start: float, end: float, *inside: Raw, function: str = "travel_agent", **facts: object) -> Raw:
    own = operation("ai.generateText") | {"ai.telemetry.functionId": function}
    return raw("ai.generateText", start, end, own, *inside, scope="ai", **facts)


def ask(start: float, end: float, **attributes: object) -> Raw:
    name = "ai.generateText.doGenerate"
    return raw(name, start, end, operation(name, **{"ai.model.id": "gpt", **attributes}))


def call(name: str, start: float, end: float, *inside: Raw, **facts: object) -> Raw:
    named = operation("ai.toolCall", **{"ai.toolCall.name": name, "ai.toolCall.args": "{}"})
    return raw("ai.toolCall", start, end, named, *inside, **facts)


def test_the_loop_around_tools_is_the_agent() -> None:
    broken = call("search", 2, 3, events=raised("TimeoutError"), status=ERROR)
    found = run(loop(0, 9, ask(1, 2), broken, ask(4, 5), call("search", 5, 6), ask(7, 8)))
    assert found.agent == "travel_agent"
    assert [step.agent for step in found.steps] == ["travel_agent"] * 5
    assert (failed(found), responses(found)) == (["search"], ["retried"])


def test_a_call_that_starts_while_its_model_still_streams_belongs_to_that_turn() -> None:
    broken = call("search", 2, 3, events=raised("TimeoutError"), status=ERROR)
    found = run(loop(0, 9, ask(1, 4), broken, ask(5, 8), call("search", 6, 7), ask(8, 9)))
    assert responses(found) == ["retried"]


def test_two_loops_of_one_request_are_two_runs() -> None:
    first = loop(1, 5, ask(2, 3), call("search", 3, 4), function="first")
    second = loop(6, 9, ask(7, 8), call("search", 8, 9), function="second")
    assert [found.agent for found in runs(raw("POST /chat", 0, 10, {}, first, second))] == ["first", "second"]


def test_a_loop_without_tools_is_a_plain_model_call() -> None:
    assert runs(loop(0, 9, ask(1, 2))) == []
    assert steps(run(loop(0, 9, ask(1, 2, **{"ai.prompt.tools": ["{}"]})))) == [("model", "gpt", "ok")]


def test_a_tool_that_asks_a_model_is_a_tool_and_one_that_runs_a_loop_is_not() -> None:
    def found(*inside: Raw) -> list[tuple[str, str, str]]:
        return steps(run(loop(0, 9, ask(1, 2), call("helper", 2, 9, loop(3, 8, *inside)))))

    assert found(ask(4, 5)) == [("model", "gpt", "ok"), ("tool", "helper", "ok")]
    assert found(ask(4, 5), call("search", 5, 6)) == [
        ("model", "gpt", "ok"),
        ("model", "gpt", "ok"),
        ("tool", "search", "ok"),
    ]


def test_a_loop_that_a_model_error_ended_failed() -> None:
    error = {"events": raised("AI_APICallError", "500"), "status": ERROR}
    dying = raw("ai.generateText.doGenerate", 4, 5, operation("ai.generateText.doGenerate"), **error)
    found = run(loop(0, 9, ask(1, 2), call("search", 2, 3), dying, **error))
    assert (found.outcome, found.hard_failure) == ("failed", True)
