from __future__ import annotations

from typing import Any

import pytest

from otelscore.dialects.verdict_json import verdict_of_json
from otelscore.model import SenderError, Verdict


def read_json(**given: Any) -> Verdict:
    return verdict_of_json(given, 9, 0.5, "task_success")


@pytest.mark.parametrize(
    ("about", "expected"),
    [
        ({"trace_id": "ab" * 16}, {"trace_id": b"\xab" * 16}),
        ({"trace_id": "AB" * 16, "span_id": "cd" * 8}, {"trace_id": b"\xab" * 16, "span_id": b"\xcd" * 8}),
        ({"trajectory_id": "ab" * 16 + ":" + "cd" * 8}, {"trace_id": b"\xab" * 16, "span_id": b"\xcd" * 8}),
        ({"session_id": "chat-7"}, {"session": "chat-7"}),
    ],
)
def test_json_names_what_it_is_about(about: dict[str, str], expected: dict[str, Any]) -> None:
    assert read_json(verdict="pass", **about) == Verdict("task_success", True, 9, **expected)


@pytest.mark.parametrize(
    ("said", "passed"),
    [({"verdict": False}, False), ({"verdict": "Correct"}, True), ({"score": 0.5}, True), ({"score": 0}, False)],
)
def test_json_says_it_by_label_boolean_or_score(said: dict[str, Any], passed: bool) -> None:
    assert read_json(session_id="s", **said).passed is passed


def test_json_may_name_its_evaluator_and_its_time() -> None:
    verdict = read_json(session_id="s", verdict="pass", evaluator="judge", time="1970-01-01T01:00:01.5+01:00")
    assert (verdict.evaluator, verdict.time) == ("judge", 1_500_000_000)


@pytest.mark.parametrize(
    "wrong",
    [
        {"verdict": "pass"},
        {"trace_id": "ab" * 16},
        {"trace_id": "ab" * 16, "verdict": "perhaps"},
        {"trace_id": "ab" * 16, "session_id": "s", "verdict": "pass"},
        {"span_id": "cd" * 8, "verdict": "pass"},
        {"trace_id": "xy" * 16, "verdict": "pass"},
        {"trace_id": "00" * 16, "verdict": "pass"},
        {"trace_id": 7, "verdict": "pass"},
        {"trajectory_id": "ab" * 16 + ":cd", "verdict": "pass"},
        {"session_id": ["s"], "verdict": "pass"},
        {"session_id": "s", "verdict": "pass", "time": "yesterday"},
        {"session_id": "s", "verdict": "pass", "time": "2026-01-01T00:00:00"},
        {"session_id": "s", "score": "NaN"},
    ],
)
def test_json_that_cannot_be_read_is_the_senders_fault(wrong: dict[str, Any]) -> None:
    with pytest.raises(SenderError):
        read_json(**wrong)


@pytest.mark.parametrize("wrong", [None, [], "pass", 7])
def test_a_verdict_is_an_object(wrong: object) -> None:
    with pytest.raises(SenderError, match="JSON object"):
        verdict_of_json(wrong, 9, 0.5, "task_success")
