from __future__ import annotations

import pytest
from support import (
    LOCAL,
    REMOTE,
    TRACE,
    agent,
    model,
    names,
    other,
    retrieval,
    run,
    span_id,
    spans,
    tool,
    trajectories,
    wrapper,
)

from otelscore.model import ERROR, SERVER, Failure, Outcome, Response, Role, SpanFacts, StepStatus
from otelscore.trajectory.builder import build

COMPLETED, FAILED, INCOMPLETE = Outcome


# --- Which agent spans are one run. ---


def test_agents_below_a_wrapper_are_one_trajectory_with_its_loose_steps():
    tree = wrapper(
        0, 9, tool("before", 0, 1), agent("a", 1, 2, tool("t", 1, 2)), agent("b", 3, 4, tool("u", 3, 4)), id="w"
    )
    trajectory = run(tree)
    assert names(trajectory) == ["before", "t", "u"]
    assert trajectory.top_span_id == span_id("w")
    assert (trajectory.start, trajectory.end) == (0, 9_000_000_000)


def test_agents_below_a_request_are_separate():
    found = trajectories(other(0, 9, agent("a", 1, 2), agent("b", 3, 4), span_kind=SERVER))
    assert [trajectory.agent for trajectory in found] == ["a", "b"]


def test_tools_without_any_agent_are_one_trajectory():
    trajectory = run(other(0, 9, tool("t", 1, 2), retrieval("r", 3, 4), model(5, 6)))
    assert names(trajectory) == ["t", "r", "gpt"]
    assert (trajectory.agent, trajectory.outcome) == ("unknown", COMPLETED)


def test_model_calls_alone_are_no_agent():
    built = build(spans(other(0, 9, model(1, 2, model(1, 2)), model(3, 4))))
    assert (built.trajectories, built.lone_model_calls) == ([], 3)


def test_calls_of_tools_alone_say_nothing_about_a_run():
    trajectory = run(other(0, 9, tool("t", 1, 2, error="X"), status=ERROR))
    assert (trajectory.outcome, trajectory.hard_failure) == (None, False)
    assert [(step.status, step.response, step.recovered) for step in trajectory.steps] == [
        (StepStatus.ERROR, None, None)
    ]


def test_a_run_without_steps_is_a_run():
    trajectory = run(agent("a", 0, 9))
    assert (trajectory.steps, trajectory.outcome) == ((), COMPLETED)


def test_strangers_alone_are_nothing():
    assert trajectories(other(0, 9, other(1, 2))) == []


# --- Names. ---


def test_a_step_bears_the_nearest_agent_and_the_run_the_outermost():
    trajectory = run(agent("a", 0, 9, tool("t", 1, 2), agent("b", 3, 6, tool("u", 4, 5))))
    assert trajectory.agent == "a"
    assert [step.agent for step in trajectory.steps] == ["a", "b"]


def test_an_agent_span_that_names_nobody_passes_the_name_on():
    assert run(agent("", 0, 9, agent("b", 3, 6, tool("u", 4, 5)))).agent == "b"


def test_a_step_may_say_whose_it_is():
    assert run(agent("", 0, 9, tool("t", 1, 2, agent="planner"))).agent == "planner"


def test_else_the_agent_is_unknown_never_a_route():
    assert run(other(0, 9, agent("", 0, 9, tool("t", 1, 2)))).agent == "unknown"


def test_the_model_is_the_one_that_was_called_most():
    assert run(agent("a", 0, 9, model(0, 1, name="x"), model(1, 2, name="y"), model(2, 3, name="y"))).model == "y"
    assert run(agent("a", 0, 9, model(0, 1, name="x"), model(1, 2, name="y"))).model == "x"


def test_labels_are_of_the_outermost_agent_span_and_its_resource():
    tree = agent(
        "a",
        0,
        9,
        agent("b", 1, 2, labels={"team": "inner"}),
        labels={"team": "outer"},
        more={"attributes": {"team": "resource", "env": "prod"}},
    )
    assert run(tree).labels == {"team": "outer", "env": "prod"}


def test_session_cluster_and_fault_are_the_first_that_a_span_says():
    trajectory = run(agent("a", 0, 9, model(1, 2, session="s", cluster="c"), tool("t", 3, 4, fault="timeout")))
    assert (trajectory.session, trajectory.cluster, trajectory.fault) == ("s", "c", "timeout")


