"""Nodes of one run -> its steps: what folds into what, delegations, two reports of one call, order."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from otelscore.model import OK, Call, Kind, Role, Span
from otelscore.trajectory.errors import CLOCK_GRAIN, Judgement
from otelscore.trajectory.tree import MAX_AT_ONCE, Node

FOLDS = frozenset(
    {
        (Kind.MODEL, Kind.MODEL),
        (Kind.TOOL, Kind.TOOL),
        (Kind.TOOL, Kind.MODEL),
        (Kind.TOOL, Kind.RETRIEVAL),
        (Kind.RETRIEVAL, Kind.RETRIEVAL),
    }
)
"""(outer, inner): only like folds into like, and what a tool does inside is the tool's."""


@dataclass(slots=True, eq=False)
class Draft:
    """A step in the making."""

    node: Node
    kind: Kind
    name: str
    agent: AgentKey
    judgement: Judgement
    arguments: tuple[bytes, ...]  # hashes: as the model gave them and as the span has them; () where not captured
    call_id: str
    requested: tuple[Call, ...]
    acknowledges: bool | None
    inner: list[Node] = field(default_factory=list)  # spans of the same call below it
    position: int = 0  # in the list of calls that the model asked for
    turn: int = 0

    @property
    def span(self) -> Span:
        return self.node.span

    @property
    def start(self) -> int:
        return self.span.start

    @property
    def end(self) -> int:
        return self.span.end

    @property
    def over(self) -> int:
        """From when on a start is after the end, as far as clocks can tell."""
        return max(self.span.start + 1, self.span.end - CLOCK_GRAIN + 1)

    @property
    def failed(self) -> bool:
        return self.judgement.failed


class AgentKey(NamedTuple):
    """An agent of a run: by its name, an unnamed one by its span. `name` is what is shown."""

    name: str
    span_id: bytes = b""


@dataclass(slots=True)
class Work:
    """What a run's agents did."""

    steps: list[Draft] = field(default_factory=list)
    moves: list[Draft] = field(default_factory=list)  # hand-offs and delegations: no steps, but answers to a failure
    answers: list[Node] = field(default_factory=list)  # final-answer tools
    callers: dict[AgentKey, AgentKey] = field(default_factory=dict)

    @property
    def acts(self) -> list[Draft]:
        """Steps and moves, each span once, in order of start."""
        steps = {step.span.span_id for step in self.steps}
        moves = [move for move in self.moves if move.span.span_id not in steps]
        return sorted((*self.steps, *moves), key=lambda act: act.start)


def agent_key(node: Node, default: str) -> AgentKey:
    """The agent that an agent span is of; `default` names an unnamed one."""
    name = node.span.reading.name
    return AgentKey(name) if name else AgentKey(default, node.span.span_id)


def find_steps(nodes: Sequence[Node], delegations: set[bytes], judgements: dict[bytes, Judgement], agent: str) -> Work:
    """The steps of one run in order, with its hand-offs, delegations and final answers.

    `nodes`: parents before children; `judgements`: by span id, for every span that is not plainly fine; `agent`: the
    run's agent, for steps outside every agent span and for agents without a name.
    """
    work = Work()
    top = AgentKey(agent)
    agents: dict[bytes, AgentKey] = {}  # of what lies directly below a node
    enclosing: dict[bytes, tuple[Draft, ...]] = {}  # steps above, nearest first, up to the nearest agent
    beside = {node.delegate.span.span_id: node for node in nodes if node.delegate is not None}
    for node in nodes:
        span, reading = node.span, node.span.reading
        above = node.parent.span.span_id if node.parent is not None else b""
        here, outer = agents.get(above, top), enclosing.get(above, ())
        kind = reading.kind
        if kind is Kind.AGENT:
            key = agent_key(node, agent)
            if key != here and (node.agent is not None or node.below_step or span.span_id in beside):
                work.callers.setdefault(key, here)
            here, outer = key, ()
        elif span.span_id in delegations:
            work.moves.append(_draft(node, here, judgements))
            inner = AgentKey(reading.name)
            if node.delegate is None and node.worker is None and inner != here:
                work.callers.setdefault(inner, here)
                here = inner
            outer = ()
        elif reading.role is Role.HANDOFF:
            work.moves.append(_draft(node, here, judgements))
        elif reading.role is Role.FINAL_ANSWER:
            work.answers.append(node)
        elif kind.is_step and reading.role is Role.ORDINARY:
            holder = next((step for step in outer if (step.kind, kind) in FOLDS), None)
            if holder is None:
                draft = _draft(node, here, judgements)
                work.steps.append(draft)
                outer = (draft, *outer)
            elif holder.kind is kind and (kind is not Kind.TOOL or reading.name == holder.name):
                holder.inner.append(node)
        agents[span.span_id], enclosing[span.span_id] = here, outer
    for step in work.steps:
        if step.inner:
            step.judgement = _with_inner(step, judgements)
    _add_failed_delegations(work, delegations)
    work.steps = _merge_reports(work.steps)
    _order(work.steps)
    return work


