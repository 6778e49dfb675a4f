"""Counters and histograms: a trajectory is counted once, when it is final, and never taken back.

Every series starts at 0 when a trajectory that will count in it first closes, the late window before it does, so that
Prometheus has scraped the 0 by then and `increase()` sees the first one.
"""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from otelscore.model import Outcome, Unusable, Verdict
from otelscore.scoring.families import Distribution, Exemplar, Family, Sample
from otelscore.scoring.faults import FaultOutcome
from otelscore.scoring.labels import OVERFLOW, LabelLimiter
from otelscore.scoring.metrics import METRICS, Type
from otelscore.scoring.rows import Row
from otelscore.scoring.score import Errors
from otelscore.scoring.shares import Labels, Share

SIBLINGS: dict[str, list[Labels]] = {
    "steps_total": list(product(("ok", "error"), ("first", "again"))),
    "trajectories_total": [(outcome,) for outcome in Outcome],
    "judged_trajectories_total": list(product(("pass", "fail"), Errors, ("true", "false"))),
    "verdicts_total": [("pass",), ("fail",)],
    "injected_faults_total": [(outcome,) for outcome in FaultOutcome],
    "verdicts_unusable_total": [(reason,) for reason in Unusable],
}
"""Values of a counter's last labels, all of which appear, at 0, as soon as one does."""

BILLION = 1_000_000_000

Plain = Any
"""Lists, strings and numbers, as JSON has them."""


@dataclass(slots=True)
class Histogram:
    """One series of a histogram; the sum is kept in billionths, an integer, so that the order of adding is nothing."""

    counts: list[int]
    billionths: int
    exemplars: list[Exemplar | None]


