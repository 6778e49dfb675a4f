"""Which spans belong together: the spans of a trace, joined as their parents come.

A *fragment* is what is connected so far: a span and all below it. It stops at the border of a service, where a remote
parent bears another `service.name`; the fragment on the other side is its caller. Joining costs next to nothing per
span (union-find, small into large).

What waits for the same missing parent of its own process may be many runs of a worker that nobody traces, each over
on its own, or the work of one agent. Steps tell: as soon as one waits there, all that wait there are one fragment.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import inf
from operator import attrgetter

from otelscore.model import (
    AGENT,
    LOOP,
    Span,
)
from otelscore.trajectory.survey import Survey
from otelscore.trajectory.tree import local_parent_missing

MAX_CALLERS = 100
"""The longest chain of services that call each other."""

_AGENTS = frozenset({AGENT, LOOP})


class Fragment:
    """Connected spans of one service. Only the `root()` of joined fragments is up to date."""

    __slots__ = (
        "arrived",
        "below",
        "caller",
        "check_at",
        "closed",
        "end",
        "final_at",
        "first",
        "first_closed",
        "has_agent",
        "height",
        "hoping",
        "into",
        "lent",
        "lone_model_calls",
        "missing",
        "opened",
        "others",
        "resumed",
        "service",
        "spans",
        "start",
        "survey",
        "trace",
        "trajectory_ids",
        "wake_at",
    )

    def __init__(self, trace: Trace, span: Span) -> None:
        self.trace = trace
        self.service = self.first = span.origin.service
        """Of its topmost span, and of the one that it began with; one process may bear several names below them."""
        self.spans = [span]
        self.start: int = span.start  # of the earliest of them
        self.end: int = span.end  # of the latest
        self.missing: set[bytes] = set()  # ids of parents of its own process that have not come
        self.has_agent = span.reading.kind in _AGENTS
        self.others: dict[bytes, str] = {}  # the spans of other services, of the same process
        self.caller: Fragment | None = None  # across the border of the service
        self.below: list[Fragment] = []  # the other way round
        self.height = 0  # of the longest chain of services below it
        self.lent = False  # the caller counts its spans as its own
        self.into: Fragment | None = None  # where it went when it was joined

        self.opened = inf  # when the first of its spans came
        self.arrived = 0.0  # when the last one came
        self.check_at = inf  # when the assembler has to look at it
        self.wake_at = inf  # when its clock will say so, or earlier
        self.survey: Survey | None = None  # cached by the assembler
        self.first_closed: float | None = None
        self.closed: float | None = None  # None: open, or reopened
        self.final_at = 0.0
        self.hoping = 0  # spans, where it is kept for what is missing alone
        self.trajectory_ids: set[str] = set()  # that came of it when it last closed
        self.lone_model_calls = 0  # likewise
        self.resumed = False  # it last closed before a restart, and its trajectories are not held any more

    @property
    def waits(self) -> bool:
        """Whether it waits for a parent of its own process."""
        return bool(self.missing)

    def root(self) -> Fragment:
        """The fragment that this one has become part of."""
        root = here = self
        while root.into is not None:
            root = root.into
        while here.into is not None:  # shorten the way for the next time
            here.into, here = root, here.into
        return root

    def holder(self) -> Fragment:
        """The fragment whose runs its spans are part of: the caller's, as long as no agent span is among its own."""
        here = self.root()
        while here.caller is not None and not here.has_agent:
            caller = here.caller.root()
            if not caller.spans:  # it is final
                break
            here = caller
        return here

    def service_of(self, span_id: bytes) -> str:
        return self.others.get(span_id, self.first)

    def take(self, span: Span) -> None:
        """Adds one of its own spans."""
        self.spans.append(span)
        self.start = min(self.start, span.start)
        self.end = max(self.end, span.end)
        if span.reading.kind in _AGENTS:
            self.has_agent = True
        if span.origin.service != self.first:
            self.others[span.span_id] = span.origin.service
        self.closed, self.survey = None, None

    def take_all(self, other: Fragment) -> None:
        """Adds the spans of another one."""
        self.spans += other.spans
        if other.others or other.first != self.first:
            for span in other.spans:
                if span.origin.service != self.first:
                    self.others[span.span_id] = span.origin.service

    def members(self) -> list[Fragment]:
        """Itself and the fragments of other services that are part of its runs."""
        if not self.below:
            return [self]
        found: list[Fragment] = []
        seen = {id(self)}
        stack = [self]
        while stack:
            fragment = stack.pop()
            found.append(fragment)
            for inner in [below.root() for below in fragment.below]:
                # What was called from two sides, or in a circle that was cut, has but one caller.
                called = inner.caller is not None and inner.caller.root() is fragment
                if called and not inner.has_agent and id(inner) not in seen:
                    seen.add(id(inner))
                    stack.append(inner)
        return found


