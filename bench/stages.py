"""Where the time of the whole way goes: the functions of each stage are timed, less what other stages take in them."""

from __future__ import annotations

import functools
import gc
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from payloads import SPANS, requests

from otelscore import runs
from otelscore.config import Config
from otelscore.dialects import Registry
from otelscore.ingest.decode import Decoder
from otelscore.pipeline import Pipeline
from otelscore.scoring.totals import Totals
from otelscore.scoring.window import Windows
from otelscore.service import make_decoder, make_reader
from otelscore.trajectory import builder

STAGES: tuple[tuple[str, object, tuple[str, ...]], ...] = (
    ("decode", Decoder, ("traces",)),
    ("read: dialects", Registry, ("read",)),
    ("assemble", Pipeline, ("ingest",)),
    ("close", Pipeline, ("tick",)),
    ("build: tree", builder, ("grow", "find_delegations", "find_runs")),
    ("build: judge", builder, ("copies", "judge")),
    ("build: steps", builder, ("find_steps", "_trajectory")),
    ("respond", builder, ("count_turns", "respond", "find_recovered", "find_again")),
    ("score", runs, ("score_trajectory",)),
    ("windows", runs, ("make_row",)),
    ("windows", Windows, ("add", "judge", "expire")),
    ("totals", runs, ("share_of",)),
    ("totals", Totals, ("announce", "fold")),
)
"""Stage, and the functions that are it."""

COLLECTING = "garbage collection"
INTERVAL = 0.01  # seconds of the pipeline's clock between two requests
GRACE = 1.0  # seconds of root_grace and late_window: 40,000 spans are open at any time


class Stopwatch:
    """CPU seconds by stage. A stage that calls another one stands still meanwhile."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._running: list[str] = []
        self._since = time.thread_time()

    def push(self, stage: str) -> None:
        self._lap()
        self._running.append(stage)

    def pop(self) -> None:
        self._lap()
        self._running.pop()

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            self.push(stage)
            try:
                return function(*args, **kwargs)
            finally:
                self.pop()

        return wrapper

    def on_gc(self, phase: str, _info: dict[str, int]) -> None:
        if phase == "start":
            self.push(COLLECTING)
        else:
            self.pop()

    def _lap(self) -> None:
        now = time.thread_time()
        if self._running:
            self.seconds[self._running[-1]] += now - self._since
        self._since = now


def stages(seconds: float) -> str:
    """Sends the profile `content` through decoder and pipeline for a while; gives a markdown table."""
    gc.freeze()
    gc.set_threshold(100_000, 5, 2)  # as `otelscore serve` does
    watch = Stopwatch()
    for stage, owner, names in STAGES:
        for name in names:
            setattr(owner, name, watch.timed(stage, getattr(owner, name)))
    config = Config(root_grace=GRACE, late_window=GRACE)
    decoder, whole, bodies = (
        make_decoder(config, make_reader(config, bytes(32))),
        Pipeline(config, ""),
        requests("content"),
    )
    settled = int(3 * GRACE / INTERVAL)  # requests until as many spans become final as come
    for count in range(settled):
        _send(decoder, whole, next(bodies), count * INTERVAL)
    watch.seconds.clear()
    gc.callbacks.append(watch.on_gc)
    stop = time.perf_counter() + seconds
    while time.perf_counter() < stop:
        count += 1
        _send(decoder, whole, next(bodies), count * INTERVAL)
    gc.callbacks.remove(watch.on_gc)
    spans = (count + 1 - settled) * SPANS
    total = sum(watch.seconds.values())
    rows = [("stage", "CPU us a span", "share"), ("---", "---", "---")]
    for stage in dict.fromkeys([*(stage for stage, _, _ in STAGES), COLLECTING]):
        took = watch.seconds[stage]
        rows.append((stage, f"{took / spans * 1e6:.2f}", f"{took / total:.0%}"))
    rows.append(("all", f"{total / spans * 1e6:.1f}", "100%"))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _send(decoder: Decoder, whole: Pipeline, body: bytes, now: float) -> None:
    whole.ingest(decoder.traces(body), now)
    whole.tick(now)
