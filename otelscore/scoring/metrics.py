"""Every metric that otelscore exports, in one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

PREFIX = "otelscore_"

_SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_LONG_SECONDS = (1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
_DELAY_SECONDS = (1, 5, 15, 60, 300, 900, 3600, 21600, 86400, 604800)
_STEPS = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500)
_RATIOS = (0, 0.25, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999, 1)


class Type(Enum):
    """The Prometheus type of a metric."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    INFO = "info"


class Per(Enum):
    """What a series of a metric is about; decides its first labels."""

    SERVICE = "this otelscore"  # none
    GROUP = "trajectories with the same labels"  # service_name, agent and the user's
    WINDOW = "the same in one rolling window"  # these and window


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: `name` goes without the prefix, `labels` are those of its own after the ones that `per` gives."""

    name: str
    type: Type
    per: Per
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()  # upper bounds, without +Inf

    def label_names(self, group: Sequence[str]) -> tuple[str, ...]:
        """All label names in the order of a sample's values; `group` are those of a trajectory."""
        first = {Per.SERVICE: (), Per.GROUP: group, Per.WINDOW: (*group, "window")}[self.per]
        return (*first, *self.labels)


_C, _G, _H, _I = Type.COUNTER, Type.GAUGE, Type.HISTOGRAM, Type.INFO


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


