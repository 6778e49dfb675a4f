"""Tools that nobody traced: their spans, made of what the model calls around them say.

Where only model calls are traced, as by the instrumentation of a bare client, the messages that they captured show what
the model asked for and what it was told. A call that both show becomes a span in the time between the model call that
asked and the one that was told, and is then a tool like any other. A call without a captured result stays unknown.

A *loop* is what the model calls of one agent, of one tool, or of neither work for. A loop with a traced tool shows all
of its tools, so nothing is added to it.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from otelscore.dialects.reading import role_of
from otelscore.model import (
    AGENT,
    BOOKKEEPING,
    DELEGATION,
    MODEL,
    ORDINARY,
    TOOL,
    UNSET,
    Call,
    Reading,
    Result,
    Span,
)
from otelscore.trajectory.tree import Node

MAX_CALLS = 256
"""Calls of one model span that are told apart."""

MAX_UNTRACED = 10_000
"""Calls without a span of one trace that become one: the first; a few bytes of a message are enough for one more."""


@dataclass(slots=True, eq=False)
class _ModelCall:
    """A model span, outermost but for other model spans."""

    span: Span
    loop: bytes
    requested: tuple[Call, ...]
    results: tuple[Result, ...]
    captured: bool  # what it said, so that a call that is not among it was not asked for
    inner: list[_ModelCall] = field(default_factory=list)

    def calls(self) -> list[_ModelCall]:
        """Itself, filled up with what its inner spans say; or these, where they are a loop and tell each other."""
        asked = {call.call_id for inner in self.inner for call in inner.requested if call.call_id}
        if any(result.call.call_id in asked for inner in self.inner for result in inner.results):
            return self.inner
        for inner in self.inner:
            self.requested = self.requested or inner.requested
            self.results = self.results or inner.results
            self.captured |= inner.captured
        return [self]


class _Answered(NamedTuple):
    """A call whose result a model was told."""

    asker: _ModelCall
    position: int  # in what it asked for
    told: _ModelCall
    result: Result

    @property
    def call(self) -> Call:
        requested = self.asker.requested
        return requested[self.position] if self.position < len(requested) else self.result.call

    @property
    def start(self) -> int:
        model = self.asker.span
        return max(model.start + 1, min(model.end or self.told.span.start, self.told.span.start))

    @property
    def end(self) -> int:
        return max(self.start, self.told.span.start)


@dataclass(slots=True)
class _Survey:
    """What does have spans."""

    models: list[_ModelCall] = field(default_factory=list)  # by start
    agents: dict[bytes, list[Span]] = field(default_factory=lambda: defaultdict(list))  # of a loop, by start
    tool_loops: set[bytes] = field(default_factory=set)
    tool_calls: set[str] = field(default_factory=set)
    tool_names: set[str] = field(default_factory=set)

    def has(self, loop: bytes, call: Call) -> bool:
        """Whether a call has a span, as far as can be told; a tool outside of every agent may be any agent's."""
        return (
            loop in self.tool_loops
            or b"" in self.tool_loops
            or call.call_id in self.tool_calls
            or _plain(call.name) in self.tool_names
        )


def find_untraced(order: Sequence[Node]) -> list[Span]:
    """The spans that the untraced tools of a trace would have had.

    `order`: parents before children. The id of such a span is that of the model span that asked and one byte more.
    """
    told = traced = False
    for node in order:
        if node.kind is TOOL:
            traced = True
        elif node.reading.results:
            told = True
    if not told or (traced and _shows_all(order)):
        return []
    survey = _survey(order)
    found: dict[tuple[bytes, int], _Answered] = {}
    for answered in _match(survey.models):
        if len(found) >= MAX_UNTRACED:
            break
        if answered.position < MAX_CALLS and not survey.has(answered.asker.loop, answered.call):
            found.setdefault((answered.asker.span.span_id, answered.position), answered)
    loops = _nested(list(found.values()))
    return [_span(answered, survey.agents[answered.asker.loop], key in loops) for key, answered in found.items()]


def _shows_all(order: Sequence[Node]) -> bool:
    """Whether every loop with a model call has a traced tool."""
    tool_loops = {node.loop for node in order if node.kind is TOOL and node.reading.role is not BOOKKEEPING}
    return all(node.kind is not MODEL or node.loop in tool_loops for node in order)


