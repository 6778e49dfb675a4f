"""What must not matter: order, splitting, repetition and interleaving of the spans, and what nonsense is in them."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import (
    LOCAL,
    REMOTE,
    SECOND,
    TRACE,
    Made,
    agent,
    failure,
    made,
    model,
    other,
    span_id,
    spans,
    tool,
    wrapper,
)

from otelscore.model import ERROR, OK, SERVER, UNSET, Call, Kind, Role, SpanFacts
from otelscore.trajectory.assembler import Assembler
from otelscore.trajectory.builder import build
from otelscore.trajectory.life import Closed, Graces

LONGEST = 14
NAMES = ["a", "b", "ask_b"]
WORDS = st.sampled_from(NAMES)
GONE = ["gone1", "gone2"]

readings = st.fixed_dictionaries(
    {
        "args": st.sampled_from([None, "x", "y"]),
        "call_id": st.sampled_from(["", "c1", "c2"]),
        "error": st.sampled_from(["", "", "TimeoutError", "ValueError"]),
        "status": st.sampled_from([UNSET, OK, ERROR]),
        "has_result": st.booleans(),
        "skipped": st.sampled_from([False, False, True]),
        "flagged": st.sampled_from([False, False, True]),
        "role": st.sampled_from([Role.ORDINARY] * 4 + list(Role)),
        "requested": st.sampled_from([(), (Call("c2", "a", b"z"), Call("c1", "a"))]),
        "acknowledges": st.sampled_from([None, True, False]),
        "scope": st.sampled_from(["one", "two"]),
        "session": st.sampled_from(["", "s1", "s2"]),
    }
)


@st.composite
def traces(draw, circles=False):
    """Spans of one trace, related in any way at all; in circles too if wanted."""
    found = []
    for i in range(draw(st.integers(1, LONGEST))):
        kind = draw(st.sampled_from(Kind))
        parent = draw(st.sampled_from([None, *GONE, *(f"{j}" for j in range(i + 2 if circles else i))]))
        start = draw(st.integers(0, 20))
        facts = draw(readings)
        place = {
            "service": draw(st.sampled_from(["shop", "shop", "mcp"])),
            "flags": draw(st.sampled_from([0, LOCAL, LOCAL, REMOTE])),
            "span_kind": draw(st.sampled_from([1, SERVER])),
        }
        end = start + draw(st.integers(0, 9))
        found += spans(made(kind, draw(WORDS), start, end, id=f"{i}", parent=parent, **place, **facts))
    return found


@st.composite
def stories(draw):
    """Spans as real frameworks make them: agents, their models and tools, tools of other services, lost parents."""
    count = iter(range(1000))

    def grow(depth: int, start: int, end: int, service: str) -> Made:
        kind = draw(st.sampled_from([Kind.AGENT, Kind.MODEL, Kind.TOOL, Kind.WRAPPER, Kind.OTHER]))
        children = []
        at = start
        while depth and end - at > 2 and draw(st.booleans()):
            last = draw(st.integers(at + 1, end))
            children.append(grow(depth - 1, at, last, service))
            at = draw(st.sampled_from([at, last]))
        facts = draw(readings)
        found = made(kind, draw(WORDS), start, end, *children, id=f"{next(count)}", **facts)
        border = draw(st.integers(0, 9)) == 0
        return replace(found, service=service + "'", flags=REMOTE) if border else replace(found, flags=LOCAL)

    found = spans(grow(3, 0, 40, "shop"))
    lost = draw(st.sets(st.integers(0, len(found) - 1), max_size=2))
    return [span for i, span in enumerate(found) if i not in lost] or found


@st.composite
def siblings(draw):
    """Stories of one process below one parent, which comes or not."""
    found = []
    for number in range(draw(st.integers(2, 4))):
        tree = draw(stories())
        tops = {span.span_id for span in tree}
        start = draw(st.integers(0, 50)) * SECOND
        for span in tree:
            parent = b"%d" % number + span.parent_id[1:] if span.parent_id in tops else span_id("worker")
            own = b"%d" % number + span.span_id[1:]
            place = {"flags": LOCAL, "origin": replace(span.origin, service="shop")}
            times = {"start": span.start + start, "end": span.end + start}
            found.append(replace(span, span_id=own, parent_id=parent, **place, **times))
    above = draw(st.sampled_from([[], [Kind.AGENT], [Kind.WRAPPER], [Kind.OTHER]]))
    return found + [span for kind in above for span in spans(made(kind, "worker", 0, 100, id="worker"))]


def tell(built):
    return {trajectory.trajectory_id: trajectory for trajectory in built.trajectories}, built.lone_model_calls


@given(traces() | stories(), st.randoms(use_true_random=False))
def test_a_build_does_not_depend_on_the_order_and_puts_no_step_in_two_trajectories(found, random):
    expected = tell(build(found))
    mixed = random.sample(found, len(found))
    assert tell(build(mixed)) == expected
    steps = [step.span_id for trajectory in expected[0].values() for step in trajectory.steps]
    assert len(steps) == len(set(steps))
    assert set(steps) <= {span.span_id for span in found if span.reading.kind.is_step}


def play(requests, pauses, logs=()):
    """What is final in the end, and the fate of everything."""
    assembler, now, events, fates = Assembler(Graces()), 0.0, [], []
    for exception in logs:
        assembler.log(exception, now)
    for request, pause in zip(requests, pauses, strict=True):
        kept, duplicates, late = assembler.add(request, now)
        fates += ["kept"] * len(kept) + ["duplicate"] * duplicates + ["late"] * late
        now += pause
        events += assembler.tick(now)
    while assembler.open_spans:
        now += 5 if now < 300 else 60 if now < 3000 else 20_000
        assert now < 1_000_000, "something is never final"
        events += assembler.tick(now)
    closed, final = {}, {}
    lone = 0
    for event in events:
        if isinstance(event, Closed):
            for run_id in event.withdrawn:
                del closed[run_id]
            closed |= {trajectory.trajectory_id: trajectory for trajectory in event.trajectories}
        else:
            lone += event.lone_model_calls
            assert not final.keys() & event.trajectory_ids
            final |= {run_id: closed[run_id] for run_id in event.trajectory_ids}
    assert final == closed
    return final, lone, fates


LATE = 120


@st.composite
def deliveries(draw, source, longest):
    """Spans at once, and the same in another order, some twice, in several requests, for `longest` seconds in all."""
    found = draw(source)
    again = draw(st.lists(st.sampled_from(found), max_size=5))
    mixed = draw(st.permutations(found + again))
    cuts = sorted(draw(st.lists(st.integers(0, len(mixed)), max_size=4)))
    requests = [mixed[a:b] for a, b in zip([0, *cuts], [*cuts, len(mixed)], strict=True)]
    pauses = draw(st.lists(st.integers(0, longest // len(requests)), min_size=len(requests), max_size=len(requests)))
    return found, requests, pauses


@given(deliveries(traces() | stories() | siblings(), 9))
def test_within_the_graces_order_splitting_and_repetition_change_nothing(delivery):
    found, requests, pauses = delivery
    expected, lone, _ = play([found], [0])
    final, lone_too, fates = play(requests, pauses)
    assert (final, lone_too) == (expected, lone)
    assert sorted(fates) == sorted(["kept"] * len(found) + ["duplicate"] * (len(fates) - len(found)))


@given(deliveries(stories() | siblings(), LATE - 20))
def test_nor_do_they_within_the_late_window(delivery):
    found, requests, pauses = delivery
    expected, lone, _ = play([found], [0])
    final, lone_too, fates = play(requests, pauses)
    assert (final, lone_too) == (expected, lone)
    assert fates.count("kept") == len(found)


@given(stories(), st.permutations(["TimeoutError", "ValueError", "OddError"]), st.data())
def test_nor_does_the_order_of_exceptions_that_came_as_log_records(found, errors, data):
    target = data.draw(st.sampled_from(found)).span_id
    logs = [SpanFacts(TRACE, target, failure(error)) for error in errors]
    assert play([found], [0], logs) == play([found], [0], sorted(logs, key=lambda log: log.failure.error_type))


def repeated_steps(closed):
    times = Counter(step.span_id for trajectory in closed for step in trajectory.steps)
    return [span_id for span_id, count in times.items() if count > 1]


@given(traces(circles=True))
def test_a_file_gives_each_step_once_whatever_it_holds(found):
    assembler = Assembler(Graces())
    assembler.add(found, 0.0)
    events = list(assembler.close_all())
    closed = [trajectory for event in events if isinstance(event, Closed) for trajectory in event.trajectories]
    assert not repeated_steps(closed)
    assert assembler.open_spans == 0


@given(deliveries(traces(circles=True), LATE))
def test_everything_is_final_in_the_end_and_each_step_in_one_trajectory(delivery):
    _, requests, pauses = delivery
    final, _, _ = play(requests, pauses)
    assert not repeated_steps(final.values())


# --- Linear: twice the spans are about twice the work, counted in calls. ---


def calls(work):
    counted = 0

    def count(frame, event, argument):
        nonlocal counted
        counted += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return counted


def through(found):
    def work():
        assembler = Assembler(Graces())
        for span in found:
            assembler.add([span], 0.0)
        for now in (10.0, 20.0, 130.0, 1000.0, 100_000.0):
            list(assembler.tick(now))
        assert assembler.open_spans == 0
        return assembler

    return work


def wide(size):
    return spans(
        agent("a", 0, size, *(tool("t", i, i + 1, args=i % 7, error="X" if i % 3 else "") for i in range(size)))
    )


def deep(size):
    return spans(
        agent("a", 0, size, id="0"),
        *(made(list(Kind)[i % 6], "t", i, size, id=str(i), parent=str(i - 1)) for i in range(1, size)),
    )[::-1]


def overlapping(size):
    return spans(agent("a", 0, size, *(tool("t", i / size, size, scope=str(i % 2)) for i in range(size))))


def overlapping_a_little(size):
    """No two of them are one call."""
    return spans(agent("a", 0, size, *(tool("t", i, i + size, scope=str(i < size / 2)) for i in range(size))))


def lost(size):
    return spans(*(tool("t", i, i + 1, id=str(i), parent=f"p{i}") for i in range(size)))


def orphans(size):
    return spans(*(agent("a", i, i + 1, model(i, i + 1), parent="batch") for i in range(size)))[::-1]


def orphans_of_functions(size):
    return spans(*(other(i, i + 1, agent("a", i, i + 1), parent="batch") for i in range(size)))[::-1]


def orphans_whose_parent_comes(size):
    return orphans(size) + spans(other(0, size, id="batch"))


def many_runs_and_lost_steps(size):
    runs = [agent("a", i, i + 1, model(i, i + 1), parent="batch") for i in range(size)]
    return spans(*runs, *(tool("t", i + 0.2, i + 0.8, parent="batch") for i in range(size)))


def services(size):
    return spans(
        *(tool("t", 0, 1, id=str(i), parent=f"{i - 1}", service=f"s{i % 2}", flags=REMOTE) for i in range(size))
    )


def delegations(size):
    tools = (tool("ask", i / size, 3, id=f"t{i}") for i in range(size))
    return spans(agent("a", 0, 9, *tools, *(agent("b", 1, 2, model(1, 2), id=f"b{i}") for i in range(size))))


def the_same_call_again_and_again(size):
    return spans(agent("a", 0, size, model(0, 1), *(tool("t", 2, size, args="x", error="X") for _ in range(size))))


def callers_that_never_answer(size):
    failing = tool("t", 5, 6, error="X")
    return spans(*(agent(f"a{i}", i / size, 9, failing, id=f"{i}", parent=f"{i - 1}") for i in range(size)))


def runs_at_once_and_lost_steps(size):
    """Whose steps they are cannot be told."""
    lost = (tool("t", 1, 2, id=f"t{i}", parent=f"p{i}", flags=LOCAL) for i in range(size))
    return spans(*(agent("a", 0, 9) for _ in range(size)), *lost)


def one_run_and_lost_steps(size):
    lost = (tool("t", 1, 2, id=f"t{i}", parent=f"p{i}", flags=LOCAL) for i in range(size))
    return spans(agent("a", 0, 9), *(agent("b", i, i + 0.5) for i in range(3, size)), *lost)


def a_service_for_every_step(size):
    return spans(*(tool("t", 0, 1, id=f"t{i}", parent=f"p{i}", service=f"s{i}") for i in range(size)))


def a_service_for_every_step_of_a_process(size):
    steps = (tool("t", 0, 1, id=f"t{i}", parent=f"t{i - 1}", service=f"s{i}", flags=LOCAL) for i in range(size))
    return spans(agent("a", 0, 9, id="t-1"), *steps)


def two_services_in_a_process(size):
    steps = (tool("t", 0, 1, id=f"t{i}", parent=f"t{i - 1}") for i in range(size))
    return spans(agent("a", 0, 9, id="t-1"), tool("t", 0, 1, parent="t-1", service="b", flags=LOCAL), *steps)


def services_that_call_each_other(size):
    return spans(*(tool("t", 0, 1, id=f"{i}", parent=f"{i - 1}", service=f"s{i}", flags=REMOTE) for i in range(size)))[
        ::-1
    ]


def calls_as_they_were_asked_for(size):
    asked = tuple(Call(f"c{i}", "t", b"%d" % i) for i in range(size))
    return spans(agent("a", 0, 9, model(0, 1, requested=asked), *(tool("t", 2, 3, args=size - i) for i in range(size))))


def agents_below_many_wrappers(size):
    above = (wrapper(0, 9, id=f"{i}", parent=f"{i - 1}", flags=LOCAL) for i in range(size))
    return spans(*above, *(agent("a", 1, 2, parent=f"{size - 1}") for _ in range(size)))


@pytest.mark.parametrize(
    "shape",
    [
        the_same_call_again_and_again,
        callers_that_never_answer,
        runs_at_once_and_lost_steps,
        one_run_and_lost_steps,
        a_service_for_every_step,
        a_service_for_every_step_of_a_process,
        two_services_in_a_process,
        services_that_call_each_other,
        calls_as_they_were_asked_for,
        agents_below_many_wrappers,
        wide,
        deep,
        overlapping,
        overlapping_a_little,
        lost,
        orphans,
        orphans_of_functions,
        orphans_whose_parent_comes,
        many_runs_and_lost_steps,
        services,
        delegations,
    ],
    ids=lambda shape: shape.__name__,
)
def test_the_work_grows_with_the_spans_not_with_their_square(shape):
    small, large = calls(through(shape(250))), calls(through(shape(1000)))
    assert large < 6 * small


@pytest.mark.parametrize("parent", [[], spans(wrapper(0, 9, id="batch"))], ids=["never comes", "comes"])
def test_the_ten_thousandth_run_below_a_missing_parent_costs_no_more_than_the_first(parent):
    def a_run_every_second(size):
        def work():
            assembler = Assembler(Graces())
            runs = spans(*(agent("a", i, i + 1, parent="batch") for i in range(size)))
            for now, span in enumerate(runs + parent):
                assembler.add([span], float(now))
                list(assembler.tick(float(now)))
            for now in (size + 120, size + 240, size + 100_000):
                list(assembler.tick(float(now)))
            assert assembler.open_spans == 0

        return work

    assert calls(a_run_every_second(10_000)) < 11 * calls(a_run_every_second(1_000))


def test_what_still_grows_is_not_looked_at_whenever_another_run_of_its_trace_is():
    def beside_a_long_run(size):
        def work():
            assembler = Assembler(Graces())
            runs = spans(*(agent("a", i, i + 1, parent="batch", id=f"a{i}") for i in range(size)))
            steps = spans(*(tool("t", i, i + 1, parent="long", id=f"t{i}") for i in range(size)))
            for now, (run, step) in enumerate(zip(runs, steps, strict=True)):
                assembler.add([run, step], float(now))
                list(assembler.tick(float(now)))

        return work

    assert calls(beside_a_long_run(1_000)) < 6 * calls(beside_a_long_run(250))


def test_twenty_thousand_children_and_a_chain_as_deep():
    for found in (wide(20_000), deep(20_000)):
        assert through(found)().open_spans == 0


def test_wrappers_and_strangers_are_never_steps():
    assert build(spans(wrapper(0, 9, other(1, 2)))).trajectories == []
    assert span_id("x") in {span.span_id for span in spans(other(0, 1, id="x"))}
