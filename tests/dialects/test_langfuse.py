"""Observations as Langfuse's SDKs write them: langfuse/_client/attributes.py, CallbackHandler.py, packages/tracing."""

from __future__ import annotations

import json

import pytest
from raw import Raw, raw, run, steps
from support import responses

from otelscore.model import ERROR, ErrorClass, Kind

SCOPE = "langfuse-sdk"
OBSERVATION = "langfuse.observation."


def observation(kind: str, **fields: object) -> dict[str, object]:
    return {f"{OBSERVATION}type": kind} | {
        f"{OBSERVATION}{name.replace('__', '.')}": value for name, value in fields.items()
    }


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ("agent", Kind.AGENT),
        ("tool", Kind.TOOL),
        ("generation", Kind.MODEL),
        ("retriever", Kind.RETRIEVAL),
        ("embedding", Kind.RETRIEVAL),
        ("span", Kind.WRAPPER),
        ("chain", Kind.WRAPPER),
        ("event", Kind.WRAPPER),
        ("evaluator", Kind.WRAPPER),
        ("guardrail", Kind.WRAPPER),
        ("something_new", Kind.WRAPPER),
    ],
)
def test_the_type_says_what_an_observation_is(read, given: str, kind: Kind) -> None:
    reading = read("x", observation(given), parent=b"p" * 8, scope=SCOPE)
    assert (reading.kind, reading.dialect) == (kind, "langfuse")


def test_a_call_of_a_decorated_function_is_unwrapped(read) -> None:
    decorated = read("search", observation("tool", input='{"args": [], "kwargs": {"q": "x"}}', output='{"found": 3}'))
    by_hand = read("search", observation("tool", input='{"q":"x"}'))
    assert decorated.name == "search"
    assert decorated.arguments == by_hand.arguments
    assert decorated.has_result
    assert decorated.failure is None


def test_an_error_is_a_level_and_a_message_without_a_type(read) -> None:
    failing = observation("tool", level="ERROR", status_message="flight search timed out after 30s")
    reading = read("search", failing, status=ERROR, message="flight search timed out after 30s")
    assert reading.flagged
    assert (reading.failure.error_type, reading.failure.error_class) == ("", ErrorClass.TIMEOUT)


@pytest.mark.parametrize(
    ("level", "flagged"), [("ERROR", True), ("FATAL", True), ("WARNING", False), ("DEFAULT", False)]
)
def test_a_level_beats_the_status(read, level: str, flagged: bool) -> None:
    assert read("search", observation("tool", level=level)).flagged is flagged


def test_the_words_of_a_level_alone_give_the_class(read) -> None:
    reading = read("search", observation("tool", level="ERROR", status_message="429 Too Many Requests"))
    assert reading.failure.error_class is ErrorClass.RATE_LIMIT


def test_a_call_that_a_graph_broke_off_is_skipped(read) -> None:
    words = {"status_message": "(Interrupt(value='May I?'),)"}
    assert read("search", observation("tool", level="DEFAULT", **words)).skipped
    assert not read("search", observation("tool", level="DEFAULT", output="3", **words)).skipped
    assert not read("search", observation("tool", level="ERROR", **words)).skipped


def test_a_generation(read) -> None:
    asked = [{"id": "c1", "type": "function", "function": {"name": "search", "arguments": '{"q": "x"}'}}]
    said = {"role": "assistant", "content": "I could not do it.", "tool_calls": asked}
    reading = read("llm", observation("generation", output=json.dumps(said), model__name="gpt"))
    assert (reading.name, reading.acknowledges) == ("gpt", True)
    assert [call.call_id for call in reading.requested] == ["c1"]


def test_a_generation_is_told_the_results_of_its_calls(read) -> None:
    asked = [{"id": "c1", "type": "function", "function": {"name": "search", "arguments": "{}"}}]
    told = {"role": "tool", "tool_call_id": "c1", "content": "Error: HTTP 503"}
    messages = [{"role": "assistant", "content": None, "tool_calls": asked}, told]
    (result,) = read("llm", observation("generation", input=json.dumps(messages))).results
    assert (result.call.call_id, result.call.name, result.soft_error) == ("c1", "search", "error_prefix")


