"""Spans of the Model Context Protocol, as the SDKs and servers write them."""

from __future__ import annotations

import pytest
from raw import raw, run, runs, steps

from otelscore.model import ERROR, SERVER, Kind

CLIENT = 3


@pytest.mark.parametrize(
    "method",
    [
        "initialize",
        "notifications/initialized",
        "tools/list",
        "prompts/get",
        "resources/read",
        "sampling/createMessage",
        "ping",
    ],
)
def test_only_the_call_of_a_tool_is_a_tool(read, method: str) -> None:
    reading = read(f"MCP send {method}", {"mcp.method.name": method, "jsonrpc.request.id": "1"})
    assert (reading.kind, reading.dialect) == (Kind.WRAPPER, "mcp")


@pytest.mark.parametrize(
    ("name", "attributes"),
    [
        ("MCP send tools/call weather", {}),  # python-sdk, client
        (
            "tools/call weather",
            {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "weather"},
        ),  # its server, C#
        ("tools/call weather", {"rpc.system": "mcp", "rpc.method": "tools/call", "fastmcp.component.key": "weather"}),
        ("execute_tool weather", {"gen_ai.tool.name": "weather"}),
    ],
)
def test_a_tool_is_named_by_its_attribute_or_its_span(read, name: str, attributes: dict[str, str]) -> None:
    reading = read(name, {"mcp.method.name": "tools/call", **attributes})
    assert (reading.kind, reading.name) == (Kind.TOOL, "weather")


def test_an_error_result_is_marked_on_the_server_span(read) -> None:
    attributes = {"mcp.method.name": "tools/call", "gen_ai.tool.name": "weather", "error.type": "tool_error"}
    reading = read("tools/call weather", attributes, status=ERROR, message='[{"type":"text","text":"timed out"}]')
    assert (reading.failure.error_type, reading.failure.error_class) == ("tool_error", "timeout")


@pytest.mark.parametrize(("code", "error_class"), [("-32602", "invalid_arguments"), ("-32601", "not_found")])
def test_a_protocol_error_is_its_json_rpc_code(read, code: str, error_class: str) -> None:
    attributes = {"mcp.method.name": "tools/call", "error.type": code, "rpc.response.status_code": code}
    assert read("tools/call weather", attributes, status=ERROR).failure.error_class == error_class


def test_the_session_of_the_connection_is_not_the_conversation(read) -> None:
    attributes = {"mcp.method.name": "tools/call", "mcp.session.id": "m1"}
    assert read("tools/call weather", attributes).session == ""
    assert read("tools/call weather", attributes | {"gen_ai.conversation.id": "c1"}).session == "c1"


def call(*, failed: bool = False):
    error = {"error.type": "tool_error"} if failed else {}
    server = raw(
        "tools/call weather",
        1.4,
        1.6,
        {"mcp.method.name": "tools/call", "gen_ai.tool.name": "weather", **error},
        status=ERROR if failed else 0,
        kind=SERVER,
        scope="mcp-python-sdk",
        service="weather-server",
    )
    return raw(
        "MCP send tools/call weather",
        1.2,
        1.8,
        {"mcp.method.name": "tools/call"},
        server,
        kind=CLIENT,
        scope="mcp-python-sdk",
    )


@pytest.mark.parametrize(("failed", "status"), [(False, "ok"), (True, "error")])
def test_client_and_server_spans_of_an_agents_call_are_one_step(failed: bool, status: str) -> None:
    tool = raw(
        "execute_tool weather",
        1,
        2,
        {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "weather"},
        call(failed=failed),
    )
    chat = raw("chat gpt", 0, 1, {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt"})
    found = run(raw("invoke_agent a", 0, 3, {"gen_ai.operation.name": "invoke_agent"}, chat, tool, scope="loop"))
    assert steps(found) == [("model", "gpt", "ok"), ("tool", "weather", status)]


def test_a_handshake_makes_no_trajectory() -> None:
    assert runs(raw("MCP send initialize", 0, 1, {"mcp.method.name": "initialize"}, kind=CLIENT)) == []


def test_a_bare_client_is_a_run_of_tool_calls_whose_outcome_nobody_knows() -> None:
    found = run(call())
    assert (steps(found), found.outcome) == ([("tool", "weather", "ok")], None)
