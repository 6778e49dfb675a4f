from __future__ import annotations

import pytest
from support import LOCAL, REMOTE, TRACE, agent, made, model, other, span_id, spans, tool, wrapper

from otelscore.model import CONSUMER, SERVER, Kind
from otelscore.trajectory.tree import find_delegations, find_runs, grow, local_parent_missing


def ids(nodes):
    return [node.span.span_id.decode().strip(".") for node in nodes]


@pytest.mark.parametrize(
    ("flags", "span_kind", "local"),
    [
        (LOCAL, 1, True),
        (LOCAL, SERVER, True),
        (REMOTE, 1, False),
        (0, 1, True),
        (0, SERVER, False),
        (0, CONSUMER, False),
        (0x200, 1, True),  # bit 8 says whether bit 9 means anything
        (0x101, 1, True),  # the low byte is the W3C flags
    ],
)
def test_flags_say_whether_the_missing_parent_is_local_else_the_span_kind(flags, span_kind, local):
    (span,) = spans(tool("t", 0, 1, parent="away", flags=flags, span_kind=span_kind))
    assert local_parent_missing(span) is local


def test_a_root_misses_no_parent():
    (span,) = spans(tool("t", 0, 1, flags=LOCAL))
    assert not local_parent_missing(span)


def test_parents_come_before_children_and_siblings_by_start_whatever_the_order_of_the_spans():
    tree = agent(
        "a", 0, 9, tool("late", 5, 6, id="late"), tool("early", 1, 2, tool("in", 1, 2, id="in"), id="early"), id="a"
    )
    found = spans(tree)
    assert ids(grow(found)) == ids(grow(found[::-1])) == ["a", "early", "in", "late"]


def test_a_span_that_is_its_own_parent_is_a_top():
    (node,) = grow(spans(tool("t", 0, 1, id="t", parent="t")))
    assert node.parent is None


def test_a_circle_of_parents_is_cut_at_its_earliest_span():
    found = spans(
        tool("x", 2, 3, id="x", parent="z"),
        tool("y", 1, 2, id="y", parent="x"),
        tool("z", 3, 4, id="z", parent="y"),
        tool("below", 3, 4, id="below", parent="x"),
    )
    order = grow(found)
    assert ids(order)[0] == "y"
    assert sorted(ids(order)) == ["below", "x", "y", "z"]
    assert [node.parent is None for node in order] == [True, False, False, False]


def chain(length):
    spans_ = [agent("a", 0, 100, id="0")]
    spans_ += [other(0, 100, id=str(i), parent=str(i - 1)) for i in range(1, length)]
    return spans(*spans_, tool("t", 1, 2, id="t", parent=str(length - 1)))


def test_a_deep_tree_is_no_problem():
    order = grow(chain(20_000))
    assert len(order) == 20_001
    assert order[-1].agent is order[0]


def delegations(*trees):
    return {found.decode().strip(".") for found in find_delegations(grow(spans(*trees)))}


def test_a_tool_above_an_agent_with_steps_delegates():
    assert delegations(tool("ask", 0, 9, agent("b", 1, 8, model(2, 3)), id="ask")) == {"ask"}


def test_a_tool_above_an_agent_without_steps_does_not():
    assert delegations(tool("ask", 0, 9, agent("b", 1, 8), id="ask")) == set()


def test_a_tool_delegates_to_the_agent_beside_it_in_its_time():
    assert delegations(agent("a", 0, 9, tool("ask", 1, 5, id="ask"), agent("b", 2, 4, model(2, 3)))) == {"ask"}


def test_an_agent_that_outlasts_the_tool_beside_it_is_not_its_work():
    assert delegations(agent("a", 0, 9, tool("ask", 1, 5, id="ask"), agent("b", 2, 6, model(2, 3)))) == set()


def workflow(*agents):
    """How OpenLLMetry writes the agents of OpenAI's SDK: all directly below their run."""
    return wrapper(0, 20, *agents, id="w")


