from __future__ import annotations

from typing import Any

import pytest
from support import (
    Made,
    agent,
    failed,
    failure,
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

from otelscore.model import ERROR, OK, Call, ErrorClass, Failure, Kind, Reading, Result, Role, Trajectory
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


# --- What models are told. ---


def told(call_id, error_class=None, **facts):
    return Result(
        Call(call_id),
        soft_error="error" if error_class else "",
        failure=error_class and Failure("", error_class),
        **facts,
    )


TIMEOUT = ErrorClass.TIMEOUT


@pytest.mark.parametrize(
    ("results", "facts", "failing"),
    [
        ([told("c1", TIMEOUT)], {"call_id": "c1"}, True),
        ([told("c1")], {"call_id": "c1"}, False),
        ([told("c2", TIMEOUT)], {"call_id": "c1"}, False),  # of another call
        ([told("", TIMEOUT)], {}, False),  # of whichever call
        ([told("c1", TIMEOUT)], {"call_id": "c1", "has_result": True}, False),  # its own result says nothing of it
        ([told("c1", TIMEOUT, flagged=True)], {"call_id": "c1", "has_result": True}, True),  # but for a flag
        ([told("c1", TIMEOUT)], {"call_id": "c1", "skipped": True}, False),
    ],
)
def test_a_tool_without_a_result_failed_where_the_model_was_told_so(results, facts, failing):
    tree = agent("a", 0, 9, model(0, 1), tool("t", 2, 3, **facts), model(4, 5, results=tuple(results)))
    trajectory = run(tree)
    assert failed(trajectory) == (["t"] if failing else [])
    assert [step.error_class for step in trajectory.steps if step.failed] == ([TIMEOUT] if failing else [])


def asking(start, *requests):
    """A model call that asks for calls, each an id, a tool and its arguments."""
    return model(start, start + 1, requested=tuple(Call(call_id, name, args) for call_id, name, args in requests))


def test_a_tool_span_without_an_id_is_the_call_that_its_agent_had_asked_for():
    """OpenAI Agents in OTel's instrumentation: ids, arguments and results are in the messages alone."""
    tree = agent(
        "a",
        0,
        9,
        asking(0, ("c1", "t", b"1"), ("c2", "u", b"2")),
        tool("t", 2, 3),
        tool("u", 2, 3),
        model(4, 5, requested=(Call("c3", "t", b"3"),), results=(told("c2"), told("c1", ErrorClass.NOT_FOUND))),
        tool("t", 6, 7),
        model(8, 9),
    )
    trajectory = run(tree)
    assert [(step.name, step.call_id, step.failed) for step in trajectory.steps if step.kind == "tool"] == [
        ("t", "c1", True),
        ("u", "c2", False),
        ("t", "c3", False),
    ]
    assert responses(trajectory) == ["revised"]


@pytest.mark.parametrize(
    ("made", "ids"),
    [
        ([("t", b"2"), ("t", b"1")], ["c2", "c1"]),  # by their arguments
        ([("t", None), ("t", None)], ["c1", "c2"]),  # else in their order
        ([("t", None)], [""]),  # one of the two, and nobody knows which
        ([("t", None), ("t", None), ("t", None)], ["", "", ""]),
        ([("u", None)], [""]),
    ],
)
def test_of_several_requests_for_a_tool_each_call_has_its_own(made, ids):
    calls = [tool(name, 2 + n, 2.5 + n, arguments=arguments) for n, (name, arguments) in enumerate(made)]
    trajectory = run(agent("a", 0, 9, asking(0, ("c1", "t", b"1"), ("c2", "t", b"2")), *calls, model(8, 9)))
    assert [step.call_id for step in trajectory.steps if step.kind == "tool"] == ids


def test_an_id_that_comes_again_is_told_of_the_call_before():
    """Some frameworks count their ids from 0 in every turn."""
    tree = agent(
        "a",
        0,
        9,
        tool("t", 1, 2, call_id="0"),
        model(3, 4, results=(told("0", TIMEOUT),)),
        tool("t", 5, 6, call_id="0"),
        model(7, 8, results=(told("0"),)),
    )
    assert [step.failed for step in run(tree).steps] == [True, False, False, False]


# --- Delegation. ---


def agents_of(trajectory):
    return [(step.name, step.agent) for step in trajectory.steps]


def test_a_delegation_is_no_step_and_its_steps_are_the_inner_agents():
    tree = agent("a", 0, 9, model(0, 1), tool("ask", 1, 8, agent("b", 2, 7, tool("t", 3, 4))))
    assert agents_of(run(tree)) == [("gpt", "a"), ("t", "b")]


def test_the_same_where_the_inner_agent_lies_beside_its_tool():
    tree = agent("a", 0, 9, model(0, 1), tool("ask", 1, 8), agent("b", 2, 7, tool("t", 3, 4)))
    assert agents_of(run(tree)) == [("gpt", "a"), ("t", "b")]


def test_the_same_where_it_lies_beside_the_agent_of_its_tool():
    first = agent("first", 0, 0.5, model(0, 0.4))
    planner = agent("a", 0.6, 9, model(0.7, 1), tool("ask", 1, 8), model(8, 8.3), tool("other", 8.5, 9))
    trajectory = run(wrapper(0, 9, first, planner, agent("b", 1.1, 7.9, tool("t", 3, 4, error="TimeoutError"))))
    assert agents_of(trajectory) == [("gpt", "first"), ("gpt", "a"), ("t", "b"), ("gpt", "a"), ("other", "a")]
    assert responses(trajectory) == ["rerouted"]  # by the agent whose tool it was


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


def part(start: float, end: float, *children: Made, **facts: Any) -> Made:
    return tool("", start, end, *children, role=Role.PART, **facts)


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ([part(1, 2), part(2, 3)], "ok"),
        ([part(1, 2), part(2, 3, error="TimeoutError")], "error"),
        ([part(1, 2, error="TimeoutError"), part(2, 3)], "ok"),  # the last has the word
        ([part(1, 2, skipped=True)], "skipped"),
    ],
)
def test_the_parts_of_a_call_are_no_steps_and_tell_how_it_ended(parts: list[Made], status: str) -> None:
    trajectory = run(agent("a", 0, 9, tool("t", 1, 3, *parts)))
    assert [(step.name, step.status) for step in trajectory.steps] == [("t", status)]


