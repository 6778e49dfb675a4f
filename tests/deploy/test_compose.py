"""The compose file, read as `docker compose` reads it, and the files that it hands to its services."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from deploy.tools import DEPLOY, approved

PROVISIONING = DEPLOY / "grafana" / "provisioning"


@pytest.fixture(scope="module")
def project() -> dict[str, dict[str, dict]]:
    return json.loads(approved("compose-go", "-format", "json", DEPLOY / "compose.yaml"))


def test_every_file_that_a_service_is_given_exists(project):
    given = [volume for service in project["services"].values() for volume in service.get("volumes", ())]
    binds = [volume for volume in given if volume["type"] == "bind"]
    assert binds
    for bind in binds:
        assert Path(bind["source"]).exists(), bind["source"]
        assert bind["read_only"]


def test_no_service_can_write_its_image_or_has_a_capability(project):
    for name, service in project["services"].items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name


def test_every_image_is_pinned(project):
    for service in project["services"].values():
        assert re.search(r":v?\d+\.\d+\.\d+$", service["image"]), service["image"]


def test_nothing_is_open_to_other_machines(project):
    published = [port for service in project["services"].values() for port in service.get("ports", ())]
    assert published
    assert {port["host_ip"] for port in published} == {"127.0.0.1"}


def test_whoever_is_waited_for_can_say_that_it_is_healthy(project):
    services = project["services"]
    for service in services.values():
        for name, wanted in service.get("depends_on", {}).items():
            if wanted["condition"] == "service_healthy":
                assert "healthcheck" in services[name] or "build" in services[name]  # ours is in the image


def test_hosts_that_files_name_are_services(project):
    files = [DEPLOY / "prometheus" / "prometheus.yml", PROVISIONING / "datasources" / "datasources.yaml"]
    text = "".join(path.read_text() for path in files) + json.dumps(project["services"]["collector"]["environment"])
    hosts = set(re.findall(r"\b([a-z]+):\d{4,5}\b", text))
    assert hosts == {"otelscore", "alertmanager", "prometheus", "tempo"}
    assert hosts <= project["services"].keys()


def test_exemplars_open_their_trace_in_a_datasource_that_is_there():
    sources = yaml.safe_load((PROVISIONING / "datasources" / "datasources.yaml").read_text())["datasources"]
    by_uid = {source["uid"]: source for source in sources}
    options = by_uid["prometheus"]["jsonData"]
    assert [(to["name"], by_uid[to["datasourceUid"]]["type"]) for to in options["exemplarTraceIdDestinations"]] == [
        ("trace_id", "tempo")
    ]
    assert by_uid[options["alertmanagerUid"]]["type"] == "alertmanager"


def test_grafana_finds_the_dashboards(project):
    grafana = project["services"]["grafana"]
    (provider,) = yaml.safe_load((PROVISIONING / "dashboards" / "dashboards.yaml").read_text())["providers"]
    (source,) = [Path(one["source"]) for one in grafana["volumes"] if one["target"] == provider["options"]["path"]]
    assert (source / Path(grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]).name).is_file()