def test_a_verdict_may_be_aimed_at_the_agent_span_or_above_never_at_a_step_or_an_inner_agent():
    tree = other(0, 9, wrapper(0, 9, agent("a", 0, 9, tool("t", 1, 2), agent("b", 3, 4), id="a"), id="w"), id="http")
    assert run(tree).targets == {span_id("http"), span_id("w"), span_id("a")}


# --- How a run ended. ---


def test_a_failed_tool_call_is_no_failed_run():
    assert run(agent("a", 0, 9, tool("t", 1, 2, error="X"))).outcome is COMPLETED


def test_an_error_of_the_outermost_agent_is_a_hard_failure():
    trajectory = run(agent("a", 0, 9, tool("t", 1, 2), error="X"))
    assert (trajectory.outcome, trajectory.hard_failure) == (FAILED, True)


@pytest.mark.parametrize("wrappers", [1, 2])
def test_an_error_of_a_run_wrapper_above_it_too(wrappers):
    inner = agent("a", 1, 8, tool("t", 1, 2))
    tree = wrapper(0, 9, inner, error="X") if wrappers == 1 else wrapper(0, 9, wrapper(0, 9, inner, error="X"))
    assert run(tree).outcome is FAILED


def test_a_wrapper_above_several_agents_too():
    agents = agent("a", 1, 2, tool("t", 1, 2)), agent("b", 3, 4, tool("t", 3, 4))
    assert run(wrapper(0, 9, *agents, error="X")).outcome is FAILED
    assert run(wrapper(0, 9, wrapper(0, 5, *agents, error="X"))).outcome is FAILED


def test_a_wrapper_of_one_of_several_agents_after_which_work_goes_on_does_not():
    first = wrapper(1, 2, agent("a", 1, 2, model(1, 2)), error="X")
    assert run(wrapper(0, 9, first, agent("b", 3, 4, model(3, 4)))).outcome is COMPLETED


def test_an_error_of_a_request_around_the_run_is_not_the_runs():
    assert run(other(0, 9, agent("a", 1, 8, tool("t", 1, 2)), error="X")).outcome is COMPLETED


def test_an_error_of_an_inner_agent_counts_if_no_step_starts_after_it():
    inner = agent("b", 2, 5, tool("t", 3, 4), error="X")
    assert run(agent("a", 0, 9, inner)).outcome is FAILED
    assert run(agent("a", 0, 9, inner, model(5, 6))).outcome is COMPLETED


def test_of_several_outermost_agents_likewise():
    first, second = agent("a", 1, 2, model(1, 2), error="X"), agent("b", 3, 4, model(3, 4))
    assert run(wrapper(0, 9, first, second)).outcome is COMPLETED
    assert run(wrapper(0, 9, agent("a", 5, 6, model(5, 6), error="X"), second)).outcome is FAILED


def test_a_run_whose_last_step_is_a_failed_model_call_failed():
    assert run(agent("a", 0, 9, tool("t", 1, 2), model(3, 4, error="X"))).outcome is FAILED
    assert run(agent("a", 0, 9, model(3, 4, error="X"), tool("t", 5, 6))).outcome is COMPLETED


@pytest.mark.parametrize(("said", "outcome"), [((5, 6), COMPLETED), ((1, 2), FAILED)])
def test_but_not_one_that_gave_a_final_answer_after_it(said, outcome):
    answer = tool("final_answer", *said, role=Role.FINAL_ANSWER)
    assert run(agent("a", 0, 9, answer, model(3, 4, error="X"))).outcome is outcome


def test_a_skipped_step_is_not_the_last_one():
    assert run(agent("a", 0, 9, model(3, 4, error="X"), tool("t", 5, 6, skipped=True))).outcome is FAILED


def test_without_its_root_a_run_failed_if_the_topmost_span_is_error_with_nothing_after():
    lost = {"parent": "a"}
    assert run(model(0, 1, **lost), tool("t", 1, 2, **lost)).outcome is INCOMPLETE
    assert run(model(0, 1, **lost), tool("t", 1, 2, error="X", **lost)).outcome is FAILED
    assert run(model(0, 1, **lost), tool("t", 1, 2, error="X", **lost), model(3, 4, **lost)).outcome is INCOMPLETE
    assert run(model(0, 1, error="X", **lost), tool("t", 0, 0, **lost)).outcome is FAILED  # the last step


def test_an_agent_whose_local_parent_never_came_has_its_own_outcome():
    assert run(agent("a", 0, 9, tool("t", 1, 2), parent="away")).outcome is COMPLETED
    assert run(agent("a", 0, 9, tool("t", 1, 2), parent="away", error="X")).outcome is FAILED


