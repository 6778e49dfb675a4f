from __future__ import annotations

from math import log

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otelscore.model import Kind, Outcome, Response, StepStatus
from otelscore.scoring.figures import Figures, values, window_name
from otelscore.scoring.labels import LabelLimiter
from otelscore.scoring.metrics import METRICS, Per
from otelscore.scoring.rows import make_row
from otelscore.scoring.score import score_trajectory
from otelscore.scoring.window import Windows, sums_of

OK, ERROR, UNRECOVERABLE, SKIPPED = StepStatus
GROUP = ("service_name", "agent")


def row_of(trajectory):
    labels = (trajectory.origin.service, trajectory.agent)
    return make_row(trajectory, score_trajectory(trajectory), labels, LabelLimiter(100), set(Kind))


def shown(figures: Figures, now: float, **labels: str) -> dict[tuple[str, ...], float]:
    """Name and further label values -> value, of all samples with these labels."""
    found = {}
    for family in figures.families(now):
        for sample in family.samples:
            named = dict(zip(family.label_names, sample.labels, strict=True))
            if labels.items() <= named.items():
                rest = tuple(value for name, value in named.items() if name not in labels)
                found[family.metric.name, *rest] = sample.value
    return found


@pytest.fixture
def windows():
    return Windows((300.0, 3600.0), 1000)


@pytest.fixture
def figures(windows):
    return Figures(windows, (10, 50), GROUP)


def test_every_figure_of_a_window(step, run, windows, figures):
    failed = {"status": ERROR, "response": Response.REVISED}
    trajectories = [
        run(step(), step(), step(kind=Kind.MODEL, name="llm"), passed=True),
        run(step(), step(name="mail"), passed=False),
        run(step(**failed, recovered=True), step(), passed=True),
        run(step(ERROR, response=Response.CONCLUDED, recovered=False), step(SKIPPED), passed=False),
        run(step(), outcome=Outcome.FAILED, hard_failure=True),
        run(step(ERROR), outcome=Outcome.INCOMPLETE),
        run(outcome=Outcome.COMPLETED),
        run(step(), outcome=None),
    ]
    for i, trajectory in enumerate(trajectories):
        windows.add(str(i), row_of(trajectory), 1000.0)
    figures_of_a_group = shown(figures, 1000.0, service_name="shop", agent="planner", window="1h")
    assert figures_of_a_group == {
        ("step_success_ratio",): pytest.approx(8 / 11),
        ("step_success_ratio_lower",): pytest.approx(0.3346, abs=1e-4),
        ("step_success_ratio_upper",): pytest.approx(0.9340, abs=1e-4),
        ("recovery_ratio",): 1 / 2,
        ("resolution_ratio",): 1 / 2,
        ("task_pass_ratio",): 2 / 4,
        ("hard_failure_ratio",): 1 / 7,
        ("incomplete_ratio",): 1 / 7,
        ("silent_failure_ratio",): 1 / 4,
        ("window_trajectories",): 7,
        ("window_steps",): 11,
        ("window_verdicts",): 4,
        ("tool_success_ratio", "search"): pytest.approx(6 / 9),
        ("tool_success_ratio_lower", "search"): pytest.approx(0.2898, abs=1e-4),
        ("tool_success_ratio_upper", "search"): pytest.approx(0.9074, abs=1e-4),
        ("tool_success_ratio", "mail"): 1.0,
        ("verdict_failure_ratio", "none"): 1 / 2,
        ("verdict_failure_ratio", "recovered"): 0.0,
        ("verdict_failure_ratio", "unrecovered"): 1.0,
        ("implied_success_ratio", "10"): pytest.approx((8 / 11) ** 10),
        ("implied_success_ratio", "50"): pytest.approx((8 / 11) ** 50),
        ("implied_failure_ratio", "10"): pytest.approx(1 - (8 / 11) ** 10),
        ("implied_failure_ratio", "50"): pytest.approx(1 - (8 / 11) ** 50),
        ("at_risk_trajectories", "10", "error_free"): 0,
        ("at_risk_trajectories", "50", "error_free"): 0,
        ("at_risk_trajectories", "10", "survival"): 0,
        ("at_risk_trajectories", "50", "survival"): 0,
    }


