"""The process is killed, stopped, halted: it loses nothing that was acknowledged and counts nothing twice."""

from __future__ import annotations

import signal
from random import Random

from faults.schedule import play
from faults.site import Load, Site, disagreements
from live import Server

RUNS = 15  # in each stream, and of one try


def test_killed_under_load(site: Site, reference: Server) -> None:
    load, chance = Load(1, RUNS), Random(1)
    play(site, load, chance, ["kill"] * 3, within=0.5)
    assert disagreements(site, load, reference) == []


def test_killed_while_it_stops_and_while_it_starts(site: Site, reference: Server) -> None:
    load, chance = Load(4, RUNS), Random(4)
    play(site, load, chance, ["kill while stopping", "kill while starting"])
    assert disagreements(site, load, reference) == []


def test_told_to_stop_under_load(site: Site, reference: Server) -> None:
    load = Load(2, RUNS)
    with load.to(site) as progress:
        for number in (signal.SIGTERM, signal.SIGINT):
            progress.wait_for_acknowledged(load.requests // 5)
            assert site.stop(number) == 0
            site.start()
    assert disagreements(site, load, reference) == []


def test_halted_for_longer_than_senders_wait(site: Site, reference: Server) -> None:
    load = Load(3, RUNS)
    with load.to(site) as progress:
        progress.wait_for_acknowledged(load.requests // 4)
        with site.paused():
            progress.wait_for_failures(2)
    assert disagreements(site, load, reference) == []
