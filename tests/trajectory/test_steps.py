from __future__ import annotations

import pytest
from support import (
    agent,
    failed,
    made,
    model,
    names,
    other,
    recoveries,
    responses,
    retrieval,
    run,
    spans,
    tool,
    wrapper,
)

from otelscore.model import ERROR, OK, Call, Kind, Reading, Role
from otelscore.trajectory.builder import build

KINDS = {"model": Kind.MODEL, "tool": Kind.TOOL, "retrieval": Kind.RETRIEVAL}


@pytest.mark.parametrize(
    ("outer", "inner", "folds"),
    [
        ("model", "model", True),
        ("tool", "model", True),
        ("tool", "retrieval", True),
        ("tool", "tool", True),
        ("retrieval", "retrieval", True),
        ("model", "tool", False),  # streaming SDKs put the calls of a model below it
        ("model", "retrieval", False),
        ("retrieval", "model", False),
        ("retrieval", "tool", False),
    ],
)
@pytest.mark.parametrize("between", [False, True])
def test_only_like_folds_into_like(outer, inner, folds, between):
    below = made(KINDS[inner], "y", 2, 3)
    tree = agent("a", 0, 9, made(KINDS[outer], "x", 1, 4, other(1, 4, wrapper(1, 4, below)) if between else below))
    assert names(run(tree)) == (["x"] if folds else ["x", "y"])


def test_nothing_folds_through_an_agent_span():
    tree = agent("a", 0, 9, model(1, 8, agent("b", 2, 7, model(3, 4, name="inner"))))
    assert names(run(tree)) == ["gpt", "inner"]


def test_a_tool_below_a_model_swallows_what_is_below_it():
    assert names(run(agent("a", 0, 9, model(1, 8, tool("t", 2, 7, retrieval("r", 3, 4)))))) == ["gpt", "t"]


def test_agents_and_wrappers_and_strangers_make_no_steps():
    assert names(run(agent("a", 0, 9, wrapper(1, 2), other(3, 4), agent("b", 5, 6)))) == []


# --- One call, several spans. ---


def test_the_innermost_span_of_the_same_call_has_a_word():
    tree = agent("a", 0, 9, tool("t", 1, 5, tool("t", 2, 4, tool("t", 3, 4, error="TimeoutError"))))
    assert failed(run(tree)) == ["t"]
    assert run(tree).steps[0].error_class == "timeout"


def test_an_outer_span_that_says_ok_explicitly_wins():
    assert failed(run(agent("a", 0, 9, tool("t", 1, 5, tool("t", 2, 4, error="TimeoutError"), status=OK)))) == []


def test_of_several_inner_attempts_the_last_counts():
    twice = [tool("t", 2, 3, error="TimeoutError"), tool("t", 4, 5)]
    assert failed(run(agent("a", 0, 9, tool("t", 1, 6, *twice)))) == []
    twice = [tool("t", 2, 3), tool("t", 4, 5, error="TimeoutError")]
    assert failed(run(agent("a", 0, 9, tool("t", 1, 6, *twice)))) == ["t"]


def test_an_attempt_is_judged_by_its_innermost_span_also_through_strangers():
    """The middle one only hands on; the clock of the server process is behind."""
    tree = agent("a", 0, 9, tool("t", 5, 8, tool("t", 6, 7, other(6, 7, tool("t", 1, 2, error="TimeoutError")))))
    assert failed(run(tree)) == ["t"]


@pytest.mark.parametrize(
    "inner", [model(2, 3, error="TimeoutError"), retrieval("r", 2, 3, error="TimeoutError"), other(2, 3, error="X")]
)
def test_an_unlike_inner_span_has_none(inner):
    assert failed(run(agent("a", 0, 9, tool("t", 1, 5, inner)))) == []


def test_a_tool_of_another_name_is_not_the_same_call():
    assert failed(run(agent("a", 0, 9, tool("t", 1, 5, tool("u", 2, 3, error="TimeoutError"))))) == []


def test_a_model_call_fails_with_its_client_call():
    assert failed(run(agent("a", 0, 9, model(1, 5, model(2, 3, error="TimeoutError", name="gpt-4"))))) == ["gpt"]


# --- Two instrumentations at once. ---


def test_two_reports_of_one_call_are_one_step():
    tree = agent("a", 0, 9, tool("t", 1, 5, scope="one"), tool("t", 1.1, 4.9, scope="two"))
    assert names(run(tree)) == ["t"]


