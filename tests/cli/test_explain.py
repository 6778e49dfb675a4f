from __future__ import annotations

import socket

from click.testing import CliRunner
from live import QUICK, Agent, eventually, known_runs, start
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from otelscore.cli.main import main


def explain(run_id: str, server: str):
    return CliRunner().invoke(main, ["explain", "--live", run_id, "--server", server])


def test_the_steps_of_a_run_are_shown_with_what_failed_and_the_answer(tmp_path):
    free = ["--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--metrics", "127.0.0.1:0"]
    server = start(*free, *QUICK, "--state", str(tmp_path))
    provider = TracerProvider(resource=Resource({"service.name": "shop"}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(server.grpc, insecure=True)))
    run, *_ = known_runs(Agent(provider.get_tracer("shop.agents")))
    assert eventually(lambda: server.value("trajectories_total"), 4.0) == 4.0
    result = explain(f"{run.trace_id:032x}:{run.span_id:016x}", server.metrics)
    assert result.exit_code == 0
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[0].startswith("planner of shop, ")
    assert lines[1].endswith("completed; its task: unknown")
    assert any(line.endswith("error timeout, TimeoutError retried yes") for line in lines)
    unknown = explain("00:00", server.metrics)
    assert (unknown.exit_code, server.stop()) == (1, 0)
    assert "no trajectory 00:00 is known there" in unknown.stderr


def test_a_server_that_is_not_there_is_told_without_a_traceback():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    result = explain("00:00", address)
    assert result.exit_code == 1
    assert address in result.stderr
    assert "Traceback" not in result.output
