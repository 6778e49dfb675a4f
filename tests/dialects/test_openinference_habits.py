"""The instrumentations of OpenInference, each as its own source writes spans (Arize-ai/openinference)."""

from __future__ import annotations

import json

import pytest
from raw import Raw, raised, raw, run, runs, steps

from otelscore.model import ERROR, OK, AttributeValue, Kind

PYTHON, JS = "openinference.instrumentation.", "@arizeai/openinference-instrumentation-"


def oi(
    kind: str,
    name: str,
    start: float,
    end: float,
    *children: Raw,
    status: int = OK,
    error: str = "",
    **more: AttributeValue,
) -> Raw:
    attributes = {"openinference.span.kind": kind} | {key.replace("__", "."): value for key, value in more.items()}
    failed = {"status": ERROR, "message": error, "events": raised(error)} if error else {"status": status}
    return raw(name, start, end, attributes, *children, **failed)


@pytest.mark.parametrize(
    ("scope", "given", "name", "kind"),
    [
        ("haystack", "CHAIN", "Agent.run", Kind.AGENT),
        ("haystack", "CHAIN", "Agent.run_async", Kind.AGENT),
        ("haystack", "CHAIN", "ToolInvoker.run", Kind.WRAPPER),
        ("haystack", "CHAIN", "Pipeline.run", Kind.WRAPPER),
        ("haystack", "LLM", "OpenAIChatGenerator.run", Kind.MODEL),
        ("haystack", "LLM", "PromptBuilder.run", Kind.WRAPPER),
        ("haystack", "LLM", "ChatPromptBuilder.run", Kind.WRAPPER),
        ("dspy", "CHAIN", "ReAct.forward", Kind.AGENT),
        ("dspy", "CHAIN", "CodeAct.aforward", Kind.AGENT),
        ("dspy", "CHAIN", "ChainOfThought.forward", Kind.WRAPPER),
        ("dspy", "CHAIN", "ChatAdapter.__call__", Kind.WRAPPER),
        ("dspy", "LLM", "LM.__call__", Kind.MODEL),
        ("dspy", "TOOL", "weather.__call__", Kind.TOOL),
        ("dspy", "TOOL", "finish.acall", Kind.WRAPPER),
        ("instructor", "TOOL", "instructor.patch", Kind.MODEL),
        ("instructor", "TOOL", "instructor.async_patch", Kind.MODEL),
        ("instructor", "TOOL", "instructor.handle_response_model", Kind.WRAPPER),
        ("pipecat", "LLM", "pipecat.llm", Kind.MODEL),
        ("pipecat", "LLM", "pipecat.stt", Kind.WRAPPER),
        ("pipecat", "LLM", "pipecat.tts", Kind.WRAPPER),
        ("pipecat", "TOOL", "pipecat.tool.weather", Kind.TOOL),
        ("guardrails", "GUARDRAIL", "parse", Kind.WRAPPER),
        ("guardrails", "LLM", "OpenAICallable.__call__", Kind.MODEL),
    ],
)
def test_what_an_instrumentation_means_by_a_kind(read, scope: str, given: str, name: str, kind: Kind) -> None:
    assert read(name, {"openinference.span.kind": given}, scope=f"{PYTHON}{scope}").kind is kind


@pytest.mark.parametrize("name", ["start", "success", "error", "retry", "update"])
@pytest.mark.parametrize("given", ["AGENT", "TOOL", "LLM"])
@pytest.mark.parametrize("scope", [f"{PYTHON}beeai", f"{JS}beeai"])
def test_an_event_of_beeai_is_no_span_of_its_kind(read, scope: str, given: str, name: str) -> None:
    attributes = {"openinference.span.kind": given, "metadata.id": "1", "metadata.path": f"agent.{name}"}
    assert read(name, attributes, scope=scope).kind is Kind.WRAPPER


def test_a_span_of_beeai_that_is_one_bears_its_class(read) -> None:
    attributes = {"openinference.span.kind": "TOOL", "metadata.class_name": "WeatherTool", "tool.name": "weather"}
    assert read("weather", attributes, scope=f"{PYTHON}beeai").kind is Kind.TOOL
    main = read("beeai-framework-main", {"openinference.span.kind": "AGENT"}, scope=f"{JS}beeai")
    assert (main.kind, main.name) == (Kind.AGENT, "")


