"""What the agent did about each failure: turns, responses, recovery (DESIGN.md, Responses)."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from otelscore.model import (
    MODEL,
    ErrorClass,
    Kind,
    Outcome,
    Response,
)
from otelscore.trajectory.drafts import AgentKey, Draft, Work

TRANSIENT = frozenset({ErrorClass.TIMEOUT, ErrorClass.RATE_LIMIT, ErrorClass.UNAVAILABLE})
"""A retry of the same call may help."""

RETRYABLE = TRANSIENT | {ErrorClass.MALFORMED_RESULT, ErrorClass.CANCELLED, ErrorClass.UNKNOWN}

MAX_TRIES = 3
"""Identical tries of one agent in a run that still count as retrying."""

MAX_CALLERS = 16
"""Agents above one another that may answer for the lowest; bounds the work."""

WITHOUT_ARGUMENTS: dict[ErrorClass, Response] = {
    ErrorClass.INVALID_ARGUMENTS: Response.REVISED,
    ErrorClass.NOT_FOUND: Response.REVISED,
    ErrorClass.AUTH: Response.REPEATED,
}
"""The same tool again where the arguments were not captured; `retried` after every other class."""

_LOST = re.compile(r"(?i)connection(?!refused)|reset|broken_?pipe|disconnect|socket")
"""Error types after which nobody knows whether the call was carried out."""


class Answer(NamedTuple):
    """The response to a failed step."""

    response: Response
    by: bytes = b""  # the span of the step that shows it; b"" where nothing followed


@dataclass(slots=True)
class Turn:
    """The calls of one agent between two of its model steps, by what they are looked up by."""

    by_tool: dict[tuple[Kind, str], list[Draft]] = field(default_factory=lambda: defaultdict(list))
    informed: dict[tuple[Kind, str], list[Draft]] = field(default_factory=lambda: defaultdict(list))  # of them
    by_fact: dict[tuple[Kind, str, bytes], list[Draft]] = field(default_factory=lambda: defaultdict(list))
    good: dict[tuple[Kind, str, bytes], list[Draft]] = field(default_factory=lambda: defaultdict(list))  # of them
    first: bytes = b""  # the span of the first of them

    def add(self, call: Draft) -> None:
        """Takes a call, which begins no earlier than those before."""
        self.first = self.first or call.span_id
        self.by_tool[call.kind, call.name].append(call)
        if call.arguments:
            self.informed[call.kind, call.name].append(call)
        for fact in _facts(call):
            self.by_fact[call.kind, call.name, fact].append(call)
            if not call.failed:
                self.good[call.kind, call.name, fact].append(call)

    def alike(self, step: Draft, since: int) -> Draft | None:
        """The first call from then on of the same tool."""
        return _first_since(self.by_tool.get((step.kind, step.name)), since)

    def alike_informed(self, step: Draft, since: int) -> Draft | None:
        """The first of them whose arguments were captured."""
        return _first_since(self.informed.get((step.kind, step.name)), since)

    def identical(self, step: Draft, since: int) -> Draft | None:
        """The first call from then on that is the same one, rather a success."""
        keys = [(step.kind, step.name, fact) for fact in _facts(step)]
        found = (_first_since(calls.get(key), since) for calls in (self.good, self.by_fact) for key in keys)
        return next(filter(None, found), None)


def _first_since(calls: Sequence[Draft] | None, since: int) -> Draft | None:
    at = bisect_left(calls, since, key=lambda call: call.start) if calls else 0
    return calls[at] if calls and at < len(calls) else None


@dataclass(slots=True)
class Activity:
    """One agent's turns, counted from 1."""

    opened: list[int] = field(default_factory=list)  # when each turn began
    calls: dict[int, list[Draft]] = field(default_factory=dict)  # what it called in each turn in which it did
    order: list[int] = field(default_factory=list)  # their numbers, rising
    turns: dict[int, Turn] = field(default_factory=dict)  # those of them that somebody asked for

    def turn(self, number: int) -> Turn:
        """One of its turns."""
        turn = self.turns.get(number)
        if turn is None:
            turn = self.turns[number] = Turn()
            for call in self.calls.get(number, ()):
                turn.add(call)
        return turn


def _facts(call: Draft) -> tuple[bytes, ...]:
    """What makes two calls the same one: the arguments, or within a turn the call id (marked: the two never meet)."""
    return (*call.arguments, b"%d:%b" % (call.turn, call.call_id.encode())) if call.call_id else call.arguments


