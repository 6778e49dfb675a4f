"""Agent: one agent, how far it comes and what stops it."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards import frame
from dashboards.faults import FAULTS
from dashboards.panels import (
    BAD,
    ERROR_CLASSES,
    FAILURE,
    FAIR,
    GOOD,
    NEUTRAL,
    NO_VERDICTS,
    RESPONSES,
    STEP_SUCCESS,
    SUCCESS,
    bars,
    curve,
    durations,
    flow,
    lines,
    note,
    number,
)
from dashboards.queries import (
    ONE_AGENT,
    Evidence,
    Query,
    at_horizon,
    buckets,
    counter,
    gauge,
    grown,
    implied_success,
    pooled,
    responses,
    share,
    step_success,
    tool_or_model,
)
from dashboards.tables import Column, graded, rows, tally

ERRORS = {"none": GOOD, "recovered": FAIR, "unrecovered": BAD}

_STEPS = counter("steps_total", ONE_AGENT)
_FAILED = counter("step_errors_total", ONE_AGENT)
_GOOD = counter("steps_total", ONE_AGENT, 'outcome="ok"')
_NOT_MADE_GOOD = counter("step_errors_total", ONE_AGENT, 'recovered!="true"')
_RUNS_TOTAL = counter("trajectories_total", ONE_AGENT)
_JUDGED = counter("judged_trajectories_total", ONE_AGENT)


_NUMBERS = [
    number(
        "Step success",
        "Share of steps (tool, retrieval and model calls) that did not fail.",
        step_success(ONE_AGENT),
        levels=STEP_SUCCESS,
    ),
    number(
        "Implied at $horizon steps",
        "Step success to the power of the horizon. Naive: to compare agents and versions by, not a forecast.",
        implied_success(ONE_AGENT),
        levels=SUCCESS,
    ),
    number(
        "Survival at $horizon steps",
        "Share of runs without an unrecovered failure in their first so many steps (Kaplan-Meier).",
        at_horizon("survival_ratio", ONE_AGENT, "window_trajectories"),
        levels=SUCCESS,
        no_value="too few runs",
    ),
    number(
        "Projected at $horizon steps",
        "Share of tasks that runs of so many steps will pass, judging by verdicts; needs 20 of them, with both "
        "outcomes, and 10 of runs that had so many steps.",
        at_horizon("projected_success_ratio", ONE_AGENT, "window_verdicts"),
        levels=SUCCESS,
        no_value="too few verdicts",
    ),
    number(
        "Silent failures",
        "Share of judged runs that failed their task although nothing in the run says so.",
        pooled("silent_failure_ratio", ONE_AGENT, "window_verdicts"),
        levels=FAILURE,
        no_value="no verdicts",
    ),
    number(
        "Half-life",
        "Steps after which half of all tasks are failed, judging by verdicts; may lie far beyond any run seen.",
        pooled("half_life_steps", ONE_AGENT, "window_verdicts"),
        unit="none",
        decimals=0,
        no_value="too few verdicts",
    ),
]


def _along(name: str, evidence: Evidence, continues: str = "") -> Query:
    """A figure by number of steps, from 1 at 0 steps; where it has no value, that of the figure which it continues."""
    figures = [pooled(one, ONE_AGENT, evidence, "steps", own="steps") for one in (name, continues) if one]
    start = f'label_replace(0 * max({gauge(name, ONE_AGENT)}) + 1, "steps", "0", "", "")'
    return Query(" or ".join([*figures, start]), format="table")


_SURVIVAL = curve(
    "How far it comes",
    "By number of steps: runs without any failed step (error-free), and without an unrecovered one (survival), both "
    "with their 95% interval; implied: p^N, which takes steps for independent; projected: tasks passed, judging by "
    "verdicts. A curve ends where fewer than 10 runs came so far.",
    "steps",
    {
        "survival": _along("survival_ratio", "window_trajectories"),
        "survival, lower": _along("survival_ratio_lower", "window_trajectories"),
        "survival, upper": _along("survival_ratio_upper", "window_trajectories"),
        "error-free": _along("error_free_ratio", "window_trajectories"),
        "error-free, lower": _along("error_free_ratio_lower", "window_trajectories"),
        "error-free, upper": _along("error_free_ratio_upper", "window_trajectories"),
        "implied": _along("implied_success_ratio", "window_steps"),
        "projected": _along("projected_success_ratio", "window_verdicts"),
        "extrapolated survival": _along("extrapolated_survival_ratio", "window_trajectories", "survival_ratio"),
    },
    size=(14, 11),
    colors={
        "survival": GOOD,
        "survival, upper": GOOD,
        "survival, lower": GOOD,
        "error-free": FAIR,
        "error-free, upper": FAIR,
        "error-free, lower": FAIR,
        "implied": NEUTRAL,
        "projected": "purple",
        "extrapolated survival": GOOD,
    },
    dashed=["implied", "extrapolated survival"],
    bands=[("survival, lower", "survival, upper"), ("error-free, lower", "error-free, upper")],
)

_HOW_TO_READ = note(
    """**Read the curves so**

