"""Nodes of one run -> its steps: what folds into what, delegations, two reports of one call, order."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from otelscore.model import (
    AGENT,
    FINAL_ANSWER,
    HANDOFF,
    MODEL,
    OK,
    ORDINARY,
    PART,
    RETRIEVAL,
    TOOL,
    Call,
    Kind,
    Result,
    Span,
)
from otelscore.trajectory.errors import CLOCK_GRAIN, SUCCEEDED, Judgement
from otelscore.trajectory.tree import MAX_AT_ONCE, Node

MAX_LEVELS = 32
"""Levels of spans between two steps that are looked through; bounds the work."""

FOLDS = frozenset(
    {
        (MODEL, MODEL),
        (TOOL, TOOL),
        (TOOL, MODEL),
        (TOOL, RETRIEVAL),
        (RETRIEVAL, RETRIEVAL),
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


def _agent(node: Node, default: str, above: AgentKey) -> AgentKey:
    """The same, in its tree: an unnamed one directly below an agent span is that agent, below a tool bears its name."""
    parent = node.parent
    if node.span.reading.name or parent is None:
        return agent_key(node, default)
    if parent.kind is AGENT:
        return above
    return agent_key(node, parent.span.reading.name if parent.kind is TOOL else default)


def find_steps(nodes: Sequence[Node], delegations: set[bytes], judgements: dict[bytes, Judgement], agent: str) -> Work:
    """The steps of one run in order, with its hand-offs, delegations and final answers.

    `nodes`: parents before children; `judgements`: by span id, for every span that is not plainly fine; `agent`: the
    run's agent, for steps outside every agent span and for agents without a name.
    """
    work = Work()
    top = AgentKey(agent)
    agents: dict[bytes, AgentKey] = {}  # of what lies directly below a node
    enclosing: dict[bytes, tuple[Draft, ...]] = {}  # steps above, nearest first, up to the nearest agent
    calls: dict[bytes, Draft] = {}  # what a tool span is a report of
    beside = {node.delegate.span.span_id: node for node in nodes if node.delegate is not None}
    for node in nodes:
        span, reading = node.span, node.span.reading
        above = node.parent.span.span_id if node.parent is not None else b""
        here, outer = agents.get(above, top), enclosing.get(above, ())
        kind = node.kind
        if kind is AGENT:
            key = _agent(node, agent, here)
            tool = beside.get(span.span_id)
            if tool is not None and tool.parent is not None:
                here = agents.get(tool.parent.span.span_id, here)
            if key != here and (node.agent is not None or node.below_step or tool is not None):
                work.callers.setdefault(key, here)
            here, outer = key, ()
        elif span.span_id in delegations:
            calls[span.span_id] = _draft(node, here, judgements)
            work.moves.append(calls[span.span_id])
            inner = AgentKey(reading.name)
            if node.delegate is None and node.worker is None and inner != here:
                work.callers.setdefault(inner, here)
                here = inner
            outer = ()
        elif reading.role is HANDOFF:
            work.moves.append(_draft(node, here, judgements))
        elif reading.role is FINAL_ANSWER:
            work.answers.append(node)
        elif reading.role is PART:
            if above in calls:
                calls[above].inner.append(node)
        elif kind.is_step and reading.role is ORDINARY:
            holder = next((step for step in outer if (step.kind, kind) in FOLDS), None) if outer else None
            if holder is None:
                draft = calls[span.span_id] = _draft(node, here, judgements)
                work.steps.append(draft)
                outer = (draft, *outer)
            elif holder.kind is kind and (kind is not TOOL or reading.name == holder.name):
                calls[span.span_id] = holder
                holder.inner.append(node)
        agents[span.span_id], enclosing[span.span_id] = here, outer
    for call in (*work.steps, *work.moves):
        if call.inner:
            call.judgement = _with_inner(call, judgements)
    _blame_last_calls(work.steps, nodes, judgements)
    _find_requests(work.steps)
    _hear_results(work.steps)
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
        judgement=judgements.get(span.span_id, SUCCEEDED),
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


def _blame_last_calls(steps: Sequence[Draft], nodes: Sequence[Node], judgements: dict[bytes, Judgement]) -> None:
    """Where a span around a loop of model calls failed, and its last step is a model call, that call failed."""
    if not judgements:
        return
    failed = [node for node in nodes if node.repeats and judgements.get(node.span.span_id, SUCCEEDED).failed]
    if not failed:
        return
    own = {node.span.span_id for node in failed}
    around: dict[bytes, bytes] = {}  # the nearest of them, here or above
    for node in nodes:
        above = node.parent.span.span_id if node.parent is not None else b""
        around[node.span.span_id] = node.span.span_id if node.span.span_id in own else around.get(above, b"")
    last: dict[bytes, Draft] = {}
    for step in sorted(steps, key=lambda step: (step.start, step.end, step.span.span_id)):
        last[around.get(step.span.span_id, b"")] = step
    for node in reversed(failed):
        final = last.get(node.span.span_id)
        if final is None:
            continue
        if final.kind is MODEL and not final.failed and not final.judgement.skipped:
            final.judgement = judgements[node.span.span_id]
        outer = around.get(node.parent.span.span_id, b"") if node.parent is not None else b""
        if outer not in last or last[outer].start <= final.start:
            last[outer] = final


def _find_requests(steps: Sequence[Draft]) -> None:
    """Gives calls without an id, and without arguments, those of the requests for them.

    A request is one of the last model call of the same agent, for a tool of that name. Of several, the one for the same
    arguments, else the next one; none where not as many calls were made, of one instrumentation, as were asked for.
    """
    asked: dict[AgentKey, list[Draft]] = defaultdict(list)
    for step in steps:
        if step.requested:
            asked[step.agent].append(step)
    if not asked:
        return
    for models in asked.values():
        models.sort(key=lambda step: step.start)
    made: dict[tuple[bytes, str, str], list[Draft]] = defaultdict(list)
    requests: dict[tuple[bytes, str, str], list[Call]] = {}
    for step in sorted(steps, key=lambda step: (step.start, step.end, step.span.span_id)):
        models = asked.get(step.agent, [])
        if step.kind is not TOOL or step.call_id or not models:
            continue
        before = bisect_left(models, step.start, key=lambda model: model.start)
        if before:
            model = models[before - 1]
            key = (model.span.span_id, step.name, step.span.origin.scope)
            if key not in made:
                requests[key] = [call for call in model.requested if call.name == step.name]
            made[key].append(step)
    for key, calls in made.items():
        if len(requests[key]) != len(calls):
            continue
        free = dict(enumerate(requests[key]))
        by_arguments: dict[bytes | None, deque[int]] = defaultdict(deque)
        for number, request in free.items():
            by_arguments[request.arguments].append(number)
        for call in calls:
            for waiting in (waiting for given in call.arguments if (waiting := by_arguments.get(given))):
                while waiting and waiting[0] not in free:
                    waiting.popleft()
            same = min((by_arguments[given][0] for given in call.arguments if by_arguments.get(given)), default=None)
            request = free.pop(next(iter(free)) if same is None else same)
            call.call_id = request.call_id
            if request.arguments is not None and not call.arguments:
                call.arguments = (request.arguments,)


def _hear_results(steps: Sequence[Draft]) -> None:
    """A tool span failed where the next model call to hear of its call was told so.

    Where the span has a result of its own, only a flag says more than that.
    """
    heard: dict[str, list[tuple[int, Result]]] = defaultdict(list)
    for step in steps:
        for result in step.span.reading.results:
            if result.call.call_id:
                heard[result.call.call_id].append((step.start, result))
    if not heard:
        return
    for told in heard.values():
        told.sort(key=lambda item: item[0])
    for step in steps:
        if step.kind is not TOOL or step.failed or step.judgement.skipped:
            continue
        told = heard.get(step.call_id, [])
        later = bisect_left(told, step.start, key=lambda item: item[0])
        after = told[later][1] if later < len(told) else None
        if after is not None and after.failure is not None and (after.flagged or not step.span.reading.has_result):
            step.judgement = Judgement(True, failure=after.failure, soft_error=after.soft_error)


def _add_failed_delegations(work: Work, delegations: set[bytes]) -> None:
    """A delegation with an error of its own and no failure inside is a failed step."""
    if not work.moves:
        return
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


def _merge_reports(steps: list[Draft]) -> list[Draft]:
    """Two instrumentations at once report one call twice: such steps become one (DESIGN.md, Steps 3)."""
    if len({step.span.origin.scope for step in steps}) < 2:
        return steps
    groups: dict[tuple[Kind, str], list[Draft]] = defaultdict(list)
    for step in steps:
        groups[step.kind, step.name if step.kind is TOOL else ""].append(step)
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
        return sum(map(bool, facts)), -step.start, step.span.span_id

    first, second = sorted((one, other), key=details, reverse=True)
    if second.failed and not first.failed:
        first.judgement = second.judgement
    first.arguments = first.arguments or second.arguments
    first.call_id = first.call_id or second.call_id
    first.inner += (second.node, *second.inner)
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
