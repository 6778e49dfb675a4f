"""Graphs of LangGraph as OpenLIT writes them; tests/corpus/openlit has whole runs."""

from __future__ import annotations

import pytest
from raw import raw, run

from otelscore.model import ERROR, Kind, Outcome

SCOPE = "openlit.instrumentation.langgraph"


@pytest.mark.parametrize(
    ("name", "operation", "kind", "dialect"),
    [
        ("invoke_workflow shop", "invoke_workflow", Kind.LOOP, "openlit"),
        ("invoke_agent chatbot", "invoke_agent", Kind.WRAPPER, "openlit"),
        ("execute_tool search", "execute_tool", Kind.TOOL, "genai"),
        ("create_agent shop", "create_agent", Kind.WRAPPER, "genai"),
    ],
)
def test_nodes_of_a_graph_are_no_agents(read, name: str, operation: str, kind: Kind, dialect: str) -> None:
    reading = read(name, {"gen_ai.operation.name": operation, "gen_ai.agent.name": "x"}, scope=SCOPE)
    assert (reading.kind, reading.dialect) == (kind, dialect)


def test_agents_of_other_instrumentations_are_agents(read) -> None:
    named = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "shop"}
    assert read("invoke_agent shop", named, scope="openlit.instrumentation.langchain").kind is Kind.AGENT


def test_a_graph_that_crashed_is_one_failed_run() -> None:
    node = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "chatbot"}
    chat = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt"}
    search = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}
    found = run(
        raw(
            "invoke_workflow shop",
            0,
            9,
            {"gen_ai.workflow.name": "shop"},
            raw("invoke_agent chatbot", 1, 3, node, raw("chat gpt", 1, 2, chat)),
            raw("execute_tool search", 3, 4, search),
            raw("invoke_agent chatbot", 4, 6, node, raw("chat gpt", 4, 5, chat, status=ERROR), status=ERROR),
            status=ERROR,
            scope=SCOPE,
        )
    )
    assert (found.agent, len(found.steps), found.outcome) == ("shop", 3, Outcome.FAILED)
