from __future__ import annotations

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
        first.begin()
        with gate.enter():
            pass


def test_all_together_hold_so_many_bytes(gate: Gate) -> None:
    with gate.enter() as first, gate.enter() as second:
        first.hold(60)
        second.hold(40)
        with pytest.raises(CrowdedError, match="too large together") as refused:
            second.hold(1)
        assert refused.value.limit == "requests_size"
    with gate.enter() as third:
        third.hold(100)
