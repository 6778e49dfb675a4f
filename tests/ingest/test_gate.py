from __future__ import annotations

from contextlib import ExitStack

import pytest

from otelscore.ingest.gate import CrowdedError, Gate


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gate(clock: Clock) -> Gate:
    return Gate(clock, most=3, size=100, wait=2.0)


def test_so_many_come_in_at_a_time(gate: Gate) -> None:
    with gate.enter(), gate.enter():
        with gate.enter(), pytest.raises(CrowdedError, match="too many requests at a time") as refused:
            gate.enter()
        assert refused.value.limit == "concurrent_requests"
        with gate.enter():
            pass


def test_nobody_comes_in_while_one_has_waited_for_too_long(gate: Gate, clock: Clock) -> None:
    with gate.enter() as first:
        clock.now = 10.0  # it is still being sent
        with gate.enter():
            pass
        first.wait()
        clock.now = 12.0
        with gate.enter():
            pass
        clock.now = 12.1
        with pytest.raises(CrowdedError, match="faster than they can be taken") as refused:
            gate.enter()
        assert refused.value.limit == "request_wait"
        with pytest.raises(CrowdedError):
            first.begin()
        with gate.enter():
            pass


def test_who_would_wait_for_too_long_does_not_come_in(clock: Clock) -> None:
    gate = Gate(clock, most=100, size=100, wait=2.0)
    for _ in range(200):  # of half a second each, one after another
        with gate.enter() as visit:
            visit.wait()
            visit.begin()
            clock.now += 0.5
    with ExitStack() as inside:
        for _ in range(5):
            inside.enter_context(gate.enter()).wait()
        with pytest.raises(CrowdedError, match="faster than they can be taken") as refused:
            gate.enter()
    assert refused.value.limit == "request_wait"
    gate.enter()


def test_what_two_do_at_a_time_takes_half(clock: Clock) -> None:
    gate = Gate(clock, most=100, size=100, wait=2.0)
    with ExitStack() as inside:
        other = inside.enter_context(gate.enter())
        other.begin()
        for _ in range(200):
            one, other = other, inside.enter_context(gate.enter())
            other.begin()
            clock.now += 0.5  # each is at work for a second
            gate.leave(one)
        for _ in range(5):
            inside.enter_context(gate.enter()).wait()
        with pytest.raises(CrowdedError):
            gate.enter()


def test_whose_turn_comes_too_late_is_told_to_come_back(gate: Gate, clock: Clock) -> None:
    with gate.enter() as first, gate.enter() as second:
        first.wait()
        second.wait()
        clock.now = 2.0
        first.begin()
        clock.now = 2.1
        with pytest.raises(CrowdedError, match="faster than they can be taken") as refused:
            second.begin()
    assert refused.value.limit == "request_wait"


def test_all_together_hold_so_many_bytes(gate: Gate) -> None:
    with gate.enter() as first, gate.enter() as second:
        first.hold(60)
        second.hold(40)
        with pytest.raises(CrowdedError, match="too large together") as refused:
            second.hold(1)
        assert refused.value.limit == "requests_size"
    with gate.enter() as third:
        third.hold(100)
