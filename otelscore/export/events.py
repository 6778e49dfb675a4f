"""Scores as telemetry: one `gen_ai.evaluation.result` log event for each run, so that a backend shows it by its trace.

A run is told of when it is final, as counters count it then: once, and never differently again. The event carries the
ids of the run's trace and topmost span and the resource of the run's service, for these are what backends join on; only
its scope, `otelscore`, says who speaks, and whatever has that scope is never read back as a verdict. Best effort: what
the backend does not take in time is dropped and counted.

Source: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-events/#event-gen_aievaluationresult
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import structlog
from opentelemetry._logs import LogRecord
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpExporter
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from otelscore.export.backend import TIMEOUT, Backend
from otelscore.model import Score
from otelscore.scoring.families import Family, service_family

log = structlog.stdlib.get_logger(__name__)

NAME = "otelscore.step_success"
"""The `gen_ai.evaluation.name`: the value is the share of steps that did not fail, the label how the run ended."""

_ELSEWHERE = frozenset({"trace_id", "service", "started_at", "outcome", "implied_step_success_rate", "steps"})
"""Keys of a score that are no attribute of their own: the event says them otherwise, or they are too long."""

_QUEUE, _AT_ONCE = 10_000, 500  # events
_COMPLAINT = 60.0  # seconds between two log lines about the same trouble
RESULTS = ("sent", "failed", "dropped")


class Events:
    """Sends from `start` to `stop`, in a thread of its own."""

    def __init__(self, backend: Backend, version: str) -> None:
        self._exporter = _exporter(backend)
        self._endpoint = backend.url
        logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)  # it says each attempt; we say it once
        self._scope = InstrumentationScope("otelscore", version)
        self._queue: queue.Queue[Score | None] = queue.Queue(_QUEUE)
        self._results = Counter(dict.fromkeys(RESULTS, 0))
        self._complained = -_COMPLAINT
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="events", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, grace: float) -> None:
        """Sends what waits, for `grace` seconds at the most."""
        self._stopping.set()
        with suppress(queue.Full):
            self._queue.put_nowait(None)  # wakes the thread
        self._thread.join(grace)
        self._exporter.shutdown()  # type: ignore[no-untyped-call]

    def emit(self, scores: Iterable[Score]) -> None:
        """Takes the scores of runs that are final; never waits."""
        for score in scores:
            try:
                self._queue.put_nowait(score)
            except queue.Full:
                self._count("dropped", 1)

    def families(self) -> list[Family]:
        return [service_family("score_events_total", {(result,): n for result, n in self._results.items()})]

    def _work(self) -> None:
        while not (self._stopping.is_set() and self._queue.empty()):
            scores = [self._queue.get()]
            while len(scores) < _AT_ONCE and not self._queue.empty():
                scores.append(self._queue.get())
            batch = [event_of(score, self._scope) for score in scores if score is not None]
            if batch:
                self._count("sent" if self._send(batch) else "failed", len(batch))

    def _send(self, batch: list[ReadableLogRecord]) -> bool:
        try:
            return self._exporter.export(batch) is LogRecordExportResult.SUCCESS
        except Exception:  # whatever is wrong with one batch, the next may fare better
            return False

    def _count(self, result: str, count: int) -> None:
        self._results[result] += count
        now = time.monotonic()
        if result != "sent" and now - self._complained >= _COMPLAINT:
            self._complained = now
            log.warning(
                "scores could not be sent as events and are dropped",
                endpoint=self._endpoint,
                events=count,
                total=self._results[result],
            )


def event_of(score: Score, scope: InstrumentationScope) -> ReadableLogRecord:
    """The event about one run."""
    trace_id, _, span_id = score.trajectory_id.partition(":")
    context = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(0))
    facts: dict[str, Any] = {
        "gen_ai.evaluation.name": NAME,
        "gen_ai.evaluation.score.value": score.implied_step_success_rate,
        "gen_ai.evaluation.score.label": score.outcome,
        **{f"otelscore.{key}": getattr(score, key) for key in score.__slots__ if key not in _ELSEWHERE},
    }
    attributes = {key: value for key, value in facts.items() if value not in (None, "")}
    return ReadableLogRecord(
        LogRecord(
            timestamp=score.started_at + round(score.duration_seconds * 1e9),
            observed_timestamp=time.time_ns(),
            context=set_span_in_context(NonRecordingSpan(context), Context()),
            event_name="gen_ai.evaluation.result",
            attributes=attributes,
        ),
        Resource({"service.name": score.service}),
        scope,
    )


def _exporter(backend: Backend) -> LogRecordExporter:
    headers = dict(backend.headers)
    if backend.is_grpc:
        return GrpcExporter(
            backend.target,
            insecure=not backend.is_encrypted,
            credentials=backend.credentials() if backend.is_encrypted else None,
            headers=tuple((name.lower(), value) for name, value in headers.items()),
            timeout=TIMEOUT,
        )
    return HttpExporter(
        backend.url_of("logs"),
        certificate_file=backend.ca_file or None,
        client_key_file=backend.key_file or None,
        client_certificate_file=backend.cert_file or None,
        headers=headers,
        timeout=TIMEOUT,
    )
