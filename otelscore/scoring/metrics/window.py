"""Metrics of rolling windows: what the agents are like now."""

from __future__ import annotations

from dataclasses import replace

from otelscore.scoring.metrics.metric import Metric, Per, Type


def _with_interval(metric: Metric) -> tuple[Metric, ...]:
    """A ratio and the two bounds of its 95% confidence interval."""
    bounds = (
        replace(
            metric,
            name=f"{metric.name}_{bound}",
            help=f"{bound.capitalize()} bound of the 95% confidence interval of {metric.name}.",
        )
        for bound in ("lower", "upper")
    )
    return metric, *bounds


WINDOW = (
    *_with_interval(
        Metric(
            "step_success_ratio",
            Type.GAUGE,
            Per.WINDOW,
            "Share (0-1) of steps that did not fail; read it together with window_steps, and which steps count is in "
            "horizon_info.",
        )
    ),
    *_with_interval(
        Metric(
            "tool_success_ratio",
            Type.GAUGE,
            Per.WINDOW,
            "Share (0-1) of one tool's or retrieval source's calls that did not fail; a handful of calls says little.",
            ("tool",),
        )
    ),
    Metric(
        "recovery_ratio",
        Type.GAUGE,
        Per.WINDOW,
        "Share (0-1) of failed steps that the agent answered sanely (retried, revised, rerouted, acknowledged); says "
        "how it reacts, not whether it got there: see resolution_ratio.",
    ),
    Metric(
        "resolution_ratio",
        Type.GAUGE,
        Per.WINDOW,
        "Share (0-1) of failed steps whose tool, or model, succeeded later in the same trajectory.",
    ),
    Metric(
        "implied_success_ratio",
        Type.GAUGE,
        Per.WINDOW,
        "step_success_ratio to the power of the number of steps: naive by nature, since it takes every failed step "
        "for the end of the run and all runs for alike; compare agents with it, do not forecast.",
        ("steps",),
    ),
    Metric(
        "implied_failure_ratio",
        Type.GAUGE,
        Per.WINDOW,
        "1 - implied_success_ratio, as naive as that: the chance that some step of so many fails.",
        ("steps",),
    ),
    *_with_interval(
        Metric(
            "error_free_ratio",
            Type.GAUGE,
            Per.WINDOW,
            "Share (0-1) of trajectories without any failed step in their first so many (Kaplan-Meier); absent where "
            "fewer than 10 at_risk_trajectories came so far.",
            ("steps",),
        )
    ),
    *_with_interval(
        Metric(
            "survival_ratio",
            Type.GAUGE,
            Per.WINDOW,
            "Share (0-1) of trajectories without an unrecovered failure in their first so many steps (Kaplan-Meier); "
            "absent where fewer than 10 at_risk_trajectories came so far.",
            ("steps",),
        )
    ),
    Metric(
        "at_risk_trajectories",
        Type.GAUGE,
        Per.WINDOW,
        "Trajectories with at least so many steps and no event before (a failed, or an unrecovered, step): the "
        "evidence behind error_free_ratio and survival_ratio.",
        ("steps", "figure"),
    ),
    Metric(
        "extrapolated_survival_ratio",
        Type.GAUGE,
        Per.WINDOW,
        "survival_ratio where too few trajectories came so far, from a model fitted to the shorter ones "
        "(beta-geometric); a guess beyond the data, not for alerts.",
        ("steps",),
    ),
    Metric(
        "task_pass_ratio",
        Type.GAUGE,
        Per.WINDOW,
        "Share (0-1) of trajectories with a verdict that passed, by the time at which the verdict came; absent "
        "without verdicts.",
    ),
    Metric(
        "hard_failure_ratio",
        Type.GAUGE,
        Per.WINDOW,
        "Share (0-1) of trajectories that ended in failure: the agent itself reported an error or never came back "
        "from one.",
    ),
    Metric(
        "incomplete_ratio",
        Type.GAUGE,
        Per.WINDOW,
        "Share (0-1) of trajectories whose end was never seen; when it is high, look for lost spans or killed agents "
        "before believing the other figures.",
    ),
    Metric(
        "silent_failure_ratio",
        Type.GAUGE,
        Per.WINDOW,
        "Share (0-1) of trajectories with a verdict that failed their task although they completed and left no error "
        "unrecovered; absent without verdicts.",
    ),
    Metric(
        "verdict_failure_ratio",
        Type.GAUGE,
        Per.WINDOW,
        "Share (0-1) of failed tasks among trajectories with a verdict, by what happened to their errors: unrecovered "
        "well above none says that errors matter for the outcome.",
        ("errors",),
    ),
    *_with_interval(
        Metric(
            "effective_step_success_ratio",
            Type.GAUGE,
            Per.WINDOW,
            "Success (0-1) per step that the verdicts imply: a run of n steps passes its task by its n-th power;"
            " absent below 20 verdicts or where all are alike.",
        )
    ),
    *_with_interval(
        Metric(
            "projected_success_ratio",
            Type.GAUGE,
            Per.WINDOW,
            "Share (0-1) of tasks that runs of so many steps will pass, judging by verdicts; absent where fewer than 10"
            " trajectories with a verdict had so many steps.",
            ("steps",),
        )
    ),
    Metric(
        "projected_silent_failure_ratio",
        Type.GAUGE,
        Per.WINDOW,
        "Share (0-1) of runs of so many steps that will fail their task without a sign, judging by verdicts; absent "
        "where no trajectory did, or too few are known.",
        ("steps",),
    ),
    Metric(
        "half_life_steps",
        Type.GAUGE,
        Per.WINDOW,
        "Steps after which half of all tasks are failed, by effective_step_success_ratio; may lie far beyond any run "
        "seen.",
    ),
    *_with_interval(
        Metric(
            "fault_notice_ratio",
            Type.GAUGE,
            Per.WINDOW,
            "Share (0-1) of faults injected on purpose that the agent noticed; runs with such faults are in no other "
            "figure.",
            ("fault",),
        )
    ),
    *_with_interval(
        Metric(
            "fault_recovery_ratio",
            Type.GAUGE,
            Per.WINDOW,
            "Share (0-1) of injected faults that the agent noticed and got over: the same call gave a good result "
            "later, or the run passed its task.",
            ("fault",),
        )
    ),
    *_with_interval(
        Metric(
            "fault_confidently_wrong_ratio",
            Type.GAUGE,
            Per.WINDOW,
            "Share (0-1) of injected faults that went unnoticed and failed the task, of those in runs with a verdict; "
            "absent without verdicts.",
            ("fault",),
        )
    ),
    Metric(
        "window_trajectories",
        Type.GAUGE,
        Per.WINDOW,
        "Trajectories in the window: the sample behind hard_failure_ratio and incomplete_ratio.",
    ),
    Metric(
        "window_steps",
        Type.GAUGE,
        Per.WINDOW,
        "Steps in the window: the sample behind step_success_ratio and the implied figures.",
    ),
    Metric(
        "window_verdicts",
        Type.GAUGE,
        Per.WINDOW,
        "Verdicts that came in the window: the sample behind task_pass_ratio, silent_failure_ratio and "
        "verdict_failure_ratio.",
    ),
)
