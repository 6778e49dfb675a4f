from __future__ import annotations

from math import exp, log, log1p

import numpy as np
import pytest
from scipy.optimize import minimize

from otelscore.scoring.frailty import Frailty, Verdicts, evidence, fit_frailty

LENGTHS = np.array([5.0, 10, 20, 40, 60])
DIFFERENT = Verdicts(LENGTHS, np.array([80.0, 72, 65, 58, 55]), np.array([20.0, 28, 35, 42, 45]))


def log_likelihood(verdicts: Verdicts, log_hazard: float, log_spread: float) -> float:
    gone = np.log1p(verdicts.lengths * exp(log_hazard + log_spread)) / exp(log_spread)
    return float(verdicts.lost @ np.log(-np.expm1(-gone)) - verdicts.won @ gone)


def alike(hazard: float, runs: float = 1000.0) -> Verdicts:
    """As many verdicts of each length as runs that are all alike would bring on average."""
    won = runs * np.exp(-hazard * LENGTHS)
    return Verdicts(LENGTHS, won, runs - won)


def test_no_other_hazard_and_spread_make_the_verdicts_likelier():
    fit = fit_frailty(DIFFERENT, 0.02)
    found = minimize(lambda x: -log_likelihood(DIFFERENT, *x), (-3, 0), method="Nelder-Mead", options={"fatol": 1e-10})
    assert log_likelihood(DIFFERENT, log(fit.hazard), log(fit.spread)) == pytest.approx(-found.fun, abs=1e-5)


def test_its_covariance_is_that_of_the_curvature_on_average():
    truth = Frailty(0.05, 2.0, (0, 0, 0))
    won = np.array([1000 * truth.survival(int(n)) for n in LENGTHS])
    fit = fit_frailty(Verdicts(LENGTHS, won, 1000 - won), 0.03)
    assert (fit.hazard, fit.spread) == pytest.approx((0.05, 2.0), rel=1e-3)
    step, at = 1e-3, np.array([log(0.05), log(2.0)])

    def height(*moved: float) -> float:
        return log_likelihood(Verdicts(LENGTHS, won, 1000 - won), *(at + step * np.array(moved)))

    a = (2 * height(0, 0) - height(1, 0) - height(-1, 0)) / step**2
    c = (2 * height(0, 0) - height(0, 1) - height(0, -1)) / step**2
    b = -(height(1, 1) - height(1, -1) - height(-1, 1) + height(-1, -1)) / (4 * step**2)
    assert fit.covariance == pytest.approx(np.linalg.inv([[a, b], [b, c]]).flatten()[[0, 1, 3]], rel=0.01)


def test_the_error_at_n_steps_is_the_delta_method_s():
    fit = fit_frailty(DIFFERENT, 0.02)

    def gone(log_hazard: float, log_spread: float) -> float:
        return log(log1p(30 * exp(log_hazard + log_spread)) / exp(log_spread))

    at, step = (log(fit.hazard), log(fit.spread)), 1e-5
    slope = np.array([gone(at[0] + step, at[1]) - gone(*at), gone(at[0], at[1] + step) - gone(*at)]) / step
    a, b, c = fit.covariance
    error = float(slope @ np.array([[a, b], [b, c]]) @ slope) ** 0.5
    assert log(-log(fit.survival(30, -1))) - log(-log(fit.survival(30))) == pytest.approx(error, rel=1e-3)


def test_there_is_no_evidence_where_runs_are_alike_and_much_where_they_are_not():
    assert evidence(alike(0.03), 0.03) == pytest.approx(0, abs=1e-6)
    assert evidence(DIFFERENT, 0.02) > 4


def test_evidence_is_a_standard_normal_where_runs_are_alike():
    dice = np.random.default_rng(1)
    runs = np.full(len(LENGTHS), 400)
    found = []
    for _ in range(400):
        won = dice.binomial(runs, np.exp(-0.02 * LENGTHS)).astype(float)
        verdicts = Verdicts(LENGTHS, won, runs - won)
        best = minimize(lambda x, v=verdicts: -log_likelihood(v, x[0], -12.0), [log(0.02)], method="Nelder-Mead")
        found.append(evidence(verdicts, exp(best.x[0])))
    assert np.mean(found) == pytest.approx(0, abs=0.2)
    assert np.std(found) == pytest.approx(1, abs=0.15)


def test_runs_of_one_length_cannot_tell():
    verdicts = Verdicts(np.array([10.0]), np.array([60.0]), np.array([40.0]))
    assert evidence(verdicts, 0.05) == 0
    assert fit_frailty(verdicts, 0.05) is None


def test_where_a_run_s_length_says_nothing_the_fit_ends_at_the_widest_spread():
    verdicts = Verdicts(LENGTHS, np.full(5, 70.0), np.full(5, 30.0))
    fit = fit_frailty(verdicts, 0.02)
    assert fit.spread == pytest.approx(20)
    found = minimize(lambda x: -log_likelihood(verdicts, x[0], log(20)), [log(fit.hazard)], method="Nelder-Mead")
    assert log_likelihood(verdicts, log(fit.hazard), log(20)) == pytest.approx(-found.fun, abs=1e-4)