def count_turns(work: Work, acts: Sequence[Draft]) -> dict[AgentKey, Activity]:
    """Every agent's turns; sets `Draft.turn`. The k-th model step opens turn k.

    A call that starts in the same instant as a model step was asked for by the one before. An agent without model
    steps: calls that overlap are one turn, every other call is one of its own. `acts`: those of the work.
    """
    agents: dict[AgentKey, Activity] = defaultdict(Activity)
    for step in work.steps:
        if step.kind is MODEL:
            agents[step.agent].opened.append(step.start)
            step.turn = len(agents[step.agent].opened)
    with_models = set(agents)
    until: dict[AgentKey, int] = {}
    for call in acts:
        if call.kind is MODEL:
            continue
        activity = agents[call.agent]
        if call.agent in with_models:
            call.turn = _turn_at(activity.opened, call.start)
        else:
            if call.start >= until.get(call.agent, call.start):
                activity.opened.append(call.start)
            until[call.agent] = max(call.end, call.start + 1, until.get(call.agent, 0))
            call.turn = len(activity.opened)
        if not call.judgement.skipped:
            activity.calls.setdefault(call.turn, []).append(call)
    for activity in agents.values():
        activity.order = sorted(activity.calls)
    return agents


def _turn_at(opened: list[int], start: int) -> int:
    return bisect_left(opened, start) or int(start == opened[0])


def respond(
    work: Work,
    acts: Sequence[Draft],
    agents: dict[AgentKey, Activity],
    outcome: Outcome,
    acknowledged: bool,
    unsafe: Callable[[str], bool],
) -> dict[bytes, Answer]:
    """The response to every failed step, by span id; none where the run is incomplete.

    `acts`: those of the work; `agents`: from `count_turns`; `acknowledged`: the final answer says that it could not be
    done; `unsafe`: whether a tool has side effects.
    """
    if outcome is Outcome.INCOMPLETE:
        return {}
    tries = _count_tries(acts)
    followers = _next_of_agent(acts)
    ending = (
        Response.ABANDONED
        if outcome is Outcome.FAILED
        else Response.ACKNOWLEDGED
        if acknowledged
        else Response.CONCLUDED
    )
    answers: dict[bytes, Answer] = {}
    for step in work.steps:
        if not step.failed:
            continue
        if step.kind is MODEL:
            follower = followers.get(step.span_id)
            later = _callers_turn(step, agents, work) if follower is None else None
            if follower is not None:
                response = Response.RETRIED if follower.kind is MODEL else Response.REROUTED
                answer = Answer(response, follower.span_id)
            elif later is not None:
                answer = Answer(Response.REROUTED, later[0].first)
            else:
                answer = Answer(Response.ABANDONED)
        else:
            found = _answering(step, agents, work)
            answer = Answer(ending) if found is None else _classify(step, *found, tries, unsafe)
        answers[step.span_id] = answer
    return answers


def _answering(step: Draft, agents: dict[AgentKey, Activity], work: Work) -> tuple[Turn, int] | None:
    """The turn that answers a failed call, and from when on its calls count; None where nothing followed."""
    activity = agents[step.agent]
    turn = activity.turn(step.turn)
    if turn.identical(step, step.over) is not None:
        return turn, step.over
    later = bisect_right(activity.order, step.turn)
    if later < len(activity.order):
        return activity.turn(activity.order[later]), 0
    return _callers_turn(step, agents, work)


def _callers_turn(step: Draft, agents: dict[AgentKey, Activity], work: Work) -> tuple[Turn, int] | None:
    """The first turn, begun after a failure, in which the agent's caller, or that one's caller, called something."""
    agent, seen = step.agent, {step.agent}
    while agent in work.callers and work.callers[agent] not in seen and len(seen) <= MAX_CALLERS:
        agent = work.callers[agent]
        seen.add(agent)
        caller = agents.get(agent, Activity())
        first = bisect_right(caller.order, bisect_left(caller.opened, step.over))
        if first < len(caller.order):
            return caller.turn(caller.order[first]), 0
    return None


