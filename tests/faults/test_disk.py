"""The disk is full, or takes no byte: senders are told to come back, figures stand still, and all of it passes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from faults import senders
from faults.disks import DISKS, Disk, Quota
from faults.script import Script
from faults.site import Load, Site, disagreements
from live import Server

RUNS = 12


def said(site: Site, what: str) -> bool:
    return any(what in line for line in site.server.lines)


@pytest.mark.parametrize("disk", DISKS.values(), ids=DISKS)
def test_full_under_load(make_site: Callable[..., Site], reference: Server, disk: Callable[[Path], Disk]) -> None:
    load, site = Load(11, RUNS), make_site(disk)
    with load.to(site) as progress:
        for _ in range(2):
            progress.wait_for_acknowledged(load.requests // 5)
            with site.full():
                progress.wait_for_failures(3)
    assert said(site, "disk")
    assert disagreements(site, load, reference) == []


@pytest.mark.parametrize("disk", DISKS.values(), ids=DISKS)
def test_killed_while_it_is_full(
    make_site: Callable[..., Site], reference: Server, disk: Callable[[Path], Disk]
) -> None:
    load, site = Load(12, RUNS), make_site(disk)
    with load.to(site) as progress:
        progress.wait_for_acknowledged(load.requests // 4)
        with site.full():
            progress.wait_for_failures(3)
            site.kill()
        site.start()
    assert disagreements(site, load, reference) == []


def test_read_only_under_load(make_site: Callable[..., Site], reference: Server) -> None:
    load, site = Load(13, RUNS), make_site()
    assert isinstance(site.disk, Quota)
    with load.to(site) as progress:
        progress.wait_for_acknowledged(load.requests // 4)
        site.disk.forbid(site.pid)
        progress.wait_for_failures(5)
        site.disk.clear(site.pid)
    assert disagreements(site, load, reference) == []


def test_the_limit_of_the_state_is_reached_and_raised(make_site: Callable[..., Site]) -> None:
    """Open runs fill it, which nothing may push out."""
    site = make_site(Quota, "--state-limit", "64MiB", graces={"OTELSCORE_IDLE_TIMEOUT": "1h"})
    script = Script(14)
    taken = 0
    while (answer := senders.traces(site.http, (large := script.large()))) == "acknowledged":
        taken += len(large)
    assert answer == "refused"
    assert site.server.value("limit_reached_total", limit="state")
    site.kill()
    site.settings = ("--state-limit", "1GiB")
    site.start()
    assert site.server.value("spans_total", fate="kept") == site.server.value("open_spans") == taken
    assert senders.traces(site.http, large) == "acknowledged"
    assert not site.watch.wrong, site.watch.wrong


def test_the_folder_is_moved_away_under_load_and_comes_back(make_site: Callable[..., Site], reference: Server) -> None:
    load, site = Load(15, RUNS), make_site()
    away = site.state().with_name("away")
    with load.to(site) as progress:
        progress.wait_for_acknowledged(load.requests // 4)
        site.state().rename(away)
        progress.wait_for_failures(5)
        away.rename(site.state())
    assert said(site, "moved, deleted or replaced")
    assert disagreements(site, load, reference) == []
