from __future__ import annotations

import pytest

from otelscore.dialects.langgraph import graph_kind
from otelscore.model import Kind


@pytest.mark.parametrize(
    ("name", "agent", "node", "called_agent", "kind"),
    [
        ("planner", "planner", None, False, Kind.AGENT),
        ("planner", "planner", "planner", True, Kind.AGENT),
        ("model", "planner", "model", False, Kind.WRAPPER),
        ("agent", "planner", "agent", True, Kind.WRAPPER),
        ("agent", None, "agent", True, Kind.WRAPPER),
        ("Guard.before_agent", "", "Guard.before_agent", True, Kind.WRAPPER),
        ("agent", None, "agent", False, None),
        ("research_agent", None, "research_agent", True, None),
        ("AgentExecutor", None, None, True, None),
        ("LangGraph", None, None, False, Kind.LOOP),
        ("LangGraph", None, "research", False, None),
        ("LangGraph", "planner", None, False, Kind.WRAPPER),
        ("planner", 7, 7, True, None),
    ],
)
def test_a_chain_is_what_the_metadata_of_langchain_tell(
    name: str, agent: object, node: object, called_agent: bool, kind: Kind | None
) -> None:
    assert graph_kind(name, agent, node, called_agent=called_agent) is kind
