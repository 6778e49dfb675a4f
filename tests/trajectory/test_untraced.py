"""Tools without spans are steps where the messages of the model calls around them show call and result."""

from __future__ import annotations

import pytest
from support import (
    SECOND,
    agent,
    failed,
    model,
    names,
    other,
    responses,
    retrieval,
    run,
    span_id,
    spans,
    tool,
    trajectories,
    wrapper,
)

from otelscore.model import Call, ErrorClass, Failure, Outcome, Result, StepStatus
from otelscore.trajectory.builder import build
from otelscore.trajectory.tree import grow
from otelscore.trajectory.untraced import find_untraced


def call(call_id: str, name: str = "search", arguments: object = 1) -> Call:
    return Call(call_id, name, str(arguments).encode())


def told(call_id: str, error: ErrorClass | None = None, name: str = "", **facts) -> Result:
    if error is None:
        return Result(Call(call_id, name), **facts)
    return Result(Call(call_id, name), soft_error="error_prefix", failure=Failure("X", error), **facts)


def asks(start: float, end: float, *calls: Call, results: tuple[Result, ...] = (), **facts):
    """A model call whose words were captured."""
    return model(start, end, requested=calls, results=results, has_result=True, **facts)


def test_a_bare_client_shows_a_run_by_its_messages():
    trajectory = run(
        wrapper(
            0,
            9,
            asks(1, 2, call("a")),
            asks(4, 5, call("b"), results=(told("a", ErrorClass.TIMEOUT),), id="second"),
            asks(7, 8, results=(told("b"),)),
        )
    )
    assert names(trajectory) == ["gpt", "search", "gpt", "search", "gpt"]
    assert [step.index for step in trajectory.steps] == [0, 1, 2, 3, 4]
    assert responses(trajectory) == ["retried"]
    broken, again = (step for step in trajectory.steps if step.kind == "tool")
    assert (broken.start, broken.end) == (2 * SECOND, 4 * SECOND)
    assert (broken.error_class, broken.soft_error, broken.recovered) == (ErrorClass.TIMEOUT, "error_prefix", True)
    assert again.span_id == span_id("second")
    assert trajectory.outcome is Outcome.COMPLETED


def test_model_calls_without_tools_are_no_run():
    assert trajectories(asks(1, 2), asks(4, 5)) == []


def test_a_call_without_a_result_is_unknown():
    assert trajectories(asks(1, 2, call("a")), asks(4, 5)) == []
    assert names(run(agent("a", 0, 9, asks(1, 2, call("a"))))) == ["gpt"]


def test_what_an_earlier_trace_had_asked_for_is_not_of_this_one():
    assert trajectories(asks(1, 2, results=(told("of yesterday"),)), asks(4, 5)) == []
    assert trajectories(asks(1, 2), asks(4, 5, results=(told("of yesterday"),))) == []


def test_an_agent_without_tool_spans_likewise():
    trajectory = run(agent("a", 0, 9, asks(1, 2, call("a")), asks(4, 5, results=(told("a"),))))
    assert names(trajectory) == ["gpt", "search", "gpt"]
    assert {step.agent for step in trajectory.steps} == {"a"}


def test_tools_with_spans_are_not_doubled():
    by_id = agent("a", 0, 9, asks(1, 2, call("a")), tool("x", 2, 3, call_id="a"), asks(4, 5, results=(told("a"),)))
    assert names(run(by_id)) == ["gpt", "x", "gpt"]
    by_agent = agent("a", 0, 9, asks(1, 2, call("a")), tool("x", 2, 3), asks(4, 5, results=(told("a"),)))
    assert names(run(by_agent)) == ["gpt", "x", "gpt"]


def test_nor_are_those_whose_span_lies_elsewhere():
    """Some frameworks put tool spans beside the agent, or give them a name that is spelt differently."""
    beside = wrapper(
        0, 9, agent("a", 0, 9, asks(1, 2, call("a")), asks(4, 5, results=(told("a"),))), tool("Se-arch", 2, 3)
    )
    assert names(run(beside)) == ["gpt", "Se-arch", "gpt"]
    lost = tool("anything", 2, 3, parent="lost")
    assert (
        names(run(agent("a", 0, 9, asks(1, 2, call("a")), asks(4, 5, results=(told("a"),))), lost)).count("search") == 0
    )


