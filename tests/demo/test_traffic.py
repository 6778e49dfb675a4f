from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext, StatusCode

from otelscore.demo.agents import FAULTS, Ending
from otelscore.demo.plan import Run, plan
from otelscore.demo.traffic import NoServerError, Senders, run_demo
from otelscore.model import Kind, Outcome

END = 1_700_000_000_000_000_000


@dataclass
class Sent:
    """What the senders made of one run."""

    run: Run
    context: SpanContext
    spans: list[ReadableSpan]
    logs: list[Any]

    def named(self, attribute: str) -> list[ReadableSpan]:
        return [span for span in self.spans if attribute in (span.attributes or {})]


def send(run: Run) -> Sent:
    spans, logs = InMemorySpanExporter(), InMemoryLogRecordExporter()
    senders = Senders(lambda: SimpleSpanProcessor(spans), lambda: SimpleLogRecordProcessor(logs))
    context = senders.send(run, END)
    if run.passed is not None:
        senders.judge(run, context, END + 10**10)
    return Sent(run, context, list(spans.get_finished_spans()), list(logs.get_finished_logs()))


@pytest.fixture(scope="module")
def sent() -> list[Sent]:
    return [send(run) for run in plan(2, 150)]


def test_every_run_is_one_trace_that_ends_at_the_given_time(sent: list[Sent]) -> None:
    for one in sent:
        assert {span.context.trace_id for span in one.spans if span.context} == {one.context.trace_id}
        if one.run.ending is not Ending.KILLED:
            assert max(span.end_time or 0 for span in one.spans) == pytest.approx(END, abs=1e6)
        for span in one.spans:
            assert (span.start_time or 0) <= (span.end_time or 0)


def test_every_planned_step_is_a_span_and_failed_steps_show_it(sent: list[Sent]) -> None:
    soft = [fault.result for fault in FAULTS.values() if fault.result]
    for one in sent:
        agents = [s for s in one.spans if s.name.startswith("invoke_agent") or s.name == one.run.agent.name]
        delegations = [s for s in one.spans if "ask_" in s.name]
        steps = [s for s in one.spans if s not in agents and s not in delegations]
        assert len(steps) == len(one.run.steps)
        shown = [
            s
            for s in steps
            if s.status.status_code is StatusCode.ERROR
            or any(value in soft for value in (s.attributes or {}).values() if isinstance(value, str))
        ]
        assert len(shown) == sum(step.failed for step in one.run.steps)


def test_a_crashed_agent_span_has_an_error_and_a_killed_one_never_comes(sent: list[Sent]) -> None:
    for one in sent:
        top = [span for span in one.spans if span.context and span.context.span_id == one.context.span_id]
        if one.run.outcome is Outcome.INCOMPLETE:
            assert top == []
        else:
            assert (top[0].status.status_code is StatusCode.ERROR) == (one.run.outcome is Outcome.FAILED)
    assert {one.run.outcome for one in sent} == set(Outcome)


def test_services_have_resources_and_conventions_of_their_own(sent: list[Sent]) -> None:
    for one in sent:
        for span in one.spans:
            assert dict(span.resource.attributes) == {
                "service.name": one.run.agent.service,
                "service.version": one.run.agent.version,
            }
            convention = (
                "openinference.span.kind" if one.run.agent.dialect == "openinference" else "gen_ai.operation.name"
            )
            assert convention in (span.attributes or {})
            assert span.instrumentation_scope is not None
            assert not span.instrumentation_scope.name.startswith("otelscore"), "its own spans are ignored"
    assert {one.run.agent.dialect for one in sent} == {"openinference", "genai"}


