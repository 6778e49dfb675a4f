"""What the plan intends is what otelscore finds in the spans that the SDK exports."""

from __future__ import annotations

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otelscore.demo.agents import SIDE_EFFECTS
from otelscore.demo.plan import PlannedStep, plan
from otelscore.demo.traffic import Senders
from otelscore.dialects import Context, Registry
from otelscore.ingest.decode import Decoder
from otelscore.trajectory.builder import build


def test_every_step_response_and_outcome_is_found_as_planned() -> None:
    exported = InMemorySpanExporter()
    senders = Senders(
        lambda: SimpleSpanProcessor(exported), lambda: SimpleLogRecordProcessor(InMemoryLogRecordExporter())
    )
    decoder = Decoder(Registry(Context(b"0123456789abcdef")))
    for number, run in enumerate(plan(3, 300)):
        exported.clear()
        context = senders.send(run, 1_700_000_000_000_000_000)
        batch = decoder.traces(encode_spans(exported.get_finished_spans()).SerializeToString())
        (found,) = build(batch.spans, unsafe=lambda tool: tool in SIDE_EFFECTS).trajectories
        assert found.trace_id == context.trace_id.to_bytes(16, "big")
        assert (found.agent, found.origin.service) == (run.agent.name, run.agent.service)
        assert (number, found.outcome) == (number, run.outcome)
        steps = tuple(
            PlannedStep(step.kind, step.name, step.agent, step.failed, step.response, step.recovered)
            for step in found.steps
        )
        assert steps == run.steps, f"run {number}"
