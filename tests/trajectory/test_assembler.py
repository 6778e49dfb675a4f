from __future__ import annotations

from dataclasses import replace

import pytest
from support import (
    LOCAL,
    REMOTE,
    TRACE,
    agent,
    failure,
    fate,
    model,
    moved,
    names,
    other,
    responses,
    span_id,
    spans,
    tool,
    without,
    wrapper,
)

from otelscore.model import CONSUMER, SERVER, SpanFacts
from otelscore.trajectory import assembler
from otelscore.trajectory.assembler import Assembler
from otelscore.trajectory.builder import build
from otelscore.trajectory.life import Closed, Final, Graces

ROOT, ORPHAN, IDLE, LATE, DAY = 10, 120, 900, 120, 86_400


class Play:
    """An assembler and its clock; what its events amount to by now."""

    def __init__(self, **graces):
        self.assembler = Assembler(Graces(**graces))
        self.now = 1000.0
        self.closed = {}  # id -> trajectory
        self.closes = 0
        self.final = {}

    def send(self, *found):
        return [fate(self.assembler.add([span], self.now)) for span in found]

    def log(self, name, error):
        self.assembler.log(SpanFacts(TRACE, span_id(name), failure(error)), self.now)

    def wait(self, seconds):
        until = self.now + seconds
        while self.now < until:
            self.now = min(self.now + (1 if seconds < 2000 else 30), until)
            self.take(self.assembler.tick(self.now))
        return self

    def take(self, events):
        for event in events:
            if isinstance(event, Closed):
                self.closes += 1
                for run_id in event.withdrawn:
                    del self.closed[run_id]
                for trajectory in event.trajectories:
                    assert trajectory.trajectory_id not in self.final
                    self.closed[trajectory.trajectory_id] = trajectory
            else:
                assert isinstance(event, Final)
                assert not event.trajectory_ids & self.final.keys()
                self.final |= {run_id: self.closed[run_id] for run_id in event.trajectory_ids}

    @property
    def runs(self):
        """(agent, outcome, names of the steps) of every trajectory that has closed."""
        found = sorted(self.closed.values(), key=lambda trajectory: (trajectory.start, trajectory.top_span_id))
        return [(run.agent, run.outcome and str(run.outcome), names(run)) for run in found]


@pytest.fixture
def play():
    return Play()


RUN = agent("a", 0, 9, model(0, 1, id="m"), tool("t", 2, 3, id="t"), id="a")
WHOLE = ("a", "completed", ["gpt", "t"])
STEPS = ("unknown", "incomplete", ["gpt", "t"])


def below(parent, **facts):
    """The same run below a parent that does not come."""
    return agent("a", 0, 9, *RUN.children, id="a", parent=parent, **facts)


# --- The table of timers. ---


@pytest.mark.parametrize(
    "top",
    [
        RUN,
        below("away", flags=REMOTE),
        below("away", span_kind=SERVER),
        below("away", span_kind=CONSUMER),
        other(0, 9, RUN, span_kind=SERVER, parent="away"),
        wrapper(0, 9, RUN),
    ],
)
def test_a_run_without_a_parent_or_with_a_remote_one_closes_after_the_root_grace(play, top):
    play.send(*spans(top))
    assert play.wait(ROOT - 1).runs == []
    assert play.wait(1).runs == [WHOLE]


@pytest.mark.parametrize(
    ("top", "expected"),
    [
        (below("away", flags=LOCAL), WHOLE),
        (below("away"), WHOLE),
        (below("away", span_kind=SERVER, flags=LOCAL), WHOLE),
        (wrapper(0, 9, RUN, parent="away"), WHOLE),
        (wrapper(0, 9, *RUN.children, parent="away"), ("unknown", "completed", ["gpt", "t"])),
    ],
)
def test_an_ended_agent_or_run_wrapper_without_its_local_parent_closes_after_the_orphan_grace(play, top, expected):
    play.send(*spans(top))
    assert play.wait(ORPHAN - 1).runs == []
    assert play.wait(1).runs == [expected]


