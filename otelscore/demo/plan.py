"""What the demo's agents do, and what otelscore should find: pure, and the same for the same seed."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from otelscore.demo.agents import AGENTS, EPISODES, FAULTS, MODEL, Agent, Ending, Episode, Fault, Move
from otelscore.model import Kind, Outcome, Response

VERDICT_DELAYS = (5.0, 30.0)  # least and most seconds from the end of a run to its verdict


@dataclass(frozen=True, slots=True)
class Call:
    """One tool call, or one question to another agent."""

    tool: str
    kind: Kind
    arguments: str  # JSON
    seconds: float
    fault: Fault | None = None
    response: Response | None = None
    in_turn: bool = False  # begins when the call before it has ended, else together with it
    helper: Agent | None = None  # the agent that it asks
    helper_turns: tuple[Turn, ...] = ()


@dataclass(frozen=True, slots=True)
class Turn:
    """One model call and the calls that it asked for. A turn without calls and without a fault ends the run."""

    seconds: float  # of the model call
    calls: tuple[Call, ...] = ()
    fault: Fault | None = None  # of the model call
    response: Response | None = None
    text: str = ""  # the final answer


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """What otelscore should find for one step."""

    kind: Kind
    name: str  # of the tool or model
    agent: str
    failed: bool
    response: Response | None
    recovered: bool | None  # None where it did not fail


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one agent."""

    agent: Agent
    turns: tuple[Turn, ...]
    ending: Ending
    passed: bool | None  # the verdict; None: there will be none
    verdict_delay: float  # seconds from the end of the run

    @property
    def outcome(self) -> Outcome:
        return {Ending.CRASHED: Outcome.FAILED, Ending.KILLED: Outcome.INCOMPLETE}.get(self.ending, Outcome.COMPLETED)

    @property
    def steps(self) -> tuple[PlannedStep, ...]:
        """The steps in order. Nobody can know how a killed run would have answered and repaired its failures."""
        steps = _steps(self.agent, self.turns)
        if self.ending is not Ending.KILLED:
            return steps
        return tuple(replace(step, response=None, recovered=step.recovered or None) for step in steps)


def plan(seed: int, n: int) -> tuple[Run, ...]:
    """The first `n` runs of a seed."""
    return tuple(itertools.islice(runs(seed), n))


def runs(seed: int) -> Iterator[Run]:
    """The runs of a seed, without end."""
    rng = random.Random(seed)
    weights = [agent.weight for agent in AGENTS]
    while True:
        yield _Writer(rng).run(rng.choices(AGENTS, weights)[0])


def starts(turn: Turn) -> list[float]:
    """When each call of a turn begins, in seconds from the start of the turn's model call."""
    begins: list[float] = []
    for i, call in enumerate(turn.calls):
        after_previous = begins[i - 1] + turn.calls[i - 1].seconds + 0.01 if call.in_turn else 0.0
        begins.append(after_previous or turn.seconds + 0.001 * (i + 1))
    return begins


def seconds(turns: Sequence[Turn]) -> float:
    """How long some turns take, one after another."""
    return sum(turn_seconds(turn) for turn in turns)


def turn_seconds(turn: Turn) -> float:
    ends = [begin + call.seconds for begin, call in zip(starts(turn), turn.calls, strict=True)]
    return max(ends, default=turn.seconds) + 0.01


@dataclass(frozen=True, slots=True)
class _Placed:
    """A step and what decides whether it repairs an earlier one."""

    step: PlannedStep
    turn: int  # counted over all agents of the run
    arguments: str

    def repairs(self, failed: _Placed) -> bool:
        """Same tool, later turn; or the same call again in the same turn. Only asked of what comes later."""
        same = (self.step.kind, self.step.name, self.step.agent) == (
            failed.step.kind,
            failed.step.name,
            failed.step.agent,
        )
        return same and not self.step.failed and (self.turn > failed.turn or self.arguments == failed.arguments)


def _steps(agent: Agent, turns: Sequence[Turn]) -> tuple[PlannedStep, ...]:
    placed = list(_placed(agent, turns, itertools.count()))
    return tuple(
        replace(at.step, recovered=any(later.repairs(at) for later in placed[i + 1 :])) if at.step.failed else at.step
        for i, at in enumerate(placed)
    )


