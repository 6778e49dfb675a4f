from __future__ import annotations

from math import log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from otelscore.scoring.projection import ENOUGH, Trials, fit_step_success, likeliest_step_success

RUN = st.tuples(st.integers(1, 200), st.booleans(), st.sampled_from(["", "", "a", "b"]))


def trials_of(runs) -> Trials:
    trials = Trials()
    for steps, success, *cluster in runs:
        trials.count(steps, success, 1, *cluster)
    return trials


def log_likelihood(runs, s: float) -> float:
    return sum(steps * log(s) if success else log(1 - s**steps) for steps, success, *_ in runs)


@given(st.lists(RUN, min_size=ENOUGH, max_size=80))
def test_no_other_step_success_makes_the_verdicts_likelier(runs):
    fit = fit_step_success(trials_of(runs))
    if len({success for _, success, _ in runs}) < 2:
        assert fit is None
        return
    assert 0 <= fit.lower <= fit.value <= fit.upper <= 1
    found = minimize_scalar(lambda s: -log_likelihood(runs, s), bounds=(1e-9, 1 - 1e-12), options={"xatol": 1e-12})
    assert log_likelihood(runs, fit.value) >= -found.fun - 1e-6


def test_the_interval_ends_where_the_likelihood_ratio_is_at_its_critical_value():
    runs = [(5, True)] * 40 + [(12, True)] * 30 + [(12, False)] * 9 + [(40, False)] * 5 + [(40, True)] * 6
    fit = fit_step_success(trials_of(runs))
    top = log_likelihood(runs, fit.value)
    for bound in (fit.lower, fit.upper):
        assert 2 * (top - log_likelihood(runs, bound)) == pytest.approx(3.841459, abs=1e-4)


def test_runs_of_one_length_give_the_root_of_their_pass_rate():
    fit = fit_step_success(trials_of([(10, True)] * 60 + [(10, False)] * 40))
    assert fit.value**10 == pytest.approx(0.6)


@pytest.mark.parametrize("runs", [[], [(5, True)] * 500, [(5, False)] * 500, [(5, True)] * 10 + [(5, False)] * 9])
def test_too_few_verdicts_or_verdicts_all_alike_tell_nothing(runs):
    assert fit_step_success(trials_of(runs)) is None


def test_repeated_tasks_widen_the_interval_by_their_design_effect():
    def widths(*names: str) -> float:
        runs = [
            (10, task % 3 > 0, name.format(task=task, run=run))
            for task in range(30)
            for run in range(4)
            for name in names
        ]
        fit = fit_step_success(trials_of(runs))
        return log(log(fit.lower) / log(fit.upper))

    alone, by_run, by_task = widths(""), widths("{task}-{run}"), widths("{task}")
    assert by_run == pytest.approx(alone, rel=0.05)
    assert by_task == pytest.approx(2 * alone, rel=0.1)  # four runs that always agree are one


def test_a_single_cluster_says_nothing_of_how_much_clusters_differ():
    fit = fit_step_success(trials_of([(10, True, "a")] * 30 + [(10, False, "a")] * 30))
    assert (fit.lower, fit.upper) == (0.0, 1.0)


@given(st.lists(RUN, max_size=40), st.data())
def test_runs_come_and_go_in_any_order_without_a_trace(runs, data):
    trials = trials_of(data.draw(st.permutations(runs)))
    assert trials == trials_of(runs)
    assert trials.reached(50) == sum(steps >= 50 for steps, *_ in runs)
    for steps, success, cluster in data.draw(st.permutations(runs)):
        trials.count(steps, success, -1, cluster)
    assert trials == Trials()


def test_the_truth_of_a_world_of_one_hazard_is_found():
    dice = np.random.default_rng(5)
    lengths = dice.integers(3, 60, 20_000)
    passed = dice.random(20_000) < 0.97**lengths
    fit = fit_step_success(trials_of(zip(map(int, lengths), map(bool, passed), strict=True)))
    assert fit.value == pytest.approx(0.97, abs=0.001)
    assert fit.lower < 0.97 < fit.upper


def world(dice, hazards) -> Trials:
    """Verdicts of runs of 5 to 60 steps with these hazards per step."""
    lengths = dice.integers(5, 60, len(hazards))
    passed = dice.random(len(hazards)) < np.exp(-hazards * lengths)
    return trials_of(zip(map(int, lengths), map(bool, passed), strict=True))


@pytest.mark.parametrize("spread", [0.0, 1.0, 4.0])
def test_success_after_n_steps_is_true_whether_runs_differ_or_not(spread):
    dice = np.random.default_rng(6)
    size = 20_000
    hazards = dice.gamma(1 / spread, 0.03 * spread, size) if spread else np.full(size, 0.03)
    fit = fit_step_success(world(dice, hazards))
    for steps in (10, 20, 50):
        truth = float(np.exp(-hazards * steps).mean())
        lower, upper = fit.bounds_after(steps)
        assert fit.after(steps) == pytest.approx(truth, abs=0.015)
        assert lower < truth < upper
    assert (abs(fit.value**10 - fit.after(10)) > 0.03) == (spread > 0)  # s^N alone would be wrong


@given(st.lists(RUN, min_size=ENOUGH, max_size=80))
def test_success_falls_with_the_steps_and_lies_within_its_bounds(runs):
    fit = fit_step_success(trials_of(runs))
    if fit is None:
        return
    likeliest = likeliest_step_success(trials_of(runs))
    before = 1.0
    for steps in (1, 10, 50, 1000):
        lower, upper = fit.bounds_after(steps)
        assert 0 <= lower <= fit.after(steps) <= upper <= 1
        assert fit.after(steps) <= before
        assert fit.after(steps) == likeliest.after(steps)
        before = fit.after(steps)


def test_the_figure_does_not_jump_when_a_verdict_makes_runs_differ():
    alike = [(n, run < 20 * 0.97**n) for n in range(5, 60, 5) for run in range(20)]
    fits = [fit_step_success(trials_of([*alike, *[(55, True)] * more])) for more in range(40)]
    assert {fits[0].weight, fits[-1].weight} == {0, 1}
    for steps in (10, 50):
        figures = [(fit.after(steps), *fit.bounds_after(steps)) for fit in fits]
        assert np.abs(np.diff(figures, axis=0)).max() < 0.03