Kinship = tuple[str, bool | None, bool]
"""What spans that wait for the same parent must have in common: service, remote as flags say, parent local."""


def _kinship(span: Span) -> Kinship:
    return span.origin.service, span.remote_parent, local_parent_missing(span)


@dataclass(slots=True)
class Siblings:
    """Fragments that wait for the same parent, of their own process or not."""

    fragments: dict[bytes, Fragment] = field(default_factory=dict)  # by the id of the span that waits
    together: bool = False  # all are one fragment, which stands there by one of its spans


class Trace:
    """The open spans of one trace."""

    __slots__ = ("live", "maybe_loose", "trace_id", "waiting", "where")

    def __init__(self, trace_id: bytes) -> None:
        self.trace_id = trace_id
        self.where: dict[bytes, Fragment] = {}  # span id -> its fragment
        self.waiting: dict[bytes, dict[Kinship, Siblings]] = {}  # parent id -> who waits for it
        self.live: dict[str, dict[Fragment, None]] = {}  # service -> its fragments
        self.maybe_loose: dict[str, dict[Fragment, None]] = {}
        """Those whose steps may have no run, likewise; whoever looks and finds that one has a run takes it out."""

    def add(self, span: Span) -> Fragment:
        """Puts in a span whose id is new to the trace; gives the fragment that it is now part of."""
        span_id = span.span_id
        callees = self.waiting.pop(span_id, None) if self.waiting else None
        parent, caller = self._above(span)
        if callees is None and parent is not None:
            parent.take(span)
            if span.reading.kind.is_step and (parent.missing or not parent.has_agent):
                self.maybe_loose.setdefault(parent.service, {})[parent] = None
            self.where[span_id] = parent
            return parent
        fragment = Fragment(self, span)
        service = fragment.service
        self.where[span_id] = fragment
        self._enter(fragment)
        for (of, remote, _), siblings in (callees or {}).items():
            for child in [waiting.root() for waiting in siblings.fragments.values()]:
                child.missing.discard(span.span_id)
                if of == service or remote is False:
                    fragment = self.join(fragment, child)
                else:
                    _call(fragment, child)
        if parent is not None:
            return self.join(parent.root(), fragment)
        if caller is not None:
            _call(caller, fragment)
        elif span.parent_id and span.parent_id != span.span_id:
            siblings = self.waiting.setdefault(span.parent_id, {}).setdefault(_kinship(span), Siblings())
            siblings.fragments[span.span_id] = fragment
            if local_parent_missing(span):
                fragment.missing.add(span.parent_id)
                if span.reading.kind.is_step:
                    return self._unite(siblings)
        if span.reading.kind is AGENT:
            self.maybe_loose[service].pop(fragment, None)
        return fragment

    def _above(self, span: Span) -> tuple[Fragment | None, Fragment | None]:
        """(the fragment that a span belongs to by its parent, or by waiting for the same one; its caller)."""
        parent_id = span.parent_id
        if not parent_id or parent_id == span.span_id:
            return None, None
        holder = self.where.get(parent_id)
        if holder is not None:
            parent = holder if holder.into is None else holder.root()
            same = span.origin.service == parent.service_of(parent_id) or span.remote_parent is False
            return (parent, None) if same else (None, parent)
        awaited = self.waiting.get(parent_id)
        siblings = awaited.get(_kinship(span)) if awaited is not None else None
        if siblings is not None and siblings.together:
            return next(iter(siblings.fragments.values())).root(), None
        return None, None

    def is_united(self, span: Span) -> bool:
        """Whether all that wait for the parent of a span are one fragment."""
        siblings = self.waiting.get(span.parent_id, {}).get(_kinship(span))
        return siblings is not None and siblings.together

    def unite(self, fragment: Fragment) -> Fragment:
        """Joins a fragment with all that waits for the same local parents, or will; gives what they are now."""
        for span in list(fragment.spans):
            if span.parent_id in self.waiting and local_parent_missing(span):
                self.unite_at(span)
        return fragment.root()

    def unite_at(self, span: Span) -> Fragment:
        """Joins all that waits for the parent of a span, or will; gives what they are now."""
        return self._unite(self.waiting[span.parent_id][_kinship(span)])

    def _unite(self, siblings: Siblings) -> Fragment:
        span_id, joined = next(iter(siblings.fragments.items()))
        joined = joined.root()
        if not siblings.together:
            for other in siblings.fragments.values():
                joined = self.join(joined, other.root())
            siblings.together, siblings.fragments = True, {span_id: joined}
        return joined

    def join(self, one: Fragment, other: Fragment) -> Fragment:
        """Makes one fragment of `one` and of `other`, which is below it or beside it."""
        if one is other:
            return one
        service, caller = one.service, one.caller or other.caller
        if len(one.spans) < len(other.spans):
            one, other = other, one
        self._leave(one)
        self._leave(other)
        one.take_all(other)
        one.start = min(one.start, other.start)
        one.end = max(one.end, other.end)
        one.service, one.caller = service, caller
        one.missing |= other.missing
        self._enter(one)
        one.has_agent |= other.has_agent
        one.lent |= other.lent
        one.below += other.below
        _lift(one, other.height)
        one.opened = min(one.opened, other.opened)
        one.arrived = max(one.arrived, other.arrived)
        one.hoping += other.hoping
        one.trajectory_ids |= other.trajectory_ids
        times = [at for at in (one.first_closed, other.first_closed) if at is not None]
        one.first_closed = min(times, default=None)
        one.closed, one.survey = None, None
        other.into = one
        if caller is not None and not _can_call(caller, one):
            one.caller = None
        other.spans, other.below, other.trajectory_ids, other.missing, other.hoping = [], [], set(), set(), 0
        other.others = {}
        return one

    def remove(self, fragment: Fragment) -> None:
        """Forgets a fragment's spans."""
        self._leave(fragment)
        if len(fragment.spans) == len(self.where):
            self.where, self.waiting = {}, {}
        for span in fragment.spans if self.where else ():
            del self.where[span.span_id]
            awaited = self.waiting.get(span.parent_id)
            siblings = awaited.get(_kinship(span)) if awaited is not None else None
            if awaited is not None and siblings is not None:
                siblings.fragments.pop(span.span_id, None)
                if not siblings.fragments:
                    del awaited[_kinship(span)]
                if not awaited:
                    del self.waiting[span.parent_id]
        fragment.spans = []

    def _enter(self, fragment: Fragment) -> None:
        self.live.setdefault(fragment.service, {})[fragment] = None
        self.maybe_loose.setdefault(fragment.service, {})[fragment] = None

    def _leave(self, fragment: Fragment) -> None:
        del self.live[fragment.service][fragment]
        self.maybe_loose[fragment.service].pop(fragment, None)


