"""Spans as MLflow 3 writes them, by hand and by its autologging; every value is JSON."""

from __future__ import annotations

import json

import pytest
from raw import Raw, raised, raw, run, steps
from support import failed, responses

from otelscore.model import ERROR, OK, AttributeValue, ErrorClass, Kind, Role


def span(kind: str, inputs: object = None, outputs: object = None, **more: object) -> dict[str, AttributeValue]:
    given = {"mlflow.spanType": kind, "mlflow.spanInputs": inputs, "mlflow.spanOutputs": outputs, **more}
    return {key: json.dumps(value) for key, value in given.items() if value is not None}


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ("AGENT", Kind.AGENT),
        ("TOOL", Kind.TOOL),
        ("LLM", Kind.MODEL),
        ("CHAT_MODEL", Kind.MODEL),
        ("RETRIEVER", Kind.RETRIEVAL),
        ("EMBEDDING", Kind.RETRIEVAL),
        ("RERANKER", Kind.RETRIEVAL),
        ("CHAIN", Kind.WRAPPER),
        ("PARSER", Kind.WRAPPER),
        ("MEMORY", Kind.WRAPPER),
        ("UNKNOWN", Kind.WRAPPER),
        ("WORKFLOW", Kind.WRAPPER),
        ("TASK", Kind.WRAPPER),
        ("GUARDRAIL", Kind.WRAPPER),
        ("EVALUATOR", Kind.WRAPPER),
        ("my own", Kind.WRAPPER),
    ],
)
def test_the_type_says_what_a_span_is(read, given: str, kind: Kind) -> None:
    reading = read("x", span(given), parent=b"p" * 8, status=OK)
    assert (reading.kind, reading.dialect) == (kind, "mlflow")


def test_a_tool_by_hand(read) -> None:
    reading = read(
        "search", span("TOOL", {"q": "x"}, "Error: HTTP 503", **{"mlflow.spanFunctionName": "fn"}), status=OK
    )
    assert reading.name == "search"
    assert reading.arguments is not None
    assert (reading.soft_error, reading.soft_failure.error_class) == ("error_prefix", ErrorClass.UNAVAILABLE)


def test_a_tool_error(read) -> None:
    thrown = raised("TimeoutError", "flight search timed out")
    reading = read("search", span("TOOL", {"q": "x"}), events=thrown, status=ERROR, message="TimeoutError: ...")
    assert (reading.failure.error_type, reading.failure.error_class) == ("TimeoutError", ErrorClass.TIMEOUT)
    assert not reading.has_result


@pytest.mark.parametrize(
    ("name", "attributes", "tool", "call_id"),
    [
        ("search", span("TOOL", {"q": "x"}, tool_call_id="c1", color="green"), "search", "c1"),  # langchain
        ("Tool.search", span("TOOL", {"q": "x"}, name="search"), "search", ""),  # dspy
        ("FunctionTool.acall", span("TOOL", {"q": "x"}, name="search"), "search", ""),  # llama_index
        ("SearchTool.__call__", span("TOOL", {"args": [], "kwargs": {"q": "x"}}), "SearchTool", ""),  # smolagents
        (
            "ToolManager.execute_tool_call",  # pydantic-ai 1
            span(
                "TOOL", {"call": {"tool_name": "search", "args": {"q": "x"}, "tool_call_id": "c1"}, "approved": False}
            ),
            "search",
            "c1",
        ),
        (
            "ToolManager.handle_call",
            span("TOOL", {"call": {"tool_name": "search", "args": '{"q":"x"}', "tool_call_id": "c2"}}),
            "search",
            "c2",
        ),
        ("ToolManager.handle_call", span("TOOL", {"call": "?"}), "ToolManager.handle_call", ""),
    ],
)
def test_the_tools_of_autologging(
    read, name: str, attributes: dict[str, AttributeValue], tool: str, call_id: str
) -> None:
    reading = read(name, attributes, parent=b"p" * 8)
    assert (reading.name, reading.call_id) == (tool, call_id)
    if "q" in str(attributes):
        assert reading.arguments == read("search", span("TOOL", {"q": "x"})).arguments


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("MCPServerStdio.list_tools", "TOOL"),
        ("MCPToolset.list_tools", "TOOL"),
        ("OpenAI._prepare_chat_with_tools", "LLM"),
        ("OpenAI.get_tool_calls_from_response", "LLM"),
        ("Models.count_tokens", "LLM"),
        ("AgentRunner.run", "AGENT"),
        ("AgentRunner.run_streamed", "AGENT"),
        ("Agent workflow", "AGENT"),
    ],
)
def test_what_is_neither_call_nor_agent_in_spite_of_its_type(read, name: str, kind: str) -> None:
    assert read(name, span(kind)).kind is Kind.WRAPPER


