"""A window's sums become every named gauge: one table row a figure."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import inf, log

from otelscore.scoring.families import Family, Sample
from otelscore.scoring.intervals import success_interval
from otelscore.scoring.metrics import METRICS, Per
from otelscore.scoring.projection import REACHED, fit_step_success, likeliest_step_success
from otelscore.scoring.score import Errors
from otelscore.scoring.survival import fit_beta_geometric, kaplan_meier
from otelscore.scoring.window import Sums, Windows

SHORTEST_HORIZON_WINDOW = 3600.0
"""Seconds; a shorter window holds too few runs to say anything about long ones."""


Value = tuple[str, tuple[str, ...], float | None]
"""A metric's name, the values of its own labels, and its value; None: there is none to tell."""

RATIOS: Mapping[str, Callable[[Sums], tuple[float, float]]] = {
    "recovery_ratio": lambda sums: (sums.sane, sums.responses),
    "resolution_ratio": lambda sums: (sums.recovered, sums.resolutions),
    "task_pass_ratio": lambda sums: (sums.passed, sums.verdicts),
    "hard_failure_ratio": lambda sums: (sums.hard_failures, sums.trajectories),
    "incomplete_ratio": lambda sums: (sums.incomplete, sums.trajectories),
    "silent_failure_ratio": lambda sums: (sums.silent, sums.verdicts),
}
"""Part and whole."""


def _plain(sums: Sums) -> Iterator[Value]:
    yield "window_trajectories", (), sums.trajectories
    yield "window_steps", (), sums.steps.trials
    yield "window_verdicts", (), sums.verdicts
    for name, parts in RATIOS.items():
        part, whole = parts(sums)
        yield name, (), part / whole if whole else None
    yield from _with_interval("step_success_ratio", (), sums.steps.success, success_interval(sums.steps))
    for tool, calls in sums.tools.items():
        yield from _with_interval("tool_success_ratio", (tool,), calls.success, success_interval(calls))
    for errors, (verdicts, failed) in sums.verdicts_by_errors.items():
        if errors is not Errors.UNKNOWN:
            yield "verdict_failure_ratio", (errors,), failed / verdicts


def _implied(sums: Sums, horizons: Sequence[int]) -> Iterator[Value]:
    success = sums.steps.success
    if success is not None:
        for steps in horizons:
            yield "implied_success_ratio", (str(steps),), success**steps
            yield "implied_failure_ratio", (str(steps),), 1 - success**steps


def _survival(sums: Sums, horizons: Sequence[int]) -> Iterator[Value]:
    for figure, table in (("error_free", sums.error_free), ("survival", sums.survival)):
        points = kaplan_meier(table, horizons)
        for point in points:
            steps = str(point.steps)
            yield "at_risk_trajectories", (steps, figure), point.at_risk
            if point.survival is not None:
                yield from _with_interval(f"{figure}_ratio", (steps,), point.survival, point.interval)
        beyond = [point.steps for point in points if point.survival is None]
        fit = fit_beta_geometric(table) if figure == "survival" and beyond else None
        if fit is not None:
            measured = min((point.survival for point in points if point.survival is not None), default=1.0)
            for horizon in beyond:  # fewer runs come through more steps, whatever the model says
                yield "extrapolated_survival_ratio", (str(horizon),), min(fit.survival(horizon), measured)


def _projected(sums: Sums, horizons: Sequence[int]) -> Iterator[Value]:
    fit = fit_step_success(sums.passes)
    not_silent = likeliest_step_success(sums.not_silent)
    if fit is None and not_silent is None:
        return
    reached = [steps for steps in horizons if sums.passes.reached(steps) >= REACHED]
    if fit is not None:
        yield from _with_interval("effective_step_success_ratio", (), fit.value, (fit.lower, fit.upper))
        yield "half_life_steps", (), log(0.5) / log(fit.value)
        for steps in reached:
            interval = fit.bounds_after(steps)
            yield from _with_interval("projected_success_ratio", (str(steps),), fit.after(steps), interval)
    if not_silent is not None:
        for steps in reached:
            yield "projected_silent_failure_ratio", (str(steps),), 1 - not_silent.after(steps)


