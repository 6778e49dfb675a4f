"""Semantic Kernel, Microsoft.Extensions.AI and Agent Framework, as their sources write spans."""

from __future__ import annotations

import pytest
from raw import Raw, raised, raw, run, runs, steps

from otelscore.model import ERROR, Kind, Outcome

KERNEL_CS, KERNEL_PY = "Microsoft.SemanticKernel", "semantic_kernel.functions.kernel_function"
EXTENSIONS = "Experimental.Microsoft.Extensions.AI"


def chat(start: float, scope: str | None = None, **more: object) -> Raw:
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt"}
    return raw("chat gpt", start, start + 0.5, attributes, scope=scope)


def tool(start: float, name: str = "weather", scope: str | None = None, error: str = "") -> Raw:
    attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name, "gen_ai.tool.call.id": f"c{start}"}
    attributes |= {"error.type": error} if error else {}
    return raw(f"execute_tool {name}", start, start + 0.5, attributes, scope=scope, status=ERROR if error else 0)


@pytest.mark.parametrize("scope", [KERNEL_CS, KERNEL_PY])
def test_until_2025_a_function_is_known_by_its_scope_alone(read, scope: str) -> None:
    reading = read("Weather-forecast", scope=scope, status=ERROR, events=raised("TimeoutError"))
    assert (reading.kind, reading.name, reading.failure.error_type) == (Kind.TOOL, "Weather-forecast", "TimeoutError")


@pytest.mark.parametrize(
    ("scope", "name"),
    [
        (KERNEL_CS, "InvokePromptAsync_0123456789abcdef0123456789abcdef"),
        (KERNEL_CS, "execute_tool InvokePromptStreamingAsync_0123456789abcdef0123456789abcdef"),
        (KERNEL_CS, "Function_0123456789abcdef0123456789abcdef"),
        (KERNEL_PY, "execute_tool aBcDeFgHiJkLmNoP"),
    ],
)
def test_a_prompt_that_the_application_ran_as_a_function_is_no_tool(read, scope: str, name: str) -> None:
    attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name.removeprefix("execute_tool ")}
    assert read(name, attributes, scope=scope).kind is Kind.WRAPPER
    assert read("execute_tool Weather-forecast", attributes, scope=scope).kind is Kind.TOOL


@pytest.mark.parametrize(
    "operation",
    ["chat.completions", "text.completions", "text_completions", "chat.streaming_completions", "completion"],
)
def test_older_names_of_model_operations(read, operation: str) -> None:
    assert read(f"{operation} gpt", {"gen_ai.operation.name": operation}).kind is Kind.MODEL


def test_the_loop_of_a_kernel_is_a_run_where_it_calls_tools() -> None:
    scope = "semantic_kernel.connectors.ai.chat_completion_client_base"
    found = run(raw("AutoFunctionInvocationLoop", 0, 9, {}, chat(1), tool(2), chat(3), scope=scope))
    assert (len(found.steps), found.outcome) == (3, Outcome.COMPLETED)
    assert runs(raw("AutoFunctionInvocationLoop", 0, 9, {}, chat(1), scope=scope)) == []


@pytest.mark.parametrize("name", ["orchestrate_tools", "FunctionInvokingChatClient"])
def test_the_loop_of_a_chat_client_is_a_run(name: str) -> None:
    first, second = (
        raw(name, at, at + 5, {}, chat(at + 1), tool(at + 2), chat(at + 3), scope=EXTENSIONS) for at in (0, 6)
    )
    assert len(runs(raw("POST /ask", 0, 12, {}, first, second, scope="web"))) == 2


def test_the_loop_inside_an_agent_is_that_agents() -> None:
    loop = raw("AutoFunctionInvocationLoop", 1, 8, {}, chat(2), tool(3), chat(4), scope="semantic_kernel.connectors.ai")
    attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "planner"}
    found = run(raw("invoke_agent planner", 0, 9, attributes, loop))
    assert {step.agent for step in found.steps} == {"planner"}


@pytest.mark.parametrize("scope", ["agent_framework", "Microsoft.Agents.AI.Workflows"])
def test_the_agents_of_a_workflow_are_one_run(scope: str) -> None:
    def executor(at: float, name: str) -> Raw:
        attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": name}
        agent = raw(f"invoke_agent {name}", at, at + 4, attributes, chat(at + 1), tool(at + 2))
        return raw(f"executor.process {name}", at, at + 4, {"executor.id": name}, agent)

    send = raw("message.send", 4, 4.1, {"message.type": "standard"})
    found = run(raw("workflow.run", 0, 10, {"workflow.id": "w"}, executor(0, "a"), send, executor(5, "b"), scope=scope))
    assert [step.agent for step in found.steps] == ["a", "a", "b", "b"]
    assert runs(raw("workflow.build", 0, 1, {"workflow.id": "w"}, scope=scope)) == []


@pytest.mark.parametrize(
    ("name", "attributes", "agent"),
    [
        ("invoke_agent planner", {}, "planner"),
        ("invoke_agent planner(0b5c7c5a9fd94f0d8d6e5a1f1e2d3c4b)", {}, "planner"),
        ("invoke_agent 0b5c7c5a9fd94f0d8d6e5a1f1e2d3c4b", {}, ""),
        ("invoke_agent 0b5c7c5a-9fd9-4f0d-8d6e-5a1f1e2d3c4b", {}, ""),
        ("invoke_agent planner(1)", {"gen_ai.agent.name": "planner"}, "planner"),
    ],
)
def test_an_agents_id_is_not_its_name(read, name: str, attributes: dict[str, str], agent: str) -> None:
    assert read(name, {"gen_ai.operation.name": "invoke_agent", **attributes}).name == agent


def test_a_request_that_took_too_long_is_no_cancellation() -> None:
    """.NET cancels the task of it, so both are the same exception."""
    error = "System.Threading.Tasks.TaskCanceledException"
    attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "weather", "error.type": error}

    def status(message: str) -> str:
        call = raw("execute_tool weather", 2, 3, attributes, status=ERROR, message=message, scope=EXTENSIONS)
        return steps(run(raw("orchestrate_tools", 0, 9, {}, chat(1), call, chat(4), scope=EXTENSIONS)))[1][2]

    assert (
        status("The request was canceled due to the configured HttpClient.Timeout of 10 seconds elapsing.") == "error"
    )
    assert status("A task was canceled.") == "skipped"
