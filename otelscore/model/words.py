"""The words for what a span is, what became of a step and of a run. Each is a label somewhere."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from functools import cached_property


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
FAILED = frozenset({StepStatus.ERROR, StepStatus.UNRECOVERABLE})


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
