from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lifelines.statistics import logrank_test
from scipy.stats import t

from otelscore.scoring.comparison import difference, log_rank
from otelscore.scoring.intervals import ClusterSums
from otelscore.scoring.survival import LifeTable

RUN = st.integers(1, 40).flatmap(lambda steps: st.tuples(st.just(steps), st.none() | st.integers(1, steps)))
GROUP = st.lists(RUN, min_size=1, max_size=60)


def life_table(runs) -> LifeTable:
    table = LifeTable()
    for steps, event in runs:
        table.count(steps, event, 1)
    return table


def clustered(runs) -> ClusterSums:
    sums = ClusterSums()
    for steps, failed in runs:
        sums.count(int(steps), int(failed), 1)
    return sums


@given(GROUP, GROUP)
def test_log_rank_is_that_of_lifelines(first, second):
    ours = log_rank(life_table(first), life_table(second))
    durations = [[steps if event is None else event for steps, event in runs] for runs in (first, second)]
    observed = [[event is not None for _, event in runs] for runs in (first, second)]
    if ours is None:
        return
    assert ours == pytest.approx(logrank_test(*durations, *observed).p_value, abs=1e-9)
    assert ours == pytest.approx(log_rank(life_table(second), life_table(first)))


@pytest.mark.parametrize("groups", [([], []), ([(5, None)] * 9, [(7, None)] * 9), ([(5, 5)] * 3, [])])
def test_groups_without_events_or_without_overlap_cannot_be_compared(groups):
    assert log_rank(*map(life_table, groups)) is None


def test_the_difference_is_the_seconds_less_the_firsts():
    worse, better = clustered([(10, 2)] * 30), clustered([(10, 1)] * 30)
    found = difference(worse, better)
    assert found.value == pytest.approx(0.1)
    assert found.lower < 0.1 < found.upper
    back = difference(better, worse)
    assert (back.value, back.lower, back.upper) == pytest.approx((-found.value, -found.upper, -found.lower))
    assert back.p_value == pytest.approx(found.p_value)


def test_one_cluster_is_no_group():
    assert difference(clustered([(10, 2)]), clustered([(10, 2)] * 5)) is None
    assert difference(clustered([(10, 2)] * 5), ClusterSums()) is None


def test_groups_without_a_failure_do_not_differ():
    found = difference(clustered([(10, 0)] * 5), clustered([(10, 0)] * 9))
    assert (found.value, found.p_value) == (0.0, 1.0)
    assert found.lower < 0 < found.upper


def test_the_difference_is_tested_by_students_t_on_the_number_of_runs():
    one, other = clustered([(10, 2)] * 6), clustered([(10, 1)] * 6)  # alike, so that the design effect is 1
    statistic = 0.1 / (0.15 * 0.85 * 2 / 60) ** 0.5
    assert difference(one, other).p_value == pytest.approx(2 * t.sf(statistic, 2 * (6 - 1)))


@pytest.mark.parametrize("runs", [20, 100])
def test_where_nothing_differs_few_tests_say_so_though_runs_do(runs):
    dice = np.random.default_rng(3)

    def group() -> ClusterSums:
        success = dice.beta(0.97 * 19, 0.03 * 19, runs)
        steps = dice.integers(5, 61, runs)
        return clustered(zip(steps, dice.binomial(steps, 1 - success), strict=True))

    alarms = [difference(group(), group()) for _ in range(800)]
    assert 0.03 <= np.mean([found.p_value < 0.05 for found in alarms]) <= 0.08
    assert 0.92 <= np.mean([found.lower <= 0 <= found.upper for found in alarms]) <= 0.99
