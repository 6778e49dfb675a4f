"""Fleet: all agents at a glance, the worst first."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards import frame
from dashboards.panels import (
    FAILURE,
    NO_VERDICTS,
    SHOULD_BE_ZERO,
    STEP_SUCCESS,
    SUCCESS,
    Column,
    lines,
    number,
    rows,
)
from dashboards.queries import (
    AGENTS,
    INSTANCES,
    Query,
    at_horizon,
    counter,
    gauge,
    grown,
    implied_success,
    per_minute,
    pooled,
    share,
    step_success,
    total,
)

BY = "service_name, agent"
NAME = "{{agent}} ({{service_name}})"
_TO_AGENT = frame.link(
    "otelscore-agent",
    "horizon",
    service_name="${__data.fields.Service:percentencode}",
    agent="${__data.fields.Agent:percentencode}",
)

_NUMBERS = [
    number(
        "Agents",
        "Agents with a run in the window.",
        Query(f"count({total(BY, gauge('window_trajectories', AGENTS))} > 0)"),
        unit="none",
        sparkline=False,
    ),
    number(
        "Runs",
        "Runs that closed in the window.",
        Query(total("", gauge("window_trajectories", AGENTS))),
        unit="locale",
    ),
    number(
        "Step success",
        "Share of steps (tool, retrieval and model calls) that did not fail, over all agents shown.",
        Query(step_success(AGENTS)),
        levels=STEP_SUCCESS,
    ),
    number(
        "Worst agent at $horizon steps",
        "Implied success of the worst agent shown: its step success to the power of the horizon.",
        Query(f"min({implied_success(AGENTS, BY)})"),
        levels=SUCCESS,
    ),
    number(
        "Tasks passed",
        "Share of the verdicts of the window that say pass. Without an evaluator there are none.",
        Query(pooled("task_pass_ratio", AGENTS, "window_verdicts")),
        levels=SUCCESS,
        no_value="no verdicts",
    ),
    number(
        "Silent failures",
        "Share of judged runs that failed their task although nothing in the run says so. Without an evaluator nobody "
        "knows.",
        Query(pooled("silent_failure_ratio", AGENTS, "window_verdicts")),
        levels=FAILURE,
        no_value="no verdicts",
    ),
]

_TABLE = rows(
    "Agents, worst first",
    "Click an agent for its own dashboard. Implied: step success to the power of the horizon, to compare agents by. "
    "Projected: share of tasks that runs of so many steps will pass, judging by verdicts; “–” where fewer than 20 "
    "verdicts came, or fewer than 10 judged runs had so many steps. The trend is the implied success over the time "
    "shown, each scaled by itself.",
    [
        Column("Agent", label="agent", link=("Show this agent", _TO_AGENT), width=160),
        Column("Service", label="service_name", width=110),
        Column("Trend", implied_success(AGENTS, BY), course=True),
        Column("Implied success", implied_success(AGENTS, BY), levels=SUCCESS, decimals=1, loud=True, width=130),
        Column(
            "Projected success",
            at_horizon("projected_success_ratio", AGENTS, "window_verdicts", BY),
            levels=SUCCESS,
            decimals=1,
            loud=True,
            width=140,
        ),
        Column("Step success", step_success(AGENTS, BY), levels=STEP_SUCCESS, decimals=2, width=120),
        Column(
            "Silent failures",
            pooled("silent_failure_ratio", AGENTS, "window_verdicts", BY),
            levels=FAILURE,
            decimals=1,
            width=120,
        ),
        Column(
            "Hard failures",
            pooled("hard_failure_ratio", AGENTS, "window_trajectories", BY),
            levels=FAILURE,
            decimals=1,
            width=120,
        ),
        Column(
            "Incomplete",
            pooled("incomplete_ratio", AGENTS, "window_trajectories", BY),
            levels=FAILURE,
            decimals=1,
            width=110,
        ),
        Column("Runs", total(BY, gauge("window_trajectories", AGENTS)), unit="locale", width=80),
        Column("Verdicts", total(BY, gauge("window_verdicts", AGENTS)), unit="locale", width=90),
    ],
    size=(24, 7),
    sort=("Implied success", False),
)

_COURSES = [
    lines(
        "Implied success at $horizon steps",
        "Step success to the power of the horizon. Naive: it takes every failed step for the end of the run. Compare "
        "agents with it, do not forecast.",
        Query(implied_success(AGENTS, BY), NAME),
        top=1,
    ),
    lines(
        "Projected success at $horizon steps",
        "Share of tasks that runs of so many steps will pass, judging by verdicts. The one to alert on.",
        Query(at_horizon("projected_success_ratio", AGENTS, "window_verdicts", BY), NAME),
        top=1,
        no_value=NO_VERDICTS,
    ),
    lines(
        "Silent failures",
        "Share of judged runs that failed their task although they completed and left no error unrecovered.",
        Query(pooled("silent_failure_ratio", AGENTS, "window_verdicts", BY), NAME),
        no_value=NO_VERDICTS,
    ),
    lines(
        "Failures never made good",
        "Share of steps whose failure the agent did not get over: the same tool never succeeded later in the run.",
        Query(
            share(
                counter("step_errors_total", AGENTS, 'recovered!="true"'),
                counter("steps_total", AGENTS),
                BY,
            ),
            NAME,
        ),
    ),
    lines(
        "Runs a minute",
        "Final runs, so two minutes behind. A line that ends is an agent that fell silent.",
        Query(per_minute(counter("trajectories_total", AGENTS), BY), NAME, exemplars=True),
        unit="short",
        stacked=True,
    ),
    lines(
        "Failed steps a minute by class",
        "Which kind of error, over all agents shown. Dots are exemplars: they open the trace.",
        Query(
            per_minute(counter("step_errors_total", AGENTS), "error_class"),
            "{{error_class}}",
            exemplars=True,
        ),
        unit="short",
        stacked=True,
    ),
]

_OTELSCORE = [
    number(
        "otelscores that answer",
        "Instances that Prometheus can scrape.",
        Query(f"count({counter('build_info', INSTANCES)})"),
        unit="none",
        size=(6, 4),
        sparkline=False,
    ),
    number(
        "Refused requests in the window",
        "Senders retry these, but look at the otelscore dashboard: a limit was reached, or the disk is full.",
        Query(grown(counter("requests_total", INSTANCES, 'result="refused"'))),
        unit="locale",
        levels=SHOULD_BE_ZERO,
        size=(6, 4),
        decimals=0,
    ),
    number(
        "Late spans",
        "Share of spans that came after their run was final and changed nothing.",
        Query(
            share(
                counter("spans_total", INSTANCES, 'fate="late"'),
                counter("spans_total", INSTANCES),
            )
        ),
        levels=FAILURE,
        size=(6, 4),
    ),
    number(
        "Steps that count",
        "Which kinds of steps a horizon counts (the setting step_kinds).",
        Query(counter("horizon_info", INSTANCES), "{{step_kinds}}"),
        unit="none",
        names=True,
        sparkline=False,
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
