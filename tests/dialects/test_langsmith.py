"""Runs as LangSmith's OTel exporters write them: langsmith/_internal/otel/_otel_exporter.py."""

from __future__ import annotations

import json

import pytest
from raw import Raw, raised, raw, run, steps
from support import responses

from otelscore.model import ERROR, OK, ErrorClass, Kind

OPERATIONS = {
    "llm": "chat",
    "tool": "execute_tool",
    "retriever": "embeddings",
    "embedding": "embeddings",
    "prompt": "chat",
}


def of_run(kind: str, **metadata: object) -> dict[str, object]:
    return {
        "langsmith.span.kind": kind,
        "gen_ai.operation.name": OPERATIONS.get(kind, kind),
        "gen_ai.system": "langchain",
        **{f"langsmith.metadata.{name}": value for name, value in metadata.items()},
    }


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ("llm", Kind.MODEL),
        ("tool", Kind.TOOL),
        ("retriever", Kind.RETRIEVAL),
        ("embedding", Kind.RETRIEVAL),
        ("chain", Kind.WRAPPER),
        ("prompt", Kind.WRAPPER),
        ("parser", Kind.WRAPPER),
        ("something_new", Kind.WRAPPER),
    ],
)
def test_the_run_type_says_what_a_span_is_and_the_operation_does_not(read, given: str, kind: Kind) -> None:
    reading = read("x", of_run(given), parent=b"p" * 8, scope="langsmith", status=OK)
    assert (reading.kind, reading.dialect) == (kind, "langsmith")


def test_a_tool_run(read) -> None:
    message = {"content": '{"found": 3}', "type": "tool", "tool_call_id": "c1", "status": "success"}
    for named in (
        {"gen_ai.tool.name": "search", "gen_ai.tool.call.id": "c1"},
        {"langsmith.trace.name": "search", "langsmith.metadata.tool_call_id": "c1"},
    ):
        attributes = of_run("tool", thread_id="t1") | named
        attributes |= {"gen_ai.prompt": '{"q":"x"}', "gen_ai.completion": json.dumps({"output": message})}
        reading = read("search", attributes, status=OK)
        assert (reading.name, reading.call_id, reading.session) == ("search", "c1", "t1")
        assert reading.arguments is not None
        assert reading.failure is None
        assert not reading.soft_error


def test_an_error_is_a_plain_exception_with_a_repr_and_a_traceback(read) -> None:
    words = "TimeoutError('flight search timed out after 30s')Traceback (most recent call last):\n ..."
    reading = read("search", of_run("tool"), events=raised("Exception", words), status=ERROR)
    assert (reading.failure.error_type, reading.failure.error_class) == ("TimeoutError", ErrorClass.TIMEOUT)


def test_a_call_that_a_graph_broke_off_is_skipped(read) -> None:
    words = "GraphInterrupt((Interrupt(value='May I?'),))Traceback (most recent call last):\n ..."
    assert read("search", of_run("tool"), events=raised("Exception", words), status=ERROR).skipped
    assert not read("search", of_run("tool"), events=raised("Exception", "ValueError('GraphInterrupt(')")).skipped


def test_a_tool_message_that_says_error_beats_the_status(read) -> None:
    message = {"content": "Error: no such city", "type": "tool", "tool_call_id": "c1", "status": "error"}
    reading = read("search", of_run("tool") | {"gen_ai.completion": json.dumps(message)}, status=OK)
    assert reading.flagged
    assert reading.failure.error_class is ErrorClass.NOT_FOUND


def test_a_model_run(read) -> None:
    asked = [{"name": "search", "args": {"q": "x"}, "id": "c1", "type": "tool_call"}]
    message = {"lc": 1, "type": "constructor", "kwargs": {"content": "I could not.", "type": "ai", "tool_calls": asked}}
    generations = {"generations": [[{"text": "", "type": "ChatGeneration", "message": message}]]}
    reading = read("ChatOpenAI", of_run("llm", ls_model_name="gpt") | {"gen_ai.completion": json.dumps(generations)})
    assert (reading.name, reading.acknowledges) == ("gpt", True)
    assert [call.call_id for call in reading.requested] == ["c1"]


@pytest.mark.parametrize("name", ["thread_id", "session_id", "conversation_id"])
def test_the_session_is_in_the_metadata_and_never_the_project(read, name: str) -> None:
    project = {"langsmith.trace.session_id": "project", "langsmith.trace.session_name": "default"}
    assert read("x", of_run("llm", **{name: "t1"}) | project).session == "t1"
    assert read("x", of_run("llm") | project).session == ""


# ------------------------------------------------------------------------------------------------------ trees


def ran(kind: str, name: str, start: float, end: float, *inside: Raw, failing: str = "", **metadata: object) -> Raw:
    facts = {"status": ERROR, "events": raised("Exception", failing)} if failing else {"status": OK}
    return raw(name, start, end, of_run(kind, **metadata), *inside, **facts)


def test_the_graph_of_an_agent_bears_its_name() -> None:
    of_agent = {"lc_agent_name": "planner"}
    found = run(
        ran("chain", "planner", 0, 9,
            ran("chain", "model", 1, 2, ran("llm", "Fake", 1, 2, **of_agent), **of_agent, langgraph_node="model"),
            ran("chain", "tools", 2, 3, ran("tool", "search", 2, 3, failing="TimeoutError('late')", **of_agent),
                **of_agent, langgraph_node="tools"),
            ran("chain", "tools", 4, 5, ran("tool", "search", 4, 5, **of_agent), **of_agent, langgraph_node="tools"),
            **of_agent)
    )  # fmt: skip
    assert found.agent == "planner"
    assert steps(found) == [("model", "", "ok"), ("tool", "search", "error"), ("tool", "search", "ok")]


def test_a_traced_function_at_the_root_is_the_agent() -> None:
    tools = ran("tool", "search", 2, 3, failing="Forbidden('403')"), ran("tool", "other", 5, 6)
    found = run(ran("chain", "assistant", 0, 9, ran("llm", "gpt", 1, 2), tools[0], ran("llm", "gpt", 4, 5), tools[1]))
    assert (found.agent, responses(found)) == ("assistant", ["rerouted"])


def test_an_unhandled_error_marks_every_chain_above_but_is_one_failed_step() -> None:
    died = "RuntimeError('model backend crashed')"
    model = ran("chain", "agent", 3, 4, ran("llm", "gpt", 3, 4, failing=died), failing=died)
    found = run(ran("chain", "LangGraph", 0, 9, ran("tool", "search", 1, 2), model, failing=died))
    assert [status for _, _, status in steps(found)] == ["ok", "unrecoverable"]
    assert (found.agent, found.outcome) == ("LangGraph", "failed")
