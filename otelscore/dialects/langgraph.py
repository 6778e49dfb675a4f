"""What a chain is in a graph of LangChain or LangGraph, whoever reports it.

Every instrumentation of LangChain passes on its metadata: `lc_agent_name`, the agent that a span belongs to, and
`langgraph_node`, the node of the graph that it is part of.
"""

from __future__ import annotations

from otelscore.model import AttributeValue, Kind


def graph_kind(name: str, agent: AttributeValue, node: AttributeValue, *, called_agent: bool) -> Kind | None:
    """The kind of the chain called `name`; None where the metadata do not tell.

    The graph of an agent bears the agent's name. Where there is none (older LangChain), some instrumentations call
    every node an agent whose name has "agent" in it: those called `agent` or `something.before_agent` are none. A graph
    without a name of its own is called LangGraph, and is the agent's loop whatever it was called from, be it a web
    server's span.
    """
    if name == "LangGraph" and not agent and not node:
        return Kind.LOOP
    if isinstance(agent, str) and agent:
        return Kind.AGENT if name == agent else Kind.WRAPPER
    if called_agent and isinstance(node, str) and node == name and (node == "agent" or "." in node):
        return Kind.WRAPPER
    return None
