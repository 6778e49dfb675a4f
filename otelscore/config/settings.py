"""Every setting: its name, how its value is written, its default and what it means. `Config` holds the values."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")

ENV_PREFIX = "OTELSCORE_"


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; port 0 takes a free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


# --- How values are written. A parser raises ValueError where the text is not of its form. ---


@dataclass(frozen=True, slots=True)
class Form(Generic[T]):
    expected: str  # completes "expected ..." in an error message, with an example
    parse: Callable[[Sequence[str]], T]  # from the one text of a single value, from all items of a list
    is_list: bool = False  # a YAML list in the file, separated by commas elsewhere

    def split(self, text: str) -> list[str]:
        """The texts to parse, from where a value is one text: a flag or an environment variable."""
        if not self.is_list:
            return [text.strip()]
        return [item.strip() for item in text.split(",")] if text.strip() else []


def _one(expected: str, parse: Callable[[str], T]) -> Form[T]:
    return Form(expected, lambda texts: parse(texts[0]))


def _list(expected: str, parse: Callable[[str], T]) -> Form[tuple[T, ...]]:
    return Form(expected, lambda texts: tuple(map(parse, texts)), is_list=True)


def _rising(expected: str, parse: Callable[[str], Any]) -> Form[tuple[Any, ...]]:
    def parse_all(texts: Sequence[str]) -> tuple[Any, ...]:
        values = tuple(map(parse, texts))
        if not values or list(values) != sorted(set(values)):
            raise ValueError
        return values

    return Form(expected, parse_all, is_list=True)


def _match(pattern: str, text: str) -> re.Match[str]:
    match = re.fullmatch(pattern, text, re.ASCII)
    if match is None:
        raise ValueError
    return match


def _address(text: str) -> Address:
    match = _match(r"(?:\[([0-9a-fA-F:.]+)\]|([\w.-]+)):(\d{1,5})", text)
    if int(match[3]) > 65535:
        raise ValueError
    return Address(match[1] or match[2], int(match[3]))


_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_BYTES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def _seconds(text: str) -> float:
    match = _match(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", text)
    return float(match[1]) * _SECONDS[match[2]]


def _seconds_above_zero(text: str) -> float:
    if (seconds := _seconds(text)) == 0:
        raise ValueError
    return seconds


def _bytes(text: str) -> int:
    match = _match(r"([1-9]\d*)(B|KiB|MiB|GiB)", text)
    return int(match[1]) * _BYTES[match[2]]


def _at_least(least: int, value: int) -> int:
    if value < least:
        raise ValueError
    return value


def _fraction(text: str) -> float:
    if not 0 <= (value := float(text)) <= 1:
        raise ValueError
    return value


def _words(*words: str) -> Callable[[str], str]:
    return lambda text: _match("|".join(words), text)[0]


def _regex(text: str) -> re.Pattern[str]:
    try:
        return re.compile(_match(r"(?s).+", text)[0])
    except re.error as error:
        raise ValueError from error


_ADDRESS = _one("host:port, such as 127.0.0.1:4317 or [::1]:4317", _address)
_DURATION = _one("a duration, such as 500ms, 10s, 2m, 24h or 7d", _seconds)
_PERIOD = _one("a duration above zero, such as 10s or 24h", _seconds_above_zero)
_SIZE = _one("a size above zero in B, KiB, MiB or GiB, such as 20MiB", _bytes)
_STATE_SIZE = _one("a size of at least 64MiB, such as 2GiB", lambda text: _at_least(64 * 2**20, _bytes(text)))
_COUNT = _one("a whole number, such as 0 or 5", lambda text: int(_match(r"\d+", text)[0]))
_LIMIT = _one("a whole number above zero, such as 1000", lambda text: int(_match(r"0*[1-9]\d*", text)[0]))
_FRACTION = _one("a number from 0 to 1, such as 0.5", _fraction)
_ATTRIBUTE = r"[A-Za-z_][\w.-]*"
_ONE_ATTRIBUTE = _one("an attribute name, such as task.id", lambda text: _match(f"(?:{_ATTRIBUTE})?", text)[0])
_ATTRIBUTES = _list("attribute names, such as [service.version]", lambda text: _match(_ATTRIBUTE, text)[0])
_GLOBS = _list("shell patterns, such as [checkout-*, billing]", lambda text: _match(r".+", text)[0])
_NAMES = _list("names, such as [task_success]", lambda text: _match(r".+", text)[0])
_REGEXES = _list("regular expressions, such as ['denied by policy']", _regex)
_WINDOWS = _rising("durations above zero that rise, such as [5m, 1h]", _seconds_above_zero)
_HORIZONS = _rising("numbers of steps that rise, such as [10, 20]", lambda text: int(_match(r"0*[1-9]\d*", text)[0]))
_STEP_KINDS = Form(
    "some of tool, retrieval and model, such as [tool, model]",
    lambda texts: tuple(map(_words("tool", "retrieval", "model"), texts or [""])),
    is_list=True,
)
_FOLDER = _one("a folder, such as /var/lib/otelscore, or none", lambda text: _match(r".+", text)[0])
_DURABILITY = _one("process or power", _words("process", "power"))
_LEVEL = _one("debug, info, warning or error", _words("debug", "info", "warning", "error"))
_LOG_FORMAT = _one("text or json", _words("text", "json"))


# --- The settings. ---


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
    return dataclasses.field(default=form.parse(setting.form.split(default)), metadata={"setting": setting})


@dataclass(frozen=True, slots=True)
class Config:
    """The settings in force. Durations are seconds, sizes bytes, lists tuples."""

    grpc_endpoint: Address = _setting(
        "grpc.endpoint", _ADDRESS, "127.0.0.1:4317", "Where OTLP/gRPC is received.", "--grpc"
    )
    http_endpoint: Address = _setting(
        "http.endpoint", _ADDRESS, "127.0.0.1:4318", "Where OTLP/HTTP is received.", "--http"
    )
    metrics_endpoint: Address = _setting(
        "metrics.endpoint", _ADDRESS, "127.0.0.1:9464", "Where Prometheus scrapes `/metrics`.", "--metrics"
    )
    state: str = _setting(
        "state",
        _FOLDER,
        "~/.local/state/otelscore",
        "The folder that holds what must survive a restart; `none` forgets all.",
        "--state",
    )
    durability: str = _setting(
        "durability",
        _DURABILITY,
        "process",
        "What an acknowledged request survives: `process` a kill, `power` a power cut too (every commit waits for the "
        "disk).",
    )
    root_grace: float = _setting(
        "root_grace",
        _DURATION,
        "10s",
        "A run whose root span has come closes when none of its spans has come for this long.",
        "--root-grace",
    )
    orphan_grace: float = _setting(
        "orphan_grace",
        _DURATION,
        "2m",
        "The same for a run whose topmost span is an agent's, but whose parent span has not come.",
        "--orphan-grace",
    )
    idle_timeout: float = _setting(
        "idle_timeout",
        _DURATION,
        "15m",
        "The same for a run whose agent span has not come; it closes as `incomplete`.",
        "--idle-timeout",
    )
    late_window: float = _setting(
        "late_window",
        _DURATION,
        "2m",
        "How long after its close a run still takes spans that come late; then it is final and counters count it.",
        "--late-window",
    )
    dedupe_window: float = _setting(
        "dedupe_window",
        _PERIOD,
        "24h",
        "How long a final trace is remembered, so that spans sent again change nothing.",
    )
    verdict_window: float = _setting(
        "verdict_window", _PERIOD, "7d", "How long after a run was final its verdict may still come."
    )
    windows: tuple[float, ...] = _setting(
        "windows", _WINDOWS, "5m, 1h, 6h, 24h", "The rolling windows of the gauges. A longer one keeps more rows."
    )
    horizons: tuple[int, ...] = _setting(
        "horizons", _HORIZONS, "10, 20, 50, 100", "Numbers of steps for which success is projected."
    )
    step_kinds: tuple[str, ...] = _setting(
        "step_kinds", _STEP_KINDS, "tool, retrieval, model", "What counts as a step of a horizon."
    )
    min_steps: int = _setting("min_steps", _COUNT, "0", "Runs with fewer steps are not scored.")
    include_service: tuple[str, ...] = _setting(
        "include.service", _GLOBS, "", "Score only runs of services whose `service.name` matches one of these patterns."
    )
    include_agent: tuple[str, ...] = _setting(
        "include.agent", _GLOBS, "", "Score only runs of agents whose name matches one of these patterns."
    )
    include_scope: tuple[str, ...] = _setting(
        "include.scope", _GLOBS, "", "Read only spans whose instrumentation scope matches one of these patterns."
    )
    exclude_service: tuple[str, ...] = _setting(
        "exclude.service", _GLOBS, "", "Do not score runs of services whose `service.name` matches; beats `include`."
    )
    exclude_agent: tuple[str, ...] = _setting(
        "exclude.agent", _GLOBS, "", "Do not score runs of agents whose name matches; beats `include`."
    )
    exclude_scope: tuple[str, ...] = _setting(
        "exclude.scope", _GLOBS, "", "Do not read spans whose instrumentation scope matches; beats `include`."
    )
    side_effects: tuple[str, ...] = _setting(
        "side_effects",
        _GLOBS,
        "",
        "Tools that change the world: calling one again after a timeout is `retried_unsafe`, not `retried`.",
    )
    labels: tuple[str, ...] = _setting(
        "labels",
        _ATTRIBUTES,
        "",
        "Resource attributes that become labels of every run's metrics; dots become underscores.",
    )
    cluster_by: str = _setting(
        "cluster_by",
        _ONE_ATTRIBUTE,
        "",
        "Attribute that says which runs belong together (a task, a tenant); without one every run stands alone.",
    )
    soft_errors: tuple[re.Pattern[str], ...] = _setting(
        "soft_errors", _REGEXES, "", "More beginnings of a tool's result that mean that the call failed."
    )
    verdicts_evaluators: tuple[str, ...] = _setting(
        "verdicts.evaluators",
        _NAMES,
        "task_success, task_completion, task_completed, goal_success, goal_success_rate, goal_accuracy, correctness",
        "Evaluations that say whether the task was done. The first of them that spoke is the run's verdict.",
    )
    verdicts_threshold: float = _setting(
        "verdicts.threshold", _FRACTION, "0.5", "A score of at least this is a pass, where an evaluation has no label."
    )
    limits_request_size: int = _setting(
        "limits.request_size", _SIZE, "20MiB", "Largest request, after decompression. Larger ones are refused for good."
    )
    limits_request_time: float = _setting(
        "limits.request_time", _PERIOD, "10s", "How long a sender may take to send one request."
    )
    limits_concurrent_requests: int = _setting(
        "limits.concurrent_requests", _LIMIT, "256", "Requests under way at once. Further ones are told to retry."
    )
    limits_open_spans: int = _setting(
        "limits.open_spans",
        _LIMIT,
        "1000000",
        "Spans of runs that are not over. At the limit senders are told to retry.",
    )
    limits_state: int = _setting(
        "limits.state",
        _STATE_SIZE,
        "2GiB",
        "Size of the state on disk. Near it the oldest closed runs leave early; at it senders are told to retry.",
        "--state-limit",
    )
    limits_rows: int = _setting(
        "limits.rows", _LIMIT, "1000000", "Closed runs kept for the windows. Beyond it the oldest leave early."
    )
    limits_final_traces: int = _setting(
        "limits.final_traces",
        _LIMIT,
        "1000000",
        "Final traces remembered within `dedupe_window`. Beyond it the oldest go.",
    )
    limits_label_values: int = _setting(
        "limits.label_values", _LIMIT, "1000", "Distinct values of one label. Further ones become `__overflow__`."
    )
    limits_pending_verdicts: int = _setting(
        "limits.pending_verdicts", _LIMIT, "100000", "Verdicts that wait for their run. Beyond it the oldest go."
    )
    log_level: str = _setting("log.level", _LEVEL, "info", "The least severe line that is logged.")
    log_format: str = _setting("log.format", _LOG_FORMAT, "text", "`text` for people, `json` for machines.")


SETTINGS: tuple[Setting, ...] = tuple(field.metadata["setting"] for field in dataclasses.fields(Config))
"""In the order of the documentation."""
