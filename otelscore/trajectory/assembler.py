"""When a run is over: the life of a fragment, from its first span to the day its ids are forgotten.

Spans come in any order, in several requests, from several processes, more than once, and sometimes never. So nothing
is ever known to be complete; a fragment *closes* when none of its spans has come for a while, and how long that is
depends on the topmost span that has come:

    ROOT    it has no parent, or a remote one                                       root_grace
    ORPHAN  ended agent spans or run wrappers whose local parent has not come       orphan_grace
    STEPS   anything else below a missing local parent: somebody is still at work   idle_timeout

    open --(no span for the grace)--> closed --(late_window)--> final --(dedupe_window)--> forgotten
      ^                                  |
      +------------(a span comes)--------+   the run is scored anew and replaces itself

One that closed as an orphan or incomplete stays open to its missing spans for `keep`, as long as figures show it.
All times are of the caller's clock; nothing here reads one. DESIGN.md, "When is a run over?".

Fragments of one service and trace that hold no run of their own (steps whose agent span never came, tool calls alone)
close together, as one trajectory. If they lie inside the time of the one run that there is, they are its steps whose
way up was lost, and join it.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count

from otelscore.model import ErrorClass, Failure, Kind, Outcome, Span, SpanException, Trajectory
from otelscore.trajectory.builder import build, never_unsafe
from otelscore.trajectory.errors import NO_FAILURE
from otelscore.trajectory.fragments import Fragment, Survey, Trace
from otelscore.trajectory.tree import Node, find_delegations, find_runs, grow, wraps_run

MAX_KNOWN = 1_000_000
"""Span ids that are remembered of one service's final runs in one trace."""

