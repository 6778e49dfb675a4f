from __future__ import annotations

import json

import pytest
from support import KEYS, STEP_KEYS

from otelscore.model import ErrorClass, Kind, Outcome, Response, StepStatus
from otelscore.scoring.score import Errors, errors_of, score_trajectory

OK, ERROR, UNRECOVERABLE, SKIPPED = StepStatus


def test_a_clean_run_has_no_rate_of_answers_to_failures(step, run):
    score = score_trajectory(run(step(), step()))
    assert (score.trajectory_length, score.tool_errors) == (2, 0)
    assert (score.tool_error_rate, score.implied_step_success_rate) == (0.0, 1.0)
    assert (score.recovery_rate, score.resolution_rate) == (None, None)


def test_rates_are_shares_of_failed_steps(step, run):
    score = score_trajectory(
        run(
            step(),
            step(ERROR, response=Response.REVISED, recovered=True),
            step(ERROR, response=Response.REROUTED, recovered=False),
            step(ERROR, response=Response.CONCLUDED, recovered=False),
        )
    )
    assert score.tool_error_rate == 0.75
    assert score.implied_step_success_rate == 0.25
    assert score.recovery_rate == pytest.approx(2 / 3)
    assert score.resolution_rate == pytest.approx(1 / 3)


def test_an_unrecoverable_step_is_a_failed_step(step, run):
    score = score_trajectory(run(step(UNRECOVERABLE, response=Response.ABANDONED, recovered=False)))
    assert (score.tool_errors, score.recovery_rate, score.resolution_rate) == (1, 0.0, 0.0)


def test_skipped_steps_count_in_nothing_but_are_listed(step, run):
    score = score_trajectory(run(step(SKIPPED), step(ERROR, response=Response.RETRIED, recovered=True)))
    assert (score.trajectory_length, score.tool_error_rate) == (1, 1.0)
    assert [one.status for one in score.steps] == [SKIPPED, ERROR]


def test_a_run_without_steps_is_not_clean(run):
    score = score_trajectory(run(passed=False))
    assert (score.trajectory_length, score.tool_error_rate, score.implied_step_success_rate) == (0, None, None)
    assert score.silent_failure is False


def test_what_nobody_knows_is_in_no_rate(step, run):
    unknown = run(step(ERROR), outcome=Outcome.INCOMPLETE)
    assert score_trajectory(unknown).recovery_rate is None
    assert score_trajectory(unknown).resolution_rate is None
    half_known = run(step(ERROR), step(ERROR, recovered=True), outcome=Outcome.INCOMPLETE)
    assert score_trajectory(half_known).resolution_rate == 1.0


@pytest.mark.parametrize(
    ("recovered", "outcome", "passed", "silent"),
    [
        (None, Outcome.COMPLETED, False, True),
        (True, Outcome.COMPLETED, False, True),
        (False, Outcome.COMPLETED, False, False),
        (None, Outcome.COMPLETED, True, False),
        (None, Outcome.COMPLETED, None, None),
        (None, Outcome.FAILED, False, False),
        (None, Outcome.INCOMPLETE, False, False),
        (None, Outcome.INCOMPLETE, None, None),
        (None, None, False, False),
    ],
)
def test_silent_failure_is_a_fail_verdict_on_a_run_that_looked_fine(step, run, recovered, outcome, passed, silent):
    steps = [step()] if recovered is None else [step(), step(ERROR, recovered=recovered)]
    trajectory = run(*steps, outcome=outcome, hard_failure=outcome is Outcome.FAILED, passed=passed)
    assert score_trajectory(trajectory).silent_failure is silent
    assert score_trajectory(trajectory).task_passed is passed


@pytest.mark.parametrize(
    ("recovered", "outcome", "errors"),
    [
        ([], Outcome.COMPLETED, Errors.NONE),
        ([], Outcome.FAILED, Errors.NONE),
        ([], Outcome.INCOMPLETE, Errors.UNKNOWN),
        ([], None, Errors.UNKNOWN),
        ([True], Outcome.COMPLETED, Errors.RECOVERED),
        ([True, False], Outcome.COMPLETED, Errors.UNRECOVERED),
        ([True, None], Outcome.COMPLETED, Errors.UNKNOWN),
        ([True], Outcome.INCOMPLETE, Errors.UNKNOWN),
        ([None, False], Outcome.INCOMPLETE, Errors.UNRECOVERED),
    ],
)
def test_what_happened_to_the_errors_of_a_run(step, run, recovered, outcome, errors):
    assert errors_of(run(step(), *[step(ERROR, recovered=one) for one in recovered], outcome=outcome)) is errors


def test_errors_of_a_run_without_observed_steps_are_unknown(step, run):
    assert errors_of(run()) is Errors.UNKNOWN
    assert errors_of(run(step(SKIPPED))) is Errors.UNKNOWN


def test_json_has_the_keys_of_the_design_in_its_order(step, run):
    score = score_trajectory(run(step(), step(ERROR)))
    shown = json.loads(json.dumps(score.as_dict()))
    assert list(shown) == KEYS
    assert [list(one) for one in shown["steps"]] == [STEP_KEYS, STEP_KEYS]


def test_json_values_are_plain(step, run):
    failed = step(
        ERROR,
        index=1,
        kind=Kind.RETRIEVAL,
        error_class=ErrorClass.NOT_FOUND,
        error_type="KeyError",
        soft_error="json-error",
        response=Response.REPEATED,
        recovered=False,
    )
    trajectory = run(failed, start=1_700_000_000_123_456_789, end=1_700_000_001_623_456_789, passed=True)
    shown = json.loads(json.dumps(score_trajectory(trajectory).as_dict()))
    assert shown["trajectory_id"] == f"{b'sixteen bytes id'.hex()}:{b'top span'.hex()}"
    assert shown["trace_id"] == b"sixteen bytes id".hex()
    assert shown["started_at"] == "2023-11-14T22:13:20.123456Z"
    assert shown["duration_seconds"] == 1.5
    assert shown["outcome"] == "completed"
    assert shown["task_passed"] is True
    assert shown["steps"] == [
        {
            "index": 1,
            "kind": "retrieval",
            "name": "search",
            "agent": "planner",
            "status": "error",
            "error_class": "not_found",
            "error_type": "KeyError",
            "soft_error": "json-error",
            "response": "repeated",
            "sane": False,
            "recovered": False,
            "duration_seconds": 1.0,
            "span_id": b"stepspan".hex(),
            "fault": None,
        }
    ]


def test_json_says_null_where_a_step_has_nothing_to_say(step, run):
    (shown,) = score_trajectory(run(step())).as_dict()["steps"]
    said = {"error_class", "error_type", "soft_error", "response", "sane", "recovered", "fault"}
    assert {key for key, value in shown.items() if value is None} == said


def test_a_clock_that_ran_backwards_makes_no_negative_duration(step, run):
    score = score_trajectory(run(step(start=5, end=0), start=5, end=0))
    assert (score.duration_seconds, score.steps[0].duration_seconds) == (0.0, 0.0)
