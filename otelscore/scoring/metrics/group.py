"""Metrics of final trajectories: what only ever rises, and so can be summed over instances."""

from __future__ import annotations

from otelscore.scoring.metrics.metric import Metric, Per, Type

_SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_LONG_SECONDS = (1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
_DELAY_SECONDS = (1, 5, 15, 60, 300, 900, 3600, 21600, 86400, 604800)
_STEPS = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500)
_RATIOS = (0, 0.25, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999, 1)

GROUP = (
    Metric(
        "steps_total",
        Type.COUNTER,
        Per.GROUP,
        "Steps of final trajectories by outcome (ok, error); attempt is again where the same call had failed before "
        "in the same run.",
        ("kind", "tool", "step_agent", "outcome", "attempt"),
    ),
    Metric(
        "step_errors_total",
        Type.COUNTER,
        Per.GROUP,
        "Failed steps of final trajectories by class of error, the agent's response and whether it was recovered "
        "(both empty where nobody can know).",
        ("tool", "step_agent", "error_class", "response", "recovered"),
    ),
    Metric(
        "trajectories_total",
        Type.COUNTER,
        Per.GROUP,
        "Trajectories by outcome (completed, failed, incomplete), counted once each when final, so a late window "
        "after their end.",
        ("outcome",),
    ),
    Metric(
        "trajectories_without_steps_total",
        Type.COUNTER,
        Per.GROUP,
        "Final trajectories without any observed step; when it rises, the instrumentation shows agents but not what "
        "they do, and no step figure includes them.",
    ),
    Metric(
        "judged_trajectories_total",
        Type.COUNTER,
        Per.GROUP,
        "Final trajectories with a verdict, counted once each; errors tells what happened to the run's errors "
        "(unknown: no step or no end was observed).",
        ("verdict", "errors", "hard_failure"),
    ),
    Metric(
        "injected_faults_total",
        Type.COUNTER,
        Per.GROUP,
        "Faults injected on purpose by what became of them, counted when their run is final and no verdict can change "
        "that any more, at the latest after verdict_window (unknown: without a verdict nobody can tell).",
        ("fault", "tool", "outcome"),
    ),
    Metric(
        "step_duration_seconds",
        Type.HISTOGRAM,
        Per.GROUP,
        "Duration of a step in seconds, failed or not.",
        ("kind", "tool"),
        _SECONDS,
    ),
    Metric(
        "trajectory_steps",
        Type.HISTOGRAM,
        Per.GROUP,
        "Number of steps of a final trajectory; those without any are left out.",
        buckets=_STEPS,
    ),
    Metric(
        "trajectory_duration_seconds",
        Type.HISTOGRAM,
        Per.GROUP,
        "Duration of a final trajectory in seconds, from its start to its end.",
        buckets=_LONG_SECONDS,
    ),
    Metric(
        "trajectory_step_success_ratio",
        Type.HISTOGRAM,
        Per.GROUP,
        "Share (0-1) of steps that did not fail, one value per final trajectory: how per-step success is spread over "
        "runs, which step_success_ratio hides.",
        buckets=_RATIOS,
    ),
    Metric(
        "verdict_delay_seconds",
        Type.HISTOGRAM,
        Per.GROUP,
        "Seconds from the end of a trajectory to its verdict: how late the figures made from verdicts are.",
        buckets=_DELAY_SECONDS,
    ),
)