@pytest.mark.parametrize("first_fails", [True, False])
def test_it_failed_if_either_says_so_and_the_fuller_one_gives_the_details(first_fails):
    reports = [{"error": "TimeoutError"}, {"args": "x", "call_id": "c1", "has_result": True}]
    first, second = reports if first_fails else reversed(reports)
    trajectory = run(
        agent("a", 0, 9, tool("t", 1, 5, scope="one", **first), tool("t", 1.1, 4.9, scope="two", **second))
    )
    assert failed(trajectory) == ["t"]
    assert (trajectory.steps[0].call_id, trajectory.steps[0].arguments) == ("c1", b"x")


@pytest.mark.parametrize(
    "second",
    [
        tool("t", 1.1, 4.9, scope="one"),  # the same scope: a parallel call
        tool("u", 1.1, 4.9, scope="two"),
        retrieval("t", 1.1, 4.9, scope="two"),
        tool("t", 4, 6, scope="two"),  # only half of the shorter one
    ],
)
def test_anything_else_is_a_call_of_its_own(second):
    assert len(run(agent("a", 0, 9, tool("t", 1, 5, scope="one"), second)).steps) == 2


def test_reports_are_paired_one_to_one():
    tree = agent(
        "a",
        0,
        9,
        tool("t", 1, 5, scope="one", call_id="c1"),
        tool("t", 1.1, 4.9, scope="two"),
        tool("t", 1.2, 5.2, scope="one", call_id="c2"),
        tool("t", 1.3, 5.1, scope="two"),
    )
    assert [step.call_id for step in run(tree).steps] == ["c1", "c2"]


def test_one_report_is_not_the_second_of_two_calls():
    tree = agent(
        "a", 0, 9, tool("t", 1, 5, scope="one"), tool("t", 1.1, 4.9, scope="two"), tool("t", 1.2, 4.8, scope="two")
    )
    assert names(run(tree)) == ["t", "t"]


def test_one_below_the_other_is_no_second_report():
    """A streaming model whose tool runs another agent of another framework."""
    inner = agent("b", 2, 7, model(2, 7, scope="two", name="small"), scope="two")
    tree = agent("a", 0, 9, model(1, 8, tool("ask", 2, 7, inner), scope="one"))
    assert names(run(tree)) == ["gpt", "small"]


# --- Delegation. ---


def agents_of(trajectory):
    return [(step.name, step.agent) for step in trajectory.steps]


def test_a_delegation_is_no_step_and_its_steps_are_the_inner_agents():
    tree = agent("a", 0, 9, model(0, 1), tool("ask", 1, 8, agent("b", 2, 7, tool("t", 3, 4))))
    assert agents_of(run(tree)) == [("gpt", "a"), ("t", "b")]


def test_the_same_where_the_inner_agent_lies_beside_its_tool():
    tree = agent("a", 0, 9, model(0, 1), tool("ask", 1, 8), agent("b", 2, 7, tool("t", 3, 4)))
    assert agents_of(run(tree)) == [("gpt", "a"), ("t", "b")]


def test_a_loop_without_an_agent_span_bears_the_tools_name():
    tree = agent("a", 0, 9, tool("research", 1, 8, model(2, 3), tool("search", 4, 5)))
    assert agents_of(run(tree)) == [("gpt", "research"), ("search", "research")]


def test_a_dialect_may_name_a_delegation():
    tree = agent("a", 0, 9, tool("research", 1, 8, model(2, 3), role=Role.DELEGATION))
    assert agents_of(run(tree)) == [("gpt", "research")]


def test_a_delegation_with_an_error_of_its_own_and_no_failure_inside_is_a_failed_step():
    inner = agent("b", 2, 7, tool("t", 3, 4))
    trajectory = run(agent("a", 0, 9, tool("ask", 1, 8, inner, error="TimeoutError"), model(8, 9)))
    assert agents_of(trajectory) == [("ask", "a"), ("t", "b"), ("gpt", "a")]
    assert failed(trajectory) == ["ask"]


def test_a_delegation_that_only_passes_on_a_failure_inside_is_none():
    inner = agent("b", 2, 7, tool("t", 3, 4, error="TimeoutError"), error="TimeoutError")
    assert failed(run(agent("a", 0, 9, tool("ask", 1, 8, inner, error="TimeoutError"), model(8, 9)))) == ["t"]
    beside = agent("a", 0, 9, tool("ask", 1, 8, error="TimeoutError"), inner, model(8, 9))
    assert failed(run(beside)) == ["t"]


