"""What is kept of telemetry: the facts that a dialect read, never content."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from otelscore.model.words import ErrorClass, Kind, Role


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


@dataclass(
    unsafe_hash=True, slots=True
)  # values; one may be made for every span, and frozen they cost four times as much
class Call:
    """A tool call that a model asked for."""

    call_id: str
    name: str = ""
    arguments: bytes | None = None  # keyed hash, None: not captured


@dataclass(unsafe_hash=True, slots=True)
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
    said_at: int = 0  # when it said what acknowledges or not, in nanoseconds: of several answers the last counts


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
