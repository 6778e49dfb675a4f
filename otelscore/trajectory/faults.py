"""Which steps of a run had a fault injected into them.

The mark may be on any span of the call: the tool's own, one that the tool made inside, or that of a proxy in another
process. It is about the step that it lies in, or nearest above it. Where an instrumentation does not make its spans
current, a proxy's span lies below none of them; then it is about the one call during which it happened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from otelscore.model import SERVER, TOOL
from otelscore.trajectory.drafts import Draft
from otelscore.trajectory.tree import Node


@dataclass(frozen=True, slots=True)
class Injected:
    """What spans say of a fault in one step."""

    kind: str
    noticed: bool | None  # what the user's own check says, about this call or else about the run


def find_faults(steps: Sequence[Draft], nodes: Sequence[Node]) -> dict[bytes, Injected]:
    """By the span id of the step. Of several faults in one step the outermost counts.

    `nodes` are those of the run, parents before children.
    """
    marked = [node for node in nodes if node.reading.fault]
    if not marked:
        return {}
    owners = {node.span_id: step for step in steps for node in (step.node, *step.inner)}

    def owner(node: Node) -> Draft | None:
        above: Node | None = node
        while above is not None and above.span_id not in owners:
            above = above.parent
        found = None if above is None else owners[above.span_id]
        if (found is None or found.node is node) and node.span.kind == SERVER:
            return _call_around(node, steps) or found
        return found

    own: dict[bytes, bool] = {}
    whole: bool | None = None
    for node in nodes:
        said = node.reading.fault_noticed
        if said is not None:
            step = owner(node)
            if step is None:
                whole = said
            else:
                own[step.span_id] = said
    found: dict[bytes, Injected] = {}
    for node in marked:
        step = owner(node)
        if step is not None:
            key = step.span_id
            found.setdefault(key, Injected(node.reading.fault, own.get(key, whole)))
    return found


def _call_around(node: Node, steps: Sequence[Draft]) -> Draft | None:
    """The one tool step during which a server's span happened; None where several did, or none."""
    span = node.span
    around = [
        step
        for step in steps
        if step.kind is TOOL and step.node is not node and step.start <= span.start and span.end <= step.end
    ]
    named = [step for step in around if step.name == node.reading.name]
    return next((found[0] for found in (around, named) if len(found) == 1), None)
