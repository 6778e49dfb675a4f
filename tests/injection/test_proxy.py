"""The proxy between a real MCP client and a real MCP server, over their standard input and output."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import anyio
import pytest
from live import eventually
from mcp import ClientSession
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.shared.exceptions import MCPError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from sink import HttpSink

from otelscore.faults.cassette import Cassette
from otelscore.faults.engine import PLAN, SWITCH

SERVER = (sys.executable, str(Path(__file__).with_name("server.py")))
PROXY = (sys.executable, "-m", "otelscore", "fault-proxy")
TRACED = {"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01"}
ORDERS = ("find_orders", {"customer": "c"})


def plan(tmp_path, *rules, **more):
    path = tmp_path / "plan.yaml"
    path.write_text(json.dumps({"faults": list(rules), "budget": 100, **more}))
    return path


@pytest.fixture(scope="module", autouse=True)
def backend():
    """Where the proxies send their spans."""
    sink = HttpSink().start()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", sink.url)
        yield sink
    sink.stop()


def talk(command, *calls, switch="1", meta=TRACED, said=sys.stderr, **environment):
    """What the calls of one session give: results, or the error's message; the proxy's log goes to `said`."""
    environment = {**os.environ, SWITCH: switch, **environment}
    return converse(stdio_client(server_of(command, environment), said), *calls, meta=meta)


def server_of(command, environment=None):
    return StdioServerParameters(command=command[0], args=list(command[1:]), env=environment or dict(os.environ))


def converse(transport, *calls, meta=TRACED):
    async def session():
        found = []
        with anyio.fail_after(60):
            async with transport as (read, write), ClientSession(read, write) as client:
                await client.initialize()
                for tool, arguments in calls:
                    try:
                        found.append(await client.call_tool(tool, arguments, meta=meta))
                    except MCPError as error:
                        found.append(str(error))
        return found

    return anyio.run(session)


def proxied(tmp_path, rule, *calls, **options):
    command = (*PROXY, "--plan", str(plan(tmp_path, *([rule] if rule else []))), "--", *SERVER)
    return talk(command, *calls, **options)


def test_without_a_fault_everything_passes_as_it_is(tmp_path):
    calls = (ORDERS, ("fail", {"message": "x"}), ("no_such_tool", {}))
    assert proxied(tmp_path, None, *calls) == talk(SERVER, *calls)


def test_nothing_happens_without_the_second_switch(tmp_path):
    assert proxied(tmp_path, {"kind": "error"}, ORDERS, switch="") == talk(SERVER, ORDERS)


def test_a_fault_that_raises_is_a_failed_tool(tmp_path):
    (found,) = proxied(tmp_path, {"kind": "http_status", "status": 429, "retry_after": 5}, ORDERS)
    assert found.is_error
    assert "HTTP 429 Too Many Requests (Retry-After: 5)" in found.content[0].text


def marked(backend):
    """The spans that the proxies sent."""
    requests = map(ExportTraceServiceRequest.FromString, backend.bodies())
    return [
        span for one in requests for spans in one.resource_spans for scope in spans.scope_spans for span in scope.spans
    ]


def test_the_mark_lies_below_the_callers_span_and_is_sent_before_the_answer(tmp_path, backend):
    backend.got.clear()
    call = {"name": ORDERS[0], "arguments": ORDERS[1], "_meta": TRACED}
    requests = (*GREETING, {"id": 2, "method": "tools/call", "params": call})
    command = (*PROXY, "--plan", str(plan(tmp_path, {"kind": "empty"})), "--", *SERVER)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(SWITCH, "1")
        session(requests, command, subprocess.Popen.kill)
    (span,) = marked(backend)
    assert (span.trace_id, span.parent_span_id) == (b"\xab" * 16, b"\xcd" * 8)
    assert {"otelscore.fault.kind": "empty", "gen_ai.tool.name": "find_orders"}.items() <= {
        each.key: each.value.string_value for each in span.attributes
    }.items()


@pytest.mark.parametrize("meta", [None, {"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-00"}], ids=["none", "unsampled"])
def test_a_call_without_recorded_trace_context_gets_no_fault(tmp_path, backend, meta):
    backend.got.clear()
    with (tmp_path / "log").open("w+") as log:
        found = proxied(tmp_path, {"kind": "error"}, ORDERS, ORDERS, meta=meta, said=log)
    assert found == talk(SERVER, ORDERS, ORDERS)
    assert not marked(backend)
    assert "2 calls were spared a fault" in (tmp_path / "log").read_text()


def test_nothing_is_injected_where_the_proxy_may_send_nothing(tmp_path):
    assert proxied(tmp_path, {"kind": "error"}, ORDERS, OTEL_EXPORTER_OTLP_ENDPOINT="") == talk(SERVER, ORDERS)


def test_results_that_no_longer_fit_their_schema_reach_the_caller(tmp_path):
    for kind in ({"kind": "truncate"}, {"kind": "schema_drift", "change": "drop"}):
        (found,) = proxied(tmp_path, kind, ("typed", {}))
        assert not found.is_error
        assert found.content[0].text != talk(SERVER, ("typed", {}))[0].content[0].text


def test_a_fault_changes_structured_content_and_text_alike(tmp_path):
    (found,) = proxied(tmp_path, {"kind": "partial"}, ORDERS)
    assert len(found.structured_content["orders"]) == 2
    assert json.loads(found.content[0].text) == found.structured_content


def test_tools_that_the_server_marks_as_destructive_are_spared(tmp_path):
    call = ("cancel_order", {"order_id": "1"})
    assert not proxied(tmp_path, {"kind": "error"}, call)[0].is_error
    assert proxied(tmp_path, {"kind": "error", "tools": "cancel_order", "side_effects": True}, call)[0].is_error


def test_garbage_of_the_server_is_dropped(tmp_path):
    garbage, orders = proxied(tmp_path, None, ("garbage", {}), ORDERS)
    assert garbage.content[0].text == "said"
    assert not orders.is_error


def test_a_server_that_dies_is_told_of(tmp_path):
    assert all("gone" in said for said in proxied(tmp_path, None, ("die", {}), ORDERS))


def test_a_server_that_hangs_holds_up_nothing(tmp_path):
    command = (*PROXY, "--timeout", "5", "--", *SERVER)
    hung, orders = talk(command, ("hang", {}), ORDERS)
    assert "no answer within 5 s" in hung
    assert not orders.is_error


def test_a_recorded_session_plays_byte_for_byte_without_the_server(tmp_path):
    cassette = tmp_path / "cassette.jsonl"
    requests = (
        *GREETING,
        {"id": "two", "method": "tools/list"},
        {"id": 3, "method": "tools/call", "params": {"name": ORDERS[0], "arguments": ORDERS[1]}},
        {"id": 4, "method": "tools/call", "params": {"name": "fail", "arguments": {"message": "é"}}},
        {"id": 5, "method": "no/such/method"},
    )
    said = session(requests, (*PROXY, "--record", str(cassette), "--", *SERVER))
    assert len(said) == 5
    assert session(requests, (*PROXY, "--replay", str(cassette))) == said
    assert [call.tool for call in Cassette.load(cassette)].count("find_orders") == 1


GREETING = (
    {
        "id": 1,
        "method": "initialize",
        "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
    },
    {"method": "notifications/initialized"},
)


def session(requests, command, end=lambda process: process.stdin.close()) -> list[bytes]:
    """The lines that answer these, which are sent one by one, each when the last one is answered; then it ends."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdin
    assert process.stdout
    found = []
    for message in requests:
        process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        process.stdin.flush()
        if "id" in message:
            found.append(process.stdout.readline())
    end(process)
    assert process.wait(30) in (0, -signal.SIGKILL)
    return found


