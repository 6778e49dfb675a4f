"""The rules of Grafana's dashboard-linter (github.com/grafana/dashboard-linter), checked again here."""

from __future__ import annotations

import re

import promql_parser
import pytest
from promql import RATE_INTERVAL, matchers, parse, selectors, walk

from dashboards.answers import load, queries

DASHBOARDS = load()
QUERIES = [
    pytest.param(panel, target["expr"], id=f"{name}: {panel['title']} {target['refId']}")
    for name, dashboard in DASHBOARDS.items()
    for panel, target in queries(dashboard)
]
UNITS = {"percentunit", "short", "locale", "none", "s", "bytes", "reqps", "bool_yes_no"}  # those of Grafana used here
SOURCE = "${datasource}"


def variables(dashboard: dict) -> dict[str, dict]:
    return {one["name"]: one for one in dashboard["templating"]["list"]}


@pytest.fixture(params=DASHBOARDS)
def dashboard(request) -> dict:
    return DASHBOARDS[request.param]


def test_template_datasource(dashboard):
    sources = [one for one in variables(dashboard).values() if one["type"] == "datasource"]
    assert [(one["name"], one["label"], one["query"]) for one in sources] == [
        ("datasource", "Data source", "prometheus")
    ]


@pytest.mark.parametrize("name", ["job", "instance"])
def test_template_job_and_instance(dashboard, name):
    found = variables(dashboard)[name]
    assert (found["type"], found["datasource"]["uid"]) == ("query", SOURCE)
    assert (found["label"], found["multi"], found["allValue"]) == (name.title(), True, ".+")


def test_template_label_promql_and_on_time_change_reload(dashboard):
    asked = [one for one in variables(dashboard).values() if one["type"] == "query"]
    for one in asked:
        parse(re.fullmatch(r"label_values\((.*), \w+\)", one["query"])[1])
        assert one["refresh"] == 2


def test_uneditable(dashboard):
    assert dashboard["editable"] is False


def test_panel_datasource_title_description_units_and_targets(dashboard):
    panels = [panel for panel in dashboard["panels"] if panel["type"] not in ("row", "text")]
    for panel in panels:
        assert panel["title"]
        assert len(panel["description"]) > 10, panel["title"]
        assert panel["targets"], panel["title"]
        assert {panel["datasource"]["uid"], *(one["datasource"]["uid"] for one in panel["targets"])} == {SOURCE}
        defaults, overrides = panel["fieldConfig"]["defaults"], panel["fieldConfig"]["overrides"]
        units = [one["value"] for each in overrides for one in each["properties"] if one["id"] == "unit"]
        units += [defaults["unit"]] if "unit" in defaults else []
        assert units, panel["title"]
        assert set(units) <= UNITS, panel["title"]


@pytest.mark.parametrize(("panel", "expr"), QUERIES)
def test_target(panel, expr):
    """promql, job, instance, rate-interval and counter-agg."""
    whole = parse(expr)
    assert selectors(whole)
    for node, above in walk(whole):
        if isinstance(node, promql_parser.VectorSelector):
            found = matchers(node)
            assert found["job"] == ("MatchOp.Re", "$job")
            assert found["instance"] == ("MatchOp.Re", "$instance")
            if node.name.endswith("_total"):
                assert isinstance(above[-1], promql_parser.MatrixSelector), node.name
                assert above[-2].func.name in ("rate", "irate", "increase"), node.name
        if isinstance(node, promql_parser.Call) and node.func.name in ("rate", "irate"):
            assert node.args[0].range == RATE_INTERVAL
