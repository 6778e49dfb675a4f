"""A real `otelscore serve`, fed by the real OpenTelemetry SDK and scraped over HTTP."""

from __future__ import annotations

import os
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from live import FREE, QUICK, Agent, Server, eventually, judge, known_runs, span_exporter, start
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


@pytest.fixture
def server() -> Iterator[Server]:
    running = start(*FREE, *QUICK)
    yield running
    running.process.kill()
    running.process.wait()


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_figures_equal_the_ones_worked_out_by_hand(server, protocol):
    provider = TracerProvider(resource=Resource({"service.name": "shop"}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(span_exporter(server, protocol)))
    recovers, ignores, clean = known_runs(Agent(provider.get_tracer("shop.agents")))
    provider.shutdown()
    judge(server, (recovers, "pass"), (ignores, "fail"), (clean, "fail"))

    assert eventually(lambda: server.value("judged_trajectories_total"), 3.0) == 3.0
    assert eventually(lambda: server.value("trajectories_total"), 4.0) == 4.0
    hour = {"service_name": "shop", "agent": "planner", "window": "1h"}
    gauges = {
        "step_success_ratio": 12 / 15,
        "recovery_ratio": 1 / 3,
        "resolution_ratio": 1 / 3,
        "hard_failure_ratio": 1 / 4,
        "incomplete_ratio": 0.0,
        "task_pass_ratio": 1 / 3,
        "silent_failure_ratio": 1 / 3,
        "window_trajectories": 4.0,
        "window_steps": 15.0,
        "window_verdicts": 3.0,
    }
    assert {name: server.value(name, **hour) for name in gauges} == pytest.approx(gauges)
    assert server.value("tool_success_ratio", **hour, tool="flights") == pytest.approx(3 / 5)
    assert server.value("implied_success_ratio", **hour, steps="10") == pytest.approx(0.8**10)
    assert server.value("implied_failure_ratio", **hour, steps="100") == pytest.approx(1 - 0.8**100)
    assert server.value("implied_success_ratio", **hour | {"window": "5m"}, steps="10") is None
    failed = {errors: server.value("verdict_failure_ratio", **hour, errors=errors) for errors in ("none", "recovered")}
    assert failed == {"none": 1.0, "recovered": 0.0}
    assert server.value("verdict_failure_ratio", **hour, errors="unrecovered") == 1.0

    assert server.value("trajectories_total", outcome="completed") == 3.0
    assert server.value("trajectories_total", outcome="failed") == 1.0
    assert server.value("steps_total", kind="tool", outcome="ok") == 3.0
    assert server.value("steps_total", kind="tool", outcome="error") == 2.0
    assert server.value("steps_total", kind="tool", attempt="again") == 1.0
    assert server.value("step_errors_total", response="retried", error_class="timeout", recovered="true") == 1.0
    assert server.value("step_errors_total", response="concluded", recovered="false", tool="flights") == 1.0
    assert server.value("step_errors_total", response="abandoned", tool="") == 1.0
    assert server.value("judged_trajectories_total", verdict="fail", errors="none", hard_failure="false") == 1.0
    assert server.value("verdicts_total", evaluator="task_success", verdict="fail") == 2.0
    assert server.value("trajectory_steps_sum") == 15.0
    assert server.value("trajectory_steps_count") == 4.0

    assert server.value("spans_received_total") == 19.0
    assert server.value("spans_total", fate="kept") == 19.0
    assert server.value("spans_read_total", dialect="genai") == 19.0
    assert server.value("log_records_total", fate="kept") == 3.0
    assert server.value("requests_total", transport=protocol, signal="traces", result="accepted") >= 1.0
    assert server.value("open_trajectories") == 0.0
    assert server.stop() == 0


def test_it_says_that_it_is_healthy_and_ready(server):
    for path in ("healthz", "readyz"):
        with urllib.request.urlopen(f"http://{server.metrics}/{path}") as answer:
            assert answer.status == 200
    with grpc.insecure_channel(server.grpc) as channel:
        checked = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
    assert checked.status == health_pb2.HealthCheckResponse.SERVING


def test_a_port_in_use_is_told_with_its_owner_and_its_flag():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(AssertionError) as error:
            start("--grpc", f"127.0.0.1:{port}", *FREE[2:])
    assert f"127.0.0.1:{port}, the address for OTLP/gRPC, is in use by " in str(error.value)
    assert f"(pid {os.getpid()})" in str(error.value)
    assert "--grpc HOST:PORT" in str(error.value)
    assert "Traceback" not in str(error.value)


@pytest.mark.parametrize(
    ("args", "env", "said"),
    [
        (["--root-grace", "10"], {}, "10s"),
        (["--rot-grace", "10s"], {}, "--root-grace"),
        ([], {"OTELSCORE_LATE_WINDWO": "1s"}, "OTELSCORE_LATE_WINDOW"),
        ([], {"OTELSCORE_LABELS": "window"}, "labels"),
    ],
)
def test_a_wrong_setting_is_named_with_the_right_one(args, env, said):
    with pytest.raises(AssertionError) as error:
        start(*FREE, *args, env=env)
    assert said in str(error.value)
    assert "Traceback" not in str(error.value)


def test_no_line_of_the_log_holds_content(server):
    provider = TracerProvider(resource=Resource({"service.name": "shop"}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(span_exporter(server, "http")))
    agent = Agent(provider.get_tracer("shop.agents"))
    agent.run(agent.chat(text="SECRET-TEXT"), agent.tool("1", result='{"error": "SECRET-RESULT"}'))
    provider.shutdown()
    request = urllib.request.Request(
        f"http://{server.http}/v1/traces", b'{"SECRET-BODY": [}', {"Content-Type": "application/json"}
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    assert refused.value.code == 400
    assert eventually(lambda: server.value("trajectories_total", outcome="completed"), 1.0) == 1.0
    with urllib.request.urlopen(f"http://{server.metrics}/metrics") as answer:
        assert b"SECRET" not in answer.read()
    assert server.stop() == 0
    assert "SECRET" not in "".join(server.lines)
    assert any("requests rejected" in line for line in server.lines)
