"""Haystack's own spans, as haystack/components/agents and haystack/core/pipeline write them."""

from __future__ import annotations

import json

import pytest
from raw import Raw, raw, run, runs, steps

from otelscore.model import ERROR, AttributeValue, Kind, Outcome

SCOPE = "my_app"  # whatever the user calls the tracer


def component(name: str, kind: str, start: float, end: float, *children: Raw, **more: AttributeValue) -> Raw:
    attributes = {"haystack.component.name": name, "haystack.component.type": kind}
    attributes |= {f"haystack.component.{key}": value for key, value in more.items()}
    return raw("haystack.component.run", start, end, attributes, *children)


def replied(text: str = "", call: dict[str, AttributeValue] | None = None) -> str:
    content = [{"text": text}] if text else []
    content += [{"tool_call": call}] if call else []
    return json.dumps({"replies": [{"role": "assistant", "meta": {"model": "gpt"}, "name": None, "content": content}]})


def asked(start: float, output: str = "") -> Raw:
    attributes = {"haystack.agent.step.llm.output": output} if output else {}
    return raw("haystack.agent.step.llm", start, start + 0.5, attributes)


def called(name: str, start: float, given: str = "{}", **tags: AttributeValue) -> Raw:
    attributes = {"haystack.tool.name": name, "haystack.agent.step.tool.input": given}
    attributes |= {key.replace("__", "."): value for key, value in tags.items()}
    return raw("haystack.agent.step.tool", start, start + 0.5, attributes)


def agent(start: float, end: float, *rounds: tuple[Raw, ...]) -> Raw:
    turns = [
        raw("haystack.agent.step", spans[0].start, spans[-1].end, {"haystack.agent.step": str(number)}, *spans)
        for number, spans in enumerate(rounds)
    ]
    return raw("haystack.agent.run", start, end, {"haystack.agent.max_steps": "100"}, *turns)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("Agent", Kind.AGENT),
        ("OpenAIChatGenerator", Kind.MODEL),
        ("HuggingFaceLocalGenerator", Kind.MODEL),
        ("InMemoryBM25Retriever", Kind.RETRIEVAL),
        ("SerperDevWebSearch", Kind.RETRIEVAL),
        ("OpenAITextEmbedder", Kind.RETRIEVAL),
        ("TransformersSimilarityRanker", Kind.RETRIEVAL),
        ("OpenAIDocumentEmbedder", Kind.WRAPPER),
        ("ToolInvoker", Kind.WRAPPER),
        ("PromptBuilder", Kind.WRAPPER),
        ("Generators", Kind.WRAPPER),
    ],
)
def test_a_component_is_what_its_class_ends_with(read, kind: str, expected: Kind) -> None:
    attributes = {"haystack.component.name": "c", "haystack.component.type": kind}
    for name in ("haystack.component.run", "haystack.chat_generator.run"):
        assert read(name, attributes).kind is expected
    assert read("another.span", attributes).kind is Kind.OTHER


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("haystack.pipeline.run", Kind.WRAPPER),
        ("haystack.async_pipeline.run", Kind.WRAPPER),
        ("haystack.agent.run", Kind.AGENT),
        ("haystack.agent.step", Kind.WRAPPER),
        ("haystack.agent.step.llm", Kind.MODEL),
        ("haystack.agent.step.tool", Kind.TOOL),
        ("haystack.agent.hook", Kind.WRAPPER),
        ("haystackless", Kind.OTHER),
    ],
)
def test_every_other_span_is_told_by_its_name_in_any_scope(read, name: str, expected: Kind) -> None:
    assert read(name, scope=SCOPE).kind is expected


def test_a_tool_call(read) -> None:
    reading = read(
        "haystack.agent.step.tool",
        {
            "haystack.tool.name": "weather",
            "haystack.agent.step.tool.input": '{"city": "Oslo"}',
            "haystack.agent.step.tool.output": '{"error": "Failed to invoke. Error: it timed out"}',
            "haystack.tool.error": True,
        },
    )
    assert (reading.name, reading.flagged, reading.failure.error_class) == ("weather", True, "timeout")
    assert reading.arguments is not None


def test_a_failure_shows_in_the_result_where_there_is_no_flag(read) -> None:
    output = '{"error": "Failed to invoke Tool `weather`. Error: connection refused"}'
    name = {"haystack.tool.name": "weather"}
    assert read("haystack.agent.step.tool", name | {"haystack.agent.step.tool.output": output}).soft_error == "error"
    assert read("haystack.agent.step.tool", name).failure is None


