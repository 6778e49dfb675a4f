from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from otelscore.model import ERROR, OK, AttributeValue, ErrorClass, Kind, Role

ARGUMENTS = {"city": "Paris"}
CALLING = [
    {"role": "assistant", "parts": [{"type": "tool_call", "id": "call_1", "name": "weather", "arguments": ARGUMENTS}]}
]
ANSWERING = [{"role": "assistant", "parts": [{"type": "text", "content": "I could not do it."}]}]


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("chat", Kind.MODEL),
        ("generate_content", Kind.MODEL),
        ("text_completion", Kind.MODEL),
        ("embeddings", Kind.RETRIEVAL),
        ("retrieval", Kind.RETRIEVAL),
        ("rerank", Kind.RETRIEVAL),
        ("search_memory", Kind.RETRIEVAL),
        ("execute_tool", Kind.TOOL),
        ("invoke_agent", Kind.AGENT),
        ("create_agent", Kind.WRAPPER),
        ("invoke_workflow", Kind.WRAPPER),
        ("plan", Kind.WRAPPER),
        ("create_memory", Kind.WRAPPER),
        ("agent_step", Kind.WRAPPER),
        ("execute_event_loop_cycle", Kind.WRAPPER),
        ("something_new", Kind.WRAPPER),
    ],
)
def test_the_operation_says_what_a_span_is_whatever_its_name(read, operation: str, kind: Kind) -> None:
    for name in ("chat gpt", "execute_tool weather", "anything"):
        reading = read(name, {"gen_ai.operation.name": operation, "gen_ai.request.model": "gpt"})
        assert (reading.kind, reading.dialect) == (kind, "genai")


@pytest.mark.parametrize("provider", ["gen_ai.system", "gen_ai.provider.name", "gen_ai.agent.name"])
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("execute_tool weather", Kind.TOOL),
        ("invoke_agent planner", Kind.AGENT),
        ("chat gpt", Kind.MODEL),
        ("text_completion gpt", Kind.MODEL),
        ("generate_content gpt", Kind.MODEL),
        ("retrieval docs", Kind.RETRIEVAL),
        ("embeddings small", Kind.RETRIEVAL),
        ("create_agent planner", Kind.WRAPPER),
        ("GET /chat", Kind.OTHER),
        ("chatter", Kind.OTHER),
    ],
)
def test_without_an_operation_the_name_says_it_on_spans_of_a_provider(
    read, provider: str, name: str, kind: Kind
) -> None:
    assert read(name, {provider: "openai"}).kind == kind


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ({"gen_ai.tool.name": "weather"}, Kind.TOOL),
        ({"gen_ai.tool.call.id": "call_1"}, Kind.TOOL),
        ({"gen_ai.request.model": "gpt"}, Kind.MODEL),
        ({"gen_ai.response.model": "gpt"}, Kind.MODEL),
        ({"gen_ai.operation.name": ""}, Kind.OTHER),
        ({"gen_ai.conversation.id": "1"}, Kind.OTHER),
        ({}, Kind.OTHER),
    ],
)
def test_else_the_attributes_that_only_one_kind_has(read, attributes: dict[str, AttributeValue], kind: Kind) -> None:
    assert read("span", attributes).kind == kind


def test_a_name_alone_may_be_anybodys(read) -> None:
    for name in ("chat room", "retrieval of luggage", "plan trip", "execute_tool"):
        assert read(name).kind == read(name, {"session.id": "s1"}).kind == Kind.OTHER


def tool(**more: AttributeValue) -> dict[str, AttributeValue]:
    return {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "weather",
        "gen_ai.tool.call.id": "call_1",
        **{name.replace("__", "."): value for name, value in more.items()},
    }


CURRENT = {"gen_ai.tool.call.arguments": json.dumps(ARGUMENTS), "gen_ai.tool.call.result": "Error: no such city"}
OLD_EVENTS = (
    ("gen_ai.tool.message", {"role": "tool", "content": json.dumps(ARGUMENTS), "id": "call_1"}),
    ("gen_ai.choice", {"message": json.dumps([{"text": "Error: no such city"}]), "id": "call_1"}),
)


