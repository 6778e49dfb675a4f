"""The doctor's test runs, and the real OpenTelemetry exporter that sends them."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Status, StatusCode, Tracer

from otelscore import __version__
from otelscore.checkup.probe import PATIENCE, Endpoint
from otelscore.model import DOCTOR_SERVICE

RUNS = {"ok": 10, "error": 10}
"""Runs without and with a failed step: enough that no sampler lets all of either through by chance."""

SPANS = 3 * sum(RUNS.values())
"""An agent, a tool and a model in each."""

DIALECT = "genai"
"""As which otelscore reads them."""

SCOPE = DOCTOR_SERVICE  # not below `otelscore.`, which is never read


def make_runs() -> Sequence[ReadableSpan]:
    """All spans of RUNS, in OpenTelemetry's GenAI conventions. None where OTEL_SDK_DISABLED is set."""
    memory = InMemorySpanExporter()
    provider = TracerProvider(ALWAYS_ON, Resource({"service.name": DOCTOR_SERVICE}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracer = provider.get_tracer(SCOPE, __version__)
    for outcome, count in RUNS.items():
        for _ in range(count):
            _run(tracer, outcome)
    return memory.get_finished_spans()


def _run(tracer: Tracer, outcome: str) -> None:
    agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "doctor"}
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "thermometer"}
    with tracer.start_as_current_span("invoke_agent doctor", attributes=agent):
        with tracer.start_as_current_span("execute_tool thermometer", attributes=tool) as span:
            if outcome == "error":
                span.set_attribute("error.type", "BrokenThermometer")
                span.set_status(Status(StatusCode.ERROR, "a test"))
        with tracer.start_as_current_span("chat none", attributes={"gen_ai.operation.name": "chat"}):
            pass


def send(spans: Sequence[ReadableSpan], endpoint: Endpoint) -> str | None:
    """Sends spans as agents do, with headers and certificates of the environment, and gives up soon.

    None where they were accepted, else what the exporter said about it.
    """
    said = _Words()
    loggers = [logging.getLogger(name) for name in ("opentelemetry.exporter.otlp", "opentelemetry.instrumentation")]
    for logger in loggers:
        logger.addHandler(said)
        logger.propagate = False
    exporter = _exporter(endpoint)
    try:
        result = exporter.export(spans)
    finally:
        exporter.shutdown()
        for logger in loggers:
            logger.removeHandler(said)
            logger.propagate = True
    return None if result is SpanExportResult.SUCCESS else "; ".join(said.lines)


def _exporter(endpoint: Endpoint) -> SpanExporter:
    if endpoint.grpc:
        return GrpcExporter(endpoint.url, insecure=not endpoint.tls, timeout=PATIENCE)
    return HttpExporter(endpoint.url, timeout=PATIENCE)


class _Words(logging.Handler):
    """Exporters tell only their logger why they failed."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