@pytest.mark.parametrize("quote", ["", '"'])  # metadata are JSON from Python SDK 4 on
def test_metadata_of_langchain(read, quote: str) -> None:
    reading = read("search", observation("tool", metadata__tool_call_id=f"{quote}c1{quote}"))
    assert reading.call_id == "c1"
    node = observation("agent", metadata__langgraph_node=f"{quote}agent{quote}")
    assert read("agent", node, parent=b"p" * 8).kind is Kind.WRAPPER
    named = {"metadata__lc_agent_name": f"{quote}planner{quote}"}
    graph = read("planner", observation("chain", **named), parent=b"p" * 8)
    assert (graph.kind, graph.name) == (Kind.AGENT, "planner")
    assert read("model", observation("chain", **named), parent=b"p" * 8).kind is Kind.WRAPPER


@pytest.mark.parametrize("key", ["session.id", "langfuse.session.id", f"{OBSERVATION}metadata.langfuse_session_id"])
def test_the_session(read, key: str) -> None:
    assert read("search", observation("tool") | {key: "s1"}).session == "s1"


def test_an_agent_is_named_by_its_span_and_never_by_a_route(read) -> None:
    assert read("travel planner", observation("agent")).name == "travel planner"
    assert read("POST /chat", observation("agent")).name == ""


# ------------------------------------------------------------------------------------------------------ trees


def seen(kind: str, name: str, start: float, end: float, *inside: Raw, **fields: object) -> Raw:
    return raw(name, start, end, observation(kind, **fields), *inside)


def test_a_plain_root_in_which_models_and_tools_work_is_the_agent() -> None:
    failing = seen("tool", "search", 2, 3, level="ERROR", status_message="timed out", input='{"q": 1}')
    again = seen("tool", "search", 5, 6, input='{"q": 1}')
    for kind in ("span", "chain"):
        inside = (seen("generation", "llm", 1, 2), failing, seen("generation", "llm", 4, 5), again)
        found = run(seen(kind, "assistant", 0, 9, *inside))
        assert (found.agent, responses(found)) == ("assistant", ["retried"])


def test_a_plain_root_around_agents_is_none() -> None:
    one = seen("agent", "one", 1, 4, seen("generation", "llm", 1, 2), seen("tool", "search", 2, 3))
    two = seen("agent", "two", 5, 9, seen("generation", "llm", 5, 6), seen("tool", "book", 6, 7))
    found = run(seen("span", "pipeline", 0, 9, one, two))
    assert found.agent == "one"
    assert [step.agent for step in found.steps] == ["one", "one", "two", "two"]


def test_an_unnamed_graph_and_a_named_one_below_its_tool_are_two_agents() -> None:
    name = {"metadata__lc_agent_name": '"booker"'}
    inner = seen("agent", "booker", 3, 5, seen("generation", "Fake", 3, 4), seen("tool", "book", 4, 5), **name)
    nodes = (
        seen("agent", "agent", 1, 2, seen("generation", "Fake", 1, 2), metadata__langgraph_node="agent"),
        seen("chain", "tools", 2, 6, seen("tool", "ask_booker", 2, 6, inner), metadata__langgraph_node="tools"),
    )
    found = run(seen("chain", "LangGraph", 0, 9, *nodes))
    assert [(step.kind.value, step.agent) for step in found.steps] == [
        ("model", "LangGraph"),
        ("model", "booker"),
        ("tool", "booker"),
    ]


def test_a_failed_model_call_marks_its_ancestors_but_is_one_failed_step() -> None:
    dead = {"level": "ERROR", "status_message": "500 internal error"}
    found = run(
        seen("agent", "planner", 0, 9, seen("tool", "search", 1, 2), seen("generation", "llm", 3, 4, **dead), **dead)
    )
    assert [status for _, _, status in steps(found)] == ["ok", "unrecoverable"]
    assert found.outcome == "failed"
