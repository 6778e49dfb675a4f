"""The example's agent under every kind of fault: a real MCP client, proxy and server, and a real `otelscore serve`."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from itertools import count, product
from pathlib import Path

import anyio
import requests
import yaml
from live import FREE, QUICK, eventually, start
from mcp import ClientSession
from mcp.client.stdio import StdioServerParameters, stdio_client
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import RandomIdGenerator, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from sink import HttpSink

from otelscore.faults.attempts import load_tasks
from otelscore.faults.dice import Dice
from otelscore.faults.engine import RUN, SWITCH, decide
from otelscore.faults.kinds import KINDS
from otelscore.faults.plan import load_plan

EXAMPLE = Path(__file__).parents[2] / "examples" / "faults"
CHARACTERS = ("careful", "trusting", "stubborn")
CUSTOMERS, RIGHT = ("bob", "ada"), "The sum is 354."
QUICKLY = {"delay": {"seconds": 0.01}, "timeout": {"seconds": 0.01}}


class Ids(RandomIdGenerator):
    """Gives runs the trace ids that it is told, since they decide which fault a run gets."""

    def __init__(self):
        super().__init__()
        self.trace = 0

    def generate_trace_id(self):
        return self.trace


def load_agent():
    spec = importlib.util.spec_from_file_location("example_agent", EXAMPLE / "agent.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def quick_plan(tmp_path):
    """The example's, without its waiting."""
    said = yaml.safe_load((EXAMPLE / "plan.yaml").read_text())
    path = tmp_path / "plan.yaml"
    path.write_text(
        json.dumps({**said, "faults": [{**rule, **QUICKLY.get(rule["kind"], {})} for rule in said["faults"]]})
    )
    return path


def runs_of(plan):
    """(kind, character) -> a trace id whose run gets that kind of fault."""
    wanted, found = set(product(KINDS, CHARACTERS)), {}
    for trace in count(1):
        if wanted == found.keys():
            return found
        rule = decide(plan, Dice(plan.seed, format(trace, "032x"), "list_orders", 2), side_effects=False)
        if rule is not None:
            missing = (character for character in CHARACTERS if (rule.kind, character) not in found)
            found.setdefault((rule.kind, next(missing, CHARACTERS[0])), trace)
    return found


async def run_all(runs, plan, backend):
    """What the agent did in each run: (its answer, how often it called the tool)."""
    agent, ids, done = load_agent(), Ids(), {}
    provider = TracerProvider(resource=Resource.create({"service.name": "shop"}), id_generator=ids)
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{backend.url}/v1/traces")))
    command = ["-m", "otelscore", "fault-proxy", "--plan", str(plan), "--", sys.executable, str(agent.SERVER)]
    environment = {**os.environ, SWITCH: "1", "OTEL_EXPORTER_OTLP_ENDPOINT": backend.url}
    environment.pop(RUN, None)
    server = StdioServerParameters(command=sys.executable, args=command, env=environment)
    calls = 0

    class Client(ClientSession):
        async def call_tool(self, *args, **more):
            nonlocal calls
            calls += 1
            return await super().call_tool(*args, **more)

    async with stdio_client(server) as streams, Client(*streams) as client:
        await client.initialize()
        for (kind, character), trace in runs.items():
            calls, ids.trace = 0, trace
            answer = await agent.run(client, character, CUSTOMERS, provider.get_tracer("example"))
            done[kind, character] = answer, calls
    return done


def outcome(answer, calls):
    """What became of the fault, by what the script did."""
    if calls == len(CUSTOMERS) and "could not" not in answer:
        return "unnoticed_harmless" if answer == RIGHT else "unnoticed_wrong"
    return "noticed_recovered" if answer == RIGHT else "noticed_failed"


def test_the_figures_equal_what_the_agent_did(tmp_path):
    path = quick_plan(tmp_path)
    runs = runs_of(load_plan(path))
    backend, server = HttpSink().start(), start(*FREE, *QUICK)
    try:
        done = anyio.run(run_all, runs, path, backend)
        requests.post(
            f"http://{server.http}/v1/traces",
            data=b"".join(backend.bodies()),
            headers={"content-type": "application/x-protobuf"},
            timeout=60,
        ).raise_for_status()
        for run, trace in runs.items():
            verdict = {"trace_id": format(trace, "032x"), "verdict": "pass" if done[run][0] == RIGHT else "fail"}
            requests.post(f"http://{server.metrics}/api/v1/verdicts", json=verdict, timeout=60).raise_for_status()

        def counted():
            series = server.scrape().get("otelscore_injected_faults_total", {})
            found = [dict(labels) for labels, value in series.items() if value]
            return {(one["fault"], one["agent"].removesuffix("-clerk")): one["outcome"] for one in found}

        assert eventually(lambda: len(counted()), len(runs)) == len(runs)
        assert counted() == {run: outcome(*what) for run, what in done.items()}
        assert server.value("injected_faults_total") == len(runs)
        assert not server.value("trajectories_total")
    finally:
        server.stop()
        backend.stop()
    assert {run: outcome(*what) for run, what in done.items() if run[0] == "stale"} == {
        ("stale", "careful"): "noticed_recovered",
        ("stale", "trusting"): "unnoticed_wrong",
        ("stale", "stubborn"): "unnoticed_wrong",
    }
    assert {outcome(*what) for (kind, _), what in done.items() if kind == "delay"} == {"unnoticed_harmless"}
    assert {character for (kind, character), what in done.items() if kind == "auth" and what[0] == RIGHT} == {
        "careful",
        "trusting",
    }


def test_the_plan_gives_every_kind_once_in_four_attempts_at_each_task():
    plan, tasks = load_plan(EXAMPLE / "plan.yaml"), load_tasks(EXAMPLE / "tasks.yaml")
    dice = [Dice(plan.seed, f"{task.name}/{number}", "list_orders", 2) for task in tasks for number in range(1, 5)]
    hit = [decide(plan, one, side_effects=False) for one in dice]
    assert sorted(rule.kind for rule in hit if rule) == sorted(KINDS)
