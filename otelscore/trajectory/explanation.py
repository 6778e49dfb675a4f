"""Why a trace was scored as it was: what became of every span, for people to read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from otelscore.model import ERROR, Kind, Role, Span, SpanFacts, Step, StepStatus, Trajectory
from otelscore.trajectory.builder import SPAN_ID
from otelscore.trajectory.errors import FROM_RESULT, Judgement, copies, judge
from otelscore.trajectory.facts import inform
from otelscore.trajectory.tree import Node, find_delegations, grow
from otelscore.trajectory.untraced import find_untraced

ROLES = {
    Role.HANDOFF: "a hand-off: no step",
    Role.FINAL_ANSWER: "the final answer: no step",
    Role.BOOKKEEPING: "the framework's own: no step",
    Role.DELEGATION: "runs another agent: no step",
    Role.PART: "a stage of the call above",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One span in its tree."""

    branch: str  # what is drawn before its name
    below: str  # what is drawn before a note under its name
    span: Span
    kind: Kind  # as its tree tells
    step: Step | None
    note: str  # "" where there is nothing to say
    untraced: bool  # it has no span: the messages of the model calls around it show it


def explain_trace(
    spans: Sequence[Span], facts: Mapping[bytes, SpanFacts], trajectories: Iterable[Trajectory]
) -> list[Row]:
    """The spans of a trace from the top, children by start, and what its trajectories made of each.

    `facts`: what log records say, by span id. The calls that no span shows are among the rows.
    """
    spans = inform(spans, facts)
    order = grow(spans)
    order = grow([*spans, *find_untraced(order)])
    delegations = find_delegations(order)
    logged = {span_id: found.failure for span_id, found in facts.items() if found.failure is not None}
    copied = copies([node.span for node in order], logged)
    steps: dict[tuple[bytes, Kind, str], list[Step]] = defaultdict(list)
    for trajectory in trajectories:
        for step in trajectory.steps:
            steps[step.span_id, step.kind, step.name].append(step)
    branches = _branches(order)
    held: dict[bytes, Step] = {}  # the nearest step here or above
    rows = []
    for node in order:
        span = node.span
        span_id = span.span_id
        same = steps[span_id[:SPAN_ID], node.kind, span.reading.name]
        own = same.pop(0) if same else None
        above = held.get(node.parent.span.span_id) if node.parent is not None else None
        judgement = judge(span, logged.get(span_id), copied=span_id in copied)
        note = _step_note(own, judgement) if own is not None else _note(node, above, delegations, judgement)
        nearest = own or above
        if nearest is not None:
            held[span_id] = nearest
        if span_id in copied and not note:
            note = "its ERROR repeats another failure"
        untraced = len(span_id) > SPAN_ID
        rows.append(Row(*branches[span_id], span, node.kind, own, note, untraced))
    return rows


def _step_note(step: Step, judgement: Judgement) -> str:
    if step.status is StepStatus.SKIPPED:
        return "cancelled, deferred or waiting: neither success nor failure"
    if not step.failed:
        return ""
    by = judgement.by if judgement.failed else "another span of the same call"
    rule = f" ({step.soft_error})" if by == FROM_RESULT else ""
    error = step.error_type or "no type"
    where = f" by step {step.answered_by}" if step.answered_by is not None else ""
    answer = f"; {step.response}{where}" if step.response else ""
    after = {True: "; recovered", False: "; not recovered", None: ""}[step.recovered]
    end = "; the run ended here" if step.status is StepStatus.UNRECOVERABLE else ""
    return f"failed by {by}{rule}: {step.error_class}, {error}{answer}{after}{end}"


def _note(node: Node, above: Step | None, delegations: set[bytes], judgement: Judgement) -> str:
    reading = node.span.reading
    if node.span.span_id in delegations:
        return ROLES[Role.DELEGATION]
    if reading.role is not Role.ORDINARY:
        return ROLES[reading.role]
    if node.repeats:
        return "a loop of model calls, not one"
    if node.kind.is_step:
        return "part of the step above" if above is not None else "no step of its own"
    if judgement.failed and node.kind is not Kind.OTHER:
        return f"failed by {judgement.by}: {judgement.failure.error_class}, {judgement.failure.error_type or 'no type'}"
    return "status ERROR" if node.kind is Kind.OTHER and node.span.status == ERROR else ""


def _branches(order: Sequence[Node]) -> dict[bytes, tuple[str, str]]:
    """What is drawn before every span's name, and before a note under it, by span id."""
    last = {node.parent.span.span_id: node for node in order if node.parent is not None}
    drawn: dict[bytes, tuple[str, str, str]] = {}  # before the name, before a note, before what lies below
    for node in order:
        span_id = node.span.span_id
        before, to_next = "", ""
        if node.parent is not None:
            _, _, line = drawn[node.parent.span.span_id]
            is_last = last[node.parent.span.span_id] is node
            before, to_next = (f"{line}└─ ", f"{line}   ") if is_last else (f"{line}├─ ", f"{line}│  ")
        drawn[span_id] = before, to_next + ("│     " if span_id in last else "      "), to_next
    return {span_id: (before, note) for span_id, (before, note, _) in drawn.items()}
