"""A real `otelscore serve` and the real OpenTelemetry SDK, for tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.trace import NonRecordingSpan, SpanContext, Status, StatusCode, Tracer, set_span_in_context
from prometheus_client.parser import text_string_to_metric_families

T = TypeVar("T")

PATIENCE = 60.0  # seconds after which a condition will not come any more
FREE = ["--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--metrics", "127.0.0.1:0"]
QUICK = ["--root-grace", "300ms", "--late-window", "300ms"]


@dataclass
class Server:
    process: subprocess.Popen[str]
    grpc: str
    http: str
    metrics: str
    lines: list[str]

    def scrape(self, timeout: float = PATIENCE) -> dict[str, dict[frozenset[tuple[str, str]], float]]:
        """Metric name -> labels -> value."""
        with urllib.request.urlopen(f"http://{self.metrics}/metrics", timeout=timeout) as answer:
            text = answer.read().decode()
        found: dict[str, dict[frozenset[tuple[str, str]], float]] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found.setdefault(sample.name, {})[frozenset(sample.labels.items())] = sample.value
        return found

    def value(self, name: str, **labels: str) -> float | None:
        """The one sample that has all these labels; the sum where several have, None where none has."""
        series = self.scrape().get(f"otelscore_{name}", {})
        values = [value for key, value in series.items() if labels.items() <= dict(key).items()]
        return sum(values) if values else None

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


def start(*args: str, env: dict[str, str] | None = None, under: Sequence[str] = ()) -> Server:
    """`under`: a command that starts the one that follows it."""
    process = subprocess.Popen(
        [*under, sys.executable, "-m", "otelscore", "serve", *args],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OTELSCORE_LOG_FORMAT": "json", "OTELSCORE_STATE": "none", **(env or {})},
    )
    assert process.stderr
    lines: list[str] = []
    for line in process.stderr:
        lines.append(line)
        if '"listening"' in line:
            said = json.loads(line)
            drain = threading.Thread(target=lambda: lines.extend(process.stderr), daemon=True)
            drain.start()
            return Server(process, said["grpc"], said["http"], said["metrics"], lines)
    raise AssertionError("".join(lines))


def eventually(ask: Callable[[], T], wanted: T) -> T:
    """Asks until the answer is the wanted one, or for good."""
    until = time.monotonic() + PATIENCE
    pause = threading.Event()
    while (answer := ask()) != wanted and time.monotonic() < until:
        pause.wait(0.05)
    return answer


def span_exporter(server: Server, protocol: str) -> SpanExporter:
    if protocol == "grpc":
        return GrpcExporter(server.grpc, insecure=True)
    return HttpExporter(f"http://{server.http}/v1/traces")


class Agent:
    """A travel agent that writes OTel GenAI spans."""

    def __init__(self, tracer: Tracer, name: str = "planner") -> None:
        self.tracer = tracer
        self.name = name

    def run(self, *steps: Callable[[], None], crash: str = "") -> SpanContext:
        attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": self.name}
        with self.tracer.start_as_current_span(f"invoke_agent {self.name}", attributes=attributes) as span:
            for step in steps:
                step()
            if crash:
                span.record_exception(RuntimeError(crash))
                span.set_status(Status(StatusCode.ERROR, crash))
            return span.get_span_context()

    def chat(self, text: str = "", *calls: str, call: str = "", error: str = "") -> Callable[[], None]:
        parts = [{"type": "text", "content": text}] if text else []
        parts += [
            {"type": "tool_call", "id": one, "name": "flights", "arguments": {"to": "NYC"}}
            for one in filter(None, (*calls, call))
        ]
        output = json.dumps([{"role": "assistant", "parts": parts}])
        attributes = {
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "gpt-5",
            "gen_ai.output.messages": output,
        }
        return lambda: self._step("chat gpt-5", attributes, error)

    def tool(self, call: str, result: str = "", error: str = "") -> Callable[[], None]:
        attributes = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "flights",
            "gen_ai.tool.call.id": call,
            "gen_ai.tool.call.arguments": '{"to": "NYC"}',
        }
        if result:
            attributes["gen_ai.tool.call.result"] = result
        return lambda: self._step("execute_tool flights", attributes, error)

    def _step(self, name: str, attributes: dict[str, str], error: str) -> None:
        with self.tracer.start_as_current_span(name, attributes=attributes) as span:
            if error:
                span.record_exception(TimeoutError(error))
                span.set_status(Status(StatusCode.ERROR, error))


def known_runs(agent: Agent) -> tuple[SpanContext, SpanContext, SpanContext]:
    """Four runs, 15 steps, 3 of them failed; the contexts of those that get a verdict."""
    recovers = agent.run(
        agent.chat(call="1"),
        agent.tool("1", error="timed out"),
        agent.chat(call="2"),
        agent.tool("2", result='{"flights": 3}'),
        agent.chat(call="3"),
        agent.tool("3", result='{"booked": true}'),
        agent.chat(text="Booked."),
    )
    ignores = agent.run(
        agent.chat(call="4"), agent.tool("4", result='{"error": "no seats"}'), agent.chat(text="All done!")
    )
    clean = agent.run(agent.chat(call="5"), agent.tool("5", result='{"flights": 1}'), agent.chat(text="Booked it."))
    agent.run(agent.chat(call="6"), agent.chat(error="model is gone"), crash="model is gone")
    return recovers, ignores, clean


def judge(server: Server, *verdicts: tuple[SpanContext, str]) -> None:
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(server.grpc, insecure=True)))
    logger = provider.get_logger("evaluator")
    for context, label in verdicts:
        logger.emit(
            context=set_span_in_context(NonRecordingSpan(context), Context()),
            timestamp=time.time_ns(),
            event_name="gen_ai.evaluation.result",
            attributes={"gen_ai.evaluation.name": "task_success", "gen_ai.evaluation.score.label": label},
        )
    provider.shutdown()
