"""otelscore: is it well, and is it told everything?"""

from __future__ import annotations

from typing import Any

from grafana_foundation_sdk.builders import timeseries
from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards import frame
from dashboards.panels import BAD, FAILURE, GOOD, NEUTRAL, SHOULD_BE_ZERO, count, lines, number
from dashboards.queries import INSTANCES, Query, counter, grown, per_minute, rate, share, total
from dashboards.tables import Column, rows

_SPANS = counter("spans_total", INSTANCES)
_REQUESTS = counter("requests_total", INSTANCES)


def own(name: str, *more: str) -> str:
    """A gauge of otelscore itself: each instance has one."""
    return counter(name, INSTANCES, *more)


_OURS = f"and on (job, instance) {own('build_info')}"
"""For what is said of any process that Prometheus scrapes."""


def process(name: str) -> str:
    """A gauge of prometheus_client's, or of Prometheus' own, about the process."""
    return f"{name}{{{INSTANCES}}} {_OURS}"


def _requests(result: str) -> str:
    """Those of the window that ended so."""
    return grown(own("requests_total", f'result=~"{result}"'))


_NUMBERS = [
    number(
        "Instances that answer",
        "otelscores that Prometheus can scrape; below are those that it could in the window.",
        f"count({own('build_info')})",
        unit="none",
    ),
    number(
        "Spans a second",
        "Spans in acknowledged requests, over all instances.",
        rate(own("spans_received_total")),
        unit="short",
    ),
    *(
        count(title, description, expr, levels=SHOULD_BE_ZERO, size=(3, 5))
        for title, description, expr in (
            (
                "Refused requests",
                "Requests of the window that were refused. Their senders try again; when it lasts, data is lost there.",
                _requests("refused"),
            ),
            (
                "Lost requests",
                "Requests of the window that could not be read or served. They are lost: repair their sender.",
                _requests("rejected|failed"),
            ),
            (
                "Turned away",
                "Requests of the window that brought no token that is known (auth). They are lost: give their sender "
                "one, or look at who it is.",
                _requests("unauthenticated"),
            ),
            (
                "Limits reached",
                "Times in the window that a limit was reached; below is which.",
                grown(own("limit_reached_total")),
            ),
        )
    ),
    number(
        "Late spans",
        "Share of spans of the window that came after their run was final and changed nothing. Raise late_window, or "
        "look at what holds them up.",
        share(own("spans_total", 'fate="late"'), _SPANS),
        levels=FAILURE,
    ),
]

_ANSWERS = total(
    "instance, version, scoring_version",
    f"last_over_time({own('build_info')}[$window]) * on (job, instance) group_left() up{{{INSTANCES}}}",
)

_INSTANCES = rows(
    "Instances",
    "Those seen in the window, with their version and that of their scoring: figures of different scoring versions do "
    "not compare.",
    [
        Column("Instance", label="instance"),
        Column("Version", label="version"),
        Column("Scoring", label="scoring_version"),
        Column("Answers", _ANSWERS, unit="bool_yes_no", levels=((None, "text"), (0, BAD), (1, GOOD)), width=100),
    ],
    size=(12, 5),
    sort=("Instance", False),
)

_STEP_KINDS = rows(
    "Steps that count",
    "Which kinds of steps a horizon counts (the setting step_kinds). Instances that differ are not comparable.",
    [
        Column("Kinds", label="step_kinds"),
        Column("Instances", total("step_kinds", own("horizon_info")), unit="none"),
    ],
    size=(12, 5),
    sort=("Kinds", False),
)

_INTAKE = [
    lines(
        "Spans a second by fate",
        "Every acknowledged span has one. Kept is good; ignored is of a scope that is not read; late and rejected "
        "spans are lost to the figures; duplicates change nothing.",
        Query(rate(_SPANS, "fate"), "{{fate}}"),
        unit="short",
        stacked=True,
        colors={"kept": GOOD, "late": BAD, "rejected": "dark-red", "duplicate": NEUTRAL, "ignored": "text"},
    ),
    lines(
        "Requests a second by result",
        "OTLP requests. Refused: the sender tries again. Rejected, failed or unauthenticated: the data is lost.",
        Query(rate(_REQUESTS, "signal, transport, result") + " > 0", "{{signal}} over {{transport}}: {{result}}"),
        unit="reqps",
        no_value="no request",
    ),
    lines(
        "Spans a second by dialect",
        "The convention in which they were written. One that is expected and missing is not recognised: try "
        "`otelscore explain`.",
        Query(rate(own("spans_read_total"), "dialect"), "{{dialect}}"),
        unit="short",
        stacked=True,
    ),
    lines(
        "What does not become a figure, a minute",
        "Requests that could not be read, model calls without an agent, runs without steps, and verdicts that judge no "
        "run.",
        Query(per_minute(own("decode_errors_total")), "unreadable requests"),
        Query(per_minute(own("model_calls_without_agent_total")), "model calls without an agent"),
        Query(per_minute(own("trajectories_without_steps_total")), "runs without steps"),
        Query(per_minute(own("verdicts_unusable_total"), "reason"), "verdicts: {{reason}}"),
        Query(per_minute(own("early_final_trajectories_total")), "runs counted early"),
        unit="short",
    ),
]