_WINDOW = (
    *_with_interval(
        Metric(
            "step_success_ratio",
            _G,
            Per.WINDOW,
            "Share (0-1) of steps that did not fail; read it together with window_steps, and which steps count is in "
            "horizon_info.",
        )
    ),
    *_with_interval(
        Metric(
            "tool_success_ratio",
            _G,
            Per.WINDOW,
            "Share (0-1) of one tool's or retrieval source's calls that did not fail; a handful of calls says little.",
            ("tool",),
        )
    ),
    Metric(
        "recovery_ratio",
        _G,
        Per.WINDOW,
        "Share (0-1) of failed steps that the agent answered sanely (retried, revised, rerouted, acknowledged); says "
        "how it reacts, not whether it got there: see resolution_ratio.",
    ),
    Metric(
        "resolution_ratio",
        _G,
        Per.WINDOW,
        "Share (0-1) of failed steps whose tool, or model, succeeded later in the same trajectory.",
    ),
    Metric(
        "implied_success_ratio",
        _G,
        Per.WINDOW,
        "step_success_ratio to the power of the number of steps: naive by nature, since it takes every failed step "
        "for the end of the run and all runs for alike; compare agents with it, do not forecast.",
        ("steps",),
    ),
    Metric(
        "implied_failure_ratio",
        _G,
        Per.WINDOW,
        "1 - implied_success_ratio, as naive as that: the chance that some step of so many fails.",
        ("steps",),
    ),
    *_with_interval(
        Metric(
            "error_free_ratio",
            _G,
            Per.WINDOW,
            "Share (0-1) of trajectories without any failed step in their first so many (Kaplan-Meier); absent where "
            "fewer than 10 at_risk_trajectories came so far.",
            ("steps",),
        )
    ),
    *_with_interval(
        Metric(
            "survival_ratio",
            _G,
            Per.WINDOW,
            "Share (0-1) of trajectories without an unrecovered failure in their first so many steps (Kaplan-Meier); "
            "absent where fewer than 10 at_risk_trajectories came so far.",
            ("steps",),
        )
    ),
    Metric(
        "at_risk_trajectories",
        _G,
        Per.WINDOW,
        "Trajectories with at least so many steps and no event before (a failed, or an unrecovered, step): the "
        "evidence behind error_free_ratio and survival_ratio.",
        ("steps", "figure"),
    ),
    Metric(
        "extrapolated_survival_ratio",
        _G,
        Per.WINDOW,
        "survival_ratio where too few trajectories came so far, from a model fitted to the shorter ones "
        "(beta-geometric); a guess beyond the data, not for alerts.",
        ("steps",),
    ),
    Metric(
        "task_pass_ratio",
        _G,
        Per.WINDOW,
        "Share (0-1) of trajectories with a verdict that passed, by the time at which the verdict came; absent "
        "without verdicts.",
    ),
    Metric(
        "hard_failure_ratio",
        _G,
        Per.WINDOW,
        "Share (0-1) of trajectories that ended in failure: the agent itself reported an error or never came back "
        "from one.",
    ),
    Metric(
        "incomplete_ratio",
        _G,
        Per.WINDOW,
        "Share (0-1) of trajectories whose end was never seen; when it is high, look for lost spans or killed agents "
        "before believing the other figures.",
    ),
    Metric(
        "silent_failure_ratio",
        _G,
        Per.WINDOW,
        "Share (0-1) of trajectories with a verdict that failed their task although they completed and left no error "
        "unrecovered; absent without verdicts.",
    ),
    Metric(
        "verdict_failure_ratio",
        _G,
        Per.WINDOW,
        "Share (0-1) of failed tasks among trajectories with a verdict, by what happened to their errors: unrecovered "
        "well above none says that errors matter for the outcome.",
        ("errors",),
    ),
    *_with_interval(
        Metric(
            "effective_step_success_ratio",
            _G,
            Per.WINDOW,
            "Success (0-1) per step that the verdicts imply: a run of n steps passes its task by its n-th power;"
            " absent below 20 verdicts or where all are alike.",
        )
    ),
    *_with_interval(
        Metric(
            "projected_success_ratio",
            _G,
            Per.WINDOW,
            "Share (0-1) of tasks that runs of so many steps will pass, judging by verdicts; absent where fewer than 10"
            " trajectories with a verdict had so many steps.",
            ("steps",),
        )
    ),
    Metric(
        "projected_silent_failure_ratio",
        _G,
        Per.WINDOW,
        "Share (0-1) of runs of so many steps that will fail their task without a sign, judging by verdicts; absent "
        "where no trajectory did, or too few are known.",
        ("steps",),
    ),
    Metric(
        "half_life_steps",
        _G,
        Per.WINDOW,
        "Steps after which half of all tasks are failed, by effective_step_success_ratio; may lie far beyond any run "
        "seen.",
    ),
    *_with_interval(
        Metric(
            "fault_notice_ratio",
            _G,
            Per.WINDOW,
            "Share (0-1) of faults injected on purpose that the agent noticed; runs with such faults are in no other "
            "figure.",
            ("fault",),
        )
    ),
    *_with_interval(
        Metric(
            "fault_recovery_ratio",
            _G,
            Per.WINDOW,
            "Share (0-1) of injected faults that the agent noticed and got over: the same call gave a good result "
            "later, or the run passed its task.",
            ("fault",),
        )
    ),
    *_with_interval(
        Metric(
            "fault_confidently_wrong_ratio",
            _G,
            Per.WINDOW,
            "Share (0-1) of injected faults that went unnoticed and failed the task, of those in runs with a verdict; "
            "absent without verdicts.",
            ("fault",),
        )
    ),
    Metric(
        "window_trajectories",
        _G,
        Per.WINDOW,
        "Trajectories in the window: the sample behind hard_failure_ratio and incomplete_ratio.",
    ),
    Metric(
        "window_steps",
        _G,
        Per.WINDOW,
        "Steps in the window: the sample behind step_success_ratio and the implied figures.",
    ),
    Metric(
        "window_verdicts",
        _G,
        Per.WINDOW,
        "Verdicts that came in the window: the sample behind task_pass_ratio, silent_failure_ratio and "
        "verdict_failure_ratio.",
    ),
)

