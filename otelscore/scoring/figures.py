"""A window's sums become every named gauge: one table row a figure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence

from otelscore.scoring.families import Family, Sample
from otelscore.scoring.metrics import METRICS
from otelscore.scoring.score import Errors
from otelscore.scoring.window import Sums, Windows

SHORTEST_HORIZON_WINDOW = 3600.0
"""Seconds; a shorter window holds too few runs to say anything about long ones."""


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _step_success(sums: Sums) -> float | None:
    return _ratio(sums.steps - sums.failed, sums.steps)


PLAIN: Mapping[str, Callable[[Sums], float | None]] = {
    "step_success_ratio": _step_success,
    "recovery_ratio": lambda sums: _ratio(sums.sane, sums.responses),
    "resolution_ratio": lambda sums: _ratio(sums.recovered, sums.resolutions),
    "task_pass_ratio": lambda sums: _ratio(sums.passed, sums.verdicts),
    "hard_failure_ratio": lambda sums: _ratio(sums.hard_failures, sums.trajectories),
    "incomplete_ratio": lambda sums: _ratio(sums.incomplete, sums.trajectories),
    "silent_failure_ratio": lambda sums: _ratio(sums.silent, sums.verdicts),
    "window_trajectories": lambda sums: sums.trajectories,
    "window_steps": lambda sums: sums.steps,
    "window_verdicts": lambda sums: sums.verdicts,
}
"""One value a group."""

BY_LABEL: Mapping[str, Callable[[Sums], Mapping[str, float | None]]] = {
    "tool_success_ratio": lambda sums: {
        tool: _ratio(calls - failed, calls) for tool, (calls, failed) in sums.tools.items()
    },
    "verdict_failure_ratio": lambda sums: {
        errors: _ratio(failed, verdicts)
        for errors, (verdicts, failed) in sums.verdicts_by_errors.items()
        if errors is not Errors.UNKNOWN
    },
}
"""One value for each value of the metric's own label."""

BY_HORIZON: Mapping[str, Callable[[Sums, int], float | None]] = {
    "implied_success_ratio": lambda sums, steps: _power(_step_success(sums), steps),
    "implied_failure_ratio": lambda sums, steps: _complement(_power(_step_success(sums), steps)),
}
"""One value for each horizon, in windows of an hour and more."""


class Figures:
    """All gauges of all windows; only groups in which something came or went are computed anew."""

    def __init__(self, windows: Windows, horizons: Sequence[int], group_names: tuple[str, ...]) -> None:
        self._windows = windows
        self._horizons = horizons
        self._group_names = group_names
        self._computed: dict[tuple[float, tuple[str, ...]], list[tuple[str, Sample]]] = {}

    def families(self, now: float) -> list[Family]:
        """Every window metric as of `now`, Unix seconds."""
        self._windows.expire(now)
        for window, labels, sums in self._windows.take_changes():
            if sums is None:
                self._computed.pop((window, labels), None)
            else:
                self._computed[window, labels] = list(self._compute(window, labels, sums))
        samples: dict[str, list[Sample]] = defaultdict(list)
        for computed in self._computed.values():
            for name, sample in computed:
                samples[name].append(sample)
        return [
            Family(METRICS[name], METRICS[name].label_names(self._group_names), samples[name])
            for name in (*PLAIN, *BY_LABEL, *BY_HORIZON)
        ]

    def _compute(self, window: float, labels: tuple[str, ...], sums: Sums) -> Iterator[tuple[str, Sample]]:
        labels = (*labels, window_name(window))
        for name, value, own_labels in self._values(window, sums):
            if value is not None:
                yield name, Sample((*labels, *own_labels), value)

    def _values(self, window: float, sums: Sums) -> Iterator[tuple[str, float | None, tuple[str, ...]]]:
        for name, figure in PLAIN.items():
            yield name, figure(sums), ()
        for name, by_label in BY_LABEL.items():
            for label, value in by_label(sums).items():
                yield name, value, (label,)
        if window >= SHORTEST_HORIZON_WINDOW:
            for name, by_horizon in BY_HORIZON.items():
                for steps in self._horizons:
                    yield name, by_horizon(sums, steps), (str(steps),)


def window_name(seconds: float) -> str:
    """How a window is written as a label: 300 is 5m, 86400 is 24h.

    >>> [window_name(seconds) for seconds in (90, 300, 3600, 86400)]
    ['90s', '5m', '1h', '24h']
    """
    for unit, length in (("h", 3600), ("m", 60)):
        if seconds % length == 0:
            return f"{seconds / length:g}{unit}"
    return f"{seconds:g}s"


def _power(ratio: float | None, exponent: int) -> float | None:
    return None if ratio is None else ratio**exponent


def _complement(ratio: float | None) -> float | None:
    return None if ratio is None else 1 - ratio
