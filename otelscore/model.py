"""The vocabulary that every room shares; DESIGN.md gives the words their meaning.

The way of the data, in types: a `RawSpan` is one OTLP span as it came and lives only while it is read. Reading
reduces it to a `Reading`, and what is kept is a `Span`: ids, times and that reading, never content. A run's spans
become a `Trajectory` of `Step`s, and `Score` is what one trajectory amounts to.

Times of telemetry (`start`, `end`, `time`) are Unix nanoseconds, as on the wire. Times of arrival (`now`, `closed`)
are Unix seconds of the caller's clock. Ids are the raw bytes of the wire: 16 for a trace, 8 for a span.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from functools import cached_property
from typing import Protocol

AttributeValue = str | bool | int | float | bytes | list["AttributeValue"] | dict[str, "AttributeValue"] | None
"""An OTLP AnyValue: a list for an array, a dict for a kvlist, None for an empty value."""

Attributes = Mapping[str, AttributeValue]

SERVER, CONSUMER = 2, 5  # SpanKind numbers of opentelemetry/proto/trace/v1/trace.proto
UNSET, OK, ERROR = 0, 1, 2  # Status.StatusCode numbers of the same file

SCORING_VERSION = 1
"""Rises whenever the same spans give other figures; CHANGELOG.md says which."""

OWN_SCOPE = "otelscore"
"""Scope of otelscore's own telemetry, which is never scored and never a verdict."""

INSTANCE_HEADER = "otelscore-instance"
"""What a process sends to other backends says by this header from whom it is, so that it knows it if it comes back."""

DOCTOR_SERVICE = "otelscore-doctor"
"""The `service.name` of the test runs of `otelscore doctor`: counted as such, and in no figure about runs."""


class SenderError(ValueError):
    """The request is wrong and stays wrong: the sender must not retry (gRPC INVALID_ARGUMENT, HTTP 400)."""


class UnauthenticatedError(PermissionError):
    """The request does not say, or not truly, who sends it (gRPC UNAUTHENTICATED, HTTP 401)."""


class OverloadedError(RuntimeError):
    """The request is fine but there is no room now: the sender should retry (gRPC UNAVAILABLE, HTTP 503)."""


class Kind(StrEnum):
    """What a span is to its agent. TOOL, RETRIEVAL and MODEL make steps."""

    AGENT = "agent"
    MODEL = "model"
    TOOL = "tool"
    RETRIEVAL = "retrieval"
    LOOP = "loop"  # calls a model until it is done: an agent where it has tools, else a wrapper (its tree tells)
    WRAPPER = "wrapper"  # bookkeeping of an agent dialect: workflow, chain, invocation, loop cycle
    OTHER = "other"  # no agent dialect knows it: HTTP, database, the application's own spans

    @cached_property
    def is_step(self) -> bool:
        return self in (Kind.MODEL, Kind.TOOL, Kind.RETRIEVAL)


# For the hot path, by a name of their own: in Python 3.11 `Kind.TOOL` takes ten times as long as `TOOL`.
AGENT, MODEL, TOOL, RETRIEVAL = Kind.AGENT, Kind.MODEL, Kind.TOOL, Kind.RETRIEVAL
LOOP, WRAPPER = Kind.LOOP, Kind.WRAPPER


class ErrorClass(StrEnum):
    """Why a step failed, coarsely enough to be a label."""

    TIMEOUT = "timeout"
    RATE_LIMIT = "rate_limit"
    UNAVAILABLE = "unavailable"
    AUTH = "auth"
    NOT_FOUND = "not_found"
    INVALID_ARGUMENTS = "invalid_arguments"
    MALFORMED_RESULT = "malformed_result"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


class Response(StrEnum):
    """What the agent did after a step failed."""

    RETRIED_UNSAFE = "retried_unsafe"
    RETRIED = "retried"
    REVISED = "revised"
    REROUTED = "rerouted"
    ACKNOWLEDGED = "acknowledged"
    CONCLUDED = "concluded"
    REPEATED = "repeated"
    ABANDONED = "abandoned"

    @property
    def sane(self) -> bool:
        return self in _SANE


