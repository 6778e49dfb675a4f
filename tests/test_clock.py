from __future__ import annotations

import time

import pytest

from otelscore.clock import HALT, ArrivalClock


class Machine:
    """Its two clocks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall, self.monotonic = 1_800_000_000.0, 77.0
        monkeypatch.setattr(time, "time", lambda: self.wall)
        monkeypatch.setattr(time, "monotonic", lambda: self.monotonic)

    def wait(self, seconds: float) -> None:
        self.wall += seconds
        self.monotonic += seconds


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def test_it_begins_with_the_wall_clock_and_goes_on_without_it(machine: Machine) -> None:
    clock = ArrivalClock()
    assert clock() == 1_800_000_000.0
    machine.wall -= 3600.0
    machine.wait(1.5)
    assert clock() == 1_800_000_001.5


def test_it_stands_still_while_the_process_does(machine: Machine) -> None:
    clock = ArrivalClock()
    for _ in range(2):
        machine.wait(180.0)
        assert clock() == 1_800_000_000.0
    machine.wait(HALT)
    assert clock() == 1_800_000_000.0 + HALT
    machine.wait(1.0)
    assert clock() == 1_800_000_001.0 + HALT
