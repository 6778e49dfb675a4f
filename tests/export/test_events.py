"""A score becomes a log event that a backend can put beside the trace, and nobody waits for that backend."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from live import eventually
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs
from sink import GrpcSink, HttpSink, Sink
from support import agent, model, run, tool

from otelscore.export.backend import Backend
from otelscore.export.events import Events
from otelscore.scoring.score import score_trajectory

SCORE = score_trajectory(
    run(agent("planner", 0, 10, model(1, 2), tool("search", 3, 4, error="TimeoutError"), model(5, 6), id="top"))
)


@pytest.fixture(params=[HttpSink, GrpcSink])
def sink(request: pytest.FixtureRequest) -> Iterator[Sink]:
    sink = request.param().start()
    yield sink
    sink.stop()


def started(sink: Sink) -> Events:
    protocol = "grpc" if isinstance(sink, GrpcSink) else "http/protobuf"
    events = Events(Backend(sink.url, protocol, headers=(("X-Key", "secret"),)), "1.2.3")
    events.start()
    return events


def records(sink: Sink) -> list[tuple[ResourceLogs, LogRecord]]:
    requests = map(ExportLogsServiceRequest.FromString, sink.bodies("logs"))
    return [
        (of_resource, record)
        for request in requests
        for of_resource in request.resource_logs
        for of_scope in of_resource.scope_logs
        for record in of_scope.log_records
    ]


def plain(attributes: Any) -> dict[str, object]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


def results(events: Events) -> dict[str, float]:
    (family,) = events.families()
    return {sample.labels[0]: sample.value for sample in family.samples}


def test_an_event_says_what_the_score_says_at_the_topmost_span(sink: Sink) -> None:
    events = started(sink)
    events.emit([SCORE])
    assert eventually(lambda: len(records(sink)), 1) == 1
    ((of_resource, record),) = records(sink)
    assert plain(of_resource.resource.attributes) == {"service.name": "shop"}
    assert (of_resource.scope_logs[0].scope.name, of_resource.scope_logs[0].scope.version) == ("otelscore", "1.2.3")
    assert f"{record.trace_id.hex()}:{record.span_id.hex()}" == SCORE.trajectory_id
    assert record.event_name == "gen_ai.evaluation.result"
    assert record.time_unix_nano == 10 * 10**9  # the end of the run
    said = plain(record.attributes)
    assert said.pop("gen_ai.evaluation.score.value") == pytest.approx(2 / 3)
    assert said.pop("otelscore.tool_error_rate") == pytest.approx(1 / 3)
    assert said == {
        "gen_ai.evaluation.name": "otelscore.step_success",
        "gen_ai.evaluation.score.label": "completed",
        "otelscore.trajectory_id": SCORE.trajectory_id,
        "otelscore.agent": "planner",
        "otelscore.model": "gpt",
        "otelscore.duration_seconds": 10.0,
        "otelscore.trajectory_length": 3,
        "otelscore.tool_errors": 1,
        "otelscore.recovery_rate": 0.0,
        "otelscore.resolution_rate": 0.0,
        "otelscore.hard_failure": False,
    }  # no task_passed, no silent_failure: there is no verdict
    assert eventually(lambda: results(events)["sent"], 1.0) == 1.0
    assert sink.got[0].headers["x-key"] == "secret"
    events.stop(1)


def test_what_waits_at_a_stop_is_sent(sink: Sink) -> None:
    events = started(sink)
    events.emit([SCORE] * 1200)
    events.stop(60)
    assert len(records(sink)) == 1200


def test_a_hanging_backend_holds_up_nobody_and_what_is_too_much_is_counted(sink: Sink) -> None:
    sink.let_go.clear()
    events = started(sink)
    begin = time.monotonic()
    events.emit([SCORE] * 11_000)
    events.stop(0.2)
    assert time.monotonic() - begin < 5
    assert 500 <= results(events)["dropped"] <= 1000  # the queue holds 10,000, and up to 500 are under way


def test_what_the_backend_refuses_is_counted(sink: Sink) -> None:
    refusal = grpc.StatusCode.INVALID_ARGUMENT if isinstance(sink, GrpcSink) else 400
    sink.answers.append((refusal, {}))
    events = started(sink)
    events.emit([SCORE])
    assert eventually(lambda: results(events)["failed"], 1.0) == 1.0
    events.emit([SCORE])
    assert eventually(lambda: results(events)["sent"], 1.0) == 1.0
    events.stop(1)
