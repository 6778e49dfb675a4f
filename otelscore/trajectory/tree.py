"""Spans -> tree: who is below whom, which agent spans are outermost, and which spans are one run.

Everything is iterative and linear in the spans; cyclic or duplicate parents cannot make it loop.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

from otelscore.model import (
    AGENT,
    CONSUMER,
    DELEGATION,
    LOOP,
    MODEL,
    ORDINARY,
    PART,
    RETRIEVAL,
    SERVER,
    TOOL,
    WRAPPER,
    Span,
)

if TYPE_CHECKING:
    from otelscore.trajectory.drafts import AgentKey, Draft

MAX_AT_ONCE = 100
"""Where one of many calls at the same time is looked for, only so many of the latest are; bounds the work."""


class Node:
    """A span in its tree; a plain class with slots, since one is made for every span."""

    __slots__ = (
        "agent",
        "below_step",
        "caller",
        "calls_model",
        "calls_tool",
        "delegate",
        "first",
        "folding",
        "has_model",
        "has_step",
        "kind",
        "loop",
        "lost",
        "next",
        "offers_tools",
        "parent",
        "reading",
        "span",
        "span_id",
        "tools",
        "worker",
        "wrapper",
    )

    def __init__(self, span: Span) -> None:
        self.span = span
        self.span_id = span.span_id
        self.reading = reading = span.reading
        self.kind = reading.kind  # but where the tree tells: see `_settle`
        self.parent: Node | None = None
        self.first: Node | None = None  # the earliest span below it
        self.next: Node | None = None  # the next one beside it
        self.agent: Node | None = None  # the nearest agent span above
        self.loop: Node | None = None  # the nearest agent or tool span above
        self.lost = False  # the topmost span above waits for a parent of its own process
        self.below_step = False  # so that a step above shows that an agent is missing there
        self.wrapper: Node | None = None  # the highest wrapper above or here
        self.has_step = False
        self.has_model = False  # a model span lies below
        self.tools: tuple[str, ...] = ()  # up to two different names of tool spans here or below
        self.worker: Node | None = None  # the first agent span with steps, here or below
        self.delegate: Node | None = None  # the agent span beside a tool span that does this delegation's work
        self.calls_model = False  # a model span lies below, with neither tool nor agent in between
        self.calls_tool = False  # likewise a tool span
        self.offers_tools = False  # likewise a model span that was offered tools
        self.caller: AgentKey | None = None  # whose work lies directly below: set and used by steps.py
        self.folding: tuple[Draft, ...] = ()  # steps here and above that it may fold into: likewise

    @property
    def repeats(self) -> bool:
        """Whether it is a model span that is none, but the whole loop of model and tool calls."""
        return self.kind is WRAPPER and self.reading.kind is MODEL


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
    by_start = [Node(span) for span in sorted(spans, key=_by_start)]
    nodes = {node.span_id: node for node in by_start}
    top: Node | None = None
    for node in reversed(by_start):
        parent = nodes.get(node.span.parent_id)
        if parent is None or parent is node:
            node.next, top = top, node
        else:
            node.parent = parent
            node.next, parent.first = parent.first, node
    order: list[Node] = []
    _descend(top, order)
    if len(order) < len(by_start):
        _cut_cycles(by_start, order)
    _settle(order)
    _look_up(order)
    return order


_by_start = attrgetter("start", "end", "span_id")


def _descend(top: Node | None, order: list[Node]) -> None:
    stack = [top] if top is not None else []
    while stack:
        node = stack.pop()
        order.append(node)
        if node.next is not None:
            stack.append(node.next)
        if node.first is not None:
            stack.append(node.first)


def _cut_cycles(by_start: list[Node], order: list[Node]) -> None:
    """Spans that no top is above lie on or below a cycle of parents: cut it at its earliest span."""
    seen = {node.span_id for node in order}
    for node in by_start:
        if node.span_id not in seen:
            if node.parent is not None:
                node.parent.first = node.next  # it is the first: those before it have been cut off themselves
            node.next = node.parent = None
            found: list[Node] = []
            _descend(node, found)
            seen.update(below.span_id for below in found)
            order += found


def _settle(order: list[Node]) -> None:
    """Tells every node what lies below it, and what it is where only that tells.

    A loop is an agent if a model and a tool work in it, or tools are offered to its model, else a wrapper. A model span
    with a model and a tool below it is no call but the loop around them, and so a wrapper.
    """
    for node in reversed(order):
        read = node.kind
        repeats = node.calls_model and node.calls_tool
        if read is LOOP:
            node.kind = AGENT if repeats or node.offers_tools else WRAPPER
        elif read is MODEL and repeats:
            node.kind = WRAPPER
        kind, parent = node.kind, node.parent
        if kind is MODEL or kind is TOOL or kind is RETRIEVAL:
            if node.reading.role is ORDINARY:
                node.has_step = True
                if kind is TOOL:
                    node.tools = _two(node.tools, (node.reading.name,))
        elif kind is AGENT and node.has_step:
            node.worker = node
        if parent is None:
            continue
        if node.has_step:
            parent.has_step = True
        if node.worker is not None:
            parent.worker = node.worker
        if node.has_model or kind is MODEL:
            parent.has_model = True
        if node.tools:
            parent.tools = _two(parent.tools, node.tools)
        if kind is AGENT:
            continue
        if read is TOOL:
            parent.calls_tool = True
            continue
        if read is MODEL or node.calls_model:
            parent.calls_model = True
        if node.calls_tool:
            parent.calls_tool = True
        if node.reading.offered or node.offers_tools:
            parent.offers_tools = True


def _look_up(order: list[Node]) -> None:
    for node in order:
        parent = node.parent
        if parent is not None:
            above = parent.kind
            node.agent = parent if above is AGENT else parent.agent
            node.loop = parent if above is AGENT or above is TOOL else parent.loop
            node.lost = parent.lost
            node.below_step = node.lost and (parent.below_step or above.is_step)
            node.wrapper = parent.wrapper
        else:
            node.lost = local_parent_missing(node.span)
        if node.kind is WRAPPER and node.wrapper is None:
            node.wrapper = node


def release(order: Sequence[Node]) -> None:
    """Cuts the circles of references among nodes that nobody needs any more: they go at once, without a collector."""
    for node in order:
        node.first = node.next = node.worker = node.delegate = None
        node.folding = ()


def _two(left: tuple[str, ...], right: tuple[str, ...]) -> tuple[str, ...]:
    if len(left) == 2 or left == right:
        return left
    return tuple(dict.fromkeys(left + right))[:2] if left else right


def find_delegations(order: Sequence[Node]) -> set[bytes]:
    """Ids of the tool spans that run another agent, and so are no steps (DESIGN.md, Steps 4).

    An agent span with steps lies below, or beside and inside its time; or both model and other tool steps lie below.
    Of several tools whose time holds one agent span beside them, the one that bears its name has it, else the shortest.
    An agent span beside the agent of a tool is that tool's too where it fills nearly all of its time: OpenLLMetry puts
    all agents of OpenAI's SDK side by side.
    """
    found: set[bytes] = set()
    beside = False  # whether an agent span can lie beside a tool span
    for node in order:
        if node.kind is TOOL:
            role, name = node.reading.role, node.reading.name
            if role is DELEGATION or (
                role is not PART
                and (node.worker is not None or (node.has_model and any(tool != name for tool in node.tools)))
            ):
                found.add(node.span_id)
        elif node.worker is node and node.span.parent_id:
            beside = True
    if not beside:
        return found
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
        name = node.reading.name
        holders = [
            (not (name and name in tool.reading.name), tool.span.end - tool.span.start, index)
            for index, tool in enumerate(running)
            if tool.span.end >= node.span.end
            and tool.reading.role in (ORDINARY, DELEGATION)
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
    tops = 0
    for node in order:
        tops += node.parent is None
        if node.kind is AGENT and node.agent is None and not node.below_step:
            top = node.wrapper or node
            run = runs.setdefault(top.span_id, Run(top, [], []))
            run.agents.append(node)
    rest: list[Node] = []
    if tops == 1 and len(runs) == 1 and order[0].span_id in runs:  # as nearly all are
        runs[order[0].span_id].nodes += order
        return list(runs.values()), rest
    member: dict[bytes, Run] = {}
    for node in order:
        own = runs.get(node.span_id) or (member.get(node.parent.span_id) if node.parent is not None else None)
        if own is None:
            rest.append(node)
        else:
            member[node.span_id] = own
            own.nodes.append(node)
    return list(runs.values()), rest
