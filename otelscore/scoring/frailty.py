"""Where runs differ: success after n steps when every run has a hazard per step of its own.

Some tasks are harder than others, so s^n falls too slowly over the first steps and too fast over the later ones. With
hazards that are gamma distributed over the runs, of mean h and variance v h^2, a share of (1 + n h v)^(-1/v) of them
comes through n steps; towards v = 0 that is exp(-n h). (J. W. Vaupel, K. G. Manton and E. Stallard, Demography 16
(1979) 439-454, of frailty.)
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, expm1, log, log1p, sqrt

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

Symmetric = tuple[float, float, float]
"""A matrix of two by two: top left, off the diagonal, bottom right."""

_CLOSE = 1e-5
"""Of the logarithm of the likelihood: a two-hundredth of a standard error from its top."""
_MOST_STEPS = 50
_START, _LEAST, _MOST = 4.0, log(1e-3), log(20.0)
"""v at the start, and logarithms between which it is sought: below, it makes no difference, above, lengths do not."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Runs with a verdict by their length: one value each a length, in order of length."""

    lengths: Array
    won: Array
    lost: Array

    @property
    def runs(self) -> Array:
        return self.won + self.lost


@dataclass(frozen=True, slots=True)
class Frailty:
    """The fit: h and v, and the covariance of their logarithms (the inverse of Fisher's information)."""

    hazard: float
    spread: float
    covariance: Symmetric

    def survival(self, steps: int, deviations: float = 0.0) -> float:
        """Share of runs that come through so many steps, or so many standard errors above it.

        The error is that of log(-log(survival)), by the delta method.
        """
        grown = steps * self.hazard * self.spread
        gone = log1p(grown) / self.spread  # -log(survival)
        by_hazard = grown / (1 + grown) / self.spread / gone
        by_spread = by_hazard - 1
        a, b, c = self.covariance
        error = sqrt(by_hazard**2 * a + 2 * by_hazard * by_spread * b + by_spread**2 * c)
        return exp(-gone * exp(min(-deviations * error, 700.0)))


def evidence(verdicts: Verdicts, hazard: float) -> float:
    """Standard errors by which the verdicts speak for runs that differ, given the likeliest `hazard` of equal runs.

    The efficient score of v at 0 over its deviation (Rao's test, one-sided); below 0: nothing speaks for it.
    """
    gone = hazard * verdicts.lengths
    odds = 1 / np.expm1(np.minimum(gone, 700))
    bend = -(gone**2) / 2  # of -log(survival) by v, at v = 0
    weight = verdicts.runs * odds
    left = float(weight @ bend**2) - float(weight @ (bend * gone)) ** 2 / float(weight @ gone**2)
    score = float((verdicts.lost * odds - verdicts.won) @ bend)
    return score / sqrt(left) if left > 1e-9 * float(weight @ bend**2) else 0.0


def fit_frailty(verdicts: Verdicts, hazard: float) -> Frailty | None:
    """The likeliest h and v, by Fisher's scoring from the `hazard` of equal runs; None where they cannot be told apart.

    >>> lengths = np.array([5.0, 10.0, 20.0, 40.0])
    >>> fit = fit_frailty(Verdicts(lengths, np.array([80.0, 70, 62, 55]), np.array([20.0, 30, 38, 45])), 0.02)
    >>> [round(fit.survival(n), 2) for n in (5, 10, 20, 40)]
    [0.79, 0.71, 0.62, 0.54]
    """
    typical = float(verdicts.runs @ verdicts.lengths) / float(verdicts.runs.sum())
    top = _at(verdicts, log(expm1(_START * hazard * typical) / (_START * typical)), log(_START))
    for _ in range(_MOST_STEPS):
        covariance = _inverse(top.information)
        if covariance is None:
            return None
        (a, b), (c, d, e) = top.slope, covariance
        by_hazard, by_spread = c * a + d * b, d * a + e * b
        if (by_spread > 0 and top.log_spread == _MOST) or (by_spread < 0 and top.log_spread == _LEAST):
            by_hazard, by_spread = a / top.information[0], 0.0
        share = min(1.0, 1 / max(abs(by_hazard), abs(by_spread), 1e-300))
        while True:
            spread = min(max(top.log_spread + share * by_spread, _LEAST), _MOST)
            there = _at(verdicts, top.log_hazard + share * by_hazard, spread)
            if there.height >= top.height or share < _CLOSE:
                break
            share /= 2
        gain, top = there.height - top.height, there
        if gain <= _CLOSE:
            break
    covariance = _inverse(top.information)
    return covariance and Frailty(exp(top.log_hazard), exp(top.log_spread), covariance)


def _inverse(matrix: Symmetric) -> Symmetric | None:
    a, b, c = matrix
    determinant = a * c - b * b
    return (c / determinant, -b / determinant, a / determinant) if determinant > 1e-12 * a * c else None


@dataclass(frozen=True, slots=True)
class _Point:
    """The logarithm of the likelihood at one h and v, its gradient by their logarithms, and Fisher's information."""

    log_hazard: float
    log_spread: float
    height: float
    slope: tuple[float, float]
    information: Symmetric


def _at(verdicts: Verdicts, log_hazard: float, log_spread: float) -> _Point:
    spread = exp(log_spread)
    grown = exp(log_hazard + log_spread) * verdicts.lengths
    gone = np.minimum(np.log1p(grown) / spread, 700)
    by_hazard = grown / (1 + grown) / spread
    by_spread = by_hazard - gone
    against = np.expm1(gone)
    height = float(verdicts.lost @ np.log(against) - verdicts.runs @ gone)
    slope = verdicts.lost / against - verdicts.won
    weight = verdicts.runs / against
    by_both = weight * by_hazard
    information = float(by_both @ by_hazard), float(by_both @ by_spread), float(weight @ by_spread**2)
    return _Point(log_hazard, log_spread, height, (float(slope @ by_hazard), float(slope @ by_spread)), information)
