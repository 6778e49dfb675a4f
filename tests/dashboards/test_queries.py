"""Dashboards ask for metrics, labels and variables that exist."""

from __future__ import annotations

import json
import re

import promql_parser
import pytest
from promql import matchers, parse, selectors, walk

from dashboards.answers import load, queries
from otelscore.scoring.metrics import METRICS, PREFIX, Per, Type

DASHBOARDS = load()
QUERIES = [
    pytest.param(name, panel, target, id=f"{name}: {panel['title']} {target['refId']}")
    for name, dashboard in DASHBOARDS.items()
    for panel, target in queries(dashboard)
]
ASKED_BY_VARIABLES = [
    pytest.param(one["query"], id=f"{name}: {one['name']}")
    for name, dashboard in DASHBOARDS.items()
    for one in dashboard["templating"]["list"]
    if one["type"] == "query"
]

TARGET = {"job", "instance"}  # what Prometheus adds
NOT_OURS = {"up", "scrape_duration_seconds", "process_cpu_seconds_total", "process_resident_memory_bytes"}
GROUP = ("service_name", "agent", "service_version")  # the last where the setting `labels` asks for it
OF_ONE_SIDE = {"steps", "errors", "version", "scoring_version"}  # labels that one series of a join alone has
GRAFANAS = {"__url_time_range", "__data", "__rate_interval"}


def labels_of(name: str) -> set[str]:
    """All labels that a series of this name can have; no such metric is a KeyError."""
    if name in NOT_OURS:
        return TARGET
    bare = name.removeprefix(PREFIX)
    family = re.sub(r"_(bucket|sum|count)$", "", bare)
    if METRICS.get(family) and METRICS[family].type is Type.HISTOGRAM:
        assert bare != family, f"{name} is a histogram"
        return {*METRICS[family].label_names(GROUP), "le"} | TARGET
    return {*METRICS[bare].label_names(GROUP)} | TARGET


@pytest.mark.parametrize(("name", "panel", "target"), QUERIES)
def test_metrics_and_labels_exist(name, panel, target):
    whole = parse(target["expr"])
    for selector in selectors(whole):
        assert matchers(selector).keys() <= labels_of(selector.name), selector.name
    for node, _ in walk(whole):
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier:
            there = set.intersection(*(labels_of(one.name) for one in selectors(node)))
            own = {label for one in selectors(node) for label in labels_of(one.name)} - there
            assert set(node.modifier.labels) <= there | (own & OF_ONE_SIDE)
    known = set.union(*(labels_of(one.name) for one in selectors(whole)))
    assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= known


@pytest.mark.parametrize(("name", "panel", "target"), QUERIES)
def test_what_any_process_has_is_asked_of_otelscores_alone(name, panel, target):
    """All jobs are chosen at first: node exporters, too."""
    asked = {one.name for one in selectors(parse(target["expr"]))}
    assert not asked & NOT_OURS or "otelscore_build_info" in asked


@pytest.mark.parametrize("query", ASKED_BY_VARIABLES)
def test_variables_ask_for_metrics_and_labels_that_exist(query):
    series, label = re.fullmatch(r"label_values\((.*), (\w+)\)", query).groups()
    (selector,) = selectors(parse(series))
    asked = matchers(selector)
    names = [selector.name] if selector.name else asked.pop("__name__")[1].split("|")
    for name in names:
        assert asked.keys() | {label} <= labels_of(name)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_variables_exist_and_come_after_those_they_use(name):
    dashboard = DASHBOARDS[name]
    known = set(GRAFANAS)
    for one in dashboard["templating"]["list"]:
        assert set(re.findall(r"\$(\w+)", str(one["query"]))) <= known
        known.add(one["name"])
    used = re.findall(r"\$\{?([A-Za-z_]\w*)", json.dumps(dashboard["panels"]))
    assert set(used) <= known
    assert known - GRAFANAS <= set(used), "asked for, but not used"


@pytest.mark.parametrize("name", DASHBOARDS)
def test_links_lead_to_dashboards_and_set_variables_of_theirs(name):
    by_uid = {one["uid"]: {each["name"] for each in one["templating"]["list"]} for one in DASHBOARDS.values()}
    links = re.findall(r'"(/d/[^"]+)"', json.dumps(DASHBOARDS[name]["panels"]))
    assert bool(links) == (name != "otelscore")
    for link in links:
        uid, rest = re.fullmatch(r"/d/([\w-]+)\?(.*)", link).groups()
        assert set(re.findall(r"var-(\w+)=|\$\{(\w+):queryparam\}", rest)) <= {
            (given, kept) for given in ("", *by_uid[uid]) for kept in ("", *by_uid[uid])
        }


@pytest.mark.parametrize("name", DASHBOARDS)
def test_what_needs_verdicts_says_so_where_there_are_none(name):
    judged = {
        PREFIX + metric
        for metric in METRICS
        if metric.startswith(
            ("task_pass", "silent", "verdict_failure", "effective", "projected", "half_life", "judged")
        )
        or metric == "verdict_delay_seconds"
    }
    for panel in DASHBOARDS[name]["panels"]:
        asked = [parse(target["expr"]) for target in panel.get("targets", ())]
        names = [{one.name.removesuffix("_bucket") for one in selectors(each)} for each in asked]
        if names and all(each & judged for each in names):
            assert "verdict" in panel["fieldConfig"]["defaults"]["noValue"], panel["title"]


def test_what_needs_injected_faults_says_so_where_there_are_none():
    asked = {panel["title"]: panel for panel in DASHBOARDS["agent"]["panels"] if "injected_faults" in str(panel)}
    assert asked.keys() == {"What became of injected faults", "Injected faults by kind"}
    empty = asked["What became of injected faults"]["fieldConfig"]["defaults"]["noValue"]
    assert empty.startswith("no fault was injected")


def test_every_figure_of_an_agent_is_somewhere():
    """Those of a window or a run; what they are made from, and the service's own, only where it helps."""
    asked = {one.name for _, _, target in (case.values for case in QUERIES) for one in selectors(parse(target["expr"]))}
    names = {re.sub(r"_bucket$", "", name).removeprefix(PREFIX) for name in asked}
    wanted = {name for name, metric in METRICS.items() if metric.per is not Per.SERVICE}
    assert wanted - names == {
        "implied_failure_ratio",  # 1 - implied success
        "recovery_ratio",  # rebuilt from counters, over instances
        "resolution_ratio",  # likewise
        "tool_success_ratio",  # likewise
        "effective_step_success_ratio",  # the half-life says the same
        "effective_step_success_ratio_lower",
        "effective_step_success_ratio_upper",
        "projected_success_ratio_lower",
        "projected_success_ratio_upper",
        "at_risk_trajectories",  # where it is too small there is no curve
    }