MAX_LOGGED, MAX_LOGGED_OF_TRACE = 10_000, 1_000
"""Traces with exceptions that came as log records, and of each the exceptions; beyond them the oldest trace goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Graces:
    """How long things are waited for, in seconds."""

    root: float = 10.0
    orphan: float = 120.0
    idle: float = 900.0
    late: float = 120.0
    keep: float = 86_400.0
    dedupe: float = 86_400.0


@dataclass(frozen=True, slots=True)
class Closed:
    """A fragment closed, for the first time or again: these are its trajectories now, instead of `withdrawn`."""

    trajectories: tuple[Trajectory, ...]
    withdrawn: frozenset[str]  # ids of earlier trajectories that are no more


@dataclass(frozen=True, slots=True)
class Final:
    """These trajectories can no longer change."""

    trajectory_ids: frozenset[str]
    lone_model_calls: int
    trace_id: bytes
    last: bool  # nothing of the trace is open any more


@dataclass(slots=True)
class Memory:
    """What is remembered of the final runs of one service in one trace."""

    until: float
    start: int
    end: int
    span_ids: bytearray  # 8 bytes each
    known: set[bytes] | None = None  # the same, made when somebody asks: nearly nobody does

    def holds(self, span_id: bytes) -> bool:
        if self.known is None:
            self.known = {bytes(self.span_ids[at : at + 8]) for at in range(0, len(self.span_ids), 8)}
        return span_id in self.known

    def add(self, span_id: bytes) -> None:
        if self.known is not None and len(self.known) < MAX_KNOWN:
            self.known.add(span_id)
            self.span_ids += span_id


class Assembler:
    """Spans in, closed and final trajectories out."""

    def __init__(
        self, graces: Graces, unsafe: Callable[[str], bool] = never_unsafe, max_remembered: int = 1_000_000
    ) -> None:
        self._graces = graces
        self._unsafe = unsafe
        self._max_remembered = max_remembered
        self._traces: dict[bytes, Trace] = {}
        self._memory: OrderedDict[tuple[bytes, str], Memory] = OrderedDict()
        self._logged: OrderedDict[bytes, tuple[float, dict[bytes, Failure]]] = OrderedDict()
        self._clock: list[tuple[float, int, Fragment]] = []
        self._order = count()
        self._opened: dict[Fragment, None] = {}
        self.open_spans = 0
        """Spans held, of everything that is not final."""
        self.learnt: set[tuple[bytes, str]] = set()
        """Trace and service of what is remembered anew, since somebody cleared this."""

    def add(self, span: Span, now: float) -> str:
        """Takes a span; its fate: `kept`, `duplicate` or `late`."""
        memory = self._memory.get((span.trace_id, span.origin.service))
        if memory is not None:
            if memory.holds(span.span_id):
                return "duplicate"
            if span.parent_id and memory.holds(span.parent_id):
                memory.add(span.span_id)  # so that what is below it is late too
                self.learnt.add((span.trace_id, span.origin.service))
                return "late"
        trace = self._traces.get(span.trace_id)
        if trace is None:
            trace = self._traces[span.trace_id] = Trace(span.trace_id)
        elif span.span_id in trace.where:
            return "duplicate"
        fragment = trace.add(span)
        self.open_spans += 1
        self._touch(fragment, now)
        if fragment.lent and fragment.caller is not None and fragment.has_agent:
            fragment.lent = False
            self._touch(fragment.caller.root(), now)
        return "kept"

    def log(self, exception: SpanException, now: float) -> None:
        """Takes an exception that came as a log record; it waits for its span as long as a run may be idle."""
        trace_id = exception.trace_id
        _, failures = self._logged.pop(trace_id, (0.0, {}))
        if len(failures) < MAX_LOGGED_OF_TRACE or exception.span_id in failures:
            known = failures.get(exception.span_id, NO_FAILURE)
            failures[exception.span_id] = max(exception.failure, known, key=_told)
        self._logged[trace_id] = (now + self._graces.idle, failures)
        if len(self._logged) > MAX_LOGGED:
            self._logged.popitem(last=False)
        trace = self._traces.get(trace_id)
        fragment = trace.where.get(exception.span_id) if trace is not None else None
        if fragment is not None:
            self._touch(fragment.root(), now)

    def memory(self, trace_id: bytes, service: str) -> Memory | None:
        """What is remembered of a service's final runs in a trace."""
        return self._memory.get((trace_id, service))

    def remember(self, trace_id: bytes, service: str, memory: Memory) -> None:
        """Takes back what was remembered before a restart, in order of `until`."""
        self._memory[trace_id, service] = memory

    def resume(self, trace_id: bytes, top_span_id: bytes, run_id: str, closed: float) -> None:
        """Tells, once its spans are back, that a run had closed before a restart."""
        trace = self._traces.get(trace_id)
        fragment = trace.where.get(top_span_id) if trace is not None else None
        if fragment is not None:
            root = fragment.root()
            root.trajectory_ids.add(run_id)
            root.first_closed = closed if root.first_closed is None else min(closed, root.first_closed)

    def is_open(self, trace_id: bytes) -> bool:
        """Whether anything of a trace can still change."""
        return trace_id in self._traces or trace_id in self._logged

    def tick(self, now: float) -> Iterator[Closed | Final]:
        """What has become of the fragments by `now`."""
        while self._clock and self._clock[0][0] <= now:
            at, _, fragment = heapq.heappop(self._clock)
            if not fragment.spans or fragment.wake_at != at:
                continue
            fragment.wake_at = float("inf")
            if fragment.check_at > now:
                self._schedule(fragment, fragment.check_at)
            else:
                yield from self._check(fragment, now)
        while self._memory and next(iter(self._memory.values())).until <= now:
            self._memory.popitem(last=False)
        while self._logged and next(iter(self._logged.values()))[0] <= now:
            trace_id, (_, failures) = self._logged.popitem(last=False)
            if trace_id in self._traces:
                self._logged[trace_id] = (now + self._graces.idle, failures)

    def close_all(self, now: float = 0.0) -> Iterator[Closed | Final]:
        """Closes everything for good, as at the end of files, where there is no arrival clock."""
        for trace in list(self._traces.values()):
            for service in list(trace.live):
                self._bring_home(trace, service)
            fragments = [fragment for service in trace.live for fragment in self._holders(trace, service)]
            for fragment in fragments:
                if fragment.spans and fragment.closed is None:  # not yet in another one's company
                    yield self._close(self._join(self._gather(fragment)), now)
            for fragment in [fragment.root() for fragment in fragments]:
                if fragment.spans:
                    yield self._finalize(fragment, now)

    def open_trajectories(self) -> tuple[int, float | None]:
        """(how many fragments are open, when the first span came of the one that has been open the longest)."""
        self._opened = {
            fragment: None
            for fragment in self._opened
            if fragment.spans and fragment.closed is None and fragment.holder() is fragment
        }
        return len(self._opened), min((fragment.opened for fragment in self._opened), default=None)

    def _touch(self, fragment: Fragment, now: float) -> None:
        fragment.opened = min(fragment.opened, now)
        fragment.arrived = now
        holder = fragment.holder()
        holder.arrived = now
        holder.closed = None
        self._opened[holder] = None
        self._schedule(holder, now + self._graces.root)

    def _schedule(self, fragment: Fragment, at: float) -> None:
        """Promises to look at a fragment at that time."""
        fragment.check_at = at
        if at < fragment.wake_at:
            fragment.wake_at = at
            heapq.heappush(self._clock, (at, next(self._order), fragment))

    def _check(self, fragment: Fragment, now: float) -> Iterator[Closed | Final]:
        if fragment.holder() is not fragment:
            return
        if fragment.closed is not None:
            if fragment.final_at > now:
                self._schedule(fragment, fragment.final_at)
            else:
                yield self._finalize(fragment, now)
            return
        due = fragment.arrived + self._graces.root
        together = [fragment]
        if due <= now:
            together = self._gather(fragment)
            due = max(part.arrived + self._grace(part) for part in together)
        if due > now:
            for part in together:
                if part.closed is None:
                    part.check_at = due  # the others need not be looked at before
            self._schedule(fragment.root(), due)
        else:
            yield self._close(self._join(together), now)

    def _gather(self, fragment: Fragment) -> list[Fragment]:
        """What closes together: a fragment with runs alone, all that hold steps without a run with each other."""
        self._bring_home(fragment.trace, fragment.service)
        fragment = fragment.root()
        if not self._is_loose(fragment):
            return [fragment]
        return [other for other in self._holders(fragment.trace, fragment.service) if self._is_loose(other)]

    def _bring_home(self, trace: Trace, service: str) -> None:
        """Steps whose way up was lost join the one run in whose time they lie."""
        holders = self._holders(trace, service)
        lost = [part for part in holders if part.waits and self._is_loose(part)]
        homes = [(*times, home) for home in holders if lost and home.has_agent for times in self._survey(home).runs]
        for part in lost:
            lies = self._survey(part)
            found = [home for start, end, home in homes if start <= lies.start and lies.end <= end]
            if len(found) == 1:
                home = trace.join(found[0].root(), part)
                self._opened[home] = None
                self._schedule(home, home.arrived + self._graces.root)

    @staticmethod
    def _holders(trace: Trace, service: str) -> list[Fragment]:
        return [fragment for fragment in trace.live[service] if fragment.holder() is fragment]

    def _join(self, together: Sequence[Fragment]) -> Fragment:
        joined = together[0]
        for part in together[1:]:
            waits = joined.waits or part.waits
            joined = joined.trace.join(joined, part)
            joined.waits = waits
        return joined

    def _grace(self, fragment: Fragment) -> float:
        return self._survey(fragment).grace if fragment.waits else self._graces.root

    def _is_loose(self, fragment: Fragment) -> bool:
        # A whole run, as nearly all are, needs no survey: it has an agent span and waits for nobody.
        return (fragment.waits or not fragment.has_agent) and self._survey(fragment).loose

    def _survey(self, fragment: Fragment) -> Survey:
        if fragment.survey is None:
            fragment.survey = survey(fragment.spans, fragment.waits, self._graces)
        return fragment.survey

    def _close(self, fragment: Fragment, now: float) -> Closed:
        parts = list(fragment.members())
        spans = [span for part in parts for span in part.spans]
        before = set().union(*(part.trajectory_ids for part in parts))
        _, logged = self._logged.get(fragment.trace.trace_id, (0.0, {}))
        built = build(spans, logged, self._unsafe)
        if fragment.waits and self._is_loose(fragment) and self._is_remembered(fragment):
            built.trajectories.clear()  # steps of a run that is final: too late to find their way
        for part in parts:
            part.closed, part.trajectory_ids, part.lent = now, set(), part is not fragment
        fragment.trajectory_ids = {trajectory.trajectory_id for trajectory in built.trajectories}
        fragment.lone_model_calls = built.lone_model_calls
        if fragment.first_closed is None:
            fragment.first_closed = now
        hopes = fragment.waits or any(trajectory.outcome is Outcome.INCOMPLETE for trajectory in built.trajectories)
        fragment.final_at = now + self._graces.late
        if hopes:
            fragment.final_at = max(fragment.final_at, fragment.first_closed + self._graces.keep)
        self._opened.pop(fragment, None)
        self._schedule(fragment, fragment.final_at)
        return Closed(tuple(built.trajectories), frozenset(before - fragment.trajectory_ids))

    def _is_remembered(self, fragment: Fragment) -> bool:
        known = self._survey(fragment)
        memory = self._memory.get((fragment.trace.trace_id, fragment.service))
        return memory is not None and memory.start <= known.start and known.end <= memory.end

    def _finalize(self, fragment: Fragment, now: float) -> Final:
        trace = fragment.trace
        for part in list(fragment.members()):
            self.open_spans -= len(part.spans)
            if any(span.reading.kind is not Kind.OTHER for span in part.spans):
                self._remember(trace, part, now)
            trace.remove(part)
        if not trace.where:
            del self._traces[trace.trace_id]
            self._logged.pop(trace.trace_id, None)
        return Final(frozenset(fragment.trajectory_ids), fragment.lone_model_calls, trace.trace_id, not trace.where)

    def _remember(self, trace: Trace, part: Fragment, now: float) -> None:
        start, end = min(span.start for span in part.spans), max(span.end for span in part.spans)
        span_ids = b"".join(span.span_id for span in part.spans)
        for service in {span.origin.service for span in part.spans}:
            key = (trace.trace_id, service)
            earlier = self._memory.pop(key, Memory(0.0, start, end, bytearray()))
            first, last, until = min(start, earlier.start), max(end, earlier.end), now + self._graces.dedupe
            self._memory[key] = Memory(until, first, last, earlier.span_ids + span_ids)
            self.learnt.add(key)
            if len(self._memory) > self._max_remembered:
                self._memory.popitem(last=False)


