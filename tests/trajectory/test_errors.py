from __future__ import annotations

import pytest
from support import agent, failed, failure, model, run, spans, tool

from otelscore.model import ERROR, OK, UNSET, ErrorClass, Failure, StepStatus
from otelscore.trajectory.errors import copies, judge

FLAG = {"flagged": True, "failure": Failure("")}
TYPED = {"failure": Failure("TimeoutError", ErrorClass.TIMEOUT, typed=True)}
RAISED = {"failure": failure("ValueError")}
SAID = {"failure": Failure("", messages=frozenset({b"it broke"}))}
SOFT = {"soft_error": "json_error", "soft_failure": Failure("", ErrorClass.NOT_FOUND), "has_result": True}


def judged(**facts):
    (span,) = spans(tool("t", 0, 1, **facts))
    return judge(span)


@pytest.mark.parametrize(
    ("facts", "fails"),
    [
        ({"status": UNSET}, False),
        ({"status": OK}, False),
        ({"status": ERROR}, True),
        ({"status": ERROR, **SAID}, True),
        ({"status": OK, **FLAG}, True),  # the dialect's own flag beats a status that says OK
        ({"status": UNSET, **TYPED}, True),
        ({"status": UNSET, **RAISED}, True),
        ({"status": OK, **RAISED}, False),  # it was caught, and the span went on
        ({"status": UNSET, **SOFT}, True),
        ({"status": OK, **SOFT}, True),
        ({"status": OK, **SOFT, **RAISED}, True),
    ],
)
def test_the_first_that_says_something_decides(facts, fails):
    assert judged(**facts).failed is fails


def test_a_soft_error_is_classed_by_what_the_result_says():
    judgement = judged(status=OK, **SOFT)
    assert (judgement.failure.error_class, judgement.soft_error) == (ErrorClass.NOT_FOUND, "json_error")


def test_a_status_of_error_beats_the_result_as_evidence():
    judgement = judged(status=ERROR, **SOFT | TYPED)
    assert judgement.failure.error_class is ErrorClass.TIMEOUT


def test_a_skipped_span_neither_failed_nor_succeeded():
    judgement = judged(status=ERROR, skipped=True, failure=failure("CancelledError"))
    assert (judgement.failed, judgement.skipped) == (False, True)


def test_a_cancellation_after_which_the_span_ended_well_is_forgotten():
    judgement = judged(status=OK, skipped=True, failure=failure("CancelledError"))
    assert (judgement.failed, judgement.skipped) == (False, False)


def test_an_exception_that_came_as_a_log_record_counts_like_one_on_the_span():
    (span,) = spans(tool("t", 0, 1))
    assert judge(span, failure("TimeoutError")).failure.error_class is ErrorClass.TIMEOUT
    (fine,) = spans(tool("t", 0, 1, status=OK))
    assert not judge(fine, failure("TimeoutError")).failed


def test_a_logged_exception_names_the_error_where_the_status_says_only_that_there_was_one():
    (span,) = spans(tool("t", 0, 1, status=ERROR, **SAID))
    assert judge(span, failure("TimeoutError")).failure.error_type == "TimeoutError"


def copied(*trees, logged=None):
    return {found.decode().strip(".") for found in copies(spans(*trees), logged or {})}


SAME = {"failure": Failure("", messages=frozenset({b"TimeoutError"})), "status": ERROR}
"""ERROR with the message of the failure `TimeoutError` and nothing of its own."""


def test_an_error_with_the_message_of_an_earlier_failure_on_a_span_with_a_result_is_a_copy():
    tree = agent("a", 0, 9, tool("t", 1, 2, error="TimeoutError"), tool("u", 3, 4, id="u", has_result=True, **SAME))
    assert copied(tree) == {"u"}


def test_without_a_result_a_tool_failed_by_itself():
    assert copied(agent("a", 0, 9, tool("t", 1, 2, error="TimeoutError"), tool("u", 3, 4, **SAME))) == set()


@pytest.mark.parametrize("own", [{"flagged": True}, {"failure": failure("TimeoutError")}])
def test_evidence_of_its_own_makes_an_error_genuine(own):
    tree = agent("a", 0, 9, tool("t", 1, 2, error="TimeoutError"), tool("u", 3, 4, has_result=True, **SAME | own))
    assert copied(tree) == set()


def test_an_error_with_another_message_is_genuine():
    said = {"status": ERROR, "failure": Failure("", messages=frozenset({b"other"}))}
    assert (
        copied(agent("a", 0, 9, tool("t", 1, 2, error="TimeoutError"), tool("u", 3, 4, has_result=True, **said)))
        == set()
    )


def test_what_ended_before_the_failure_is_no_copy_of_it():
    tree = agent("a", 0, 9, tool("u", 0, 1, has_result=True, **SAME), tool("t", 1, 2, error="TimeoutError"))
    assert copied(tree) == set()


def test_an_agent_that_worked_on_after_the_failure_bears_a_copy_also_as_the_root():
    tree = agent("a", 0, 9, tool("t", 1, 2, error="TimeoutError"), model(3, 4), id="a", **SAME)
    assert copied(tree) == {"a"}
    assert run(tree).outcome == "completed"


def test_an_agent_without_work_after_the_failure_died_of_it():
    tree = agent("a", 0, 9, model(0, 1), tool("t", 1, 2, error="TimeoutError"), **SAME)
    assert copied(tree) == set()
    assert run(tree).outcome == "failed"


def test_a_model_call_that_begins_after_the_failure_is_not_its_own_proof_of_work():
    tree = agent("a", 0, 9, tool("t", 1, 2, error="TimeoutError"), model(3, 4, **SAME))
    assert copied(tree) == set()
    assert run(tree).outcome == "failed"


def test_a_model_span_around_the_failure_bears_a_copy_if_work_goes_on():
    tree = agent("a", 0, 9, model(0, 3, tool("t", 1, 2, error="TimeoutError"), id="m", **SAME), model(4, 5))
    assert copied(tree) == {"m"}


def test_the_genuine_exception_may_have_come_as_a_log_record():
    tree = agent("a", 0, 9, tool("t", 1, 2, id="t", status=ERROR), tool("u", 3, 4, id="u", has_result=True, **SAME))
    logged = {found.span_id: failure("TimeoutError") for found in spans(tool("t", 1, 2, id="t"))}
    assert copied(tree, logged=logged) == {"u"}


def test_one_failure_that_marks_tool_agent_and_root_is_one_failed_step():
    tree = agent("a", 0, 9, model(0, 1), tool("t", 1, 2, error="TimeoutError"), model(3, 4), **SAME)
    assert failed(run(tree)) == ["t"]


def test_a_skipped_step_is_in_no_ratio():
    trajectory = run(agent("a", 0, 9, tool("t", 1, 2, skipped=True), tool("u", 3, 4)))
    assert [(step.status, step.index) for step in trajectory.steps] == [(StepStatus.SKIPPED, None), (StepStatus.OK, 0)]
