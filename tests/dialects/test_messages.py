from __future__ import annotations

import json
from typing import Any

import pytest

from otelscore.dialects.content import digest
from otelscore.dialects.messages import said
from otelscore.model import Call

KEY = bytes(16)
ARGUMENTS = {"city": "Paris"}
CALL = Call("call_1", "weather", digest(ARGUMENTS, KEY))
ANSWER = "It could not be done."

OTEL = [{"role": "assistant", "parts": [{"type": "text", "content": ANSWER}], "finish_reason": "stop"}]
OTEL_CALL = [
    {
        "role": "assistant",
        "parts": [{"type": "tool_call", "id": "call_1", "name": "weather", "arguments": ARGUMENTS}],
    }
]


@pytest.mark.parametrize(
    "captured",
    [
        ANSWER,
        OTEL,
        [{"role": "user", "parts": [{"type": "text", "content": "Do it."}]}, *OTEL],
        {"role": "assistant", "content": ANSWER},
        [{"role": "assistant", "content": ANSWER, "tool_calls": None}],
        {"choices": [{"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}]},
        {
            "id": "resp_1",
            "output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": ANSWER}]}],
        },
        {"index": 0, "message": {"content": ANSWER}, "finish_reason": "stop"},  # gen_ai.choice up to 1.36
        [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": ANSWER}],  # Anthropic
        [{"text": ANSWER}],  # Bedrock
        {"output": {"message": {"role": "assistant", "content": [{"text": ANSWER}]}}},
        {"candidates": [{"content": {"role": "model", "parts": [{"text": ANSWER}]}}]},  # Gemini
        [{"type": "ai", "data": {}, "content": ANSWER}],
        {"generations": [[{"message": {"lc": 1, "type": "constructor", "kwargs": {"content": ANSWER}}}]]},
        {"messages": [{"type": "tool", "content": "Error: permission denied"}, {"type": "ai", "content": ANSWER}]},
        {"raw": ANSWER, "pydantic": None, "agent": "a"},  # CrewAI
    ],
)
@pytest.mark.parametrize("written", [lambda value: value, json.dumps, lambda value: json.dumps(json.dumps(value))])
def test_the_last_text_is_found_in_every_format(captured: Any, written: Any) -> None:
    assert said(written(captured), KEY).text == ANSWER


@pytest.mark.parametrize(
    "captured",
    [
        OTEL_CALL,
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "weather", "arguments": json.dumps(ARGUMENTS)},
                }
            ],
        },
        {"content": [{"type": "tool_use", "id": "call_1", "name": "weather", "input": ARGUMENTS}]},  # Anthropic
        [{"toolUse": {"toolUseId": "call_1", "name": "weather", "input": ARGUMENTS}}],  # Bedrock
        [{"type": "tool-call", "toolCallId": "call_1", "toolName": "weather", "args": ARGUMENTS}],  # Vercel
        {"text": "", "toolCalls": [{"toolCallId": "call_1", "toolName": "weather", "args": ARGUMENTS}]},  # Mastra
        {
            "output": [
                {
                    "type": "function_call",
                    "id": "fc_9",
                    "call_id": "call_1",
                    "name": "weather",
                    "arguments": json.dumps(ARGUMENTS),
                }
            ]
        },
        {"parts": [{"functionCall": {"id": "call_1", "name": "weather", "args": ARGUMENTS}}]},  # Gemini
        {
            "kwargs": {
                "content": "",
                "tool_calls": [{"name": "weather", "args": ARGUMENTS, "id": "call_1", "type": "tool_call"}],
            }
        },
    ],
)
def test_requested_calls_are_found_in_every_format(captured: Any) -> None:
    assert said(json.dumps(captured), KEY).calls == (CALL,)


def test_calls_keep_the_order_in_which_the_model_asked_for_them() -> None:
    parts = [{"type": "tool_call", "id": str(number), "name": "t", "arguments": {}} for number in range(5)]
    assert [call.call_id for call in said([{"role": "assistant", "parts": parts}], KEY).calls] == list("01234")


def test_text_beside_calls_is_found_too() -> None:
    found = said(
        [{"role": "assistant", "parts": [{"type": "text", "content": "Let me see."}, *OTEL_CALL[0]["parts"]]}], KEY
    )
    assert (found.text, found.calls) == ("Let me see.", (CALL,))


def test_an_item_without_a_role_beside_a_message_is_part_of_the_answer() -> None:
    output = [
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Let me see."}]},
        {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": json.dumps(ARGUMENTS)},
    ]
    assert said(output, KEY) == said({"output": output}, KEY)
    assert said(output, KEY).calls == (CALL,)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "reasoning", "content": "I cannot"},
        {"type": "thinking", "thinking": "I cannot", "text": "I cannot"},
        {"type": "tool_call_response", "id": "1", "response": "cannot", "content": "cannot"},
        {"type": "tool_result", "content": "cannot"},
        {"type": "tool-result", "toolCallId": "1", "toolName": "t", "output": "cannot"},
        {"toolResult": {"content": [{"text": "cannot"}]}, "content": "cannot"},
    ],
)
def test_thoughts_and_results_are_no_answer(part: dict[str, Any]) -> None:
    found = said([{"role": "assistant", "parts": [part, {"type": "text", "content": "Done."}]}], KEY)
    assert found.text == "Done."
    assert not found.calls


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "__REDACTED__",
        json.dumps([{"role": "assistant", "parts": [], "finish_reason": "tool_calls"}]),  # LiteLLM
        json.dumps([{"role": "assistant", "parts": [{"type": "text", "content": "[redacted]"}]}]),  # Azure AI
        {"role": "assistant", "content": "***"},
    ],
)
def test_nothing_captured_is_nothing_said(value: str | None) -> None:
    assert said(value, KEY).text is None


def test_a_structured_answer_and_cut_json_are_taken_as_text() -> None:
    assert said('{"summary": "I could not book."}', KEY).text == '{"summary": "I could not book."}'
    assert said('[{"role":"assistant","parts":[{"type":"text","content":"I could not bo', KEY).text is not None


def test_names_and_ids_of_calls_are_short_words() -> None:
    (call,) = said([{"type": "tool_call", "id": {"secret": 1}, "name": "n" * 1000, "arguments": None}], KEY).calls
    assert (call.call_id, call.name, call.arguments) == ("", "n" * 256, None)


def test_deep_nesting_ends_the_search() -> None:
    value: Any = ANSWER
    for _ in range(200):
        value = {"content": [value]}
    assert said(value, KEY).text == ""
