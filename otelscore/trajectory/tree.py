"""Spans -> tree: who is below whom, which agent spans are outermost, and which spans are one run.

Everything is iterative and linear in the spans; cyclic or duplicate parents cannot make it loop.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from otelscore.model import CONSUMER, SERVER, Kind, Role, Span

MAX_AT_ONCE = 100
"""Where one of many calls at the same time is looked for, only so many of the latest are; bounds the work."""


@dataclass(slots=True, eq=False)
class Node:
    """A span in its tree."""

    span: Span
    parent: Node | None = None
    children: list[Node] = field(default_factory=list)
    agent: Node | None = None  # the nearest agent span above
    lost: bool = False  # the topmost span above waits for a parent of its own process
    below_step: bool = False  # so that a step above shows that an agent is missing there
    wrapper: Node | None = None  # the highest wrapper above or here
    has_step: bool = False
    has_model: bool = False  # a model span lies below
    tools: tuple[str, ...] = ()  # up to two different names of tool spans here or below
    worker: Node | None = None  # the first agent span with steps, here or below
    delegate: Node | None = None  # the agent span beside a tool span that does this delegation's work

    @property
    def kind(self) -> Kind:
        return self.span.reading.kind


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
    return node.kind is Kind.WRAPPER and bool(node.span.end) and node.has_model and bool(node.tools)


def grow(spans: Sequence[Span]) -> list[Node]:
    """The spans as nodes, parents before children, siblings by start; tops are the nodes without a parent."""
    nodes = {span.span_id: Node(span) for span in spans}
    tops: list[Node] = []
    for node in nodes.values():
        parent = nodes.get(node.span.parent_id)
        if parent is None or parent is node:
            tops.append(node)
        else:
            parent.children.append(node)
    for node in nodes.values():
        node.children.sort(key=_by_start)
    order: list[Node] = []
    seen: set[bytes] = set()
    _descend(tops, order, seen)
    if len(order) < len(nodes):  # a cycle of parents: cut it at its earliest span
        for node in sorted(nodes.values(), key=_by_start):
            if node.span.span_id not in seen:
                _descend([node], order, seen)
    _look_up(order)
    _look_down(order)
    return order


def _by_start(node: Node) -> tuple[int, int, bytes]:
    return (node.span.start, node.span.end, node.span.span_id)


def _descend(tops: Iterable[Node], order: list[Node], seen: set[bytes]) -> None:
    stack = sorted(tops, key=_by_start, reverse=True)
    while stack:
        node = stack.pop()
        if node.span.span_id in seen:
            continue
        seen.add(node.span.span_id)
        order.append(node)
        for child in reversed(node.children):
            if child.span.span_id not in seen:
                child.parent = node
                stack.append(child)


def _look_up(order: list[Node]) -> None:
    for node in order:
        parent = node.parent
        if parent is not None:
            node.agent = parent if parent.kind is Kind.AGENT else parent.agent
            node.lost = parent.lost
            node.below_step = node.lost and (parent.below_step or parent.kind.is_step)
            node.wrapper = parent.wrapper
        else:
            node.lost = local_parent_missing(node.span)
        if node.wrapper is None and node.kind is Kind.WRAPPER:
            node.wrapper = node


def _look_down(order: list[Node]) -> None:
    for node in reversed(order):
        kind, role = node.kind, node.span.reading.role
        if kind.is_step and role is Role.ORDINARY:
            node.has_step = True
            if kind is Kind.TOOL:
                node.tools = _two(node.tools, (node.span.reading.name,))
        if kind is Kind.AGENT and node.has_step:
            node.worker = node
        parent = node.parent
        if parent is not None:
            parent.has_step |= node.has_step
            parent.worker = node.worker or parent.worker
            parent.has_model |= node.has_model or kind is Kind.MODEL
            parent.tools = _two(parent.tools, node.tools)


def _two(left: tuple[str, ...], right: tuple[str, ...]) -> tuple[str, ...]:
    return left if len(left) == 2 or not right else tuple(dict.fromkeys(left + right))[:2]


def find_delegations(order: Sequence[Node]) -> set[bytes]:
    """Ids of the tool spans that run another agent, and so are no steps (DESIGN.md, Steps 4).

    An agent span with steps lies below, or beside and inside its time; or both model and other tool steps lie below.
    Of several tools whose time holds one agent span beside them, the one that bears its name has it, else the shortest.
    """
    found = {
        node.span.span_id
        for node in order
        if node.kind is Kind.TOOL
        and (
            node.span.reading.role is Role.DELEGATION
            or node.worker is not None
            or (node.has_model and any(name != node.span.reading.name for name in node.tools))
        )
    }
    siblings: dict[bytes, list[Node]] = defaultdict(list)
    for node in order:
        if node.span.parent_id and (node.worker is node or (node.kind is Kind.TOOL and node.worker is None)):
            siblings[node.span.parent_id].append(node)
    for group in siblings.values():
        if any(node.kind is Kind.AGENT for node in group):
            found.update(_pair_beside(group))
    return found


def _pair_beside(group: list[Node]) -> set[bytes]:
    """Pairs agent spans with the tool spans beside them, one to one; gives the tools' ids."""
    found: set[bytes] = set()
    running: list[Node] = []
    for node in sorted(group, key=lambda node: (node.span.start, node.kind is Kind.AGENT, node.span.span_id)):
        if node.kind is Kind.TOOL:
            running.append(node)
            continue
        running = [tool for tool in running if tool.span.end >= node.span.start][-MAX_AT_ONCE:]
        name = node.span.reading.name
        holders = [
            (not (name and name in tool.span.reading.name), tool.span.end - tool.span.start, index)
            for index, tool in enumerate(running)
            if tool.span.end >= node.span.end and tool.span.reading.role in (Role.ORDINARY, Role.DELEGATION)
        ]
        if holders:
            tool = running.pop(min(holders)[-1])
            tool.delegate = node
            node.below_step |= node.lost and node.wrapper is None
            found.add(tool.span.span_id)
    return found


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
        if node.kind is Kind.AGENT and node.agent is None and not node.below_step:
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
