from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from otelscore.dialects import Context, Registry
from otelscore.dialects.evaluation import verdict_of_event
from otelscore.model import OTHER, AttributeValue, Verdict

KEY = bytes(16)
TRACE, SPAN = b"t" * 16, b"s" * 8


OTHER_TRACE, OTHER_SPAN = bytes(range(16)), bytes(range(8))


def judge(threshold: float = 0.5, trace_id: bytes = TRACE, span_id: bytes = SPAN, **said: AttributeValue) -> Verdict:
    names = {
        "label": "gen_ai.evaluation.score.label",
        "value": "gen_ai.evaluation.score.value",
        "level": "aws.bedrock_agentcore.evaluation_level",
    }
    attributes: dict[str, Any] = {names.get(name, name.replace("__", ".")): value for name, value in said.items()}
    return verdict_of_event({"gen_ai.evaluation.name": "task_success", **attributes}, 9, trace_id, span_id, threshold)


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
def test_what_cannot_be_read_neither_passes_nor_fails(said: dict[str, AttributeValue]) -> None:
    assert judge(**said) == Verdict("task_success", None, 9, TRACE, SPAN)


def test_a_response_id_that_is_a_trace_id_names_the_trace_where_nothing_else_does() -> None:
    assert judge(label="pass", trace_id=b"", gen_ai__response__id=OTHER_TRACE.hex()).trace_id == OTHER_TRACE
    assert judge(label="pass", gen_ai__response__id=OTHER_TRACE.hex()).trace_id == TRACE
    for strange in ("resp_1", "z" * 32, "0" * 32, 7, None):
        assert judge(label="pass", trace_id=b"", gen_ai__response__id=strange).trace_id == b""


@pytest.mark.parametrize(
    ("level", "carried_by", "about"),
    [
        ("Session", {}, (b"", b"", "chat")),
        ("Session", {"session__id": None}, (OTHER_TRACE, b"", "")),
        ("Trace", {}, (OTHER_TRACE, b"", "chat")),
        ("Trace", {"gen_ai__response__id": None}, (TRACE, b"", "chat")),
        ("Span", {}, (TRACE, SPAN, "chat")),
        ("ToolCall", {}, (TRACE, SPAN, "chat")),
        ("ToolCall", {"span_id": b""}, (b"", b"", "")),
    ],
)
def test_the_level_of_agentcore_says_what_is_judged(
    level: str, carried_by: dict[str, Any], about: tuple[bytes, bytes, str]
) -> None:
    names = {"session__id": "chat", "gen_ai__response__id": OTHER_TRACE.hex()} | carried_by
    verdict = judge(label="Yes", level=level, **names)
    assert (verdict.trace_id, verdict.span_id, verdict.session) == about


def test_a_session_is_named_by_its_id() -> None:
    assert judge(label="pass", session__id="chat-1").session == "chat-1"
    assert judge(label="pass", session__id=7).session == ""


def test_names_are_cut() -> None:
    verdict = verdict_of_event(
        {"gen_ai.evaluation.name": "n" * 999, "gen_ai.evaluation.score.label": "pass"}, 9, TRACE, SPAN, 0.5
    )
    assert verdict.evaluator == "n" * 256


def flat(scope: str = "", term: str = "evaluation", index: int = 0, **fields: AttributeValue) -> dict[str, Any]:
    """OpenInference: one flattened evaluation."""
    said = {"name": "task_success", "label": "fail", **fields}
    return {f"{scope}{term}s.{index}.{term}.{name}": value for name, value in said.items() if value is not None}


@pytest.fixture
def bear(read) -> Callable[..., tuple[Verdict, ...]]:
    """The verdicts that a span bears, which ends at 2."""
    return lambda attributes, **given: read("span", attributes, **given).verdicts