_SANE = frozenset({Response.RETRIED, Response.REVISED, Response.REROUTED, Response.ACKNOWLEDGED})


class Outcome(StrEnum):
    COMPLETED = "completed"
    FAILED = "failed"
    INCOMPLETE = "incomplete"


class StepStatus(StrEnum):
    OK = "ok"
    ERROR = "error"
    UNRECOVERABLE = "unrecoverable"
    SKIPPED = "skipped"


SKIPPED = StepStatus.SKIPPED
_FAILED = frozenset({StepStatus.ERROR, StepStatus.UNRECOVERABLE})


class Role(IntEnum):
    """Tools that are not what they look like."""

    ORDINARY = 0
    DELEGATION = 1  # runs another agent
    HANDOFF = 2  # passes control to another agent
    FINAL_ANSWER = 3  # carries the answer; ends the run
    BOOKKEEPING = 4  # the framework's own, e.g. ADK's "(merged tools)"
    PART = 5  # a stage of the call directly above, such as carrying it out: its failure is that call's


ORDINARY, DELEGATION, HANDOFF = Role.ORDINARY, Role.DELEGATION, Role.HANDOFF
FINAL_ANSWER, BOOKKEEPING, PART = Role.FINAL_ANSWER, Role.BOOKKEEPING, Role.PART


@dataclass(frozen=True, slots=True)
class Origin:
    """The resource and scope that spans came from, shared by all spans of one ScopeSpans."""

    service: str = "unknown_service"
    scope: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """Resource attributes kept for labels (service.version, deployment.environment.name, ...)."""
    tenant: str = ""
    """Who sent them, by the token that came with the request; "" where none is asked for."""


@dataclass(slots=True)
class RawEvent:
    """A span event as it came."""

    name: str
    time: int
    attributes: dict[str, AttributeValue]


@dataclass(slots=True)
class RawSpan:
    """What a dialect is shown of one OTLP span; it holds content and is dropped when the reading is made."""

    trace_id: bytes
    span_id: bytes
    parent_id: bytes  # b"" for a root
    name: str
    kind: int
    flags: int
    start: int
    end: int
    status: int
    message: str
    attributes: dict[str, AttributeValue]  # only the keys that the reader wants
    events: list[RawEvent]  # likewise
    links: tuple[tuple[bytes, bytes], ...]  # (trace id, span id)
    origin: Origin


@dataclass(slots=True)
class RawLog:
    """What a dialect is shown of one OTLP log record."""

    trace_id: bytes
    span_id: bytes
    time: int  # time_unix_nano, else observed_time_unix_nano
    event_name: str  # the field, else the attribute `event.name`
    body: AttributeValue
    attributes: dict[str, AttributeValue]
    origin: Origin


@dataclass(frozen=True, slots=True)
class Failure:
    """The evidence of an error, reduced to facts: what was said, never the words."""

    error_type: str = ""  # the most specific name: exception class, error.type or HTTP code
    error_class: ErrorClass = ErrorClass.UNKNOWN
    exception: bool = False  # an exception was recorded on the span
    typed: bool = False  # error.type was set on the span
    messages: frozenset[bytes] = frozenset()  # keyed hashes of the status and exception messages


@dataclass(frozen=True, slots=True)
class Verdict:
    """Somebody's judgement whether the task was done, aimed at a span, a trace or a session."""

    evaluator: str
    passed: bool | None  # None: it cannot be read
    time: int
    trace_id: bytes = b""
    span_id: bytes = b""  # b"": the whole trace
    session: str = ""


class Unusable(StrEnum):
    """Why a verdict judges no run; a label."""

    UNREADABLE = "unreadable"  # neither pass nor fail, or about nothing
    AMBIGUOUS = "ambiguous"  # what it is about holds several runs
    EXPIRED = "expired"  # no run came that it is about


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call that a model asked for."""

    call_id: str
    name: str = ""
    arguments: bytes | None = None  # keyed hash, None: not captured


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a call, where it was captured: whether it says that the call failed, never the words."""

    call: Call  # that a model was told the result of; without id and name where it is the span's own call
    flagged: bool = False  # a flag of its own says that it failed
    soft_error: str = ""  # the rule that it matched
    failure: Failure | None = None  # what it says about the error


