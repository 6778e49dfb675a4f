from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import SECOND, TRACE, agent, other, span_id, spans, tool, trajectories

from otelscore.model import Verdict
from otelscore.trajectory.builder import build
from otelscore.trajectory.verdicts import VerdictBook, targets_of

EVALUATORS = ["task_success", "correctness"]
OTHER_TRACE = b"another trace id"


@pytest.fixture
def book():
    return VerdictBook(EVALUATORS, wait=100.0, limit=10)


def says(passed, time=50, evaluator="task_success", span="", trace=TRACE, session=""):
    return Verdict(evaluator, passed, time * SECOND, trace, span_id(span) if span else b"", session)


def about_session(passed, time=50):
    return says(passed, time, trace=b"", session="s")


def enter(book, trajectory):
    return book.enter(trajectory.trajectory_id, trajectory.start, targets_of(trajectory))


def one(start=0, trace=TRACE, **facts):
    """A run of an agent below a request."""
    tree = other(
        start, start + 9, agent("a", start, start + 8, tool("t", start, start + 1, id="t"), id="a", **facts), id="http"
    )
    (trajectory,) = build(spans(tree, trace=trace)).trajectories
    return trajectory


def two():
    """Two runs below one request."""
    return trajectories(other(0, 9, agent("a", 1, 2, id="a"), agent("b", 3, 4, id="b"), id="http"))


def judged(book, trajectory):
    verdict = book.verdict_of(trajectory.trajectory_id)
    return None if verdict is None else verdict.passed


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize(
    ("verdict", "applies"),
    [
        (says(False), True),  # the trace
        (says(False, span="a"), True),
        (says(False, span="http"), True),
        (says(False, span="t"), False),  # a step
        (says(False, span="nobody"), False),
        (says(False, trace=OTHER_TRACE), False),
        (about_session(False), True),
        (about_session(False, time=-1), False),  # before the run had begun
        (says(False, evaluator="style"), False),
    ],
)
def test_a_verdict_finds_its_run_whichever_comes_first(book, verdict, applies, before):
    run = one(session="s")
    if before:
        book.add(verdict, 0.0)
        assert run.trajectory_id in enter(book, run)
    else:
        enter(book, run)
        new, changed = book.add(verdict, 0.0)
        assert (new, changed) == (True, [run.trajectory_id] if applies else [])
    assert judged(book, run) is (False if applies else None)


def test_a_verdict_about_a_trace_or_a_span_above_two_runs_is_ambiguous(book):
    a, b = two()
    for run in (a, b):
        enter(book, run)
    book.add(says(False), 0.0)
    book.add(says(False, span="http"), 0.0)
    assert (judged(book, a), judged(book, b)) == (None, None)
    book.add(says(True, span="b"), 0.0)
    assert (judged(book, a), judged(book, b)) == (None, True)


def test_it_is_so_only_as_long_as_there_are_two(book):
    a, b = two()
    book.add(says(False), 0.0)
    enter(book, a)
    assert judged(book, a) is False
    assert enter(book, b) == {a.trajectory_id, b.trajectory_id}
    assert judged(book, a) is None
    assert book.leave(b.trajectory_id) == {a.trajectory_id}
    assert judged(book, a) is False


def test_a_verdict_about_a_session_is_for_the_last_run_that_had_begun(book):
    runs = [
        one(start, trace, session="s") for start, trace in ((0, TRACE), (20, OTHER_TRACE), (60, b"trace number one"))
    ]
    enter(book, runs[0])
    assert book.add(about_session(False, time=50), 0.0) == (True, [runs[0].trajectory_id])
    assert enter(book, runs[1]) == {runs[0].trajectory_id, runs[1].trajectory_id}
    enter(book, runs[2])
    assert [judged(book, run) for run in runs] == [None, False, None]
    assert book.add(about_session(True, time=19), 0.0)[1] == [runs[0].trajectory_id]
    assert book.leave(runs[1].trajectory_id) == {runs[0].trajectory_id}
    assert judged(book, runs[0]) is False


def test_the_first_evaluator_of_the_list_that_spoke_decides(book):
    run = one()
    enter(book, run)
    book.add(says(True, evaluator="correctness", time=99), 0.0)
    assert judged(book, run) is True
    book.add(says(False, evaluator="task_success", time=1), 0.0)
    assert judged(book, run) is False


def test_of_its_verdicts_the_latest_wins_and_of_equals_fail(book):
    run = one()
    enter(book, run)
    book.add(says(True, time=9), 0.0)
    book.add(says(False, time=8), 0.0)
    assert judged(book, run) is True
    book.add(says(False, time=9), 0.0)
    assert judged(book, run) is False


def test_a_verdict_that_is_repeated_is_not_new(book):
    assert book.add(says(True), 0.0)[0]
    assert not book.add(says(True), 1.0)[0]


def test_a_run_that_closes_again_is_judged_as_it_is_now(book):
    enter(book, one(session="old"))
    run = one(session="s")
    book.add(about_session(True), 0.0)
    enter(book, run)
    assert judged(book, run) is True


def test_what_waits_for_its_run_is_pending_and_then_forgotten(book):
    book.add(says(True), 0.0)
    book.add(about_session(True), 50.0)
    assert book.pending == 2
    enter(book, one())
    assert book.pending == 1
    book.expire(100.0)
    assert judged(book, one()) is None
    book.expire(150.0)
    assert book.pending == 0


def test_at_the_limit_the_oldest_go(book):
    for time in range(11):
        book.add(says(time > 0, time=time, trace=bytes([time]) * 16), 0.0)
    assert book.pending == 10
    assert book.add(says(False, time=0, trace=bytes(16)), 0.0)[0]


happenings = st.lists(
    st.one_of(
        st.builds(
            says,
            st.booleans(),
            st.integers(-5, 40),
            st.sampled_from([*EVALUATORS, "style"]),
            st.sampled_from(["", "a", "b", "t", "http"]),
        ),
        st.builds(about_session, st.booleans(), st.integers(-5, 40)),
    ),
    max_size=6,
    unique=True,
)


@given(happenings, st.randoms(use_true_random=False))
def test_the_order_of_runs_and_verdicts_changes_nothing_and_every_change_is_told(verdicts, random):
    runs = [*two(), one(20, OTHER_TRACE, session="s"), one(10, b"trace number one", session="s")]

    def play(things):
        book = VerdictBook(EVALUATORS, wait=100.0, limit=100)
        told = {}
        for thing in things:
            changed = set(book.add(thing, 0.0)[1]) if isinstance(thing, Verdict) else enter(book, thing)
            told |= {run_id: book.verdict_of(run_id) for run_id in changed}
        assert told == {run.trajectory_id: book.verdict_of(run.trajectory_id) for run in runs}
        return told

    assert play(random.sample([*runs, *verdicts], len(runs) + len(verdicts))) == play([*runs, *verdicts])