def test_the_part_of_a_delegation_tells_how_that_ended() -> None:
    for error, expected in (("", ["model"]), ("TimeoutError", ["model", "research"])):
        inside = part(1, 8, model(2, 3, name="model"), **({"error": error} if error else {}))
        delegation = tool("research", 1, 8, inside, role=Role.DELEGATION)
        assert sorted(names(run(agent("a", 0, 9, delegation)))) == expected


def test_a_part_of_no_call_is_nothing() -> None:
    assert names(run(agent("a", 0, 9, model(1, 2, name="model"), part(3, 4)))) == ["model"]


def test_work_inside_the_part_of_a_tool_is_that_tools() -> None:
    inside = part(1, 8, model(2, 3, name="model"))
    assert names(run(agent("a", 0, 9, tool("fetch", 1, 8, inside)))) == ["fetch"]


def test_an_unnamed_agent_directly_below_an_agent_is_that_agent() -> None:
    """One instrumentation reports the component, and what the component runs."""
    trajectory = run(agent("planner", 0, 9, agent("", 1, 8, tool("t", 2, 3))))
    assert [step.agent for step in trajectory.steps] == ["planner"]


def test_an_unnamed_agent_directly_below_a_tool_bears_its_name() -> None:
    inner = agent("", 2, 7, tool("t", 3, 4))
    trajectory = run(agent("planner", 0, 9, model(1, 2), tool("research", 2, 7, inner)))
    assert [step.agent for step in trajectory.steps] == ["planner", "research"]


def test_other_unnamed_agents_stay_apart_under_the_name_of_the_run() -> None:
    failing = agent("", 1, 3, tool("t", 1, 2, error="TimeoutError"))
    trajectory = run(agent("planner", 0, 9, wrapper(1, 8, failing, agent("", 4, 8, tool("t", 5, 6)))))
    assert [step.agent for step in trajectory.steps] == ["planner", "planner"]


def test_the_failure_of_a_model_span_around_a_loop_is_its_last_model_calls() -> None:
    def around(*inside: Made) -> Trajectory:
        loop = model(1, 15, *inside, failure=failure("", exception=False), flagged=True)
        return run(agent("a", 0, 20, loop, model(16, 17)))

    assert failed(around(model(1, 2), tool("t", 2, 3), model(4, 5, name="last"))) == ["last"]
    assert failed(around(model(4, 5, name="last"), model(1, 3, tool("t", 2, 3)))) == ["last"]
    assert failed(around(model(1, 2), tool("t", 3, 4))) == []
    assert failed(around(model(1, 2), tool("t", 3, 4), model(5, 6, name="last", error="TimeoutError"))) == ["last"]
    assert failed(around(model(1, 2), tool("t", 3, 4, error="ValueError"))) == ["t"]


def test_one_loop_in_another_fails_once() -> None:
    dead = {"failure": failure("", exception=False), "flagged": True}
    inner = model(5, 9, model(5, 6, name="last"), tool("t", 7, 8, skipped=True), name="inner", **dead)
    outer = model(1, 9, model(1, 2), tool("t", 3, 4), inner, **dead)
    assert failed(run(agent("a", 0, 20, outer))) == []
    inner = model(5, 9, model(5, 6), tool("t", 7, 8), name="inner", **dead)
    assert failed(run(agent("a", 0, 20, model(1, 9, tool("t", 1, 2), model(3, 4), inner, **dead)))) == []
    inner = model(5, 9, tool("t", 5, 6), model(7, 8, name="last"), name="inner", **dead)
    assert failed(run(agent("a", 0, 20, model(1, 9, model(1, 2), tool("t", 3, 4), inner, **dead)))) == ["last"]
