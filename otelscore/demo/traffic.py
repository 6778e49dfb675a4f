"""Sends the demo's runs to a server, with the OpenTelemetry SDK and its OTLP exporter as any agent would."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable

import grpc
from opentelemetry._logs import SeverityNumber
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, Status, StatusCode, set_span_in_context

from otelscore.demo import plan
from otelscore.demo.agents import AGENTS, Agent, Ending, Fault
from otelscore.demo.plan import Call, Run, Turn
from otelscore.demo.wire import CONVENTIONS, Written

_CRASH = Fault("AgentStoppedError", "the run was stopped")
PATIENCE = 5.0  # seconds that a server may take to answer at first
_REPORT_EVERY = 10  # runs


class NoServerError(RuntimeError):
    """Nothing that speaks gRPC answers at the endpoint."""


def run_demo(
    endpoint: str,
    rate: float,
    seed: int,
    stop: threading.Event,
    runs: int | None = None,
    report: Callable[[str], None] = print,
) -> None:
    """Sends runs until `stop` is set, or until `runs` of them and all their verdicts are sent.

    Verdicts that are not due when it is stopped are never sent.

    Args:
        endpoint: of an OTLP/gRPC server, as host:port.
        rate: runs a minute.
        report: takes a line now and then that says what was sent.

    Raises:
        NoServerError: before anything is sent.
    """
    with grpc.insecure_channel(endpoint) as channel:
        try:
            grpc.channel_ready_future(channel).result(PATIENCE)
        except grpc.FutureTimeoutError:
            raise NoServerError(f"no OTLP/gRPC server at {endpoint}; start one with `otelscore serve`") from None
    senders = Senders(
        lambda: BatchSpanProcessor(
            OTLPSpanExporter(endpoint, insecure=True), max_queue_size=2**15, schedule_delay_millis=500
        ),
        lambda: BatchLogRecordProcessor(OTLPLogExporter(endpoint, insecure=True), schedule_delay_millis=500),
    )
    try:
        _send(senders, rate, seed, stop, runs, report)
    finally:
        senders.close()


def _send(
    senders: Senders, rate: float, seed: int, stop: threading.Event, runs: int | None, report: Callable[[str], None]
) -> None:
    waiting: list[tuple[float, int, Run, SpanContext]] = []  # verdicts, the next one first
    tally = _Tally()
    next_run = time.monotonic()
    for number, run in enumerate(itertools.islice(plan.runs(seed), runs)):
        context = senders.send(run, time.time_ns())
        tally.add(run)
        if run.passed is not None:
            heapq.heappush(waiting, (time.monotonic() + run.verdict_delay, number, run, context))
        if tally.runs % _REPORT_EVERY == 0:
            report(str(tally))
        next_run += 60 / rate
        while not stop.is_set() and (pause := next_run - time.monotonic()) > 0:
            _judge_due(senders, waiting)
            stop.wait(min(pause, 1))
        if stop.is_set():
            break
    while waiting and not stop.wait(1):
        _judge_due(senders, waiting)
    report(str(tally))


def _judge_due(senders: Senders, waiting: list[tuple[float, int, Run, SpanContext]]) -> None:
    while waiting and waiting[0][0] <= time.monotonic():
        _, _, run, context = heapq.heappop(waiting)
        senders.judge(run, context, time.time_ns())


class _Tally:
    """What was sent, as intended."""

    def __init__(self) -> None:
        self.runs = 0
        self._steps = 0
        self._failed: Counter[str] = Counter()

    def add(self, run: Run) -> None:
        self.runs += 1
        self._steps += len(run.steps)
        self._failed.update(step.response or "never answered" for step in run.steps if step.failed)

    def __str__(self) -> str:
        kinds = ", ".join(f"{count} {response}" for response, count in self._failed.most_common())
        return f"sent {self.runs} runs, {self._steps} steps, {self._failed.total()} failed" + (
            f": {kinds}" if kinds else ""
        )


class Senders:
    """One tracer and one logger for every service, each with a processor of its own."""

    def __init__(
        self, span_processor: Callable[[], SpanProcessor], log_processor: Callable[[], LogRecordProcessor]
    ) -> None:
        self._tracing: dict[str, TracerProvider] = {}
        self._logging: dict[str, LoggerProvider] = {}
        self._ids = itertools.count(1)
        for agent in AGENTS:
            resource = Resource({"service.name": agent.service, "service.version": agent.version})
            self._tracing[agent.service] = TracerProvider(ALWAYS_ON, resource, shutdown_on_exit=False)
            self._tracing[agent.service].add_span_processor(span_processor())
            self._logging[agent.service] = LoggerProvider(resource, shutdown_on_exit=False)
            self._logging[agent.service].add_log_record_processor(log_processor())

    def close(self) -> None:
        """Sends what is left."""
        for tracing in self._tracing.values():
            tracing.shutdown()
        for logging in self._logging.values():
            logging.shutdown()

    def send(self, run: Run, end: int) -> SpanContext:
        """All spans of a run that ends at `end`, in Unix nanoseconds; gives the context of its agent span."""
        start = end - _nanoseconds(plan.seconds(run.turns))
        return self._agent(run.agent, run.turns, run.ending, Context(), start).get_span_context()

    def judge(self, run: Run, context: SpanContext, now: int) -> None:
        """The verdict on a run, as an evaluation event on its agent span."""
        self._logging[run.agent.service].get_logger("acme.evaluator").emit(
            timestamp=now,
            context=set_span_in_context(NonRecordingSpan(context), Context()),
            severity_number=SeverityNumber.INFO,
            event_name="gen_ai.evaluation.result",
            attributes={
                "gen_ai.evaluation.name": "task_success",
                "gen_ai.evaluation.score.label": "pass" if run.passed else "fail",
            },
        )

    def _agent(self, agent: Agent, turns: tuple[Turn, ...], ending: Ending, parent: Context, start: int) -> Span:
        session = f"conversation-{next(self._ids)}"
        span = self._start(agent, CONVENTIONS[agent.dialect].agent(agent, session), parent, start)
        now = start
        for turn in turns:
            self._turn(agent, turn, set_span_in_context(span, parent), now)
            now += _nanoseconds(plan.turn_seconds(turn))
        if ending is not Ending.KILLED:
            _end(span, now, _CRASH if ending is Ending.CRASHED else None)
        return span

    def _turn(self, agent: Agent, turn: Turn, parent: Context, start: int) -> None:
        ids = [f"call_{next(self._ids)}" for _ in turn.calls]
        span = self._start(agent, CONVENTIONS[agent.dialect].model(agent, turn, ids), parent, start)
        _end(span, start + _nanoseconds(turn.seconds), turn.fault)
        for call, call_id, begin in zip(turn.calls, ids, plan.starts(turn), strict=True):
            self._call(agent, call, call_id, parent, start + _nanoseconds(begin))

    def _call(self, agent: Agent, call: Call, call_id: str, parent: Context, start: int) -> None:
        span = self._start(agent, CONVENTIONS[agent.dialect].tool(agent, call, call_id), parent, start)
        if call.helper:
            self._agent(call.helper, call.helper_turns, Ending.ANSWERED, set_span_in_context(span, parent), start)
        _end(span, start + _nanoseconds(call.seconds), call.fault)

    def _start(self, agent: Agent, written: Written, parent: Context, start: int) -> Span:
        tracer = self._tracing[agent.service].get_tracer(CONVENTIONS[agent.dialect].scope, agent.version)
        return tracer.start_span(written.name, parent, written.kind, written.attributes, start_time=start)


def _end(span: Span, end: int, fault: Fault | None) -> None:
    if fault and fault.error_type:
        attributes = {"exception.type": fault.error_type, "exception.message": fault.message}
        span.add_event("exception", attributes, timestamp=end)
        span.set_attribute("error.type", fault.error_type)
        span.set_status(Status(StatusCode.ERROR, fault.message))
    span.end(end)


def _nanoseconds(duration: float) -> int:
    return int(duration * 1e9)