def test_a_tool_delegates_to_the_agent_beside_its_own_that_fills_its_time():
    planner = agent("planner", 0, 20, tool("ask", 2, 10, id="ask"), tool("book", 11, 12, id="book"))
    assert delegations(workflow(planner, agent("b", 2.1, 9.9, model(3, 4)))) == {"ask"}


@pytest.mark.parametrize(
    "second",
    [
        agent("b", 3, 7, model(3, 4)),  # only happens to run in its time
        agent("b", 2.1, 10.1, model(3, 4)),  # outlasts it
        agent("b", 2.1, 9.9),  # does nothing
        agent("b", 2.1, 9.9, model(3, 4), scope="another instrumentation"),
    ],
)
def test_it_does_not_to_any_other_agent(second):
    assert delegations(workflow(agent("planner", 0, 20, tool("ask", 2, 10, id="ask")), second)) == set()


def test_an_agent_is_not_the_work_of_its_own_tool():
    first = agent("a", 0, 9, tool("t", 0, 9, id="t"))
    assert delegations(workflow(first, agent("b", 10, 19, tool("u", 10, 19, id="u")))) == set()


def test_an_agent_works_for_the_innermost_tool_around_it():
    one = agent("one", 0, 20, tool("ask", 1, 19, id="ask1"))
    two = agent("two", 1.1, 18.9, tool("ask", 2, 18, id="ask2"))
    assert delegations(workflow(one, two, agent("three", 2.1, 17.9, model(3, 4)))) == {"ask1", "ask2"}


def test_of_two_tools_beside_an_agent_the_one_that_bears_its_name_has_it():
    tree = agent("a", 0, 9, tool("look", 1, 5, id="look"), tool("ask_b", 1, 6, id="ask"), agent("b", 2, 4, model(2, 3)))
    assert delegations(tree) == {"ask"}


def test_tools_and_agents_beside_each_other_are_paired_one_to_one():
    tree = agent(
        "a",
        0,
        9,
        tool("ask", 1, 8, id="ask1"),
        tool("ask", 1.5, 7, id="ask2"),
        tool("ask", 2, 8, id="ask3"),
        agent("b", 3, 4, model(3, 4)),
        agent("c", 3, 4, model(3, 4)),
    )
    assert delegations(tree) == {"ask2", "ask3"}  # the shortest


def test_a_tool_above_models_and_other_tools_is_an_agent_loop():
    assert delegations(tool("research", 0, 9, model(1, 2), tool("search", 3, 4), id="loop")) == {"loop"}


def test_a_tool_above_a_model_and_its_own_client_span_is_none():
    assert delegations(tool("search", 0, 9, model(1, 2), tool("search", 3, 4))) == set()


def test_a_tool_above_models_alone_is_none():
    assert delegations(tool("summarize", 0, 9, model(1, 2), model(3, 4))) == set()


def runs(*trees):
    found, rest = find_runs(grow(spans(*trees)))
    return [(run.top.span.span_id.decode().strip("."), len(run.agents)) for run in found], ids(rest)


def test_outermost_agents_below_one_wrapper_are_one_run():
    tree = wrapper(0, 9, other(0, 9, agent("a", 1, 2)), agent("b", 3, 4, agent("c", 3, 4)), id="w")
    assert runs(tree) == ([("w", 2)], [])


def test_the_highest_wrapper_is_the_top():
    assert runs(wrapper(0, 9, wrapper(0, 9, agent("a", 1, 2)), id="w")) == ([("w", 1)], [])


def test_outermost_agents_below_anything_else_are_runs_of_their_own():
    assert runs(other(0, 9, agent("a", 1, 2, id="a"), agent("b", 3, 4, id="b"), id="http")) == (
        [("a", 1), ("b", 1)],
        ["http"],
    )


