from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otelscore.dialects.content import acknowledges, digest, hidden, parse, text_digest, word

KEY = bytes(16)
ARGUMENTS = {"city": "Paris", "days": 3, "filters": {"rain": None, "sun": [True, 1.5]}}

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False, width=32)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("value", "parsed"),
    [
        ('{"a": 1}', {"a": 1}),
        (' [1, "x"]\n', [1, "x"]),
        ('"quoted"', "quoted"),
        (json.dumps(json.dumps({"a": 1})), {"a": 1}),
        (json.dumps(json.dumps(json.dumps({"a": 1}))), json.dumps({"a": 1})),  # quoted once too often
        ('{"a": ', '{"a": '),
        ("plain", "plain"),
        ("12", "12"),
        ("", ""),
        (None, None),
        (3, 3),
        ({"a": "[1]"}, {"a": "[1]"}),
    ],
)
def test_json_text_is_read_and_anything_else_left_as_it_is(value: Any, parsed: Any) -> None:
    assert parse(value) == parsed


def test_json_nested_too_deep_is_left_as_text() -> None:
    text = "[" * 5000 + "]" * 5000
    assert parse(text) == text


@pytest.mark.parametrize(
    "value", [None, "", "  ", "__REDACTED__", "<REDACTED>", "[REDACTED]", " REDACTED ", "<not specified>"]
)
def test_what_was_not_captured_or_redacted_has_no_digest(value: str | None) -> None:
    assert hidden(value)
    assert digest(value, KEY) is None


@pytest.mark.parametrize(
    "value",
    ["[redacted]", '"[redacted]"', '"<masked>"', "[Scrubbed due to 'password']", "***", "[FILTERED]", "(hidden)"],
)
def test_nor_has_what_a_filter_put_in_its_place(value: str) -> None:
    assert hidden(value)
    assert digest(value, KEY) is None


@pytest.mark.parametrize(
    "value",
    [
        0,
        False,
        {},
        [],
        "{}",
        "0",
        "redacted by me",
        '"masked"',
        '["hidden"]',
        "**",
        "[redacted] is what it says",
        '{"a": "***"}',
    ],
)
def test_an_empty_value_was_captured(value: Any) -> None:
    assert not hidden(value)
    assert digest(value, KEY) is not None


@given(json_values, st.randoms(use_true_random=False))
def test_equal_arguments_have_equal_digests_however_they_are_written(value: Any, dice: Any) -> None:
    def shuffled(item: Any) -> Any:
        if isinstance(item, dict):
            keys = list(item)
            dice.shuffle(keys)
            return {key: shuffled(item[key]) for key in keys}
        return [shuffled(inner) for inner in item] if isinstance(item, list) else item

    wrapped = {"value": value}
    expected = digest(wrapped, KEY)
    assert digest(shuffled(wrapped), KEY) == expected
    assert digest(json.dumps(shuffled(wrapped), indent=2), KEY) == expected
    assert digest(json.dumps(json.dumps(wrapped)), KEY) == expected


def test_other_arguments_have_other_digests() -> None:
    others = [ARGUMENTS, {**ARGUMENTS, "days": 4}, {**ARGUMENTS, "city": "paris"}, {}, [], "Paris", "Rome", 0, False]
    assert len({digest(value, KEY) for value in others}) == len(others)


def test_a_digest_depends_on_the_key_and_has_eight_bytes() -> None:
    one, other = digest(ARGUMENTS, bytes(16)), digest(ARGUMENTS, b"k" * 16)
    assert one is not None
    assert len(one) == 8
    assert one != other
    assert text_digest("boom", bytes(16)) != text_digest("boom", b"k" * 16)


def test_an_empty_list_of_positional_arguments_is_no_part_of_them() -> None:
    assert digest({"args": [], "kwargs": {"city": "Paris"}}, KEY) == digest({"city": "Paris"}, KEY)
    assert digest({"args": ["Paris"], "kwargs": {}}, KEY) != digest({}, KEY)


@pytest.mark.parametrize(
    "value", ["[" * 900 + "]" * 900, 2**80, "\ud800", {"a": b"\xff"}, float("nan"), '{"n": 1' + "0" * 400 + "}"]
)
def test_values_that_json_cannot_hold_have_digests_too(value: Any) -> None:
    assert digest(value, KEY) == digest(value, KEY) != digest("", KEY)


def test_messages_are_told_apart_but_for_white_space_around_them() -> None:
    assert text_digest(" boom\n", KEY) == text_digest("boom", KEY) != text_digest("bang", KEY)


def test_words_are_short_texts() -> None:
    assert word("search_flights") == "search_flights"
    assert word("x" * 1000) == "x" * 256
    assert [word(value) for value in (None, 7, ["x"], {"a": 1}, "<not specified>", "__REDACTED__")] == [""] * 6


@pytest.mark.parametrize(
    "answer",
    [
        "I could not book the flight.",
        "I couldn't book the flight.",
        "I couldn\u2019t book the flight.",
        "Sorry, I CANNOT do that",
        "I can't reach the service",
        "We can not confirm this.",
        "I was unable to reach the API.",
        "I wasn't able to finish.",
        "I was never able to reach them",
        "The agent isn\u2019t able to pay.",
        "I failed to send the mail.",
        "That is not possible right now.",
        "It isn't possible to pay.",
        "It's impossible to say.",
        "Booking is not permitted for you.",
        "Permission denied when booking.",
        "The booking was unsuccessful.",
        "The booking did not succeed.",
        "The booking has not been completed.",
        "The payment didn't go through.",
        "I tried it twice,\nbut I was unable\nto book.",
    ],
)
def test_an_answer_acknowledges_that_something_could_not_be_done(answer: str) -> None:
    assert acknowledges(answer)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "Booked AF123 to New York.",
        "Sorry for the wait! Your flight is booked.",
        "Unfortunately it will rain in Paris; the flight is booked.",
        "I apologise for the delay. Done.",
        "Done, without a failure.",
        "The canned answer is ready.",
        "Notable: all is fine.",
        "I can book it, and could change it later.",
        "Your failover is configured.",
        "I used a fail token.",
    ],
)
def test_being_sorry_alone_acknowledges_nothing(answer: str) -> None:
    assert not acknowledges(answer)


def test_only_the_beginning_of_a_huge_answer_is_searched() -> None:
    assert not acknowledges("x" * 30_000 + " could not")
