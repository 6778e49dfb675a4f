from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otelscore.scoring.intervals import ClusterSums, success_interval, t_quantile, wilson

RUN = st.integers(1, 60).flatmap(lambda steps: st.tuples(st.just(steps), st.integers(0, steps)))


def sums_of(runs, names=()) -> ClusterSums:
    sums = ClusterSums()
    for i, (steps, failed) in enumerate(runs):
        sums.count(steps, failed, 1, names[i] if names else "")
    return sums


@pytest.mark.parametrize(
    ("successes", "trials", "lower", "upper"),
    [  # R. G. Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilsons_interval_is_the_published_one(successes, trials, lower, upper):
    assert wilson(successes / trials, trials, 1.959964) == pytest.approx((lower, upper), abs=5e-5)


@pytest.mark.parametrize(("degrees", "quantile"), [(1, 12.706), (4, 2.776), (9, 2.262), (30, 2.042), (10**6, 1.960)])
def test_students_t_is_that_of_the_tables(degrees, quantile):
    assert t_quantile(degrees) == pytest.approx(quantile, abs=5e-4)


def test_runs_that_are_alike_count_as_many_steps_and_runs_that_differ_as_few():
    alike = sums_of([(10, 1)] * 20)
    differing = sums_of([(10, 0)] * 18 + [(10, 10)] * 2)
    assert alike.success == differing.success == pytest.approx(0.9)
    assert alike.design_effect == pytest.approx(0)
    assert differing.design_effect == pytest.approx(10 * 20 / 19)  # all or nothing: a run is worth one step
    narrow, wide = success_interval(alike), success_interval(differing)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_a_design_effect_below_one_makes_no_sample_larger():
    alike = sums_of([(10, 1)] * 20)
    assert success_interval(alike) == wilson(0.9, 200, t_quantile(19))


def test_one_cluster_says_nothing_about_how_much_clusters_differ():
    assert success_interval(sums_of([(50, 3)])) is None
    assert success_interval(sums_of([(50, 3), (40, 0)], ["refund", "refund"])) is None
    assert success_interval(ClusterSums()) is None


@pytest.mark.parametrize(("failed", "bound"), [(0, 1), (10, 0)])
def test_a_share_at_its_end_keeps_it_as_a_bound(failed, bound):
    lower, upper = success_interval(sums_of([(10, failed)] * 5))
    assert (upper if bound else lower) == bound
    assert 0.5 < (lower if bound else 1 - upper) < 1


@given(st.lists(RUN, min_size=2, max_size=30))
def test_an_interval_holds_its_share(runs):
    sums = sums_of(runs)
    lower, upper = success_interval(sums)
    assert 0 <= lower <= sums.success <= upper <= 1


@given(st.lists(RUN, min_size=1, max_size=12), st.data())
def test_runs_of_one_name_are_one_cluster_in_whatever_order_they_come_and_go(runs, data):
    names = data.draw(st.lists(st.sampled_from(["", "a", "b"]), min_size=len(runs), max_size=len(runs)))
    merged = {}
    for (steps, failed), name in zip(runs, names, strict=True):
        before = merged.get(name, (0, 0))
        merged[name] = before[0] + steps, before[1] + failed
    loose = [run for run, name in zip(runs, names, strict=True) if not name]
    expected = sums_of([*loose, *(pair for name, pair in merged.items() if name)])
    sums = sums_of(runs, names)
    assert (sums.clusters, sums.design_effect) == (expected.clusters, pytest.approx(expected.design_effect))
    for i in data.draw(st.permutations(range(len(runs)))):
        sums.count(*runs[i], -1, names[i])
    assert sums == ClusterSums()


def test_order_does_not_matter():
    runs = [(10, 0), (12, 5), (3, 3)]
    assert len({str(sums_of(order)) for order in permutations(runs)}) == 1