def test_what_a_model_said_and_its_name(read) -> None:
    call = {"tool_name": "weather", "arguments": {"city": "Oslo"}, "id": "c1"}
    reading = read("haystack.agent.step.llm", {"haystack.agent.step.llm.output": replied("I could not.", call)})
    assert (reading.name, reading.acknowledges) == ("gpt", True)
    assert [(call.call_id, call.name) for call in reading.requested] == [("c1", "weather")]
    assert read("haystack.agent.step.llm").name == ""


def test_a_run_in_a_pipeline_bears_the_name_of_its_component() -> None:
    failing = called("weather", 2, haystack__tool__error=True)
    rounds = ((asked(1), failing), (asked(3), called("weather", 4)), (asked(5, replied("Sunny.")),))
    inner = agent(0.2, 6, *rounds)
    found = run(raw("haystack.pipeline.run", 0, 7, {}, component("planner", "Agent", 0.1, 6.5, inner), scope=SCOPE))
    assert found.agent == "planner"
    assert {step.agent for step in found.steps} == {"planner"}
    assert [step.response for step in found.steps if step.failed] == ["retried"]


def test_two_agents_of_one_pipeline_are_two_agents_of_one_run() -> None:
    agents = [
        component(name, "Agent", at, at + 4, agent(at, at + 4, (asked(at + 1), called("weather", at + 2))))
        for name, at in (("first", 0), ("second", 5))
    ]
    found = run(raw("haystack.pipeline.run", 0, 10, {}, *agents))
    assert [step.agent for step in found.steps] == ["first", "first", "second", "second"]


def test_an_agent_that_is_a_tool_has_only_the_name_of_its_tool() -> None:
    inner = agent(2, 5, (asked(2.1), called("weather", 3)))
    outer = raw("haystack.agent.step.tool", 2, 5, {"haystack.tool.name": "researcher"}, inner)
    found = run(agent(0, 9, (asked(1), outer), (asked(6),)))
    assert [(step.name or "model", step.agent) for step in found.steps] == [
        ("model", "unknown"),
        ("model", "researcher"),
        ("weather", "researcher"),
        ("model", "unknown"),
    ]


def test_a_crash_marks_every_span_above_and_is_a_failed_run() -> None:
    failed = {
        "status": ERROR,
        "message": "RuntimeError: gone",
        "events": [("exception", {"exception.type": "RuntimeError"})],
    }
    llm = raw("haystack.agent.step.llm", 1, 2, {}, **failed)
    found = run(raw("haystack.agent.run", 0, 3, {}, raw("haystack.agent.step", 1, 2, {}, llm, **failed), **failed))
    assert (found.outcome, found.hard_failure) == (Outcome.FAILED, True)
    assert steps(found) == [("model", "", "unrecoverable")]


def test_until_2_31_the_tools_of_a_turn_are_one_component_and_seen_in_the_next_call_only() -> None:
    """The span of the invoker does not tell what it called; the messages do, where content was captured."""
    call = {"tool_name": "weather", "arguments": {"city": "Oslo"}, "id": "c1"}
    result = {"result": "The station timed out", "origin": call, "error": True}
    told = [
        {"role": "user", "content": [{"text": "What is the weather?"}]},
        {"role": "assistant", "content": [{"tool_call": call}]},
        {"role": "tool", "content": [{"tool_call_result": result}]},
    ]

    def loop(**content: str) -> Raw:
        first = component("chat_generator", "OpenAIChatGenerator", 1, 2, output=replied(call=call))
        invoker = component("tool_invoker", "ToolInvoker", 3, 4)
        return raw(
            "haystack.agent.run", 0, 9, {}, first, invoker, component("g", "OpenAIChatGenerator", 5, 6, **content)
        )

    found = run(loop(input=json.dumps({"messages": told, "tools": []})))
    assert [(kind, status) for kind, _, status in steps(found)] == [("model", "ok"), ("tool", "error"), ("model", "ok")]
    assert [(step.name, step.error_class, step.response) for step in found.steps if step.failed] == [
        ("weather", "timeout", "concluded")
    ]
    assert [kind for kind, _, _ in steps(run(loop()))] == ["model", "model"]


def test_a_pipeline_without_an_agent_is_a_run_of_its_retrievals() -> None:
    parts = component("retriever", "InMemoryBM25Retriever", 1, 2), component("llm", "OpenAIGenerator", 3, 4)
    assert steps(run(raw("haystack.pipeline.run", 0, 5, {}, *parts))) == [
        ("retrieval", "retriever", "ok"),
        ("model", "", "ok"),
    ]
    indexing = component("embedder", "OpenAIDocumentEmbedder", 1, 2), component("writer", "DocumentWriter", 3, 4)
    assert runs(raw("haystack.pipeline.run", 0, 5, {}, *indexing)) == []
