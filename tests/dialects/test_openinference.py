from __future__ import annotations

import json

import pytest

from otelscore.model import AttributeValue, Kind

LANGCHAIN = "openinference.instrumentation.langchain"
LANGCHAIN_JS = "@arizeai/openinference-instrumentation-langchain"


def kind_of(kind: str, **more: AttributeValue) -> dict[str, AttributeValue]:
    return {"openinference.span.kind": kind, **{name.replace("__", "."): value for name, value in more.items()}}


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ("LLM", Kind.MODEL),
        ("TOOL", Kind.TOOL),
        ("RETRIEVER", Kind.RETRIEVAL),
        ("EMBEDDING", Kind.RETRIEVAL),
        ("RERANKER", Kind.RETRIEVAL),
        ("AGENT", Kind.AGENT),
        ("CHAIN", Kind.WRAPPER),
        ("PROMPT", Kind.WRAPPER),
        ("GUARDRAIL", Kind.WRAPPER),
        ("EVALUATOR", Kind.WRAPPER),
        ("UNKNOWN", Kind.WRAPPER),
        ("NEW_KIND", Kind.WRAPPER),
    ],
)
def test_the_kind_is_read_in_any_case(read, given: str, kind: Kind) -> None:
    for written in (given, given.lower(), given.title()):
        reading = read("span", kind_of(written))
        assert (reading.kind, reading.dialect) == (kind, "openinference")


@pytest.mark.parametrize("given", [None, 7, ["LLM"]])
def test_a_kind_that_is_no_text_is_none(read, given: AttributeValue) -> None:
    assert read("span", {"openinference.span.kind": given}).kind == Kind.OTHER


def test_its_own_kind_comes_before_the_shared_conventions(read) -> None:
    reading = read("x", kind_of("CHAIN", gen_ai__operation__name="invoke_agent"))
    assert (reading.kind, reading.dialect) == (Kind.WRAPPER, "openinference")


def test_a_tool_call(read) -> None:
    said = '{"city": "Paris"}'
    reading = read(
        "weather.run", kind_of("TOOL", tool__name="weather", input__value=said, output__value="Error: no city")
    )
    assert (reading.name, reading.has_result, reading.soft_error) == ("weather", True, "error_prefix")
    schema = '{"properties": {"city": {"type": "string"}}}'
    assert read("x", kind_of("TOOL", input__value=said, tool__parameters=schema)).arguments == reading.arguments
    assert read("x", kind_of("TOOL", tool__parameters=said)).arguments == reading.arguments
    assert read("weather", kind_of("TOOL")).name == "weather"
    assert read("x", kind_of("TOOL", input__value="__REDACTED__", output__value="__REDACTED__")).arguments is None


@pytest.mark.parametrize(
    "attributes",
    [
        {"tool.id": "call_1"},
        {"tool_call.id": "call_1"},
        {"output.value": json.dumps({"type": "tool", "data": {"content": "x", "tool_call_id": "call_1"}})},
        {"output.value": json.dumps({"content": "x", "tool_call_id": "call_1", "status": "success"})},
    ],
)
def test_a_call_id_is_an_attribute_or_inside_the_tool_message(read, attributes: dict[str, AttributeValue]) -> None:
    assert read("x", {**kind_of("TOOL"), **attributes}).call_id == "call_1"


@pytest.mark.parametrize(
    "output", ["sunny", "{}", '["tool_call_id"]', '{"data": "tool_call_id"', '{"tool_call_id": 7}', 7]
)
def test_other_results_hold_no_call_id(read, output: AttributeValue) -> None:
    assert read("x", kind_of("TOOL", output__value=output)).call_id == ""


def test_a_failed_tool_message_is_a_flag_under_an_ok_status(read) -> None:
    message = {"type": "tool", "data": {"content": "TimeoutError: slow", "tool_call_id": "1", "status": "error"}}
    reading = read("x", kind_of("TOOL", output__value=json.dumps(message)), status=1)
    assert reading.flagged
    assert reading.failure.error_type == "TimeoutError"


