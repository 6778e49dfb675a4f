"""Rules and alerts, judged by Prometheus' own tool, by what the metrics are called, and by the runbook.

The cases are in rules/: a test of Prometheus' own kind for each alert, in which it fires and in which it does not.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from deploy.tools import DEPLOY, run
from promql_parser import (
    AggregateExpr,
    BinaryExpr,
    Call,
    Expr,
    MatrixSelector,
    ParenExpr,
    SubqueryExpr,
    UnaryExpr,
    VectorSelector,
    parse,
)

from otelscore.scoring.metrics import METRICS, PREFIX, Type

CASES = sorted((Path(__file__).parent / "rules").glob("*.yaml"))
RUNBOOK = (DEPLOY.parent / "docs" / "runbook.md").read_text()
ALERTS_DOCUMENT = (DEPLOY.parent / "docs" / "alerts.md").read_text()
DASHBOARDS = sorted((DEPLOY.parent / "dashboards" / "json").glob("*.json"))


def rules(file: str) -> list[dict[str, Any]]:
    groups = yaml.safe_load((DEPLOY / "prometheus" / file).read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


RECORDED = rules("rules.yaml")
ALERTS = {rule["alert"]: rule for rule in rules("alerts.yaml")}


def selectors(node: Expr) -> list[VectorSelector]:
    """All that an expression asks the database for."""
    match node:
        case VectorSelector():
            return [node]
        case MatrixSelector():
            return [node.vector_selector]
        case BinaryExpr():
            return selectors(node.lhs) + selectors(node.rhs)
        case Call():
            return [found for argument in node.args for found in selectors(argument)]
        case AggregateExpr() | ParenExpr() | SubqueryExpr() | UnaryExpr():
            return selectors(node.expr)
    return []


def exported() -> dict[str, set[str]]:
    """Every series that otelscore's metrics have, with its labels."""
    found: dict[str, set[str]] = {}
    for metric in METRICS.values():
        labels = set(metric.label_names(("service_name", "agent")))
        if metric.type is Type.HISTOGRAM:
            found |= {f"{PREFIX}{metric.name}_{end}": labels | {"le"} for end in ("bucket", "sum", "count")}
        else:
            found[PREFIX + metric.name] = labels
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_alerts_fire_when_they_should_and_only_then(case):
    tested = run("promtool", "test", "rules", case)
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not():
    cases: dict[str, set[bool]] = {}
    for file in CASES:
        for group in yaml.safe_load(file.read_text())["tests"]:
            for case in group["alert_rule_test"]:
                cases.setdefault(case["alertname"], set()).add(bool(case["exp_alerts"]))
    assert cases == {alert: {True, False} for alert in ALERTS}


def test_every_series_that_a_rule_asks_for_is_exported_or_recorded():
    known = exported() | {"up": {"job", "instance"}}
    names = [rule["record"] for rule in RECORDED]
    for rule in RECORDED + list(ALERTS.values()):
        for selector in selectors(parse(rule["expr"])):
            assert selector.name in known or selector.name in names, selector.name
            asked = {matcher.name for matcher in selector.matchers.matchers}
            if selector.name in known:
                assert asked <= known[selector.name], selector.name


def test_a_rule_stands_on_rules_above_it():
    """Else it would see what they recorded the last time."""
    seen: set[str] = set()
    for rule in RECORDED:
        for selector in selectors(parse(rule["expr"])):
            assert ":" not in selector.name or selector.name in seen, f"{rule['record']} needs {selector.name}"
        seen.add(rule["record"])


def test_rules_that_differ_by_their_range_alone_say_the_same():
    forms: dict[str, set[str]] = {}
    for rule in RECORDED:
        named = re.fullmatch(r"(.*?(?:increase|_rate|_z))(\d+[mhd])", rule["record"])
        if named and not rule["expr"].startswith("sum_over_time("):  # the day is made of hours
            name, length = named.groups()
            forms.setdefault(name, set()).add(re.sub(rf"(?<!\d){length}\b", "RANGE", " ".join(rule["expr"].split())))
    assert len(forms) > 20
    assert {name: found for name, found in forms.items() if len(found) > 1} == {}


def test_every_figure_that_counters_give_has_a_ratio():
    ratios = {rule["record"].rpartition("_rate")[0] for rule in RECORDED if ":ratio_rate" in rule["record"]}
    steps = {"agent:otelscore_steps", "tool:otelscore_steps", "agent:otelscore_unrecovered_errors"}
    errors = {"agent:otelscore_recovery", "agent:otelscore_resolution"}
    runs = {"agent:otelscore_hard_failures", "agent:otelscore_incomplete"}
    verdicts = {"agent:otelscore_task_pass", "agent:otelscore_silent_failures"}
    assert ratios == {f"{figure}:ratio" for figure in steps | errors | runs | verdicts}


def test_a_label_of_the_users_can_be_added_as_the_rules_say(tmp_path):
    for file in ("rules.yaml", "alerts.yaml"):
        text = (DEPLOY / "prometheus" / file).read_text()
        (tmp_path / file).write_text(text.replace("service_name, agent", "service_name, agent, tenant"))
        checked = run("promtool", "check", "rules", tmp_path / file)
        assert checked.returncode == 0, checked.stderr
        expressions = [rule["expr"] for rule in yaml.safe_load((tmp_path / file).read_text())["groups"][0]["rules"]]
        assert not [found for found in expressions if re.search(r"(by|on) \(service_name, agent[,)](?! tenant)", found)]


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_says_what_whoever_is_woken_needs(alert):
    rule = ALERTS[alert]
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["annotations"].keys() == {"summary", "description", "dashboard_url", "runbook_url"}
    dashboard = re.match(r"{{ \$externalLabels.grafana_url }}/d/([\w-]+)", rule["annotations"]["dashboard_url"])
    known = {re.search(r'"uid": "(otelscore-\w+)"', file.read_text())[1] for file in DASHBOARDS}
    assert dashboard[1] in known
    place = f"{{{{ $externalLabels.source_url }}}}/docs/runbook.md#{alert.lower()}"
    assert rule["annotations"]["runbook_url"] == place


def test_the_runbook_has_a_section_for_every_alert_and_for_nothing_else():
    assert re.findall(r"^### (\w+)$", RUNBOOK, re.MULTILINE) == list(ALERTS)


def test_the_document_says_whom_each_alert_wakes():
    table = re.findall(r"^\| (critical|warning)\b.*?\| (Otelscore.*?) \|$", ALERTS_DOCUMENT, re.MULTILINE)
    told = {alert: severity for severity, alerts in table for alert in alerts.split(", ")}
    assert told == {alert: rule["labels"]["severity"] for alert, rule in ALERTS.items()}