def test_steps_without_their_agent_close_as_incomplete_after_the_idle_timeout(play):
    play.send(*without(spans(RUN), "a"))
    assert play.wait(IDLE - 1).runs == []
    assert play.wait(1).runs == [STEPS]


def test_an_agent_span_that_has_not_ended_is_still_at_work(play):
    play.send(*spans(agent("a", 5, 0, tool("t", 6, 7), parent="away")))
    assert play.wait(IDLE - 1).runs == []
    assert play.wait(1).runs == [("a", "incomplete", ["t"])]


def test_every_span_starts_the_timer_anew(play):
    tree, root, late = spans(RUN)[1:], spans(RUN)[0], spans(tool("u", 4, 5, parent="a", id="u"))
    play.send(root)
    play.wait(ROOT - 1).send(*tree)
    play.wait(ROOT - 1).send(*late)
    assert play.wait(ROOT - 1).runs == []
    assert play.wait(1).runs == [("a", "completed", ["gpt", "t", "u"])]


def test_another_trace_does_not(play):
    play.send(*spans(RUN))
    play.wait(ROOT - 1).send(*spans(RUN, trace=b"another trace id"))
    assert play.wait(1).runs == [WHOLE]


def test_children_before_parents(play):
    found = spans(agent("a", 0, 9, wrapper(0, 5, model(1, 2), tool("t", 3, 4), id="w"), id="a"))[::-1]
    for span in found:
        play.send(span)
        play.wait(100)
    assert play.runs == [WHOLE]
    assert play.closes == 1


# --- Who is still at work. ---

INNER = agent("b", 3, 7, tool("u", 4, 5, id="u"), id="b")


@pytest.mark.parametrize(
    "caller",
    [
        agent("a", 0, 99, model(1, 2), tool("ask", 2, 8, INNER, id="ask"), id="a"),
        agent("a", 0, 99, model(1, 2), tool("ask", 2, 8, id="ask"), INNER, id="a"),
        agent("a", 0, 99, model(1, 2), INNER, id="a"),
    ],
)
def test_an_inner_agent_does_not_close_while_its_caller_is_at_work(play, caller):
    play.send(*without(spans(caller), "a"))
    assert play.wait(IDLE - 1).runs == []
    play.send(*spans(caller)[:1])
    assert play.wait(ROOT).runs == [("a", "completed", ["gpt", "u"])]


def test_steps_that_wait_for_one_agent_close_together(play):
    first, second = model(0, 1, id="m", parent="a"), tool("t", 2, 3, id="t", parent="a")
    play.send(*spans(first))
    play.wait(IDLE - 1).send(*spans(second))
    assert play.wait(IDLE - 1).runs == []
    assert play.wait(1).runs == [STEPS]


def test_so_do_those_that_wait_for_different_spans_of_one_trace(play):
    play.send(*spans(model(0, 1, parent="gone1")))
    play.wait(IDLE - 1).send(*spans(tool("t", 2, 3, id="t", parent="gone2")))
    assert play.wait(IDLE).runs == [STEPS]
    assert play.closes == 1


def test_but_not_those_of_two_services(play):
    play.send(*spans(tool("t", 0, 1, id="t", parent="gone1"), tool("u", 2, 3, id="u", parent="gone2", service="mcp")))
    assert [run[2] for run in play.wait(IDLE).runs] == [["t"], ["u"]]


def test_a_tool_may_come_that_shows_that_an_agent_was_nobodys_run(play):
    tree = other(0, 9, agent("b", 3, 7, tool("u", 4, 5, id="u"), id="b"), id="x", parent="gone")
    play.send(*spans(tree))
    assert play.wait(ORPHAN).runs == [("b", "completed", ["u"])]
    play.send(*spans(tool("ask", 2, 8, id="ask", parent="x")))
    assert play.wait(IDLE).runs == [("unknown", None, ["u"])]


