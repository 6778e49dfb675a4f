from __future__ import annotations

from itertools import permutations

import pytest
from support import LOCAL, REMOTE, SECOND, TRACE, agent, made, other, span_id, spans, tool

from otelscore.model import SERVER, Kind
from otelscore.trajectory.fragments import MAX_CALLERS, Trace


def together(trace, *names):
    return len({id(trace.where[span_id(name)].root()) for name in names}) == 1


def trace_of(*trees, order=1):
    trace = Trace(TRACE)
    for span in spans(*trees)[::order]:
        trace.add(span)
    return trace


CHAIN = agent("a", 0, 9, other(0, 9, tool("t", 1, 2, id="t"), id="x"), id="a")


@pytest.mark.parametrize("order", [1, -1])
def test_what_is_connected_is_one_fragment_in_any_order(order):
    trace = trace_of(CHAIN, order=order)
    assert together(trace, "a", "x", "t")
    assert not trace.where[span_id("t")].root().waits
    assert not trace.waiting


def test_steps_that_wait_for_the_same_local_parent_are_one_fragment():
    trace = trace_of(tool("t", 0, 1, id="t", parent="gone"), tool("u", 0, 1, id="u", parent="gone"))
    assert together(trace, "t", "u")
    assert trace.where[span_id("t")].root().waits


def test_agents_that_wait_for_the_same_local_parent_are_not():
    trace = trace_of(agent("a", 0, 1, id="a", parent="gone"), other(2, 4, agent("b", 2, 3, id="b"), parent="gone"))
    assert not together(trace, "a", "b")
    assert trace.where[span_id("a")].root().waits
    assert trace.where[span_id("b")].root().waits


@pytest.mark.parametrize("order", list(permutations("abt")))
def test_unless_a_step_waits_with_them(order):
    waiting = {
        "a": agent("a", 0, 1, id="a", parent="gone"),
        "b": agent("b", 2, 3, id="b", parent="gone"),
        "t": tool("t", 4, 5, id="t", parent="gone"),
    }
    trace = trace_of(*(waiting[name] for name in order))
    assert together(trace, "a", "b", "t")


def test_or_somebody_who_looked_says_that_one_is_at_work():
    trace = trace_of(
        agent("a", 0, 1, id="a", parent="gone"),
        agent("b", 2, 3, id="b", parent="gone"),
        agent("c", 2, 3, id="c", parent="other"),
    )
    trace.unite(trace.where[span_id("b")].root())
    assert together(trace, "a", "b")
    trace.add(spans(agent("d", 4, 5, id="d", parent="gone"))[0])
    assert together(trace, "a", "d")
    assert not together(trace, "a", "c")


def test_siblings_of_another_service_or_with_a_remote_parent_are_none():
    trace = trace_of(
        tool("t", 0, 1, id="t", parent="gone", flags=LOCAL),
        agent("a", 0, 1, id="a", parent="gone", flags=LOCAL, service="other"),
        agent("b", 0, 1, id="b", parent="gone", flags=REMOTE),
    )
    assert not together(trace, "t", "a")
    assert not together(trace, "t", "b")


def test_what_has_the_same_remote_parent_is_not():
    facts = {"parent": "gone", "flags": REMOTE}
    trace = trace_of(tool("t", 0, 1, id="t", **facts), tool("u", 0, 1, id="u", **facts))
    assert not together(trace, "t", "u")
    assert not trace.where[span_id("t")].root().waits


@pytest.mark.parametrize("make", [tool, agent])
def test_the_missing_parent_joins_what_waits_for_it(make):
    trace = trace_of(make("t", 0, 1, id="t", parent="p"), make("u", 0, 1, id="u", parent="p"), agent("a", 0, 9, id="p"))
    assert together(trace, "t", "u", "p")
    assert not trace.where[span_id("t")].root().waits
    assert not trace.waiting


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    ("facts", "one"),
    [
        ({"service": "other", "flags": REMOTE}, False),
        ({"service": "other", "span_kind": SERVER}, False),
        ({"service": "other"}, False),  # flags unknown: the service decides
        ({"service": "other", "flags": LOCAL}, True),  # one process with two names
        ({"flags": REMOTE}, True),  # a service that calls itself
    ],
)
def test_a_fragment_ends_at_the_border_of_its_service(facts, one, order):
    trace = trace_of(agent("a", 0, 9, tool("t", 1, 2, id="t", **facts), id="a"), order=order)
    assert together(trace, "a", "t") is one
    if not one:
        caller, callee = (trace.where[span_id(name)].root() for name in ("a", "t"))
        assert callee.caller is not None
        assert callee.caller.root() is caller
        assert callee.holder() is caller
        assert list(caller.members()) == [caller, callee]


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("kind", [Kind.AGENT, Kind.LOOP])
def test_with_an_agent_of_its_own_a_callee_holds_itself(kind, order):
    callee = other(1, 8, made(kind, "b", 2, 7), id="b", service="other", flags=REMOTE)
    trace = trace_of(agent("a", 0, 9, callee, id="a"), order=order)
    fragment = trace.where[span_id("b")].root()
    assert fragment.holder() is fragment
    assert list(trace.where[span_id("a")].root().members()) == [trace.where[span_id("a")].root()]


