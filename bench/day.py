"""A day's traffic compressed into one run: does anything grow that should not?

    python bench/day.py

Pipeline and store, on a real disk, take two days of traffic on a simulated clock: runs of 20 spans of many agents, with
failed steps, verdicts that come hours later or are about nothing, runs whose top never comes, and requests that come
twice. Every simulated hour (`--every`) is one line of a markdown table. Once the longest window is full, after a day,
every column must stay where it is. Runs wait for a verdict for 12 hours here, not for 7 days, so that this is full in
the second day, too.
"""

from __future__ import annotations

import argparse
import gc
import heapq
import random
import tempfile
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path

import psutil
from payloads import requests
from prometheus_client import CollectorRegistry

from otelscore import logs
from otelscore.config import Config
from otelscore.durable import Durable
from otelscore.export.prometheus import Exposition
from otelscore.model import Batch, Kind, Span, Verdict
from otelscore.service import make_decoder, make_reader
from otelscore.store.store import Store

HOUR = 3600
SECOND = 1_000_000_000
SPANS = 20  # of a run
LOCAL = 0x100  # Span.flags: the parent is in the same process

ORPHANS = 0.02  # share of runs whose agent span has a local parent that never comes
HEADLESS = 0.01  # whose agent span never comes
REPEATED = 0.05  # share of requests that come twice
JUDGED = 0.3  # share of runs that get a verdict
STRAY = 0.03  # and of runs that do not, while a verdict about nothing comes
DELAY = 6 * HOUR  # the longest that a verdict takes


class Traffic:
    """Requests as they would have been decoded, and the verdicts that come after them."""

    def __init__(self, agents: int) -> None:
        self._random = random.Random(1)
        self._verdicts: list[tuple[int, bytes, Verdict]] = []  # a heap by time
        decode = make_decoder(Config(), make_reader(Config(), bytes(32))).traces
        runs = [run for body in islice(requests("lean"), 16) for run in _runs(decode(body).spans)]
        self._templates = [_of_agent(runs[number % len(runs)], number) for number in range(agents)]

    def request(self, runs: int, now: float) -> list[Batch]:
        """So many new runs that have just ended, and what else comes at `now`."""
        batch = Batch()
        for _ in range(runs):
            batch.spans += self._run(int(now * SECOND))
        due = []
        while self._verdicts and self._verdicts[0][0] <= now * SECOND:
            due.append(heapq.heappop(self._verdicts)[2])
        verdicts = Batch(verdicts=due, records=len(due))
        return [batch, verdicts, *([batch] if self._random.random() < REPEATED else [])]

    def _run(self, end: int) -> list[Span]:
        template, trace_id = self._random.choice(self._templates), self._random.randbytes(16)
        later = end - max(span.end for span in template)
        run = [replace(span, trace_id=trace_id, start=span.start + later, end=span.end + later) for span in template]
        chance = self._random.random()
        if chance < HEADLESS:
            run = run[1:]
        elif chance < HEADLESS + ORPHANS:
            run[0] = replace(run[0], parent_id=self._random.randbytes(8), flags=LOCAL)
        chance = self._random.random()
        if chance < JUDGED + STRAY:
            about = trace_id if chance < JUDGED else self._random.randbytes(16)
            passed, delay = self._random.random() < 0.7, self._random.randrange(DELAY)
            verdict = Verdict("task_success", passed, end + delay * SECOND, about)
            heapq.heappush(self._verdicts, (verdict.time, about, verdict))
        return run


def _runs(spans: list[Span]) -> list[list[Span]]:
    return [spans[at : at + SPANS] for at in range(0, len(spans), SPANS)]


def _of_agent(run: list[Span], number: int) -> list[Span]:
    """The same run, of another service and agent."""
    origin = replace(run[0].origin, service=f"service-{number % 20}")
    readings = [
        replace(span.reading, agent=f"agent-{number}", name=f"agent-{number}")
        if span.reading.kind is Kind.AGENT
        else replace(span.reading, agent=f"agent-{number}")
        for span in run
    ]
    return [replace(span, origin=origin, reading=reading) for span, reading in zip(run, readings, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=int, default=48)
    parser.add_argument("--rate", type=int, default=20, help="spans a second")
    parser.add_argument("--agents", type=int, default=100)
    parser.add_argument("--step", type=int, default=10, help="simulated seconds between two requests")
    parser.add_argument("--every", type=int, default=1, help="simulated hours between two lines")
    options = parser.parse_args()
    now = 1_700_000_000.0
    logs.configure("warning", "text")
    gc.set_threshold(100_000, 5, 2)  # as `otelscore serve` does
    traffic = Traffic(options.agents)
    with tempfile.TemporaryDirectory() as folder:
        config = Config(verdict_window=12.0 * HOUR)
        store = Store.open(Path(folder), "process", config.limits_state)
        durable = Durable(config, "bench", lambda: now, store)
        exposition = Exposition(durable.families)
        print("| hour | resident MB | disk MB | open spans | rows | series | scrape ms | CPU us a span |")
        print("| --- | --- | --- | --- | --- | --- | --- | --- |")
        cpu = time.process_time()
        for hour in range(1, options.hours + 1):
            for _ in range(HOUR // options.step):
                now += options.step
                for batch in traffic.request(options.rate * options.step // SPANS, now):
                    durable.accept(batch)
                durable.tick()
            if hour % options.every == 0:
                spent = (time.process_time() - cpu) / (options.rate * HOUR * options.every) * 1e6
                text, scrape = min((_scrape(exposition) for _ in range(3)), key=lambda scraped: scraped[1])
                print(f"| {hour} | {_figures(text)} | {scrape:.0f} | {spent:.0f} |", flush=True)
                cpu = time.process_time()
        durable.close()


def _scrape(exposition: CollectorRegistry) -> tuple[str, float]:
    """What Prometheus is shown, and the milliseconds of CPU that it took."""
    start = time.process_time()
    text, _ = exposition.render("application/openmetrics-text")
    return text.decode(), (time.process_time() - start) * 1000


def _figures(text: str) -> str:
    """The columns that `/metrics` itself tells, and the resident memory."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]

    def shown(name: str) -> float:
        return sum(float(line.split()[1]) for line in lines if line.startswith(f"otelscore_{name}"))

    resident = psutil.Process().memory_info().rss / 2**20
    disk, rows = shown("state_bytes") / 2**20, shown('rows{stream="runs"}')
    return f"{resident:.0f} | {disk:.0f} | {shown('open_spans'):,.0f} | {rows:,.0f} | {len(lines):,}"


if __name__ == "__main__":
    main()
