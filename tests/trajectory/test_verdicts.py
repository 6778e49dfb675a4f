from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import SECOND, TRACE, agent, other, span_id, spans, tool, trajectories

from otelscore.model import Verdict
from otelscore.trajectory.builder import build
from otelscore.trajectory.verdicts import Heard, VerdictBook, targets_of

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
        heard, changed = book.add(verdict, 0.0)
        if applies:
            assert (heard, changed) == (Heard.COUNTED, [run.trajectory_id])
        else:
            assert heard is (Heard.IGNORED if verdict.evaluator == "style" else Heard.WAITING)
            assert not changed
    assert judged(book, run) is (False if applies else None)


def test_a_verdict_about_a_trace_or_a_span_above_two_runs_is_ambiguous(book):
    a, b = two()
    for run in (a, b):
        enter(book, run)
    assert book.add(says(False), 0.0) == (Heard.AMBIGUOUS, [])
    assert book.add(says(False, span="http"), 0.0) == (Heard.AMBIGUOUS, [])
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
    assert book.add(about_session(False, time=50), 0.0) == (Heard.COUNTED, [runs[0].trajectory_id])
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


def test_what_became_of_each_verdict_follows_the_runs_as_they_come(book):
    a, b = two()
    said = [says(False), says(True, span="b"), says(True, trace=OTHER_TRACE), says(None), says(True, evaluator="style")]
    for verdict in said:
        book.add(verdict, 0.0)
    waiting, lasting = [Heard.WAITING] * 3, [Heard.UNREADABLE, Heard.IGNORED]
    assert book.standings() == dict(zip(said, [*waiting, *lasting], strict=True))
    enter(book, a)
    assert list(book.standings().values()) == [Heard.COUNTED, Heard.WAITING, Heard.WAITING, *lasting]
    enter(book, b)
    assert list(book.standings().values()) == [Heard.AMBIGUOUS, Heard.COUNTED, Heard.WAITING, *lasting]


def test_a_verdict_that_is_repeated_is_not_new(book):
    assert book.add(says(True), 0.0)[0] is Heard.WAITING
    assert book.add(says(True), 1.0)[0] is Heard.DUPLICATE


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
    assert book.add(says(False, time=0, trace=bytes(16)), 0.0)[0] is Heard.WAITING


@pytest.mark.parametrize("name", ["task-success", "Task Success", "TASK_SUCCESS", "TaskSuccess"])
def test_how_the_name_of_an_evaluator_is_written_makes_no_difference(book, name):
    run = one()
    enter(book, run)
    assert book.add(says(False, evaluator=name), 0.0)[0] is Heard.COUNTED
    assert judged(book, run) is False
    assert book.add(says(False, evaluator="task.success"), 0.0)[0] is Heard.IGNORED


def test_a_verdict_of_a_speaker_counts_on_whatever_span_of_the_run(book):
    said = says(False, evaluator="task.success", span="t")
    run = build(
        spans(agent("a", 0, 8, tool("t", 0, 1, id="t", verdicts=(said,)), tool("u", 2, 3, id="u"))),
        speakers={"task.success"},
    ).trajectories[0]
    book = VerdictBook([*EVALUATORS, "task.success"], wait=100.0, limit=10)
    enter(book, run)
    assert book.add(said, 0.0) == (Heard.COUNTED, [run.trajectory_id])
    assert judged(book, run) is False
    assert book.add(says(True, evaluator="task_success", span="u"), 0.0)[0] is Heard.WAITING


def reasons(book):
    """What has turned out unusable, each once."""
    return sorted(reason.value for _, reason in book.unusable)


def test_what_cannot_be_read_is_told_where_its_evaluator_judges_runs(book):
    assert book.add(says(None), 0.0) == (Heard.UNREADABLE, [])
    assert book.add(says(None), 0.0) == (Heard.DUPLICATE, [])
    assert book.add(says(True, trace=b""), 0.0) == (Heard.UNREADABLE, [])  # about nothing
    assert book.add(says(None, evaluator="style"), 0.0) == (Heard.IGNORED, [])
    assert reasons(book) == ["unreadable", "unreadable"]
    enter(book, one())
    assert judged(book, one()) is None


@pytest.mark.parametrize("first", ["verdict", "runs", "a run"])
def test_what_is_about_several_runs_is_told_once_when_two_of_them_are_final(book, first):
    runs = two()
    happens = [lambda: enter(book, runs[0]), lambda: enter(book, runs[1])]
    happens.insert({"verdict": 0, "a run": 1, "runs": 2}[first], lambda: book.add(says(False), 0.0))
    for happen in happens:
        happen()
    book.settle(runs[0].trajectory_id)
    assert reasons(book) == []  # the other may turn out to be a part of it
    book.settle(runs[1].trajectory_id)
    assert reasons(book) == ["ambiguous"]
    assert book.add(says(True, time=60, span="http"), 0.0)[0] is Heard.AMBIGUOUS
    assert reasons(book) == ["ambiguous", "ambiguous"]
    book.expire(200.0)
    assert reasons(book) == ["ambiguous", "ambiguous"]


def test_what_waited_in_vain_is_told_but_not_what_a_run_had(book):
    run = one()
    enter(book, run)
    book.add(says(True), 0.0)
    book.add(says(True, trace=OTHER_TRACE), 0.0)
    book.add(says(True, evaluator="style", trace=OTHER_TRACE), 0.0)
    book.retire(run.trajectory_id)
    book.expire(100.0)
    assert [(verdict.trace_id, reason) for verdict, reason in book.unusable] == [(OTHER_TRACE, "expired")]


def test_a_run_that_is_too_old_takes_with_it_what_was_said_of_it_and_nothing_else(book):
    first, second = one(0, session="s"), one(60, OTHER_TRACE, session="s")
    enter(book, first)
    enter(book, second)
    said = [says(True), about_session(True, time=50), about_session(False, time=70), says(True, trace=OTHER_TRACE)]
    for verdict in said:
        book.add(verdict, 0.0)
    book.changed.clear()
    book.retire(first.trajectory_id)
    assert book.changed == {said[0]: None, said[1]: None}
    assert book.verdict_of(second.trajectory_id) == said[2]


def test_what_comes_and_goes_is_told_to_who_stores_it(book):
    book.add(says(True), 0.0)
    book.add(says(False), 50.0)
    book.add(says(False), 60.0)
    assert book.changed == {says(True): 100.0, says(False): 150.0}
    book.expire(100.0)
    assert book.changed == {says(True): None, says(False): 150.0}


happenings = st.lists(
    st.one_of(
        st.builds(
            says,
            st.sampled_from([True, False, None]),
            st.integers(-5, 40),
            st.sampled_from([*EVALUATORS, "style"]),
            st.sampled_from(["", "a", "b", "t", "http"]),
            st.sampled_from([TRACE, b""]),
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
            if not isinstance(thing, Verdict) and random.random() < 0.5:
                book.settle(thing.trajectory_id)
        for run in runs:
            book.settle(run.trajectory_id)
        unusable = Counter(book.unusable)
        assert set(unusable.values()) <= {1}
        assert told == {run.trajectory_id: book.verdict_of(run.trajectory_id) for run in runs}
        return told, unusable

    assert play(random.sample([*runs, *verdicts], len(runs) + len(verdicts))) == play([*runs, *verdicts])
