"""Which spans belong together: the spans of a trace, joined as their parents come.

A *fragment* is what is connected so far: a span and all below it, or several spans that wait for the same missing
parent of their own process. It stops at the border of a service, where a remote parent bears another `service.name`;
the fragment on the other side is its caller. Joining costs next to nothing per span (union-find, small into large).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from otelscore.model import Kind, Span
from otelscore.trajectory.tree import local_parent_missing

MAX_CALLERS = 100
"""The longest chain of services that call each other."""


@dataclass(frozen=True, slots=True)
class Survey:
    """What the tree of a fragment shows."""

    grace: float  # how long it is waited for
    runs: tuple[tuple[int, int], ...]  # start and end of each run whose agent span has come
    loose: bool  # it has steps but no such run
    start: int
    end: int


@dataclass(slots=True, eq=False)
class Fragment:
    """Connected spans of one service. Only the `root()` of joined fragments is up to date."""

    trace: Trace
    service: str  # of its topmost span; one process may bear several names below it
    spans: list[Span] = field(default_factory=list)
    waits: bool = False  # for a parent of its own process
    has_agent: bool = False
    mixed: bool = False  # it has spans of other services, of the same process
    caller: Fragment | None = None  # across the border of the service
    below: list[Fragment] = field(default_factory=list)  # the other way round
    lent: bool = False  # the caller counts its spans as its own
    into: Fragment | None = None  # where it went when it was joined

    opened: float = float("inf")  # when the first of its spans came
    arrived: float = 0.0  # when the last one came
    check_at: float = float("inf")  # when the assembler has to look at it
    wake_at: float = float("inf")  # when its clock will say so, or earlier
    survey: Survey | None = None  # cached by the assembler
    first_closed: float | None = None
    closed: float | None = None  # None: open, or reopened
    final_at: float = 0.0
    trajectory_ids: set[str] = field(default_factory=set)  # that came of it when it last closed
    lone_model_calls: int = 0  # likewise

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
        if not self.mixed:
            return self.service
        return next(span.origin.service for span in self.spans if span.span_id == span_id)

    def members(self) -> Iterator[Fragment]:
        """Itself and the fragments of other services that are part of its runs."""
        seen = {id(self)}
        stack = [self]
        while stack:
            fragment = stack.pop()
            yield fragment
            for inner in map(Fragment.root, fragment.below):
                if not inner.has_agent and id(inner) not in seen:
                    seen.add(id(inner))
                    stack.append(inner)


@dataclass(slots=True)
class Waiting:
    """Spans whose parent has not come."""

    fragment: Fragment
    service: str
    remote: bool | None  # as their flags say
    local: bool  # whether a parent of their own process is waited for


@dataclass(slots=True, eq=False)
class Trace:
    """The open spans of one trace."""

    trace_id: bytes
    where: dict[bytes, Fragment] = field(default_factory=dict)  # span id -> its fragment
    waiting: dict[bytes, list[Waiting]] = field(default_factory=dict)  # parent id -> who waits for it
    live: dict[str, dict[Fragment, None]] = field(default_factory=dict)  # service -> its fragments, as they came

    def add(self, span: Span) -> Fragment:
        """Puts in a span whose id is new to the trace; gives the fragment that it is now part of."""
        callees = self.waiting.pop(span.span_id, None)
        parent, caller = self._above(span)
        if callees is None and parent is not None:
            parent.spans.append(span)
            parent.has_agent |= span.reading.kind is Kind.AGENT
            parent.mixed |= span.origin.service != parent.service
            parent.closed, parent.survey = None, None
            self.where[span.span_id] = parent
            return parent
        fragment = Fragment(self, span.origin.service, [span], has_agent=span.reading.kind is Kind.AGENT)
        self.where[span.span_id] = fragment
        self.live.setdefault(fragment.service, {})[fragment] = None
        for waiting in callees or ():
            child = waiting.fragment.root()
            child.waits = False
            if waiting.service == span.origin.service or waiting.remote is False:
                fragment = self.join(fragment, child)
            else:
                _call(fragment, child)
        if parent is not None:
            return self.join(parent.root(), fragment)
        if caller is not None:
            _call(caller, fragment)
        elif span.parent_id and span.parent_id != span.span_id:
            fragment.waits = local_parent_missing(span)
            waiting = Waiting(fragment, span.origin.service, span.remote_parent, fragment.waits)
            self.waiting.setdefault(span.parent_id, []).append(waiting)
        return fragment

    def _above(self, span: Span) -> tuple[Fragment | None, Fragment | None]:
        """(the fragment that a span belongs to by its parent, or by waiting for the same one; its caller)."""
        parent_id = span.parent_id
        if not parent_id or parent_id == span.span_id:
            return None, None
        service, remote = span.origin.service, span.remote_parent
        holder = self.where.get(parent_id)
        if holder is not None:
            parent = holder.root()
            same = remote is False or service == parent.service_of(parent_id)
            return (parent, None) if same else (None, parent)
        if local_parent_missing(span):
            for waiting in self.waiting.get(parent_id, ()):  # one for each service and flag, besides remote ones
                if waiting.local and waiting.remote == remote and waiting.service == service:
                    return waiting.fragment.root(), None
        return None, None

    def join(self, one: Fragment, other: Fragment) -> Fragment:
        """Makes one fragment of `one` and of `other`, which is below it or beside it."""
        if one is other:
            return one
        service, waits, caller = one.service, one.waits, one.caller or other.caller
        if len(one.spans) < len(other.spans):
            one, other = other, one
        del self.live[one.service][one], self.live[other.service][other]
        self.live[service][one] = None
        one.spans += other.spans
        one.mixed |= other.mixed or one.service != other.service
        one.service, one.waits, one.caller = service, waits, caller
        one.has_agent |= other.has_agent
        one.lent |= other.lent
        one.below += other.below
        one.opened = min(one.opened, other.opened)
        one.arrived = max(one.arrived, other.arrived)
        one.trajectory_ids |= other.trajectory_ids
        one.first_closed = min((at for at in (one.first_closed, other.first_closed) if at is not None), default=None)
        one.closed, one.survey = None, None
        other.into = one
        if caller is not None and not _can_call(caller, one):
            one.caller = None
        other.spans, other.below, other.trajectory_ids = [], [], set()
        return one

    def remove(self, fragment: Fragment) -> None:
        """Forgets a fragment's spans."""
        del self.live[fragment.service][fragment]
        for span in fragment.spans:
            del self.where[span.span_id]
        for parent_id in {span.parent_id for span in fragment.spans} & self.waiting.keys():
            queue = [waiting for waiting in self.waiting[parent_id] if waiting.fragment.root() is not fragment]
            if queue:
                self.waiting[parent_id] = queue
            else:
                del self.waiting[parent_id]
        fragment.spans = []


def _call(caller: Fragment, callee: Fragment) -> None:
    if callee.caller is None and _can_call(caller, callee):
        callee.caller = caller
        caller.below.append(callee)


def _can_call(caller: Fragment, callee: Fragment) -> bool:
    """False where hostile parents make a circle, or a chain of services that no real system has."""
    above: Fragment | None = caller.root()
    for _ in range(MAX_CALLERS):
        if above is None or above is callee:
            return above is None
        above = above.caller.root() if above.caller is not None else None
    return False
