"""What the end of a model's input says of the calls that it had asked for, in every message format."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otelscore.dialects import results as module
from otelscore.dialects.content import digest
from otelscore.dialects.results import numbered, results
from otelscore.model import Call, Result

KEY = bytes(16)
ARGUMENTS = {"city": "Oslo"}
CALL = Call("c1", "weather", digest(ARGUMENTS, KEY))

GENAI = [
    {"role": "user", "parts": [{"type": "text", "content": "Weather?"}]},
    {
        "role": "assistant",
        "parts": [{"type": "tool_call", "id": "c1", "name": "weather", "arguments": ARGUMENTS}],
    },
    {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "Error: HTTP 503"}]},
]
OPENAI = [
    {"role": "user", "content": "Weather?"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": json.dumps(ARGUMENTS)}}
        ],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "Error: HTTP 503"},
]
RESPONSES = [
    {"role": "user", "content": "Weather?"},
    {"type": "function_call", "id": "fc1", "call_id": "c1", "name": "weather", "arguments": json.dumps(ARGUMENTS)},
    {"type": "function_call_output", "call_id": "c1", "output": "Error: HTTP 503"},
]
ANTHROPIC = [
    {"role": "user", "content": "Weather?"},
    {
        "role": "assistant",
        "content": [
            {"type": "text", "text": "Let me see."},
            {"type": "tool_use", "id": "c1", "name": "weather", "input": ARGUMENTS},
        ],
    },
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "Error: HTTP 503"}]},
]
BEDROCK = [
    {"role": "user", "content": [{"text": "Weather?"}]},
    {"role": "assistant", "content": [{"toolUse": {"toolUseId": "c1", "name": "weather", "input": ARGUMENTS}}]},
    {
        "role": "user",
        "content": [{"toolResult": {"toolUseId": "c1", "content": [{"text": "Error: HTTP 503"}]}}],
    },
]
VERCEL = [
    {"role": "user", "content": [{"type": "text", "text": "Weather?"}]},
    {
        "role": "assistant",
        "content": [{"type": "tool-call", "toolCallId": "c1", "toolName": "weather", "input": ARGUMENTS}],
    },
    {
        "role": "tool",
        "content": [
            {
                "type": "tool-result",
                "toolCallId": "c1",
                "toolName": "weather",
                "output": {"type": "text", "value": "Error: HTTP 503"},
            }
        ],
    },
]
FORMATS = {
    "genai": GENAI,
    "openai": OPENAI,
    "openai responses": RESPONSES,
    "anthropic": ANTHROPIC,
    "bedrock": BEDROCK,
    "vercel": VERCEL,
}


def compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def quoted(value: object) -> str:
    return json.dumps(json.dumps(value))


def as_request(value: object) -> str:
    return json.dumps({"model": "m", "messages": value, "tools": []})


def backwards(value: object) -> str:
    """With the fields of every message the other way round."""
    return json.dumps([dict(reversed(message.items())) for message in value])  # type: ignore[attr-defined]


@pytest.mark.parametrize("write", [json.dumps, compact, quoted, as_request, backwards, lambda value: value])
@pytest.mark.parametrize("messages", FORMATS.values(), ids=FORMATS)
def test_a_result_is_found_in_every_format_however_it_is_written(messages: Any, write: Any) -> None:
    (found,) = results(write(messages), KEY)
    assert found.call == CALL
    assert found.soft_error
    assert found.failure is not None
    assert found.failure.error_class == "unavailable"


def test_gemini_has_no_ids() -> None:
    contents = [
        {"role": "user", "parts": [{"text": "Weather?"}]},
        {"role": "model", "parts": [{"functionCall": {"name": "weather", "args": ARGUMENTS}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "weather", "response": {"error": "HTTP 503"}}}]},
    ]
    (found,) = results(json.dumps({"contents": contents}), KEY)
    assert found.call == Call("", "weather", CALL.arguments)
    assert found.soft_error == "error"


def test_what_was_told_before_the_models_last_message_is_not_looked_at() -> None:
    later = [{"role": "assistant", "content": "It failed."}, {"role": "user", "content": "Try again."}]
    assert results(json.dumps(OPENAI + later), KEY) == ()
    again = [
        {"role": "assistant", "tool_calls": [{"id": "c2", "function": {"name": "weather", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c2", "content": "sunny"},
    ]
    assert [found.call.call_id for found in results(json.dumps(OPENAI + again), KEY)] == ["c2"]


def test_where_the_models_own_messages_are_left_out_ids_tell_the_results() -> None:
    told = [{"role": "tool", "tool_call_id": call_id, "content": "sunny"} for call_id in ("c1", "c2")]
    history = [{"role": "user", "content": "Weather?"}, *told, {"role": "tool", "name": "weather", "content": "rain"}]
    assert [found.call.call_id for found in results(json.dumps(history), KEY)] == ["c1", "c2"]


def test_of_calls_that_are_items_of_their_own_only_the_last_turn_counts() -> None:
    def turn(call_id: str) -> list[dict[str, str]]:
        call = {"type": "function_call", "call_id": call_id, "name": "weather", "arguments": "{}"}
        return [call, {"type": "function_call_output", "call_id": call_id, "output": "sunny"}]

    assert [found.call.call_id for found in results(turn("c1") + turn("c2"), KEY)] == ["c2"]


@pytest.mark.parametrize("before", ['{"name": "x", "role": "assistant"', '{"content": null, "role": "assistant"'])
def test_a_message_that_does_not_begin_with_its_role_is_found_too(before: str) -> None:
    call = '"tool_calls": [{"id": "c1", "function": {"name": "weather", "arguments": "{}"}}]'
    text = f'[{before}, {call}}}, {{"tool_call_id": "c1", "role": "tool", "content": "sunny"}}]'
    assert [found.call.name for found in results(text, KEY)] == ["weather"]


def test_only_the_end_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[int] = []

    def loads(text: str) -> Any:
        parsed.append(len(text))
        return json.loads(text)

    monkeypatch.setattr(module.orjson, "loads", loads)
    history = [{"role": "user", "content": "x" * 10_000}]
    assert len(results(json.dumps(history + OPENAI), KEY)) == 1
    assert sum(parsed) < 1000


def test_of_parallel_calls_the_results_keep_their_order() -> None:
    messages = [
        {"role": "assistant", "tool_calls": [{"id": f"c{n}", "function": {"name": "t"}} for n in range(3)]},
        *({"role": "tool", "tool_call_id": f"c{n}", "content": "ok"} for n in range(3)),
        {"role": "user", "content": "go on"},
    ]
    assert [found.call.call_id for found in results(messages, KEY)] == ["c0", "c1", "c2"]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "tool_result", "tool_use_id": "c1", "content": "no", "is_error": True},
        {"toolResult": {"toolUseId": "c1", "content": [{"text": "no"}], "status": "error"}},
        {"type": "tool-result", "toolCallId": "c1", "output": {"type": "error-text", "value": "no"}},
        {"type": "tool-result", "toolCallId": "c1", "result": "no", "isError": True},
    ],
)
def test_a_flag_beside_the_content_counts(part: Any) -> None:
    (found,) = results([{"role": "user", "content": [part]}], KEY)
    assert found.soft_error
    assert found.call.call_id == "c1"


@pytest.mark.parametrize("content", ["__REDACTED__", None])
def test_a_result_that_was_not_captured_is_none(content: str | None) -> None:
    assert results([*OPENAI[:2], {"role": "tool", "tool_call_id": "c1", "content": content}], KEY) == ()


def test_an_empty_result_is_one() -> None:
    (found,) = results([*OPENAI[:2], {"role": "tool", "tool_call_id": "c1", "content": ""}], KEY)
    assert found == Result(CALL)


def test_nothing_found_by_grep_is_no_failure() -> None:
    call = {"id": "c1", "function": {"name": "bash", "arguments": '{"command": "grep x y"}'}}
    told = {"role": "tool", "tool_call_id": "c1", "content": "exit code 1"}
    (found,) = results([{"role": "assistant", "tool_calls": [call]}, told], KEY)
    assert not found.soft_error


def test_flattened_messages_give_the_results_at_their_end() -> None:
    attributes: dict[str, Any] = {
        "in.1.tool_call_id": "c0",
        "in.1.content": "old",
        "in.2.content": "the model's own",
        "in.10.tool_call_id": "c2",
        "in.10.content": "b",
        "in.9.tool_call_id": "c1",
        "in.9.content": "a",
        "in.11.content": "the user's",
        "in.x.content": "no number",
        "other": 1,
    }
    found = numbered(attributes, "in.", "tool_call_id", "content")
    assert [result.call.call_id for result in results(found, KEY)] == ["c1", "c2"]
    assert numbered({"in.0.content": "a"}, "in.", "tool_call_id", "content") is None


parts = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["assistant", "tool", "c1", '{"role":"assistant"', ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "role",
                    "content",
                    "parts",
                    "type",
                    "tool_calls",
                    "function_call",
                    "toolResult",
                    "id",
                    "messages",
                    "output",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(parts, st.sampled_from([json.dumps, compact, quoted, lambda value: value, lambda value: json.dumps(value)[:-2]]))
def test_anything_is_read(value: Any, write: Any) -> None:
    assert all(isinstance(found, Result) for found in results(write(value), KEY))


def test_a_result_may_be_text_parts_of_a_message_with_the_id_of_the_call() -> None:
    """LiteLLM writes OpenAI's messages so."""
    told = {"role": "tool", "parts": [{"type": "text", "content": "Error: HTTP 503"}], "tool_call_id": "c1"}
    (result,) = results(json.dumps([OPENAI[1], told]), KEY)
    assert (result.call, result.soft_error) == (CALL, "error_prefix")
