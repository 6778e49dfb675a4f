"""A real `otelscore serve` with its state on disk. What faults do to it is in tests/faults."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pytest
from live import FREE, QUICK, Agent, Server, eventually, judge, known_runs, start
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor


def restart(server: Server, folder: Path) -> Server:
    server.process.kill()
    server.process.wait()
    return start(*FREE, *QUICK, "--state", str(folder))


def test_a_second_service_on_the_same_state_is_refused(tmp_path):
    first = start(*FREE, "--state", str(tmp_path))
    with pytest.raises(AssertionError) as error:
        start(*FREE, "--state", str(tmp_path))
    assert f"in use by process {first.process.pid}" in str(error.value)
    assert "Traceback" not in str(error.value)
    assert first.stop() == 0


def test_a_damaged_state_is_set_aside_and_the_service_starts(tmp_path):
    (tmp_path / "state.db").write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 64)
    server = start(*FREE, "--state", str(tmp_path))
    assert any("damaged" in line for line in server.lines)
    assert list(tmp_path.glob("*damaged*"))
    assert server.stop() == 0


def test_the_runs_behind_a_figure_can_be_found_with_the_verdicts_that_came_later(tmp_path):
    server = start(*FREE, *QUICK, "--state", str(tmp_path))
    provider = TracerProvider(resource=Resource({"service.name": "shop"}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(server.grpc, insecure=True)))
    contexts = known_runs(Agent(provider.get_tracer("shop.agents")))
    assert eventually(lambda: server.value("trajectories_total"), 4.0) == 4.0
    judge(server, *zip(contexts, ("pass", "fail", "fail"), strict=True))
    assert eventually(lambda: server.value("judged_trajectories_total"), 3.0) == 3.0
    server = restart(server, tmp_path)

    def ask(path: str) -> dict:
        with urllib.request.urlopen(f"http://{server.metrics}/api/v1/trajectories{path}") as answer:
            return json.load(answer)

    (ignored,) = ask("?agent=planner&response=concluded")["trajectories"]
    assert (ignored["outcome"], ignored["task_passed"], ignored["silent_failure"]) == ("completed", False, False)
    assert [step["response"] for step in ignored["steps"] if step["response"]] == ["concluded"]
    assert ask(f"/{ignored['trajectory_id']}") == ignored
    assert len(ask("?outcome=completed")["trajectories"]) == 3
    assert len(ask("?limit=2")["trajectories"]) == 2
    assert [run["silent_failure"] for run in ask("")["trajectories"]].count(True) == 1
    assert server.stop() == 0