def _held(title: str, description: str, *queries: Query, unit: str = "short", **more: Any) -> timeseries.Panel:
    """What each instance has now."""
    return lines(title, description, *queries, unit=unit, size=(8, 8), **more)


_INSTANCE = "{{instance}}"

_HELD = [
    _held(
        "Open spans",
        "Held for runs that can still change. At limits.open_spans requests are refused.",
        Query(own("open_spans"), _INSTANCE),
    ),
    _held("Open runs", "Runs that are not over.", Query(own("open_trajectories"), _INSTANCE)),
    _held(
        "Age of the oldest open run",
        "Should stay below the longest run plus idle_timeout.",
        Query(own("oldest_open_trajectory_age_seconds"), _INSTANCE),
        unit="s",
    ),
    _held(
        "Rows",
        "Closed runs, and verdicts, held for the windows. At limits.rows the oldest leave early.",
        Query(own("rows"), "{{stream}} ({{instance}})"),
    ),
    _held(
        "Waiting",
        "Verdicts that wait for their run, and spans that log records spoke of. What only grows names traces that "
        "never come here.",
        Query(own("verdicts_pending"), "verdicts ({{instance}})"),
        Query(own("log_facts_pending"), "log facts ({{instance}})"),
    ),
    _held(
        "State on disk",
        "Of its limit (limits.state). At nine tenths the oldest closed runs leave early, at the limit requests are "
        "refused.",
        Query(f"{own('state_bytes')} / {own('state_limit_bytes')}", _INSTANCE),
        unit="percentunit",
        top=1,
        no_value="nothing is kept on disk (state: none)",
    ),
]


def _passed(title: str, description: str, *queries: Query, unit: str = "short", **more: Any) -> timeseries.Panel:
    """What --forward does."""
    no_value = "nothing is passed on (--forward is not set)"
    return lines(title, description, *queries, unit=unit, size=(6, 8), no_value=no_value, **more)


_FORWARDED = [
    _passed(
        "Requests passed on a second",
        "What the backend of --forward has taken.",
        Query(rate(own("forwarded_requests_total"), "signal"), "{{signal}}"),
        unit="reqps",
    ),
    _passed(
        "Trouble with the backend, a minute",
        "Attempts that failed are made again; what is lost to the backend was rejected by it, or found the spool full.",
        Query(per_minute(own("forward_failures_total"), "reason"), "failed: {{reason}}"),
        Query(per_minute(own("forward_dropped_requests_total"), "reason"), "lost: {{reason}}"),
    ),
    _passed(
        "Spool",
        "Of its limit (limits.forward_spool). At the limit requests are lost to the backend, or refused with "
        "forward.required.",
        Query(f"{own('forward_spool_bytes')} / {own('forward_spool_limit_bytes')}", _INSTANCE),
        unit="percentunit",
        top=1,
    ),
    _passed(
        "How far the backend is behind",
        "Age of the oldest request that waits to be passed on.",
        Query(own("forward_spool_oldest_age_seconds"), _INSTANCE),
        unit="s",
    ),
]

_LIMITS = [
    lines(
        "Limits reached in the window",
        "By the setting limits.* of this name. Raise it, or send less.",
        Query(grown(own("limit_reached_total"), "limit") + " > 0", "{{limit}}"),
        unit="short",
        no_value="no limit was reached",
    ),
    lines(
        "Left out in the window",
        "Label values that became __overflow__ because limits.label_values was reached, and rows that left early.",
        Query(grown(own("label_overflow_total"), "label") + " > 0", "label {{label}}"),
        Query(grown(own("rows_dropped_total"), "stream") + " > 0", "rows of {{stream}}"),
        unit="short",
        no_value="nothing was left out",
    ),
]

_PROCESS = [
    _held(
        "Processor",
        "Cores in use.",
        Query(f"rate(process_cpu_seconds_total{{{INSTANCES}}}[$__rate_interval]) {_OURS}", _INSTANCE),
        unit="none",
    ),
    _held(
        "Memory",
        "Resident memory. It is bounded by limits.open_spans, limits.rows and limits.label_values.",
        Query(process("process_resident_memory_bytes"), _INSTANCE),
        unit="bytes",
    ),
    _held(
        "Duration of scrapes",
        "Figures are computed when they are scraped, for agents that had a run. Keep it well below the interval.",
        Query(process("scrape_duration_seconds"), _INSTANCE),
        unit="s",
    ),
]


def service() -> Dashboard:
    return frame.build(
        "otelscore-service",
        "Agents: otelscore itself",
        "Is otelscore well, and is it told everything?",
        [*frame.instances(), frame.window()],
        [
            ("", [*_NUMBERS, _INSTANCES, _STEP_KINDS]),
            ("What comes in", _INTAKE),
            ("What is held", _HELD),
            ("What is passed on", _FORWARDED),
            ("Limits", _LIMITS),
            ("The process", _PROCESS),
        ],
    )
