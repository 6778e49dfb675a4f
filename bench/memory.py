"""Bytes of memory that each thing otelscore holds takes, as a markdown table.

    python bench/memory.py

Realistic runs of 20 spans (`payloads.py`, profile `content`) go the real way through decoder and pipeline with a
simulated clock. Each figure is what Python has allocated more, or less, after a thing came or went (tracemalloc), over
how many came or went; what the allocator adds to that is the difference to the resident memory of `bench/day.py`.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from payloads import requests

from otelscore.config import Config
from otelscore.model import Batch, Verdict
from otelscore.pipeline import Pipeline
from otelscore.service import make_decoder, make_reader

REQUESTS = 300  # of 10 runs of 20 spans
RUNS, SPANS = 10 * REQUESTS, 200 * REQUESTS
VERDICTS = 20_000
HOUR, DAY = 3600.0, 86_400.0

CONFIG = Config(windows=(300.0, DAY), dedupe_window=2 * DAY, verdict_window=3 * DAY, limits_label_values=RUNS)


class Bench:
    """A pipeline, its clock, and how much memory there was when somebody last looked."""

    def __init__(self) -> None:
        self.pipeline = Pipeline(CONFIG, "bench")
        self.now = 1_000_000.0
        self.before = self._held()

    def grown(self) -> int:
        """Bytes since the last call."""
        before, self.before = self.before, self._held()
        return self.before - before

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.pipeline.tick(self.now)
        self.pipeline.changes.clear()
        self.pipeline.totals.changed.clear()
        self.pipeline.assembler.memories.learnt.clear()

    @staticmethod
    def _held() -> int:
        gc.collect()
        return tracemalloc.get_traced_memory()[0]


def main() -> None:
    tracemalloc.start()
    print("| held | bytes each | limit |")
    print("| --- | --- | --- |")
    for what, size, limit in (*_runs(), *_verdicts(), *_label_sets()):
        print(f"| {what} | {size:,.0f} | {limit} |")


def _runs() -> Iterator[tuple[str, float, str]]:
    bench = Bench()
    for batch in _batches():
        bench.pipeline.ingest(batch, bench.now)
    del batch
    of_runs = bench.grown()
    yield "open span, in a run of 20", of_runs / SPANS, "`limits.open_spans`"
    yield "open trajectory of 20 spans", of_runs / RUNS, "`limits.open_spans`"
    bench.wait(CONFIG.root_grace)
    yield "the same closed, until it is final: so much more", bench.grown() / RUNS, "`limits.open_spans`"
    bench.wait(CONFIG.late_window)
    bench.grown()
    bench.pipeline.families(bench.now)
    bench.wait(DAY)
    bench.pipeline.families(bench.now)
    yield "row in the rolling windows", -bench.grown() / RUNS, "`limits.rows`"
    bench.wait(DAY)
    yield "final trace of 20 spans, remembered", -bench.grown() / RUNS, "`limits.final_traces`"
    bench.wait(DAY)
    yield "final run that may still get a verdict", -bench.grown() / RUNS, "`limits.rows`"


def _verdicts() -> Iterator[tuple[str, float, str]]:
    bench = Bench()
    for number in range(VERDICTS):
        verdict = Verdict("task_success", number % 3 > 0, number, number.to_bytes(16, "big"))
        bench.pipeline.ingest(Batch(verdicts=[verdict], records=1), bench.now)
    yield "verdict that waits for its run", bench.grown() / VERDICTS, "`limits.verdicts`"


def _label_sets() -> Iterator[tuple[str, float, str]]:
    held = []
    for services in (1, RUNS):
        bench = Bench()
        for number, batch in enumerate(_batches()):
            for at, span in enumerate(batch.spans):
                service = f"service-{(number * 10 + at // 20) % services}"
                span.origin = replace(span.origin, service=service)
            bench.pipeline.ingest(batch, bench.now)
        del batch, span
        for seconds in (CONFIG.root_grace, CONFIG.late_window):
            bench.wait(seconds)
        bench.pipeline.families(bench.now)
        series = sum(len(family.samples) for family in bench.pipeline.families(bench.now))
        held.append((bench.grown(), series))
    (of_one, few), (of_all, many) = held
    yield (
        f"service and agent with 5 tools: {(many - few) / (RUNS - 1):.0f} series or histograms",
        (of_all - of_one) / (RUNS - 1),
        "`limits.label_values`",
    )


def _batches() -> Iterator[Batch]:
    decode = make_decoder(CONFIG, make_reader(CONFIG, bytes(32))).traces
    return map(decode, islice(requests("content"), REQUESTS))


if __name__ == "__main__":
    main()
