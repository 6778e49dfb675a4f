"""The row of the agent's dashboard on faults that were injected on purpose (docs/faults.md)."""

from __future__ import annotations

from dashboards.panels import BAD, FAILURE, FAIR, GOOD, PLAIN, SUCCESS, Steps, lines
from dashboards.queries import ONE_AGENT, Query, counter, gauge, grown
from dashboards.tables import Column, graded, rows, tally

_INJECTED = counter("injected_faults_total", ONE_AGENT)


def _with_interval(title: str, metric: str, levels: Steps) -> list[Column]:
    """A share by kind of fault, with the bounds of its interval; several instances have the mean of theirs."""
    parts = {title: ("", levels), f"{title} ≥": ("_lower", PLAIN), f"{title} ≤": ("_upper", PLAIN)}
    return [
        graded(name, f"avg by (fault) ({gauge(metric + end, ONE_AGENT)})", shown, width=90)
        for name, (end, shown) in parts.items()
    ]


FAULTS = [
    lines(
        "What became of injected faults",
        "Faults of the window, in runs of which the last word is said. Unnoticed and wrong is the worst: the fault "
        "looked plausible, and the task failed without a sign. Runs with faults are in no other panel.",
        Query(grown(_INJECTED, "outcome"), "{{outcome}}"),
        unit="short",
        size=(6, 8),
        stacked=True,
        colors={
            "noticed_recovered": GOOD,
            "noticed_failed": FAIR,
            "unnoticed_harmless": "blue",
            "unnoticed_wrong": BAD,
            "unknown": "text",
        },
        no_value="no fault was injected in this window: docs/faults.md says how",
    ),
    rows(
        "Injected faults by kind",
        "Shares of the window with their 95% interval: faults that the agent noticed, that it got over, and that went "
        "unnoticed and failed the task, which needs verdicts.",
        [
            Column("Fault", label="fault"),
            tally("Injected", grown(_INJECTED, "fault"), width=90),
            *_with_interval("Noticed", "fault_notice_ratio", SUCCESS),
            *_with_interval("Got over", "fault_recovery_ratio", SUCCESS),
            *_with_interval("Wrong", "fault_confidently_wrong_ratio", FAILURE),
        ],
        size=(18, 8),
        sort=("Wrong", True),
    ),
]