def test_delegations_inside_each_other_fail_once():
    tree = agent(
        "a",
        0,
        20,
        tool(
            "ask_b",
            1,
            18,
            agent("b", 2, 17, tool("ask_c", 3, 16, agent("c", 4, 15, model(5, 6)), error="X")),
            error="X",
        ),
        model(19, 20),
    )
    assert failed(run(tree)) == ["ask_c"]


def test_a_delegation_over_its_client_span_fails_once():
    tree = agent(
        "a", 0, 20, tool("ask", 1, 18, tool("ask", 2, 17, agent("b", 3, 16, model(5, 6)), error="X"), error="X")
    )
    assert failed(run(tree)) == ["ask"]


# --- Hand-offs and final answers. ---


@pytest.mark.parametrize("role", [Role.HANDOFF, Role.FINAL_ANSWER, Role.BOOKKEEPING])
def test_tools_that_are_none_make_no_steps(role):
    assert names(run(agent("a", 0, 9, tool("transfer_to_b", 1, 2, role=role), tool("t", 3, 4)))) == ["t"]


def test_a_hand_off_after_a_failure_is_rerouted():
    tree = agent(
        "a", 0, 9, model(0, 1), tool("t", 1, 2, error="X"), model(3, 4), tool("transfer_to_b", 4, 5, role=Role.HANDOFF)
    )
    assert responses(run(tree)) == ["rerouted"]


def test_also_of_an_agent_whose_model_calls_are_not_traced():
    hand_off = tool("transfer_to_b", 4, 5, role=Role.HANDOFF)
    assert responses(run(agent("a", 0, 9, tool("t", 1, 2, error="X"), hand_off))) == ["rerouted"]
    delegation = tool("ask", 4, 8, agent("b", 5, 7, tool("u", 5, 6)))
    assert responses(run(agent("a", 0, 9, tool("t", 1, 2, error="X"), delegation))) == ["rerouted"]


# --- Order. ---


def test_steps_are_in_order_of_start_then_of_the_models_list_then_of_end():
    requested = (Call("c2"), Call("c1"))
    tree = agent(
        "a",
        0,
        9,
        tool("t1", 3, 4, call_id="c1"),
        tool("t2", 3, 5, call_id="c2"),
        model(1, 2, requested=requested),
        tool("long", 6, 8),
        tool("short", 6, 7),
    )
    trajectory = run(tree)
    assert names(trajectory) == ["gpt", "t2", "t1", "short", "long"]
    assert [step.index for step in trajectory.steps] == [0, 1, 2, 3, 4]


def test_arguments_are_those_that_the_model_gave():
    tree = agent(
        "a", 0, 9, model(1, 2, requested=(Call("c1", "t", b"given"),)), tool("t", 3, 4, call_id="c1", args="wrapped")
    )
    assert run(tree).steps[1].arguments == b"given"


def test_a_call_id_that_every_turn_uses_again_means_the_nearest_request_before():
    def turn(start, args):
        return model(start, start + 1, requested=(Call("call_0", "t", args),)), tool(
            "t", start + 1, start + 2, call_id="call_0", error="ValueError"
        )

    trajectory = run(agent("a", 0, 99, *turn(1, b"x"), *turn(5, b"y"), model(8, 9)))
    assert [step.arguments for step in trajectory.steps if step.kind is Kind.TOOL] == [b"x", b"y"]
    assert responses(trajectory) == ["revised", "concluded"]


# --- Services. ---


def test_the_mcp_server_of_another_service_folds_into_the_callers_step():
    server = tool("t", 2, 3, error="TimeoutError", service="mcp", span_kind=2)
    trajectory = run(agent("a", 0, 9, tool("t", 1, 4, server)))
    assert (failed(trajectory), len(trajectory.steps)) == (["t"], 1)


def test_every_step_is_in_one_trajectory():
    found = spans(other(0, 9, agent("a", 1, 4, tool("t", 2, 3)), agent("b", 5, 8, tool("t", 6, 7))))
    built = build(found)
    assert [len(trajectory.steps) for trajectory in built.trajectories] == [1, 1]


def test_an_unread_reading_is_nothing():
    assert run(agent("a", 0, 9, made(Kind.OTHER, "", 1, 2, status=ERROR), tool("t", 3, 4))).outcome == "completed"
    assert Reading(Kind.OTHER).failure is None


def test_recovery_of_a_merged_report():
    tree = agent(
        "a",
        0,
        9,
        model(0, 1),
        tool("t", 1, 2, scope="one", error="X"),
        tool("t", 1.1, 2, scope="two"),
        model(3, 4),
        tool("t", 5, 6, scope="one"),
        tool("t", 5.1, 6, scope="two"),
    )
    assert recoveries(run(tree)) == [True]
