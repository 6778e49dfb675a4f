"""Spans -> tree: who is below whom, which agent spans are outermost, and which spans are one run.

Everything is iterative and linear in the spans; cyclic or duplicate parents cannot make it loop.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from otelscore.model import (
    AGENT,
    CONSUMER,
    DELEGATION,
    LOOP,
    MODEL,
    ORDINARY,
    PART,
    SERVER,
    TOOL,
    WRAPPER,
    Kind,
    Span,
)

MAX_AT_ONCE = 100
"""Where one of many calls at the same time is looked for, only so many of the latest are; bounds the work."""


@dataclass(slots=True, eq=False)
class Node:
    """A span in its tree."""

    span: Span
    kind: Kind  # as the reading says, but where the tree tells: see `_settle`
    parent: Node | None = None
    agent: Node | None = None  # the nearest agent span above
    lost: bool = False  # the topmost span above waits for a parent of its own process
    below_step: bool = False  # so that a step above shows that an agent is missing there
    wrapper: Node | None = None  # the highest wrapper above or here
    has_step: bool = False
    has_model: bool = False  # a model span lies below
    tools: tuple[str, ...] = ()  # up to two different names of tool spans here or below
    worker: Node | None = None  # the first agent span with steps, here or below
    delegate: Node | None = None  # the agent span beside a tool span that does this delegation's work
    calls_model: bool = False  # a model span lies below, with neither tool nor agent in between
    calls_tool: bool = False  # likewise a tool span
    offers_tools: bool = False  # likewise a model span that was offered tools

    @property
    def repeats(self) -> bool:
        """Whether it is a model span that is none, but the whole loop of model and tool calls."""
        return self.kind is WRAPPER and self.span.reading.kind is MODEL


def local_parent_missing(span: Span) -> bool:
    """Whether a span that has no parent among its trace's spans waits for one of its own process.

    Flags decide; where they are not set, SERVER and CONSUMER spans have a remote parent, others a local one.
    """
    if not span.parent_id:
        return False
    remote = span.remote_parent
    return not (span.kind in (SERVER, CONSUMER) if remote is None else remote)


def wraps_run(node: Node) -> bool:
    """Whether an ended wrapper is a whole run without an agent span: both models and tools work below it."""
    return node.kind is WRAPPER and bool(node.span.end) and node.has_model and bool(node.tools)


def grow(spans: Sequence[Span]) -> list[Node]:
    """The spans as nodes, parents before children, siblings by start; tops are the nodes without a parent."""
    nodes = {span.span_id: Node(span, span.reading.kind) for span in spans}
    children: dict[bytes, list[Node]] = defaultdict(list)  # the latest first
    tops: list[Node] = []
    by_start = sorted(nodes.values(), key=_by_start)
    for node in reversed(by_start):
        parent_id = node.span.parent_id
        if parent_id in nodes and parent_id != node.span.span_id:
            children[parent_id].append(node)
        else:
            tops.append(node)
    order: list[Node] = []
    seen: set[bytes] = set()
    _descend(tops, children, order, seen)
    if len(order) < len(nodes):  # a cycle of parents: cut it at its earliest span
        for node in by_start:
            if node.span.span_id not in seen:
                _descend([node], children, order, seen)
    _settle(order)
    _look_up(order)
    _look_down(order)
    return order


def _by_start(node: Node) -> tuple[int, int, bytes]:
    span = node.span
    return (span.start, span.end, span.span_id)


def _descend(stack: list[Node], children: Mapping[bytes, list[Node]], order: list[Node], seen: set[bytes]) -> None:
    while stack:
        node = stack.pop()
        span_id = node.span.span_id
        seen.add(span_id)
        order.append(node)
        if span_id in children:
            for child in children[span_id]:
                if child.span.span_id not in seen:
                    child.parent = node
                    stack.append(child)


def _settle(order: list[Node]) -> None:
    """Says what a span is where only what lies below it tells.

    A loop is an agent if a model and a tool work in it, or tools are offered to its model, else a wrapper. A model span
    with a model and a tool below it is no call but the loop around them, and so a wrapper.
    """
    for node in reversed(order):
        kind, repeats = node.kind, node.calls_model and node.calls_tool
        if kind is LOOP:
            node.kind = AGENT if repeats or node.offers_tools else WRAPPER
        elif kind is MODEL and repeats:
            node.kind = WRAPPER
        parent = node.parent
        if parent is None or node.kind is AGENT:
            continue
        if kind is TOOL:
            parent.calls_tool = True
            continue
        parent.calls_model |= kind is MODEL or node.calls_model
        parent.calls_tool |= node.calls_tool
        parent.offers_tools |= node.span.reading.offered or node.offers_tools


def _look_up(order: list[Node]) -> None:
    for node in order:
        parent = node.parent
        if parent is not None:
            node.agent = parent if parent.kind is AGENT else parent.agent
            node.lost = parent.lost
            node.below_step = node.lost and (parent.below_step or parent.kind.is_step)
            node.wrapper = parent.wrapper
        else:
            node.lost = local_parent_missing(node.span)
        if node.wrapper is None and node.kind is WRAPPER:
            node.wrapper = node


def _look_down(order: list[Node]) -> None:
    for node in reversed(order):
        kind, role = node.kind, node.span.reading.role
        if kind.is_step and role is ORDINARY:
            node.has_step = True
            if kind is TOOL:
                node.tools = _two(node.tools, (node.span.reading.name,))
        if kind is AGENT and node.has_step:
            node.worker = node
        parent = node.parent
        if parent is not None:
            parent.has_step |= node.has_step
            parent.worker = node.worker or parent.worker
            parent.has_model |= node.has_model or kind is MODEL
            if node.tools:
                parent.tools = _two(parent.tools, node.tools)


def _two(left: tuple[str, ...], right: tuple[str, ...]) -> tuple[str, ...]:
    return left if len(left) == 2 else tuple(dict.fromkeys(left + right))[:2]


def find_delegations(order: Sequence[Node]) -> set[bytes]:
    """Ids of the tool spans that run another agent, and so are no steps (DESIGN.md, Steps 4).

    An agent span with steps lies below, or beside and inside its time; or both model and other tool steps lie below.
    Of several tools whose time holds one agent span beside them, the one that bears its name has it, else the shortest.
    An agent span beside the agent of a tool is that tool's too where it fills nearly all of its time: OpenLLMetry puts
    all agents of OpenAI's SDK side by side.
    """
    found = {
        node.span.span_id
        for node in order
        if node.kind is TOOL
        and node.span.reading.role is not PART
        and (
            node.span.reading.role is DELEGATION
            or node.worker is not None
            or (node.has_model and any(name != node.span.reading.name for name in node.tools))
        )
    }
    if not any(node.worker is node and node.span.parent_id for node in order):
        return found  # no agent span can lie beside a tool span
    siblings: dict[bytes, list[Node]] = defaultdict(list)
    below: dict[bytes, list[Node]] = defaultdict(list)  # tools by the parent of their agent
    for node in order:
        is_tool = node.kind is TOOL and node.worker is None
        if node.span.parent_id and (node.worker is node or is_tool):
            siblings[node.span.parent_id].append(node)
        if is_tool and node.agent is not None and node.agent.span.parent_id:
            below[node.agent.span.parent_id].append(node)
    for parent_id, group in siblings.items():
        agents = [node for node in group if node.kind is AGENT]
        if agents:
            found.update(_pair_beside(group))
        if len(agents) > 1 and parent_id in below:
            taken = {node.delegate.span.span_id for node in group if node.delegate is not None}
            free = [node for node in agents if node.span.span_id not in taken]
            found.update(_pair_beside([*below[parent_id], *free], filled=True))
    return found


def _pair_beside(group: list[Node], *, filled: bool = False) -> set[bytes]:
    """Pairs agent spans with the tool spans beside them, one to one; gives the tools' ids.

    `filled`: a tool must be of the same instrumentation, and nearly all of its time the agent's.
    """
    found: set[bytes] = set()
    running: list[Node] = []
    for node in sorted(group, key=lambda node: (node.span.start, node.kind is AGENT, node.span.span_id)):
        if node.kind is TOOL:
            running.append(node)
            continue
        running = [tool for tool in running if tool.span.end >= node.span.start][-MAX_AT_ONCE:]
        name = node.span.reading.name
        holders = [
            (not (name and name in tool.span.reading.name), tool.span.end - tool.span.start, index)
            for index, tool in enumerate(running)
            if tool.span.end >= node.span.end
            and tool.span.reading.role in (ORDINARY, DELEGATION)
            and (not filled or _fills(node, tool))
        ]
        if holders:
            tool = running.pop(min(holders)[-1])
            tool.delegate = node
            node.below_step |= node.lost and node.wrapper is None
            found.add(tool.span.span_id)
    return found


def _fills(agent: Node, tool: Node) -> bool:
    return (
        tool.agent is not agent
        and agent.span.origin.scope == tool.span.origin.scope
        and 4 * (agent.span.end - agent.span.start) >= 3 * (tool.span.end - tool.span.start)
    )


@dataclass(slots=True)
class Run:
    """The nodes of one run and the agent spans it is a run of (none where only steps came)."""

    top: Node
    agents: list[Node]
    nodes: list[Node]


def find_runs(order: Sequence[Node]) -> tuple[list[Run], list[Node]]:
    """(runs, nodes outside every run), in order of start.

    An agent span is outermost if no agent lies above it, nor a step that itself waits for its agent: an agent below a
    tool is somebody's sub-agent even if that somebody's span never came. Outermost agents below one wrapper are one
    run, whose top is the highest wrapper; any other is a run of its own.
    """
    runs: dict[bytes, Run] = {}
    member: dict[bytes, Run] = {}
    for node in order:
        if node.kind is AGENT and node.agent is None and not node.below_step:
            top = node.wrapper or node
            run = runs.setdefault(top.span.span_id, Run(top, [], []))
            run.agents.append(node)
    rest: list[Node] = []
    for node in order:
        own = runs.get(node.span.span_id) or (member.get(node.parent.span.span_id) if node.parent is not None else None)
        if own is None:
            rest.append(node)
        else:
            member[node.span.span_id] = own
            own.nodes.append(node)
    return list(runs.values()), rest
