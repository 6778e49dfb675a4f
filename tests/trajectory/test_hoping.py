"""What waits for missing spans alone gives way, oldest first, but never within its late window."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import LOCAL, REMOTE, agent, fate, model, spans, tool

from otelscore.trajectory.assembler import Assembler
from otelscore.trajectory.life import Closed, Graces

ROOT, ORPHAN, IDLE, LATE, DAY = 10, 120, 900, 120, 86_400

ORPHANS = {
    "run": [agent("a", 0, 9, tool("t", 1, 2), id="a", parent="gone", flags=LOCAL)],
    "steps": [model(0, 1, id="m", parent="gone"), tool("t", 2, 3, id="t", parent="gone")],
    "siblings": [agent("a", i, i + 1, id=f"{i}", parent="gone", flags=LOCAL) for i in range(3)],
    "whole": [agent("a", 0, 9, model(0, 1), tool("t", 1, 2), id="a")],
}


def name_of(number):
    return number.to_bytes(16, "big")


class Play:
    """An assembler and its clock, and how often each trace has closed and become final."""

    def __init__(self, most):
        self.most = most
        self.assembler = Assembler(Graces(), max_hoping=most)
        self.now = 1000
        self.sent = 0
        self.last_closed = {}
        self.finals = {}
        self.early = []

    def send(self, shape, trace=None):
        self.sent += trace is None
        name = name_of(trace or self.sent)
        for span in spans(*ORPHANS[shape], trace=name):
            self.assembler.add([span], self.now)
        return self.sent

    def wait(self, seconds):
        until = self.now + seconds
        while self.now < until:
            self.now = min(self.now + (1 if seconds < 2000 else 60), until)
            for event in self.assembler.tick(self.now):
                self.take(event)
            assert self.assembler.hoping.spans <= self.most
        return self

    def take(self, event):
        if isinstance(event, Closed):
            for trajectory in event.trajectories:
                self.last_closed[trajectory.trajectory_id] = self.now
            return
        for run_id in event.trajectory_ids:
            assert self.now - self.last_closed[run_id] >= LATE
            assert run_id not in self.finals
            self.finals[run_id] = self.now
            if event.early:
                self.early.append(int(run_id.partition(":")[0], 16))


def test_where_there_is_no_room_those_that_closed_first_become_final():
    play = Play(4)
    for _ in range(3):
        play.send("run")  # two spans each
        play.wait(30)
    play.wait(ORPHAN + LATE)
    assert play.early == [1]
    assert play.assembler.hoping.crowded == 1
    play.wait(DAY)
    assert play.early == [1]
    assert len(play.finals) == 3
    assert play.assembler.open_spans == play.assembler.hoping.spans == 0


def test_nothing_gives_way_in_its_late_window():
    play = Play(0)
    play.send("run")
    play.wait(ORPHAN + LATE - 1)
    assert not play.finals
    play.wait(1)
    assert play.early == [1]


def test_it_hopes_no_more_when_it_is_reopened_and_its_age_begins_when_it_closes_anew():
    play = Play(4)
    first = play.send("run")
    play.wait(30).send("run")
    play.wait(ORPHAN + LATE)
    assert play.assembler.hoping.spans == 4
    for span in spans(tool("late", 3, 4, id="late", parent="a"), trace=name_of(first)):
        assert fate(play.assembler.add([span], play.now)) == "kept"
    assert play.assembler.hoping.spans == 2
    play.wait(ORPHAN + LATE)
    assert play.early == [2]
    assert play.assembler.hoping.spans == 3


def test_the_parent_of_many_that_hope_ends_it_for_all():
    play = Play(6)
    play.send("siblings")
    play.wait(ORPHAN + LATE)
    assert play.assembler.hoping.spans == 3
    play.assembler.add(spans(agent("root", 0, 9, id="gone"), trace=name_of(1)), play.now)
    assert play.assembler.hoping.spans == 0
    play.wait(ROOT + LATE)
    assert play.early == []
    assert play.assembler.open_spans == 0


def test_steps_whose_caller_has_come_are_left_to_it():
    """They closed as steps of nobody, and the caller has not closed yet."""
    play = Play(100)
    served = tool("t", 2, 3, id="served", parent="call", flags=REMOTE)
    for span in spans(served, tool("u", 4, 5, id="lost", parent="gone", flags=LOCAL), trace=name_of(1)):
        play.assembler.add([span], play.now)
    play.wait(IDLE + LATE)
    assert play.assembler.hoping.spans == 2
    caller = agent("a", 0, 9, tool("t", 1, 6, id="call"), id="a")
    for span in spans(caller, service="web", trace=name_of(1)):
        play.assembler.add([span], play.now)
    play.assembler.hoping.hurry(100)
    assert not play.wait(1).finals
    play.wait(ROOT + LATE)
    assert play.early == []
    assert len(play.finals) == 1


def test_others_can_ask_for_room_too():
    play = Play(100)
    for _ in range(3):
        play.send("run")
        play.wait(1)
    assert play.assembler.hoping.hurry(3) == 0  # they are open
    play.wait(ORPHAN + LATE)
    assert play.assembler.hoping.hurry(3) == 3
    assert play.wait(1).early == [1, 2]
    assert play.wait(100).early == [1, 2]
    assert play.assembler.hoping.hurry(100) == 2
    assert play.wait(1).early == [1, 2, 3]
    assert play.assembler.hoping.crowded == 0


@pytest.mark.parametrize("shape", ["run", "steps"])
def test_only_what_is_missing_comes_too_late_afterwards(shape):
    play = Play(0)
    play.send(shape)
    play.wait(IDLE + LATE)
    assert play.early == [1]
    again = spans(*ORPHANS[shape], trace=name_of(1))
    below = spans(tool("late", 3, 4, id="late", parent="a" if shape == "run" else "t"), trace=name_of(1))
    assert [fate(play.assembler.add([span], play.now)) for span in again + below] == ["duplicate"] * 2 + ["late"]


@given(
    st.lists(st.tuples(st.sampled_from(sorted(ORPHANS)), st.integers(0, 200)), min_size=1, max_size=8),
    st.integers(0, 9),
)
def test_each_run_is_final_once_whatever_the_room(sends, most):
    def played(room):
        play = Play(room)
        for shape, pause in sends:
            play.send(shape)
            play.wait(pause)
        play.wait(IDLE + LATE)
        play.wait(2 * DAY)
        assert play.assembler.open_spans == play.assembler.hoping.spans == 0
        return play

    little, enough = played(most), played(1000)
    assert little.finals.keys() == enough.finals.keys()
    assert enough.early == []
    assert all(little.finals[run_id] <= at for run_id, at in enough.finals.items())