def test_what_waits_is_not_forgotten_beside_what_has_closed(play):
    play.send(*spans(tool("t", 0, 1, id="t")))
    play.wait(ROOT).send(*spans(tool("u", 2, 3, id="u", parent="gone")))
    assert [run[2] for run in play.wait(IDLE).runs] == [["t", "u"]]
    play.wait(DAY)
    assert play.assembler.open_spans == 0


def orphan(i, shape):
    run = agent(f"a{i}", i, i + 0.9, model(i, i + 0.1, id=f"m{i}"), id=f"a{i}", parent="worker", flags=LOCAL)
    make = {"agents": None, "functions": other, "wrappers": wrapper}[shape]
    return run if make is None else make(i, i + 1, replace(run, parent=None), id=f"o{i}", parent="worker", flags=LOCAL)


@pytest.mark.parametrize("shape", ["agents", "functions", "wrappers"])
@pytest.mark.parametrize("order", [1, -1])
def test_runs_below_one_missing_parent_are_over_each_on_its_own(play, shape, order):
    for i in range(5):
        play.send(*spans(orphan(i, shape))[::order])
        assert len(play.wait(ORPHAN / 2).runs) == max(i - 1 + (i > 0), 0)
    play.wait(ORPHAN)
    assert play.closes == 5


def test_what_is_no_run_of_theirs_does_not_keep_them_open(play):
    play.send(*spans(orphan(0, "agents")))
    for i in range(6):
        play.wait(ORPHAN / 4).send(*spans(other(i, i + 1, id=f"db{i}", parent="worker", flags=LOCAL)))
    assert len(play.runs) == 1


def test_when_the_parent_comes_after_all_they_are_one_run(play):
    for i in range(4):
        play.send(*spans(orphan(i, "agents")))
        play.wait(ORPHAN / 2)
    assert len(play.runs) == 3
    play.send(*spans(wrapper(0, 9, id="worker")))
    assert play.wait(ROOT).runs == [("a0", "completed", ["gpt"] * 4)]
    play.wait(LATE)
    assert len(play.final) == 1


@pytest.mark.parametrize(
    "at_work",
    [
        tool("t", 10, 11, id="t", parent="worker", flags=LOCAL),
        wrapper(10, 12, tool("t", 10, 11, id="t"), id="w", parent="worker", flags=LOCAL),
        agent("b", 10, 0, tool("t", 10, 11, id="t"), id="b", parent="worker", flags=LOCAL),
        other(10, 12, tool("ask", 10, 12, agent("b", 10, 11), id="t"), id="o", parent="worker", flags=LOCAL),
    ],
    ids=["step", "steps in a wrapper", "unended agent", "step with an agent"],
)
@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("tick", [1, 500])
def test_but_they_wait_together_while_their_caller_is_at_work(play, at_work, order, tick):
    for found in (spans(orphan(0, "agents")), spans(at_work))[::order]:
        play.send(*found)
    while play.now + tick < 1000 + IDLE:
        play.now += tick
        play.take(play.assembler.tick(play.now))
    assert play.runs == []
    play.now = 1000 + IDLE
    play.take(play.assembler.tick(play.now))
    assert play.closes == 1


def test_those_that_had_closed_before_their_caller_went_on_close_anew_with_it(play):
    play.send(*spans(agent("b", 3, 7, tool("u", 4, 5, id="u"), id="b", parent="a")))
    assert play.wait(ORPHAN).runs == [("b", "completed", ["u"])]
    play.send(*spans(tool("ask", 2, 8, id="ask", parent="a"), model(0, 1, id="m", parent="a")))
    assert play.wait(IDLE).runs == [("unknown", "incomplete", ["gpt", "u"])]
    play.send(*spans(agent("a", 0, 9, id="a")))
    assert play.wait(ROOT).runs == [("a", "completed", ["gpt", "u"])]