def test_dapr_reports_the_activity_around_a_call_and_the_call(read) -> None:
    activity = {"openinference.span.kind": "TOOL", "workflow.activity": "run_tool", "agent.name": "planner"}
    assert read("planner.run_tool", activity, scope="dapr_agents.observability.instrumentor").kind is Kind.WRAPPER
    call = {"openinference.span.kind": "TOOL", "tool.name": "weather"}
    assert read("execute_tool weather", call, scope="dapr_agents.observability.instrumentor").kind is Kind.TOOL


@pytest.mark.parametrize(
    ("scope", "name", "attributes", "agent"),
    [
        ("crewai", "planner._execute_core", {}, "planner"),
        ("crewai", "planner.kickoff", {"graph.node.id": "planner"}, "planner"),
        ("crewai", "planner.Plan the trip to Oslo.execute", {"graph.node.id": "planner"}, "planner"),
        ("crewai._event_listener", "Agent.kickoff", {}, ""),
        ("autogen_agentchat", "planner.on_messages_stream", {"graph.node.id": "planner"}, "planner"),
        ("ag2", "user.initiate_chat", {"agent.name": "user"}, "user"),
        ("autogen", "planner.generate_reply", {}, "planner"),
        ("agno", "planner.arun", {"graph.node.id": "8f0b7c5a9fd94f0d"}, "planner"),
        ("smolagents", "CodeAgent.run", {}, "CodeAgent"),
        ("claude_agent_sdk", "ClaudeAgentSDK.query", {}, "ClaudeAgentSDK"),
        ("claude_agent_sdk", "ClaudeAgentSDK.ClaudeSDKClient.receive_response", {}, "ClaudeAgentSDK"),
        ("claude_agent_sdk", "ClaudeAgentSDK.Task", {"agent.name": "Task"}, "Task"),
        ("bedrock", "bedrock_agent.invoke_agent", {}, "bedrock_agent"),
        ("bedrock", "agent_collaborator[planner]", {}, "planner"),
        ("haystack", "Agent.run", {}, ""),
        ("llama_index", "agent_step", {}, ""),
        ("langchain4j", "AiService.chat", {}, ""),
        ("tanstack", "ai.chat", {}, ""),
        ("dapr", "planner.AgenticWorkflow", {}, "planner"),
        ("strands_agents", "invoke_agent planner", {"graph.node.id": "strands_agent"}, "planner"),
    ],
)
def test_the_name_of_an_agent(read, scope: str, name: str, attributes: dict[str, str], agent: str) -> None:
    reading = read(name, {"openinference.span.kind": "AGENT", **attributes}, scope=f"{PYTHON}{scope}")
    assert (reading.kind, reading.name, reading.names_agent) == (Kind.AGENT, agent, bool(agent))


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("weather.__call__", {}),  # DSPy
        ("weather.acall", {}),
        ("weather.run", {}),  # CrewAI
        ("pipecat.tool.weather", {}),
        ("ai.tool weather", {}),  # TanStack
        ("SimpleTool", {"tool.name": "weather"}),  # smolagents
        ("action_group", {"tool.name": "weather"}),  # Bedrock
        ("planner.weather", {"tool.name": "weather"}),  # AutoGen
    ],
)
def test_the_name_of_a_tool(read, name: str, attributes: dict[str, str]) -> None:
    assert read(name, {"openinference.span.kind": "TOOL", **attributes}).name == "weather"


def test_the_arguments_of_a_call_come_before_what_else_a_span_was_given(read) -> None:
    """AG2's input is the whole call, whose id changes."""

    def arguments(call_id: str) -> bytes | None:
        given = json.dumps({"id": call_id, "name": "weather", "arguments": '{"city": "Oslo"}'})
        attributes = {"tool_call.function.arguments": '{"city": "Oslo"}', "input.value": given, "tool_call.id": call_id}
        return read("weather", {"openinference.span.kind": "TOOL", "tool.name": "weather", **attributes}).arguments

    assert arguments("1") == arguments("2") is not None


