"""Verdicts of every kind, sent to a real `otelscore serve`."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from live import FREE, PATIENCE, QUICK, Agent, Server, eventually, known_runs, start
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import Link, SpanContext, Tracer
from prometheus_client.openmetrics.parser import text_string_to_metric_families


@pytest.fixture
def server() -> Iterator[Server]:
    running = start(*FREE, *QUICK)
    yield running
    running.process.kill()
    running.process.wait()


def tracer_of(server: Server) -> Tracer:
    provider = TracerProvider(resource=Resource({"service.name": "shop"}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(server.grpc, insecure=True)))
    return provider.get_tracer("shop.agents")


def post(server: Server, body: Any, content_type: str = "application/json") -> tuple[int, Any]:
    """HTTP status and answer."""
    request = urllib.request.Request(
        f"http://{server.metrics}/api/v1/verdicts", json.dumps(body).encode(), {"Content-Type": content_type}
    )
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def statuses(server: Server, *verdicts: Any) -> list[str]:
    status, told = post(server, list(verdicts))
    assert status == 200, told
    return [one["status"] for one in told["verdicts"]]


def trace_of(context: SpanContext) -> str:
    return f"{context.trace_id:032x}"


def trajectory_of(context: SpanContext) -> str:
    return f"{context.trace_id:032x}:{context.span_id:016x}"


def exemplars(server: Server, metric: str) -> dict[tuple[str, ...], str]:
    """Trace ids by the values of the labels verdict, errors and hard_failure, as OpenMetrics has them."""
    request = urllib.request.Request(
        f"http://{server.metrics}/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"}
    )
    with urllib.request.urlopen(request) as answer:
        families = list(text_string_to_metric_families(answer.read().decode()))
    return {
        tuple(sample.labels[name] for name in ("verdict", "errors", "hard_failure")): sample.exemplar.labels["trace_id"]
        for family in families
        for sample in family.samples
        if sample.name == metric and sample.exemplar
    }


def test_verdicts_over_the_api_count_and_a_silent_failure_leads_to_its_trace(server):
    recovers, ignores, clean = known_runs(Agent(tracer_of(server)))
    assert eventually(lambda: server.value("trajectories_total"), 4.0) == 4.0
    told = statuses(
        server,
        {"trace_id": trace_of(recovers), "verdict": "pass"},
        {"trajectory_id": trajectory_of(ignores), "score": 0.1, "explanation": "SECRET"},
        {"trace_id": trace_of(clean), "span_id": f"{clean.span_id:016x}", "verdict": False},
        {"trace_id": trace_of(clean), "verdict": "pass", "evaluator": "style"},
        {"trace_id": "ab" * 16, "verdict": "fail"},
    )
    assert told == ["counted", "counted", "counted", "ignored", "waiting"]
    assert server.value("judged_trajectories_total") == 3.0
    silent = {"verdict": "fail", "errors": "none", "hard_failure": "false"}
    assert server.value("judged_trajectories_total", agent="planner", **silent) == 1.0
    assert server.value("silent_failure_ratio", window="1h", agent="planner") == pytest.approx(1 / 3)
    assert exemplars(server, "otelscore_judged_trajectories_total") == {
        ("fail", "none", "false"): trace_of(clean),
        ("fail", "unrecovered", "false"): trace_of(ignores),
    }
    assert server.value("verdict_delay_seconds_count", agent="planner") == 3.0
    assert server.value("verdicts_pending") == 1.0
    assert server.value("verdicts_total", evaluator="style", verdict="pass") == 1.0
    assert server.stop() == 0
    assert "SECRET" not in "".join(server.lines)


def test_bad_requests_are_told_what_is_wrong_and_where(server):
    status, told = post(server, [{"trace_id": "ab" * 16, "verdict": "pass"}, {"trace_id": "xyz", "verdict": "pass"}])
    assert (status, told["verdicts"][0]) == (200, {"status": "waiting"})
    assert told["verdicts"][1]["error"].startswith("verdicts[1]: trace id: expected 32 hexadecimal digits")
    status, told = post(server, {"trace_id": "ab" * 16, "verdict": "perhaps"})
    assert (status, told["error"]) == (
        400,
        "verdicts[0]: verdict: expected pass or fail, true or false, or a number as score",
    )
    assert post(server, [], "text/plain")[0] == 415
    assert server.value("verdicts_total") == 1.0


def test_a_verdict_that_was_acknowledged_survives_a_kill_and_waits_for_its_run(tmp_path):
    server = start(*FREE, *QUICK, "--state", str(tmp_path))
    trace_id = "c0ffee" + "0" * 25 + "1"
    assert statuses(server, {"trace_id": trace_id, "verdict": "fail"}) == ["waiting"]
    server.process.kill()
    server.process.wait()
    server = start(*FREE, *QUICK, "--state", str(tmp_path))
    request = urllib.request.Request(
        f"http://{server.http}/v1/traces", run_in(trace_id), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request):
        pass
    assert eventually(lambda: server.value("judged_trajectories_total", verdict="fail"), 1.0) == 1.0
    assert server.value("silent_failure_ratio", window="1h") == 1.0
    assert server.stop() == 0


def run_in(trace_id: str) -> bytes:
    """A request of a run of one step."""

    def span(number: int, parent: str, **said: str) -> dict[str, Any]:
        attributes = [{"key": key.replace("__", "."), "value": {"stringValue": text}} for key, text in said.items()]
        times = {"startTimeUnixNano": f"{number}", "endTimeUnixNano": "9"}
        ids = {"traceId": trace_id, "spanId": f"{number:016x}", "parentSpanId": parent}
        return {**ids, **times, "name": "span", "attributes": attributes}

    spans = [
        span(1, "", gen_ai__operation__name="invoke_agent", gen_ai__agent__name="planner"),
        span(2, f"{1:016x}", gen_ai__operation__name="execute_tool", gen_ai__tool__name="search"),
    ]
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode()


def test_verdicts_on_spans_and_spans_made_to_carry_them_count(server):
    tracer = tracer_of(server)
    agent = Agent(tracer)
    named = {"openinference.span.kind": "AGENT", "agent.name": "writer"}
    with tracer.start_as_current_span("writer", attributes=named) as inline:
        agent.tool("1", result="{}")()
        inline.set_attributes({"evaluations.0.evaluation.name": "correctness", "evaluations.0.evaluation.score": 0.0})
    clean = agent.run(agent.chat(call="1"), agent.tool("1", result="{}"), agent.chat(text="Done."))
    carried = {"openinference.span.kind": "EVALUATOR", "annotations.0.annotation.name": "task_success"}
    carried["annotations.0.annotation.label"] = "fail"
    tracer.start_span("judge", attributes=carried, links=[Link(clean)]).end()
    with tracer.start_as_current_span("invoke_agent own", attributes={"gen_ai.operation.name": "invoke_agent"}):
        agent.tool("2", result="{}")()
        with tracer.start_as_current_span("check") as check:
            check.set_attribute("task.success", False)
    assert eventually(lambda: server.value("judged_trajectories_total", verdict="fail"), 3.0) == 3.0
    assert exemplars(server, "otelscore_judged_trajectories_total").keys() == {("fail", "none", "false")}
    evaluators = {name: server.value("verdicts_total", evaluator=name) for name in ("correctness", "task.success")}
    assert evaluators == {"correctness": 1.0, "task.success": 1.0}
    assert server.stop() == 0