def test_figures_of_runs_that_are_many_enough(step, run, windows, figures):
    failed = {"status": ERROR, "response": Response.REVISED}
    kinds = [
        (30, run(*[step()] * 12, passed=True)),
        (10, run(step(), step(**failed, recovered=True), *[step()] * 10, passed=True)),
        (10, run(*[step()] * 5, step(**failed, recovered=False), *[step()] * 6, passed=False)),
        (5, run(*[step()] * 12, passed=False)),
        (5, run(*[step()] * 3, outcome=Outcome.FAILED, hard_failure=True)),
    ]
    for kind, (count, trajectory) in enumerate(kinds):
        for i in range(count):
            windows.add(f"{kind}-{i}", row_of(trajectory), 1000.0)
    found = shown(figures, 1000.0, service_name="shop", agent="planner", window="1h")
    assert found["at_risk_trajectories", "10", "error_free"] == 35
    assert found["error_free_ratio", "10"] == pytest.approx(50 / 60 * 45 / 50 * 35 / 45)
    assert found["at_risk_trajectories", "10", "survival"] == 45
    assert found["survival_ratio", "10"] == pytest.approx(55 / 60 * 45 / 55)
    assert found["survival_ratio_lower", "10"] < found["survival_ratio", "10"] < found["survival_ratio_upper", "10"]
    assert ("survival_ratio", "50") not in found
    assert 0 < found["extrapolated_survival_ratio", "50"] < found["survival_ratio", "10"]
    assert ("extrapolated_survival_ratio", "10") not in found
    effective = (40 / 55) ** (1 / 12)
    assert found["effective_step_success_ratio",] == pytest.approx(effective)
    assert found["projected_success_ratio", "10"] == pytest.approx(effective**10)
    assert found["projected_success_ratio_lower", "10"] == pytest.approx(
        found["effective_step_success_ratio_lower",] ** 10
    )
    assert ("projected_success_ratio", "50") not in found
    assert found["projected_silent_failure_ratio", "10"] == pytest.approx(1 - (50 / 55) ** (10 / 12))
    assert found["half_life_steps",] == pytest.approx(log(0.5) / log(effective))
    of_runs = {name for name, metric in METRICS.items() if metric.per is Per.WINDOW and "fault" not in metric.labels}
    assert {name for name, *_ in found} == of_runs


def test_what_is_extrapolated_is_never_more_than_what_was_measured_before(windows, figures, run, step):
    late = run(*[step()] * 9, step(StepStatus.ERROR), outcome=Outcome.FAILED, hard_failure=True)
    for kind, (count, trajectory) in enumerate([(40, run(*[step()] * 9)), (15, late)]):
        for i in range(count):
            windows.add(f"{kind}-{i}", row_of(trajectory), 1000.0)
    found = shown(figures, 1000.0, service_name="shop", agent="planner", window="1h")
    assert found["survival_ratio", "10"] == 0
    assert found["extrapolated_survival_ratio", "50"] == 0


def test_windows_under_an_hour_have_no_horizons(step, run, windows, figures):
    windows.add("a", row_of(run(step())), 1000.0)
    short = {name for name, *_ in shown(figures, 1000.0, window="5m")}
    long = {name for name, *_ in shown(figures, 1000.0, window="1h")}
    assert long - short == {"implied_success_ratio", "implied_failure_ratio", "at_risk_trajectories"}


def test_a_ratio_without_a_denominator_is_absent(run, windows, figures):
    windows.add("a", row_of(run(outcome=None)), 1000.0)
    assert shown(figures, 1000.0, window="5m", agent="planner", service_name="shop") == {
        ("window_trajectories",): 0,
        ("window_steps",): 0,
        ("window_verdicts",): 0,
    }


def test_verdicts_on_runs_whose_errors_nobody_knows_are_in_no_verdict_failure_ratio(step, run, windows, figures):
    windows.add("a", row_of(run(step(), outcome=Outcome.INCOMPLETE, passed=False)), 1000.0)
    names = {name for name, *_ in shown(figures, 1000.0)}
    assert "verdict_failure_ratio" not in names
    assert "task_pass_ratio" in names


def test_a_group_goes_with_its_last_row(step, run, windows, figures):
    windows.add("a", row_of(run(step())), 1000.0)
    assert shown(figures, 1299.0, window="5m")
    assert not shown(figures, 1300.0, window="5m")
    assert shown(figures, 1300.0, window="1h")
    assert not shown(figures, 4600.0)