def test_of_two_missing_parents_the_second_is_waited_for_when_the_first_has_come(play):
    play.send(*spans(model(0, 1, id="m", parent="a"), tool("u", 4, 5, id="u", parent="b")))
    assert play.wait(IDLE).runs == [("unknown", "incomplete", ["gpt", "u"])]
    play.send(*spans(agent("b", 3, 7, id="b", parent="a")))
    assert not play.wait(IDLE + LATE).final
    play.send(*spans(agent("a", 0, 9, id="a")))
    assert play.wait(ROOT).runs == [("a", "completed", ["gpt", "u"])]


def test_lost_steps_of_an_orphan_do_not_hold_it_up(play):
    tree = agent("a", 0, 9, wrapper(1, 6, tool("t", 2, 3, id="t"), id="w"), id="a", parent="worker")
    play.send(*without(spans(tree, orphan(20, "agents")), "w"))
    assert play.wait(ORPHAN).runs == [("a", "completed", ["t"]), ("a20", "completed", ["gpt"])]


def test_an_agent_beside_a_tool_that_waits_is_no_run_of_its_own(play):
    play.send(*spans(tool("ask", 2, 8, id="ask", parent="a"), agent("b", 3, 7, tool("u", 4, 5), id="b", parent="a")))
    play.send(*spans(model(0, 1, parent="gone", id="m")))
    assert [run[2] for run in play.wait(IDLE).runs] == [["gpt", "u"]]


# --- Closed, reopened, final. ---


def test_a_span_that_comes_after_the_close_replaces_the_trajectory(play):
    play.send(*without(spans(RUN), "t"))
    assert play.wait(ROOT).runs == [("a", "completed", ["gpt"])]
    assert play.wait(LATE - 1).send(*spans(RUN)[2:]) == ["kept"]
    assert play.runs == [("a", "completed", ["gpt"])]
    assert play.wait(ROOT).runs == [WHOLE]
    assert play.closes == 2


def test_it_is_final_after_the_late_window_and_says_so_once(play):
    play.send(*spans(RUN))
    assert not play.wait(ROOT + LATE - 1).final
    assert list(play.wait(1).final) == list(play.closed)
    play.wait(DAY)
    assert play.closes == 1


def test_the_late_window_starts_anew_when_the_trajectory_closes_anew(play):
    play.send(*without(spans(RUN), "t"))
    play.wait(ROOT + LATE - 1).send(*spans(RUN)[2:])
    assert not play.wait(ROOT + LATE - 1).final
    assert [names(run) for run in play.wait(1).final.values()] == [["gpt", "t"]]


def test_two_that_become_one_are_replaced_by_it(play):
    tree = wrapper(0, 9, agent("a", 0, 4, tool("t", 1, 2), id="a"), agent("b", 5, 9, tool("u", 6, 7), id="b"), id="w")
    play.send(*without(spans(tree), "w"))
    assert [run[0] for run in play.wait(ORPHAN).runs] == ["a", "b"]
    play.send(*spans(tree)[:1])
    assert play.wait(ROOT).runs == [("a", "completed", ["t", "u"])]


def test_what_comes_for_a_final_trace_is_late_and_changes_nothing(play):
    play.send(*without(spans(RUN), "t"))
    play.wait(ROOT + LATE)
    assert play.send(*spans(RUN)[2:]) == ["late"]
    assert play.wait(DAY).runs == [("a", "completed", ["gpt"])]


def test_what_was_seen_before_is_a_duplicate_open_closed_or_final(play):
    everything = spans(RUN)
    play.send(*everything)
    assert play.send(*everything) == ["duplicate"] * 3
    play.wait(ROOT)
    assert play.send(*everything) == ["duplicate"] * 3
    play.wait(LATE)
    assert play.send(*everything) == ["duplicate"] * 3
    assert play.wait(LATE).closes == 1