@pytest.mark.parametrize(
    ("attributes", "events"),
    [
        (CURRENT, ()),
        ({"gen_ai.tool.call.arguments": ARGUMENTS, "gen_ai.tool.call.result": ["Error: no such city"][0]}, ()),
        (  # the Google GenAI SDK, which calls Python functions itself
            {
                "code.args.keyword.count": 1,
                "code.function.parameters.city.type": "str",
                "code.function.parameters.city.value": "Paris",
                "code.function.return.type": "str",
                "code.function.return.value": "Error: no such city",
            },
            (),
        ),
        ({}, OLD_EVENTS),  # Strands
    ],
)
def test_a_tool_call_is_read_from_attributes_and_from_events(
    read, attributes: dict[str, AttributeValue], events: tuple[tuple[str, dict[str, AttributeValue]], ...]
) -> None:
    reading = read("execute_tool weather", {**tool(), **attributes}, events=events)
    expected = read("execute_tool weather", {**tool(), **CURRENT})
    assert reading == expected
    assert (reading.name, reading.call_id, reading.has_result) == ("weather", "call_1", True)
    assert reading.arguments is not None
    assert reading.soft_error == "error_prefix"
    assert reading.soft_failure.error_class == ErrorClass.NOT_FOUND
    assert reading.failure is None


def test_strands_puts_the_result_into_the_details_event_of_the_current_conventions(read) -> None:
    messages = [
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "1", "response": [{"text": "Error: x"}]}]}
    ]
    details = ("gen_ai.client.inference.operation.details", {"gen_ai.output.messages": json.dumps(messages)})
    assert read("execute_tool weather", tool(), events=[details]).soft_error == "error_prefix"


def test_a_tool_without_content_has_neither_arguments_nor_a_result(read) -> None:
    reading = read("execute_tool weather", tool())
    assert (reading.arguments, reading.has_result, reading.soft_error) == (None, False, "")


@pytest.mark.parametrize(
    ("name", "tool_name"),
    [("execute_tool weather", "weather"), ("weather", "weather")],
)
def test_a_tool_without_a_name_attribute_is_named_by_its_span(read, name: str, tool_name: str) -> None:
    assert read(name, {"gen_ai.operation.name": "execute_tool"}).name == tool_name


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("weather", Role.ORDINARY),
        ("transfer_to_billing", Role.HANDOFF),
        ("transfer_back_to_supervisor", Role.HANDOFF),
        ("handoff_to_agent", Role.HANDOFF),
        ("handoff", Role.HANDOFF),
        ("bank_transfer_to_iban", Role.ORDINARY),
        ("final_result", Role.FINAL_ANSWER),
        ("final_answer", Role.FINAL_ANSWER),
        ("final_result_booking", Role.FINAL_ANSWER),
        ("get_final_result", Role.ORDINARY),
        ("(merged tools)", Role.BOOKKEEPING),
        ("Delegate work to coworker", Role.DELEGATION),
        ("ask_question_to_coworker", Role.DELEGATION),
    ],
)
def test_tools_that_are_not_what_they_look_like(read, name: str, role: Role) -> None:
    assert read("execute_tool x", tool(gen_ai__tool__name=name)).role == role


@pytest.mark.parametrize("arguments", [{"answer": "I could not do it."}, '{"answer": "I could not do it."}'])
def test_the_arguments_of_a_final_answer_tool_are_the_answer(read, arguments: AttributeValue) -> None:
    reading = read("x", tool(gen_ai__tool__name="final_result", gen_ai__tool__call__arguments=arguments))
    assert reading.acknowledges is True
    assert read("x", tool(gen_ai__tool__call__arguments=arguments)).acknowledges is None