def survey(spans: Sequence[Span], waits: bool, graces: Graces) -> Survey:
    """What the tree of a fragment shows, and so how long it is waited for (the table at the top of this file)."""
    order = grow(spans)
    find_delegations(order)
    runs, _ = find_runs(order)
    grace = graces.root
    if waits:
        holders = {_top(node).span.span_id for run in runs for node in run.agents if node.span.end}
        tops = [node for node in order if node.parent is None and node.lost]
        working = not tops or any(not _is_over(top, holders) for top in tops if top.has_step or top.worker is not None)
        idle = working or not any(top.span.span_id in holders or top.has_step for top in tops)
        grace = graces.idle if idle else graces.orphan
    return Survey(
        grace=grace,
        runs=tuple((run.top.span.start, run.top.span.end) for run in runs),
        loose=not runs and any(node.kind.is_step for node in order),
        start=min(span.start for span in spans),
        end=max(span.end for span in spans),
    )


def _told(failure: Failure) -> tuple[bool, str, list[bytes]]:
    """Orders failures by how much they tell, so that of several the same one counts whichever comes first."""
    return failure.error_class is not ErrorClass.UNKNOWN, failure.error_type, sorted(failure.messages)


def _is_over(top: Node, holders: set[bytes]) -> bool:
    """Whether an ended agent span, or a run wrapper, has come at or below the top."""
    return top.span.span_id in holders or wraps_run(top)


def _top(node: Node) -> Node:
    while node.parent is not None:
        node = node.parent
    return node
