"""When a run is over: the life of a fragment, from its first span to the day its ids are forgotten.

Spans come in any order, in several requests, from several processes, more than once, and sometimes never. So nothing
is ever known to be complete; a fragment *closes* when none of its spans has come for a while, and how long that is
depends on the topmost span that has come:

    ROOT    it has no parent, or a remote one                                       root_grace
    ORPHAN  ended agent spans or run wrappers whose local parent has not come       orphan_grace
    STEPS   anything else below a missing local parent: somebody is still at work   idle_timeout

    open --(no span for the grace)--> closed --(late_window)--> final --(dedupe_window)--> forgotten
      ^                                  |                        ^
      |                                  +---> hoping --(keep)----+
      +------------(a span comes)--------------+   the run is scored anew and replaces itself

One that closed as an orphan or incomplete hopes for its missing spans for `keep`, as long as figures show it; but
where all that hope hold more than `max_hoping` spans, those whose late window ended first become final early.
All times are of the caller's clock; nothing here reads one. DESIGN.md, "When is a run over?".

Orphans that wait for the same parent are over each on its own, unless a sibling is STEPS: then they wait together.

Fragments of one service and trace that hold no run of their own (steps whose agent span never came, tool calls alone)
close together, as one trajectory. If they lie inside the time of the one run that there is, they are its steps whose
way up was lost, and join it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence, Set

from otelscore.model import Kind, Outcome, Span, SpanFacts
from otelscore.trajectory.agenda import Agenda
from otelscore.trajectory.builder import Built, build, never_unsafe
from otelscore.trajectory.enclosing import Enclosing
from otelscore.trajectory.fragments import Fragment, Trace, by_trace
from otelscore.trajectory.hoping import Hoping
from otelscore.trajectory.life import Closed, Fates, Final, Graces, Standing, standing_of
from otelscore.trajectory.logged import Logged
from otelscore.trajectory.memory import Learnt, Memories, Memory
from otelscore.trajectory.survey import Survey, survey

LARGE = 5_000
"""Spans of a fragment from which on it waits the longer to be scored anew, the larger it is: all others wait while it
is, and a sender may send what is late one by one."""


class Assembler:
    """Spans in, closed and final trajectories out."""

    def __init__(
        self,
        graces: Graces,
        unsafe: Callable[[str], bool] = never_unsafe,
        speakers: Set[str] = frozenset(),
        max_remembered: int = 1_000_000,
        max_hoping: int = 500_000,
    ) -> None:
        self._graces = graces
        self._unsafe = unsafe
        self._speakers = speakers
        self._traces: dict[bytes, Trace] = {}
        self._agenda = Agenda()
        self._opened: dict[Fragment, None] = {}
        self.hoping = Hoping(max_hoping)
        self.logged = Logged(graces.idle)
        self.open_spans = 0
        """Spans held, of everything that is not final."""
        self.memories = Memories(max_remembered)
        self.looked_at: dict[Fragment, None] = {}
        """Fragments that closed or were joined by time since somebody cleared this, and are not final."""

    def add(self, spans: Iterable[Span], now: float) -> Fates:
        """Takes spans; which of them were new, and how many of the others there were."""
        kept: list[Span] = []
        duplicates = late = 0
        for trace_id, found in by_trace(spans).items():
            trace, memory, service = self._traces.get(trace_id), None, None
            touched: dict[Fragment, None] = {}
            for span in found:
                if trace is not None and span.span_id in trace.where:
                    duplicates += 1
                    continue
                if span.origin.service != service:
                    service = span.origin.service
                    memory = self.memories.get(trace_id, service)
                if memory is not None:
                    if memory.holds(span.span_id):
                        duplicates += 1
                        continue
                    if span.parent_id and memory.holds(span.parent_id):
                        # It is remembered, so that what is below it is late too.
                        known = memory.until, trace_id, span.origin.service, memory.start, memory.end
                        self.memories.learn(Learnt(*known, span.span_id))
                        memory = self.memories.get(trace_id, span.origin.service)
                        late += 1
                        continue
                if trace is None:
                    trace = self._traces[trace_id] = Trace(trace_id)
                touched[trace.add(span)] = None
                kept.append(span)
            self._touch_all(touched, now)
        self.open_spans += len(kept)
        return Fates(kept, duplicates, late)

    def replay(self, spans: Iterable[Span], now: float) -> None:
        """Takes back spans that were kept before a restart, or are remembered; their parents may be final since."""
        for trace_id, found in by_trace(spans).items():
            touched: dict[Fragment, None] = {}
            for span in found:
                memory = self.memories.get(trace_id, span.origin.service)
                trace = self._traces.get(trace_id)
                if (memory is None or not memory.holds(span.span_id)) and (
                    trace is None or span.span_id not in trace.where
                ):
                    if trace is None:
                        trace = self._traces[trace_id] = Trace(trace_id)
                    touched[trace.add(span)] = None
                    self.open_spans += 1
            self._touch_all(touched, now)

    def _touch_all(self, fragments: Iterable[Fragment], now: float) -> None:
        for fragment in {fragment.root(): None for fragment in fragments}:
            self._touch(fragment, now)
            if fragment.lent and fragment.caller is not None and fragment.has_agent:
                fragment.lent = False
                self._touch(fragment.caller.root(), now)

    def log(self, facts: SpanFacts, now: float) -> None:
        """Takes what a log record says about a span; it waits for the span as long as a run may be idle."""
        self.logged.add(facts, now)
        trace = self._traces.get(facts.trace_id)
        fragment = trace.where.get(facts.span_id) if trace is not None else None
        if fragment is not None:
            self._touch(fragment.root(), now)

    def held(self, trace_id: bytes) -> Collection[bytes]:
        """Ids of the spans that are held of a trace."""
        trace = self._traces.get(trace_id)
        return () if trace is None else trace.where

    def standings(self) -> list[Standing]:
        """What a restart has to know of `looked_at`."""
        return [standing_of(fragment) for fragment in self.looked_at if fragment.spans]

    def resume(self, standing: Standing) -> None:
        """Takes back what a fragment was before a restart, when all spans are back that came before."""
        trace = self._traces.get(standing.trace_id)
        where = {} if trace is None else trace.where
        parts = {where[span_id].root(): None for span_id in standing.span_ids if span_id in where}
        if not parts:
            return
        fragment = self._join(list(parts))
        for span in [span for span in fragment.spans if span.span_id in standing.united]:
            fragment = fragment.trace.unite_at(span)
        fragment.missing = set(standing.missing)
        fragment.trajectory_ids = set(standing.trajectory_ids)
        fragment.first_closed = standing.first_closed
        if standing.closed is not None:
            fragment.lone_model_calls, fragment.resumed = standing.lone_model_calls, True
            self._settle(fragment, standing.closed, standing.check_at)
        else:
            self._agenda.put(fragment, standing.check_at)

    def is_open(self, trace_id: bytes) -> bool:
        """Whether anything of a trace can still change."""
        return trace_id in self._traces or trace_id in self.logged

    def tick(self, now: float) -> Iterator[Closed | Final]:
        """What has become of the fragments by `now`."""
        while due := self._agenda.due(now):
            for fragment in due:
                self._unite(fragment)  # all before the first closes
            self._bring_all_home(due, now)
            waiting = deque(due)
            try:
                while waiting:
                    yield from self._check(waiting.popleft(), now)
            finally:  # what breaks on one takes the others' turn from them, but not for good
                for fragment in waiting:
                    self._agenda.put(fragment, fragment.check_at)
        for fragment in self.hoping.surplus():
            yield self._finalize(fragment, now, early=True)
        self.memories.expire(now)
        self.logged.expire(now, self._traces)

    def close_all(self, now: float = 0.0) -> Iterator[Closed | Final]:
        """Closes everything for good, as at the end of files, where there is no arrival clock."""
        for trace in list(self._traces.values()):
            for fragment in [fragment for live in trace.live.values() for fragment in live]:
                self._unite(fragment)
            for service in list(trace.live):
                self._bring_home(trace, service, float("inf"))
            fragments = [fragment for live in trace.live.values() for fragment in live if fragment.holder() is fragment]
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
        self.hoping.drop(fragment)
        holder = fragment.holder()
        holder.arrived = now
        self._reopen(holder)
        self._agenda.put(holder, now + self._graces.root)

    def _reopen(self, fragment: Fragment) -> None:
        fragment.closed = None
        self.hoping.drop(fragment)
        self._opened[fragment] = None

    def _check(self, fragment: Fragment, now: float) -> Iterator[Closed | Final]:
        if not fragment.spans or fragment.holder() is not fragment:
            return
        if fragment.check_at > now:  # since another one was looked at
            self._agenda.put(fragment, fragment.check_at)
            return
        if fragment.closed is not None:
            if fragment.final_at > now:
                self.hoping.add(fragment)
                self._agenda.put(fragment, fragment.final_at)
            elif any(part.closed is None for part in self._gather(fragment)):
                self._agenda.put(fragment, now + self._graces.root)  # what came since will close together with it
            else:
                yield self._finalize(fragment, now)
            return
        due = fragment.arrived + self._pause(fragment)
        together = [fragment]
        if due <= now:
            together = self._gather(fragment)
            due = max(part.arrived + max(self._grace(part), self._pause(part)) for part in together)
        if due > now:
            for part in together:
                if part.closed is None:
                    part.check_at = due  # the others need not be looked at before
                    self.looked_at[part] = None
            self._agenda.put(fragment.root(), due)
        else:
            yield self._close(self._join(together), now)

    def _gather(self, fragment: Fragment) -> list[Fragment]:
        """What closes together: a fragment with runs alone, all that hold steps without a run with each other."""
        if not self._is_loose(fragment):
            return [fragment]
        return [part for part in self._loose(fragment.trace, fragment.service) if part.holder() is part]

    def _loose(self, trace: Trace, service: str, now: float = float("inf")) -> list[Fragment]:
        """All of a service that hold steps without a run, but for those that may be growing and whose turn comes."""
        found = []
        maybe = trace.maybe_loose.get(service, {})
        for part in list(maybe):
            if part.survey is None and part.arrived + self._graces.root > now:
                continue
            if self._is_loose(part):
                found.append(part)
            else:
                del maybe[part]
        return found

    def _bring_all_home(self, due: Sequence[Fragment], now: float) -> None:
        closing = [fragment for fragment in due if fragment.spans and fragment.closed is None]
        for trace, service in {(id(one.trace), one.service): (one.trace, one.service) for one in closing}.values():
            self._bring_home(trace, service, now)

    def _bring_home(self, trace: Trace, service: str, now: float) -> None:
        """Steps whose way up was lost join the one run in whose time they lie; all at once, since many may be lost."""
        lost = [part for part in self._loose(trace, service, now) if part.waits and part.holder() is part]
        if not lost:
            return
        homes = [home for home in trace.live[service] if home.has_agent and home.holder() is home]
        runs = [(home, start, end) for home in homes for start, end in self._survey(home).runs]
        around = Enclosing([(start, end) for _, start, end in runs])
        for part in lost:
            at = around.only(part.start, part.end)
            if at is not None:
                part.missing.clear()  # it has found its run without them
                home = trace.join(runs[at][0].root(), part)
                self.looked_at[home] = None
                self._reopen(home)
                self._agenda.put(home, home.arrived + self._graces.root)

    def _unite(self, fragment: Fragment) -> None:
        """While steps wait for their caller, its other callees are not over."""
        if fragment.spans and fragment.waits and fragment.closed is None and self._survey(fragment).working:
            united = fragment.trace.unite(fragment)
            self.looked_at[united] = None
            self._reopen(united)

    def _join(self, together: Sequence[Fragment]) -> Fragment:
        joined = together[0]
        for part in together[1:]:
            joined = joined.trace.join(joined, part)
        return joined

    def _pause(self, fragment: Fragment) -> float:
        """How long there must be no span at the least; longer for what is large and would be scored anew."""
        large = fragment.first_closed is not None and len(fragment.spans) > LARGE
        return self._graces.root * len(fragment.spans) / LARGE if large else self._graces.root

    def _grace(self, fragment: Fragment) -> float:
        if not fragment.waits:
            return self._graces.root
        return self._graces.orphan if self._survey(fragment).orphan else self._graces.idle

    def _is_loose(self, fragment: Fragment) -> bool:
        # A whole run, as nearly all are, needs no survey: it has an agent span and waits for nobody.
        return (fragment.waits or not fragment.has_agent) and self._survey(fragment).loose

    def _survey(self, fragment: Fragment) -> Survey:
        if fragment.survey is None:
            fragment.survey = survey(fragment.spans)
        return fragment.survey

    def _close(self, fragment: Fragment, now: float) -> Closed:
        before = set().union(*(part.trajectory_ids for part in fragment.members()))
        built = self._build(fragment)
        if fragment.waits and self._is_loose(fragment) and self._is_remembered(fragment):
            built.trajectories.clear()  # steps of a run that is final: too late to find their way
        fragment.trajectory_ids = {trajectory.trajectory_id for trajectory in built.trajectories}
        fragment.lone_model_calls, fragment.resumed = built.lone_model_calls, False
        if fragment.first_closed is None:
            fragment.first_closed = now
        orphan = fragment.waits and any(map(_is_known, fragment.members()))
        final_at = now + self._graces.late
        if orphan or any(trajectory.outcome is Outcome.INCOMPLETE for trajectory in built.trajectories):
            final_at = max(final_at, fragment.first_closed + self._graces.keep)
        self._settle(fragment, now, final_at)
        self.looked_at[fragment] = None
        return Closed(tuple(built.trajectories), frozenset(before - fragment.trajectory_ids))

    def _settle(self, fragment: Fragment, closed: float, final_at: float) -> None:
        for part in fragment.members():
            self.hoping.drop(part)
            part.closed, part.lent = closed, part is not fragment
            if part.lent:
                part.trajectory_ids = set()
        fragment.final_at = final_at
        self._opened.pop(fragment, None)
        self._agenda.put(fragment, min(closed + self._graces.late, final_at))

    def _build(self, fragment: Fragment) -> Built:
        spans = [span for part in fragment.members() for span in part.spans]
        return build(spans, self.logged.of(fragment.trace.trace_id), self._unsafe, self._speakers)

    def _is_remembered(self, fragment: Fragment) -> bool:
        memory = self.memories.get(fragment.trace.trace_id, fragment.service)
        return memory is not None and _lies_in(fragment, memory)

    def _finalize(self, fragment: Fragment, now: float, *, early: bool = False) -> Final:
        trace = fragment.trace
        resumed = tuple(self._build(fragment).trajectories) if fragment.resumed else ()
        self.looked_at.pop(fragment, None)
        for part in fragment.members():
            self.hoping.drop(part)
            self.open_spans -= len(part.spans)
            if _is_known(part):
                self.memories.learn_all(part.spans, part.start, part.end, now + self._graces.dedupe)
            trace.remove(part)
        if not trace.where:
            del self._traces[trace.trace_id]
            self.logged.forget(trace.trace_id)
        run_ids = frozenset(fragment.trajectory_ids)
        return Final(run_ids, fragment.lone_model_calls, trace.trace_id, not trace.where, early, resumed)


def _lies_in(fragment: Fragment, whole: Fragment | Memory) -> bool:
    return whole.start <= fragment.start and fragment.end <= whole.end


def _is_known(fragment: Fragment) -> bool:
    """Whether an agent dialect knows any of its spans; strangers alone are nothing to wait for, nor to remember."""
    return any(span.reading.kind is not Kind.OTHER for span in fragment.spans)
