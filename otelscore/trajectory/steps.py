"""Nodes of one run -> its steps: what folds into what, delegations, two reports of one call, order."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence

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
)
from otelscore.trajectory.drafts import AgentKey, Draft, Work
from otelscore.trajectory.errors import SUCCEEDED, Judgement
from otelscore.trajectory.reports import merge_reports
from otelscore.trajectory.requests import find_requests, hear_results
from otelscore.trajectory.tree import Node

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


def agent_key(node: Node, default: str) -> AgentKey:
    """The agent that an agent span is of; `default` names an unnamed one."""
    name = node.reading.name
    return AgentKey(name) if name else AgentKey(default, node.span_id)


def _agent(node: Node, default: str, above: AgentKey) -> AgentKey:
    """The same, in its tree: an unnamed one directly below an agent span is that agent, below a tool bears its name."""
    parent = node.parent
    if node.reading.name or parent is None:
        return agent_key(node, default)
    if parent.kind is AGENT:
        return above
    return agent_key(node, parent.reading.name if parent.kind is TOOL else default)


def find_steps(nodes: Sequence[Node], delegations: set[bytes], judgements: dict[bytes, Judgement], agent: str) -> Work:
    """The steps of one run in order, with its hand-offs, delegations and final answers.

    `nodes`: parents before children; `judgements`: by span id, for every span that is not plainly fine; `agent`: the
    run's agent, for steps outside every agent span and for agents without a name.
    """
    work = Work()
    top = AgentKey(agent)
    calls: dict[bytes, Draft] = {}  # what a tool span is a report of, where other spans may be parts of it
    beside = {node.delegate.span_id: node for node in nodes if node.delegate is not None} if delegations else {}
    folded = False
    for node in nodes:
        reading, parent, kind = node.reading, node.parent, node.kind
        here = top
        outer: tuple[Draft, ...] = ()
        if parent is not None and parent.caller is not None:
            here, outer = parent.caller, parent.folding
        if kind is AGENT:
            key = _agent(node, agent, here)
            tool = beside.get(node.span_id)
            if tool is not None and tool.parent is not None:
                here = tool.parent.caller or here
            if key != here and (node.agent is not None or node.below_step or tool is not None):
                work.callers.setdefault(key, here)
            here, outer = key, ()
        elif delegations and node.span_id in delegations:
            draft = calls[node.span_id] = Draft(node, here, judgements.get(node.span_id, SUCCEEDED))
            work.moves.append(draft)
            inner = AgentKey(reading.name)
            if node.delegate is None and node.worker is None and inner != here:
                work.callers.setdefault(inner, here)
                here = inner
            outer = ()
        elif kind is MODEL or kind is TOOL or kind is RETRIEVAL or reading.role is not ORDINARY:
            role = reading.role
            if role is ORDINARY:
                holder = _holder(outer, kind) if outer else None
                if holder is None:
                    draft = calls[node.span_id] = Draft(node, here, judgements.get(node.span_id, SUCCEEDED))
                    work.steps.append(draft)
                    outer = (draft, *outer)
                elif holder.kind is kind and (kind is not TOOL or reading.name == holder.name):
                    calls[node.span_id] = holder
                    holder.inner.append(node)
                    folded = True
            elif role is HANDOFF:
                work.moves.append(Draft(node, here, judgements.get(node.span_id, SUCCEEDED)))
            elif role is FINAL_ANSWER:
                work.answers.append(node)
            elif role is PART and parent is not None and parent.span_id in calls:
                calls[parent.span_id].inner.append(node)
                folded = True
        node.caller, node.folding = here, outer
    if folded and judgements:
        for call in (*work.steps, *work.moves):
            if call.inner:
                call.judgement = _with_inner(call, judgements)
    _blame_last_calls(work.steps, nodes, judgements)
    find_requests(work.steps)
    hear_results(work.steps)
    _add_failed_delegations(work, delegations)
    work.steps = merge_reports(work.steps)
    _order(work.steps)
    return work


def _holder(outer: tuple[Draft, ...], kind: Kind) -> Draft | None:
    """The nearest of the steps above that a span of this kind folds into."""
    for step in outer:
        if (step.kind, kind) in FOLDS:
            return step
    return None


def _with_inner(step: Draft, judgements: dict[bytes, Judgement]) -> Judgement:
    """The last of the innermost spans of the call has a word, unless the outer one failed or says OK explicitly."""
    if step.judgement.failed or step.judgement.skipped or step.span.status == OK:
        return step.judgement
    above: set[bytes] = set()
    for node in step.inner:
        outer = node.parent
        while outer is not None and outer is not step.node and outer.span_id not in above:
            above.add(outer.span_id)
            outer = outer.parent
    innermost = [node for node in step.inner if node.span_id not in above]
    last = max(innermost, key=lambda node: (node.span.start, node.span.end, node.span_id))
    return judgements.get(last.span_id, step.judgement)


def _blame_last_calls(steps: Sequence[Draft], nodes: Sequence[Node], judgements: dict[bytes, Judgement]) -> None:
    """Where a span around a loop of model calls failed, and its last step is a model call, that call failed."""
    if not judgements:
        return
    failed = [node for node in nodes if node.repeats and judgements.get(node.span_id, SUCCEEDED).failed]
    if not failed:
        return
    own = {node.span_id for node in failed}
    around: dict[bytes, bytes] = {}  # the nearest of them, here or above
    for node in nodes:
        above = node.parent.span_id if node.parent is not None else b""
        around[node.span_id] = node.span_id if node.span_id in own else around.get(above, b"")
    last: dict[bytes, Draft] = {}
    for step in sorted(steps, key=lambda step: (step.start, step.end, step.span_id)):
        last[around.get(step.span_id, b"")] = step
    for node in reversed(failed):
        final = last.get(node.span_id)
        if final is None:
            continue
        if final.kind is MODEL and not final.failed and not final.judgement.skipped:
            final.judgement = judgements[node.span_id]
        outer = around.get(node.parent.span_id, b"") if node.parent is not None else b""
        if outer not in last or last[outer].start <= final.start:
            last[outer] = final


def _add_failed_delegations(work: Work, delegations: set[bytes]) -> None:
    """A delegation with an error of its own and no failure inside is a failed step."""
    if not work.moves:
        return
    failing: set[bytes] = set()  # what a failed step lies below

    def mark(step: Draft) -> None:
        above: Node | None = step.node
        while above is not None and above.span_id not in failing:
            failing.add(above.span_id)
            above = above.parent

    for step in work.steps:
        if step.failed:
            mark(step)
    for move in reversed(work.moves):  # inner ones first, so that one failure is one step
        inside = {move.span_id} | ({move.node.delegate.span_id} if move.node.delegate is not None else set())
        if move.failed and move.span_id in delegations and not inside & failing:
            work.steps.append(move)
            mark(move)


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
    steps.sort(key=lambda step: (step.start, step.position, step.end, step.span_id))