def _survey(order: Sequence[Node]) -> _Survey:
    found = _Survey()
    models: dict[bytes, _ModelCall] = {}
    loops: dict[bytes, bytes] = {}  # span -> the agent or tool that what lies below it works for
    holders: dict[bytes, bytes] = {}  # span -> the outermost model span of the call that what lies below it is part of
    for node in order:
        span, reading = node.span, node.span.reading
        above = node.parent.span.span_id if node.parent is not None else b""
        loop, holder = loops.get(above, b""), holders.get(above, b"")
        kind = node.kind
        if kind is TOOL and reading.role is not BOOKKEEPING:
            found.tool_loops.add(loop)
            found.tool_names.add(_plain(reading.name))
            if reading.call_id:
                found.tool_calls.add(reading.call_id)
        if kind is AGENT:
            found.agents[loop].append(span)
        if kind is AGENT or kind is TOOL:
            loop, holder = span.span_id, b""
        elif kind is MODEL:
            call = _ModelCall(span, loop, reading.requested, reading.results, reading.has_result)
            if holder:
                models[holder].inner.append(call)
            else:
                holder = span.span_id
                models[holder] = call
        loops[span.span_id], holders[span.span_id] = loop, holder
    calls = (call for model in models.values() for call in model.calls())
    found.models = sorted(calls, key=lambda call: (call.span.start, call.span.span_id))
    for agents in found.agents.values():
        agents.sort(key=lambda agent: agent.start)
    return found


def _match(models: Sequence[_ModelCall]) -> Iterator[_Answered]:
    """Results with the requests for them, in the order in which models were told them.

    A call id means the last request for it before. A result without an id, with one that no request has, or one of a
    request that was not captured, is of what the loop's last model call asked for.
    """
    asked: dict[str, list[tuple[int, int, _ModelCall]]] = defaultdict(list)
    for model in models:
        for position, request in enumerate(model.requested):
            if request.call_id:
                asked[request.call_id].append((model.span.start, position, model))
    last: dict[bytes, _ModelCall] = {}
    for model in models:
        before = last.get(model.loop)
        free = list(range(len(before.requested))) if before is not None else []
        for number, result in enumerate(model.results):
            requests = asked.get(result.call.call_id, [])
            earlier = bisect_left(requests, model.span.start, key=lambda request: request[0])
            if earlier:
                _, position, asker = requests[earlier - 1]
                yield _Answered(asker, position, model, result)
            elif before is not None and not before.requested and not before.captured:
                yield _Answered(before, number, model, result)
            elif before is not None and (not result.call.call_id or not requests):
                alike = [at for at in free if result.call.name in ("", before.requested[at].name)]
                if alike:
                    free.remove(alike[0])
                    yield _Answered(before, alike[0], model, result)
        last[model.loop] = model


def _nested(answers: Sequence[_Answered]) -> set[tuple[bytes, int]]:
    """Which calls hold a whole chain of other ones in their time, and so run an agent that nobody traced.

    A chain is a series of model calls, each told what one before had asked for. Of calls at the same time none can be
    said to be the one.
    """
    above: dict[bytes, bytes] = {}  # model span -> another one of its chain, up to the first

    def first(span_id: bytes) -> bytes:
        while above.setdefault(span_id, span_id) != span_id:
            above[span_id] = above[above[span_id]]
            span_id = above[span_id]
        return span_id

    for answered in answers:
        above[first(answered.told.span.span_id)] = first(answered.asker.span.span_id)
    times: dict[bytes, list[int]] = {}  # start and end of each chain
    for answered in answers:
        asker, told = answered.asker.span, answered.told.span
        time = times.setdefault(first(asker.span_id), [asker.start, told.end])
        time[:] = min(time[0], asker.start), max(time[1], told.end)
    by_start = sorted(times.values())
    alone = Counter(answered.asker.span.span_id for answered in answers)
    found = set()
    for answered in answers:
        at = bisect_left(by_start, [answered.start, 0])
        if at < len(by_start) and by_start[at][1] <= answered.end and alone[answered.asker.span.span_id] == 1:
            found.add((answered.asker.span.span_id, answered.position))
    return found


def _span(answered: _Answered, agents: Sequence[Span], runs_agent: bool) -> Span:
    """The span of a call, beside the model's, or beside that of the agent which did its work, if one has a span."""
    model, call, result = answered.asker.span, answered.call, answered.result
    at = bisect_left(agents, answered.start, key=lambda agent: agent.start)
    beside = agents[at] if at < len(agents) and agents[at].end <= answered.end else model
    name = call.name or result.call.name
    return Span(
        trace_id=model.trace_id,
        span_id=model.span_id + bytes([answered.position]),
        parent_id=beside.parent_id,
        name=f"execute_tool {name}",
        kind=model.kind,
        flags=beside.flags,
        start=answered.start,
        end=answered.end,
        status=UNSET,
        origin=model.origin,
        reading=Reading(
            TOOL,
            dialect=model.reading.dialect,
            name=name,
            call_id=call.call_id,
            role=role_of(name) or (DELEGATION if runs_agent else ORDINARY),
            arguments=result.call.arguments if call.arguments is None else call.arguments,
            flagged=result.flagged,
            failure=result.failure if result.flagged else None,
            soft_error=result.soft_error,
            soft_failure=result.failure,
            has_result=True,
        ),
    )


def _plain(name: str) -> str:
    """A tool's name without what frameworks change in it."""
    return re.sub(r"[\W_]+", "", name).lower()
