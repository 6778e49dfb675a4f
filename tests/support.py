"""Spans by hand: a tree of agents, models and tools in a few lines, without a wire format.

    spans(agent("planner", 0, 10, model(1, 2), tool("search", 3, 4, error="TimeoutError")))

Times are seconds. An id is at most 8 characters; without one a span gets the next number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from otelscore.model import ERROR, UNSET, ErrorClass, Failure, Kind, Origin, Reading, Span, Trajectory
from otelscore.trajectory.builder import build
from otelscore.trajectory.life import Fates

SECOND = 1_000_000_000
TRACE = b"a trace of 16 by"

LOCAL, REMOTE = 0x100, 0x300  # Span.flags: the parent is known to be in the same process, in another one

CLASSES = {
    "TimeoutError": ErrorClass.TIMEOUT,
    "ConnectionResetError": ErrorClass.UNAVAILABLE,
    "ConnectionRefusedError": ErrorClass.UNAVAILABLE,
    "RateLimitError": ErrorClass.RATE_LIMIT,
    "PermissionError": ErrorClass.AUTH,
    "NotFoundError": ErrorClass.NOT_FOUND,
    "ValueError": ErrorClass.INVALID_ARGUMENTS,
    "JSONDecodeError": ErrorClass.MALFORMED_RESULT,
}


@dataclass(frozen=True)
class Made:
    """A span to be, and those below it."""

    reading: Reading
    start: float
    end: float
    children: tuple[Made, ...]
    id: str = ""
    service: str | None = None  # None: its parent's
    scope: str = "framework"
    flags: int = 0
    span_kind: int = 1
    status: int = UNSET
    parent: str | None = None  # of the topmost: the id of one that is elsewhere
    more: dict[str, Any] = field(default_factory=dict)  # fields of Origin


def failure(error: str, **facts: Any) -> Failure:
    """An exception of that type, whose message is the type."""
    known = {"exception": True, "error_class": CLASSES.get(error, ErrorClass.UNKNOWN), "messages": {error.encode()}}
    known |= facts
    return Failure(error, **{**known, "messages": frozenset(known["messages"])})


def made(kind: Kind, name: str, start: float, end: float, *children: Made, error: str = "", **facts: Any) -> Made:
    """`error`: an exception type; `args`: what the call is given; other facts go to Made or Reading by their names."""
    place = {key: facts.pop(key) for key in list(facts) if key in Made.__dataclass_fields__ and key != "reading"}
    args = facts.pop("args", None)
    if args is not None:
        facts["arguments"] = str(args).encode()
    if error:
        facts.setdefault("failure", failure(error))
        place.setdefault("status", ERROR)
    return Made(Reading(kind, "test", name, **facts), start, end, children, **place)


def agent(name: str, start: float, end: float, *children: Made, **facts: Any) -> Made:
    return made(Kind.AGENT, name, start, end, *children, names_agent=bool(name), agent=name, **facts)


def model(start: float, end: float, *children: Made, **facts: Any) -> Made:
    return made(Kind.MODEL, facts.pop("name", "gpt"), start, end, *children, **facts)


def tool(name: str, start: float, end: float, *children: Made, **facts: Any) -> Made:
    return made(Kind.TOOL, name, start, end, *children, **facts)


def retrieval(name: str, start: float, end: float, *children: Made, **facts: Any) -> Made:
    return made(Kind.RETRIEVAL, name, start, end, *children, **facts)


def wrapper(start: float, end: float, *children: Made, **facts: Any) -> Made:
    return made(Kind.WRAPPER, "", start, end, *children, **facts)


def other(start: float, end: float, *children: Made, **facts: Any) -> Made:
    """A span of no agent dialect: HTTP, database."""
    return made(Kind.OTHER, "", start, end, *children, **facts)


def span_id(name: str) -> bytes:
    return name.encode().rjust(8, b".")


def spans(*trees: Made, trace: bytes = TRACE, service: str = "shop") -> list[Span]:
    """All spans of these trees, parents first."""
    numbers = count(1)
    found: list[Span] = []
    stack = [(tree, b"" if tree.parent is None else span_id(tree.parent), service) for tree in reversed(trees)]
    while stack:
        node, parent, inherited = stack.pop()
        own, home = span_id(node.id or f"{next(numbers)}"), node.service or inherited
        found.append(
            Span(
                trace_id=trace,
                span_id=own,
                parent_id=parent if node.parent is None else span_id(node.parent),
                name=node.reading.name,
                kind=node.span_kind,
                flags=node.flags,
                start=round(node.start * SECOND),
                end=round(node.end * SECOND),
                status=node.status,
                origin=Origin(home, node.scope, **node.more),
                reading=node.reading,
            )
        )
        stack += [(child, own, home) for child in reversed(node.children)]
    return found


def without(found: Sequence[Span], *ids: str) -> list[Span]:
    """All but the spans of these ids."""
    lost = {span_id(name) for name in ids}
    return [span for span in found if span.span_id not in lost]


def moved(found: Sequence[Span], **fields: Any) -> list[Span]:
    """Copies of spans with other fields, of another trace for example."""
    return [replace(span, **fields) for span in found]


def fate(fates: Fates) -> str:
    """What became of the one span that came."""
    return "kept" if fates.kept else "duplicate" if fates.duplicates else "late"


def trajectories(*trees: Made, **settings: Any) -> list[Trajectory]:
    """What these trees amount to."""
    return build(spans(*trees), **settings).trajectories


def run(*trees: Made, **settings: Any) -> Trajectory:
    """The one trajectory that these trees amount to."""
    (trajectory,) = trajectories(*trees, **settings)
    return trajectory


def names(trajectory: Trajectory) -> list[str]:
    return [step.name for step in trajectory.steps]


def failed(trajectory: Trajectory) -> list[str]:
    return [step.name for step in trajectory.steps if step.failed]


def responses(trajectory: Trajectory) -> list[str | None]:
    """To the failed steps, in order."""
    return [step.response for step in trajectory.steps if step.failed]


def recoveries(trajectory: Trajectory) -> list[bool | None]:
    return [step.recovered for step in trajectory.steps if step.failed]


KEYS = [
    "trajectory_id",
    "trace_id",
    "service",
    "agent",
    "model",
    "started_at",
    "duration_seconds",
    "outcome",
    "task_passed",
    "trajectory_length",
    "tool_errors",
    "tool_error_rate",
    "recovery_rate",
    "resolution_rate",
    "hard_failure",
    "silent_failure",
    "implied_step_success_rate",
    "steps",
]
STEP_KEYS = [
    "index",
    "kind",
    "name",
    "agent",
    "status",
    "error_class",
    "error_type",
    "soft_error",
    "response",
    "sane",
    "recovered",
    "duration_seconds",
    "span_id",
    "fault",
]
"""A score's and a step's keys as JSON has them, in DESIGN.md's order."""
