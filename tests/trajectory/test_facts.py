"""What log records say about a span counts as if the span said it, whichever comes first."""

from __future__ import annotations

from functools import reduce
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st
from support import TRACE, agent, failed, failure, model, names, responses, span_id, spans, tool

from otelscore.model import Call, ErrorClass, Failure, Result, SpanFacts
from otelscore.trajectory.builder import build
from otelscore.trajectory.facts import merge


def facts(of: str, **said) -> SpanFacts:
    return SpanFacts(TRACE, span_id(of), **said)


def built(tree, *said: SpanFacts):
    (trajectory,) = build(spans(tree), {found.span_id: found for found in said}).trajectories
    return trajectory


ERROR = Result(Call(""), soft_error="error_prefix", failure=Failure("X", ErrorClass.TIMEOUT))
RUN = agent("a", 0, 9, model(1, 2), tool("t", 2, 3, id="t"), model(4, 5), tool("t", 6, 7, id="u"), model(7, 8, id="m"))


def test_a_result_is_the_tools():
    trajectory = built(RUN, facts("t", result=ERROR))
    assert failed(trajectory) == ["t"]
    assert responses(trajectory) == ["retried"]
    assert trajectory.steps[1].soft_error == "error_prefix"


def test_arguments_tell_a_retry_from_a_revision():
    said = [facts("t", result=ERROR, arguments=b"1"), facts("u", arguments=b"2")]
    assert responses(built(RUN, *said)) == ["revised"]


def test_a_final_answer_acknowledges():
    tree = agent("a", 0, 9, model(1, 2), tool("t", 2, 3, id="t", error="TimeoutError"), model(4, 5, id="m"))
    assert responses(built(tree)) == ["concluded"]
    assert responses(built(tree, facts("m", acknowledges=True))) == ["acknowledged"]


def test_of_several_answers_the_last_counts():
    first, last = facts("m", acknowledges=True, said_at=1), facts("m", acknowledges=False, said_at=2)
    for one, other in permutations([first, last]):
        assert merge(merge(one, facts("m")), other).acknowledges is False


def test_messages_show_untraced_tools():
    tree = agent("a", 0, 9, model(1, 2, id="m"), model(4, 5, id="n"))
    said = [facts("m", requested=(Call("1", "search"),)), facts("n", results=(Result(Call("1")),))]
    assert names(built(tree, *said)) == ["gpt", "search", "gpt"]


def test_what_is_meant_for_another_kind_of_span_changes_nothing():
    said = [facts("m", result=ERROR, arguments=b"1"), facts("t", results=(ERROR,), requested=(Call("1"),))]
    assert built(RUN, *said) == built(RUN)


def test_the_spans_own_word_goes_first():
    tree = agent("a", 0, 9, tool("t", 2, 3, id="t", args=1, has_result=True))
    trajectory = built(tree, facts("t", result=ERROR, arguments=b"2"))
    assert failed(trajectory) == []
    assert trajectory.steps[0].arguments == b"1"


def test_an_exception_is_the_spans():
    assert failed(built(RUN, facts("t", failure=failure("TimeoutError")))) == ["t"]


calls = st.builds(Call, st.sampled_from(["a", "b", ""]), st.sampled_from(["x", "y"]))
results = st.builds(Result, calls, st.booleans(), st.sampled_from(["", "error"]), st.none() | st.just(Failure("X")))
said = st.builds(
    SpanFacts,
    st.just(TRACE),
    st.just(b"12345678"),
    st.none() | st.builds(Failure, st.sampled_from(["", "A", "B"]), st.sampled_from(ErrorClass)),
    st.none() | st.sampled_from([b"1", b"2"]),
    st.none() | results,
    st.lists(calls, max_size=2).map(tuple),
    st.lists(results, max_size=3).map(tuple),
    st.sampled_from([None, True, False]),
)


@given(st.lists(said, min_size=1, max_size=4))
def test_records_about_one_span_add_up_to_the_same_in_any_order_and_however_often(records):
    whole = {reduce(merge, order) for order in permutations(records)}
    assert len(whole) == 1
    (found,) = whole
    assert reduce(merge, records * 2) == found
