"""Two instrumentations at once report one call twice: such steps become one (DESIGN.md, Steps 3)."""

from __future__ import annotations

from collections import defaultdict

from otelscore.model import TOOL, Kind
from otelscore.trajectory.drafts import Draft
from otelscore.trajectory.tree import MAX_AT_ONCE, Node

MAX_LEVELS = 32
"""Levels of spans between two steps that are looked through; bounds the work."""


def merge_reports(steps: list[Draft]) -> list[Draft]:
    """The steps, each call once."""
    if len({step.span.origin.scope for step in steps}) < 2:
        return steps
    groups: dict[tuple[Kind, str], list[Draft]] = defaultdict(list)
    for step in steps:
        groups[step.kind, step.name if step.kind is TOOL else ""].append(step)
    kept: dict[bytes, Draft] = {}
    for group in groups.values():
        if len({step.span.origin.scope for step in group}) == 1:
            kept.update((step.span_id, step) for step in group)
            continue
        group.sort(key=lambda step: (step.start, step.end, step.span_id))
        open_steps: list[Draft] = []  # not yet paired, may still overlap
        for step in group:
            open_steps = [other for other in open_steps if other.end > step.start][-MAX_AT_ONCE:]
            twin = max(
                (other for other in open_steps if _same_call(other, step)),
                key=lambda other: _overlap(other, step),
                default=None,
            )
            if twin is None:
                open_steps.append(step)
                kept[step.span_id] = step
            else:
                open_steps.remove(twin)
                kept[twin.span_id] = _fuller(twin, step)
    return list(kept.values())


def _same_call(one: Draft, other: Draft) -> bool:
    shorter = min(one.end - one.start, other.end - other.start)
    if one.span.origin.scope == other.span.origin.scope or 2 * _overlap(one, other) <= shorter:
        return False
    return not (_is_below(one.node, other.node) or _is_below(other.node, one.node))


def _is_below(inner: Node, outer: Node) -> bool:
    """Steps of one kind lie below each other only where an agent span is in between: else they fold.

    What lies very deep is taken for below.
    """
    above = inner.agent if inner.agent is not outer.agent else None
    for _ in range(MAX_LEVELS):
        if above is None or above is outer:
            break
        above = above.parent
    return above is not None


def _overlap(one: Draft, other: Draft) -> int:
    return min(one.end, other.end) - max(one.start, other.start)


def _fuller(one: Draft, other: Draft) -> Draft:
    """The report with more details, failed if either says so."""

    def details(step: Draft) -> tuple[int, int, bytes]:
        reading = step.span.reading
        facts = (step.arguments, step.call_id, reading.has_result, step.requested, step.acknowledges is not None)
        return sum(map(bool, facts)), -step.start, step.span_id

    first, second = sorted((one, other), key=details, reverse=True)
    if second.failed and not first.failed:
        first.judgement = second.judgement
    first.arguments = first.arguments or second.arguments
    first.call_id = first.call_id or second.call_id
    first.inner += (second.node, *second.inner)
    return first
