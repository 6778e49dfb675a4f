"""Content in log records, as instrumentations write them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from otelscore.dialects import Context, Registry
from otelscore.dialects.content import digest
from otelscore.model import AttributeValue, Call, Origin, RawLog, SpanFacts

KEY = bytes(16)
TRACE, SPAN = b"t" * 16, b"s" * 8
REGISTRY = Registry(Context(key=KEY))


def facts(event: str, body: AttributeValue = None, span_id: bytes = SPAN, **attributes: AttributeValue) -> SpanFacts:
    fields = {name.replace("__", "."): value for name, value in attributes.items()}
    found = REGISTRY.read_log(RawLog(TRACE, span_id, 9, event, body, fields, Origin()))
    assert isinstance(found, SpanFacts)
    return found


def test_our_own_records_say_nothing() -> None:
    attributes = {"gen_ai.evaluation.name": "task_success", "gen_ai.evaluation.score.label": "pass"}
    event = RawLog(TRACE, SPAN, 9, "gen_ai.evaluation.result", None, dict(attributes), Origin(scope="otelscore"))
    assert REGISTRY.read_log(event) is None


def test_a_tool_message_tells_a_model_the_result_of_a_call() -> None:
    (result,) = facts("gen_ai.tool.message", {"id": "c1", "content": "Error: no such city"}).results
    assert (result.call.call_id, result.soft_error) == ("c1", "error_prefix")


@pytest.mark.parametrize("write", [json.dumps, lambda body: body])
def test_a_choice_is_what_a_model_said(write: Any) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}}
    body = {"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant", "tool_calls": [call]}}
    assert facts("gen_ai.choice", write(body)).requested == (Call("c1", "weather", digest({"city": "Oslo"}, KEY)),)
    answer = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "I could not."}}
    assert facts("gen_ai.choice", write(answer)).acknowledges is True


def test_a_user_message_of_gemini_tells_results() -> None:
    part = {"function_response": {"id": "c1", "name": "weather", "response": {"error": "HTTP 503"}}}
    (result,) = facts("gen_ai.user.message", {"content": {"role": "user", "parts": [part]}}).results
    assert (result.call.call_id, result.soft_error) == ("c1", "error")


@pytest.mark.parametrize("write", [json.dumps, lambda messages: messages])
def test_the_details_of_an_operation_hold_all_messages(write: Any) -> None:
    given = [
        {"role": "assistant", "parts": [{"type": "tool_call", "id": "c1", "name": "weather", "arguments": {}}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "sunny"}]},
    ]
    said = [{"role": "assistant", "parts": [{"type": "text", "content": "Sunny."}]}]
    found = facts(
        "gen_ai.client.inference.operation.details",
        gen_ai__input__messages=write(given),
        gen_ai__output__messages=write(said),
    )
    assert [result.call.name for result in found.results] == ["weather"]
    assert found.acknowledges is False


def test_what_a_tool_was_given_and_gave_back() -> None:
    given = [{"role": "tool", "parts": [{"type": "tool_call", "name": "weather", "arguments": {"city": "Oslo"}}]}]
    said = [{"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": {"error": "HTTP 503"}}]}]
    found = facts(
        "gen_ai.client.inference.operation.details",
        gen_ai__input__messages=json.dumps(given),
        gen_ai__output__messages=json.dumps(said),
    )
    assert found.arguments == digest({"city": "Oslo"}, KEY)
    assert found.result is not None
    assert found.result.soft_error == "error"


def conversation(given: AttributeValue, said: AttributeValue, role: str = "user") -> AttributeValue:
    return {
        "input": {"messages": [{"role": role, "content": given}]},
        "output": {"messages": [{"role": "assistant", "content": said}]},
    }


def test_agentcores_record_of_a_tool_span() -> None:
    found = facts("openinference.instrumentation.langchain", conversation('{"city":"Oslo"}', "Error: HTTP 503"))
    assert found.arguments == digest({"city": "Oslo"}, KEY)
    assert found.result is not None
    assert found.result.soft_error == "error_prefix"


def test_agentcores_record_of_a_strands_tool() -> None:
    body = conversation(
        {"content": '{"city":"Oslo"}', "role": "tool", "id": "c1"},
        {"message": '[{"text":"Error: HTTP 503"}]', "id": "c1"},
        role="tool",
    )
    found = facts("strands.telemetry.tracer", body)
    assert found.arguments == digest({"city": "Oslo"}, KEY)
    assert found.result is not None
    assert found.result.soft_error == "error_prefix"


def test_agentcores_record_of_a_strands_model_call() -> None:
    use = [{"text": "I see."}, {"toolUse": {"toolUseId": "c1", "name": "weather", "input": {"city": "Oslo"}}}]
    body = conversation({"content": '[{"text":"Weather?"}]'}, {"message": json.dumps(use), "finish_reason": "tool_use"})
    assert facts("strands.telemetry.tracer", body).requested == (Call("c1", "weather", digest({"city": "Oslo"}, KEY)),)
    told = [{"toolResult": {"toolUseId": "c1", "status": "error", "content": [{"text": "HTTP 503"}]}}]
    body = conversation({"content": json.dumps(told)}, {"message": '[{"text":"I could not."}]'}, role="tool")
    found = facts("strands.telemetry.tracer", body)
    assert [(result.call.call_id, bool(result.soft_error)) for result in found.results] == [("c1", True)]
    assert found.acknowledges is True


def test_what_claude_code_answered() -> None:
    found = facts("assistant_response", "claude_code.assistant_response", response="I was unable to.")
    assert (found.acknowledges, found.said_at, found.result) == (True, 9, None)


@pytest.mark.parametrize(
    "record",
    [
        RawLog(TRACE, b"", 9, "gen_ai.tool.message", {"id": "c1", "content": "x"}, {}, Origin()),
        RawLog(TRACE, SPAN, 9, "gen_ai.tool.message", {"id": "c1"}, {}, Origin()),  # content is not captured
        RawLog(TRACE, SPAN, 9, "gen_ai.system.message", {"content": "You are."}, {}, Origin()),
        RawLog(TRACE, SPAN, 9, "gen_ai.user.message", {"content": "Weather?"}, {}, Origin()),
        RawLog(TRACE, SPAN, 9, "", "a line of the application's", {}, Origin()),
        RawLog(TRACE, SPAN, 9, "", {"input": "x", "output": {"messages": "x"}}, {}, Origin()),
    ],
)
def test_a_record_that_says_nothing_of_a_span_is_ignored(record: RawLog) -> None:
    assert REGISTRY.read_log(record) is None
