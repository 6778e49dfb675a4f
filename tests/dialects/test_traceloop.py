"""Spans as OpenLLMetry writes them: the instrumentations in traceloop/openllmetry, and its SDK's decorators."""

from __future__ import annotations

import json

import pytest
from raw import Raw, raised, raw, run, runs
from support import failed, names, responses

from otelscore.model import ERROR, OK, AttributeValue, ErrorClass, Kind, Role

SCOPE = "opentelemetry.instrumentation."
ARGUMENTS = {"city": "Paris"}
GIVEN = json.dumps(ARGUMENTS)


def kind(value: str, **more: AttributeValue) -> dict[str, AttributeValue]:
    return {"traceloop.span.kind": value, **more}


def entity(value: str, name: str, given: object = None, output: object = None) -> dict[str, AttributeValue]:
    found = kind(value, **{"traceloop.entity.name": name})
    found |= {} if given is None else {"traceloop.entity.input": json.dumps(given)}
    return found | ({} if output is None else {"traceloop.entity.output": json.dumps(output)})


def callback(step: int, call_id: str = "call_1") -> dict[str, object]:
    """What LangChain's callback is given: other metadata in every call."""
    return {
        "input_str": str(ARGUMENTS),
        "tags": [],
        "metadata": {"langgraph_step": step, "checkpoint_ns": f"tools:{step}"},
        "inputs": ARGUMENTS,
        "kwargs": {"color": "green", "tool_call_id": call_id},
    }


def tool_message(content: str, status: str = "success") -> dict[str, object]:
    """What LangChain's callback returns."""
    message = {"content": content, "type": "tool", "name": "weather", "tool_call_id": "call_1", "status": status}
    return {
        "output": {"lc": 1, "type": "constructor", "id": ["ToolMessage"], "kwargs": message},
        "kwargs": {"tags": []},
    }


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("workflow", Kind.LOOP),
        ("task", Kind.WRAPPER),
        ("agent", Kind.AGENT),
        ("tool", Kind.TOOL),
        ("handoff", Kind.TOOL),
        ("session", Kind.WRAPPER),
        ("server", Kind.WRAPPER),
        ("unknown", Kind.WRAPPER),
    ],
)
def test_its_own_kind_comes_before_the_operation_that_stands_beside_it(read, value: str, found: Kind) -> None:
    for operation in ({}, {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "x"}):
        reading = read("x", kind(value, **operation))
        assert (reading.kind, reading.dialect) == (found, "traceloop")


@pytest.mark.parametrize(
    ("request_type", "found"),
    [
        ("chat", Kind.MODEL),
        ("completion", Kind.MODEL),
        ("response", Kind.MODEL),
        ("embedding", Kind.RETRIEVAL),
        ("rerank", Kind.RETRIEVAL),
        ("unknown", Kind.OTHER),
    ],
)
def test_client_libraries_tell_the_type_of_a_request(read, request_type: str, found: Kind) -> None:
    assert read("openai.chat", {"llm.request.type": request_type}).kind is found


@pytest.mark.parametrize(
    ("operation", "found"),
    [
        ("chat", Kind.MODEL),
        ("text_completion", Kind.MODEL),
        ("embeddings", Kind.RETRIEVAL),
        ("rerank", Kind.RETRIEVAL),
        ("vector_db_retrieve", Kind.RETRIEVAL),
        ("execute_task", Kind.WRAPPER),
        ("invoke_agent", Kind.WRAPPER),
    ],
)
def test_a_task_may_be_a_call_of_a_client(read, operation: str, found: Kind) -> None:
    assert read("x.task", kind("task", **{"gen_ai.operation.name": operation})).kind is found
    assert read("x.agent", kind("agent", **{"gen_ai.operation.name": operation})).kind is Kind.AGENT