def test_models_ask_for_the_calls_that_are_made_with_the_same_arguments(sent: list[Sent]) -> None:
    for one in sent:
        asked: dict[str, str] = {}
        for span in one.named("gen_ai.output.messages"):
            message = json.loads(str((span.attributes or {})["gen_ai.output.messages"]))[0]
            asked |= {part["id"]: part["arguments"] for part in message["parts"] if part["type"] == "tool_call"}
        made = one.named("gen_ai.tool.call.id")
        for span in made:
            attributes = span.attributes or {}
            arguments = json.loads(str(attributes["gen_ai.tool.call.arguments"]))
            assert asked[str(attributes["gen_ai.tool.call.id"])] == arguments
        assert len(asked) - len(made) == sum(step.kind is Kind.RETRIEVAL for step in one.run.steps)


def test_a_verdict_is_an_evaluation_event_on_the_agent_span(sent: list[Sent]) -> None:
    for one in sent:
        assert len(one.logs) == (one.run.passed is not None)
        for log in one.logs:
            record = log.log_record
            assert record.event_name == "gen_ai.evaluation.result"
            assert (record.trace_id, record.span_id) == (one.context.trace_id, one.context.span_id)
            assert record.timestamp > END
            assert record.attributes["gen_ai.evaluation.score.label"] == ("pass" if one.run.passed else "fail")


@dataclass
class Server:
    """An OTLP server that keeps what it got."""

    endpoint: str = ""
    traces: set[bytes] = field(default_factory=set)
    verdicts: set[bytes] = field(default_factory=set)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def await_traces_and_a_verdict(self, n: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.traces) >= n and self.verdicts, timeout=30)


@pytest.fixture
def server() -> Iterator[Server]:
    kept = Server()

    class Traces(trace_service_pb2_grpc.TraceServiceServicer):
        def Export(self, request: Any, context: Any) -> Any:  # noqa: N802
            spans = [span for r in request.resource_spans for s in r.scope_spans for span in s.spans]
            with kept.changed:
                kept.traces.update(span.trace_id for span in spans)
                kept.changed.notify_all()
            return trace_service_pb2.ExportTraceServiceResponse()

    class Logs(logs_service_pb2_grpc.LogsServiceServicer):
        def Export(self, request: Any, context: Any) -> Any:  # noqa: N802
            records = [log for r in request.resource_logs for s in r.scope_logs for log in s.log_records]
            with kept.changed:
                kept.verdicts.update(record.trace_id for record in records)
                kept.changed.notify_all()
            return logs_service_pb2.ExportLogsServiceResponse()

    with ThreadPoolExecutor(4) as pool:
        server = grpc.server(pool)
        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Traces(), server)
        logs_service_pb2_grpc.add_LogsServiceServicer_to_server(Logs(), server)
        kept.endpoint = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        yield kept
        server.stop(None).wait()


def test_it_sends_until_it_is_stopped_and_says_what_it_sent(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otelscore.demo.plan.VERDICT_DELAYS", (0.0, 0.01))
    stop, lines = threading.Event(), list[str]()
    demo = threading.Thread(target=run_demo, args=(server.endpoint, 6000, 1, stop), kwargs={"report": lines.append})
    demo.start()
    try:
        server.await_traces_and_a_verdict(12)
    finally:
        stop.set()
        demo.join(30)
    assert not demo.is_alive()
    assert lines[0].startswith("sent 10 runs, ")
    assert lines[-1].startswith(f"sent {len(server.traces)} runs, ")


def test_it_stops_after_some_runs_and_all_their_verdicts(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otelscore.demo.plan.VERDICT_DELAYS", (0.0, 0.01))
    lines: list[str] = []
    run_demo(server.endpoint, 60_000, 1, threading.Event(), runs=8, report=lines.append)
    assert len(server.traces) == 8
    assert len(server.verdicts) == sum(run.passed is not None for run in plan(1, 8))
    assert [line.split(",")[0] for line in lines] == ["sent 8 runs"]


def test_without_a_server_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otelscore.demo.traffic.PATIENCE", 0.1)
    with pytest.raises(NoServerError, match=r"no OTLP/gRPC server at 127\.0\.0\.1:1"):
        run_demo("127.0.0.1:1", 60, 1, threading.Event())
