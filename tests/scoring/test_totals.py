from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otelscore.model import ErrorClass, Kind, Outcome, Response, StepStatus, Verdict
from otelscore.scoring.families import Exemplar
from otelscore.scoring.labels import LabelLimiter
from otelscore.scoring.rows import make_row
from otelscore.scoring.score import score_trajectory
from otelscore.scoring.shares import Share, share_of
from otelscore.scoring.totals import Totals

OK, ERROR, UNRECOVERABLE, SKIPPED = StepStatus
LABELS = ("shop", "planner")
TRACE = b"sixteen bytes id".hex()


def share(totals: Totals, trajectory) -> Share:
    return share_of(trajectory, score_trajectory(trajectory), LABELS, totals._limiter)


def fold(totals: Totals, *trajectories) -> None:
    for trajectory in trajectories:
        totals.fold(share(totals, trajectory), 1000.0)
        if trajectory.verdict:
            fold_verdict(totals, trajectory)


def fold_verdict(totals: Totals, trajectory) -> None:
    row = make_row(trajectory, score_trajectory(trajectory), LABELS, LabelLimiter(100), frozenset(Kind))
    totals.fold_verdict(row, trajectory.verdict, TRACE, trajectory.end, 1000.0)


def counted(totals: Totals, name: str) -> dict[tuple[str, ...], int]:
    """Label values after the group's -> count, where there is one."""
    return {values[2:]: count for values, count in totals.counters.get(name, {}).items() if count}


def observed(totals: Totals, name: str) -> dict[tuple[str, ...], tuple[int, float]]:
    """Label values after the group's -> count and sum."""
    return {values[2:]: (sum(h.counts), h.billionths / 1e9) for values, h in totals.histograms.get(name, {}).items()}


@pytest.fixture
def totals():
    return Totals(LabelLimiter(100))


def test_steps_are_counted_by_outcome_and_attempt(step, run, totals):
    fold(totals, run(step(), step(ERROR), step(again=True), step(SKIPPED), step(kind=Kind.MODEL, name="llm")))
    assert counted(totals, "steps_total") == {
        ("tool", "search", "planner", "ok", "first"): 1,
        ("tool", "search", "planner", "error", "first"): 1,
        ("tool", "search", "planner", "ok", "again"): 1,
        ("model", "", "planner", "ok", "first"): 1,
    }


def test_failed_steps_are_counted_by_class_and_answer(step, run, totals):
    fold(
        totals,
        run(
            step(ERROR, response=Response.REVISED, recovered=True),
            step(UNRECOVERABLE, error_class=ErrorClass.AUTH, response=Response.ABANDONED, recovered=False),
            step(ERROR, kind=Kind.MODEL, name="llm"),
        ),
    )
    assert counted(totals, "step_errors_total") == {
        ("search", "planner", "timeout", "revised", "true"): 1,
        ("search", "planner", "auth", "abandoned", "false"): 1,
        ("", "planner", "timeout", "", ""): 1,
    }


def test_trajectories_are_counted_by_outcome(step, run, totals):
    fold(totals, run(step()), run(step()), run(step(), outcome=Outcome.INCOMPLETE))
    assert counted(totals, "trajectories_total") == {("completed",): 2, ("incomplete",): 1}
    assert counted(totals, "trajectories_without_steps_total") == {}


def test_a_run_without_steps_is_counted_as_such_and_is_in_no_step_figure(run, totals):
    fold(totals, run(passed=False))
    assert counted(totals, "trajectories_total") == {("completed",): 1}
    assert counted(totals, "trajectories_without_steps_total") == {(): 1}
    assert counted(totals, "judged_trajectories_total") == {("fail", "unknown", "false"): 1}
    assert observed(totals, "trajectory_steps") == observed(totals, "trajectory_step_success_ratio") == {}
    assert observed(totals, "trajectory_duration_seconds") == {(): (1, 10.0)}


def test_tool_calls_alone_count_as_steps_only(step, run, totals):
    fold(totals, run(step(), outcome=None, passed=True))
    assert set(totals.counters) == {"steps_total"}
    assert set(totals.histograms) == {"step_duration_seconds"}


