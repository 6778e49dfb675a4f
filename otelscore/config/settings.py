"""Every setting: its name, how its value is written, its default and what it means. `Config` holds the values."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass

from otelscore.config.forms import (
    ADDRESS,
    ATTRIBUTES,
    BOOL,
    COUNT,
    DURABILITY,
    DURATION,
    FILE,
    FOLDER,
    FRACTION,
    GLOBS,
    HORIZONS,
    LEVEL,
    LIMIT,
    LOG_FORMAT,
    NAMES,
    ONE_ATTRIBUTE,
    PAIRS,
    PERIOD,
    REGEXES,
    SIZE,
    STATE_SIZE,
    STEP_KINDS,
    URL,
    WINDOWS,
    Address,
)
from otelscore.config.setting import Setting, likewise, of_backend, same, setting, values


@dataclass(frozen=True, slots=True)
class Config:
    """The settings in force. Durations are seconds, sizes bytes, lists tuples."""

    grpc_endpoint: Address = setting(
        "grpc.endpoint", ADDRESS, "127.0.0.1:4317", "Where OTLP/gRPC is received.", "--grpc"
    )
    http_endpoint: Address = setting(
        "http.endpoint", ADDRESS, "127.0.0.1:4318", "Where OTLP/HTTP is received.", "--http"
    )
    metrics_endpoint: Address = setting(
        "metrics.endpoint", ADDRESS, "127.0.0.1:9464", "Where Prometheus scrapes `/metrics`.", "--metrics"
    )
    grpc_tls_cert_file: str = setting(
        "grpc.tls.cert_file",
        FILE,
        "",
        "PEM file of the certificate that OTLP/gRPC shows, and of those between it and its authority. With one, the "
        "port speaks TLS alone. It and those below are read again when they change.",
    )
    grpc_tls_key_file: str = setting("grpc.tls.key_file", FILE, "", "PEM file of the key to that, without a password.")
    grpc_tls_client_ca_file: str = setting(
        "grpc.tls.client_ca_file",
        FILE,
        "",
        "PEM file of the authority that must have signed the certificates of senders (mutual TLS). Without one, they "
        "need none.",
    )
    http_tls_cert_file: str = same("http.tls.cert_file", "OTLP/HTTP.")
    http_tls_key_file: str = same("http.tls.key_file", "OTLP/HTTP.")
    http_tls_client_ca_file: str = same("http.tls.client_ca_file", "OTLP/HTTP.")
    metrics_tls_cert_file: str = same("metrics.tls.cert_file", "the metrics port with its APIs and health checks.")
    metrics_tls_key_file: str = same("metrics.tls.key_file", "the metrics port.")
    metrics_tls_client_ca_file: str = same(
        "metrics.tls.client_ca_file", "the metrics port. Health checks need a certificate then, too."
    )
    auth_tokens_file: str = setting(
        "auth.tokens_file",
        FILE,
        "",
        "File of the tokens that senders of OTLP must bring, one a line: `tenant: TOKEN` or `tenant: sha256:HASH`. It "
        "is read again when it changes. Without one, nobody is asked.",
    )
    metrics_auth_tokens_file: str = same(
        "metrics.auth.tokens_file", "the metrics port: `/metrics` and the APIs, but not `/healthz` and `/readyz`."
    )
    insecure: bool = setting(
        "insecure",
        BOOL,
        "false",
        "Listen on addresses that other machines reach, even without TLS and tokens.",
        "--insecure",
    )
    state: str = setting(
        "state",
        FOLDER,
        "~/.local/state/otelscore",
        "The folder that holds what must survive a restart; `none` forgets all.",
        "--state",
    )
    durability: str = setting(
        "durability",
        DURABILITY,
        "process",
        "What an acknowledged request survives: `process` a kill, `power` a power cut too (every commit waits for the "
        "disk).",
    )
    forward_endpoint: str = setting(
        "forward.endpoint",
        URL,
        "",
        "The OTLP backend to which every request is passed on as it came, with all its content. `https://` encrypts; "
        "never a way back to here.",
        "--forward",
    )
    forward_protocol: str = of_backend("forward.protocol")
    forward_headers: tuple[tuple[str, str], ...] = of_backend("forward.headers")
    forward_tls_ca_file: str = of_backend("forward.tls.ca_file")
    forward_tls_cert_file: str = of_backend("forward.tls.cert_file")
    forward_tls_key_file: str = of_backend("forward.tls.key_file")
    forward_required: bool = setting(
        "forward.required",
        BOOL,
        "false",
        "At `limits.forward_spool`, `true` tells senders to retry; `false` takes requests, but does not pass them on.",
    )
    events_endpoint: str = setting(
        "events.endpoint",
        URL,
        "",
        "The OTLP backend that gets one `gen_ai.evaluation.result` log event for each run that is final.",
    )
    events_protocol: str = of_backend("events.protocol")
    events_headers: tuple[tuple[str, str], ...] = of_backend("events.headers")
    events_tls_ca_file: str = of_backend("events.tls.ca_file")
    events_tls_cert_file: str = of_backend("events.tls.cert_file")
    events_tls_key_file: str = of_backend("events.tls.key_file")
    root_grace: float = setting(
        "root_grace",
        DURATION,
        "10s",
        "A run whose root span has come closes when none of its spans has come for this long.",
        "--root-grace",
    )
    orphan_grace: float = setting(
        "orphan_grace",
        DURATION,
        "2m",
        "The same for a run whose topmost span is an agent's, but whose parent span has not come.",
        "--orphan-grace",
    )
    idle_timeout: float = setting(
        "idle_timeout",
        DURATION,
        "15m",
        "The same for a run whose agent span has not come; it closes as `incomplete`.",
        "--idle-timeout",
    )
    late_window: float = setting(
        "late_window",
        DURATION,
        "2m",
        "How long after its close a run still takes spans that come late; then it is final and counters count it.",
        "--late-window",
    )
    dedupe_window: float = setting(
        "dedupe_window",
        PERIOD,
        "24h",
        "How long a final trace is remembered, so that spans sent again change nothing.",
    )
    verdict_window: float = setting(
        "verdict_window", PERIOD, "7d", "How long after a run was final its verdict may still come."
    )
    windows: tuple[float, ...] = setting(
        "windows", WINDOWS, "5m, 1h, 6h, 24h", "The rolling windows of the gauges. A longer one keeps more rows."
    )
    horizons: tuple[int, ...] = setting(
        "horizons", HORIZONS, "10, 20, 50, 100", "Numbers of steps for which success is projected."
    )
    step_kinds: tuple[str, ...] = setting(
        "step_kinds", STEP_KINDS, "tool, retrieval, model", "What counts as a step of a horizon."
    )
    min_steps: int = setting("min_steps", COUNT, "0", "Runs with fewer steps are not scored.")
    include_service: tuple[str, ...] = setting(
        "include.service", GLOBS, "", "Score only runs of services whose `service.name` matches one of these patterns."
    )
    include_agent: tuple[str, ...] = setting(
        "include.agent", GLOBS, "", "Score only runs of agents whose name matches one of these patterns."
    )
    include_scope: tuple[str, ...] = setting(
        "include.scope", GLOBS, "", "Read only spans whose instrumentation scope matches one of these patterns."
    )
    exclude_service: tuple[str, ...] = setting(
        "exclude.service", GLOBS, "", "Do not score runs of services whose `service.name` matches; beats `include`."
    )
    exclude_agent: tuple[str, ...] = setting(
        "exclude.agent", GLOBS, "", "Do not score runs of agents whose name matches; beats `include`."
    )
    exclude_scope: tuple[str, ...] = setting(
        "exclude.scope", GLOBS, "", "Do not read spans whose instrumentation scope matches; beats `include`."
    )
    side_effects: tuple[str, ...] = setting(
        "side_effects",
        GLOBS,
        "",
        "Tools that change the world: calling one again after a timeout is `retried_unsafe`, not `retried`.",
    )
    labels: tuple[str, ...] = setting(
        "labels",
        ATTRIBUTES,
        "",
        "Resource attributes that become labels of every run's metrics; dots become underscores. With "
        "`auth.tokens_file`, `tenant` is whose token came with the spans.",
    )
    cluster_by: str = setting(
        "cluster_by",
        ONE_ATTRIBUTE,
        "",
        "Attribute that says which runs belong together (a task, a tenant); without one every run stands alone.",
    )
    soft_errors: tuple[re.Pattern[str], ...] = setting(
        "soft_errors", REGEXES, "", "More beginnings of a tool's result that mean that the call failed."
    )
    mapping_kind: str = setting(
        "mapping.kind", ONE_ATTRIBUTE, "", "Your own attribute that says what a span is, where you write one."
    )
    mapping_tools: tuple[str, ...] = values("mapping.tools", "a tool call")
    mapping_models: tuple[str, ...] = values("mapping.models", "a model call")
    mapping_agents: tuple[str, ...] = values("mapping.agents", "an agent")
    mapping_retrievals: tuple[str, ...] = values("mapping.retrievals", "a retrieval")
    mapping_wrappers: tuple[str, ...] = values("mapping.wrappers", "a workflow, chain or other bookkeeping")
    mapping_tool_name: tuple[str, ...] = setting(
        "mapping.tool_name",
        ATTRIBUTES,
        "",
        "Your own attributes with the tool's name. They, and those below, come before any convention's.",
    )
    mapping_call_id: tuple[str, ...] = likewise("mapping.call_id", "the id of the tool call")
    mapping_arguments: tuple[str, ...] = likewise("mapping.arguments", "what a tool was given")
    mapping_result: tuple[str, ...] = likewise("mapping.result", "what a tool gave back")
    mapping_input: tuple[str, ...] = likewise("mapping.input", "the messages that a model was given")
    mapping_output: tuple[str, ...] = likewise("mapping.output", "what a model or an agent said")
    mapping_agent: tuple[str, ...] = likewise("mapping.agent", "the agent's name")
    mapping_model: tuple[str, ...] = likewise("mapping.model", "the model's name")
    mapping_session: tuple[str, ...] = likewise("mapping.session", "the id of the session")
    mapping_failed_if: tuple[tuple[str, str], ...] = setting(
        "mapping.failed_if", PAIRS, "", "Your own attributes with the values by which they say that a span failed."
    )
    verdicts_evaluators: tuple[str, ...] = setting(
        "verdicts.evaluators",
        NAMES,
        "task_success, task_completion, task_completed, goal_success, goal_success_rate, goal_accuracy, "
        "Builtin.GoalSuccessRate, correctness, Builtin.Correctness",
        "Evaluations that say whether the task was done. The first of them that spoke is the run's verdict. Case, "
        "spaces, `_` and `-` make no difference.",
    )
    verdicts_attributes: tuple[str, ...] = setting(
        "verdicts.attributes",
        ATTRIBUTES,
        "task.success, task.passed, agent.task.success",
        "Attributes that say the same on any span of a run: true or false, a label such as `pass`, or a score. They "
        "come after `verdicts.evaluators`.",
    )
    verdicts_threshold: float = setting(
        "verdicts.threshold", FRACTION, "0.5", "A score of at least this is a pass, where an evaluation has no label."
    )
    limits_request_size: int = setting(
        "limits.request_size", SIZE, "20MiB", "Largest request, after decompression. Larger ones are refused for good."
    )
    limits_request_time: float = setting(
        "limits.request_time", PERIOD, "10s", "How long a sender may take to send one request."
    )
    limits_concurrent_requests: int = setting(
        "limits.concurrent_requests", LIMIT, "256", "Requests under way at once. Further ones are told to retry."
    )
    limits_request_wait: float = setting(
        "limits.request_wait",
        PERIOD,
        "2s",
        "How long a request that has come whole may wait for its turn. One that would wait longer, by what each took "
        "of late, is told to retry before it is read.",
    )
    limits_requests_size: int = setting(
        "limits.requests_size",
        SIZE,
        "256MiB",
        "Size, as sent, of all requests under way. Further ones are told to retry.",
    )
    limits_request_records: int = setting(
        "limits.request_records",
        LIMIT,
        "50000",
        "Spans or log records of one request. Larger ones are refused for good.",
    )
    limits_connections: int = setting(
        "limits.connections",
        LIMIT,
        "10000",
        "Connections to each OTLP port at once, idle ones too. Further ones are closed.",
    )
    limits_attributes: int = setting(
        "limits.attributes",
        LIMIT,
        "10000",
        "Attributes of one span, event or log record. What has more is rejected.",
    )
    limits_trace_spans: int = setting(
        "limits.trace_spans",
        LIMIT,
        "50000",
        "Spans of one trace that are held at once. Further ones are rejected.",
    )
    limits_clock_skew: float = setting(
        "limits.clock_skew",
        PERIOD,
        "7d",
        "How far a run may begin before it is final, or end after it. One beyond, by a wrong clock or sent long after, "
        "counts in everything but histograms of durations; a verdict from further ahead loses to any other.",
    )
    limits_open_spans: int = setting(
        "limits.open_spans",
        LIMIT,
        "1000000",
        "Spans of runs that are not over, and what log records say about them; eight tool calls that a span tells of "
        "are as one more. At the limit senders are told to retry. Runs that only wait for missing parents may hold "
        "half of it; beyond, the oldest of them are counted early.",
    )
    limits_state: int = setting(
        "limits.state",
        STATE_SIZE,
        "2GiB",
        "Size of the state on disk. Near it the oldest closed runs leave early; at it senders are told to retry.",
        "--state-limit",
    )
    limits_forward_spool: int = setting(
        "limits.forward_spool",
        SIZE,
        "1GiB",
        "Size on disk, beside the state, of what waits to be passed on. With `forward.required` it must be larger than "
        "`limits.request_size`.",
    )
    limits_rows: int = setting(
        "limits.rows", LIMIT, "1000000", "Closed runs kept for the windows. Beyond it the oldest leave early."
    )
    limits_final_traces: int = setting(
        "limits.final_traces",
        LIMIT,
        "1000000",
        "Final traces remembered within `dedupe_window`, with 32 spans each on average. Beyond it the oldest go.",
    )
    limits_label_values: int = setting(
        "limits.label_values",
        LIMIT,
        "1000",
        "Distinct values of one label. Further ones become `__overflow__`; one that no run has used for 7 days makes "
        "room.",
    )
    limits_series: int = setting(
        "limits.series",
        LIMIT,
        "500000",
        "Series of counters and histograms in all, and of gauges. Beyond it new services and agents become "
        "`__overflow__` together, and so do new tools and agents of steps; gauges of new ones are not shown.",
    )
    limits_verdicts: int = setting(
        "limits.verdicts",
        LIMIT,
        "1000000",
        "Verdicts known within `verdict_window`, to match them with runs and to count none twice. Beyond it the oldest "
        "go.",
    )
    log_level: str = setting("log.level", LEVEL, "info", "The least severe line that is logged.")
    log_format: str = setting("log.format", LOG_FORMAT, "text", "`text` for people, `json` for machines.")


SETTINGS: tuple[Setting, ...] = tuple(field.metadata["setting"] for field in dataclasses.fields(Config))
"""In the order of the documentation."""

LIMITS = {each.name.removeprefix("limits."): each for each in SETTINGS if each.name.startswith("limits.")}
"""The settings that bound what a sender can make otelscore hold or do, by what `limit_reached_total` calls them."""