@given(st.data())
def test_figures_kept_from_scrape_to_scrape_equal_figures_computed_at_once(runs, data):
    windows, now = Windows((300.0, 3600.0), 1000), 1000.0
    kept = Figures(windows, (10,), GROUP)
    times = {}
    for i, trajectory in enumerate(data.draw(st.lists(runs, max_size=8))):
        now += data.draw(st.sampled_from([0, 200, 400, 3000]))
        windows.add(str(i), row_of(trajectory), now)
        times[i] = (now, row_of(trajectory))
        shown(kept, now)
    fresh = Windows((300.0, 3600.0), 1000)
    for i, (time, row) in times.items():
        fresh.add(str(i), row, time)
    assert shown(kept, now) == shown(Figures(fresh, (10,), GROUP), now)


@given(st.data())
@settings(max_examples=30)
def test_the_figures_are_the_same_to_the_last_bit_in_whatever_order_runs_came(runs, data):
    dice = data.draw(st.randoms(use_true_random=False))
    few = [row_of(trajectory) for trajectory in data.draw(st.lists(runs, min_size=3, max_size=8))]
    rows = [
        row._replace(steps=steps, verdict=dice.random() < 0.9**steps, cluster=dice.choice(["", "x", "y", "z"]))
        for row in few * 12
        if row.outcome
        for steps in [dice.randint(row.steps, 20)]
    ]
    mixed = dice.sample(rows, len(rows))
    assert sorted(values(sums_of(rows), (10, 50)), key=repr) == sorted(values(sums_of(mixed), (10, 50)), key=repr)


@given(st.data())
@settings(max_examples=30)
def test_rows_that_have_left_leave_no_trace_in_the_last_bit_of_any_figure(runs, data):
    dice = data.draw(st.randoms(use_true_random=False))
    few = [row_of(trajectory) for trajectory in data.draw(st.lists(runs, min_size=2, max_size=6))]
    rows = [
        row._replace(labels=GROUP, steps=steps, verdict=dice.random() < 0.9**steps, cluster=dice.choice(["", "x", "y"]))
        for row in few * 25
        if row.outcome
        for steps in [dice.randint(max(row.steps, 1), 20)]
    ]
    staying = set(dice.sample(range(len(rows)), len(rows) // 2))
    results = []
    for _ in range(2):
        windows = Windows((3600.0,), 1000)
        for i in dice.sample(range(len(rows)), len(rows)):
            windows.add(str(i), rows[i], 1000.0)
        for i in dice.sample(range(len(rows)), len(rows)):
            if i not in staying:
                windows.remove(str(i))
        results.append(shown(Figures(windows, (10, 50), GROUP), 1000.0))
    at_once = values(sums_of(rows[i] for i in staying), (10, 50))
    results.append({(name, *GROUP, "1h", *labels): value for name, labels, value in at_once if value is not None})
    assert results[0] == results[1] == (results[2] if staying else {})


@given(st.data())
def test_ratios_are_shares(runs, data):
    windows = Windows((3600.0,), 1000)
    for i, trajectory in enumerate(data.draw(st.lists(runs, max_size=8))):
        windows.add(str(i), row_of(trajectory), 1000.0)
    for (name, *_), value in shown(Figures(windows, (10,), GROUP), 1000.0).items():
        assert 0 <= value <= 1 or not name.endswith("_ratio")


def test_windows_are_named_in_the_largest_unit_that_fits_up_to_hours():
    assert [window_name(s) for s in (0.5, 90, 300, 3600, 5400, 21600, 86400)] == [
        "0.5s",
        "90s",
        "5m",
        "1h",
        "90m",
        "6h",
        "24h",
    ]


def test_beyond_so_many_series_further_groups_have_none_until_others_leave(windows, step, run):
    def agents(of, now, **labels):
        return {labels[0] for name, *labels in shown(of, now, **labels) if name == "step_success_ratio"}

    def close(name, time):
        windows.add(name, row_of(run(step(), agent=name[0])), time)

    close("a", 0.0)
    close("a again", 0.0)
    enough = len(shown(Figures(windows, (10, 50), GROUP), 0.0))
    scarce = Figures(windows, (10, 50), GROUP, most=enough)
    close("a", 0.0)
    assert agents(scarce, 0.0, service_name="shop", window="1h") == {"a"}
    close("a once more", 1.0)
    close("b", 1.0)
    assert agents(scarce, 2.0, service_name="shop", window="5m") == {"a"}
    assert agents(scarce, 2.0, service_name="shop", window="1h") == {"a"}
    assert scarce.crowded == 2
    close("b again", 310.0)
    assert agents(scarce, 310.0, service_name="shop", window="5m") == {"b"}
