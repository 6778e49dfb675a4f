"""The configuration of Prometheus and Alertmanager, judged by their own tools."""

from __future__ import annotations

import re

import yaml
from deploy.tools import DEPLOY, approved


def test_promtool_approves_of_the_configuration_and_its_rules():
    said = approved("promtool", "check", "config", DEPLOY / "prometheus" / "prometheus.yml")
    assert "2 rule files found" in said


def test_labels_of_the_agents_that_are_scored_win_over_those_of_the_target():
    scraped = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    assert [job["honor_labels"] for job in scraped if job["job_name"] == "otelscore"] == [True]


def test_amtool_approves_of_the_alertmanager():
    approved("amtool", "check-config", DEPLOY / "alertmanager.yml")


def test_every_severity_of_an_alert_is_one_that_the_alertmanager_tells_apart():
    rules = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yaml").read_text())["groups"]
    severities = {rule["labels"]["severity"] for group in rules for rule in group["rules"] if "alert" in rule}
    assert severities == set(re.findall(r'severity="(\w+)"', (DEPLOY / "alertmanager.yml").read_text()))
