"""LlamaIndex: its own integration, as llama-index-observability-otel writes spans, and the one of OpenInference."""

from __future__ import annotations

import json

import pytest
from raw import Raw, raised, raw, run, steps

from otelscore.model import ERROR, OK, AttributeValue, Kind

OWN, OPENINFERENCE = "llamaindex.opentelemetry.tracer", "openinference.instrumentation.llama_index"
ID = "-0b5c7c5a-9fd9-4f0d-8d6e-5a1f1e2d3c4b"


@pytest.mark.parametrize("ending", ["", ID])
@pytest.mark.parametrize(
    ("name", "kind", "called"),
    [
        ("FunctionAgent.run", Kind.AGENT, ""),
        ("AgentWorkflow.run", Kind.AGENT, ""),
        ("OpenAIAgent.chat", Kind.AGENT, ""),
        ("FunctionTool.acall", Kind.TOOL, "FunctionTool"),
        ("QueryEngineTool.call", Kind.TOOL, "QueryEngineTool"),
        ("MyRetriever.aretrieve", Kind.RETRIEVAL, None),
        ("BaseWorkflowAgent.call_tool", Kind.WRAPPER, None),
        ("OpenAI._prepare_chat_with_tools", Kind.WRAPPER, None),
        ("MyFlow.run", Kind.WRAPPER, None),
    ],
)
def test_its_own_spans_are_told_by_class_and_method(
    read, name: str, kind: Kind, called: str | None, ending: str
) -> None:
    reading = read(name + ending, scope=OWN, status=OK)
    assert reading.kind is kind
    assert called is None or reading.name == called
    assert read(name, scope="another").kind is Kind.OTHER


def test_its_own_model_calls_are_told_by_their_events(read) -> None:
    start = ("LLMChatStartEvent", {"model_dict.model": "gpt"})
    reading = read("OpenAI.achat", scope=OWN, events=[start, ("LLMChatEndEvent", {"response": "I could not."})])
    assert (reading.kind, reading.name, reading.acknowledges) == (Kind.MODEL, "gpt", True)


BLOCK = {"block_type": "tool_call", "tool_call_id": "c1", "tool_name": "weather", "tool_kwargs": {"city": "Oslo"}}
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Oslo"}'}}


@pytest.mark.parametrize(
    "said",
    [
        {"response.message.blocks": [BLOCK]},
        {"response.message.blocks": [], "response.message.additional_kwargs.tool_calls": [CALL]},
    ],
)
def test_the_calls_that_its_own_models_ask_for_are_in_both_places_of_a_message(read, said: dict[str, object]) -> None:
    event = ("LLMChatEndEvent", {key: json.dumps(value) for key, value in said.items()})
    (call,) = read("OpenAI.achat", scope=OWN, events=[event]).requested
    assert (call.call_id, call.name) == ("c1", "weather")
    assert call.arguments is not None


def test_its_own_models_hear_of_the_results_that_no_tool_span_shows(read) -> None:
    told = [
        {"role": "user", "additional_kwargs": {}, "blocks": [{"block_type": "text", "text": "weather?"}]},
        {"role": "assistant", "additional_kwargs": {"tool_calls": [CALL]}, "blocks": []},
        {
            "role": "tool",
            "additional_kwargs": {"tool_call_id": "c1"},
            "blocks": [{"block_type": "text", "text": "Error: no such city"}],
        },
    ]
    (result,) = read("OpenAI.achat", scope=OWN, events=[("LLMChatStartEvent", {"messages": json.dumps(told)})]).results
    assert (result.call.call_id, result.soft_error) == ("c1", "error_prefix")
    alone = [("LLMChatStartEvent", {"messages": json.dumps(told[:2])})]
    assert read("OpenAI.achat", scope=OWN, events=alone).results == ()


def test_its_own_tool_and_agent_are_named_by_what_the_workflow_was_given(read) -> None:
    def given(summary: str):
        return read("FunctionTool.acall", {"llamaindex.step.input_summary": summary}, scope=OWN)

    whole = given("ToolCall(tool_name='weather', tool_kwargs={'city': 'Oslo'}, tool_id='c1')")
    assert (whole.name, whole.call_id) == ("weather", "c1")
    assert whole.arguments is not None
    cut = given("ToolCall(tool_name='weather', tool_kwargs={'city': 'Os...")
    assert (cut.name, cut.call_id, cut.arguments) == ("weather", "", None)
    assert given("AgentInput(input=[], current_agent_name='planner')").agent == "planner"


def test_its_own_error_is_in_the_status(read) -> None:
    reading = read("FunctionTool.acall", scope=OWN, status=ERROR, message="flight API timed out")
    assert reading.failure.error_class == "timeout"


# ----------------------------------------------------------------------------------------------------- OpenInference


def oi(kind: str, name: str, start: float, end: float, *children: Raw, **more: AttributeValue) -> Raw:
    attributes = {"openinference.span.kind": kind} | {key.replace("__", "."): value for key, value in more.items()}
    return raw(name, start, end, attributes, *children, scope=OPENINFERENCE, status=OK)