def _placed(agent: Agent, turns: Sequence[Turn], numbers: Iterator[int]) -> Iterator[_Placed]:
    for turn in turns:
        number = next(numbers)
        step = PlannedStep(Kind.MODEL, agent.model, agent.name, turn.fault is not None, turn.response, None)
        yield _Placed(step, number, "")
        for call in turn.calls:
            if call.helper:
                yield from _placed(call.helper, call.helper_turns, numbers)
            else:
                step = PlannedStep(call.kind, call.tool, agent.name, call.fault is not None, call.response, None)
                yield _Placed(step, number, call.arguments)


def _pick(rng: random.Random, weights: dict[str, int]) -> str:
    return rng.choices(list(weights), list(weights.values()))[0]


class _Writer:
    """Makes up one run. Arguments are numbered, so that calls have the same ones only where an episode says so."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._numbers = itertools.count(rng.randrange(1000, 9000))

    def run(self, agent: Agent) -> Run:
        turns = self._work(agent)
        last = _pick(self._rng, dict(agent.endings))
        ending = Ending.ANSWERED
        if last:
            episode = EPISODES[last]
            turns += self._episode(agent, episode)
            ending = episode.ending or ending
        if ending is Ending.ANSWERED:
            turns.append(self._final(agent.answer))
        elif ending is Ending.ACKNOWLEDGED:
            turns.append(self._final("I could not do this: the system that I need did not let me."))
        unrecovered = any(step.recovered is False for step in _steps(agent, turns))
        passed = ending is Ending.ANSWERED and self._rng.random() < agent.passes * (0.4 if unrecovered else 1)
        judged = ending is not Ending.KILLED and self._rng.random() < 0.8
        return Run(agent, tuple(turns), ending, passed if judged else None, self._rng.uniform(*VERDICT_DELAYS))

    def _work(self, agent: Agent) -> list[Turn]:
        turns: list[Turn] = []
        for _ in range(self._rng.randint(*agent.turns)):
            if agent.helper and self._rng.random() < 0.25:
                turns.append(self._turn((self._ask(agent.helper),)))
            else:
                turns.append(self._turn(self._ordinary_calls(agent)))
            if self._rng.random() < agent.trouble:
                turns += self._episode(agent, EPISODES[_pick(self._rng, dict(agent.episodes))])
        return turns

    def _ordinary_calls(self, agent: Agent) -> tuple[Call, ...]:
        several = self._rng.choices((1, 2, 3), (7, 2, 1))[0]
        tools = self._rng.sample(sorted({**agent.tools, **agent.side_effects}), several)
        return tuple(self._call(agent, tool, next(self._numbers)) for tool in tools)

    def _ask(self, helper: Agent) -> Call:
        turns = (*self._work(helper), self._final(helper.answer))
        return Call(
            tool=f"ask_{helper.name}",
            kind=Kind.TOOL,
            arguments=json.dumps({"question": next(self._numbers)}),
            seconds=seconds(turns),
            helper=helper,
            helper_turns=turns,
        )

    def _episode(self, agent: Agent, episode: Episode) -> list[Turn]:
        """An episode with real tools for its letters, real arguments for its numbers, and one of its faults."""
        letters = dict(zip("ABC", self._rng.sample(sorted(agent.tools.keys() - agent.retrievals), 3), strict=True))
        if agent.side_effects:
            letters["U"] = self._rng.choice(sorted(agent.side_effects))
        first = next(self._numbers)
        fault = FAULTS[self._rng.choice(episode.faults)] if episode.faults else None
        self._numbers = itertools.count(first + 10)

        def call(move: Move) -> Call:
            return self._call(agent, letters[move.tool], first + move.arguments, move, fault)

        return [
            self._turn((), fault, moves[0].response) if moves[0].tool == MODEL else self._turn(tuple(map(call, moves)))
            for moves in episode.turns
        ]

    def _call(self, agent: Agent, tool: str, number: int, move: Move | None = None, fault: Fault | None = None) -> Call:
        argument = agent.tools.get(tool) or agent.side_effects[tool]
        failed = fault if move and move.response else None
        return Call(
            tool=tool,
            kind=Kind.RETRIEVAL if tool in agent.retrievals else Kind.TOOL,
            arguments=json.dumps({argument: f"{argument}-{number}"}),
            seconds=30.0 if failed is FAULTS["timeout"] else self._rng.uniform(0.2, 6),
            fault=failed,
            response=move.response if move else None,
            in_turn=bool(move and move.in_turn),
        )

    def _turn(self, calls: tuple[Call, ...], fault: Fault | None = None, response: Response | None = None) -> Turn:
        return Turn(self._rng.uniform(1, 5), calls, fault, response)

    def _final(self, text: str) -> Turn:
        return Turn(self._rng.uniform(2, 8), text=text)