@pytest.mark.parametrize(
    ("name", "attributes", "found"),
    [
        ("FunctionAgent.workflow", {}, Kind.AGENT),
        ("AgentWorkflow.workflow", {}, Kind.AGENT),
        ("RetrieverQueryEngine.workflow", {}, Kind.LOOP),
        ("BaseWorkflowAgent.task", {}, Kind.WRAPPER),
        ("BaseWorkflowAgent.task", {"tool.name": "weather", "tool.arguments": GIVEN}, Kind.TOOL),
        ("call_tool.task", {"tool.name": "weather", "tool.arguments": GIVEN}, Kind.TOOL),
        ("AgentRunner.task", {"tool.name": "weather", "tool.description": "d"}, Kind.WRAPPER),  # the tool is below it
        ("FunctionTool.task", {}, Kind.TOOL),
        ("VectorIndexRetriever.task", {}, Kind.RETRIEVAL),
        ("OpenAIEmbedding.task", {}, Kind.RETRIEVAL),
        ("MockLLM.task", {"gen_ai.request.model": "gpt"}, Kind.MODEL),
        ("MockLLM.task", {}, Kind.WRAPPER),  # prepares the call
    ],
)
def test_llama_index_has_tasks_and_workflows_only(read, name: str, attributes: dict[str, str], found: Kind) -> None:
    marked = kind(name.rpartition(".")[2], **attributes)
    assert read(name, marked, scope=f"{SCOPE}llamaindex").kind is found


def test_names_of_classes_mean_nothing_elsewhere(read) -> None:
    assert read("MyTool.task", kind("task"), scope=f"{SCOPE}langchain").kind is Kind.WRAPPER


@pytest.mark.parametrize(
    ("name", "scope", "found"),
    [
        ("crewai.workflow", "crewai", Kind.WRAPPER),
        ("gpt-4.llm", "crewai", Kind.MODEL),
        ("gpt-4.llm", "other", Kind.OTHER),
        ("chroma.query", "chromadb", Kind.RETRIEVAL),
        ("chroma.add", "chromadb", Kind.OTHER),
        ("pinecone.query", "pinecone", Kind.RETRIEVAL),
        ("qdrant.search_batch", "qdrant", Kind.RETRIEVAL),
        ("qdrant.upsert", "qdrant", Kind.OTHER),
        ("milvus.hybrid_search", "milvus", Kind.RETRIEVAL),
        ("lancedb.search", "lancedb", Kind.RETRIEVAL),
        ("marqo.search", "marqo", Kind.RETRIEVAL),
        ("db.weaviate.collections.query.get", "weaviate", Kind.RETRIEVAL),
        ("db.weaviate.collections.delete", "weaviate", Kind.OTHER),
        ("chroma.query", "mine", Kind.OTHER),
    ],
)
def test_spans_without_a_kind_are_known_by_scope_and_name(read, name: str, scope: str, found: Kind) -> None:
    assert read(name, scope=f"{SCOPE}{scope}").kind is found


def test_the_crew_is_no_agent_whatever_its_operation(read) -> None:
    crew = {"gen_ai.provider.name": "crewai", "gen_ai.operation.name": "invoke_agent"}
    assert read("crewai.workflow", crew, scope=f"{SCOPE}crewai").kind is Kind.WRAPPER


def test_an_agent_executor_is_an_agent(read) -> None:
    reading = read("AgentExecutor.workflow", kind("workflow"))
    assert (reading.kind, reading.name) == (Kind.AGENT, "AgentExecutor")


def test_a_tool_that_is_only_defined_is_no_call(read) -> None:
    """Before 2025-08 OpenAI Agents had a span for every tool that an agent could use."""
    defined = kind("tool", **{"gen_ai.completion.tool.name": "weather", "gen_ai.completion.tool.type": "FunctionTool"})
    assert read("weather.tool", defined).kind is Kind.WRAPPER
    called = {**defined, "gen_ai.tool.name": "weather"}
    assert read("weather.tool", called).kind is Kind.TOOL


@pytest.mark.parametrize(
    ("name", "scope", "attributes", "tool"),
    [
        ("execute_tool weather", "langchain", {**entity("tool", "weather"), "gen_ai.tool.name": "weather"}, "weather"),
        ("weather.tool", "langchain", entity("tool", "weather"), "weather"),
        ("weather.tool", "openai_agents", kind("tool", **{"gen_ai.tool.name": "weather"}), "weather"),
        ("weather.tool", "mcp", entity("tool", "weather"), "weather"),
        ("weather.tool", "agno", kind("tool"), "weather"),
        ("call_tool.task", "llamaindex", entity("task", "call_tool.task") | {"tool.name": "weather"}, "weather"),
        (
            "FunctionTool.task",
            "llamaindex",
            entity("task", "FunctionTool.task", output={"tool_name": "weather", "raw_output": "18C"}),
            "weather",
        ),
        ("FunctionTool.task", "llamaindex", entity("task", "FunctionTool.task"), "FunctionTool"),
    ],
)
def test_the_name_of_a_tool(read, name: str, scope: str, attributes: dict[str, AttributeValue], tool: str) -> None:
    reading = read(name, attributes, scope=SCOPE + scope)
    assert (reading.kind, reading.name) == (Kind.TOOL, tool)