- **survival** falls where runs meet an error that they never get over. It needs no verdicts.
- **error-free** falls with every failed step, made good or not. The gap to survival is what recovery is worth.
- **implied** is p^N. Below error-free: failures come in clusters. Use it to compare agents, not to forecast.
- **projected** is made from verdicts, and so the number to alert on. Far below survival: the agent fails silently.
  No curve: fewer than 20 verdicts came in the window, or all were alike.

**The runs behind a figure**

    curl 'http://OTELSCORE:9464/api/v1/trajectories?agent=${agent}&response=repeated'
    otelscore explain --live TRAJECTORY_ID

Dots on curves over time are exemplars: they open the trace.
""",
    size=(10, 11),
)

_STEP_SUCCESS = [
    lines(
        "Step success with its 95% interval",
        "Share of steps that did not fail. The interval says how far to trust it: with few steps it is wide.",
        Query(step_success(ONE_AGENT), "step success"),
        Query(pooled("step_success_ratio_lower", ONE_AGENT, "window_steps"), "lower"),
        Query(pooled("step_success_ratio_upper", ONE_AGENT, "window_steps"), "upper"),
        top=1,
        bottom=None,
        band=("lower", "upper"),
        colors={"step success": NEUTRAL, "lower": NEUTRAL, "upper": NEUTRAL},
    ),
    lines(
        "What becomes of failures",
        "Answered sanely: retried, revised, rerouted or acknowledged, which is near 100% for most agents. Made good: "
        "the same tool, or model, succeeded later in the run. What is not made good doubles failed tasks.",
        Query(
            share(
                counter("step_errors_total", ONE_AGENT, 'response=~"retried|revised|rerouted|acknowledged"'),
                counter("step_errors_total", ONE_AGENT, 'response!=""'),
            ),
            "answered sanely",
        ),
        Query(
            share(
                counter("step_errors_total", ONE_AGENT, 'recovered="true"'),
                counter("step_errors_total", ONE_AGENT, 'recovered!=""'),
            ),
            "made good",
        ),
        top=1,
        colors={"answered sanely": NEUTRAL, "made good": GOOD},
        no_value="no failed step in this window",
    ),
    flow(
        "Failed steps a minute by class of error",
        "Of final runs, so two minutes behind. Dots are exemplars: they open the trace.",
        _FAILED,
        "error_class",
        colors=ERROR_CLASSES,
        no_value="no failed step",
    ),
    lines(
        "Responses to failures",
        "What the agent did about the failed steps of the window, as shares. Cool colours are sane; orange to red: "
        "went on as if nothing had happened, tried the same in vain, gave up; purple: called a tool with side effects "
        "again.",
        Query(responses(_FAILED), "{{response}}"),
        shares=True,
        colors=RESPONSES,
        no_value="no failed step",
    ),
    rows(
        "Tools",
        "Calls, success and failures of each tool in the window, the worst first.",
        [
            Column(
                "Tool",
                label="tool",
                link=("Show this tool", frame.link("otelscore-tool", tool="${__data.fields.Tool:percentencode}")),
            ),
            graded("Success", tool_or_model(share(_GOOD, _STEPS, "tool")), STEP_SUCCESS),
            tally("Calls", tool_or_model(grown(_STEPS, "tool")), width=90),
            tally("Failed", tool_or_model(grown(_FAILED, "tool")), width=90),
            tally("Never made good", tool_or_model(grown(_NOT_MADE_GOOD, "tool")), width=140),
        ],
        size=(12, 9),
        sort=("Success", False),
    ),
    rows(
        "Errors by tool and class",
        "Failed steps of the window by tool, class of error and response, the most frequent first.",
        [
            Column("Tool", label="tool"),
            Column("Class", label="error_class"),
            Column("Response", label="response"),
            tally("Failed", tool_or_model(f"{grown(_FAILED, 'tool, error_class, response')} > 0.5"), width=90),
        ],
        size=(12, 9),
        sort=("Failed", True),
    ),
]

_VERDICTS = [
    lines(
        "Tasks passed and silent failures",
        "Of the runs with a verdict. Silent: failed although the run completed and left no error unrecovered. The "
        "projection is for runs of $horizon steps.",
        Query(pooled("task_pass_ratio", ONE_AGENT, "window_verdicts"), "passed"),
        Query(pooled("silent_failure_ratio", ONE_AGENT, "window_verdicts"), "failed silently"),
        Query(
            at_horizon("projected_silent_failure_ratio", ONE_AGENT, "window_verdicts"),
            "will fail silently at the horizon",
        ),
        size=(8, 8),
        top=1,
        colors={"passed": GOOD, "failed silently": BAD, "will fail silently at the horizon": "orange"},
        no_value=NO_VERDICTS,
    ),
    lines(
        "Failed tasks by what happened to errors",
        "Share of failed tasks among judged runs without errors, with recovered ones only, and with unrecovered ones. "
        "Far apart: errors matter for the outcome of this agent. Close: its failures lie elsewhere.",
        Query(pooled("verdict_failure_ratio", ONE_AGENT, "window_verdicts", "errors", own="errors"), "{{errors}}"),
        size=(8, 8),
        top=1,
        colors=ERRORS,
        no_value=NO_VERDICTS,
    ),
    flow(
        "Verdicts a minute",
        "Judged runs by verdict, counted when the run is final and the verdict is there.",
        _JUDGED,
        "verdict",
        size=(8, 8),
        colors={"pass": GOOD, "fail": BAD},
        no_value=NO_VERDICTS,
    ),
]

_RUNS = [
    flow(
        "Runs a minute by outcome",
        "Final runs, so two minutes behind. Incomplete: the end never came; look for lost spans or killed agents.",
        _RUNS_TOTAL,
        "outcome",
        size=(8, 9),
        colors={"completed": GOOD, "failed": BAD, "incomplete": "orange"},
    ),
    bars(
        "Steps of a run",
        "Runs of the window by their number of steps: up to so many, and more than the bar before.",
        buckets("trajectory_steps", ONE_AGENT),
    ),
    bars(
        "Step success of a run",
        "Runs of the window by the share of their steps that did not fail: up to so much, and more than the bar "
        "before. A mean hides whether all runs are a little bad or a few are very bad.",
        buckets("trajectory_step_success_ratio", ONE_AGENT),
    ),
    durations(
        "Duration of runs",
        "Median and 95th percentile. Dots are exemplars: they open the trace.",
        "trajectory_duration_seconds",
        ONE_AGENT,
        0.95,
    ),
    durations(
        "Delay of verdicts",
        "Median and 95th percentile of the time from the end of a run to its verdict: how late all that is made from "
        "verdicts is.",
        "verdict_delay_seconds",
        ONE_AGENT,
        0.95,
        exemplars=False,
        no_value=NO_VERDICTS,
    ),
]

_BY_VERSION = "service_version"
_WITH_LABEL = "Needs the setting labels: [service.version]; without it all versions are one, without a name."


def _of_versions(metric: str, *part: str) -> str:
    return share(counter(metric, ONE_AGENT, *part), counter(metric, ONE_AGENT), _BY_VERSION)


_VERSIONS = [
    lines(
        "Step success by version",
        f"Share of steps that did not fail, over the window. {_WITH_LABEL}",
        Query(_of_versions("steps_total", 'outcome="ok"'), "version {{service_version}}"),
        top=1,
        bottom=None,
    ),
    rows(
        "Versions compared",
        f"Final runs of the window. {_WITH_LABEL}",
        [
            Column("Version", label=_BY_VERSION, width=110),
            graded("Step success", _of_versions("steps_total", 'outcome="ok"'), STEP_SUCCESS, width=120, decimals=2),
            Column("Made good", _of_versions("step_errors_total", 'recovered="true"'), decimals=1, width=110),
            graded("Hard failures", _of_versions("trajectories_total", 'outcome="failed"'), FAILURE, width=120),
            graded("Tasks passed", _of_versions("judged_trajectories_total", 'verdict="pass"'), SUCCESS, width=120),
            tally("Runs", grown(_RUNS_TOTAL, _BY_VERSION), width=80),
        ],
        size=(12, 8),
        sort=("Version", True),
    ),
]


def agent() -> Dashboard:
    return frame.build(
        "otelscore-agent",
        "Agents: one agent",
        "How far does this agent come, what stops it, and what does it do about it?",
        [*frame.instances(), *frame.agents(many=False), frame.window(), frame.horizon()],
        [
            ("", [*_NUMBERS, _SURVIVAL, _HOW_TO_READ]),
            ("Steps and failures", _STEP_SUCCESS),
            ("Verdicts", _VERDICTS),
            ("Runs", _RUNS),
            ("Versions", _VERSIONS),
            ("Faults injected on purpose", FAULTS),
        ],
    )
