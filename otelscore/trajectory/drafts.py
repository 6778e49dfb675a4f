"""Steps in the making, and what else the agents of a run did."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple

from otelscore.trajectory.errors import CLOCK_GRAIN, Judgement
from otelscore.trajectory.tree import Node


class AgentKey(NamedTuple):
    """An agent of a run: by its name, an unnamed one by its span. `name` is what is shown."""

    name: str
    span_id: bytes = b""


class Draft:
    """A step in the making; a plain class with slots, since one is made for every step."""

    __slots__ = (
        "acknowledges",
        "agent",
        "arguments",
        "call_id",
        "end",
        "inner",
        "judgement",
        "kind",
        "name",
        "node",
        "position",
        "requested",
        "span",
        "span_id",
        "start",
        "turn",
    )

    def __init__(self, node: Node, agent: AgentKey, judgement: Judgement) -> None:
        span, reading = node.span, node.reading
        self.node = node
        self.span = span
        self.span_id = node.span_id
        self.start: int = span.start
        self.end: int = span.end
        self.kind = reading.kind
        self.name = reading.name
        self.agent = agent
        self.judgement = judgement
        arguments = reading.arguments
        # Hashes: as the model gave them and as the span has them; () where not captured.
        self.arguments: tuple[bytes, ...] = () if arguments is None else (arguments,)
        self.call_id = reading.call_id
        self.requested = reading.requested
        self.acknowledges = reading.acknowledges
        self.inner: list[Node] = []  # spans of the same call below it
        self.position = 0  # in the list of calls that the model asked for
        self.turn = 0

    @property
    def over(self) -> int:
        """From when on a start is after the end, as far as clocks can tell."""
        return max(self.start + 1, self.end - CLOCK_GRAIN + 1)

    @property
    def failed(self) -> bool:
        return self.judgement.failed


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
        steps = {step.span_id for step in self.steps}
        moves = [move for move in self.moves if move.span_id not in steps]
        return sorted((*self.steps, *moves), key=_start)


_start = attrgetter("start")
