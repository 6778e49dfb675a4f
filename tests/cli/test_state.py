"""A real `otelscore serve` with its state on disk: killed under load, it loses nothing and counts nothing twice."""

from __future__ import annotations

import json
import random
import threading
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import pytest
from live import QUICK, Agent, Server, eventually, judge, known_runs, start
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

ROUNDS = 40
BATCH = 7  # spans a request, so that a run comes in several
KILLS = 6


def spans_of(rounds: int) -> list[ReadableSpan]:
    """The spans of so many times the known runs: 4 runs, 19 spans, 15 steps, 3 of them failed."""
    memory = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "shop"}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    for _ in range(rounds):
        known_runs(Agent(provider.get_tracer("shop.agents")))
    return list(memory.get_finished_spans())


def send(target: str, batches: Sequence[Sequence[ReadableSpan]], sent: threading.Semaphore) -> None:
    """Sends each batch until it is acknowledged, as an exporter with patience does."""
    exporter = OTLPSpanExporter(target, insecure=True, timeout=5)
    for batch in batches:
        while exporter.export(batch) is not SpanExportResult.SUCCESS:
            pass
        sent.release()
    exporter.shutdown()


def restart(server: Server, folder: Path) -> Server:
    server.process.kill()
    server.process.wait()
    return start(*addresses(server), *QUICK, "--state", str(folder))


def addresses(server: Server) -> list[str]:
    return ["--grpc", server.grpc, "--http", server.http, "--metrics", server.metrics]


def counted(server: Server) -> dict[str, float | None]:
    return {
        "completed": server.value("trajectories_total", outcome="completed"),
        "failed": server.value("trajectories_total", outcome="failed"),
        "steps": server.value("steps_total"),
        "failed steps": server.value("steps_total", outcome="error"),
        "runs in the window": server.value("window_trajectories", window="24h"),
    }


def test_killed_under_load_it_counts_what_was_acknowledged_exactly_once(tmp_path):
    spans = spans_of(ROUNDS)
    batches = [spans[i : i + BATCH] for i in range(0, len(spans), BATCH)]
    server = start("--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--metrics", "127.0.0.1:0", *QUICK,
                   "--state", str(tmp_path))  # fmt: skip
    sent = threading.Semaphore(0)
    sender = threading.Thread(target=send, args=(server.grpc, batches, sent))
    sender.start()
    chance = random.Random(7)
    for _ in range(KILLS):
        for _ in range(chance.randrange(1, len(batches) // KILLS)):
            sent.acquire()
        server = restart(server, tmp_path)
    sender.join()
    wanted = {
        "completed": 3.0 * ROUNDS,
        "failed": 1.0 * ROUNDS,
        "steps": 15.0 * ROUNDS,
        "failed steps": 3.0 * ROUNDS,
        "runs in the window": 4.0 * ROUNDS,
    }
    assert eventually(lambda: counted(server), wanted) == wanted
    server = restart(server, tmp_path)
    assert counted(server) == wanted
    assert server.value("open_spans") == 0.0
    assert server.stop() == 0


def test_a_second_service_on_the_same_state_is_refused(tmp_path):
    free = ["--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--metrics", "127.0.0.1:0"]
    first = start(*free, "--state", str(tmp_path))
    with pytest.raises(AssertionError) as error:
        start(*free, "--state", str(tmp_path))
    assert f"in use by process {first.process.pid}" in str(error.value)
    assert "Traceback" not in str(error.value)
    assert first.stop() == 0


def test_a_damaged_state_is_set_aside_and_the_service_starts(tmp_path):
    (tmp_path / "state.db").write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 64)
    server = start("--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--metrics", "127.0.0.1:0",
                   "--state", str(tmp_path))  # fmt: skip
    assert any("damaged" in line for line in server.lines)
    assert list(tmp_path.glob("*damaged*"))
    assert server.stop() == 0


def test_the_runs_behind_a_figure_can_be_found_with_the_verdicts_that_came_later(tmp_path):
    server = start("--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--metrics", "127.0.0.1:0", *QUICK,
                   "--state", str(tmp_path))  # fmt: skip
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
