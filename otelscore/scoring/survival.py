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

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import exp, hypot, log, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, ndtri

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

    def by_step(self) -> tuple[Array, Array]:
        """(runs that took it and had no event before, runs that have it there) of each step up to the last taken.

        In order of the steps, so that rounding does not depend on the order in which runs came.
        """
        longest = max((*self.events, *self.censored), default=0)
        events, at_risk = np.zeros(longest + 1), np.zeros(longest + 1)
        events[list(self.events)] = list(self.events.values())
        at_risk[list(self.censored)] = list(self.censored.values())
        at_risk += events
        return at_risk[::-1].cumsum()[::-1][1:], events[1:]


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
    at_risk, events = table.by_step()
    survival = np.cumprod(1 - events / at_risk)
    left = np.where(events < at_risk, at_risk - events, np.inf)  # where nobody is, so is no survival to vary
    variance = np.cumsum(events / (at_risk * left))
    return [
        _point(n, int(at_risk[n - 1]), float(survival[n - 1]), float(variance[n - 1]))
        if n <= len(at_risk)
        else Point(n, 0)
        for n in horizons
    ]


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
    if not table.events or sum(table.events.values()) + sum(table.censored.values()) < SUPPORT:
        return None
    likelihood = _Likelihood(table)
    u, v = 0.0, log(likelihood.steps / likelihood.events)  # the logarithms of alpha and beta
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
        du, dv = max(-_STRIDE, min(du, _STRIDE)), max(-_STRIDE, min(dv, _STRIDE))
        there = likelihood.at(u + du, v + dv)
        gained, hoped = there[0] - height, slope[0] * du + slope[1] * dv
        if gained < 0:
            damping *= 10
            continue
        u, v, (height, slope, bend), damping = u + du, v + dv, there, max(damping / 10, _LEAST_DAMPING)
        if max(gained, hoped) < _GAIN and damping < 1:  # a step right over the top gains little, a damped one anywhere
            break
    return BetaGeometric(exp(u), exp(v))


_MOST_STEPS, _STRIDE, _GAIN, _LEAST_DAMPING = 100, 2.0, 1e-4, 1e-6


class _Likelihood:
    """The logarithm of the likelihood of a life table, by the logarithms of alpha and beta.

    Of the runs that come to step j without an event, counted from 0, the share a / (a + b + j) have it there (Fader and
    Hardie's recursion), so the likelihood is the product of these shares and of their complements over all steps taken:
    a weighted sum of the logarithms of a, of b + j and of a + b + j.
    """

    def __init__(self, table: LifeTable) -> None:
        at_risk, events = table.by_step()
        self.steps, self.events = float(at_risk.sum()), float(events.sum())
        self._weights = np.concatenate((at_risk - events, -at_risk))
        self._before = np.tile(np.arange(len(events), dtype=float), 2)
        self._with_a = slice(len(events), None)

    def at(self, u: float, v: float) -> tuple[float, tuple[float, float], tuple[float, float, float]]:
        """Its value, gradient and Hessian (uu, uv, vv)."""
        a, b = exp(u), exp(v)
        terms = self._before + b
        terms[self._with_a] += a
        value = float(self._weights @ np.log(terms)) + self.events * u
        first = self._weights / terms
        second = first / terms
        by_a, by_b = float(first[self._with_a].sum()), float(first.sum())
        by_ab, by_bb = float(second[self._with_a].sum()), float(second.sum())
        bend = a * by_a - a * a * by_ab, -a * b * by_ab, b * by_b - b * b * by_bb
        return value, (self.events + a * by_a, b * by_b), bend