@pytest.mark.parametrize("traced", [tool("x", 2, 3, call_id="a"), tool("search", 2, 3)])
def test_nor_are_those_that_another_agent_seems_to_have_called(traced):
    tree = wrapper(
        0, 9, agent("a", 0, 9, asks(1, 2, call("a")), asks(4, 5, results=(told("a"),))), agent("b", 0, 9, traced)
    )
    assert len([name for name in names(run(tree)) if name != "gpt"]) == 1


def test_a_call_is_put_beside_the_agent_that_did_its_work():
    nodes = (wrapper(1, 2, asks(1, 2, call("a", "ask_b"))), wrapper(2, 9, agent("b", 3, 8, asks(4, 5))))
    trajectory = run(agent("a", 0, 20, *nodes, wrapper(10, 11, asks(10, 11, results=(told("a"),)))))
    assert names(trajectory) == ["gpt", "gpt", "gpt"]
    assert [step.agent for step in trajectory.steps] == ["a", "b", "a"]


def test_another_agents_tools_say_nothing_of_this_ones():
    both = agent(
        "a",
        0,
        20,
        asks(1, 2, call("a", "ask_b")),
        agent("b", 2, 9, asks(3, 4, call("b")), tool("search", 5, 6), asks(7, 8)),
        asks(10, 11, call("c", "mail"), results=(told("a"),)),
        asks(14, 15, results=(told("c"),)),
    )
    trajectory = run(both)
    assert names(trajectory) == ["gpt", "gpt", "search", "gpt", "gpt", "mail", "gpt"]  # ask_b runs b: it is no step
    assert [step.agent for step in trajectory.steps] == ["a", "b", "b", "b", "a", "a", "a"]


def test_a_call_that_holds_a_whole_chain_of_others_runs_an_agent():
    trajectory = run(
        wrapper(
            0,
            20,
            asks(1, 2, call("a", "ask_b")),
            asks(3, 4, call("b")),
            asks(6, 7, results=(told("b"),)),
            asks(9, 10, results=(told("a"),)),
        )
    )
    assert names(trajectory) == ["gpt", "gpt", "search", "gpt", "gpt"]


def test_of_two_calls_at_the_same_time_none_is_said_to_run_it():
    trajectory = run(
        wrapper(
            0,
            20,
            asks(1, 2, call("a", "ask_b"), call("c", "mail")),
            asks(3, 4, call("b")),
            asks(6, 7, results=(told("b"),)),
            asks(9, 10, results=(told("a"), told("c"))),
        )
    )
    assert sorted(name for name in names(trajectory) if name != "gpt") == ["ask_b", "mail", "search"]


def test_parallel_calls_keep_the_order_in_which_they_were_asked_for():
    trajectory = run(
        agent(
            "a",
            0,
            9,
            asks(1, 2, call("z", "first"), call("y", "second")),
            asks(4, 5, results=(told("y", ErrorClass.AUTH), told("z"))),
        )
    )
    assert names(trajectory) == ["gpt", "first", "second", "gpt"]
    assert failed(trajectory) == ["second"]
    assert len({step.span_id for step in trajectory.steps if step.kind == "tool"}) == 1


def test_a_result_that_is_told_again_counts_once():
    trajectory = run(
        agent(
            "a",
            0,
            9,
            asks(1, 2, call("a")),
            asks(4, 5, results=(told("a"),), error="TimeoutError"),
            asks(6, 7, results=(told("a"),)),
        )
    )
    assert names(trajectory) == ["gpt", "search", "gpt", "gpt"]


def test_ids_that_are_counted_anew_mean_the_last_request():
    trajectory = run(
        agent(
            "a",
            0,
            20,
            asks(1, 2, call("0", "first")),
            asks(4, 5, call("0", "second"), results=(told("0"),)),
            asks(7, 8, results=(told("0", ErrorClass.AUTH),)),
        )
    )
    assert names(trajectory) == ["gpt", "first", "gpt", "second", "gpt"]
    assert failed(trajectory) == ["second"]


def test_results_without_ids_go_by_name_and_order():
    trajectory = run(
        agent(
            "a",
            0,
            9,
            asks(1, 2, call("", "x", 1), call("", "y", 2), call("", "x", 3)),
            asks(4, 5, results=(told("", name="x"), told("", ErrorClass.AUTH, name="x"), told("", name="y"))),
        )
    )
    assert names(trajectory) == ["gpt", "x", "y", "x", "gpt"]
    assert [step.arguments for step in trajectory.steps if step.failed] == [b"3"]


