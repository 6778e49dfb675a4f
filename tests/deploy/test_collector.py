"""Nothing between the receiver and otelscore may tear traces apart or choose among them; bench/otelcol.sh lets a real
Collector judge the rest.
"""

from __future__ import annotations

import pytest
import yaml
from deploy.tools import DEPLOY

HARMLESS = {"memory_limiter", "batch"}


@pytest.mark.parametrize(("file", "exporter"), [("collector", "otlp/otelscore"), ("loadbalancing", "loadbalancing")])
def test_otelscore_gets_whole_traces_and_logs_unsampled(file, exporter):
    config = yaml.safe_load((DEPLOY / "collector" / f"{file}.yaml").read_text())
    ways = {name: one for name, one in config["service"]["pipelines"].items() if exporter in one["exporters"]}
    assert {name.partition("/")[0] for name in ways} == {"traces", "logs"}
    for way in ways.values():
        assert set(way["processors"]) <= HARMLESS
        assert way["receivers"] == ["otlp"]


def test_a_service_goes_to_one_instance():
    balancing = yaml.safe_load((DEPLOY / "collector" / "loadbalancing.yaml").read_text())["exporters"]["loadbalancing"]
    assert balancing["routing_key"] == "service"
