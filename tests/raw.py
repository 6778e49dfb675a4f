"""Trees of spans as an instrumentation writes them, read by the registry and made into trajectories.

    run(raw("invoke_agent planner", 0, 9, {"gen_ai.operation.name": "invoke_agent"}, raw("chat", 1, 2, {...})))

Times are seconds. A scope holds for everything below it that names none of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from otelscore.dialects import Context, Registry
from otelscore.model import UNSET, AttributeValue, Origin, RawEvent, RawSpan, Span, Trajectory
from otelscore.trajectory.builder import build

SECOND = 1_000_000_000
REGISTRY = Registry(Context(key=bytes(range(16))))

Attributes = Mapping[str, AttributeValue]


@dataclass(frozen=True)
class Raw:
    """A span to be, and those below it."""

    name: str
    start: float
    end: float
    attributes: Attributes
    children: tuple[Raw, ...]
    scope: str | None
    status: int
    message: str
    events: Sequence[tuple[str, Attributes]]
    kind: int
    service: str | None


def raw(
    name: str,
    start: float,
    end: float,
    attributes: Attributes | None = None,
    *children: Raw,
    scope: str | None = None,
    status: int = UNSET,
    message: str = "",
    events: Sequence[tuple[str, Attributes]] = (),
    kind: int = 1,
    service: str | None = None,
) -> Raw:
    return Raw(name, start, end, attributes or {}, children, scope, status, message, events, kind, service)


def raised(error: str, words: str = "") -> list[tuple[str, Attributes]]:
    """The event of an exception."""
    return [("exception", {"exception.type": error, "exception.message": words})]


def read_tree(*trees: Raw) -> list[Span]:
    """All spans of these trees, read, parents first."""
    numbers = count(1)
    found: list[Span] = []
    stack = [(tree, b"", "", "shop") for tree in reversed(trees)]
    while stack:
        node, parent, scope, service = stack.pop()
        own = next(numbers).to_bytes(8, "big")
        scope = scope if node.scope is None else node.scope
        service = node.service or service
        start, end = round(node.start * SECOND), round(node.end * SECOND)
        events = [RawEvent(name, end, dict(fields)) for name, fields in node.events]
        span = RawSpan(
            trace_id=b"t" * 16,
            span_id=own,
            parent_id=parent,
            name=node.name,
            kind=node.kind,
            flags=0x100,
            start=start,
            end=end,
            status=node.status,
            message=node.message,
            attributes={key: value for key, value in node.attributes.items() if REGISTRY.wants(key)},
            events=events,
            links=(),
            origin=Origin(service, scope),
        )
        reading = REGISTRY.read(span)
        found.append(
            Span(span.trace_id, own, parent, node.name, node.kind, 0x100, start, end, node.status, span.origin, reading)
        )
        stack += [(child, own, scope, service) for child in reversed(node.children)]
    return found


def runs(*trees: Raw) -> list[Trajectory]:
    """What these trees amount to."""
    return build(read_tree(*trees)).trajectories


def run(*trees: Raw) -> Trajectory:
    """The one trajectory that these trees amount to."""
    (trajectory,) = runs(*trees)
    return trajectory


def steps(trajectory: Trajectory) -> list[tuple[str, str, str]]:
    """Kind, name and status of every step, in order."""
    return [(step.kind.value, step.name, step.status.value) for step in trajectory.steps]
