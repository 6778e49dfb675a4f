"""The proxy as an MCP server over HTTP, between a real client and a real server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest
import requests
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from sink import HttpSink

from otelscore.config import Config
from otelscore.dialects import Context, Registry
from otelscore.faults.engine import SWITCH
from otelscore.ingest.decode import Decoder
from otelscore.pipeline import Pipeline

SERVER = (sys.executable, str(Path(__file__).with_name("server.py")))
ORDERS = ("find_orders", {"customer": "c"})


@pytest.fixture
def backend():
    sink = HttpSink().start()
    yield sink
    sink.stop()


@contextmanager
def proxy(*options, **environment):
    """Its URL, while it listens."""
    process = subprocess.Popen(
        (sys.executable, "-m", "otelscore", "fault-proxy", "--listen", "0", *options),
        env={**os.environ, **environment},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        line = process.stderr.readline()
        assert line.startswith("listening at "), line
        yield line.split()[-1]
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()


@contextmanager
def faulty(tmp_path, backend, *rules):
    plan = tmp_path / "plan.yaml"
    plan.write_text(json.dumps({"faults": list(rules), "budget": 100}))
    environment = {SWITCH: "1", "OTEL_EXPORTER_OTLP_ENDPOINT": backend.url}
    with proxy("--plan", str(plan), "--", *SERVER, **environment) as url:
        yield url


async def talk(url, use):
    with anyio.fail_after(60):
        async with streamable_http_client(url) as streams, ClientSession(*streams) as client:
            await client.initialize()
            return await use(client)


def test_the_mark_lands_on_the_step_of_the_caller(tmp_path, backend):
    provider = TracerProvider(resource=Resource.create({"service.name": "shop"}))
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{backend.url}/v1/traces")))
    tracer = provider.get_tracer("agent")

    def span(operation, **more):
        return tracer.start_as_current_span(operation, attributes={"gen_ai.operation.name": operation, **more})

    async def run(client):
        with span("invoke_agent", **{"gen_ai.agent.name": "clerk"}):
            for _ in range(2):
                with span("chat"):
                    pass
                with span("execute_tool", **{"gen_ai.tool.name": "find_orders"}):
                    found.append(await client.call_tool(*ORDERS))
            with span("chat"):
                pass

    found = []
    with faulty(tmp_path, backend, {"kind": "partial", "calls": 2}) as url:
        anyio.run(talk, url, run)
    assert [len(one.structured_content["orders"]) for one in found] == [4, 2]
    decoder, pipeline = Decoder(Registry(Context(key=bytes(16)))), Pipeline(Config(), "test")
    for body in backend.bodies():
        pipeline.ingest(decoder.traces(body), 1000.0)
    assert pipeline.close_all(1060.0) == []
    hits = [
        (dict(zip(family.label_names, sample.labels, strict=True)), sample.value)
        for family in pipeline.families(1060.0)
        if family.metric.name == "injected_faults_total"
        for sample in family.samples
        if sample.value
    ]
    ((labels, value),) = hits
    assert {
        "service_name": "shop",
        "agent": "clerk",
        "fault": "partial",
        "tool": "find_orders",
    }.items() <= labels.items()
    assert value == 1


def test_each_client_has_a_session_and_a_server_of_its_own():
    async def both(url):
        async def dies(client):
            assert "gone" in str(await call(client, "die"))
            assert not (await call(other, *ORDERS)).is_error

        async with streamable_http_client(url) as streams, ClientSession(*streams) as other:
            await other.initialize()
            await talk(url, dies)

    with proxy("--", *SERVER) as url:
        anyio.run(both, url)


async def call(client, tool, arguments=None):
    try:
        return await client.call_tool(tool, arguments or {})
    except Exception as error:
        return error


def test_every_session_plays_the_cassette_from_its_beginning(tmp_path):
    cassette = tmp_path / "cassette.jsonl"

    async def ask(client):
        return await client.call_tool(*ORDERS)

    with proxy("--record", str(cassette), "--", *SERVER) as url:
        real = anyio.run(talk, url, ask)
    with proxy("--replay", str(cassette)) as url:
        assert [anyio.run(talk, url, ask) for _ in range(2)] == [real, real]


def test_who_has_no_business_here_is_refused():
    def ask(method, **headers):
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {}}
        return requests.post(url, json=request, headers={"accept": "application/json", **headers}, timeout=30)

    with proxy("--", "no-such-command") as url:
        broken = ask("initialize")
        assert (broken.status_code, broken.text) == (502, "the MCP server behind the proxy cannot be reached")
    with proxy("--", *SERVER) as url:
        assert ask("initialize", host="evil.example").status_code == 421
        assert ask("initialize", origin="http://evil.example").status_code == 403
        assert ask("tools/list", **{"mcp-session-id": "unknown"}).status_code == 404
        assert ask("tools/list").status_code == 400  # nothing begins with that