_GROUP = (
    Metric(
        "steps_total",
        _C,
        Per.GROUP,
        "Steps of final trajectories by outcome (ok, error); attempt is again where the same call had failed before "
        "in the same run.",
        ("kind", "tool", "step_agent", "outcome", "attempt"),
    ),
    Metric(
        "step_errors_total",
        _C,
        Per.GROUP,
        "Failed steps of final trajectories by class of error, the agent's response and whether it was recovered "
        "(both empty where nobody can know).",
        ("tool", "step_agent", "error_class", "response", "recovered"),
    ),
    Metric(
        "trajectories_total",
        _C,
        Per.GROUP,
        "Trajectories by outcome (completed, failed, incomplete), counted once each when final, so a late window "
        "after their end.",
        ("outcome",),
    ),
    Metric(
        "trajectories_without_steps_total",
        _C,
        Per.GROUP,
        "Final trajectories without any observed step; when it rises, the instrumentation shows agents but not what "
        "they do, and no step figure includes them.",
    ),
    Metric(
        "judged_trajectories_total",
        _C,
        Per.GROUP,
        "Final trajectories with a verdict, counted once each; errors tells what happened to the run's errors "
        "(unknown: no step or no end was observed).",
        ("verdict", "errors", "hard_failure"),
    ),
    Metric(
        "injected_faults_total",
        _C,
        Per.GROUP,
        "Faults injected on purpose by what became of them, counted when their run is final and no verdict can change "
        "that any more, at the latest after verdict_window (unknown: without a verdict nobody can tell).",
        ("fault", "tool", "outcome"),
    ),
    Metric(
        "step_duration_seconds",
        _H,
        Per.GROUP,
        "Duration of a step in seconds, failed or not.",
        ("kind", "tool"),
        _SECONDS,
    ),
    Metric(
        "trajectory_steps",
        _H,
        Per.GROUP,
        "Number of steps of a final trajectory; those without any are left out.",
        buckets=_STEPS,
    ),
    Metric(
        "trajectory_duration_seconds",
        _H,
        Per.GROUP,
        "Duration of a final trajectory in seconds, from its start to its end.",
        buckets=_LONG_SECONDS,
    ),
    Metric(
        "trajectory_step_success_ratio",
        _H,
        Per.GROUP,
        "Share (0-1) of steps that did not fail, one value per final trajectory: how per-step success is spread over "
        "runs, which step_success_ratio hides.",
        buckets=_RATIOS,
    ),
    Metric(
        "verdict_delay_seconds",
        _H,
        Per.GROUP,
        "Seconds from the end of a trajectory to its verdict: how late the figures made from verdicts are.",
        buckets=_DELAY_SECONDS,
    ),
)

