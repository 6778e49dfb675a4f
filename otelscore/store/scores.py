"""One score as bytes, and back: what `Score.as_dict` shows, and nothing else of a step.

One msgpack array: the fields of a Score in their order, the last of them, `steps`, as an array of the fields below for
each step. Another way of writing needs another schema (database.py).
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import msgpack

from otelscore.model import ErrorClass, Kind, Outcome, Response, Score, Step, StepStatus

_facts = attrgetter(*(name for name in Score.__slots__ if name != "steps"))
_facts_of_step = attrgetter(
    "index",
    "kind",
    "name",
    "agent",
    "start",
    "end",
    "span_id",
    "status",
    "error_class",
    "error_type",
    "soft_error",
    "response",
    "recovered",
    "fault",
)


def encode_score(score: Score) -> bytes:
    """In about 90 bytes a step."""
    return bytes(msgpack.packb((*_facts(score), list(map(_facts_of_step, score.steps)))))


def decode_score(data: bytes) -> Score:
    """A score that shows what the one that `encode_score` was given showed."""
    *facts, steps = msgpack.unpackb(data)
    score: dict[str, Any] = dict(zip(Score.__slots__, (*facts, tuple(map(_step, steps))), strict=True))
    score["outcome"] = Outcome(score["outcome"]) if score["outcome"] else None
    return Score(**score)


def _step(written: list[Any]) -> Step:
    index, kind, name, agent, start, end, span_id, status, error_class, error_type, soft_error, *answer = written
    response, recovered, *fault = answer
    return Step(
        index=index,
        kind=Kind(kind),
        name=name,
        agent=agent,
        start=start,
        end=end,
        span_id=span_id,
        scope="",
        status=StepStatus(status),
        error_class=ErrorClass(error_class) if error_class else None,
        error_type=error_type,
        soft_error=soft_error,
        response=Response(response) if response else None,
        recovered=recovered,
        fault=fault[0] if fault else "",  # schema 2 had none
    )
