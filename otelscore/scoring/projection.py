"""What verdicts say about runs of N steps: one success per step, s, with which a run of n steps succeeds by s^n.

s is fitted to verdicts, never to errors: most failed tasks show none. A run that stopped at step n did not fail there,
so this is no survival time; the likelihood is Bernoulli's, of each verdict given the length of its run.

Where several runs are of one task, or one tenant's, their verdicts go together, and the likelihood is divided by the
design effect before the interval is read off it (R. E. Chandler and S. Bate, Biometrika 94 (2007) 167-183, their
vertical adjustment). Profile likelihood: Y. Pawitan, In All Likelihood (2001), 2.6.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import exp, fsum, inf

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtri

from otelscore.scoring.intervals import CONFIDENCE, t_quantile

ENOUGH = 20
"""Verdicts without which nothing is told."""

REACHED = 10
"""Runs with a verdict that must have had at least N steps for anything to be told of N."""

Array = NDArray[np.float64]

Table = dict[int, tuple[int, int]]
"""Number of steps -> runs, and those among them that succeeded."""

_Z = float(ndtri((1 + CONFIDENCE) / 2))


@dataclass(slots=True)
class Trials:
    """Runs with a verdict, and those among them that succeeded, by the number of their steps (1 or more)."""

    by_length: Table = field(default_factory=dict)
    clusters: dict[str, Table] = field(default_factory=dict)
    """The same of each named cluster; runs outside of all of them are clusters of their own."""

    def count(self, steps: int, success: bool, sign: int, cluster: str = "") -> None:
        """Puts a run in (sign 1) or takes it out (-1)."""
        _count(self.by_length, steps, success, sign)
        if cluster:
            table = self.clusters.setdefault(cluster, {})
            _count(table, steps, success, sign)
            if not table:
                del self.clusters[cluster]

    def reached(self, steps: int) -> int:
        """Runs of at least so many steps."""
        return sum(runs for length, (runs, _) in self.by_length.items() if length >= steps)


@dataclass(frozen=True, slots=True)
class StepSuccess:
    """s with its interval, all in 0..1."""

    value: float
    lower: float
    upper: float


def fit_step_success(trials: Trials) -> StepSuccess | None:
    """The s under which these verdicts are the likeliest; None with fewer than `ENOUGH` or without both outcomes.

    >>> trials = Trials()
    >>> for steps, success in [(5, True)] * 18 + [(5, False)] * 2 + [(20, True)] * 12 + [(20, False)] * 8:
    ...     trials.count(steps, success, 1)
    >>> fit = fit_step_success(trials)
    >>> round(fit.value, 4), round(fit.lower, 4), round(fit.upper, 4)
    (0.9758, 0.9577, 0.9879)
    """
    runs = sum(count for count, _ in trials.by_length.values())
    successes = sum(won for _, won in trials.by_length.values())
    if runs < ENOUGH or successes in (0, runs):
        return None
    # All by x = log(-log s), which may be any number; s falls as x rises.
    likelihood = _Likelihood(trials.by_length)
    best = brentq(lambda x: likelihood.slope(exp(x)), _LOW, _HIGH, xtol=_CLOSE, rtol=_CLOSE)
    effect, quantile = _spread(trials, exp(best))
    bottom = likelihood.at(exp(best)) - effect * quantile**2 / 2

    def below(x: float) -> float:
        return bottom - likelihood.at(exp(x))

    lowest = brentq(below, best, _HIGH, xtol=_CLOSE, rtol=_CLOSE) if below(_HIGH) > 0 else inf
    highest = brentq(below, _LOW, best, xtol=_CLOSE, rtol=_CLOSE) if below(_LOW) > 0 else -inf
    return StepSuccess(*(exp(-exp(x)) for x in (best, lowest, highest)))


_LOW, _HIGH = -30.0, 5.0
"""Between them s rises from less than any float to 1 - 1e-13."""

_CLOSE = 1e-9
"""How close to a root in x is close enough."""


class _Likelihood:
    """The logarithm of the likelihood of verdicts by the hazard, -log s, in which it is concave."""

    def __init__(self, table: Table) -> None:
        self._lengths, runs, won = _columns(table)
        self._lost = runs - won
        self._steps_won = float(won @ self._lengths)

    def at(self, hazard: float) -> float:
        return float(self._lost @ np.log(-np.expm1(-hazard * self._lengths))) - hazard * self._steps_won

    def slope(self, hazard: float) -> float:
        return float((self._lost * self._lengths) @ _odds(hazard * self._lengths)) - self._steps_won


def _columns(table: Table) -> tuple[Array, Array, Array]:
    """Lengths, runs and successes, in order of length: rounding must not depend on the order in which runs came."""
    lengths, runs, won = np.array([(length, *counts) for length, counts in sorted(table.items())], dtype=float).T
    return lengths, runs, won


def _odds(hazards: Array) -> Array:
    """Of success against failure, by the sum of the hazards of a run's steps."""
    return 1 / np.expm1(np.minimum(hazards, 700))


def _spread(trials: Trials, hazard: float) -> tuple[float, float]:
    """(the design effect of the verdicts, the quantile of the interval).

    The effect is the variance of the clusters' slopes, as they are, over that of independent runs; at least 1.
    """
    if not trials.clusters:
        return 1.0, _Z
    lengths, all_runs, all_won = _columns(trials.by_length)
    odds = _odds(hazard * lengths)
    named = Counter[int](), Counter[int]()  # runs and successes in clusters, by length
    for table in trials.clusters.values():
        for length, counts in table.items():
            for counter, count in zip(named, counts, strict=True):
                counter[length] += count
    runs, won = all_runs - [named[0][n] for n in lengths], all_won - [named[1][n] for n in lengths]
    clusters = len(trials.clusters) + int(runs.sum())
    if clusters < 2:
        return 1.0, inf
    squares = fsum(_Likelihood(table).slope(hazard) ** 2 for table in trials.clusters.values())
    squares += float(won @ lengths**2 + (runs - won) @ (lengths * odds) ** 2)
    information = float(all_runs @ (lengths**2 * odds))
    return max(1.0, squares * clusters / (clusters - 1) / information), t_quantile(clusters - 1)


def _count(table: Table, steps: int, success: bool, sign: int) -> None:
    runs, successes = table.get(steps, (0, 0))
    if runs + sign:
        table[steps] = (runs + sign, successes + sign * success)
    else:
        del table[steps]