def _faults(sums: Sums) -> Iterator[Value]:
    for fault, found in sums.faults.items():
        for name, marks in (
            ("fault_notice_ratio", found.noticed),
            ("fault_recovery_ratio", found.recovered),
            ("fault_confidently_wrong_ratio", found.wrong),
        ):
            yield from _with_interval(name, (fault,), marks.success, success_interval(marks))


def _with_interval(
    name: str, labels: tuple[str, ...], value: float | None, interval: tuple[float, float] | None
) -> Iterator[Value]:
    yield name, labels, value
    if interval is not None:
        yield f"{name}_lower", labels, interval[0]
        yield f"{name}_upper", labels, interval[1]


def values(sums: Sums, horizons: Sequence[int]) -> Iterator[Value]:
    """Every figure of one group in one window; `horizons`: () where the window is too short for any."""
    yield from _faults(sums)
    if sums.injected and sums.injected == sums.rows:
        return  # a trial, not production
    yield from _plain(sums)
    if horizons:
        yield from _implied(sums, horizons)
        yield from _survival(sums, horizons)
        yield from _projected(sums, horizons)


WINDOW_METRICS = tuple(name for name, metric in METRICS.items() if metric.per is Per.WINDOW)


class Figures:
    """All gauges of all windows; only groups in which something came or went are computed anew.

    Beyond `most` series a group has none in a window, until something comes or goes in it while there is room.
    """

    def __init__(
        self, windows: Windows, horizons: Sequence[int], group_names: tuple[str, ...], most: int = sys.maxsize
    ) -> None:
        self._windows = windows
        self._horizons = horizons
        self._group_names = group_names
        self._room = most
        self._computed: dict[tuple[float, tuple[str, ...]], list[tuple[str, Sample]]] = {}
        self.crowded = 0
        """How often there was no room for those of a group in a window."""

    def families(self, now: float) -> list[Family]:
        """Every window metric as of `now`, Unix seconds."""
        self._windows.expire(now)
        # First those that are shown, of which some are gone, then the new ones.
        for window, labels, sums in sorted(self._windows.take_changes(), key=lambda it: it[:2] not in self._computed):
            self._room += len(self._computed.pop((window, labels), ()))
            if sums is not None:
                self._show(window, labels, sums)
        samples: dict[str, list[Sample]] = defaultdict(list)
        for computed in self._computed.values():
            for name, sample in computed:
                samples[name].append(sample)
        return [
            Family(METRICS[name], METRICS[name].label_names(self._group_names), samples[name])
            for name in WINDOW_METRICS
        ]

    def _show(self, window: float, labels: tuple[str, ...], sums: Sums) -> None:
        computed = list(self._compute(window, labels, sums))
        if len(computed) > self._room:
            self.crowded += 1
        else:
            self._room -= len(computed)
            self._computed[window, labels] = computed

    def _compute(self, window: float, labels: tuple[str, ...], sums: Sums) -> Iterator[tuple[str, Sample]]:
        labels = (*labels, window_name(window))
        horizons = self._horizons if window >= SHORTEST_HORIZON_WINDOW else ()
        for name, own_labels, value in values(sums, horizons):
            if value is not None:
                yield name, Sample(labels + own_labels, value)


def window_name(seconds: float) -> str:
    """How a window is written as a label: 300 is 5m, 86400 is 24h, and one without an end is all.

    >>> [window_name(seconds) for seconds in (90, 300, 3600, 86400, inf)]
    ['90s', '5m', '1h', '24h', 'all']
    """
    if seconds == inf:
        return "all"
    for unit, length in (("h", 3600), ("m", 60)):
        if seconds % length == 0:
            return f"{seconds / length:g}{unit}"
    return f"{seconds:g}s"
