"""The agent runs that the servers under test are sent: the same seed gives the same runs, ids and times.

Every duration is a whole number of quarter seconds, so that sums of them are the same in any order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random

from live import Agent
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import Span, Tracer, use_span

QUARTER = 250_000_000  # nanoseconds
BEGIN = 1_800_000_000 * 10**9
AGENTS = ("planner", "clerk", "critic")
SIDE_BY_SIDE = 3  # runs whose spans come mixed

Batch = tuple[ReadableSpan, ...]


@dataclass(frozen=True)
class Verdict:
    trace_id: int
    passed: bool
    time: int  # Unix nanoseconds


class Script:
    """Writes runs one after another: fine ones, recovered, ignored and fatal errors, helpers, lost agent spans."""

    def __init__(self, seed: int, service: str = "shop") -> None:
        self._chance = Random(seed)
        self._memory = InMemorySpanExporter()
        provider = TracerProvider(
            resource=Resource({"service.name": service}), id_generator=_Ids(Random(seed)), shutdown_on_exit=False
        )
        provider.add_span_processor(SimpleSpanProcessor(self._memory))
        tracer = _Tracer(provider.get_tracer("faults.script"))
        self._agents = [Agent(tracer, name) for name in AGENTS]  # type: ignore[arg-type]  # all that an Agent uses

    def run(self) -> Batch:
        """The spans of one run, as they ended: what is below a span comes before it."""
        self._memory.clear()
        chance, agent = self._chance, self._chance.choice(self._agents)
        steps = [step for _ in range(chance.randrange(1, 5)) for step in self._turn(agent)]
        if chance.random() < 0.2:
            helper = chance.choice(self._agents)
            steps.insert(chance.randrange(len(steps)), lambda: _run(helper, *self._turn(helper), helper.chat("Done.")))
        fatal = chance.random() < 0.15
        last = agent.chat(error="model is gone") if fatal else agent.chat("Booked.")
        agent.run(*steps, last, crash="model is gone" if fatal else "")
        return tuple(self._memory.get_finished_spans())

    def large(self) -> Batch:
        """A model's span that asks for so many calls that it takes most of a megabyte; its agent's span never comes."""
        self._memory.clear()
        agent = self._agents[0]
        agent.run(agent.chat("", *(self._chance.randbytes(100).hex() for _ in range(3000))))
        return tuple(self._memory.get_finished_spans())[:-1]

    def stream(self, runs: int) -> list[Batch]:
        """Requests of 1 to 9 spans that hold parts of several runs; of some runs the agent's span never comes."""
        batches: list[Batch] = []
        waiting: list[ReadableSpan] = []
        under_way: list[list[ReadableSpan]] = []
        while runs or under_way:
            while runs and len(under_way) < SIDE_BY_SIDE:
                spans = list(self.run())
                under_way.append(spans[:-1] if self._chance.random() < 0.1 else spans)
                runs -= 1
            one = self._chance.choice(under_way)
            waiting.append(one.pop(0))
            if not one:
                under_way.remove(one)
            if len(waiting) >= self._chance.randrange(1, 10):
                batches.append(tuple(waiting))
                waiting = []
        return [*batches, tuple(waiting)] if waiting else batches

    def verdicts(self, batches: list[Batch]) -> list[Verdict]:
        """One about every second trace."""
        ends: dict[int, int] = {}
        for span in (span for batch in batches for span in batch):
            context = span.get_span_context()
            assert context
            assert span.end_time
            ends[context.trace_id] = max(ends.get(context.trace_id, 0), span.end_time)
        judged = [trace_id for trace_id in ends if self._chance.random() < 0.5]
        return [Verdict(one, self._chance.random() < 0.7, ends[one] + 4 * QUARTER) for one in judged]

    def _turn(self, agent: Agent) -> list[Callable[[], None]]:
        call = f"call-{self._chance.randrange(10**9)}"
        answer: Mapping[str, str] = self._chance.choice(
            ({"result": '{"flights": 3}'}, {"result": '{"flights": 1}'}, {"result": '{"error": "no seats"}'},
             {"error": "timed out"})
        )  # fmt: skip
        return [agent.chat(call=call), agent.tool(call, **answer)]


def _run(agent: Agent, *steps: Callable[[], None]) -> None:
    agent.run(*steps)


def traces_body(batch: Batch) -> bytes:
    """An OTLP request with these spans."""
    return encode_spans(batch).SerializeToString()


def verdict_body(verdict: Verdict) -> bytes:
    """An OTLP request with this evaluation."""
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add(
        time_unix_nano=verdict.time,
        event_name="gen_ai.evaluation.result",
        trace_id=verdict.trace_id.to_bytes(16, "big"),
    )  # fmt: skip
    facts = {
        "gen_ai.evaluation.name": "task_success",
        "gen_ai.evaluation.score.label": "pass" if verdict.passed else "fail",
    }
    record.attributes.extend(KeyValue(key=key, value=AnyValue(string_value=text)) for key, text in facts.items())
    return request.SerializeToString()


def top_of(batch: Batch) -> str:
    """The trajectory id of a batch that is one whole run."""
    context = batch[-1].get_span_context()
    assert context
    return f"{context.trace_id:032x}:{context.span_id:016x}"


class _Ids(IdGenerator):
    def __init__(self, chance: Random) -> None:
        self._chance = chance

    def generate_span_id(self) -> int:
        return self._chance.randrange(1, 1 << 64)

    def generate_trace_id(self) -> int:
        return self._chance.randrange(1, 1 << 128)


class _Tracer:
    """A tracer on whose clock a quarter of a second passes with every start and end of a span."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._now = BEGIN

    @contextmanager
    def start_as_current_span(self, name: str, attributes: Mapping[str, str]) -> Iterator[Span]:
        span = self._tracer.start_span(name, attributes=attributes, start_time=self._tick())
        with use_span(span):
            yield span
        span.end(self._tick())

    def _tick(self) -> int:
        self._now += QUARTER
        return self._now