@pytest.mark.parametrize("order", [1, -1])
def test_a_fragment_of_two_names_bears_that_of_its_top(order):
    below = tool(
        "t", 1, 2, tool("u", 1, 2, id="u", service="other", flags=REMOTE), id="t", service="other", flags=LOCAL
    )
    trace = trace_of(agent("a", 0, 9, below, id="a"), order=order)
    assert together(trace, "a", "t", "u")  # u has its parent's own name
    assert list(trace.live) == ["shop"] or not trace.live["other"]
    assert trace.where[span_id("u")].root().service == "shop"


def test_fragments_that_closed_together_keep_their_first_caller():
    def callee(name, parent, flags):
        return tool("t", 0, 1, id=name, parent=parent, service="mcp", flags=flags)

    trace = trace_of(
        tool("t", 0, 1, id="a"), callee("s1", "a", REMOTE), callee("s2", "b", REMOTE), callee("s3", "c", LOCAL)
    )
    caller = trace.where[span_id("a")].root()
    trace.join(trace.where[span_id("s2")].root(), trace.where[span_id("s1")].root())
    trace.join(trace.where[span_id("s1")].root(), trace.where[span_id("s3")].root())
    for span in spans(tool("t", 0, 1, id="b"), tool("t", 0, 1, id="c", service="mcp")):
        trace.add(span)
    assert together(trace, "s1", "s2", "s3", "c")
    assert trace.where[span_id("s1")].holder() is caller
    assert list(trace.where[span_id("b")].root().members()) == [trace.where[span_id("b")].root()]


def test_what_is_removed_waits_no_more():
    trace = trace_of(tool("t", 0, 1, id="t", parent="gone"))
    trace.remove(trace.where[span_id("t")].root())
    assert not trace.where
    assert not trace.waiting
    assert not any(trace.maybe_loose.values())


def test_its_siblings_do():
    trace = trace_of(agent("a", 0, 1, id="a", parent="p"), agent("b", 2, 3, id="b", parent="p"))
    trace.remove(trace.where[span_id("a")].root())
    trace.add(spans(other(0, 9, id="p"))[0])
    assert together(trace, "b", "p")


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("times", list(permutations([(0, 1), (1, 5), (4, 9)])))
def test_a_fragment_knows_from_when_to_when_its_spans_are(order, times):
    first, second, third = times
    found = spans(other(*first, tool("t", *second), other(*third), id="x"))
    trace = Trace(TRACE)
    for i in order:
        trace.add(found[i])
    fragment = trace.where[span_id("x")].root()
    assert (fragment.start, fragment.end) == (0, 9 * SECOND)


@pytest.mark.parametrize("parent", [None, "gone"])
def test_an_agent_span_on_top_is_a_run_so_that_nobody_need_look(parent):
    assert not trace_of(agent("a", 0, 9, tool("t", 1, 2), parent=parent), order=-1).maybe_loose["shop"]
    assert trace_of(other(0, 9, agent("a", 0, 9, tool("t", 1, 2)), parent=parent), order=-1).maybe_loose["shop"]


@pytest.mark.parametrize("order", [1, -1])
def test_services_that_call_each_other_in_a_circle_hold_themselves(order):
    ring = [tool("t", 0, 1, id=f"{i}", parent=f"{(i - 1) % 4}", service=f"s{i}", flags=REMOTE) for i in range(4)]
    trace = trace_of(*ring, order=order)
    holders = {id(trace.where[span_id(f"{i}")].holder()) for i in range(4)}
    assert len(holders) == 1


@pytest.mark.parametrize("order", list(permutations("pcf")))
def test_also_where_two_of_them_are_one(order):
    ring = spans(
        tool("t", 0, 1, id="p", parent="c", flags=REMOTE, service="one"),
        tool("t", 0, 1, id="c", parent="f", flags=REMOTE, service="two"),
        tool("t", 0, 1, id="f", parent="p", flags=LOCAL, service="one"),
    )
    trace = Trace(TRACE)
    for name in order:
        trace.add(next(span for span in ring if span.span_id == span_id(name)))
    assert len({id(trace.where[span_id(name)].holder()) for name in "pcf"}) == 1


def test_a_chain_of_services_is_cut_where_no_real_one_is_as_long():
    ring = [
        tool("t", 0, 1, id=f"{i}", parent=f"{i - 1}", service=f"s{i % 2}", flags=REMOTE) for i in range(3 * MAX_CALLERS)
    ]
    trace = trace_of(*ring)
    assert 3 <= len({id(trace.where[span_id(f"{i}")].holder()) for i in range(3 * MAX_CALLERS)}) <= 4
