"""Every setting: its name, how its value is written, its default and what it means. `Config` holds the values."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Any

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
    HEADERS,
    HORIZONS,
    LEVEL,
    LIMIT,
    LOG_FORMAT,
    NAMES,
    ONE_ATTRIBUTE,
    PAIRS,
    PERIOD,
    PROTOCOL,
    REGEXES,
    SIZE,
    STATE_SIZE,
    STEP_KINDS,
    URL,
    WINDOWS,
    Address,
    Form,
    T,
)

ENV_PREFIX = "OTELSCORE_"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as a person sees it."""

    name: str  # dotted, as in the file
    default: str  # as it would be written in the environment
    doc: str
    form: Form[Any]
    flag: str = ""  # "": has none

    @property
    def field(self) -> str:
        """The attribute of `Config`."""
        return self.name.replace(".", "_")

    @property
    def env(self) -> str:
        return ENV_PREFIX + self.field.upper()


def _setting(name: str, form: Form[T], default: str, doc: str, flag: str = "") -> T:
    setting = Setting(name, default, doc, form, flag)
    shown = not form.is_secret
    return dataclasses.field(default=form.parse(setting.form.split(default)), repr=shown, metadata={"setting": setting})


@dataclass(frozen=True, slots=True)
class Config:
    """The settings in force. Durations are seconds, sizes bytes, lists tuples."""

    grpc_endpoint: Address = _setting(
        "grpc.endpoint", ADDRESS, "127.0.0.1:4317", "Where OTLP/gRPC is received.", "--grpc"
    )
    http_endpoint: Address = _setting(
        "http.endpoint", ADDRESS, "127.0.0.1:4318", "Where OTLP/HTTP is received.", "--http"
    )
    metrics_endpoint: Address = _setting(
        "metrics.endpoint", ADDRESS, "127.0.0.1:9464", "Where Prometheus scrapes `/metrics`.", "--metrics"
    )
    grpc_tls_cert_file: str = _setting(
        "grpc.tls.cert_file",
        FILE,
        "",
        "PEM file of the certificate that OTLP/gRPC shows, and of those between it and its authority. With one, the "
        "port speaks TLS alone. It and those below are read again when they change.",
    )
    grpc_tls_key_file: str = _setting("grpc.tls.key_file", FILE, "", "PEM file of the key to that, without a password.")
    grpc_tls_client_ca_file: str = _setting(
        "grpc.tls.client_ca_file",
        FILE,
        "",
        "PEM file of the authority that must have signed the certificates of senders (mutual TLS). Without one, they "
        "need none.",
    )
    http_tls_cert_file: str = _setting("http.tls.cert_file", FILE, "", "The same for OTLP/HTTP.")
    http_tls_key_file: str = _setting("http.tls.key_file", FILE, "", "The same for OTLP/HTTP.")
    http_tls_client_ca_file: str = _setting("http.tls.client_ca_file", FILE, "", "The same for OTLP/HTTP.")
    metrics_tls_cert_file: str = _setting(
        "metrics.tls.cert_file", FILE, "", "The same for the metrics port with its APIs and health checks."
    )
    metrics_tls_key_file: str = _setting("metrics.tls.key_file", FILE, "", "The same for the metrics port.")
    metrics_tls_client_ca_file: str = _setting(
        "metrics.tls.client_ca_file",
        FILE,
        "",
        "The same for the metrics port. Health checks need a certificate then, too.",
    )
    auth_tokens_file: str = _setting(
        "auth.tokens_file",
        FILE,
        "",
        "File of the tokens that senders of OTLP must bring, one a line: `tenant: TOKEN` or `tenant: sha256:HASH`. It "
        "is read again when it changes. Without one, nobody is asked.",
    )
    metrics_auth_tokens_file: str = _setting(
        "metrics.auth.tokens_file",
        FILE,
        "",
        "The same for the metrics port: `/metrics` and the APIs, but not `/healthz` and `/readyz`.",
    )
    insecure: bool = _setting(
        "insecure",
        BOOL,
        "false",
        "Listen on addresses that other machines reach, even without TLS and tokens.",
        "--insecure",
    )
    state: str = _setting(
        "state",
        FOLDER,
        "~/.local/state/otelscore",
        "The folder that holds what must survive a restart; `none` forgets all.",
        "--state",
    )
    durability: str = _setting(
        "durability",
        DURABILITY,
        "process",
        "What an acknowledged request survives: `process` a kill, `power` a power cut too (every commit waits for the "
        "disk).",
    )
    forward_endpoint: str = _setting(
        "forward.endpoint",
        URL,
        "",
        "The OTLP backend to which every request is passed on as it came, with all its content. `https://` encrypts; "
        "never a way back to here.",
        "--forward",
    )
    forward_protocol: str = _setting(
        "forward.protocol",
        PROTOCOL,
        "",
        "`grpc` or `http/protobuf`. Without one, gRPC if the port ends in 4317 and there is no path, else HTTP.",
    )
    forward_headers: tuple[tuple[str, str], ...] = _setting(
        "forward.headers", HEADERS, "", "Headers that it gets with each request, such as an API key."
    )
    forward_tls_ca_file: str = _setting(
        "forward.tls.ca_file",
        FILE,
        "",
        "PEM file of the authority that signed its certificate. Without one, those that this machine trusts.",
    )
    forward_tls_cert_file: str = _setting(
        "forward.tls.cert_file", FILE, "", "PEM file of our own certificate, where it wants one."
    )
    forward_tls_key_file: str = _setting("forward.tls.key_file", FILE, "", "PEM file of the key to that.")
    forward_required: bool = _setting(
        "forward.required",
        BOOL,
        "false",
        "At `limits.forward_spool`, `true` tells senders to retry; `false` takes requests, but does not pass them on.",
    )
    events_endpoint: str = _setting(
        "events.endpoint",
        URL,
        "",
        "The OTLP backend that gets one `gen_ai.evaluation.result` log event for each run that is final.",
    )
    events_protocol: str = _setting(
        "events.protocol",
        PROTOCOL,
        "",
        "`grpc` or `http/protobuf`. Without one, gRPC if the port ends in 4317 and there is no path, else HTTP.",
    )
    events_headers: tuple[tuple[str, str], ...] = _setting(
        "events.headers", HEADERS, "", "Headers that it gets with each request, such as an API key."
    )
    events_tls_ca_file: str = _setting(
        "events.tls.ca_file",
        FILE,
        "",
        "PEM file of the authority that signed its certificate. Without one, those that this machine trusts.",
    )
    events_tls_cert_file: str = _setting(
        "events.tls.cert_file", FILE, "", "PEM file of our own certificate, where it wants one."
    )
    events_tls_key_file: str = _setting("events.tls.key_file", FILE, "", "PEM file of the key to that.")
    root_grace: float = _setting(
        "root_grace",
        DURATION,
        "10s",
        "A run whose root span has come closes when none of its spans has come for this long.",
        "--root-grace",
    )
    orphan_grace: float = _setting(
        "orphan_grace",
        DURATION,
        "2m",
        "The same for a run whose topmost span is an agent's, but whose parent span has not come.",
        "--orphan-grace",
    )
    idle_timeout: float = _setting(
        "idle_timeout",
        DURATION,
        "15m",
        "The same for a run whose agent span has not come; it closes as `incomplete`.",
        "--idle-timeout",
    )
    late_window: float = _setting(
        "late_window",
        DURATION,
        "2m",
        "How long after its close a run still takes spans that come late; then it is final and counters count it.",
        "--late-window",
    )
    dedupe_window: float = _setting(
        "dedupe_window",
        PERIOD,
        "24h",
        "How long a final trace is remembered, so that spans sent again change nothing.",
    )
    verdict_window: float = _setting(
        "verdict_window", PERIOD, "7d", "How long after a run was final its verdict may still come."
    )
    windows: tuple[float, ...] = _setting(
        "windows", WINDOWS, "5m, 1h, 6h, 24h", "The rolling windows of the gauges. A longer one keeps more rows."
    )
    horizons: tuple[int, ...] = _setting(
        "horizons", HORIZONS, "10, 20, 50, 100", "Numbers of steps for which success is projected."
    )
    step_kinds: tuple[str, ...] = _setting(
        "step_kinds", STEP_KINDS, "tool, retrieval, model", "What counts as a step of a horizon."
    )
    min_steps: int = _setting("min_steps", COUNT, "0", "Runs with fewer steps are not scored.")
    include_service: tuple[str, ...] = _setting(
        "include.service", GLOBS, "", "Score only runs of services whose `service.name` matches one of these patterns."
    )
    include_agent: tuple[str, ...] = _setting(
        "include.agent", GLOBS, "", "Score only runs of agents whose name matches one of these patterns."
    )
    include_scope: tuple[str, ...] = _setting(
        "include.scope", GLOBS, "", "Read only spans whose instrumentation scope matches one of these patterns."
    )
    exclude_service: tuple[str, ...] = _setting(
        "exclude.service", GLOBS, "", "Do not score runs of services whose `service.name` matches; beats `include`."
    )
    exclude_agent: tuple[str, ...] = _setting(
        "exclude.agent", GLOBS, "", "Do not score runs of agents whose name matches; beats `include`."
    )
    exclude_scope: tuple[str, ...] = _setting(
        "exclude.scope", GLOBS, "", "Do not read spans whose instrumentation scope matches; beats `include`."
    )
    side_effects: tuple[str, ...] = _setting(
        "side_effects",
        GLOBS,
        "",
        "Tools that change the world: calling one again after a timeout is `retried_unsafe`, not `retried`.",
    )
    labels: tuple[str, ...] = _setting(
        "labels",
        ATTRIBUTES,
        "",
        "Resource attributes that become labels of every run's metrics; dots become underscores. With "
        "`auth.tokens_file`, `tenant` is whose token came with the spans.",
    )
    cluster_by: str = _setting(
        "cluster_by",
        ONE_ATTRIBUTE,
        "",
        "Attribute that says which runs belong together (a task, a tenant); without one every run stands alone.",
    )
    soft_errors: tuple[re.Pattern[str], ...] = _setting(
        "soft_errors", REGEXES, "", "More beginnings of a tool's result that mean that the call failed."
    )
    mapping_kind: str = _setting(
        "mapping.kind", ONE_ATTRIBUTE, "", "Your own attribute that says what a span is, where you write one."
    )
    mapping_tools: tuple[str, ...] = _setting(
        "mapping.tools", NAMES, "", "Values of `mapping.kind` that mean a tool call."
    )
    mapping_models: tuple[str, ...] = _setting(
        "mapping.models", NAMES, "", "Values of `mapping.kind` that mean a model call."
    )
    mapping_agents: tuple[str, ...] = _setting(
        "mapping.agents", NAMES, "", "Values of `mapping.kind` that mean an agent."
    )
    mapping_retrievals: tuple[str, ...] = _setting(
        "mapping.retrievals", NAMES, "", "Values of `mapping.kind` that mean a retrieval."
    )
    mapping_wrappers: tuple[str, ...] = _setting(
        "mapping.wrappers", NAMES, "", "Values of `mapping.kind` that mean a workflow, chain or other bookkeeping."
    )
    mapping_tool_name: tuple[str, ...] = _setting(
        "mapping.tool_name",
        ATTRIBUTES,
        "",
        "Your own attributes with the tool's name. They, and those below, come before any convention's.",
    )
    mapping_call_id: tuple[str, ...] = _setting(
        "mapping.call_id", ATTRIBUTES, "", "Likewise with the id of the tool call."
    )
    mapping_arguments: tuple[str, ...] = _setting(
        "mapping.arguments", ATTRIBUTES, "", "Likewise with what a tool was given."
    )
    mapping_result: tuple[str, ...] = _setting("mapping.result", ATTRIBUTES, "", "Likewise with what a tool gave back.")
    mapping_input: tuple[str, ...] = _setting(
        "mapping.input", ATTRIBUTES, "", "Likewise with the messages that a model was given."
    )
    mapping_output: tuple[str, ...] = _setting(
        "mapping.output", ATTRIBUTES, "", "Likewise with what a model or an agent said."
    )
    mapping_agent: tuple[str, ...] = _setting("mapping.agent", ATTRIBUTES, "", "Likewise with the agent's name.")
    mapping_model: tuple[str, ...] = _setting("mapping.model", ATTRIBUTES, "", "Likewise with the model's name.")
    mapping_session: tuple[str, ...] = _setting(
        "mapping.session", ATTRIBUTES, "", "Likewise with the id of the session."
    )
    mapping_failed_if: tuple[tuple[str, str], ...] = _setting(
        "mapping.failed_if", PAIRS, "", "Your own attributes with the values by which they say that a span failed."
    )
    verdicts_evaluators: tuple[str, ...] = _setting(
        "verdicts.evaluators",
        NAMES,
        "task_success, task_completion, task_completed, goal_success, goal_success_rate, goal_accuracy, "
        "Builtin.GoalSuccessRate, correctness, Builtin.Correctness",
        "Evaluations that say whether the task was done. The first of them that spoke is the run's verdict. Case, "
        "spaces, `_` and `-` make no difference.",
    )
    verdicts_attributes: tuple[str, ...] = _setting(
        "verdicts.attributes",
        ATTRIBUTES,
        "task.success, task.passed, agent.task.success",
        "Attributes that say the same on any span of a run: true or false, a label such as `pass`, or a score. They "
        "come after `verdicts.evaluators`.",
    )
    verdicts_threshold: float = _setting(
        "verdicts.threshold", FRACTION, "0.5", "A score of at least this is a pass, where an evaluation has no label."
    )
    limits_request_size: int = _setting(
        "limits.request_size", SIZE, "20MiB", "Largest request, after decompression. Larger ones are refused for good."
    )
    limits_request_time: float = _setting(
        "limits.request_time", PERIOD, "10s", "How long a sender may take to send one request."
    )
    limits_concurrent_requests: int = _setting(
        "limits.concurrent_requests", LIMIT, "256", "Requests under way at once. Further ones are told to retry."
    )
    limits_request_wait: float = _setting(
        "limits.request_wait",
        PERIOD,
        "2s",
        "While a request that has come whole has waited this long for its turn, further ones are told to retry, before "
        "they are read.",
    )
    limits_requests_size: int = _setting(
        "limits.requests_size",
        SIZE,
        "256MiB",
        "Size, as sent, of all requests under way. Further ones are told to retry.",
    )
    limits_request_records: int = _setting(
        "limits.request_records",
        LIMIT,
        "50000",
        "Spans or log records of one request. Larger ones are refused for good.",
    )
    limits_connections: int = _setting(
        "limits.connections",
        LIMIT,
        "10000",
        "Connections to each OTLP port at once, idle ones too. Further ones are closed.",
    )
    limits_attributes: int = _setting(
        "limits.attributes",
        LIMIT,
        "10000",
        "Attributes of one span, event or log record. What has more is rejected.",
    )
    limits_trace_spans: int = _setting(
        "limits.trace_spans",
        LIMIT,
        "50000",
        "Spans of one trace that are held at once. Further ones are rejected.",
    )
    limits_clock_skew: float = _setting(
        "limits.clock_skew",
        PERIOD,
        "7d",
        "How far a run may begin before it is final, or end after it. One beyond, by a wrong clock or sent long after, "
        "counts in everything but histograms of durations; a verdict from further ahead loses to any other.",
    )
    limits_open_spans: int = _setting(
        "limits.open_spans",
        LIMIT,
        "1000000",
        "Spans of runs that are not over, and what log records say about them. At the limit senders are told to retry. "
        "Runs that only wait for missing parents may hold half of it; beyond, the oldest of them are counted early.",
    )
    limits_state: int = _setting(
        "limits.state",
        STATE_SIZE,
        "2GiB",
        "Size of the state on disk. Near it the oldest closed runs leave early; at it senders are told to retry.",
        "--state-limit",
    )
    limits_forward_spool: int = _setting(
        "limits.forward_spool",
        SIZE,
        "1GiB",
        "Size on disk, beside the state, of what waits to be passed on. With `forward.required` it must be larger than "
        "`limits.request_size`.",
    )
    limits_rows: int = _setting(
        "limits.rows", LIMIT, "1000000", "Closed runs kept for the windows. Beyond it the oldest leave early."
    )
    limits_final_traces: int = _setting(
        "limits.final_traces",
        LIMIT,
        "1000000",
        "Final traces remembered within `dedupe_window`, with 32 spans each on average. Beyond it the oldest go.",
    )
    limits_label_values: int = _setting(
        "limits.label_values",
        LIMIT,
        "1000",
        "Distinct values of one label. Further ones become `__overflow__`; one that no run has used for 7 days makes "
        "room.",
    )
    limits_series: int = _setting(
        "limits.series",
        LIMIT,
        "500000",
        "Series of counters and histograms in all, and of gauges. Beyond it new services and agents become "
        "`__overflow__` together, and so do new tools and agents of steps; gauges of new ones are not shown.",
    )
    limits_verdicts: int = _setting(
        "limits.verdicts",
        LIMIT,
        "1000000",
        "Verdicts known within `verdict_window`, to match them with runs and to count none twice. Beyond it the oldest "
        "go.",
    )
    log_level: str = _setting("log.level", LEVEL, "info", "The least severe line that is logged.")
    log_format: str = _setting("log.format", LOG_FORMAT, "text", "`text` for people, `json` for machines.")


SETTINGS: tuple[Setting, ...] = tuple(field.metadata["setting"] for field in dataclasses.fields(Config))
"""In the order of the documentation."""

LIMITS = {setting.name.removeprefix("limits."): setting for setting in SETTINGS if setting.name.startswith("limits.")}
"""The settings that bound what a sender can make otelscore hold or do, by what `limit_reached_total` calls them."""