@dataclass(frozen=True, slots=True)
class SpanFacts:
    """What log records say about a span; counts as if the span said it itself.

    A record may come before its span, and only the span tells whether it is a tool or a model. So what a tool takes
    from it (`arguments`, `result`) and what a model or an agent does (the rest) stand side by side.
    """

    trace_id: bytes
    span_id: bytes
    failure: Failure | None = None
    arguments: bytes | None = None
    result: Result | None = None
    requested: tuple[Call, ...] = ()
    results: tuple[Result, ...] = ()
    acknowledges: bool | None = None


@dataclass(slots=True)  # a value, but one is made for every span, and frozen it costs four times as much
class Reading:
    """What a dialect says one span is. Facts only: content is hashed or matched when the span is read."""

    kind: Kind
    dialect: str = ""
    name: str = ""  # the tool, retrieval source or model; of an agent span the agent ("" where it names none)
    agent: str = ""  # the agent that the span says it belongs to, where it says so
    call_id: str = ""
    session: str = ""
    role: Role = Role.ORDINARY
    arguments: bytes | None = None  # keyed hash of the call's arguments, None: not captured
    requested: tuple[Call, ...] = ()  # the calls a model asked for, in its order
    results: tuple[Result, ...] = ()  # of the calls it had asked for before, as this model call was told them
    offered: bool = False  # a model call that was offered tools
    flagged: bool = False  # the dialect's own flag says that it failed
    skipped: bool = False  # cancelled, deferred or waiting for a human
    failure: Failure | None = None  # error evidence outside the result
    soft_error: str = ""  # the rule that the result matched
    soft_failure: Failure | None = None  # what the result says about the error
    has_result: bool = False
    acknowledges: bool | None = None  # the text says that it could not be done; None: no text captured
    names_agent: bool = False  # an agent span that names its agent
    labels: Mapping[str, str] = field(default_factory=dict)  # what the user made labels, on agent spans
    cluster: str = ""  # value of `cluster_by`
    fault: str = ""  # otelscore.fault.kind: this call had a fault injected
    verdicts: tuple[Verdict, ...] = ()  # evaluations found on the span itself
    fault_noticed: bool | None = None  # otelscore.fault.noticed: what the user's own check says of a fault


OTHER = Reading(Kind.OTHER)


@dataclass(slots=True)  # a value; not frozen for the same reason
class Span:
    """One span, reduced to what scoring needs."""

    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    name: str  # low-cardinality by convention; shown by `explain`, never a label
    kind: int
    flags: int
    start: int
    end: int
    status: int
    origin: Origin
    reading: Reading
    links: tuple[tuple[bytes, bytes], ...] = ()

    @property
    def remote_parent(self) -> bool | None:
        """Whether the parent is in another process: Span.flags bits 8 and 9; None where the sender does not say.

        Source: opentelemetry/proto/trace/v1/trace.proto, SpanFlags.
        """
        return bool(self.flags & 0x200) if self.flags & 0x100 else None


class Reader(Protocol):
    """Turns raw telemetry into facts; `otelscore.dialects` has the one that is used."""

    def wants(self, key: str) -> bool:
        """Whether any dialect reads this attribute; the decoder steps over all others. Called once per key."""

    def read(self, span: RawSpan) -> Reading: ...

    def read_log(self, log: RawLog) -> Verdict | SpanFacts | None: ...


@dataclass(slots=True)
class Batch:
    """One decoded request."""

    spans: list[Span] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    facts: list[SpanFacts] = field(default_factory=list)  # from log records
    records: int = 0  # log records in the request
    rejected: int = 0  # spans or log records that were bad
    reason: str = ""  # why the first of them was
    reached: tuple[str, ...] = ()  # limits that some of them were over