@pytest.mark.parametrize(
    ("attributes", "events"),
    [
        ({"gen_ai.output.messages": json.dumps(CALLING)}, ()),
        ({"gen_ai.output.messages": CALLING}, ()),
        (
            {},
            [
                (
                    "gen_ai.choice",
                    {
                        "message": json.dumps(
                            [{"toolUse": {"toolUseId": "call_1", "name": "weather", "input": ARGUMENTS}}]
                        )
                    },
                )
            ],
        ),
        (
            {},
            [
                (
                    "gen_ai.choice",
                    {
                        "gen_ai.event.content": json.dumps(
                            {
                                "index": 0,
                                "message": {
                                    "tool_calls": [
                                        {
                                            "id": "call_1",
                                            "function": {"name": "weather", "arguments": json.dumps(ARGUMENTS)},
                                        }
                                    ]
                                },
                            }
                        )
                    },
                )
            ],
        ),
        ({}, [("gen_ai.client.inference.operation.details", {"gen_ai.output.messages": json.dumps(CALLING)})]),
    ],
)
def test_the_calls_that_a_model_asked_for_are_read_from_every_version(
    read, attributes: Mapping[str, AttributeValue], events: list[tuple[str, dict[str, AttributeValue]]]
) -> None:
    reading = read("chat gpt", {"gen_ai.operation.name": "chat", **attributes}, events=events)
    (call,) = reading.requested
    assert (call.call_id, call.name) == ("call_1", "weather")
    executed = read("execute_tool weather", {**tool(), **CURRENT})
    assert call.arguments == executed.arguments


@pytest.mark.parametrize(
    ("attributes", "events"),
    [
        ({"gen_ai.output.messages": json.dumps(ANSWERING)}, ()),
        ({"gen_ai.completion": "I could not do it."}, ()),
        ({"gen_ai.completion.0.role": "assistant", "gen_ai.completion.0.content": "I could not do it."}, ()),
        ({}, [("gen_ai.choice", {"message": "I could not do it."})]),
        ({}, [("gen_ai.choice", {"content": "I could not do it."})]),
        ({}, [("gen_ai.content.completion", {"gen_ai.completion": "I could not do it."})]),
    ],
)
@pytest.mark.parametrize("operation", ["chat", "invoke_agent"])
def test_what_a_model_or_an_agent_said_is_read_from_every_version(
    read, operation: str, attributes: Mapping[str, AttributeValue], events: list[tuple[str, dict[str, AttributeValue]]]
) -> None:
    reading = read("x", {"gen_ai.operation.name": operation, **attributes}, events=events)
    assert (reading.acknowledges, reading.has_result) == (True, True)


def test_of_several_choices_the_last_counts(read) -> None:
    events = [("gen_ai.choice", {"message": "I could not do it."}), ("gen_ai.choice", {"message": "Done."})]
    assert read("chat", {"gen_ai.operation.name": "chat"}, events=events).acknowledges is False


@pytest.mark.parametrize(
    ("name", "attributes", "agent"),
    [
        ("invoke_agent planner", {}, "planner"),
        ("invoke_agent", {"gen_ai.agent.name": "planner"}, "planner"),
        ("invoke_agent gpt", {"gen_ai.agent.name": "planner", "gen_ai.request.model": "gpt"}, "planner"),  # Vercel 7
        ("invoke_agent gpt", {"gen_ai.request.model": "gpt"}, ""),
        ("invoke_agent", {}, ""),
        ("POST /agents", {}, ""),
    ],
)
def test_an_agent_is_named_by_its_attribute_or_its_span(
    read, name: str, attributes: dict[str, AttributeValue], agent: str
) -> None:
    reading = read(name, {"gen_ai.operation.name": "invoke_agent", **attributes})
    assert (reading.kind, reading.name, reading.agent, reading.names_agent) == (Kind.AGENT, agent, agent, agent != "")


def test_names_models_and_sessions(read) -> None:
    reading = read(
        "chat gpt",
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "gpt",
            "gen_ai.response.model": "gpt-2026",
            "gen_ai.agent.name": "planner",
            "gen_ai.conversation.id": "c1",
            "session.id": "s1",
        },
    )
    assert (reading.name, reading.agent, reading.session) == ("gpt", "planner", "c1")
    assert not reading.names_agent
    assert read("x", {"gen_ai.operation.name": "chat", "session.id": "s1"}).session == "s1"
    assert (
        read("retrieval docs", {"gen_ai.operation.name": "retrieval", "gen_ai.data_source.id": "docs"}).name == "docs"
    )


@pytest.mark.parametrize("status", [OK, ERROR])
@pytest.mark.parametrize("said", ["error", "ERROR", "failed"])
def test_the_tool_status_is_a_flag_whatever_the_span_status(read, said: str, status: int) -> None:
    assert read("x", tool(gen_ai__tool__status=said), status=status).flagged
    assert not read("x", tool(gen_ai__tool__status="success"), status=status).flagged