def _call(caller: Fragment, callee: Fragment) -> None:
    if callee.caller is None and _can_call(caller, callee):
        callee.caller = caller
        caller.below.append(callee)
        _lift(caller, callee.height + 1)


def _lift(fragment: Fragment, height: int) -> None:
    """Notes that a chain of services of this length is below a fragment."""
    here: Fragment | None = fragment
    while here is not None and here.height < height:
        here.height, height = height, height + 1
        here = here.caller.root() if here.caller is not None else None


def _can_call(caller: Fragment, callee: Fragment) -> bool:
    """False where hostile parents make a circle, or a chain of services that no real system has."""
    above: Fragment | None = caller.root()
    for _ in range(MAX_CALLERS - callee.height):
        if above is None or above is callee:
            return above is None
        above = above.caller.root() if above.caller is not None else None
    return False


def by_trace(spans: Iterable[Span]) -> dict[bytes, list[Span]]:
    """The spans of each trace by start: parents mostly come before their children, which costs less."""
    found: dict[bytes, list[Span]] = {}
    for span in spans:
        trace = found.get(span.trace_id)
        if trace is None:
            found[span.trace_id] = [span]
        else:
            trace.append(span)
    for trace in found.values():
        trace.sort(key=_start)
    return found


_start = attrgetter("start")