@dataclass(slots=True)
class Step:
    """One action of an agent."""

    index: int | None  # None: skipped
    kind: Kind
    name: str
    agent: str
    start: int
    end: int
    span_id: bytes
    scope: str
    status: StepStatus = StepStatus.OK
    error_class: ErrorClass | None = None
    error_type: str = ""
    soft_error: str = ""
    response: Response | None = None
    answered_by: int | None = None  # the index of the step that shows the response; None: none, or not a step
    recovered: bool | None = None  # None where the step did not fail, or nobody can know
    call_id: str = ""
    arguments: bytes | None = None
    again: bool = False  # the same call after it had failed
    fault: str = ""  # the kind of fault that was injected into this call
    fault_noticed: bool | None = None  # what the user's own check says of it

    @property
    def failed(self) -> bool:
        return self.status in _FAILED

    @property
    def duration_seconds(self) -> float:
        """0 where the sender's clock ran backwards."""
        return max(self.end - self.start, 0) / 1e9

    def as_dict(self) -> dict[str, object]:
        """The step as JSON wants it, under DESIGN.md's keys, in its order."""
        return {
            "index": self.index,
            "kind": self.kind,
            "name": self.name,
            "agent": self.agent,
            "status": self.status,
            "error_class": self.error_class,
            "error_type": self.error_type or None,
            "soft_error": self.soft_error or None,
            "response": self.response,
            "sane": self.response.sane if self.response else None,
            "recovered": self.recovered,
            "duration_seconds": self.duration_seconds,
            "span_id": self.span_id.hex(),
            "fault": self.fault or None,
        }


@dataclass(slots=True)
class Trajectory:
    """One agent run in one service: its steps in order and how it ended."""

    trace_id: bytes
    top_span_id: bytes
    origin: Origin
    agent: str
    model: str
    session: str
    start: int
    end: int
    steps: tuple[Step, ...]
    outcome: Outcome | None  # None: tool calls alone, nobody can say (DESIGN.md, Steps 10)
    hard_failure: bool
    verdict: Verdict | None = None
    labels: Mapping[str, str] = field(default_factory=dict)  # what the user made labels, of agent span and resource
    cluster: str = ""
    fault: str = ""  # the first injected fault; such a run stays out of every production figure
    acknowledged: bool = (
        False  # its answer says that something could not be done; known of runs with a failure or fault
    )
    because: str = ""  # what the outcome was seen by; for people
    targets: frozenset[bytes] = frozenset()  # ids of the spans at which a verdict about the run may be aimed
    trajectory_id: str = field(init=False)  # made once: what is kept of a million runs shares it

    def __post_init__(self) -> None:
        self.trajectory_id = f"{self.trace_id.hex()}:{self.top_span_id.hex()}"

    @property
    def duration_seconds(self) -> float:
        """0 where the sender's clock ran backwards."""
        return max(self.end - self.start, 0) / 1e9


Authenticate = Callable[[Iterable[tuple[str, str]]], str]
"""The headers of a request, their names in lower case -> whose it is, "" where nobody is asked.

Raises UnauthenticatedError.
"""

Clock = Callable[[], float]
"""Unix seconds that only rise."""


@dataclass(frozen=True, slots=True)
class Score:
    """What one trajectory amounts to. Source of the keys: DESIGN.md, "One trajectory's score".

    Rates are shares in 0..1, and None where there is nothing to take a share of.
    """

    trajectory_id: str
    trace_id: str  # hex
    service: str
    agent: str
    model: str
    started_at: int  # Unix nanoseconds; as_dict() makes it RFC 3339
    duration_seconds: float
    outcome: Outcome | None
    task_passed: bool | None  # the verdict; None: unknown
    trajectory_length: int  # all steps, skipped ones aside
    tool_errors: int  # failed steps of any kind
    tool_error_rate: float | None
    recovery_rate: float | None
    resolution_rate: float | None
    hard_failure: bool
    silent_failure: bool | None  # None where the verdict is unknown
    implied_step_success_rate: float | None
    steps: tuple[Step, ...]

    def as_dict(self) -> dict[str, object]:
        """The score as JSON wants it: plain values under DESIGN.md's keys, in its order."""
        seconds, nanoseconds = divmod(self.started_at, 1_000_000_000)
        started = datetime.fromtimestamp(seconds, UTC).replace(microsecond=nanoseconds // 1000)
        shown = {name: getattr(self, name) for name in self.__slots__}
        return shown | {
            "started_at": f"{started:%Y-%m-%dT%H:%M:%S.%f}Z",
            "steps": [step.as_dict() for step in self.steps],
        }
