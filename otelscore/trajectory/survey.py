"""What the tree of a fragment shows: the runs in it, and whether somebody is still at work on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from otelscore.model import Span
from otelscore.trajectory.tree import Node, find_delegations, find_runs, grow, release, wraps_run


@dataclass(frozen=True, slots=True)
class Survey:
    """What the tree of a fragment shows."""

    working: bool  # steps wait for a local parent, with no ended agent span or run wrapper in between
    orphan: bool  # not so, but such an agent span or run wrapper waits
    runs: tuple[tuple[int, int], ...]  # start and end of each run whose agent span has come
    loose: bool  # it has steps but no such run


def survey(spans: Sequence[Span]) -> Survey:
    """Looks at the spans of one fragment, in any order."""
    order = grow(spans)
    find_delegations(order)
    runs, _ = find_runs(order)
    tops = [node for node in order if node.parent is None and node.lost]
    over: set[bytes] = set()
    if tops:
        highest: dict[bytes, Node] = {}  # the topmost span above each, or itself
        for node in order:
            highest[node.span.span_id] = node if node.parent is None else highest[node.parent.span.span_id]
        over = {highest[node.span.span_id].span.span_id for run in runs for node in run.agents if node.span.end}
        over.update(top.span.span_id for top in tops if wraps_run(top))
    awaited = {top.span.parent_id for top in tops if top.span.span_id in over}
    # Steps that wait for another parent, in the time of the one run that there is, were lost on their way up to it.
    home = runs[0].top.span if len(runs) == 1 and awaited else None
    working = any(
        top.span.span_id not in over and (top.span.parent_id in awaited or home is None or not _lies_in(top.span, home))
        for top in tops
        if top.has_step or top.worker is not None
    )
    release(order)
    return Survey(
        working=working,
        orphan=not working and bool(awaited),
        runs=tuple((run.top.span.start, run.top.span.end) for run in runs),
        loose=not runs and any(node.kind.is_step for node in order),
    )


def _lies_in(span: Span, whole: Span) -> bool:
    return whole.start <= span.start and span.end <= whole.end