def test_what_comes_below_something_late_is_late_too(play):
    late = spans(tool("v", 5, 6, agent("b", 5, 6, model(5, 6), id="b"), id="v", parent="a"))
    play.send(*spans(RUN))
    play.wait(ROOT + LATE)
    assert play.send(*late) == ["late"] * 3
    assert play.send(*late) == ["duplicate"] * 3
    assert play.wait(DAY).runs == [WHOLE]


def test_steps_of_a_final_run_whose_way_up_is_unknown_are_not_a_run(play):
    play.send(*spans(RUN))
    play.wait(ROOT + LATE).send(*spans(tool("v", 5, 6, parent="gone", id="v")))
    assert play.wait(IDLE).runs == [WHOLE]


def test_another_run_may_come_in_a_trace_with_a_final_one(play):
    play.send(*spans(RUN))
    play.wait(ROOT + LATE)
    assert play.send(*spans(agent("b", 20, 21, id="b"))) == ["kept"]
    assert [run[0] for run in play.wait(ROOT).runs] == ["a", "b"]


def test_ids_are_forgotten_after_the_dedupe_window(play):
    play.send(*spans(RUN))
    play.wait(ROOT + LATE)
    play.wait(DAY)
    assert play.send(*spans(RUN)) == ["kept"] * 3


def test_a_trace_of_strangers_is_forgotten_at_once(play):
    play.send(*spans(other(0, 9, id="http")))
    assert play.wait(ROOT + LATE).closed == {}
    assert play.assembler.open_spans == 0
    assert play.send(*spans(agent("a", 1, 8, parent="http"))) == ["kept"]


@pytest.mark.parametrize(
    ("came", "missing", "first"),
    [
        (without(spans(RUN), "a"), spans(RUN)[:1], [STEPS]),
        (spans(below("w")), spans(wrapper(0, 9, tool("before", 0, 0), id="w")), [WHOLE]),
    ],
)
def test_incomplete_and_orphaned_runs_stay_open_for_a_day_to_what_is_missing(play, came, missing, first):
    play.send(*came)
    assert play.wait(IDLE).runs == first
    play.wait(DAY - IDLE - ROOT)
    assert not play.final
    assert set(play.send(*missing)) == {"kept"}
    (run,) = play.wait(ROOT).runs
    assert run[:2] == ("a", "completed")
    assert len(play.wait(LATE).final) == 1


def test_strangers_are_not_waited_for_that_long(play):
    play.send(*spans(other(0, 9, id="db", parent="gone")))
    assert play.wait(IDLE + LATE - 1).assembler.open_spans == 1
    assert play.wait(1).assembler.open_spans == 0


def test_a_day_after_its_close_an_incomplete_run_is_final_too(play):
    play.send(*without(spans(RUN), "a"))
    play.wait(IDLE + DAY)
    assert [str(run.outcome) for run in play.final.values()] == ["incomplete"]
    assert play.assembler.open_spans == 0


# --- Steps whose way up was lost. ---


def test_steps_whose_wrapper_was_lost_join_the_run_in_whose_time_they_lie(play):
    tree = agent("a", 0, 9, wrapper(1, 6, tool("t", 2, 3, id="t"), model(4, 5), id="w"), id="a")
    play.send(*without(spans(tree), "w"))
    assert play.wait(2 * ROOT).runs == [("a", "completed", ["t", "gpt"])]
    play.send(*spans(tree)[1:2])
    assert play.wait(ROOT).runs == [("a", "completed", ["t", "gpt"])]


def test_they_wait_for_the_run_to_end(play):
    tree = agent("a", 0, 9, wrapper(1, 6, tool("t", 2, 3, id="t"), id="w"), model(7, 8), id="a")
    play.send(*without(spans(tree), "w", "a"))
    play.wait(IDLE / 2).send(*spans(tree)[:1])
    assert play.wait(ROOT).runs == [("a", "completed", ["t", "gpt"])]