_SERVICE = (
    Metric(
        "verdicts_total",
        _C,
        Per.SERVICE,
        "Verdicts as they came, each once, by evaluator (pass, fail); only the first evaluator of verdicts.evaluators "
        "that spoke decides about a run.",
        ("evaluator", "verdict"),
    ),
    Metric(
        "verdicts_unusable_total",
        _C,
        Per.SERVICE,
        "Verdicts of verdicts.evaluators that judge no run, by reason: unreadable (neither pass nor fail, or about "
        "nothing), ambiguous (several runs in the trace), expired (no run within verdict_window).",
        ("evaluator", "reason"),
    ),
    Metric(
        "verdicts_pending",
        _G,
        Per.SERVICE,
        "Verdicts that wait for their trajectory; when it only grows, evaluators name traces that never come here.",
    ),
    Metric(
        "spans_received_total",
        _C,
        Per.SERVICE,
        "Spans in acknowledged requests; equals the sum of spans_total.",
    ),
    Metric(
        "spans_total",
        _C,
        Per.SERVICE,
        "Acknowledged spans by fate: kept, duplicate, ignored (of a scope that is not read), late (its trace was "
        "final), rejected (malformed).",
        ("fate",),
    ),
    Metric(
        "spans_read_total",
        _C,
        Per.SERVICE,
        "Spans by the convention in which they were written; an expected dialect that is missing is not recognised.",
        ("dialect",),
    ),
    Metric(
        "model_calls_without_agent_total",
        _C,
        Per.SERVICE,
        "Model calls in traces without agent, tool or retrieval spans: plain LLM calls, which make no trajectory.",
    ),
    Metric(
        "log_records_received_total",
        _C,
        Per.SERVICE,
        "Log records in acknowledged requests; equals the sum of log_records_total.",
    ),
    Metric(
        "log_records_total",
        _C,
        Per.SERVICE,
        "Acknowledged log records by fate.",
        ("fate",),
    ),
    Metric(
        "requests_total",
        _C,
        Per.SERVICE,
        "OTLP requests by result; a refused one is retried by its sender, a rejected one is lost to it, and so is an "
        "unauthenticated one, which brought no token that is known.",
        ("transport", "signal", "result"),
    ),
    Metric(
        "decode_errors_total",
        _C,
        Per.SERVICE,
        "OTLP requests that could not be read; anything but 0 is a sender to repair.",
        ("transport", "signal"),
    ),
    Metric(
        "forwarded_requests_total",
        _C,
        Per.SERVICE,
        "Requests that the backend of --forward has taken; at least once, so one may be counted twice after a kill.",
        ("signal",),
    ),
    Metric(
        "forward_failures_total",
        _C,
        Per.SERVICE,
        "Attempts to pass a request on that failed: the backend was unreachable, did not answer in time (timeout), was "
        "busy, stumbled (error) or will never take it (rejected); but for the last, they are made again.",
        ("reason",),
    ),
    Metric(
        "forward_dropped_requests_total",
        _C,
        Per.SERVICE,
        "Requests that the backend will not get: it rejected them, the spool was full, or a file of it was damaged.",
        ("reason",),
    ),
    Metric(
        "forward_spool_bytes",
        _G,
        Per.SERVICE,
        "Size in bytes of what waits on disk to be passed on; falls when the backend takes it.",
    ),
    Metric(
        "forward_spool_limit_bytes",
        _G,
        Per.SERVICE,
        "Size in bytes that it may have (limits.forward_spool); at it requests are dropped, or refused with "
        "forward.required.",
    ),
    Metric(
        "forward_spool_requests",
        _G,
        Per.SERVICE,
        "Requests that wait to be passed on.",
    ),
    Metric(
        "forward_spool_oldest_age_seconds",
        _G,
        Per.SERVICE,
        "Seconds since the oldest request that waits to be passed on came; how far the backend is behind.",
    ),
    Metric(
        "score_events_total",
        _C,
        Per.SERVICE,
        "Final runs told of as log events (events.endpoint), by result: sent, failed (the backend did not take them), "
        "dropped (too many waited).",
        ("result",),
    ),
    Metric(
        "early_final_trajectories_total",
        _C,
        Per.SERVICE,
        "Trajectories that waited for missing parents and were counted before their time, because such spans filled "
        "half of limits.open_spans or the state neared limits.state; parents that come now make no difference.",
    ),
    Metric(
        "doctor_trajectories_total",
        _C,
        Per.SERVICE,
        "Test runs of `otelscore doctor` that closed since the start, by whether a step of theirs failed (ok, error); "
        "they are in no other figure about runs.",
        ("outcome",),
    ),
    Metric(
        "open_trajectories",
        _G,
        Per.SERVICE,
        "Trajectories that are not closed yet.",
    ),
    Metric(
        "oldest_open_trajectory_age_seconds",
        _G,
        Per.SERVICE,
        "Seconds since the oldest open trajectory began to come in; it should stay below the longest run plus "
        "idle_timeout.",
    ),
    Metric(
        "open_spans",
        _G,
        Per.SERVICE,
        "Spans held for trajectories that can still change; at limits.open_spans requests are refused.",
    ),
    Metric(
        "log_facts_pending",
        _G,
        Per.SERVICE,
        "Spans about which log records said something (an exception, a result) that is held until their runs are "
        "final; they count in limits.open_spans.",
    ),
    Metric(
        "rows",
        _G,
        Per.SERVICE,
        "Trajectories held for the rolling windows, by what they are held for (runs, verdicts); at limits.rows the "
        "oldest of each are dropped.",
        ("stream",),
    ),
    Metric(
        "rows_dropped_total",
        _C,
        Per.SERVICE,
        "Rows dropped from the rolling windows for want of room; when it rises, the longest window is shorter than "
        "it says.",
        ("stream",),
    ),
    Metric(
        "state_bytes",
        _G,
        Per.SERVICE,
        "Size in bytes of the state on disk; at nine tenths of state_limit_bytes the oldest runs leave early.",
    ),
    Metric(
        "state_limit_bytes",
        _G,
        Per.SERVICE,
        "Size in bytes that the state may have (limits.state); at it requests are refused and senders retry.",
    ),
    Metric(
        "limit_reached_total",
        _C,
        Per.SERVICE,
        "Times that a limit (the setting limits.* of this name) was reached: a request was refused, or something left "
        "early or was not told apart; when it rises, raise the limit or send less.",
        ("limit",),
    ),
    Metric(
        "label_overflow_total",
        _C,
        Per.SERVICE,
        "Times that a label value was replaced by __overflow__ because limits.label_values was reached.",
        ("label",),
    ),
    Metric(
        "horizon_info",
        _I,
        Per.SERVICE,
        "Which kinds of steps count in step_success_ratio and in every figure with a steps label.",
        ("step_kinds",),
    ),
    Metric(
        "build_info",
        _I,
        Per.SERVICE,
        "The version of otelscore, and of its scoring: figures of different scoring versions do not compare.",
        ("version", "scoring_version"),
    ),
)

METRICS = {metric.name: metric for metric in (*_WINDOW, *_GROUP, *_SERVICE)}
"""Every metric by its name without the prefix."""
