"""Connections break in the middle of a request or of its answer: senders try again, and nothing counts twice."""

from __future__ import annotations

from random import Random

import pytest
from faults.site import Load, Site, disagreements
from live import Server, eventually

RUNS = 15
CUTS = 4


@pytest.mark.parametrize("direction", ["request", "response"])
def test_cut_under_load(site: Site, reference: Server, direction: str) -> None:
    load, chance = Load(31, RUNS), Random(31)
    load.runs, load.verdicts = [], []  # all that is sent is sent until it is acknowledged
    with load.to(site):
        for number in range(CUTS):
            transport = ("http", "grpc")[number % 2]
            site.cut(transport, direction, chance.randrange(400 if direction == "request" else 150))
            assert eventually(lambda: site.cuts, number + 1) == number + 1
    assert disagreements(site, load, reference) == []
    if direction == "response":
        assert site.server.value("spans_total", fate="duplicate")