def test_a_call_that_the_cassette_has_not_fails_or_asks_the_server(tmp_path):
    cassette = tmp_path / "cassette.jsonl"
    talk((*PROXY, "--record", str(cassette), "--", *SERVER), ORDERS)
    other = ("find_orders", {"customer": "other"})
    assert "the cassette has no such tools/call" in talk((*PROXY, "--replay", str(cassette)), other)[0]
    real = (*PROXY, "--replay", str(cassette), "--on-miss", "real", "--", *SERVER)
    assert talk(real, other) == talk(SERVER, other)


def test_the_plan_may_come_through_the_environment(tmp_path):
    path = plan(tmp_path, {"kind": "auth"})
    assert talk((*PROXY, "--", *SERVER), ORDERS, **{PLAN: str(path)})[0].is_error


@pytest.fixture
def url():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen((*SERVER, "http", str(port)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert eventually(partial(accepts, port), True)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        server.kill()
        server.wait()


def accepts(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_the_server_may_speak_streamable_http(tmp_path, url):
    path = plan(tmp_path, {"kind": "partial", "calls": 2})
    whole, part = talk((*PROXY, "--plan", str(path), "--url", url), ORDERS, ORDERS)
    assert [len(found.structured_content["orders"]) for found in (whole, part)] == [4, 2]


def test_a_server_that_is_not_at_its_url_any_more_is_told_of(url, tmp_path):
    with (tmp_path / "log").open("w+") as log:
        command = (*PROXY, "--timeout", "20", "--url", url)
        ordered, died, gone = talk(command, ORDERS, ("die", {}), ORDERS, said=log)
    assert not ordered.is_error
    assert isinstance(died, str)
    assert "gone" in gone
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_it_adds_less_than_2_ms_to_a_call():
    """The quickest call of many, since whatever else the machine does only ever makes one slower."""

    async def quickest():
        took = ([], [])
        async with AsyncExitStack() as stack:
            clients = []
            for command in (SERVER, (*PROXY, "--", *SERVER)):
                streams = await stack.enter_async_context(stdio_client(server_of(command)))
                clients.append(await stack.enter_async_context(ClientSession(*streams)))
                await clients[-1].initialize()
            for _ in range(150):
                for client, times in zip(clients, took, strict=True):
                    began = time.perf_counter()
                    await client.call_tool(*ORDERS)
                    times.append(time.perf_counter() - began)
        return map(min, took)

    direct, through = anyio.run(quickest)
    assert through - direct < 0.002, (direct, through)


@pytest.mark.parametrize("wrong", [(), ("--url", "http://x", "--", "y")])
def test_the_server_is_named_once(wrong):
    done = subprocess.run((*PROXY, *wrong), check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "name the server" in done.stderr