@pytest.mark.parametrize(
    ("reasons", "flagged"),
    [
        (["error"], True),
        ('["error"]', True),
        ("error", True),
        (["stop"], False),
        ('["tool-calls"]', False),
        ("stop", False),
        ([], False),
        (None, False),
    ],
)
def test_the_finish_reason_error_is_a_flag_in_every_notation(read, reasons: AttributeValue, flagged: bool) -> None:
    reading = read("chat", {"gen_ai.operation.name": "chat", "gen_ai.response.finish_reasons": reasons})
    assert reading.flagged is flagged
    assert (reading.failure is not None) is flagged


@pytest.mark.parametrize("operation", ["handoff", "agent_handoff"])
def test_a_handoff_is_no_step_but_passes_control(read, operation: str) -> None:
    reading = read(f"{operation} planner", {"gen_ai.operation.name": operation, "gen_ai.agent.name": "planner"})
    assert (reading.kind, reading.role) == (Kind.TOOL, Role.HANDOFF)


@pytest.mark.parametrize(
    ("mode", "role"),
    [
        ("pass_control", Role.HANDOFF),
        ("return_to_caller", Role.DELEGATION),
        ("something_new", Role.ORDINARY),
        (1, Role.ORDINARY),
    ],
)
def test_a_transfer_says_whether_control_comes_back(read, mode: AttributeValue, role: Role) -> None:
    attributes = tool(gen_ai__tool__name="ask_weather_agent", gen_ai__transfer__mode=mode)
    assert read("execute_tool ask_weather_agent weather_agent", attributes).role == role


def test_parameters_that_were_not_captured_are_no_arguments(read) -> None:
    hidden = {"code.args.keyword.count": 1, "code.function.parameters.city.type": "str"}
    assert read("execute_tool weather", {**tool(), **hidden}).arguments is None


def test_the_calls_of_a_flattened_answer_are_read(read) -> None:
    reading = read(
        "openai.chat",
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.completion.0.role": "assistant",
            "gen_ai.completion.0.tool_calls.0.id": "call_1",
            "gen_ai.completion.0.tool_calls.0.name": "weather",
            "gen_ai.completion.0.tool_calls.0.arguments": json.dumps(ARGUMENTS),
        },
    )
    (call,) = reading.requested
    executed = read("execute_tool weather", {**tool(), **CURRENT})
    assert (call.call_id, call.name, call.arguments) == ("call_1", "weather", executed.arguments)


def test_a_model_that_was_given_definitions_of_tools_was_offered_some(read) -> None:
    chat = {"gen_ai.operation.name": "chat"}
    assert read("chat", {**chat, "gen_ai.tool.definitions": "[]"}).offered
    assert not read("chat", chat).offered


@pytest.mark.parametrize(
    ("scope", "failed"),
    [
        ("opentelemetry.instrumentation.genai.langchain", False),
        ("opentelemetry.instrumentation.openai_v2", False),
        ("opentelemetry.util.genai.handler", False),
        ("strands.telemetry.tracer", True),
    ],
)
def test_the_reason_error_is_no_error_where_it_stands_for_none(read, scope: str, failed: bool) -> None:
    reading = read(
        "chat gpt", {"gen_ai.operation.name": "chat", "gen_ai.response.finish_reasons": ["error"]}, scope=scope
    )
    assert reading.flagged is failed


def test_the_results_in_flattened_messages_are_read(read) -> None:
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.prompt.0.tool_calls.0.id": "call_1",
        "gen_ai.prompt.0.tool_calls.0.name": "weather",
        "gen_ai.prompt.0.tool_calls.0.arguments": json.dumps(ARGUMENTS),
        "gen_ai.prompt.1.role": "tool",
        "gen_ai.prompt.1.tool_call_id": "call_1",
        "gen_ai.prompt.1.content": "Error: HTTP 503",
    }
    (result,) = read("openai.chat", attributes).results
    executed = read("execute_tool weather", {**tool(), **CURRENT})
    assert (result.call.name, result.call.arguments) == ("weather", executed.arguments)
    assert result.soft_error == "error_prefix"