def test_results_with_ids_that_nobody_asked_for_likewise():
    """OpenLLMetry on the Responses API: a request has the id of its item, the result that of the call."""
    trajectory = run(
        wrapper(
            0,
            9,
            asks(1, 2, call("fc_1", "x"), call("fc_2", "y")),
            asks(4, 5, results=(told("1", ErrorClass.TIMEOUT), told("2"))),
        )
    )
    assert names(trajectory) == ["gpt", "x", "y", "gpt"]
    assert failed(trajectory) == ["x"]


def test_a_model_call_whose_words_were_not_captured_asked_for_what_the_next_one_was_told():
    silent = agent("a", 0, 9, model(1, 2), asks(4, 5, results=(Result(call("a", "search", 7)),)))
    trajectory = run(silent)
    assert names(trajectory) == ["gpt", "search", "gpt"]
    assert trajectory.steps[1].arguments == b"7"


def test_a_flag_beside_the_result_is_evidence():
    failure = Failure("X", ErrorClass.AUTH)
    flagged = Result(Call("a"), flagged=True, soft_error="is_error", failure=failure)
    trajectory = run(agent("a", 0, 9, asks(1, 2, call("a")), asks(4, 5, results=(flagged,))))
    assert failed(trajectory) == ["search"]
    assert trajectory.steps[1].error_class is ErrorClass.AUTH


def test_a_call_starts_after_the_model_that_asked_for_it_even_if_that_took_no_time():
    trajectory = run(agent("a", 0, 9, asks(2, 2, call("a")), asks(3, 5, results=(told("a"),))))
    assert names(trajectory) == ["gpt", "search", "gpt"]
    assert trajectory.steps[1].start > 2 * SECOND


def test_hand_offs_and_final_answers_are_no_steps_here_either():
    trajectory = run(
        agent(
            "a",
            0,
            9,
            asks(1, 2, call("a", "transfer_to_b"), call("b", "final_answer")),
            asks(4, 5, results=(told("a"), told("b"))),
        )
    )
    assert names(trajectory) == ["gpt", "gpt"]


def test_a_logical_model_call_over_a_client_call_is_one():
    inner = model(1.2, 1.8, requested=(call("a"),), has_result=True)
    trajectory = run(
        agent("a", 0, 9, model(1, 2, inner), model(4, 5, model(4.2, 4.8, results=(told("a"),), has_result=True)))
    )
    assert names(trajectory) == ["gpt", "search", "gpt"]


def test_a_model_span_around_a_whole_loop_is_no_call():
    trajectory = run(
        agent("a", 0, 9, model(1, 8, asks(2, 3, call("a")), asks(5, 6, results=(told("a", ErrorClass.AUTH),))))
    )
    assert names(trajectory) == ["gpt", "search", "gpt"]
    assert failed(trajectory) == ["search"]


def test_streams_that_overlap_keep_their_order():
    """The span of a streamed answer may last until after the next call began."""
    trajectory = run(agent("a", 0, 9, asks(1, 6, call("a")), asks(4, 8, results=(told("a"),))))
    assert names(trajectory) == ["gpt", "search", "gpt"]
    assert trajectory.steps[1].duration_seconds == 0


def test_a_retrieval_span_does_not_hide_untraced_tools():
    trajectory = run(agent("a", 0, 9, asks(1, 2, call("a")), retrieval("kb", 2, 3), asks(4, 5, results=(told("a"),))))
    assert sorted(names(trajectory)) == ["gpt", "gpt", "kb", "search"]


@pytest.mark.parametrize("shuffle", [1, -1])
def test_the_order_of_arrival_does_not_matter(shuffle):
    found = spans(
        wrapper(0, 9, asks(1, 2, call("a")), other(2, 3), asks(4, 5, call("b"), results=(told("a"),)), asks(7, 8))
    )[::shuffle]
    (trajectory,) = build(found).trajectories
    assert names(trajectory) == ["gpt", "search", "gpt", "gpt"]
    assert {step.status for step in trajectory.steps} == {StepStatus.OK}


def test_nothing_is_looked_for_where_no_model_was_told_anything(monkeypatch):
    monkeypatch.setattr("otelscore.trajectory.untraced._survey", None)
    assert find_untraced(grow(spans(agent("a", 0, 9, asks(1, 2, call("a")))))) == []
