"""Spans of no known convention: what their names and attributes tell, and nothing more."""

from __future__ import annotations

import pytest
from raw import raw, run, runs, steps

from otelscore.model import AttributeValue, Kind


@pytest.mark.parametrize(
    ("name", "attributes", "kind"),
    [
        ("execute_tool weather", {}, Kind.TOOL),
        ("tools/call weather", {}, Kind.TOOL),
        ("chat gpt-4o", {}, Kind.MODEL),
        ("invoke_agent planner", {}, Kind.AGENT),
        ("do_it", {"tool.name": "weather"}, Kind.TOOL),
        ("do_it", {"tool_call_id": "c1"}, Kind.TOOL),
        ("ask", {"llm.model_name": "gpt"}, Kind.MODEL),
        ("ask", {"llm.model": "gpt"}, Kind.MODEL),
        ("chat room", {}, Kind.OTHER),
        ("chat gpt-4o about it", {}, Kind.OTHER),
        ("execute_tool", {}, Kind.OTHER),
        ("retrieval of luggage", {}, Kind.OTHER),
        ("run", {"agent.name": "planner"}, Kind.OTHER),
        ("GET /tools/call", {}, Kind.OTHER),
        ("SELECT", {"db.system": "postgresql"}, Kind.OTHER),
    ],
)
def test_a_span_is_what_its_name_or_an_attribute_says(
    read, name: str, attributes: dict[str, AttributeValue], kind: Kind
) -> None:
    reading = read(name, attributes)
    assert (reading.kind, reading.dialect) == (kind, "general" if kind is not Kind.OTHER else "")


def test_a_convention_that_is_known_comes_first(read) -> None:
    assert read("execute_tool x", {"openinference.span.kind": "CHAIN"}).dialect == "openinference"
    assert read("execute_tool x", {"gen_ai.tool.name": "x"}).dialect == "genai"


@pytest.mark.parametrize(
    ("attributes", "facts"),
    [
        (
            {"tool.name": "weather", "tool.arguments": "{}", "tool.result": "Error: slow"},
            ("weather", True, "error_prefix"),
        ),
        ({"tool.name": "weather", "tool.input": "{}", "tool.output": "sunny"}, ("weather", True, "")),
        ({"tool_call_id": "c1", "input": "{}", "output": '{"isError": true}'}, ("weather", True, "is_error")),
        ({"tool.name": "weather"}, ("weather", False, "")),
    ],
)
def test_a_tool_call(read, attributes: dict[str, AttributeValue], facts: tuple[str, bool, str]) -> None:
    reading = read("weather", attributes)
    assert (reading.name, reading.arguments is not None, reading.soft_error) == facts


@pytest.mark.parametrize("attribute", [{"tool.error": True}, {"tool.is_error": "true"}, {"tool.success": False}])
def test_a_flag_of_its_own(read, attribute: dict[str, AttributeValue]) -> None:
    assert read("x", {"tool.name": "weather", **attribute}).flagged


def test_unknown_spans_in_between_do_no_harm() -> None:
    tool = raw("handler", 2, 3, {}, raw("execute_tool weather", 2, 3, {}, raw("GET /v1", 2, 3, {"http.method": "GET"})))
    assert steps(run(raw("invoke_agent planner", 0, 4, {}, raw("chat gpt-4o", 1, 2), tool))) == [
        ("model", "", "ok"),
        ("tool", "weather", "ok"),
    ]


@pytest.mark.parametrize("name", ["Crew Created", "Tool Usage", "Tool Usage Error", "Task Execution", "Flow Execution"])
def test_crewais_reports_of_its_usage_are_no_calls(name: str) -> None:
    assert runs(raw(name, 0, 1, {"tool_name": "weather", "tool.name": "weather"}, scope="crewai.telemetry")) == []
