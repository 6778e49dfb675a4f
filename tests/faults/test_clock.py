"""The wall clock is moved: nothing closes, leaves a window or is counted because of it."""

from __future__ import annotations

import pytest
from faults.site import Load, Site, disagreements
from live import Server

RUNS = 12
HOUR = 3600


def test_moved_under_load(site: Site, reference: Server) -> None:
    load = Load(21, RUNS)
    with load.to(site) as progress:
        for seconds in (5 * HOUR, -30 * HOUR, 0):
            progress.wait_for_acknowledged(load.requests // 5)
            site.set_clock(seconds)
    assert disagreements(site, load, reference) == []


@pytest.mark.parametrize("seconds", [-3 * HOUR, 600])
def test_moved_between_a_kill_and_the_start(site: Site, reference: Server, seconds: int) -> None:
    """Hours back, or ahead for less than the shortest window that is compared, since that looks like being down."""
    load = Load(22, RUNS)
    with load.to(site) as progress:
        progress.wait_for_acknowledged(load.requests // 3)
        site.kill()
        site.set_clock(seconds)
        site.start()
    assert disagreements(site, load, reference) == []