MESSAGES = {
    "llm.output_messages.0.message.tool_calls.0.tool_call.id": "call_of_an_earlier_one",
    "llm.output_messages.0.message.role": "assistant",
    "llm.output_messages.0.message.content": "an earlier one",
    "llm.output_messages.1.message.role": "assistant",
    "llm.output_messages.1.message.content": "I could not do it.",
    **{
        f"llm.output_messages.1.message.tool_calls.{number}.tool_call.{name}": value
        for number in range(11)
        for name, value in (("id", f"call_{number}"), ("function.name", "weather"), ("function.arguments", "{}"))
    },
}


def test_flattened_messages_are_put_together_again(read) -> None:
    reading = read("ChatOpenAI", {**kind_of("LLM"), **MESSAGES})
    assert reading.acknowledges is True
    assert [call.call_id for call in reading.requested] == [f"call_{number}" for number in range(11)]
    assert {call.name for call in reading.requested} == {"weather"}


def test_the_order_of_the_attributes_does_not_matter(read) -> None:
    backwards = dict(reversed(MESSAGES.items()))
    assert read("x", {**kind_of("LLM"), **backwards}) == read("x", {**kind_of("LLM"), **MESSAGES})


def test_a_message_of_several_contents(read) -> None:
    prefix = "llm.output_messages.0.message.contents."
    contents = {f"{prefix}0.message_content.text": "I could not do it.", f"{prefix}1.message_content.text": "Bye."}
    assert read("x", {**kind_of("LLM"), **contents}).acknowledges is True


def test_without_flattened_messages_the_output_value_is_what_was_said(read) -> None:
    assert read("x", kind_of("LLM", output__value="I could not do it.")).acknowledges is True
    assert read("x", kind_of("AGENT", output__value="Done.")).acknowledges is False
    assert read("x", kind_of("AGENT")).acknowledges is None


@pytest.mark.parametrize(
    ("name", "attributes", "agent"),
    [
        ("planner", {}, "planner"),
        ("planner.run", {}, "planner"),  # smolagents
        ("planner._execute_core", {}, "planner"),  # CrewAI
        ("invoke_agent planner", {}, "planner"),
        ("ai.generateText planner", {}, "planner"),
        ("Team_3f2b1c5e-0000-4000-8000-0123456789ab", {}, "Team"),  # AutoGen
        ("run", {"agent.name": "planner"}, "planner"),
        ("invoke_agent planner", {"graph.node.name": "planner"}, "planner"),
        ("runner", {}, "runner"),
    ],
)
def test_an_agent_is_named_by_its_attribute_or_its_bare_span_name(
    read, name: str, attributes: dict[str, AttributeValue], agent: str
) -> None:
    reading = read(name, {**kind_of("AGENT"), **attributes})
    assert (reading.name, reading.agent, reading.names_agent) == (agent, agent, True)


def test_an_agent_that_is_marked_as_a_model_is_an_agent(read) -> None:
    assert read("invoke_agent planner", kind_of("LLM")).kind == Kind.AGENT


