"""Any fault after any other."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from faults.disks import DISKS
from faults.schedule import FAULTS, play
from faults.site import Load, Site, disagreements
from live import Server

RUNS = 25


@pytest.mark.parametrize("seed", [1])
def test_a_random_schedule(make_site: Callable[..., Site], reference: Server, seed: int) -> None:
    """`python bench/faults.py --schedules 20` plays more of them."""
    chance = Random(seed)
    names = chance.sample(list(FAULTS), 6)
    load, site = Load(seed, RUNS), make_site([*DISKS.values()][-1])
    play(site, load, chance, names)
    assert disagreements(site, load, reference) == []