@pytest.mark.parametrize(
    ("given", "name", "kind"),
    [
        ("CHAIN", "FunctionAgent.run", Kind.AGENT),
        ("CHAIN", "ReActAgent.run", Kind.AGENT),
        ("CHAIN", "TravelAgent.run", Kind.AGENT),
        ("CHAIN", "AgentWorkflow.run", Kind.AGENT),
        ("CHAIN", "BaseWorkflowAgent.run_agent_step", Kind.WRAPPER),
        ("CHAIN", "MyFlow.run", Kind.WRAPPER),
        ("CHAIN", "RetrieverQueryEngine.query", Kind.WRAPPER),
        ("LLM", "OpenAI._prepare_chat_with_tools", Kind.WRAPPER),
        ("LLM", "OpenAI.get_tool_calls_from_response", Kind.WRAPPER),
        ("LLM", "OpenAI.astream_chat", Kind.MODEL),
        ("LLM", "OpenAI.predict", Kind.MODEL),
        ("AGENT", "OpenAIAgent.chat", Kind.AGENT),  # until 0.12
        ("AGENT", "ReActAgent.astream_chat", Kind.AGENT),
        ("AGENT", "OpenAIAgent._chat", Kind.WRAPPER),
        ("AGENT", "OpenAIAgent._run_step", Kind.WRAPPER),
        ("AGENT", "OpenAIAgentWorker.run_step", Kind.WRAPPER),
        ("AGENT", "agent_step", Kind.AGENT),  # its callbacks until 0.10
        ("TOOL", "FunctionTool.acall", Kind.TOOL),
    ],
)
def test_what_its_kinds_mean(read, given: str, name: str, kind: Kind) -> None:
    assert read(name, {"openinference.span.kind": given}, scope=OPENINFERENCE).kind is kind


def test_the_same_names_elsewhere_mean_what_they_say(read) -> None:
    assert read("TravelAgent.run", {"openinference.span.kind": "CHAIN"}, scope="app").kind is Kind.WRAPPER
    assert read("OpenAI._chat", {"openinference.span.kind": "LLM"}, scope="app").kind is Kind.MODEL


@pytest.mark.parametrize(
    ("output", "rule"),
    [
        ({"blocks": [{"text": "sunny"}], "tool_name": "weather", "raw_output": "sunny", "is_error": False}, ""),
        ({"blocks": [{"text": "x"}], "tool_name": "weather", "raw_output": '{"error": "no such city"}'}, "error"),
        ({"content": "x", "tool_name": "weather", "raw_input": {}, "raw_output": {"error": "no such city"}}, "error"),
        ({"blocks": [{"text": "x"}], "tool_name": "weather", "raw_output": "x", "is_error": True}, "is_error"),
    ],
)
def test_the_result_of_a_tool_lies_inside_its_output(read, output: dict[str, AttributeValue], rule: str) -> None:
    attributes = {"openinference.span.kind": "TOOL", "tool.name": "weather", "output.value": json.dumps(output)}
    assert read("FunctionTool.acall", attributes, scope=OPENINFERENCE).soft_error == rule


def test_an_agent_of_before_0_13_is_one_agent_of_one_run() -> None:
    def step(at: float, *calls: Raw) -> Raw:
        worker = oi(
            "AGENT", "OpenAIAgentWorker.run_step", at, at + 3, oi("LLM", "OpenAI.chat", at + 0.5, at + 1), *calls
        )
        return oi("AGENT", "OpenAIAgent._run_step", at, at + 3, worker)

    call = oi("TOOL", "FunctionTool.call", 2.2, 3, tool__name="weather")
    chat = oi("AGENT", "OpenAIAgent._chat", 0, 9, step(1, call), step(5))
    found = run(oi("AGENT", "OpenAIAgent.chat", 0, 9, chat))
    assert {step.agent for step in found.steps} == {"OpenAIAgent"}
    assert [kind for kind, _, _ in steps(found)] == ["model", "tool", "model"]


def test_a_tool_that_raised_is_a_failed_step_of_a_run_that_is_fine() -> None:
    tool = raw(
        "FunctionTool.acall",
        3,
        4,
        {"openinference.span.kind": "TOOL", "tool.name": "weather", "input.value": '{"kwargs": {"city": "Oslo"}}'},
        status=ERROR,
        message="TimeoutError: slow",
        events=raised("TimeoutError", "slow"),
    )
    asking = oi("LLM", "OpenAI._prepare_chat_with_tools", 1, 1.1), oi("LLM", "OpenAI.astream_chat", 1.2, 2)
    parts = (
        oi("CHAIN", "BaseWorkflowAgent.run_agent_step", 1, 2, *asking),
        oi("CHAIN", "BaseWorkflowAgent.call_tool", 3, 4, tool),
    )
    found = run(oi("CHAIN", "FunctionAgent.run", 0, 9, *parts))
    assert [(kind, status) for kind, _, status in steps(found)] == [("model", "ok"), ("tool", "error")]
