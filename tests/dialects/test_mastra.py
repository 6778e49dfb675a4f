"""Spans as Mastra's exporters write them: 0.x (scope `@mastra/otel`), 1.0 to 1.2, and from 1.3 on."""

from __future__ import annotations

import json

import pytest
from raw import Raw, raised, raw, run, steps
from support import failed, responses

from otelscore.model import ERROR, OK, ErrorClass, Kind, Response

GENERATIONS = ["old", "first", "current"]


def span(kind: str, operation: str = "", **attributes: object) -> dict[str, object]:
    return {"mastra.span.type": kind, "gen_ai.operation.name": operation or kind, **attributes}


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        (span("agent_run", "agent.run"), Kind.AGENT),
        (span("agent_run", "invoke_agent"), Kind.AGENT),
        (span("llm_generation", "chat"), Kind.MODEL),
        (span("llm_generation", "tool_selection"), Kind.MODEL),
        (span("model_generation", "chat"), Kind.MODEL),
        (span("model_generation"), Kind.WRAPPER),
        (span("llm_step", "llm.step"), Kind.MODEL),
        (span("model_step", "model.step"), Kind.MODEL),
        (span("model_step"), Kind.MODEL),
        (span("model_step", "agent_step"), Kind.WRAPPER),
        (span("model_inference", "chat"), Kind.MODEL),
        (span("tool_call", "tool.execute"), Kind.TOOL),
        (span("tool_call", "execute_tool"), Kind.TOOL),
        (span("mcp_tool_call", "execute_tool"), Kind.TOOL),
        (span("provider_tool_call", "execute_tool"), Kind.TOOL),
        (span("client_tool_call"), Kind.TOOL),
        (span("rag_embedding", "embeddings"), Kind.RETRIEVAL),
        (span("llm_chunk", "llm.chunk"), Kind.WRAPPER),
        (span("model_chunk"), Kind.WRAPPER),
        (span("workflow_run", "invoke_workflow"), Kind.WRAPPER),
        (span("workflow_step"), Kind.WRAPPER),
        (span("processor_run"), Kind.WRAPPER),
        (span("memory_operation"), Kind.WRAPPER),
        (span("rag_vector_operation"), Kind.WRAPPER),
        (span("mapping"), Kind.WRAPPER),
        (span("something_new"), Kind.WRAPPER),
    ],
)
def test_its_type_says_what_a_span_is(read, attributes: dict[str, object], kind: Kind) -> None:
    reading = read("x", attributes)
    assert (reading.kind, reading.dialect) == (kind, "mastra")


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        (
            "tool.execute search",
            {
                "gen_ai.tool.name": "search",
                "gen_ai.tool.input": '{"q": "x"}',
                "input": '{"q":"x"}',
                "gen_ai.tool.output": '{"error":"rate limited"}',
                "output": '{"error":"rate limited"}',
                "threadId": "t1",
            },
        ),
        (
            "execute_tool search",
            {
                "gen_ai.tool.name": "search",
                "gen_ai.tool.call.arguments": '{"q":"x"}',
                "gen_ai.tool.call.result": '{"error":"rate limited"}',
                "gen_ai.conversation.id": "t1",
            },
        ),
        (
            "execute_tool search",
            {
                "mastra.client_tool_call.input": '{"q":"x"}',
                "mastra.client_tool_call.output": '{"error":"rate limited"}',
                "mastra.metadata.threadId": "t1",
            },
        ),
    ],
)
def test_a_tool_call(read, name: str, attributes: dict[str, object]) -> None:
    reading = read(name, span("tool_call", **attributes))
    plain = read("x", span("tool_call", **{"gen_ai.tool.call.arguments": '{"q": "x"}'}))
    assert (reading.name, reading.session) == ("search", "t1")
    assert reading.arguments == plain.arguments
    assert (reading.soft_error, reading.soft_failure.error_class) == ("error", ErrorClass.RATE_LIMIT)


def test_a_call_id_is_on_the_span_or_in_its_metadata(read) -> None:
    assert read("x", span("tool_call", **{"gen_ai.tool.call.id": "c1"})).call_id == "c1"
    assert read("x", span("client_tool_call", **{"mastra.metadata.toolCallId": "c1"})).call_id == "c1"


def test_a_tool_error_says_its_words_but_no_type(read) -> None:
    reading = read(
        "execute_tool search",
        span("tool_call", **{"error.type": "unknown"}),
        events=raised("Error", "flight search timed out after 30s"),
        status=ERROR,
    )
    assert (reading.failure.error_type, reading.failure.error_class) == ("Error", ErrorClass.TIMEOUT)


def test_a_tool_without_success_failed(read) -> None:
    assert read("x", span("tool_call", **{"gen_ai.tool.success": False}), status=OK).flagged
    assert not read("x", span("tool_call", **{"gen_ai.tool.success": True}), status=OK).flagged


