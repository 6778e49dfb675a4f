"""A site on a disk of the test's choice, and an undisturbed server beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from faults.disks import Disk, Quota
from faults.site import Site, undisturbed
from live import Server


@pytest.fixture
def make_site(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    made: list[Site] = []

    def make(disk: Callable[[Path], Disk] = Quota, *settings: str, **more: Any) -> Site:
        made.append(Site(disk(tmp_path / "disk"), *settings, **more))
        return made[-1]

    yield make
    for site in made:
        site.close()


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    return make_site()


@pytest.fixture
def reference(tmp_path: Path) -> Iterator[Server]:
    server = undisturbed(tmp_path / "undisturbed")
    yield server
    server.process.kill()
    server.process.wait()