@pytest.mark.parametrize("term", ["annotation", "evaluation"])
@pytest.mark.parametrize(
    ("scope", "about"),
    [
        ("", {"trace_id": TRACE, "span_id": SPAN}),
        ("trace.", {"trace_id": TRACE}),
        ("session.", {"session": "chat"}),
    ],
)
def test_a_flattened_evaluation_is_about_its_scope(bear, term: str, scope: str, about: dict[str, Any]) -> None:
    assert bear({**flat(scope, term), "session.id": "chat"}) == (Verdict("task_success", False, 2, **about),)


def test_flattened_evaluations_are_told_apart_by_their_index(bear) -> None:
    found = bear(flat(index=0) | flat(index=1, label=None, score=0.9) | flat(index=12, name="style", label="terse"))
    assert [(verdict.evaluator, verdict.passed) for verdict in found] == [
        ("task_success", False),
        ("task_success", True),
        ("style", None),
    ]


def test_explanations_are_not_even_looked_at(make_span) -> None:
    registry = Registry(Context(key=KEY))
    assert not registry.wants("evaluations.0.evaluation.explanation")
    assert not registry.wants("gen_ai.evaluation.explanation")
    assert not registry.wants("evaluations.0.annotation.name")
    assert not registry.wants("my.evaluations.0.evaluation.name")
    assert registry.wants("session.annotations.17.annotation.score")


EVALUATOR = {"openinference.span.kind": "EVALUATOR"}
LINK, LINK_2 = (OTHER_TRACE, OTHER_SPAN), (OTHER_TRACE, SPAN)


@pytest.mark.parametrize(
    ("kind", "links", "about"),
    [
        (EVALUATOR, (LINK,), LINK),
        (EVALUATOR, (), (TRACE, SPAN)),
        (EVALUATOR, (LINK, LINK_2), (b"", b"")),
        ({}, (LINK,), LINK),
        ({}, (LINK, LINK_2), (TRACE, SPAN)),  # what a consumer of a batch has
        ({"openinference.span.kind": "AGENT"}, (LINK,), (TRACE, SPAN)),
        ({"gen_ai.operation.name": "invoke_agent"}, (LINK,), (TRACE, SPAN)),
    ],
)
def test_a_span_made_to_carry_evaluations_links_to_what_they_are_about(
    bear, kind: dict[str, str], links: Any, about: tuple[bytes, bytes]
) -> None:
    said = {"gen_ai.evaluation.name": "goal_success", "gen_ai.evaluation.score.value": 1.0}
    found = bear(
        kind | flat() | flat("trace.") | flat("session.") | {"session.id": "chat"},
        parent=SPAN,
        links=links,
        events=[("gen_ai.evaluation.result", said)],
    )
    assert set(found) == {
        Verdict("goal_success", True, 7, *about, "") if about[0] else Verdict("goal_success", True, 7),
        Verdict("task_success", False, 2, *about),
        Verdict("task_success", False, 2, about[0]),
        Verdict("task_success", False, 2, session="chat"),
    }


@pytest.mark.parametrize(
    ("value", "passed"), [(True, True), ("success", True), (0.2, False), (0, False), ("perhaps", None), ([True], None)]
)
def test_an_attribute_of_the_users_is_a_verdict_of_that_name(
    make_span, value: AttributeValue, passed: bool | None
) -> None:
    registry = Registry(Context(key=KEY, speakers=frozenset({"task.success", "shop.done"})))
    assert registry.wants("shop.done")
    for attributes in ({}, {"gen_ai.operation.name": "invoke_agent"}):
        found = registry.read(make_span("x", {**attributes, "shop.done": value}, links=(LINK,))).verdicts
        assert found == (Verdict("shop.done", passed, 2, TRACE, SPAN),)


def test_a_span_that_bears_no_verdict_costs_no_reading(make_span) -> None:
    registry = Registry(Context(key=KEY, speakers=frozenset({"task.success"})))
    assert registry.read(make_span("GET /", {"http.status_code": 200}, events=[("log", {})])) is OTHER