def test_so_has_a_run_wrapper():
    inside = model(1, 2), tool("t", 3, 4)
    assert run(wrapper(0, 9, *inside, parent="away")).outcome is COMPLETED
    assert run(wrapper(0, 9, *inside, parent="away", error="X")).outcome is FAILED
    assert run(wrapper(0, 9, *inside)).outcome is COMPLETED


def test_so_has_one_below_the_span_of_a_request():
    inside = model(1, 2), tool("t", 3, 4)
    assert run(other(0, 9, wrapper(0, 8, *inside, error="X"))).outcome is FAILED
    assert run(other(0, 9, wrapper(0, 8, *inside, error="X"), model(8, 9))).outcome is COMPLETED
    assert run(other(0, 9, wrapper(0, 8, *inside))).outcome is COMPLETED
    assert run(other(0, 9, wrapper(0, 8, wrapper(0, 5, *inside, error="X")))).outcome is COMPLETED


def test_steps_whose_agent_never_came_are_incomplete():
    assert run(model(1, 2, parent="a"), tool("t", 3, 4, parent="a")).outcome is INCOMPLETE


def test_steps_below_a_remote_parent_are_complete():
    assert run(wrapper(0, 9, model(1, 2), tool("t", 3, 4), parent="a", flags=REMOTE)).outcome is COMPLETED


def test_an_agent_span_that_has_not_ended_is_incomplete():
    assert run(agent("a", 5, 0, tool("t", 6, 7))).outcome is INCOMPLETE


# --- Unrecoverable. ---


def statuses(*trees):
    return [str(step.status) for step in run(*trees).steps]


def test_the_last_failed_step_of_a_failed_run_is_unrecoverable():
    tree = agent("a", 0, 9, tool("t", 1, 2, error="X"), tool("u", 3, 4, error="X"), error="Y")
    assert statuses(tree) == ["error", "unrecoverable"]


def test_unless_something_succeeded_after_it():
    assert statuses(agent("a", 0, 9, tool("t", 1, 2, error="X"), model(3, 4), error="Y")) == ["error", "ok"]


def test_a_failed_run_may_have_none():
    assert statuses(agent("a", 0, 9, tool("t", 1, 2), error="Y")) == ["ok"]


def test_a_completed_run_has_none():
    assert statuses(agent("a", 0, 9, tool("t", 1, 2, error="X"))) == ["error"]


# --- Steps whose way up was lost. ---


def lost_step(start, end, **facts):
    return tool("lost", start, end, parent="gone", flags=LOCAL, **facts)


def test_a_lost_step_in_the_time_of_one_run_is_its_own():
    assert names(run(agent("a", 0, 9, tool("t", 1, 2)), lost_step(3, 4))) == ["t", "lost"]


@pytest.mark.parametrize("facts", [{"start": 8, "end": 10}, {"start": 3, "end": 4, "service": "another"}])
def test_otherwise_it_is_not(facts):
    assert names(run(agent("a", 0, 9, tool("t", 1, 2)), lost_step(**facts))) == ["t"]


def test_nor_in_the_time_of_two_runs():
    both = trajectories(other(0, 9, agent("a", 0, 9), agent("b", 1, 9)), lost_step(3, 4))
    assert [names(trajectory) for trajectory in both] == [[], []]


def test_of_runs_one_after_the_other_it_belongs_to_the_one_around_it():
    both = trajectories(other(0, 9, agent("a", 0, 4), agent("b", 5, 9)), lost_step(6, 7))
    assert [names(trajectory) for trajectory in both] == [[], ["lost"]]


# --- Anything at all. ---


def test_exceptions_that_came_as_log_records_count():
    found = spans(agent("a", 0, 9, tool("t", 1, 2, id="t")))
    said = SpanFacts(TRACE, span_id("t"), Failure("TimeoutError", exception=True))
    (trajectory,) = build(found, {said.span_id: said}).trajectories
    assert trajectory.steps[0].error_type == "TimeoutError"


def test_an_id_is_that_of_the_trace_and_the_topmost_span():
    assert run(agent("a", 0, 9, id="a")).trajectory_id == f"{TRACE.hex()}:{span_id('a').hex()}"


def test_an_outermost_agent_without_a_model_call_or_output_answers_with_its_agents_words():
    inner = agent(
        "inner", 1, 9, model(1, 2), tool("book", 3, 4, error="PermissionError"), model(5, 6, acknowledges=True)
    )
    (run,) = build(spans(agent("flow", 0, 10, inner))).trajectories
    assert [step.response for step in run.steps if step.failed] == [Response.ACKNOWLEDGED]