def _draft(node: Node, agent: AgentKey, judgements: dict[bytes, Judgement]) -> Draft:
    span, reading = node.span, node.span.reading
    return Draft(
        node=node,
        kind=reading.kind,
        name=reading.name,
        agent=agent,
        judgement=judgements.get(span.span_id, Judgement()),
        arguments=(reading.arguments,) if reading.arguments is not None else (),
        call_id=reading.call_id,
        requested=reading.requested,
        acknowledges=reading.acknowledges,
    )


def _with_inner(step: Draft, judgements: dict[bytes, Judgement]) -> Judgement:
    """The last of the innermost spans of the call has a word, unless the outer one failed or says OK explicitly."""
    if step.judgement.failed or step.judgement.skipped or step.span.status == OK:
        return step.judgement
    above: set[bytes] = set()
    for node in step.inner:
        outer = node.parent
        while outer is not None and outer is not step.node and outer.span.span_id not in above:
            above.add(outer.span.span_id)
            outer = outer.parent
    innermost = [node for node in step.inner if node.span.span_id not in above]
    last = max(innermost, key=lambda node: (node.span.start, node.span.end, node.span.span_id))
    return judgements.get(last.span.span_id, step.judgement)


def _add_failed_delegations(work: Work, delegations: set[bytes]) -> None:
    """A delegation with an error of its own and no failure inside is a failed step."""
    failing: set[bytes] = set()  # what a failed step lies below

    def mark(step: Draft) -> None:
        above: Node | None = step.node
        while above is not None and above.span.span_id not in failing:
            failing.add(above.span.span_id)
            above = above.parent

    for step in work.steps:
        if step.failed:
            mark(step)
    for move in reversed(work.moves):  # inner ones first, so that one failure is one step
        inside = {move.span.span_id} | ({move.node.delegate.span.span_id} if move.node.delegate is not None else set())
        if move.failed and move.span.span_id in delegations and not inside & failing:
            work.steps.append(move)
            mark(move)


def _merge_reports(steps: Iterable[Draft]) -> list[Draft]:
    """Two instrumentations at once report one call twice: such steps become one (DESIGN.md, Steps 3)."""
    groups: dict[tuple[Kind, str], list[Draft]] = defaultdict(list)
    for step in steps:
        groups[step.kind, step.name if step.kind is Kind.TOOL else ""].append(step)
    kept: dict[bytes, Draft] = {}
    for group in groups.values():
        if len({step.span.origin.scope for step in group}) == 1:
            kept.update((step.span.span_id, step) for step in group)
            continue
        group.sort(key=lambda step: (step.start, step.end, step.span.span_id))
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
                kept[step.span.span_id] = step
            else:
                open_steps.remove(twin)
                kept[twin.span.span_id] = _fuller(twin, step)
    return list(kept.values())


def _same_call(one: Draft, other: Draft) -> bool:
    shorter = min(one.end - one.start, other.end - other.start)
    if one.span.origin.scope == other.span.origin.scope or 2 * _overlap(one, other) <= shorter:
        return False
    return not (_is_below(one.node, other.node) or _is_below(other.node, one.node))


def _is_below(inner: Node, outer: Node) -> bool:
    """Steps of one kind lie below each other only where an agent span is in between: else they fold."""
    above = inner.agent if inner.agent is not outer.agent else None
    while above is not None and above is not outer:
        above = above.parent
    return above is not None


def _overlap(one: Draft, other: Draft) -> int:
    return min(one.end, other.end) - max(one.start, other.start)


def _fuller(one: Draft, other: Draft) -> Draft:
    """The report with more details, failed if either says so."""

    def details(step: Draft) -> tuple[int, int, bytes]:
        reading = step.span.reading
        facts = (step.arguments, step.call_id, reading.has_result, step.requested, step.acknowledges is not None)
        return sum(map(bool, facts)), -step.start, step.span.span_id

    first, second = sorted((one, other), key=details, reverse=True)
    if second.failed and not first.failed:
        first.judgement = second.judgement
    first.arguments = first.arguments or second.arguments
    first.call_id = first.call_id or second.call_id
    return first


def _order(steps: list[Draft]) -> None:
    """By start, then as the model asked for them, then end, then span id. Adds the arguments that the model gave.

    Some frameworks count their call ids from 0 in every turn: an id means the last request before the call.
    """
    asked: dict[str, list[tuple[int, int, Call]]] = defaultdict(list)
    for step in steps:
        for position, call in enumerate(step.requested):
            if call.call_id:
                asked[call.call_id].append((step.start, position, call))
    for requests in asked.values():
        requests.sort(key=lambda request: request[:2])
    for step in steps:
        if step.call_id in asked:
            requests = asked[step.call_id]
            before = bisect_right(requests, step.start, key=lambda request: request[0])
            _, step.position, call = requests[max(before - 1, 0)]
            if call.arguments is not None and call.arguments not in step.arguments:
                step.arguments = (call.arguments, *step.arguments)
    steps.sort(key=lambda step: (step.start, step.position, step.end, step.span.span_id))