def test_durations_lengths_and_ratios_are_spread_over_buckets(step, run, totals):
    fold(totals, run(step(), step(ERROR, end=103_500_000_000), step(), step(kind=Kind.MODEL)))
    assert observed(totals, "step_duration_seconds") == {("tool", "search"): (3, 5.5), ("model", ""): (1, 1.0)}
    assert observed(totals, "trajectory_steps") == {(): (1, 4.0)}
    assert observed(totals, "trajectory_duration_seconds") == {(): (1, 10.0)}
    assert observed(totals, "trajectory_step_success_ratio") == {(): (1, 0.75)}


def test_a_value_on_a_bound_is_in_its_bucket(step, run, totals):
    fold(totals, run(step()), run(step(end=101_000_000_001)), run(step(end=1000_000_000_000)))
    (histogram,) = totals.histograms["step_duration_seconds"].values()
    assert histogram.counts == [0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 1]


def test_a_verdict_is_counted_with_what_happened_to_the_errors(step, run, totals):
    fold(
        totals,
        run(step(), passed=False),
        run(step(ERROR, recovered=True), passed=True),
        run(step(), outcome=Outcome.FAILED, hard_failure=True, passed=False),
    )
    assert counted(totals, "judged_trajectories_total") == {
        ("fail", "none", "false"): 1,
        ("pass", "recovered", "false"): 1,
        ("fail", "none", "true"): 1,
    }
    assert observed(totals, "verdict_delay_seconds") == {(): (3, 90.0)}


def test_a_verdict_may_come_after_the_trajectory_was_counted(step, run, totals):
    trajectory = run(step())
    fold(totals, trajectory)
    assert counted(totals, "judged_trajectories_total") == {}
    fold_verdict(totals, run(step(), passed=True))
    assert counted(totals, "judged_trajectories_total") == {("pass", "none", "false"): 1}
    assert counted(totals, "trajectories_total") == {("completed",): 1}


def test_silent_failures_can_be_told_from_the_counters(step, run, totals):
    trajectories = [
        run(*steps, outcome=outcome, hard_failure=outcome is Outcome.FAILED, passed=passed)
        for outcome in Outcome
        for passed in (True, False)
        for steps in ([], [step()], [step(ERROR, recovered=True)], [step(ERROR, recovered=False)], [step(ERROR)])
    ]
    fold(totals, *trajectories)
    judged = counted(totals, "judged_trajectories_total")
    silent = sum(judged.get(("fail", errors, "false"), 0) for errors in ("none", "recovered"))
    assert silent == sum(score_trajectory(one).silent_failure for one in trajectories) > 0


def test_verdicts_are_counted_as_they_come(totals):
    totals.count_verdict(Verdict("task_success", True, 0))
    totals.count_verdict(Verdict("politeness", False, 0))
    totals.count_verdict(Verdict("politeness", False, 1))
    assert totals.counters["verdicts_total"] == {
        ("task_success", "pass"): 1,
        ("task_success", "fail"): 0,
        ("politeness", "pass"): 0,
        ("politeness", "fail"): 2,
    }


@given(st.data())
def test_every_series_of_a_trajectory_is_there_at_0_before_it_counts(runs, data):
    totals, trajectory = Totals(LabelLimiter(100)), data.draw(runs)
    totals.announce(share(totals, trajectory))
    assert not any(count for series in totals.counters.values() for count in series.values())
    assert not any(any(h.counts) for series in totals.histograms.values() for h in series.values())
    before = series_of(totals)
    totals.fold(share(totals, trajectory), 1000.0)
    assert series_of(totals) == before


def test_every_outcome_of_a_new_agent_starts_at_0(step, run, totals):
    trajectory = run(step())
    totals.announce(share(totals, trajectory))
    assert {values[2:] for values in totals.counters["trajectories_total"]} == {
        ("completed",),
        ("failed",),
        ("incomplete",),
    }
    assert {values[5:] for values in totals.counters["steps_total"]} == {
        (outcome, attempt) for outcome in ("ok", "error") for attempt in ("first", "again")
    }
    assert len(totals.counters["judged_trajectories_total"]) == 16