def test_agents_whose_common_parent_never_came_are_runs_of_their_own():
    found, _ = runs(agent("a", 1, 2, id="a", parent="away"), agent("b", 3, 4, id="b", parent="away"))
    assert found == [("a", 1), ("b", 1)]


def test_an_agent_below_a_tool_that_waits_for_its_own_agent_is_no_run():
    assert runs(tool("ask", 0, 9, agent("b", 1, 8, model(2, 3)), id="ask", parent="away"))[0] == []


def test_an_agent_below_a_tool_that_somebody_else_called_is_a_run():
    served = tool("ask", 0, 9, agent("b", 1, 8, model(2, 3), id="b"), id="ask", parent="away", flags=REMOTE)
    assert runs(served)[0] == [("b", 1)]


def test_an_agent_in_the_time_of_a_tool_beside_it_is_no_run():
    order = grow(spans(tool("ask", 1, 5, parent="away"), agent("b", 2, 4, model(2, 3), parent="away"), trace=TRACE))
    find_delegations(order)
    assert find_runs(order)[0] == []


def kinds(*trees):
    return {node.span.reading.name: node.kind for node in grow(spans(*trees))}


def loop(*inside, name="loop"):
    return made(Kind.LOOP, name, 0, 9, *inside)


def test_a_loop_with_a_model_and_a_tool_is_an_agent():
    assert kinds(loop(model(1, 2), tool("t", 2, 3)))["loop"] is Kind.AGENT
    assert kinds(loop(wrapper(1, 4, model(1, 2)), other(2, 4, tool("t", 2, 3))))["loop"] is Kind.AGENT
    assert kinds(loop(model(1, 2, offered=True)))["loop"] is Kind.AGENT


def test_any_other_loop_is_a_wrapper():
    assert kinds(loop())["loop"] is Kind.WRAPPER
    assert kinds(loop(model(1, 2)))["loop"] is Kind.WRAPPER
    assert kinds(loop(tool("t", 2, 3)))["loop"] is Kind.WRAPPER
    assert kinds(loop(agent("a", 1, 4, model(1, 2, offered=True), tool("t", 2, 3))))["loop"] is Kind.WRAPPER
    assert kinds(loop(tool("t", 1, 4, model(2, 3))))["loop"] is Kind.WRAPPER


def test_of_two_loops_the_inner_one_has_the_work():
    found = kinds(loop(loop(model(1, 2), tool("t", 2, 3), name="inner")))
    assert (found["loop"], found["inner"]) == (Kind.WRAPPER, Kind.AGENT)


def test_a_model_span_around_a_model_and_a_tool_is_a_wrapper():
    assert kinds(model(0, 9, model(1, 2, name="inner"), tool("t", 2, 3), name="outer")) == {
        "outer": Kind.WRAPPER,
        "inner": Kind.MODEL,
        "t": Kind.TOOL,
    }
    steps = (model(1, 3, tool("t", 2, 3), name="one"), model(4, 5, name="two"))
    assert kinds(model(0, 9, *steps, name="outer"))["outer"] is Kind.WRAPPER


def test_a_model_span_around_one_of_them_is_a_call():
    assert kinds(model(0, 9, model(1, 2, name="client"), name="outer"))["outer"] is Kind.MODEL
    assert kinds(model(0, 9, tool("t", 2, 3), name="outer"))["outer"] is Kind.MODEL
    assert kinds(model(0, 9, tool("t", 1, 5, model(2, 3, name="in it")), name="outer"))["outer"] is Kind.MODEL
    sub = agent("sub", 1, 5, model(2, 3, name="its"), tool("t", 3, 4))
    assert kinds(model(0, 9, tool("ask", 1, 6, sub), name="outer"))["outer"] is Kind.MODEL


def test_span_ids_by_hand_are_eight_bytes():
    assert {len(span.span_id) for span in chain(3)} == {8}
    assert span_id("a") != span_id("b")