def test_they_do_not_join_where_two_runs_may_be_theirs(play):
    tree = other(0, 9, agent("a", 0, 9), agent("b", 0, 9, id="b"))
    play.send(*spans(tree, tool("t", 2, 3, parent="gone", id="t")))
    assert [run[2] for run in play.wait(IDLE).runs] == [[], []]


def test_nor_where_the_two_came_apart(play):
    first, second = agent("a", 0, 9, parent="web1", flags=REMOTE), agent("b", 0, 9, id="b", parent="web2", flags=REMOTE)
    play.send(*spans(first, second, tool("t", 2, 3, parent="gone", id="t")))
    assert [run[2] for run in play.wait(IDLE).runs] == [[], []]


# --- Services. ---

SERVED = tool("t", 2, 3, id="mcp", service="mcp", span_kind=SERVER, error="TimeoutError", flags=REMOTE)
CALLER = agent("a", 0, 9, tool("t", 1, 4, SERVED, id="t"), model(5, 6), id="a")


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("pause", [0, 5, 60])
def test_an_mcp_server_folds_into_the_callers_step_whichever_comes_first(play, order, pause):
    everything = spans(CALLER)
    parts = [span for span in everything if span.origin.service == "shop"], [everything[2]]
    for part in parts[::order]:
        play.send(*part)
        play.wait(pause)
    assert play.wait(LATE).runs == [("a", "completed", ["t", "gpt"])]
    (trajectory,) = play.closed.values()
    assert responses(trajectory) == ["concluded"]
    assert len(play.wait(LATE).final) == 1


CALLEE = other(2, 7, agent("b", 3, 6, tool("u", 4, 5), id="b"), id="http", service="other", span_kind=SERVER)
ASKS = agent("a", 0, 9, tool("ask", 1, 8, CALLEE, id="ask"), id="a")


@pytest.mark.parametrize("pause", [0, 60])
@pytest.mark.parametrize("first", ["shop", "other"])
def test_agents_of_two_services_are_two_trajectories_whichever_comes_first(play, first, pause):
    for span in sorted(spans(ASKS), key=lambda span: span.origin.service != first):
        play.send(span)
        play.wait(pause)
    assert play.wait(LATE).runs == [("a", "completed", ["ask"]), ("b", "completed", ["u"])]
    assert len(play.wait(LATE).final) == 2


def test_steps_of_another_service_go_back_when_their_own_agent_comes(play):
    """The caller closed with them as its own."""
    tree = agent(
        "a",
        0,
        9,
        other(1, 8, tool("v", 2, 3, id="v"), other(3, 7, INNER, id="x"), id="h", service="other", span_kind=SERVER),
    )
    play.send(*without(spans(tree), "b", "x", "u"))
    play.wait(ROOT).send(*[span for span in spans(tree) if span.span_id in (span_id("b"), span_id("u"))])
    assert [run[2] for run in play.runs] == [["v"]]
    play.send(*[span for span in spans(tree) if span.span_id == span_id("x")])
    assert play.wait(LATE).runs == [("a", "completed", []), ("b", "completed", ["u"])]


def test_two_services_in_one_process_are_one_run(play):
    tree = agent("a", 0, 9, tool("ask", 1, 8, agent("b", 2, 7, tool("u", 3, 4), service="other", flags=LOCAL)))
    assert set(play.send(*spans(tree))) == {"kept"}
    assert play.wait(ROOT).runs == [("a", "completed", ["u"])]
    play.wait(LATE)
    assert set(play.send(*spans(tree))) == {"duplicate"}


