"""What became of injected faults: each rule, and the table of outcomes."""

from __future__ import annotations

import pytest

from otelscore.model import Kind, Outcome, Response, StepStatus
from otelscore.scoring.faults import FaultOutcome, FaultSums, Hit, hits_of

ERROR, SKIPPED = StepStatus.ERROR, StepStatus.SKIPPED
SECOND = 1_000_000_000
RECOVERED, FAILED, HARMLESS, WRONG, UNKNOWN = FaultOutcome


def at(step, second, **facts):
    return step(start=second * SECOND, end=(second + 1) * SECOND, **facts)


@pytest.fixture
def hit(step, run):
    """The one hit of a run whose first tool call has a fault."""

    def make(*later, first=None, passed=None, **facts):
        fault = {"fault": "stale", "arguments": b"x"} | (first or {})
        status = fault.pop("status", StepStatus.OK)
        steps = (at(step, 0, kind=Kind.MODEL, name="gpt"), at(step, 1, status=status, **fault), *later)
        (found,) = hits_of(run(*steps, fault="stale", **facts), lambda _, value: value)
        return found

    return make


@pytest.mark.parametrize("response", Response)
def test_a_fault_that_raised_is_noticed_by_a_sane_response(hit, response):
    found = hit(first={"status": ERROR, "response": response, "recovered": False})
    assert (found.noticed, found.recovered) == (response.sane, False)


def test_a_retry_that_gives_a_good_result_recovers(hit, step):
    failed = {"status": ERROR, "response": Response.RETRIED, "recovered": True}
    assert hit(at(step, 3, arguments=b"x"), first=failed).recovered


def test_a_retry_with_a_fault_of_its_own_recovers_nothing(step, run):
    failed = at(step, 1, status=ERROR, fault="error", response=Response.RETRIED, recovered=True)
    found = hits_of(run(failed, at(step, 3, fault="empty"), fault="error"), lambda _, value: value)
    assert [one.recovered for one in found] == [False, False]


def test_a_plausible_fault_is_noticed_when_the_same_is_asked_again(hit, step):
    model = at(step, 2, kind=Kind.MODEL, name="gpt")
    assert hit(model, at(step, 3, arguments=b"x")) == Hit("stale", "search", True, True)
    assert hit(model, at(step, 3, arguments=b"y")) == Hit("stale", "search", False, False)
    assert hit(model, at(step, 3, arguments=None)).noticed
    assert hit(model, at(step, 3, arguments=b"x", name="mail")).noticed is False
    assert hit(model, at(step, 3, arguments=b"x", status=ERROR)) == Hit("stale", "search", True, False)


def test_what_was_asked_before_the_model_saw_the_result_notices_nothing(hit, step):
    assert hit(at(step, 1, arguments=b"x")).noticed is False
    assert hit(at(step, 2, arguments=b"x"), at(step, 4, kind=Kind.MODEL, name="gpt")).noticed is False


def test_an_answer_that_acknowledges_has_noticed(hit):
    assert hit(acknowledged=True) == Hit("stale", "search", True, False)
    assert hit(acknowledged=False) == Hit("stale", "search", False, False)


@pytest.mark.parametrize("said", [True, False])
def test_the_users_check_is_believed_first(hit, said):
    assert hit(first={"fault_noticed": said}, acknowledged=not said).noticed is said
    assert hit(first={"fault_noticed": said, "status": ERROR}, outcome=Outcome.INCOMPLETE).noticed is said


def test_a_run_that_ended_in_failure_hides_nothing(hit):
    crashed = {"outcome": Outcome.FAILED, "hard_failure": True}
    assert hit(**crashed) == Hit("stale", "search", True, False)
    assert hit(first={"status": ERROR, "response": Response.ABANDONED, "recovered": False}, **crashed).noticed


def test_of_an_incomplete_run_nobody_knows(hit):
    assert hit(outcome=Outcome.INCOMPLETE) == Hit("stale", "search", None, None)
    assert hit(first={"status": ERROR}, outcome=Outcome.INCOMPLETE) == Hit("stale", "search", None, None)
    assert hit(outcome=None) == Hit("stale", "search", None, None)
    assert hit(first={"status": SKIPPED}).noticed is None


def test_a_fault_in_no_step_is_unknown(step, run):
    assert hits_of(run(step(), fault="error"), lambda _, value: value) == (Hit("error", "", None, None),)
    assert hits_of(run(step()), lambda _, value: value) == ()


@pytest.mark.parametrize(
    ("noticed", "recovered", "passed", "outcome", "settled"),
    [
        (True, True, None, RECOVERED, True),
        (True, True, False, RECOVERED, True),
        (True, False, True, RECOVERED, True),
        (True, False, False, FAILED, True),
        (True, False, None, FAILED, False),
        (True, None, None, UNKNOWN, False),
        (True, None, False, FAILED, True),
        (False, False, True, HARMLESS, True),
        (False, False, False, WRONG, True),
        (False, False, None, UNKNOWN, False),
        (None, None, True, UNKNOWN, True),
        (None, None, None, UNKNOWN, True),
    ],
)
def test_outcomes(noticed, recovered, passed, outcome, settled):
    hit = Hit("stale", "search", noticed, recovered)
    assert hit.outcome(passed) is outcome
    assert hit.is_settled(passed) is settled


def test_ratios():
    sums = FaultSums()
    for noticed, recovered, passed in [
        (True, True, True),
        (True, False, False),
        (False, False, True),
        (False, False, False),
        (False, False, None),
        (None, None, True),
    ]:
        sums.count([Hit("stale", "t", noticed, recovered)], passed, 1, "")
    assert (sums.noticed.success, sums.recovered.success, sums.wrong.success) == (2 / 5, 1 / 5, 1 / 4)
