from __future__ import annotations

from typing import Any

import pytest

from otelscore.dialects.evaluation import verdict_of
from otelscore.model import AttributeValue, Verdict

TRACE, SPAN = b"t" * 16, b"s" * 8


def judge(threshold: float = 0.5, trace_id: bytes = TRACE, **said: AttributeValue) -> Verdict | None:
    names = {"label": "gen_ai.evaluation.score.label", "value": "gen_ai.evaluation.score.value"}
    attributes: dict[str, Any] = {names.get(name, name.replace("__", ".")): value for name, value in said.items()}
    return verdict_of({"gen_ai.evaluation.name": "task_success", **attributes}, 9, trace_id, SPAN, threshold)


@pytest.mark.parametrize(
    ("label", "passed"),
    [
        ("pass", True),
        ("PASSED", True),
        (" Correct ", True),
        ("true", True),
        (True, True),
        ("resolved", True),
        ("fail", False),
        ("Failed", False),
        ("incorrect", False),
        (False, False),
        ("unresolved", False),
    ],
)
def test_a_known_label_decides_whatever_the_score(label: AttributeValue, passed: bool) -> None:
    for value in (0.0, 1.0, None):
        verdict = judge(label=label, value=value)
        assert verdict == Verdict("task_success", passed, 9, TRACE, SPAN)


@pytest.mark.parametrize(
    ("value", "threshold", "passed"),
    [
        (1.0, 0.5, True),
        (0.5, 0.5, True),
        (0.49, 0.5, False),
        (1, 0.5, True),
        ("0.8", 0.7, True),
        (4, 4.5, False),
        (True, 0.5, True),
        (False, 0.5, False),
    ],
)
def test_a_score_passes_from_the_threshold_on(value: AttributeValue, threshold: float, passed: bool) -> None:
    for label in ({}, {"label": "relevant"}):
        verdict = judge(threshold, value=value, **label)
        assert verdict is not None
        assert verdict.passed is passed


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"label": "relevant"},
        {"label": ["pass"]},
        {"value": "high"},
        {"value": [1]},
        {"value": float("nan")},
        {"value": float("inf")},
        {"value": 10**400},
        {"label": None, "value": None},
    ],
)
def test_what_cannot_be_read_is_no_verdict(said: dict[str, AttributeValue]) -> None:
    assert judge(**said) is None


def test_a_response_id_that_is_a_trace_id_names_the_trace_where_nothing_else_does() -> None:
    other = bytes(range(16))
    assert judge(label="pass", trace_id=b"", gen_ai__response__id=other.hex()).trace_id == other
    assert judge(label="pass", gen_ai__response__id=other.hex()).trace_id == TRACE
    for strange in ("resp_1", "z" * 32, 7, None):
        assert judge(label="pass", trace_id=b"", gen_ai__response__id=strange).trace_id == b""


def test_a_session_is_named_by_its_id() -> None:
    assert judge(label="pass", session__id="chat-1").session == "chat-1"
    assert judge(label="pass", session__id=7).session == ""


def test_names_are_cut() -> None:
    verdict = verdict_of(
        {"gen_ai.evaluation.name": "n" * 999, "gen_ai.evaluation.score.label": "pass"}, 9, TRACE, SPAN, 0.5
    )
    assert verdict is not None
    assert verdict.evaluator == "n" * 256