class Totals:
    """All counters and histograms about trajectories and verdicts.

    `labels` is always the trajectory's group (`fit`), `now` Unix seconds. Beyond `most` series new tools, and new
    groups, become one.
    """

    def __init__(self, limiter: LabelLimiter, most: int = sys.maxsize) -> None:
        self._limiter = limiter
        self._most = most
        self.crowded = 0
        """How often there was no room for a new series."""
        self.counters: dict[str, dict[Labels, int]] = {}
        """Metric name -> label values -> count."""
        self.exemplars: dict[str, dict[Labels, Exemplar]] = {}
        """The last trace that was counted as something gone wrong, likewise."""
        self.histograms: dict[str, dict[Labels, Histogram]] = {}
        """Metric name -> label values -> series."""
        self.changed: set[tuple[str, Labels]] = set()
        """Series that are new or have risen since somebody cleared this."""
        self.gone: set[tuple[str, Labels]] = set()
        """Series that were let go since then; one of them may be in `changed` too: it began anew."""

    def announce(self, share: Share) -> None:
        """A trajectory closed: show the series it will count in, at 0."""
        for name, values, _, _ in share.counts:
            if values not in self.counters.get(name, ()):
                self._start_counter(name, values)
        for name, values, _ in share.observed:
            if values not in self.histograms.get(name, ()):
                self._start_histogram(name, values)
        if share.judged and share.labels not in self.histograms.get("verdict_delay_seconds", ()):
            labels = share.labels
            self._start_counter("trajectories_without_steps_total", labels)
            self._start_counter("judged_trajectories_total", (*labels, *SIBLINGS["judged_trajectories_total"][0]))
            self._start_histogram("verdict_delay_seconds", labels)

    def announce_faults(self, row: Row) -> None:
        """The same for a run with injected faults, which counts in nothing else."""
        for hit in row.faults:
            self._start_counter("injected_faults_total", (*row.labels, hit.fault, hit.tool, hit.outcome(row.verdict)))

    def fold_faults(self, row: Row, trace_id: str, now: float) -> None:
        """Count what became of the injected faults of a final run, once; it may be long since its labels were used."""
        self._limiter.use_group(row.labels)
        for hit in row.faults:
            fault, tool = self._limiter.value("fault", hit.fault), self._limiter.value("tool", hit.tool)
            outcome = hit.outcome(row.verdict)
            harm = outcome in (FaultOutcome.NOTICED_FAILED, FaultOutcome.UNNOTICED_WRONG)
            exemplar = Exemplar(trace_id, 1, now) if harm else None
            self._count("injected_faults_total", (*row.labels, fault, tool, outcome), exemplar)

    def fit(self, labels: Labels) -> Labels:
        """The group as whose a trajectory of this one is counted: another where there is no room for a new one."""
        if not self._is_full() or (*labels, Outcome.COMPLETED) in self.counters.get("trajectories_total", {}):
            return labels
        self.crowded += 1
        return (OVERFLOW,) * len(labels)

    def fold(self, share: Share, now: float, *, timely: bool = True) -> None:
        """Count a final trajectory; its verdict is counted apart. `timely`: its clock can be believed."""
        exemplar = Exemplar(share.trace_id, 1, now)
        for name, values, count, bad in share.counts:
            self._count(name, values, exemplar if bad else None, count)
        for name, values, observed in share.observed:
            if timely or not name.endswith("_seconds"):
                self._observe(name, values, observed, share.trace_id, now)

    def fold_verdict(self, row: Row, verdict: Verdict, trace_id: str, end: int, now: float) -> None:
        """Count the verdict of a final trajectory, once; `end` is the trajectory's, in Unix nanoseconds."""
        if row.outcome is None:
            return
        values = (*row.labels, _word(verdict), row.errors, _lower(row.hard_failure))
        exemplar = None if verdict.passed else Exemplar(trace_id, 1, now)
        self._count("judged_trajectories_total", values, exemplar)
        delay = max(verdict.time - end, 0) / BILLION
        self._observe("verdict_delay_seconds", row.labels, (delay,), trace_id, now)

    def count_verdict(self, verdict: Verdict) -> None:
        """Count a verdict as it came, whatever it is about; the caller has dropped the repeated ones."""
        evaluator = self._limiter.value("evaluator", verdict.evaluator)
        self._count("verdicts_total", (evaluator, _word(verdict)), None)
        self._start_counter("verdicts_unusable_total", (evaluator, Unusable.UNREADABLE))

    def count_unusable(self, verdict: Verdict, reason: Unusable) -> None:
        """Count a verdict that judges no run."""
        self._count("verdicts_unusable_total", (self._limiter.value("evaluator", verdict.evaluator), reason), None)

    def release(self, released: Mapping[str, Container[str]]) -> None:
        """Let go of every series that bears one of these values, by label name; if it comes back it begins at 0."""
        for by_name in (self.counters, self.histograms):
            for name, series in by_name.items():
                wanted = [(i, released[label]) for i, label in enumerate(self._names(name)) if label in released]
                for values in [values for values in series if any(values[i] in gone for i, gone in wanted)]:
                    del series[values]
                    self.exemplars.get(name, {}).pop(values, None)
                    self.changed.discard((name, values))
                    self.gone.add((name, values))

    def dump(self, name: str, values: Labels) -> Plain:
        """One series as plain values; `load` takes it back."""
        if name in self.histograms:
            histogram = self.histograms[name][values]
            exemplars = [_dump(exemplar) for exemplar in histogram.exemplars]
            return [histogram.counts, str(histogram.billionths), exemplars]  # text: JSON may stop at 64 bits
        return [self.counters[name][values], _dump(self.exemplars.get(name, {}).get(values))]

    def load(self, name: str, values: Labels, plain: Plain) -> None:
        """Goes on from where a series was; one of a metric that is no more is left out."""
        if name not in METRICS:
            return
        if METRICS[name].type is Type.HISTOGRAM:
            counts, billionths, exemplars = plain
            series = Histogram(counts, int(billionths), [_load(exemplar) for exemplar in exemplars])
            self.histograms.setdefault(name, {})[values] = series
        else:
            count, exemplar = plain
            self.counters.setdefault(name, {})[values] = count
            if exemplar:
                self.exemplars.setdefault(name, {})[values] = Exemplar(*exemplar)

    def families(self) -> list[Family]:
        """Every counter and histogram as it is now."""
        return [Family(METRICS[name], self._names(name), self._counter_samples(name)) for name in self.counters] + [
            Family(METRICS[name], self._names(name), self._histogram_samples(name)) for name in self.histograms
        ]

    def _is_full(self) -> bool:
        counters = sum(map(len, self.counters.values()))
        buckets = sum(len(found) * (len(METRICS[name].buckets) + 3) for name, found in self.histograms.items())
        return counters + buckets >= self._most

    def _squeeze(self, name: str, values: Labels) -> Labels:
        """Label values for which there is room: those of tools and agents of steps, of new series, may become one."""
        if values in self.counters.get(name, {}) or values in self.histograms.get(name, {}) or not self._is_full():
            return values
        named = zip(self._names(name), values, strict=True)
        self.crowded += 1
        return tuple(OVERFLOW if value and label in ("tool", "step_agent") else value for label, value in named)

    def _start_counter(self, name: str, values: Labels) -> None:
        values = self._squeeze(name, values)
        counter = self.counters.setdefault(name, {})
        if values not in counter:
            tails = SIBLINGS.get(name, [()])
            head = values[: len(values) - len(tails[0])]
            for tail in tails:
                counter.setdefault((*head, *tail), 0)
                self.changed.add((name, (*head, *tail)))

    def _start_histogram(self, name: str, values: Labels) -> None:
        values = self._squeeze(name, values)
        series = self.histograms.setdefault(name, {})
        if values not in series:
            buckets = len(METRICS[name].buckets) + 1
            series[values] = Histogram([0] * buckets, 0, [None] * buckets)
            self.changed.add((name, values))

    def _count(self, name: str, values: Labels, exemplar: Exemplar | None, count: int = 1) -> None:
        counter = self.counters.get(name)
        if counter is None or values not in counter:
            values = self._squeeze(name, values)
            self._start_counter(name, values)
            counter = self.counters[name]
        counter[values] += count
        self.changed.add((name, values))
        if exemplar:
            self.exemplars.setdefault(name, {})[values] = exemplar

    def _observe(self, name: str, values: Labels, observed: Sequence[float], trace_id: str, now: float) -> None:
        histogram = self.histograms.get(name, {}).get(values)
        if histogram is None:
            values = self._squeeze(name, values)
            self._start_histogram(name, values)
            histogram = self.histograms[name][values]
        self.changed.add((name, values))
        buckets, counts = METRICS[name].buckets, histogram.counts
        seen: dict[int, float] = {}
        for value in observed:
            bucket = bisect_left(buckets, value)
            counts[bucket] += 1
            histogram.billionths += round(value * BILLION)
            seen[bucket] = value
        for bucket, value in seen.items():
            histogram.exemplars[bucket] = Exemplar(trace_id, value, now)

    def _names(self, name: str) -> Labels:
        return METRICS[name].label_names(self._limiter.names)

    def _counter_samples(self, name: str) -> list[Sample]:
        exemplars = self.exemplars.get(name, {})
        return [Sample(values, count, exemplars.get(values)) for values, count in self.counters[name].items()]

    def _histogram_samples(self, name: str) -> list[Sample]:
        return [
            Sample(values, Distribution(tuple(h.counts), h.billionths / BILLION, tuple(h.exemplars)))
            for values, h in self.histograms[name].items()
        ]


def _dump(exemplar: Exemplar | None) -> Plain:
    return None if exemplar is None else [exemplar.trace_id, exemplar.value, exemplar.time]


def _load(plain: Plain) -> Exemplar | None:
    return None if plain is None else Exemplar(*plain)


def _word(verdict: Verdict) -> str:
    return "pass" if verdict.passed else "fail"


def _lower(flag: bool) -> str:
    return "true" if flag else "false"