@pytest.mark.parametrize("key", ["mastra.model_step.output", "output"])
def test_a_step_says_what_it_answers_and_asks_for(read, key: str) -> None:
    said = {"text": "I could not.", "toolCalls": [{"toolCallId": "c1", "toolName": "search", "args": {"q": "x"}}]}
    reading = read("step: 0", span("model_step", **{key: json.dumps(said)}))
    (asked,) = reading.requested
    assert (asked.call_id, asked.name, reading.acknowledges) == ("c1", "search", True)


@pytest.mark.parametrize("key", ["modelMetadata", "mastra.metadata.modelMetadata"])
def test_the_model_of_a_step_is_in_its_metadata(read, key: str) -> None:
    assert read("step: 0", span("model_step", **{key: '{"modelId":"gpt"}'})).name == "gpt"
    assert read("chat gpt", span("model_inference", "chat", **{"gen_ai.request.model": "gpt"})).name == "gpt"


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("agent.planner", {"agent.id": "planner"}),
        ("invoke_agent planner", {"gen_ai.agent.id": "p1", "gen_ai.agent.name": "planner"}),
        ("invoke_agent planner", {}),
        ("agent.planner", {}),
    ],
)
def test_the_name_of_an_agent(read, name: str, attributes: dict[str, object]) -> None:
    assert read(name, span("agent_run", **attributes)).name == "planner"


# ------------------------------------------------------------------------------------------------------ trees


def turn(generation: str, start: float, *tools: Raw, finish: str = "tool-calls", **facts: object) -> Raw:
    """One model call and the tools that it asks for, which lie below its step."""
    inference = raw("chat gpt", start, start + 1, span("model_inference", "chat", **finished(finish)), status=OK)
    end = max([start + 1, *(tool.end for tool in tools)])
    if generation == "current":
        return raw("agent_step planner", start, end, span("model_step", "agent_step"), inference, *tools, status=OK)
    operation = "model.step" if generation == "old" else "model_step"
    chunk = raw("chunk: 'text'", start, start + 1, span("model_chunk", "model.chunk"), status=OK)
    return raw("step", start, end, span("model_step", operation), chunk, *tools, status=OK)


def finished(reason: str) -> dict[str, object]:
    return {"gen_ai.response.finish_reasons": json.dumps([reason]), "gen_ai.request.model": "gpt"}


def generate(generation: str, end: float, *turns: Raw, finish: str = "stop") -> Raw:
    if generation == "current":
        return raw("model_generation gpt", 0, end, span("model_generation"), *turns, status=OK)
    return raw("chat gpt", 0, end, span("model_generation", "chat", **finished(finish)), *turns, status=OK)


def agent(name: str, end: float, *inside: Raw, **facts: object) -> Raw:
    return raw(f"invoke_agent {name}", 0, end, span("agent_run", **{"gen_ai.agent.name": name}), *inside, **facts)


def call(name: str, start: float, end: float, *inside: Raw, **facts: object) -> Raw:
    facts = {"status": OK} | facts
    return raw(f"execute_tool {name}", start, end, span("tool_call", **{"gen_ai.tool.name": name}), *inside, **facts)


@pytest.mark.parametrize("generation", GENERATIONS)
def test_a_generation_is_the_loop_around_its_steps(generation: str) -> None:
    broken = call("search", 1.5, 2, status=ERROR, events=raised("Error", "timed out"))
    again, final = turn(generation, 3, call("search", 4, 5)), turn(generation, 6, finish="stop")
    found = run(agent("planner", 9, generate(generation, 9, turn(generation, 1, broken), again, final)))
    assert [kind for kind, _, _ in steps(found)] == ["model", "tool", "model", "tool", "model"]
    assert (failed(found), responses(found)) == (["search"], [Response.RETRIED])


@pytest.mark.parametrize("generation", GENERATIONS)
def test_a_generation_of_a_single_step_is_one_model_call(generation: str) -> None:
    assert steps(run(agent("planner", 9, generate(generation, 9, turn(generation, 1, finish="stop"))))) == [
        ("model", "gpt", "ok")
    ]


@pytest.mark.parametrize("generation", GENERATIONS)
def test_a_crash_shows_in_a_finish_reason_alone_and_is_the_last_model_calls(generation: str) -> None:
    turns = turn(generation, 1, call("search", 1.5, 2)), turn(generation, 3, finish="error")
    found = run(agent("planner", 9, generate(generation, 9, *turns, finish="error")))
    assert [status for _, _, status in steps(found)] == ["ok", "ok", "unrecoverable"]
    assert found.outcome == "failed"


@pytest.mark.parametrize("generation", GENERATIONS)
def test_an_agent_below_the_tool_that_asks_it(generation: str) -> None:
    booking, booked = turn(generation, 2, call("book", 2.5, 3)), turn(generation, 3.5, finish="stop")
    inner = agent("booker", 4, generate(generation, 4, booking, booked))
    asking, final = turn(generation, 1, call("agent-booker", 1.5, 5, inner)), turn(generation, 6, finish="stop")
    found = run(agent("planner", 9, generate(generation, 9, asking, final)))
    assert [(step.kind, step.agent) for step in found.steps] == [
        ("model", "planner"),
        ("model", "booker"),
        ("tool", "booker"),
        ("model", "booker"),
        ("model", "planner"),
    ]