def test_announcing_again_takes_nothing_back(step, run, totals):
    trajectory = run(step(ERROR), passed=True)
    totals.announce(share(totals, trajectory))
    fold(totals, trajectory)
    counters = {name: dict(series) for name, series in totals.counters.items()}
    totals.announce(share(totals, trajectory))
    assert totals.counters == counters


@given(st.data())
def test_the_order_of_trajectories_is_nothing(runs, data):
    trajectories = data.draw(st.lists(runs, max_size=5))
    one, other = Totals(LabelLimiter(100)), Totals(LabelLimiter(100))
    fold(one, *trajectories)
    fold(other, *data.draw(st.permutations(trajectories)))
    assert one.counters == other.counters
    for name, series in one.histograms.items():
        for values, histogram in series.items():
            same = other.histograms[name][values]
            assert (same.counts, same.billionths) == (histogram.counts, histogram.billionths)


def test_what_went_wrong_carries_its_trace(step, run, totals):
    fold(totals, run(step(ERROR, recovered=True), step(), passed=False), run(step(), passed=True))
    exemplar = Exemplar(TRACE, 1, 1000.0)
    assert totals.exemplars == {
        "steps_total": {(*LABELS, "tool", "search", "planner", "error", "first"): exemplar},
        "step_errors_total": {(*LABELS, "search", "planner", "timeout", "", "true"): exemplar},
        "judged_trajectories_total": {(*LABELS, "fail", "recovered", "false"): exemplar},
    }
    fold(totals, run(step(), outcome=Outcome.FAILED, hard_failure=True))
    assert totals.exemplars["trajectories_total"] == {(*LABELS, "failed"): exemplar}


def test_a_bucket_carries_the_last_trace_that_fell_into_it(step, run, totals):
    fold(totals, run(step()), run(step(), trace_id=b"another 16 bytes"))
    (histogram,) = totals.histograms["step_duration_seconds"].values()
    assert histogram.exemplars[5] == Exemplar(b"another 16 bytes".hex(), 1.0, 1000.0)
    assert histogram.exemplars.count(None) == len(histogram.exemplars) - 1


def test_labels_of_steps_and_evaluators_are_limited(step, run):
    totals = Totals(LabelLimiter(1))
    fold(totals, run(step(name="a", agent="x"), step(ERROR, name="b", agent="y")))
    totals.count_verdict(Verdict("e", True, 0))
    totals.count_verdict(Verdict("f", True, 0))
    assert counted(totals, "steps_total")["tool", "__overflow__", "__overflow__", "error", "first"] == 1
    assert counted(totals, "step_errors_total")["__overflow__", "__overflow__", "timeout", "", ""] == 1
    assert ("tool", "__overflow__") in observed(totals, "step_duration_seconds")
    assert totals.counters["verdicts_total"]["__overflow__", "pass"] == 1


def test_series_of_a_value_that_is_let_go_end_and_begin_anew_at_0(step, run, totals):
    kept, gone = run(step(name="kept")), run(step(ERROR, name="gone"), step(name="kept"))
    fold(totals, kept, gone, gone)
    before = series_of(totals)
    totals.release({"tool": {"gone"}})
    ended = before - series_of(totals)
    assert {name for name, _ in ended} == {"steps_total", "step_errors_total", "step_duration_seconds"}
    assert totals.gone == ended == {(name, values) for name, values in before if "gone" in values}
    assert not totals.changed & ended
    assert not any("gone" in values for exemplars in totals.exemplars.values() for values in exemplars)
    fold(totals, gone)
    assert counted(totals, "steps_total")["tool", "gone", "planner", "error", "first"] == 1
    assert totals.changed >= ended


def test_a_value_ends_only_the_series_that_bear_it_under_its_own_label(step, run, totals):
    fold(totals, run(step(name="planner", agent="planner")))
    before = series_of(totals)
    totals.release({"step_agent": {"planner"}})
    assert {name for name, _ in before - series_of(totals)} == {"steps_total"}


def series_of(totals: Totals) -> set[tuple[str, tuple[str, ...]]]:
    return {
        (name, values)
        for by_name in (totals.counters, totals.histograms)
        for name, series in by_name.items()
        for values in series
    }
