"""How far runs come: the share that reaches a step without an event, by Kaplan and Meier's estimator.

Time is the number of steps. A run's *event* is its first failed, or first unrecovered, step; a run that ends without
one is censored after its last step. No model of how steps depend on each other or on the run is needed, so bursts of
errors, runs that differ and agents that give up at the first error do it no harm. Beyond the runs there are, a model
is: the shifted beta-geometric, in which every run has a hazard of its own, drawn from a beta distribution.

Sources: E. L. Kaplan and P. Meier, JASA 53 (1958) 457-481; J. D. Kalbfleisch and R. L. Prentice, The Statistical
Analysis of Failure Time Data (2002), 1.4 (Greenwood's variance on the log-log scale); P. S. Fader and B. G. S. Hardie,
J. Interactive Marketing 21 (2007) 76-90 (beta-geometric).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import exp, hypot, log, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, gammaln, ndtri, psi, zeta

from otelscore.scoring.intervals import CONFIDENCE

Array = NDArray[np.float64]

SUPPORT = 10
"""Runs that must be at risk at a step for its share to be told."""

_QUANTILE = float(ndtri((1 + CONFIDENCE) / 2))
_TAIL = (1 - CONFIDENCE) / 2


@dataclass(slots=True)
class LifeTable:
    """How many runs had their event at each step, and how many ended there without one; steps count from 1."""

    events: dict[int, int] = field(default_factory=dict)
    censored: dict[int, int] = field(default_factory=dict)

    def count(self, steps: int, event: int | None, sign: int) -> None:
        """Puts in (sign 1) or takes out (-1) a run of so many steps with its event at step `event`, or none."""
        table, at = (self.censored, steps) if event is None else (self.events, event)
        left = table.get(at, 0) + sign
        if left:
            table[at] = left
        else:
            del table[at]

    def at_risk(self) -> Iterator[tuple[int, int, int]]:
        """(step, runs that took it and had no event before, runs that have it there), where a run ends or fails."""
        runs = sum(self.events.values()) + sum(self.censored.values())
        for step in sorted(self.events.keys() | self.censored.keys()):
            events = self.events.get(step, 0)
            yield step, runs, events
            runs -= events + self.censored.get(step, 0)


@dataclass(frozen=True, slots=True)
class Point:
    """The survival curve at one number of steps; the share and its interval are None without `SUPPORT`."""

    steps: int
    at_risk: int
    survival: float | None = None
    interval: tuple[float, float] | None = None


def kaplan_meier(table: LifeTable, horizons: Sequence[int]) -> list[Point]:
    """The share of runs without an event in their first N steps, for each N of `horizons` (ascending).

    The interval is Greenwood's on the log-log scale. Where nobody, or everybody, has had the event that scale has no
    value, and the interval is that of an event never, or always, seen among the runs at risk.

    >>> table = LifeTable()
    >>> for steps, event in [(12, None)] * 20 + [(12, 3)] * 5 + [(12, 8)] * 5:
    ...     table.count(steps, event, 1)
    >>> [(point.steps, point.at_risk, round(point.survival, 3)) for point in kaplan_meier(table, (2, 5, 10))]
    [(2, 30, 1.0), (5, 25, 0.833), (10, 20, 0.667)]
    """
    points: list[Point] = []
    wanted = iter(horizons)
    horizon = next(wanted, None)
    survival, variance = 1.0, 0.0
    for step, at_risk, events in table.at_risk():
        while horizon is not None and horizon < step:
            points.append(_point(horizon, at_risk, survival, variance))
            horizon = next(wanted, None)
        survival *= 1 - events / at_risk
        if events < at_risk:
            variance += events / (at_risk * (at_risk - events))
        if horizon == step:
            points.append(_point(horizon, at_risk, survival, variance))
            horizon = next(wanted, None)
    if horizon is not None:
        points += [Point(steps, 0) for steps in (horizon, *wanted)]
    return points


def _point(steps: int, at_risk: int, survival: float, variance: float) -> Point:
    """`variance` is Greenwood's sum: the variance of the survival's logarithm."""
    if at_risk < SUPPORT:
        return Point(steps, at_risk)
    if survival == 1:
        interval = _TAIL ** (1 / at_risk), 1.0
    elif survival == 0:
        interval = 0.0, 1 - _TAIL ** (1 / at_risk)
    else:
        spread = exp(_QUANTILE * sqrt(variance) / abs(log(survival)))
        interval = survival**spread, survival ** (1 / spread)
    return Point(steps, at_risk, survival, interval)


@dataclass(frozen=True, slots=True)
class BetaGeometric:
    """Runs whose hazard per step is drawn from a beta distribution with these parameters."""

    alpha: float
    beta: float

    def survival(self, steps: int) -> float:
        """The share of runs without an event in so many steps."""
        return float(exp(betaln(self.alpha, self.beta + steps) - betaln(self.alpha, self.beta)))


def fit_beta_geometric(table: LifeTable) -> BetaGeometric | None:
    """The fit by maximum likelihood; None without an event or with fewer runs than `SUPPORT`.

    Newton's method on the logarithms of both parameters, damped where it would not climb. Runs that are all alike
    have infinite ones: there the climb ends when it gains nothing more, close to the geometric distribution.

    >>> table = LifeTable(censored={7: 491})
    >>> for step, events in enumerate((131, 126, 90, 60, 42, 34, 26), start=1):  # Fader and Hardie, "High End"
    ...     table.events[step] = events
    >>> fit = fit_beta_geometric(table)
    >>> round(fit.alpha, 3), round(fit.beta, 3)
    (0.668, 3.806)
    """
    events = sum(table.events.values())
    if not events or events + sum(table.censored.values()) < SUPPORT:
        return None
    likelihood = _Likelihood(table)
    u, v = 0.0, log(likelihood.steps / events)  # the logarithms of alpha and beta
    height, slope, bend = likelihood.at(u, v)
    damping = 1e-3
    for _ in range(_MOST_STEPS):
        uu, uv, vv = bend
        steepness = damping + max((uu + vv) / 2 + hypot((uu - vv) / 2, uv), 0.0)  # beyond the largest eigenvalue
        uu, vv = uu - steepness, vv - steepness
        determinant = uu * vv - uv * uv
        if determinant <= 0:  # nothing but rounding is left to climb
            break
        du, dv = (uv * slope[1] - vv * slope[0]) / determinant, (uv * slope[0] - uu * slope[1]) / determinant
        tried = u + max(-_STRIDE, min(du, _STRIDE)), v + max(-_STRIDE, min(dv, _STRIDE))
        there = likelihood.at(*tried)
        gained = there[0] - height
        if gained < 0:
            damping *= 10
            continue
        (u, v), (height, slope, bend), damping = tried, there, max(damping / 10, _LEAST_DAMPING)
        if gained < _GAIN:
            break
    return BetaGeometric(exp(u), exp(v))


_MOST_STEPS, _STRIDE, _GAIN, _LEAST_DAMPING = 100, 2.0, 1e-4, 1e-6


class _Likelihood:
    """The logarithm of the likelihood of a life table, by the logarithms of alpha and beta.

    An event at step t has the probability B(a + 1, b + t - 1) / B(a, b), none in t steps B(a, b + t) / B(a, b). In
    logarithms that is a weighted sum of log-gammas at b + t - 1, b + t, b, each with and without a.
    """

    def __init__(self, table: LifeTable) -> None:
        self._events = float(sum(table.events.values()))
        # In order of the steps, so that rounding does not depend on the order in which runs came.
        ends = [(step - 1, step, runs) for step, runs in sorted(table.events.items())]
        ends += [(step, step, runs) for step, runs in sorted(table.censored.items())]
        survived, taken, runs = np.array(ends, dtype=float).T
        self.steps = float(runs @ taken)
        self._steps = np.concatenate((survived, [0], taken, [0]))
        self._weights = np.concatenate((runs, [-runs.sum()], -runs, [runs.sum()]))
        self._with_a = np.repeat([0.0, 1.0], len(runs) + 1)
        self._weights_with_a = self._weights * self._with_a

    def at(self, u: float, v: float) -> tuple[float, tuple[float, float], tuple[float, float, float]]:
        """Its value, gradient and Hessian (uu, uv, vv)."""
        a, b = exp(u), exp(v)
        at = self._steps + a * self._with_a + b
        first, second = psi(at), zeta(2, at)
        value = self._weights @ gammaln(at) + self._events * u
        by_a, by_b = float(self._weights_with_a @ first) + self._events / a, float(self._weights @ first)
        by_ab, by_bb = float(self._weights_with_a @ second), float(self._weights @ second)
        by_aa = by_ab - self._events / a**2
        bend = a * (a * by_aa + by_a), a * b * by_ab, b * (b * by_bb + by_b)
        return float(value), (a * by_a, b * by_b), bend