def test_an_agent_of_ag2_whose_tools_another_one_runs() -> None:
    """The assistant asks, the user's proxy calls: a failure is answered by the proxy's next call."""

    def reply(agent: str, at: float, *spans: Raw) -> Raw:
        return oi("AGENT", f"{agent}.generate_reply", at, at + 1, *spans, agent__name=agent)

    def call(at: float, error: str = "") -> Raw:
        return oi(
            "TOOL", "weather", at, at + 0.5, error=error, tool__name="weather", tool_call__function__arguments="{}"
        )

    turns = [
        reply("assistant", 1, oi("LLM", "ChatCompletion", 1.1, 1.9)),
        reply("user", 2, call(2.1, "TimeoutError")),
        reply("assistant", 3, oi("LLM", "ChatCompletion", 3.1, 3.9)),
        reply("user", 4, call(4.1)),
        reply("assistant", 5, oi("LLM", "ChatCompletion", 5.1, 5.9)),
    ]
    found = run(oi("AGENT", "user.initiate_chat", 0, 9, *turns, agent__name="user"))
    assert found.agent == "user"
    assert [step.response for step in found.steps if step.failed] == ["retried"]


def test_a_react_program_of_dspy_is_an_agent_that_ends_with_finish() -> None:
    def asked(at: float) -> Raw:
        adapter = oi("CHAIN", "ChatAdapter.__call__", at, at + 0.8, oi("LLM", "LM.__call__", at + 0.1, at + 0.7))
        return oi("CHAIN", "Predict(StringSignature).forward", at, at + 0.8, adapter)

    tool = oi("TOOL", "weather.__call__", 2, 3, input__value='{"city": "Oslo"}', error="TimeoutError")
    loop = asked(1), tool, asked(3), oi("TOOL", "finish.__call__", 4, 4.1), asked(5)
    program = oi("CHAIN", "Trip.forward", 0, 9, oi("CHAIN", "ReAct.forward", 0.5, 8, *loop))
    found = run(raw("GET /trip", 0, 9, {}, program, scope=f"{PYTHON}dspy"))
    assert found.agent == "ReAct"
    assert [(kind, name) for kind, name, _ in steps(found)] == [
        ("model", ""),
        ("tool", "weather"),
        ("model", ""),
        ("model", ""),
    ]
    assert [step.response for step in found.steps if step.failed] == ["concluded"]


def test_a_patched_client_of_instructor_is_one_model_call_and_no_tool() -> None:
    inner = oi("LLM", "ChatCompletion", 1, 2), oi("LLM", "ChatCompletion", 3, 4)
    assert runs(raw("job", 0, 9, {}, oi("TOOL", "instructor.patch", 0, 5, *inner), scope=f"{PYTHON}instructor")) == []


def test_beeai_retries_a_tool_and_says_so_in_spans_that_are_none() -> None:
    def event(kind: str, name: str, at: float, error: str = "") -> Raw:
        return oi(kind, name, at, at, error=error, metadata__path=name)

    scope = f"{PYTHON}beeai"
    tool = oi(
        "TOOL", "weather", 2, 5, event("TOOL", "error", 3, "ToolError"), event("TOOL", "retry", 3.5),
        tool__name="weather", metadata__class_name="WeatherTool", output__value="sunny",
    )  # fmt: skip
    model = oi("LLM", "OpenAIChatModel", 1, 2, metadata__class_name="OpenAIChatModel", llm__model_name="gpt")
    final = oi("TOOL", "final_answer", 6, 7, tool__name="final_answer", metadata__class_name="FinalAnswerTool")
    spans = event("AGENT", "start", 0), model, tool, final, event("AGENT", "success", 8)
    agent = oi("AGENT", "planner", 0, 9, *spans, agent__name="planner", metadata__class_name="RequirementAgent")
    found = run(raw("main", 0, 9, {}, agent, scope=scope))
    assert steps(found) == [("model", "gpt", "ok"), ("tool", "weather", "ok")]


def test_langchain4js_tools_are_told_after_they_ran() -> None:
    tool = oi(
        "TOOL",
        "AiService.tool",
        3,
        3,
        tool__name="weather",
        tool_call__id="c1",
        input__value="{}",
        output__value="sunny",
    )
    found = run(oi("AGENT", "AiService.chat", 0, 9, oi("LLM", "LLM", 1, 2), tool, oi("LLM", "LLM", 4, 5)))
    assert [(step.name, step.call_id) for step in found.steps if step.kind is Kind.TOOL] == [("weather", "c1")]
