"""What there is to say of the life of a fragment: how long it waits, and what it was when it was looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from otelscore.model import Span, Trajectory
from otelscore.trajectory.fragments import Fragment


@dataclass(frozen=True, slots=True, kw_only=True)
class Graces:
    """How long things are waited for, in seconds."""

    root: float = 10.0
    orphan: float = 120.0
    idle: float = 900.0
    late: float = 120.0
    keep: float = 86_400.0
    dedupe: float = 86_400.0


class Fates(NamedTuple):
    """What became of spans that came."""

    kept: list[Span]
    duplicates: int
    late: int


class Closed(NamedTuple):
    """A fragment closed, for the first time or again: these are its trajectories now, instead of `withdrawn`."""

    trajectories: tuple[Trajectory, ...]
    withdrawn: frozenset[str]  # ids of earlier trajectories that are no more


class Final(NamedTuple):
    """These trajectories can no longer change."""

    trajectory_ids: frozenset[str]
    lone_model_calls: int
    trace_id: bytes
    last: bool  # nothing of the trace is open any more
    early: bool = False  # for want of room: it still hoped for what was missing
    resumed: tuple[Trajectory, ...] = ()  # those that closed before a restart, built again


class Standing(NamedTuple):
    """What a restart has to be told of a fragment that closed or that time has joined; its spans tell the rest."""

    trace_id: bytes
    span_ids: tuple[bytes, ...]  # its topmost spans: what time alone has joined is found by them
    united: tuple[bytes, ...]  # those of them that stand for all that wait for the same parent
    missing: tuple[bytes, ...]  # ids of parents of its own process that have not come
    closed: float | None  # None: it is open, or open again
    first_closed: float | None
    check_at: float  # when to look at it, or when it is final
    trajectory_ids: tuple[str, ...]
    lone_model_calls: int


def standing_of(fragment: Fragment) -> Standing:
    """The standing of a fragment."""
    held = {span.span_id for span in fragment.spans}
    tops = [span for span in fragment.spans if span.parent_id not in held]
    return Standing(
        trace_id=fragment.trace.trace_id,
        span_ids=tuple(span.span_id for span in tops or fragment.spans[:1]),  # hostile parents make a circle
        united=tuple(span.span_id for span in tops if fragment.trace.is_united(span)),
        missing=tuple(fragment.missing),
        closed=fragment.closed,
        first_closed=fragment.first_closed,
        check_at=fragment.check_at if fragment.closed is None else fragment.final_at,
        trajectory_ids=tuple(sorted(fragment.trajectory_ids)),
        lone_model_calls=fragment.lone_model_calls,
    )
