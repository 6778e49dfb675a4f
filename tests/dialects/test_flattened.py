from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from otelscore.dialects.flattened import answer, told

PREFIX = "gen_ai.completion."


def flat(**fields: object) -> dict[str, object]:
    return {PREFIX + name.removeprefix("n").replace("__", "."): value for name, value in fields.items()}


def test_the_parts_of_an_answer_become_one_message_in_their_order() -> None:
    fields = flat(
        n10__content="last",
        n0__role="assistant",
        n0__content="first",
        n2__tool_calls__1__name="b",
        n2__tool_calls__0__id="call_1",
        n2__tool_calls__0__name="a",
        n2__tool_calls__0__arguments="{}",
    )
    assert answer(fields, PREFIX) == {
        "role": "assistant",
        "content": ["first", "last"],
        "tool_calls": [
            {"type": "tool_call", "id": "call_1", "name": "a", "arguments": "{}"},
            {"type": "tool_call", "name": "b"},
        ],
    }


def test_what_a_model_thought_is_no_answer() -> None:
    fields = flat(n0__role="thinking", n0__content="hm", n1__role="assistant", n1__content="Done.")
    assert answer(fields, PREFIX)["content"] == ["Done."]


def test_parts_that_were_written_as_json_are_taken_apart() -> None:
    parts = [{"type": "text", "text": "Done."}]
    assert answer(flat(n0__content=json.dumps(parts)), PREFIX)["content"] == [parts]
    assert answer(flat(n0__content="[{not json"), PREFIX)["content"] == ["[{not json"]


def test_without_words_or_calls_nothing_was_captured() -> None:
    assert answer(flat(n0__role="assistant", n0__finish_reason="stop", n0__content=""), PREFIX) is None
    assert answer({}, PREFIX) is None


def test_a_number_that_is_none_or_too_great_is_no_part() -> None:
    assert answer({f"{PREFIX}{number}.content": "x" for number in ("", "a", "-1", "9" * 5000)}, PREFIX) is None


@given(st.dictionaries(st.text("0123456789._acdeglmnoprst", max_size=30).map(PREFIX.__add__), st.text(max_size=5)))
def test_any_mix_of_fields_is_a_message_or_none(fields: dict[str, object]) -> None:
    found = answer(fields, PREFIX)
    assert found is None or found.keys() == {"role", "content", "tool_calls"}


def prompt(**fields: object) -> dict[str, object]:
    return {name.removeprefix("n").replace("__", "."): value for name, value in fields.items()}


OPENAI = prompt(
    n0__role="user",
    n0__content="Weather?",
    n1__role="assistant",
    n1__tool_calls__0__id="call_1",
    n1__tool_calls__0__name="weather",
    n2__role="tool",
    n2__tool_call_id="call_1",
    n2__content="Error: HTTP 503",
    n3__role="assistant",
    n3__tool_calls__0__id="call_2",
    n3__tool_calls__0__name="weather",
    n4__tool_call_id="call_2",
    n4__content="sunny",
)


def test_only_the_last_results_and_what_asked_for_them_are_told() -> None:
    assert told(OPENAI, "") == [
        {"role": "assistant", "tool_calls": [{"type": "tool_call", "id": "call_2", "name": "weather"}]},
        {"role": "tool", "tool_call_id": "call_2", "content": "sunny"},
    ]


def test_the_results_of_anthropic_are_parts_of_a_users_message() -> None:
    result = {"type": "tool_result", "tool_use_id": "t1", "content": "no", "is_error": True}
    found = told(prompt(n0__content="Weather?", n1__role="user", n1__content=json.dumps([result])), "")
    assert found[1:] == [{"role": "user", "content": [result]}]


def test_messages_that_end_without_results_tell_none() -> None:
    assert told({}, "") is None
    assert told({**OPENAI, "5.role": "user", "5.content": 'What is a "tool_result"?'}, "") is None