@pytest.mark.parametrize(
    ("scope", "attributes"),
    [
        ("langchain", entity("tool", "weather", callback(3))),
        ("langchain", entity("tool", "weather", callback(5)) | {"gen_ai.tool.call.arguments": json.dumps(callback(7))}),
        ("mcp", entity("tool", "weather", {"tool_name": "weather", "arguments": ARGUMENTS})),
        ("agno", entity("tool", "weather", ARGUMENTS)),
        ("openai_agents", kind("tool", **{"gen_ai.tool.call.arguments": GIVEN})),
        ("llamaindex", kind("task", **{"tool.name": "weather", "tool.arguments": GIVEN})),
        ("", entity("tool", "weather", {"args": [], "kwargs": ARGUMENTS})),  # the SDK's decorators
    ],
)
def test_arguments_are_what_the_model_asked_for(read, scope: str, attributes: dict[str, AttributeValue]) -> None:
    asked = read("execute_tool weather", {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.call.arguments": GIVEN})
    assert read("weather.tool", attributes, scope=SCOPE + scope).arguments == asked.arguments is not None


def test_a_callback_without_inputs_has_them_as_text(read) -> None:
    one, other, more = (
        read("x.tool", entity("tool", "x", {**callback(step), "inputs": None, "input_str": text})).arguments
        for step, text in ((1, "Paris"), (2, "Paris"), (3, "Rome"))
    )
    assert one == other != more


def test_a_retriever_is_asked_the_query(read) -> None:
    attributes = {"gen_ai.operation.name": "vector_db_retrieve"}
    asked = [
        read("vector_db_retrieve Docs", {**attributes, **entity("task", "Docs", {"query": query, **rest})})
        for query, rest in (
            ("a", {"metadata": {"step": 1}, "kwargs": {}}),
            ("a", {"metadata": {"step": 2}, "kwargs": {}}),
        )
    ]
    assert asked[0].arguments == asked[1].arguments is not None
    assert (asked[0].kind, asked[0].name) == (Kind.RETRIEVAL, "Docs")


@pytest.mark.parametrize(
    ("scope", "attributes", "flagged", "rule"),
    [
        ("langchain", entity("tool", "x", output=tool_message("18C")), False, ""),
        ("langchain", entity("tool", "x", output=tool_message("no", "error")), True, "tool_message_status"),
        ("langchain", entity("tool", "x", output=tool_message("Error: HTTP 503")), False, "error_prefix"),
        ("langchain", entity("tool", "x", output=tool_message('{"error": "x", "status": 429}')), False, "error"),
        ("mcp", entity("tool", "x", output={"result": "no such city", "is_error": True}), True, "is_error"),
        ("mcp", entity("tool", "x", output={"result": "Error: x"}), False, "error_prefix"),
        ("openai_agents", kind("tool", **{"gen_ai.tool.call.result": "Error: x"}), False, "error_prefix"),
        (
            "llamaindex",
            kind("task", **{"tool.name": "x"})
            | entity("task", "x.task", output={"tool_id": "1", "tool_output": {"raw_output": "no", "is_error": True}}),
            True,
            "is_error",
        ),
        ("agno", entity("tool", "x", output="18C"), False, ""),
    ],
)
def test_the_result_says_that_a_call_failed(
    read, scope: str, attributes: dict[str, AttributeValue], flagged: bool, rule: str
) -> None:
    reading = read("x.tool", attributes, scope=SCOPE + scope)
    assert (reading.flagged, reading.soft_error, reading.has_result) == (flagged, rule, True)


@pytest.mark.parametrize("status", ["failure", "success"])
def test_the_status_of_a_task_is_a_flag(read, status: str) -> None:
    assert read("x.tool", kind("tool", **{"gen_ai.task.status": status})).flagged is (status == "failure")


@pytest.mark.parametrize(
    ("attributes", "call_id"),
    [
        (entity("tool", "x", callback(1, "call_7")), "call_7"),
        (entity("tool", "x", output=tool_message("18C")), "call_1"),
        (entity("tool", "x", output={"output": "18C", "kwargs": {}}), ""),
        (kind("tool", **{"gen_ai.tool.call.id": "call_9"}), "call_9"),
    ],
)
def test_the_call_id_is_inside_of_what_callbacks_are_given(
    read, attributes: dict[str, AttributeValue], call_id: str
) -> None:
    assert read("x.tool", attributes, scope=f"{SCOPE}langchain").call_id == call_id
    if "gen_ai.tool.call.id" not in attributes:
        assert read("x.tool", attributes, scope="mine").call_id == ""


def test_an_id_in_a_text_is_not_the_calls(read) -> None:
    said = json.dumps({"tool_call_id": "call_5"})
    attributes = entity("tool", "x", output={"output": said, "kwargs": {}})
    assert read("x.tool", attributes, scope=f"{SCOPE}langchain").call_id == ""


@pytest.mark.parametrize(
    ("name", "attributes", "agent"),
    [
        ("travel_agent.agent", kind("agent", **{"gen_ai.agent.name": "travel_agent"}), "travel_agent"),
        ("Senior Researcher.agent", kind("agent"), "Senior Researcher"),
        ("FunctionAgent.workflow", kind("workflow"), ""),
        ("LangGraph.workflow", kind("workflow"), ""),  # a workflow names no agent
        ("x.workflow", kind("workflow", **{"traceloop.association.properties.lc_agent_name": "planner"}), "planner"),
    ],
)
def test_the_name_of_an_agent(read, name: str, attributes: dict[str, AttributeValue], agent: str) -> None:
    reading = read(name, attributes)
    assert reading.name == (agent or {"FunctionAgent.workflow": "FunctionAgent"}.get(name, ""))


@pytest.mark.parametrize(
    "key",
    [
        "gen_ai.conversation.id",
        "traceloop.association.properties.session_id",
        "traceloop.association.properties.conversation_id",
        "traceloop.association.properties.thread_id",
        "traceloop.association.properties.chat_id",
        "session.id",
    ],
)
def test_sessions_are_what_users_call_them(read, key: str) -> None:
    assert read("x.agent", kind("agent", **{key: "s1"})).session == "s1"


@pytest.mark.parametrize("part", ["gen_ai.completion.0", "llm.completions.0"])
def test_answers_of_the_earlier_versions_are_read(read, part: str) -> None:
    model = {"llm.request.type": "chat", "llm.request.model": "gpt", f"{part}.role": "assistant"}
    reading = read("openai.chat", {**model, f"{part}.content": "I could not do it."})
    assert (reading.name, reading.acknowledges) == ("gpt", True)
    asked = {f"{part}.tool_calls.0.id": "call_1", f"{part}.tool_calls.0.name": "weather"}
    (call,) = read("openai.chat", {**model, **asked}).requested
    assert (call.call_id, call.name) == ("call_1", "weather")


def test_a_model_with_functions_was_offered_tools(read) -> None:
    model = {"llm.request.type": "chat"}
    assert read("openai.chat", {**model, "llm.request.functions.0.name": "weather"}).offered
    assert not read("openai.chat", model).offered


def test_what_an_agents_graph_returned_is_its_answer(read) -> None:
    said = {"lc": 1, "kwargs": {"type": "ai", "content": "I could not do it."}}
    attributes = entity("agent", "x", output={"outputs": {"messages": [said]}, "kwargs": {}})
    assert read("x.agent", attributes).acknowledges is True


# ------------------------------------------------------------------------------------------------------------ trees


def asks(start: float, name: str) -> Raw:
    """A model call of a LangChain of 2025."""
    attributes = {"llm.request.type": "chat", "gen_ai.system": "Langchain", "gen_ai.request.model": "gpt"}
    asked = {"gen_ai.completion.0.tool_calls.0.name": name} if name else {"gen_ai.completion.0.content": "Done."}
    return raw("ChatOpenAI.chat", start, start + 1, {**attributes, **asked})


def test_the_graph_of_2025_is_an_agent_since_tools_work_in_it() -> None:
    found = run(
        raw(
            "LangGraph.workflow",
            0,
            9,
            entity("workflow", "LangGraph"),
            raw("agent.task", 0, 2, entity("task", "agent"), asks(1, "weather")),
            raw(
                "weather.tool",
                3,
                4,
                entity("tool", "weather", callback(2)),
                status=ERROR,
                events=raised("TimeoutError", "timed out"),
            ),
            asks(5, "weather"),
            raw("weather.tool", 6, 7, entity("tool", "weather", callback(4), tool_message("18C"))),
            asks(8, ""),
            scope=f"{SCOPE}langchain",
        )
    )
    assert names(found) == ["gpt", "weather", "gpt", "weather", "gpt"]
    assert (failed(found), responses(found)) == (["weather"], ["retried"])
    assert not found.hard_failure


def test_a_chain_without_tools_is_no_agent() -> None:
    assert runs(raw("LLMChain.workflow", 0, 9, entity("workflow", "LLMChain"), asks(1, ""))) == []


def agent(name: str, start: float, end: float, *children: Raw, status: int = OK) -> Raw:
    attributes = kind("agent", **{"gen_ai.agent.name": name, "gen_ai.operation.name": "invoke_agent"})
    return raw(f"{name}.agent", start, end, attributes, *children, status=status)


def call(name: str, start: float, end: float, status: int = OK, message: str = "") -> Raw:
    attributes = kind("tool", **{"gen_ai.tool.name": name, "gen_ai.tool.call.arguments": GIVEN})
    return raw(f"{name}.tool", start, end, attributes, status=status, message=message)


def response(start: float) -> Raw:
    return raw(
        "openai.response", start, start + 0.5, {"gen_ai.operation.name": "response", "llm.request.type": "response"}
    )


def sdk(*children: Raw) -> Raw:
    """The root of every run of OpenAI's Agents SDK: all its agents lie directly below it."""
    return raw("Agent Workflow", 0, 20, kind("workflow"), *children, status=OK, scope=f"{SCOPE}openai_agents")


def test_an_agent_as_a_tool_lies_beside_the_agent_whose_tool_it_is() -> None:
    found = run(
        sdk(
            agent("planner", 0, 20, response(1), call("ask_researcher", 2, 10), response(11)),
            agent("researcher", 2.1, 9.9, response(3), call("search", 4, 5, ERROR), response(6), call("search", 7, 8)),
        )
    )
    assert names(found) == ["", "", "search", "", "search", ""]
    assert [step.agent for step in found.steps if step.kind is Kind.TOOL] == ["researcher", "researcher"]
    assert (found.agent, failed(found), responses(found)) == ("planner", ["search"], ["retried"])


def test_agents_that_only_run_at_the_same_time_are_nobodys_tools() -> None:
    found = run(
        sdk(
            agent("one", 0, 20, response(1), call("search", 2, 12), response(13)),
            agent("two", 3, 8, response(4), call("book", 5, 6), response(7)),
        )
    )
    assert sorted(names(found)) == ["", "", "", "", "book", "search"]


def test_a_handoff_answers_a_failure() -> None:
    handoff = kind("handoff", **{"gen_ai.operation.name": "handoff", "gen_ai.handoff.to_agent": "booker"})
    found = run(
        sdk(
            agent(
                "triage",
                0,
                6,
                response(1),
                call("search", 2, 3, ERROR, "Error running tool (non-fatal): timed out"),
                response(4),
                raw("triage → booker.handoff", 5, 5.1, handoff, status=OK),
            ),
            agent("booker", 6, 12, response(7), call("book", 8, 9), response(10)),
        )
    )
    assert (failed(found), responses(found)) == (["search"], ["rerouted"])
    assert "handoff to booker" not in names(found)
    assert [step.error_class for step in found.steps if step.failed] == [ErrorClass.TIMEOUT]


def test_a_handoff_is_read_as_one(read) -> None:
    reading = read("a → b.handoff", kind("handoff", **{"gen_ai.handoff.to_agent": "b"}))
    assert (reading.name, reading.role) == ("handoff to b", Role.HANDOFF)


@pytest.mark.parametrize(
    ("output", "rule"),
    [
        ("status='failure' result=None error='flight API timed out' images=None", "error"),
        ("status='failure' result=None error=\"it's down\"", "error"),
        ("status='success' result='{\"error\": \"HTTP 429\"}' error=None updated_session_state=None", "error"),
        ("status='success' result='[{\"id\": 1}]' error=None images=None videos=None", ""),
        ("status='success' result='a known error= b' error=None", ""),
    ],
)
def test_the_result_of_agno_is_written_as_python_prints_it(read, output: str, rule: str) -> None:
    attributes = kind("tool", **{"gen_ai.tool.name": "search", "traceloop.entity.output": output})
    assert read("search.tool", attributes, scope=f"{SCOPE}agno").soft_error == rule