@pytest.mark.parametrize("scope", [LANGCHAIN, LANGCHAIN_JS])
@pytest.mark.parametrize(
    ("name", "given", "metadata", "kind"),
    [
        ("planner", "AGENT", {"lc_agent_name": "planner"}, Kind.AGENT),
        ("planner", "CHAIN", {"lc_agent_name": "planner"}, Kind.AGENT),  # a sub-agent's graph
        ("agent", "AGENT", {"lc_agent_name": "planner", "langgraph_node": "agent"}, Kind.WRAPPER),
        ("planner.before_agent", "AGENT", {"lc_agent_name": "planner"}, Kind.WRAPPER),
        ("agent", "AGENT", {"langgraph_node": "agent"}, Kind.WRAPPER),
        ("handle.before_agent", "AGENT", {"langgraph_node": "handle.before_agent"}, Kind.WRAPPER),
        ("research_agent", "AGENT", {"langgraph_node": "research_agent"}, Kind.AGENT),
        ("AgentExecutor", "AGENT", {}, Kind.AGENT),
        ("tools", "CHAIN", {}, Kind.WRAPPER),
    ],
)
def test_of_langgraphs_nodes_only_the_agents_graph_is_an_agent(
    read, scope: str, name: str, given: str, metadata: dict[str, str], kind: Kind
) -> None:
    assert read(name, kind_of(given, metadata=json.dumps(metadata)), scope=scope, parent=b"p" * 8).kind == kind


@pytest.mark.parametrize("parent", [b"", b"p" * 8])  # a web server's span, say
def test_a_graph_without_a_name_is_the_loop_around_its_models_and_tools(read, parent: bytes) -> None:
    assert read("LangGraph", kind_of("CHAIN"), scope=LANGCHAIN, parent=parent).kind == Kind.LOOP


def test_a_chain_at_the_root_is_the_loop_around_its_models_and_tools(read) -> None:
    assert read("my graph", kind_of("CHAIN"), scope=LANGCHAIN).kind == Kind.LOOP
    assert read("crew", kind_of("CHAIN"), scope="openinference.instrumentation.crewai").kind == Kind.WRAPPER


def test_a_step_of_langchain_belongs_to_the_agent_of_its_metadata(read) -> None:
    metadata = json.dumps({"lc_agent_name": "planner", "langgraph_node": "tools"})
    for given in ("TOOL", "LLM", "RETRIEVER"):
        assert read("weather", kind_of(given, metadata=metadata), scope=LANGCHAIN).agent == "planner"


def test_a_step_without_such_metadata_names_no_agent(read) -> None:
    for metadata in (None, "{}", "[1]", "no JSON"):
        assert read("weather", kind_of("TOOL", metadata=metadata)).agent == ""


def test_models_and_sessions(read) -> None:
    for key in ("llm.model_name", "llm.request.model_name", "llm.response.model_name"):
        reading = read("ChatOpenAI", {**kind_of("LLM"), key: "gpt", "session.id": "s1"})
        assert (reading.name, reading.session) == ("gpt", "s1")


def test_the_finish_reason_error_is_a_flag(read) -> None:
    assert read("x", kind_of("LLM", llm__finish_reason="error")).flagged
    assert not read("x", kind_of("LLM", llm__finish_reason="stop")).flagged


def test_every_message_of_an_answer_may_ask_for_a_call(read) -> None:
    """The Responses API has a message for every call."""
    asked = {
        f"llm.output_messages.{n}.message.tool_calls.0.tool_call.{field}": f"{value}{n}"
        for n in range(2)
        for field, value in (("id", "call_"), ("function.name", "tool_"))
    }
    calls = read("Response", {**kind_of("LLM"), **asked}).requested
    assert [(call.call_id, call.name) for call in calls] == [("call_0", "tool_0"), ("call_1", "tool_1")]


def test_autogen_tells_results_as_functions_of_one_message(read) -> None:
    def told(number: int, **result: object) -> dict[str, AttributeValue]:
        return {
            f"llm.input_messages.{number}.message.role": "function",
            f"llm.input_messages.{number}.function.0": json.dumps({"name": "search", **result}),
        }

    scope = "openinference.instrumentation.autogen_agentchat"
    attributes = (
        kind_of("LLM") | told(2, content="a", call_id="c1") | told(4, content="timed out", call_id="c2", is_error=True)
    )
    (result,) = read("create", attributes, scope=scope).results
    assert (result.call.call_id, result.flagged) == ("c2", True)
    more = {"llm.input_messages.5.message.content": "And now?"}
    assert read("create", attributes | more, scope=scope).results == ()