@pytest.mark.parametrize(
    ("name", "attributes", "agent"),
    [
        ("travel planner", span("AGENT"), "travel planner"),
        ("Agent.run_sync", span("AGENT", name="planner"), "planner"),  # pydantic-ai
        ("ToolCallingAgent.run", span("AGENT", name="planner"), "planner"),  # smolagents
        ("planner.on_messages", span("AGENT"), "planner"),  # autogen
        ("ReAct.forward", span("AGENT"), "ReAct"),  # dspy
        ("POST /chat", span("AGENT"), ""),
    ],
)
def test_the_name_of_an_agent(read, name: str, attributes: dict[str, AttributeValue], agent: str) -> None:
    assert read(name, attributes, parent=b"p" * 8).name == agent


def test_the_final_answer_of_smolagents_is_no_step(read) -> None:
    assert (
        read("FinalAnswerTool.__call__", span("TOOL", {"kwargs": {"answer": "I could not."}})).role is Role.FINAL_ANSWER
    )


def test_a_model_call(read) -> None:
    asked = [{"id": "c1", "type": "function", "function": {"name": "search", "arguments": '{"q": "x"}'}}]
    said = {"choices": [{"message": {"role": "assistant", "content": "I could not.", "tool_calls": asked}}]}
    reading = read("Completions", span("CHAT_MODEL", {}, said, **{"mlflow.llm.model": "gpt"}))
    assert (reading.name, reading.acknowledges) == ("gpt", True)
    assert [call.call_id for call in reading.requested] == ["c1"]


def test_metadata_of_langchain(read) -> None:
    metadata = {"lc_agent_name": "planner", "langgraph_node": "model"}
    graph = read("planner", span("CHAIN", metadata=metadata), parent=b"p" * 8)
    assert (graph.kind, graph.name) == (Kind.AGENT, "planner")
    assert read("model", span("CHAIN", metadata=metadata), parent=b"p" * 8).kind is Kind.WRAPPER
    assert read("Fake", span("CHAT_MODEL", metadata=metadata)).agent == "planner"


# ------------------------------------------------------------------------------------------------------ trees


def traced(kind: str, name: str, start: float, end: float, *inside: Raw, error: str = "", **more: object) -> Raw:
    facts = {"status": ERROR, "events": raised(error)} if error else {"status": OK}
    return raw(name, start, end, span(kind, **more), *inside, **facts)


def test_a_chain_at_the_root_in_which_models_and_tools_work_is_the_agent() -> None:
    broken = traced("TOOL", "search", 2, 3, error="TimeoutError", inputs={"q": 1})
    again = traced("TOOL", "search", 5, 6, inputs={"q": 1})
    inside = (traced("CHAT_MODEL", "llm", 1, 2), broken, traced("CHAT_MODEL", "llm", 4, 5), again)
    found = run(traced("CHAIN", "LangGraph", 0, 9, *inside))
    assert (found.agent, failed(found), responses(found)) == ("LangGraph", ["search"], ["retried"])


def test_openai_agents_with_a_hand_off() -> None:
    broken = traced("TOOL", "search", 2, 3, error="")
    triage = (
        traced("CHAT_MODEL", "Generation", 1, 2),
        raw("search", 2, 3, span("TOOL", {"q": 1}), status=ERROR, message="Error running tool (non-fatal)"),
        traced("CHAT_MODEL", "Generation", 3, 4),
        traced("CHAIN", "Handoff", 4, 5),
    )
    booker = (traced("CHAT_MODEL", "Generation", 5, 6), traced("TOOL", "book", 6, 7))
    agents = traced("AGENT", "triage", 1, 5, *triage), traced("AGENT", "booker", 5, 8, *booker)
    found = run(traced("AGENT", "AgentRunner.run", 0, 9, traced("AGENT", "Agent workflow", 0, 9, *agents)))
    assert found.agent == "triage"
    assert (failed(found), responses(found)) == (["search"], ["rerouted"])
    assert broken.name not in [name for _, name, _ in steps(found)[2:]]
    assert len(found.steps) == 5