def test_servers_that_closed_together_have_the_caller_that_came_first(play):
    """Neither twice among the steps nor lost; the other caller's step is its own."""
    facts = {"service": "mcp", "flags": REMOTE}
    play.send(*spans(tool("t", 1, 2, id="s1", parent="t1", **facts), tool("u", 11, 12, id="s2", parent="t2", **facts)))
    play.wait(ROOT)
    play.send(*spans(agent("a", 0, 9, tool("t", 1, 3, id="t1"), id="a", parent="web1", flags=REMOTE)))
    play.send(*spans(agent("b", 10, 19, tool("u", 11, 13, id="t2"), id="b", parent="web2", flags=REMOTE)))
    assert play.wait(ROOT).runs == [("a", "completed", ["t"]), ("b", "completed", ["u"])]
    play.wait(DAY)
    assert play.assembler.open_spans == 0
    assert len(play.final) == 2


# --- Exceptions as log records. ---


@pytest.mark.parametrize("before", [True, False])
def test_an_exception_may_come_before_its_span_or_after_the_close(play, before):
    if before:
        play.log("t", "TimeoutError")
    play.send(*spans(RUN))
    play.wait(ROOT)
    if not before:
        play.log("t", "TimeoutError")
    (trajectory,) = play.wait(ROOT).closed.values()
    assert [step.error_type for step in trajectory.steps] == ["", "TimeoutError"]


def test_of_several_exceptions_of_a_span_the_same_one_counts_whatever_the_order():
    def told(*errors):
        play = Play()
        play.send(*spans(RUN))
        for error in errors:
            play.log("t", error)
        (trajectory,) = play.wait(ROOT).closed.values()
        return trajectory.steps[1].error_type

    assert told("TimeoutError", "OddError") == told("OddError", "TimeoutError") == "TimeoutError"


def test_an_exception_whose_span_never_comes_is_forgotten(play):
    play.log("t", "TimeoutError")
    play.wait(IDLE).send(*spans(RUN))
    (trajectory,) = play.wait(ROOT).closed.values()
    assert not any(step.failed for step in trajectory.steps)


def test_it_waits_as_long_as_its_trace_is_open(play):
    play.log("t", "TimeoutError")
    for i in range(6):
        play.send(*spans(model(i, i, parent="a", id=f"m{i}")))
        play.wait(IDLE / 2)
    play.send(*spans(RUN)[2:])
    play.send(*spans(agent("a", 0, 9, id="a")))
    (trajectory,) = play.wait(ROOT).closed.values()
    assert [step.name for step in trajectory.steps if step.failed] == ["t"]


# --- Files, and what is open. ---


def test_files_close_everything_at_their_end(play):
    play.send(*spans(RUN), *moved(spans(tool("t", 0, 1, parent="away")), trace_id=b"another trace id"))
    play.take(play.assembler.close_all(play.now))
    assert [run[2] for run in play.runs] == [["t"], ["gpt", "t"]]
    assert len(play.final) == 2
    assert play.assembler.open_spans == 0


def test_lost_steps_of_a_file_find_their_run(play):
    tree = agent("a", 0, 9, wrapper(1, 6, tool("t", 2, 3), id="w"), id="a")
    play.send(*without(spans(tree), "w"))
    play.take(play.assembler.close_all(play.now))
    assert play.runs == [("a", "completed", ["t"])]


def test_what_is_open_and_for_how_long(play):
    assert play.assembler.open_trajectories() == (0, None)
    play.send(*spans(RUN))
    play.wait(5).send(*spans(RUN, trace=b"another trace id"))
    assert play.assembler.open_trajectories() == (2, 1000.0)
    assert play.assembler.open_spans == 6
    play.wait(5)
    assert play.assembler.open_trajectories() == (1, 1005.0)
    assert play.assembler.open_spans == 6  # closed ones are held until they are final
    assert play.wait(DAY).assembler.open_spans == 0


def test_steps_without_a_run_are_final_with_those_that_came_in_their_late_window():
    play = Play()
    play.send(*spans(model(0, 40, id="m")))
    play.wait(ROOT)
    play.send(*spans(tool("t", 0, 1, id="t", parent="gone", flags=LOCAL)))
    play.wait(LATE)
    assert not play.final
    play.wait(IDLE + DAY)
    (run,) = play.final.values()
    assert sorted(names(run)) == ["gpt", "t"]
    assert play.assembler.open_spans == 0


