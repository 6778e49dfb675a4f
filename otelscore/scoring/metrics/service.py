"""Metrics of otelscore itself."""

from __future__ import annotations

from otelscore.scoring.metrics.metric import Metric, Per, Type

SERVICE = (
    Metric(
        "verdicts_total",
        Type.COUNTER,
        Per.SERVICE,
        "Verdicts as they came, each once, by evaluator (pass, fail); only the first evaluator of verdicts.evaluators "
        "that spoke decides about a run.",
        ("evaluator", "verdict"),
    ),
    Metric(
        "verdicts_unusable_total",
        Type.COUNTER,
        Per.SERVICE,
        "Verdicts of verdicts.evaluators that judge no run, by reason: unreadable (neither pass nor fail, or about "
        "nothing), ambiguous (several runs in the trace), expired (no run within verdict_window).",
        ("evaluator", "reason"),
    ),
    Metric(
        "verdicts_pending",
        Type.GAUGE,
        Per.SERVICE,
        "Verdicts that wait for their trajectory; when it only grows, evaluators name traces that never come here.",
    ),
    Metric(
        "spans_received_total",
        Type.COUNTER,
        Per.SERVICE,
        "Spans in acknowledged requests; equals the sum of spans_total.",
    ),
    Metric(
        "spans_total",
        Type.COUNTER,
        Per.SERVICE,
        "Acknowledged spans by fate: kept, duplicate, ignored (of a scope that is not read), late (its trace was "
        "final), rejected (malformed).",
        ("fate",),
    ),
    Metric(
        "spans_read_total",
        Type.COUNTER,
        Per.SERVICE,
        "Spans by the convention in which they were written; an expected dialect that is missing is not recognised.",
        ("dialect",),
    ),
    Metric(
        "model_calls_without_agent_total",
        Type.COUNTER,
        Per.SERVICE,
        "Model calls in traces without agent, tool or retrieval spans: plain LLM calls, which make no trajectory.",
    ),
    Metric(
        "log_records_received_total",
        Type.COUNTER,
        Per.SERVICE,
        "Log records in acknowledged requests; equals the sum of log_records_total.",
    ),
    Metric(
        "log_records_total",
        Type.COUNTER,
        Per.SERVICE,
        "Acknowledged log records by fate.",
        ("fate",),
    ),
    Metric(
        "requests_total",
        Type.COUNTER,
        Per.SERVICE,
        "OTLP requests by result; a refused one is retried by its sender, a rejected one is lost to it, and so is an "
        "unauthenticated one, which brought no token that is known.",
        ("transport", "signal", "result"),
    ),
    Metric(
        "decode_errors_total",
        Type.COUNTER,
        Per.SERVICE,
        "OTLP requests that could not be read; anything but 0 is a sender to repair.",
        ("transport", "signal"),
    ),
    Metric(
        "forwarded_requests_total",
        Type.COUNTER,
        Per.SERVICE,
        "Requests that the backend of --forward has taken; at least once, so one may be counted twice after a kill.",
        ("signal",),
    ),
    Metric(
        "forward_failures_total",
        Type.COUNTER,
        Per.SERVICE,
        "Attempts to pass a request on that failed: the backend was unreachable, did not answer in time (timeout), was "
        "busy, stumbled (error) or will never take it (rejected); but for the last, they are made again.",
        ("reason",),
    ),
    Metric(
        "forward_dropped_requests_total",
        Type.COUNTER,
        Per.SERVICE,
        "Requests that the backend will not get: it rejected them, the spool was full, or a file of it was damaged.",
        ("reason",),
    ),
    Metric(
        "forward_spool_bytes",
        Type.GAUGE,
        Per.SERVICE,
        "Size in bytes of what waits on disk to be passed on; falls when the backend takes it.",
    ),
    Metric(
        "forward_spool_limit_bytes",
        Type.GAUGE,
        Per.SERVICE,
        "Size in bytes that it may have (limits.forward_spool); at it requests are dropped, or refused with "
        "forward.required.",
    ),
    Metric(
        "forward_spool_requests",
        Type.GAUGE,
        Per.SERVICE,
        "Requests that wait to be passed on.",
    ),
    Metric(
        "forward_spool_oldest_age_seconds",
        Type.GAUGE,
        Per.SERVICE,
        "Seconds since the oldest request that waits to be passed on came; how far the backend is behind.",
    ),
    Metric(
        "score_events_total",
        Type.COUNTER,
        Per.SERVICE,
        "Final runs told of as log events (events.endpoint), by result: sent, failed (the backend did not take them), "
        "dropped (too many waited).",
        ("result",),
    ),
    Metric(
        "early_final_trajectories_total",
        Type.COUNTER,
        Per.SERVICE,
        "Trajectories that waited for missing parents and were counted before their time, because such spans filled "
        "half of limits.open_spans or the state neared limits.state; parents that come now make no difference.",
    ),
    Metric(
        "doctor_trajectories_total",
        Type.COUNTER,
        Per.SERVICE,
        "Test runs of `otelscore doctor` that closed since the start, by whether a step of theirs failed (ok, error); "
        "they are in no other figure about runs.",
        ("outcome",),
    ),
    Metric(
        "open_trajectories",
        Type.GAUGE,
        Per.SERVICE,
        "Trajectories that are not closed yet.",
    ),
    Metric(
        "oldest_open_trajectory_age_seconds",
        Type.GAUGE,
        Per.SERVICE,
        "Seconds since the oldest open trajectory began to come in; it should stay below the longest run plus "
        "idle_timeout.",
    ),
    Metric(
        "open_spans",
        Type.GAUGE,
        Per.SERVICE,
        "Spans held for trajectories that can still change; at limits.open_spans requests are refused.",
    ),
    Metric(
        "log_facts_pending",
        Type.GAUGE,
        Per.SERVICE,
        "Spans about which log records said something (an exception, a result) that is held until their runs are "
        "final; they count in limits.open_spans.",
    ),
    Metric(
        "rows",
        Type.GAUGE,
        Per.SERVICE,
        "Trajectories held for the rolling windows, by what they are held for (runs, verdicts); at limits.rows the "
        "oldest of each are dropped.",
        ("stream",),
    ),
    Metric(
        "rows_dropped_total",
        Type.COUNTER,
        Per.SERVICE,
        "Rows dropped from the rolling windows for want of room; when it rises, the longest window is shorter than "
        "it says.",
        ("stream",),
    ),
    Metric(
        "state_bytes",
        Type.GAUGE,
        Per.SERVICE,
        "Size in bytes of the state on disk; at nine tenths of state_limit_bytes the oldest runs leave early.",
    ),
    Metric(
        "state_limit_bytes",
        Type.GAUGE,
        Per.SERVICE,
        "Size in bytes that the state may have (limits.state); at it requests are refused and senders retry.",
    ),
    Metric(
        "limit_reached_total",
        Type.COUNTER,
        Per.SERVICE,
        "Times that a limit (the setting limits.* of this name) was reached: a request was refused, or something left "
        "early or was not told apart; when it rises, raise the limit or send less.",
        ("limit",),
    ),
    Metric(
        "label_overflow_total",
        Type.COUNTER,
        Per.SERVICE,
        "Times that a label value was replaced by __overflow__ because limits.label_values was reached.",
        ("label",),
    ),
    Metric(
        "horizon_info",
        Type.INFO,
        Per.SERVICE,
        "Which kinds of steps count in step_success_ratio and in every figure with a steps label.",
        ("step_kinds",),
    ),
    Metric(
        "build_info",
        Type.INFO,
        Per.SERVICE,
        "The version of otelscore, and of its scoring: figures of different scoring versions do not compare.",
        ("version", "scoring_version"),
    ),
)
