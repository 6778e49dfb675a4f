"""What verdicts say about runs of N steps: one success per step, s, with which a run of n steps succeeds by s^n.

s is fitted to verdicts, never to errors: most failed tasks show none. A run that stopped at step n did not fail there,
so this is no survival time; the likelihood is Bernoulli's, of each verdict given the length of its run. Where verdicts
say that runs differ, s^n is too high for short runs and too low for long ones, and `frailty` takes its place.

Where several runs are of one task, or one tenant's, their verdicts go together, and the likelihood is divided by the
design effect before the interval is read off it (R. E. Chandler and S. Bate, Biometrika 94 (2007) 167-183, their
vertical adjustment). Profile likelihood: Y. Pawitan, In All Likelihood (2001), 2.6.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import exp, fsum, hypot, inf, log, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from otelscore.scoring.frailty import Frailty, Verdicts, evidence, fit_frailty
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
    """s, and the success of longer runs: s^N, as far as the verdicts do not say that runs differ."""

    value: float
    weight: float = 0.0
    """Of runs that differ, 0..1."""
    frailty: Frailty | None = None

    def after(self, steps: int) -> float:
        """Share (0..1) of runs of so many steps that succeed."""
        return self._mixed(steps, self.value, 0.0)

    def _mixed(self, steps: int, alike: float, deviations: float) -> float:
        """A bound of `after`: `alike` is that of s, `deviations` standard errors are that of runs that differ."""
        if self.frailty is None:
            return alike**steps
        return (1 - self.weight) * alike**steps + self.weight * self.frailty.survival(steps, deviations)


@dataclass(frozen=True, slots=True)
class BoundedStepSuccess(StepSuccess):
    """The same with the bounds of s, in 0..1."""

    lower: float = 0.0
    upper: float = 1.0
    quantile: float = inf
    """Standard errors of independent verdicts from a figure to its bounds."""

    def bounds_after(self, steps: int) -> tuple[float, float]:
        """Of the share of runs of so many steps that succeed.

        While both views have a say they are as much wider as the views are apart (S. T. Buckland, K. P. Burnham and
        N. H. Augustin, Biometrics 53 (1997) 603-618).
        """
        lower, upper = self._mixed(steps, self.lower, -self.quantile), self._mixed(steps, self.upper, self.quantile)
        if self.frailty is None:
            return lower, upper
        middle = self.after(steps)
        apart = 2 * sqrt(self.weight * (1 - self.weight)) * (self.value**steps - self.frailty.survival(steps))
        return max(middle - hypot(middle - lower, apart), 0.0), min(middle + hypot(upper - middle, apart), 1.0)


def fit_step_success(trials: Trials) -> BoundedStepSuccess | None:
    """The s under which these verdicts are the likeliest; None with fewer than `ENOUGH` or without both outcomes.

    >>> trials = Trials()
    >>> for steps, success in [(5, True)] * 18 + [(5, False)] * 2 + [(20, True)] * 12 + [(20, False)] * 8:
    ...     trials.count(steps, success, 1)
    >>> fit = fit_step_success(trials)
    >>> round(fit.value, 4), round(fit.lower, 4), round(fit.upper, 4)
    (0.9758, 0.9577, 0.9879)
    >>> round(fit.after(20), 3)
    0.613
    """
    if not _enough(trials):
        return None
    likelihood = _Likelihood(trials.by_length)
    best = likelihood.top()
    effect, quantile = _spread(trials, best)
    drop = effect * quantile**2 / 2
    width = sqrt(2 * drop / likelihood.information(best)) / best  # of a parabola, by the logarithm of the hazard
    bottom = likelihood.at(best) - drop
    ends = likelihood.reaching(bottom, log(best) + width), likelihood.reaching(bottom, log(best) - width)
    weight, frailty = _difference(likelihood.verdicts, best, effect)
    return BoundedStepSuccess(exp(-best), weight, frailty, exp(-ends[0]), exp(-ends[1]), quantile * sqrt(effect))


def likeliest_step_success(trials: Trials) -> StepSuccess | None:
    """The same without its interval."""
    if not _enough(trials):
        return None
    likelihood = _Likelihood(trials.by_length)
    best = likelihood.top()
    return StepSuccess(exp(-best), *_difference(likelihood.verdicts, best, _spread(trials, best)[0]))


def _difference(verdicts: Verdicts, hazard: float, effect: float) -> tuple[float, Frailty | None]:
    """(the weight of runs that differ, how they do).

    From one standard error of evidence on they have a say, from two on all of it: so a gauge never jumps from one view
    to the other, and where runs are alike, the figure stays as sharp as one parameter makes it.
    """
    weight = min(evidence(verdicts, hazard) / sqrt(effect) - 1, 1.0)
    frailty = fit_frailty(verdicts, hazard) if weight > 0 else None
    return (weight, frailty) if frailty is not None else (0.0, None)


def _enough(trials: Trials) -> bool:
    runs = sum(count for count, _ in trials.by_length.values())
    successes = sum(won for _, won in trials.by_length.values())
    return runs >= ENOUGH and 0 < successes < runs


_LOW, _HIGH = -30.0, 5.0
"""Logarithms of hazards between which s falls from 1 - 1e-13 to less than any float."""

_CLOSE = 1e-10
"""How close to a root, relative to it, is close enough."""

_MOST_STEPS = 100


class _Likelihood:
    """The logarithm of the likelihood of verdicts by the hazard, -log s.

    It is concave in the hazard and in the hazard's logarithm, which is why Newton's method finds its way from either
    start below without a bracket.
    """

    def __init__(self, table: Table) -> None:
        self._lengths, runs, won = _columns(table)
        self._lost = runs - won
        self.verdicts = Verdicts(self._lengths, won, self._lost)
        self._steps_lost = self._lost * self._lengths
        self._squares_lost = self._steps_lost * self._lengths
        self._steps_won = float(won @ self._lengths)
        self._squares = runs * self._lengths**2

    def at(self, hazard: float) -> float:
        return float(self._lost @ np.log(-np.expm1(-hazard * self._lengths))) - hazard * self._steps_won

    def slope(self, hazard: float) -> float:
        return float(self._steps_lost @ _odds(hazard * self._lengths)) - self._steps_won

    def information(self, hazard: float) -> float:
        """How sharply it bends on average where this is the true hazard (Fisher's)."""
        return float(self._squares @ _odds(hazard * self._lengths))

    def top(self) -> float:
        """The hazard at which it is highest.

        Its slope falls ever more slowly, so that steps from below the top never lead beyond it; and the start is below,
        since 1 / (e^y - 1) > 1 / y - 1 / 2.
        """
        hazard = float(self._lost.sum()) / (self._steps_won + float(self._steps_lost.sum()) / 2)
        for _ in range(_MOST_STEPS):
            odds = _odds(hazard * self._lengths)
            step = (float(self._steps_lost @ odds) - self._steps_won) / float(self._squares_lost @ (odds + odds * odds))
            hazard += step
            if step <= _CLOSE * hazard:
                break
        return hazard

    def reaching(self, height: float, start: float) -> float:
        """The hazard at which it has no more than this height, on the side of the top of `start`, a logarithm.

        A step from too near the top leads too far, and steps from too far come back without leading too near.
        """
        x = start
        for _ in range(_MOST_STEPS):
            x = min(max(x, _LOW), _HIGH)
            hazard = exp(x)
            above = self.at(hazard) - height
            if above > 0 and x in (_LOW, _HIGH):
                return 0.0 if x == _LOW else inf
            step = above / (hazard * self.slope(hazard))
            x -= step
            if abs(step) <= _CLOSE:
                break
        return exp(x)


def _columns(table: Table) -> tuple[Array, Array, Array]:
    """Lengths, runs and successes, in order of length: rounding must not depend on the order in which runs came."""
    lengths = sorted(table)
    runs, won = [table[n][0] for n in lengths], [table[n][1] for n in lengths]
    return np.array(lengths, dtype=float), np.array(runs, dtype=float), np.array(won, dtype=float)


def _odds(hazards: Array) -> Array:
    """Of success against failure, by the sum of the hazards of a run's steps."""
    return 1 / np.expm1(np.minimum(hazards, 700))


def _spread(trials: Trials, hazard: float) -> tuple[float, float]:
    """(the design effect of the verdicts, the quantile of the interval).

    The effect is the variance of the clusters' slopes, as they are, over that of independent runs; at least 1.
    """
    if not trials.clusters:
        return 1.0, _Z
    lengths, _, _ = _columns(trials.by_length)
    odds = dict(zip(lengths.tolist(), _odds(hazard * lengths).tolist(), strict=True))

    def slopes(table: Table) -> Iterator[float]:
        return (n * ((runs - won) * odds[n] - won) for n, (runs, won) in table.items())

    named = Counter[tuple[int, bool]]()  # runs in clusters by length and success
    for table in trials.clusters.values():
        for n, (runs, won) in table.items():
            named[n, True] += won
            named[n, False] += runs - won
    loose = [(n, won - named[n, True], runs - won - named[n, False]) for n, (runs, won) in trials.by_length.items()]
    clusters = len(trials.clusters) + sum(won + lost for _, won, lost in loose)
    if clusters < 2:
        return 1.0, inf
    # Sums that are exact, or in order of length, do not depend on the order in which runs came.
    squares = [fsum(slopes(table)) ** 2 for table in trials.clusters.values()]
    squares += [n * n * (won + lost * odds[n] ** 2) for n, won, lost in loose]
    information = fsum(runs * n * n * odds[n] for n, (runs, _) in trials.by_length.items())
    return max(1.0, fsum(squares) * clusters / (clusters - 1) / information), t_quantile(clusters - 1)


def _count(table: Table, steps: int, success: bool, sign: int) -> None:
    runs, successes = table.get(steps, (0, 0))
    if runs + sign:
        table[steps] = (runs + sign, successes + sign * success)
    else:
        del table[steps]
