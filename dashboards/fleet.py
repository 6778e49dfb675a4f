"""Fleet: all agents at a glance, the worst first."""

from __future__ import annotations

from typing import Any

from grafana_foundation_sdk.builders import timeseries
from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards import frame
from dashboards.panels import (
    ERROR_CLASSES,
    FAILURE,
    NO_VERDICTS,
    SHOULD_BE_ZERO,
    STEP_SUCCESS,
    SUCCESS,
    count,
    flow,
    lines,
    number,
)
from dashboards.queries import (
    AGENT,
    AGENT_NAME,
    AGENTS,
    INSTANCES,
    Query,
    at_horizon,
    counter,
    gauge,
    grown,
    implied_success,
    pooled,
    share,
    step_success,
    total,
)
from dashboards.tables import Column, graded, rows, tally

_RUNS = gauge("window_trajectories", AGENTS)
_SILENT = "silent_failure_ratio"

_NUMBERS = [
    number("Agents", "Agents with a run in the window.", f"count({total(AGENT, _RUNS)} > 0)", unit="none"),
    number("Runs", "Runs that closed in the window.", total("", _RUNS), unit="locale"),
    number(
        "Step success",
        "Share of steps (tool, retrieval and model calls) that did not fail, over all agents shown.",
        step_success(AGENTS),
        levels=STEP_SUCCESS,
    ),
    number(
        "Worst agent at $horizon steps",
        "Implied success of the worst agent shown: its step success to the power of the horizon.",
        f"min({implied_success(AGENTS, AGENT)})",
        levels=SUCCESS,
    ),
    number(
        "Tasks passed",
        "Share of the verdicts of the window that say pass. Without an evaluator there are none.",
        pooled("task_pass_ratio", AGENTS, "window_verdicts"),
        levels=SUCCESS,
        no_value="no verdicts",
    ),
    number(
        "Silent failures",
        "Share of judged runs that failed their task although nothing in the run says so. Without an evaluator nobody "
        "knows.",
        pooled(_SILENT, AGENTS, "window_verdicts"),
        levels=FAILURE,
        no_value="no verdicts",
    ),
]

_TO_AGENT = frame.link(
    "otelscore-agent",
    "horizon",
    service_name="${__data.fields.Service:percentencode}",
    agent="${__data.fields.Agent:percentencode}",
)

_PROJECTED = at_horizon("projected_success_ratio", AGENTS, "window_verdicts", AGENT)
_HARD = pooled("hard_failure_ratio", AGENTS, "window_trajectories", AGENT)
_INCOMPLETE = pooled("incomplete_ratio", AGENTS, "window_trajectories", AGENT)

_TABLE = rows(
    "Agents, worst first",
    "Click an agent for its own dashboard. Implied: step success to the power of the horizon, to compare agents by. "
    "Projected: share of tasks that runs of so many steps will pass, judging by verdicts; “–” where fewer than 20 "
    "verdicts came, or fewer than 10 judged runs had so many steps. The trend is the implied success over the time "
    "shown, each scaled by itself.",
    [
        Column("Agent", label="agent", link=("Show this agent", _TO_AGENT), width=160),
        Column("Service", label="service_name", width=110),
        Column("Trend", implied_success(AGENTS, AGENT), course=True),
        Column("Implied success", implied_success(AGENTS, AGENT), levels=SUCCESS, decimals=1, loud=True, width=130),
        Column("Projected success", _PROJECTED, levels=SUCCESS, decimals=1, loud=True, width=140),
        graded("Step success", step_success(AGENTS, AGENT), STEP_SUCCESS, width=120, decimals=2),
        graded("Silent failures", pooled(_SILENT, AGENTS, "window_verdicts", AGENT), FAILURE, width=120),
        graded("Hard failures", _HARD, FAILURE, width=120),
        graded("Incomplete", _INCOMPLETE, FAILURE, width=110),
        tally("Runs", total(AGENT, _RUNS), width=80),
        tally("Verdicts", total(AGENT, gauge("window_verdicts", AGENTS)), width=90),
    ],
    size=(24, 7),
    sort=("Implied success", False),
)


def _each(title: str, description: str, expr: str, **more: Any) -> timeseries.Panel:
    """A curve for each agent."""
    return lines(title, description, Query(expr, AGENT_NAME), **more)


_COURSES = [
    _each(
        "Implied success at $horizon steps",
        "Step success to the power of the horizon. Naive: it takes every failed step for the end of the run. Compare "
        "agents with it, do not forecast.",
        implied_success(AGENTS, AGENT),
        top=1,
    ),
    _each(
        "Projected success at $horizon steps",
        "Share of tasks that runs of so many steps will pass, judging by verdicts. The one to alert on.",
        _PROJECTED,
        top=1,
        no_value=NO_VERDICTS,
    ),
    _each(
        "Silent failures",
        "Share of judged runs that failed their task although they completed and left no error unrecovered.",
        pooled(_SILENT, AGENTS, "window_verdicts", AGENT),
        no_value=NO_VERDICTS,
    ),
    _each(
        "Failures never made good",
        "Share of steps whose failure the agent did not get over: the same tool never succeeded later in the run.",
        share(counter("step_errors_total", AGENTS, 'recovered!="true"'), counter("steps_total", AGENTS), AGENT),
    ),
    flow(
        "Runs a minute",
        "Final runs, so two minutes behind. A line that ends is an agent that fell silent.",
        counter("trajectories_total", AGENTS),
        AGENT,
        legend=AGENT_NAME,
    ),
    flow(
        "Failed steps a minute by class",
        "Which kind of error, over all agents shown. Dots are exemplars: they open the trace.",
        counter("step_errors_total", AGENTS),
        "error_class",
        colors=ERROR_CLASSES,
    ),
]

_OTELSCORE = [
    number(
        "otelscores that answer",
        "Instances that Prometheus can scrape.",
        f"count({counter('build_info', INSTANCES)})",
        unit="none",
        size=(6, 4),
    ),
    count(
        "Refused requests in the window",
        "Senders retry these, but look at the otelscore dashboard: a limit was reached, or the disk is full.",
        grown(counter("requests_total", INSTANCES, 'result="refused"')),
        levels=SHOULD_BE_ZERO,
        size=(6, 4),
    ),
    number(
        "Late spans",
        "Share of spans that came after their run was final and changed nothing.",
        share(counter("spans_total", INSTANCES, 'fate="late"'), counter("spans_total", INSTANCES)),
        levels=FAILURE,
        size=(6, 4),
    ),
    number(
        "Steps that count",
        "Which kinds of steps a horizon counts (the setting step_kinds).",
        counter("horizon_info", INSTANCES),
        unit="none",
        names="{{step_kinds}}",
        size=(6, 4),
    ),
]


def fleet() -> Dashboard:
    return frame.build(
        "otelscore-fleet",
        "Agents: fleet",
        "How far can each agent be trusted? Worst first.",
        [*frame.instances(), *frame.agents(many=True), frame.window(), frame.horizon()],
        [("", [*_NUMBERS, _TABLE]), ("Over time", _COURSES), ("Can these figures be believed?", _OTELSCORE)],
    )
