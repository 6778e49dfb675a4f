from __future__ import annotations

import re

import pytest

from otelscore.dialects.kinds import ByHabit, ByName, ByPresence, ByValue
from otelscore.model import Kind

KINDS = {"tool": Kind.TOOL, "llm": Kind.MODEL}


@pytest.mark.parametrize("value", ["tool", "TOOL", '"TOOL"'])
def test_a_value_counts_in_any_case_and_quoted(make_span, value: str) -> None:
    assert ByValue("kind", KINDS).find(make_span("x", {"kind": value})) is Kind.TOOL


@pytest.mark.parametrize("value", ["", None, 7, True])
def test_a_value_that_is_no_text_says_nothing(make_span, value: object) -> None:
    assert ByValue("kind", KINDS, otherwise=Kind.WRAPPER).find(make_span("x", {"kind": value})) is None


def test_any_other_value_is_what_the_table_says_of_others(make_span) -> None:
    assert ByValue("kind", KINDS).find(make_span("x", {"kind": "step"})) is None
    assert ByValue("kind", KINDS, otherwise=Kind.WRAPPER).find(make_span("x", {"kind": "step"})) is Kind.WRAPPER


def test_a_value_or_a_presence_counts_only_in_its_scopes(make_span) -> None:
    for rule in (
        ByValue("kind", KINDS, scopes=("lib.",)),
        ByPresence(frozenset({"kind"}), Kind.TOOL, scopes=("lib.",)),
    ):
        assert rule.find(make_span("x", {"kind": "tool"}, scope="lib.agents")) is Kind.TOOL
        assert rule.find(make_span("x", {"kind": "tool"}, scope="other")) is None


def test_one_of_several_attributes_is_enough(make_span) -> None:
    rule = ByPresence(frozenset({"a", "b"}), Kind.TOOL)
    assert rule.find(make_span("x", {"b": ""})) is Kind.TOOL
    assert rule.find(make_span("x", {"c": ""})) is None


def test_a_name_counts_beside_an_attribute_or_in_a_scope(make_span) -> None:
    rule = ByName((("run ", Kind.TOOL),), keys=frozenset({"a"}), scopes=("lib",))
    assert rule.find(make_span("run x", {"a": 1})) is Kind.TOOL
    assert rule.find(make_span("run x", scope="lib.agents")) is Kind.TOOL
    assert rule.find(make_span("run x")) is None
    assert rule.find(make_span("x", {"a": 1})) is None


def test_a_name_without_conditions_counts_anywhere_and_the_first_prefix_decides(make_span) -> None:
    rule = ByName((("run ", Kind.TOOL), ("ru", Kind.AGENT)))
    assert rule.find(make_span("run x")) is Kind.TOOL
    assert rule.find(make_span("rune")) is Kind.AGENT


def test_a_habit_is_of_one_scope_one_value_and_certain_names(make_span) -> None:
    rule = ByHabit("lib.", "kind", "chain", re.compile(r"\w+\.run"), Kind.AGENT)
    assert rule.scopes == ("lib.",)
    for value in ("chain", "CHAIN"):
        assert rule.find(make_span("planner.run", {"kind": value}, scope="lib.agents")) is Kind.AGENT
    assert rule.find(make_span("planner.run.step", {"kind": "chain"}, scope="lib.agents")) is None
    assert rule.find(make_span("planner.run", {"kind": "tool"}, scope="lib.agents")) is None
    assert rule.find(make_span("planner.run", scope="lib.agents")) is None
