"""The configuration of Prometheus and Alertmanager, judged by their own tools."""

from __future__ import annotations

import re

import yaml
from deploy.tools import DEPLOY, run


def test_promtool_approves_of_the_configuration_and_its_rules():
    checked = run("promtool", "check", "config", DEPLOY / "prometheus" / "prometheus.yml")
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "2 rule files found" in checked.stdout


def test_labels_of_the_agents_that_are_scored_win_over_those_of_the_target():
    scraped = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    assert [job["honor_labels"] for job in scraped if job["job_name"] == "otelscore"] == [True]


def test_amtool_approves_of_the_alertmanager():
    checked = run("amtool", "check-config", DEPLOY / "alertmanager.yml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_links_of_alerts_lead_to_the_grafana_of_the_compose_file_and_alerts_have_no_label_for_it():
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    (port,) = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["grafana"]["ports"]
    assert config["global"]["external_labels"] == {"grafana_url": f"http://{port.removesuffix(':3000')}"}
    (dropped,) = config["alerting"]["alert_relabel_configs"]
    assert dropped["action"] == "labeldrop"
    assert re.fullmatch(dropped["regex"], "grafana_url")


def test_every_severity_of_an_alert_is_one_that_the_alertmanager_tells_apart():
    rules = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yaml").read_text())["groups"]
    severities = {rule["labels"]["severity"] for group in rules for rule in group["rules"] if "alert" in rule}
    assert severities == set(re.findall(r'severity="(\w+)"', (DEPLOY / "alertmanager.yml").read_text()))
