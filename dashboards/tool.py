"""Tool: one tool over all agents that call it."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards import frame
from dashboards.panels import ERROR_CLASSES, RESPONSES, STEP_SUCCESS, count, durations, flow, lines, note, number
from dashboards.queries import AGENT, AGENT_NAME, TOOL, Query, counter, gauge, grown, quantile, responses, share
from dashboards.tables import Column, graded, rows, tally

_NO_CALLS = "no call of this tool in this window"

_CALLS = counter("steps_total", TOOL)
_GOOD = counter("steps_total", TOOL, 'outcome="ok"')
_FAILED = counter("step_errors_total", TOOL)
_NOT_MADE_GOOD = counter("step_errors_total", TOOL, 'recovered!="true"')

_NUMBERS = [
    number("Success", "Share of calls that did not fail.", share(_GOOD, _CALLS), levels=STEP_SUCCESS),
    count("Calls", "Calls in final runs of the window.", grown(_CALLS)),
    count("Failed calls", "Failed calls in final runs of the window.", grown(_FAILED)),
    count(
        "Never made good",
        "Failed calls after which the tool did not succeed any more in the same run.",
        grown(_NOT_MADE_GOOD),
    ),
    number(
        "Called again",
        "Share of calls that repeat one that had failed: what the tool's failures cost.",
        share(counter("steps_total", TOOL, 'attempt="again"'), _CALLS),
    ),
    number(
        "Slow calls",
        "95th percentile of the duration of calls.",
        quantile(0.95, "step_duration_seconds", TOOL),
        unit="s",
    ),
]

_TO_AGENT = frame.link(
    "otelscore-agent",
    service_name="${__data.fields.Service:percentencode}",
    agent="${__data.fields.Agent:percentencode}",
)

_AGENTS = rows(
    "Agents that call it, the worst first",
    "A tool that fails for one agent only is called wrongly by it; one that fails for all is broken.",
    [
        Column("Agent", label="agent", link=("Show this agent", _TO_AGENT)),
        Column("Service", label="service_name"),
        graded("Success", share(_GOOD, _CALLS, AGENT), STEP_SUCCESS),
        tally("Calls", grown(_CALLS, AGENT)),
        tally("Failed", grown(_FAILED, AGENT)),
        tally("Never made good", grown(_NOT_MADE_GOOD, AGENT)),
    ],
    size=(16, 8),
    sort=("Success", False),
)

_HOW_TO_READ = note(
    """**Where to look**

- All agents alike: the tool is broken, slow or limited. The classes of errors say which.
- One agent alone: it calls the tool wrongly (`invalid_arguments`, `not_found`) or may not (`auth`).
- Many calls again, few made good: agents hammer it. Give its errors a text that says what to do instead.

**The runs behind a figure**

    curl 'http://OTELSCORE:9464/api/v1/trajectories?tool=${tool}'
""",
    size=(8, 8),
)

_COURSES = [
    lines(
        "Success by agent",
        "Share of calls that did not fail, over the window.",
        Query(share(_GOOD, _CALLS, AGENT), AGENT_NAME),
        top=1,
        bottom=None,
        no_value=_NO_CALLS,
    ),
    lines(
        "Interval of success by agent",
        "The 95% interval of the success of this tool: lower and upper bound for each agent, the widest where several "
        "instances see it. Wide: too few calls to judge.",
        Query(f"min by ({AGENT}) ({gauge('tool_success_ratio_lower', TOOL)})", "{{agent}}, lower"),
        Query(f"max by ({AGENT}) ({gauge('tool_success_ratio_upper', TOOL)})", "{{agent}}, upper"),
        top=1,
        no_value=_NO_CALLS,
    ),
    flow(
        "Failed calls a minute by class of error",
        "Of final runs, so two minutes behind. Dots are exemplars: they open the trace.",
        _FAILED,
        "error_class",
        colors=ERROR_CLASSES,
        no_value="no failed call",
    ),
    lines(
        "Responses to its failures",
        "What agents did about the failed calls of the window, as shares. Cool colours are sane.",
        Query(responses(_FAILED), "{{response}}"),
        shares=True,
        colors=RESPONSES,
        no_value="no failed call",
    ),
    flow(
        "Calls a minute by agent",
        "Of final runs, so two minutes behind.",
        _CALLS,
        AGENT,
        legend=AGENT_NAME,
        exemplars=False,
        no_value=_NO_CALLS,
    ),
    durations(
        "Duration of calls",
        "Median, 95th and 99th percentile. Dots are exemplars: they open the trace.",
        "step_duration_seconds",
        TOOL,
        0.95,
        0.99,
        no_value=_NO_CALLS,
    ),
]


def tool() -> Dashboard:
    return frame.build(
        "otelscore-tool",
        "Agents: one tool",
        "One tool over all agents that call it.",
        [*frame.instances(), *frame.agents(many=True), frame.tool(), frame.window()],
        [("", [*_NUMBERS, _AGENTS, _HOW_TO_READ]), ("Over time", _COURSES)],
    )
