"""What became of every span, and why."""

from __future__ import annotations

import pytest
from support import TRACE, agent, failure, model, other, retrieval, span_id, spans, tool, wrapper

from otelscore.model import OK, Call, ErrorClass, Failure, Result, Role, SpanFacts
from otelscore.trajectory.builder import build
from otelscore.trajectory.explanation import Row, explain_trace

SAID = SpanFacts(TRACE, span_id("t"), failure("TimeoutError"))


def explained(*trees, facts=()) -> list[Row]:
    found, said = spans(*trees), {one.span_id: one for one in facts}
    return explain_trace(found, said, build(found, said).trajectories)


def note(of: str, *trees, facts=()) -> str:
    (row,) = (row for row in explained(*trees, facts=facts) if row.span.span_id == span_id(of))
    return row.note


def run(**facts):
    return agent("a", 0, 9, model(1, 2), tool("t", 3, 4, id="t", **facts), model(5, 6), tool("t", 7, 8))


def test_spans_are_drawn_as_a_tree_with_the_steps_they_became():
    rows = explained(agent("a", 0, 9, model(1, 2), tool("t", 3, 6, other(4, 5)), retrieval("kb", 7, 8)))
    assert [row.branch for row in rows] == ["", "├─ ", "├─ ", "│  └─ ", "└─ "]
    assert [row.step and row.step.index for row in rows] == [None, 0, 1, None, 2]
    assert [row.below for row in rows] == ["│     ", "│        ", "│  │     ", "│           ", "         "]


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"flagged": True, "failure": failure("X"), "status": OK}, "failed by its own flag: unknown, X"),
        ({"error": "TimeoutError"}, "failed by status ERROR: timeout, TimeoutError"),
        ({"failure": Failure("500", ErrorClass.UNAVAILABLE, typed=True)}, "failed by error.type: unavailable, 500"),
        ({"failure": failure("ValueError")}, "failed by an exception: invalid_arguments, ValueError"),
        (
            {"soft_error": "error", "soft_failure": Failure("", ErrorClass.AUTH)},
            "failed by its result (error): auth, no type",
        ),
    ],
)
def test_a_failure_is_explained_by_the_first_evidence(facts, said):
    assert note("t", run(**facts)).startswith(said)


def test_so_is_one_from_a_log_record():
    said = "failed by an exception in a log record: timeout, TimeoutError; retried by step 3; recovered"
    assert note("t", run(), facts=[SAID]) == said


def test_the_step_that_answered_by_another_tool_is_named():
    tree = agent("a", 0, 9, tool("t", 1, 2, error="TimeoutError", id="t"), model(3, 4), tool("other", 5, 6))
    assert note("t", tree).endswith("; rerouted by step 2; not recovered")


def test_a_failure_inside_is_told_at_the_step():
    tree = agent("a", 0, 9, tool("t", 1, 5, tool("t", 2, 3, error="TimeoutError"), id="t"), model(6, 7))
    assert note("t", tree).startswith("failed by another span of the same call: timeout")


def test_the_last_failure_of_a_failed_run():
    tree = agent("a", 0, 9, tool("t", 1, 5, error="TimeoutError", id="t"), error="RuntimeError", id="a")
    assert note("t", tree).endswith("; abandoned; not recovered; the run ended here")
    assert note("a", tree) == "failed by status ERROR: unknown, RuntimeError"


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (tool("t", 1, 2, id="t", skipped=True), "cancelled, deferred or waiting: neither success nor failure"),
        (tool("transfer_to_b", 1, 2, id="t", role=Role.HANDOFF), "a hand-off: no step"),
        (tool("final_answer", 1, 2, id="t", role=Role.FINAL_ANSWER), "the final answer: no step"),
        (tool("ask_b", 1, 4, agent("b", 2, 3, model(2, 3)), id="t"), "runs another agent: no step"),
        (tool("t", 1, 4, tool("t", 2, 3, id="t")), "part of the step above"),
        (wrapper(1, 2, id="t"), ""),
        (other(1, 2, id="t", error="X"), "status ERROR"),
    ],
)
def test_what_is_no_step_is_told_why(made, said):
    assert note("t", agent("a", 0, 9, made, model(5, 6))) == said


def test_an_error_that_repeats_another_one_is_told():
    tree = agent(
        "a",
        0,
        9,
        tool("t", 1, 2, error="TimeoutError"),
        model(3, 4),
        id="a",
        status=2,
        failure=failure("TimeoutError", exception=False),
    )
    assert note("a", tree) == "its ERROR repeats another failure"


def test_calls_that_no_span_shows_are_among_the_rows():
    asked = model(1, 2, requested=(Call("1", "search"),), has_result=True)
    rows = explained(agent("a", 0, 9, asked, model(4, 5, results=(Result(Call("1")),))))
    (row,) = (row for row in rows if row.untraced)
    assert row.step is not None
    assert (row.step.index, row.step.name) == (1, "search")
