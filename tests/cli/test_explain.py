from __future__ import annotations

import socket
from pathlib import Path

import pytest
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


CORPUS = Path(__file__).parents[1] / "corpus"


def explain_files(*args: object):
    return CliRunner().invoke(main, ["explain", *map(str, args)])


def test_a_trace_in_files_is_shown_as_a_tree_with_what_became_of_every_span():
    result = explain_files(CORPUS / "langchain_openinference" / "S10_subagent")
    assert result.exit_code == 0
    head, *tree, summary, _, title, graph_rule, kind_rule = result.stdout.splitlines()
    assert head.endswith("wild-langchain-openinference, 18 spans")
    assert len([line for line in tree if "[" in line]) == 18
    assert "failed by status ERROR: timeout, TimeoutError; retried by step 4; recovered" in result.stdout
    assert "runs another agent: no step" in result.stdout
    assert summary.endswith("travel_agent: 7 steps, 1 failed, completed (its agent span ended)")
    assert title == "read by"
    assert graph_rule == "[1] openinference: the agent's name in LangChain's metadata"
    assert kind_rule == "[2] openinference: the value of openinference.span.kind"


def test_one_trace_of_many_is_chosen_by_the_beginning_of_its_id():
    folder = CORPUS / "strands"
    traces = [line.split()[1] for line in explain_files(folder).stdout.splitlines() if line.startswith("trace ")]
    result = explain_files(folder, "--trace", traces[1][:12].upper())
    assert result.stdout.startswith(f"trace {traces[1]}")
    assert result.stdout.count("trace ") == 1
    assert explain_files(folder, "--trace", "not one").exit_code == 1


def test_a_run_that_the_settings_leave_out_is_told(tmp_path):
    settings = tmp_path / "otelscore.yaml"
    settings.write_text("min_steps: 100")
    result = explain_files(CORPUS / "strands" / "s02_retried", "--config", settings)
    assert "; left out by the settings" in result.stdout


def test_what_cannot_be_read_is_told_and_the_rest_is_explained(tmp_path):
    (tmp_path / "bad.json").write_text("{")
    result = explain_files(CORPUS / "strands" / "s02_retried", tmp_path / "bad.json")
    assert result.exit_code == 2
    assert "bad.json" in result.stderr
    assert "trajectory " in result.stdout


@pytest.mark.parametrize("args", [[], ["x", "--live", "y"]])
def test_either_files_or_a_run_is_asked_for(args):
    result = explain_files(*args)
    assert result.exit_code == 2
    assert "give files to explain, or --live" in result.stderr


def test_a_server_that_is_not_there_is_told_without_a_traceback():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    result = explain("00:00", address)
    assert result.exit_code == 1
    assert address in result.stderr
    assert "Traceback" not in result.output