def _classify(step: Draft, turn: Turn, since: int, tries: dict[bytes, int], unsafe: Callable[[str], bool]) -> Answer:
    """The most alike of the answering calls decides: the same tool and arguments, then the same tool, then others."""
    alike = turn.alike(step, since)
    if alike is None:
        return Answer(Response.REROUTED, turn.first)
    error = step.judgement.failure.error_class
    call = turn.identical(step, since)
    if call is not None:
        if call.failed and not (error in RETRYABLE and tries[call.span_id] <= MAX_TRIES):
            return Answer(Response.REPEATED, call.span_id)
        response = Response.RETRIED
    else:
        call = turn.alike_informed(step, since) or alike
        if step.arguments and call.arguments:
            return Answer(Response.REVISED, call.span_id)
        response = WITHOUT_ARGUMENTS.get(error, Response.RETRIED)
    if response is Response.RETRIED and unsafe(step.name) and _may_have_happened(step):
        response = Response.RETRIED_UNSAFE
    return Answer(response, call.span_id)


def _may_have_happened(step: Draft) -> bool:
    failure = step.judgement.failure
    return failure.error_class is ErrorClass.TIMEOUT or _LOST.search(failure.error_type) is not None


def _count_tries(acts: Sequence[Draft]) -> dict[bytes, int]:
    """Which identical try of its agent each call is, counted from 1."""
    counts: dict[tuple[AgentKey, str, bytes], int] = defaultdict(int)
    tries = {}
    for call in acts:
        if call.kind is not MODEL and not call.judgement.skipped:
            for fact in call.arguments:
                counts[call.agent, call.name, fact] += 1
            tries[call.span_id] = max((counts[call.agent, call.name, fact] for fact in call.arguments), default=1)
    return tries


def _next_of_agent(acts: Sequence[Draft]) -> dict[bytes, Draft]:
    """For every failed model step what the agent did next and was not skipped."""
    following: dict[AgentKey, Draft] = {}
    found: dict[bytes, Draft] = {}
    for step in reversed(acts):
        if step.kind is MODEL and step.failed and step.agent in following:
            found[step.span_id] = following[step.agent]
        if not step.judgement.skipped:
            following[step.agent] = step
    return found


def find_recovered(work: Work, acts: Sequence[Draft]) -> set[bytes]:
    """Ids of the failed steps after which the same tool (of a model step: the same agent's model) succeeded.

    Later means in a later turn of the same agent, or of another agent after the failure had ended, or in the same turn
    with the same arguments after the failure had ended.
    """
    failed = [(_subject(step), step) for step in work.steps if step.failed]
    subjects = {subject for subject, _ in failed}
    turns: dict[tuple[_Subject, AgentKey], int] = {}  # the last turn in which it succeeded
    starts: dict[_Subject, dict[AgentKey, int]] = defaultdict(dict)  # the last start of a success
    tries: dict[tuple[_Subject, AgentKey, int, bytes], int] = {}  # the same within a turn
    for act in acts:
        subject = _subject(act)
        if subject not in subjects or act.failed or act.judgement.skipped:
            continue
        turns[subject, act.agent] = act.turn
        starts[subject][act.agent] = act.start
        for fact in _facts(act):
            tries[subject, act.agent, act.turn, fact] = act.start
    last_two = {
        subject: sorted(((start, agent.name, agent) for agent, start in by_agent.items()), key=lambda item: item[:2])[
            -2:
        ]
        for subject, by_agent in starts.items()
    }
    recovered = set()
    for subject, step in failed:
        if (
            turns.get((subject, step.agent), -1) > step.turn
            or any(start >= step.over and agent != step.agent for start, _, agent in last_two.get(subject, ()))
            or any(tries.get((subject, step.agent, step.turn, fact), -1) >= step.over for fact in _facts(step))
        ):
            recovered.add(step.span_id)
    return recovered


_Subject = tuple[Kind, "str | AgentKey"]


def _subject(step: Draft) -> _Subject:
    return (step.kind, step.agent if step.kind is MODEL else step.name)


def find_again(steps: Sequence[Draft]) -> set[bytes]:
    """Ids of the calls that repeat one that had failed: the same agent, tool and arguments, or the same call id.

    Until it succeeds; then the next such call is a first attempt again.
    """
    again: set[bytes] = set()
    failed: dict[tuple[AgentKey, str, bytes], int] = {}  # when the first of its failures had ended
    for step in steps:
        if step.kind is MODEL or step.judgement.skipped:
            continue
        keys = {(step.agent, step.name, fact) for fact in _facts(step)}
        if any(failed.get(key, step.start + 1) <= step.start for key in keys):
            again.add(step.span_id)
        for key in keys:
            if step.failed:
                failed.setdefault(key, step.over)
            else:
                failed.pop(key, None)  # the next one begins anew
    return again