def test_what_is_large_waits_the_longer_to_be_scored_anew(monkeypatch):
    monkeypatch.setattr(assembler, "LARGE", 2)
    play = Play()
    play.send(*spans(agent("a", 0, 99, *(tool("t", i, i + 1) for i in range(6)), id="a")))
    play.wait(10)
    assert play.closes == 1
    late = spans(*(tool("t", i, i + 1, parent="a", id=f"late {i}") for i in range(90, 93)))
    for span in late:
        play.send(span)
        play.wait(30)
    assert play.closes == 1
    play.wait(20)
    assert play.closes == 2
    play.wait(LATE)
    (run,) = play.final.values()
    assert len(run.steps) == 9


def test_no_more_final_traces_are_remembered_than_may_be():
    assembler = Assembler(Graces(), max_remembered=1)
    for trace in (b"trace one 16 byt", b"trace two 16 byt"):
        assembler.add(spans(RUN, trace=trace), 0.0)
        for now in (10.0, 130.0):
            list(assembler.tick(now))
    assert assembler.add(spans(RUN, trace=b"trace two 16 byt"), 131.0) == ([], 3, 0)
    forgotten = spans(RUN, trace=b"trace one 16 byt")
    assert assembler.add(forgotten, 131.0).kept == sorted(forgotten, key=lambda span: span.start)


# --- Hostile input. ---


def test_circles_and_spans_that_are_their_own_parents_close_like_any_other(play):
    play.send(*spans(tool("x", 1, 2, id="x", parent="y"), tool("y", 3, 4, id="y", parent="x")))
    play.send(*moved(spans(tool("z", 1, 2, id="z", parent="z")), trace_id=b"another trace id"))
    assert sorted(run[2] for run in play.wait(IDLE + ROOT).runs) == [["x"], ["z"]]  # y folds into x
    play.wait(DAY + LATE)
    assert play.assembler.open_spans == 0


def test_services_that_call_each_other_in_a_circle_close(play):
    play.send(
        *spans(tool("x", 1, 2, id="x", parent="y", flags=REMOTE, service="one")),
        *spans(tool("y", 3, 4, id="y", parent="x", flags=REMOTE, service="two")),
    )
    play.wait(DAY + IDLE)
    assert play.assembler.open_spans == 0
    assert [run[2] for run in play.runs] == [["x"]]


def test_a_circle_that_is_cut_has_no_spans_in_common(play):
    """The spans of `one` are below the agent of `two` and above it; a circle, so that it is the agent's no more."""
    for found in (
        tool("x", 3, 4, id="x", parent="y", flags=REMOTE, service="one"),
        agent("y", 2, 5, id="y", parent="z", flags=REMOTE, service="two"),
        tool("z", 1, 6, id="z", parent="x", flags=REMOTE, service="one"),
    ):
        play.send(*spans(found))
        play.wait(1)
    play.wait(DAY + IDLE)
    assert play.assembler.open_spans == 0
    assert [step for run in play.runs for step in run[2]] == ["x"]  # z folds into it


def test_a_trace_on_which_the_builder_breaks_does_not_take_the_others_with_it(play, monkeypatch):
    def break_on_one(spans, *more):
        if spans[0].trace_id == bytes(16):
            raise ZeroDivisionError
        return build(spans, *more)

    monkeypatch.setattr(assembler, "build", break_on_one)
    for trace_id in (TRACE, bytes(16), b"\x01" * 16, b"\x02" * 16):
        play.send(*spans(RUN, trace=trace_id))
    with pytest.raises(ZeroDivisionError):
        play.wait(ROOT)
    play.wait(ROOT + LATE)
    assert play.runs == [WHOLE] * 3
    assert len(play.final) == 3
