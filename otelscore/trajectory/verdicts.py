"""Which verdict counts: evaluations matched to the runs that they are about, whichever comes first.

A verdict names a span, a trace or a session. At a span it counts where that is the agent span of one run, or lies above
one run alone; for a trace where the trace holds one run; for a session for the last run that had begun. Of the
configured evaluators the first that spoke decides, of its verdicts the latest by event time, of equals `fail`.
DESIGN.md, "Which verdict counts".
"""

from __future__ import annotations

import re
from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import islice

from otelscore.model import Trajectory, Unusable, Verdict

Target = bytes | str
"""What a verdict may be about: a trace id, that and a span id, or the name of a session."""


class Heard(StrEnum):
    """What became of a verdict when it came."""

    COUNTED = "counted"  # a run has it
    WAITING = "waiting"  # no run has closed that it is about
    AMBIGUOUS = "ambiguous"  # several have
    UNREADABLE = "unreadable"  # neither pass nor fail, or about nothing
    IGNORED = "ignored"  # its evaluator does not judge runs
    DUPLICATE = "duplicate"  # it had come before


@dataclass(slots=True, eq=False)
class _Run:
    run_id: str
    start: int
    targets: tuple[Target, ...]
    final: bool = False


class VerdictBook:
    """Verdicts and the runs that they may be about."""

    def __init__(self, evaluators: Sequence[str], wait: float, limit: int) -> None:
        """`wait`: seconds that a verdict waits for its run; `limit`: how many verdicts are held.

        Names of evaluators are the same where only case, spaces, `_` and `-` differ.
        """
        self._rank = {_folded(name): rank for rank, name in reversed(list(enumerate(evaluators)))}
        self._wait = wait
        self._limit = limit
        self._verdicts: dict[Target, list[Verdict]] = {}  # by time
        self._seen: OrderedDict[Verdict, float] = OrderedDict()
        self._ambiguous: set[Verdict] = set()  # those that were told
        self._runs: dict[str, _Run] = {}
        self._begun: dict[Target, _Run | list[_Run]] = {}  # by start; one alone, as nearly always, needs no list
        self.dropped = 0
        """Verdicts that went before their time for want of room."""
        self.unusable: list[tuple[Verdict, Unusable]] = []
        """Verdicts that turned out to judge no run since somebody cleared this; each once."""
        self.changed: dict[Verdict, float | None] = {}
        """Verdicts that came or went since then, with the time at which each is forgotten; None: it is."""

    @property
    def pending(self) -> int:
        """Verdicts about runs that have not come."""
        return sum(len(verdicts) for target, verdicts in self._verdicts.items() if target not in self._begun)

    def add(self, verdict: Verdict, now: float) -> tuple[Heard, list[str]]:
        """Takes a verdict; (what became of it, ids of the runs whose verdict may have changed)."""
        if verdict in self._seen:
            return Heard.DUPLICATE, []
        if verdict.passed is None and not self._is_asked(verdict):
            return Heard.IGNORED, []
        self._seen[verdict] = self.changed[verdict] = now + self._wait
        if len(self._seen) > self._limit:
            self._expire(next(iter(self._seen)))
            self.dropped += 1
        standing, runs = self._standing(verdict)
        if standing is Heard.UNREADABLE:
            self.unusable.append((verdict, Unusable.UNREADABLE))
        elif standing is not Heard.IGNORED:
            insort(self._verdicts.setdefault(_target(verdict), []), verdict, key=_time)
            self._tell_ambiguous(_target(verdict))
        return standing, runs

    def standings(self) -> dict[Verdict, Heard]:
        """What has become by now of each verdict that is held."""
        return {verdict: self._standing(verdict)[0] for verdict in self._seen}

    def _standing(self, verdict: Verdict) -> tuple[Heard, list[str]]:
        """What `add` would say of it now if it were new."""
        if not self._is_asked(verdict):
            return Heard.IGNORED, []
        target = _target(verdict)
        if verdict.passed is None or not target:
            return Heard.UNREADABLE, []
        begun = self._begun_at(target)
        if isinstance(target, str):
            begun = _last_before(begun, (verdict.time + 1, ""))
        if len(begun) == 1:
            return Heard.COUNTED, [begun[0].run_id]
        return (Heard.AMBIGUOUS if begun else Heard.WAITING), []

    def _is_asked(self, verdict: Verdict) -> bool:
        return _folded(verdict.evaluator) in self._rank

    def enter(self, run_id: str, start: int, targets: tuple[Target, ...]) -> set[str]:
        """A run closed, for the first time or again; ids of the runs whose verdict may have changed, also its own."""
        changed = self.leave(run_id) if run_id in self._runs else set()
        changed.add(run_id)
        run = self._runs[run_id] = _Run(run_id, start, targets)
        for target in targets:
            if target not in self._begun:
                self._begun[target] = run
                if target in self._verdicts:
                    changed |= self._neighbours(target, run)
                continue
            others = self._begun_at(target)
            insort(others, run, key=_place)
            self._begun[target] = others if len(others) > 1 else run
            changed |= self._neighbours(target, run)
        return changed

    def settle(self, run_id: str) -> None:
        """A run is final: what was said of it and of another one at once will be sorted out no more."""
        run = self._runs[run_id]
        run.final = True
        for target in run.targets:
            if target in self._verdicts:
                self._tell_ambiguous(target)

    def leave(self, run_id: str) -> set[str]:
        """A run is no more; ids of the other runs whose verdict may have changed."""
        changed: set[str] = set()
        run = self._runs.pop(run_id, None)
        if run is None:
            return changed
        for target in run.targets:
            others = self._begun_at(target)
            others.remove(run)
            if not others:
                del self._begun[target]
            elif len(others) == 1:
                self._begun[target] = others[0]
            changed |= self._neighbours(target, run)
        return changed

    def retire(self, run_id: str) -> None:
        """A run is too old to be judged: it goes, and what was said of it, which was not in vain."""
        run = self._runs.get(run_id)
        if run is None:
            return
        for target in run.targets:
            said = self._about(target, run) if isinstance(target, str) else self._verdicts.get(target, ())
            for verdict in list(said):
                self._forget(verdict)
        self.leave(run_id)

    def verdict_of(self, run_id: str) -> Verdict | None:
        """The verdict of a run that has entered."""
        run = self._runs[run_id]
        heard = [target for target in run.targets if target in self._verdicts]
        if not heard:
            return None
        return min(
            (verdict for target in heard for verdict in self._about(target, run)),
            key=lambda verdict: (self._rank[_folded(verdict.evaluator)], -verdict.time, bool(verdict.passed)),
            default=None,
        )

    def expire(self, now: float) -> None:
        """Forgets verdicts that have waited long enough."""
        while self._seen and next(iter(self._seen.values())) <= now:
            self._expire(next(iter(self._seen)))

    def _about(self, target: Target, run: _Run) -> Sequence[Verdict]:
        """The verdicts at one of a run's targets that are about it and no other."""
        verdicts, begun = self._verdicts.get(target, []), self._begun_at(target)
        if not verdicts or isinstance(target, bytes):
            return verdicts if len(begun) == 1 else []
        following = bisect_left(begun, _place(run), key=_place) + 1
        verdicts = verdicts[bisect_left(verdicts, run.start, key=_time) :]
        if following < len(begun):
            verdicts = verdicts[: bisect_left(verdicts, begun[following].start, key=_time)]
        return verdicts

    def _neighbours(self, target: Target, run: _Run) -> set[str]:
        """Whose verdict changes when a run comes or goes: in a session the run before, else of two runs the other."""
        if target not in self._verdicts:
            return set()
        begun = self._begun_at(target)
        if isinstance(target, str):
            begun = _last_before(begun, _place(run))
        return {other.run_id for other in begun} if len(begun) <= 2 else set()

    def _begun_at(self, target: Target) -> list[_Run]:
        found = self._begun.get(target)
        return found if isinstance(found, list) else [found] if found is not None else []

    def _tell_ambiguous(self, target: Target) -> None:
        """Of runs that are not final some may yet turn out to be one; so two must be."""
        verdicts = self._verdicts.get(target, ())
        if not verdicts or isinstance(target, str):
            return
        final = (run for run in self._begun_at(target) if run.final)
        if len(list(islice(final, 2))) < 2:
            return
        for verdict in verdicts:
            if verdict not in self._ambiguous:
                self._ambiguous.add(verdict)
                self.unusable.append((verdict, Unusable.AMBIGUOUS))

    def _expire(self, verdict: Verdict) -> None:
        target = _target(verdict)
        if target not in self._begun and verdict in self._verdicts.get(target, ()):
            self.unusable.append((verdict, Unusable.EXPIRED))
        self._forget(verdict)

    def _forget(self, verdict: Verdict) -> None:
        del self._seen[verdict]
        self.changed[verdict] = None
        self._ambiguous.discard(verdict)
        held = self._verdicts.get(_target(verdict), [])
        if verdict in held:
            held.remove(verdict)
            if not held:
                del self._verdicts[_target(verdict)]


def targets_of(trajectory: Trajectory) -> tuple[Target, ...]:
    """What a verdict about a run may be aimed at."""
    trace_id = trajectory.trace_id
    at_spans = (trace_id + span_id for span_id in sorted(trajectory.targets))
    return (trace_id, *at_spans, *filter(None, (trajectory.session,)))


@lru_cache(maxsize=1024)
def _folded(name: str) -> str:
    """The name of an evaluator without what people write differently."""
    return re.sub(r"[\s_-]", "", name).lower()


def _target(verdict: Verdict) -> Target:
    return verdict.trace_id + verdict.span_id if verdict.trace_id else verdict.session


def _last_before(begun: list[_Run], here: tuple[int, str]) -> list[_Run]:
    """The last run that began before, in a list, or an empty one."""
    at = bisect_left(begun, here, key=_place)
    return begun[max(at - 1, 0) : at]


def _place(run: _Run) -> tuple[int, str]:
    return run.start, run.run_id


def _time(verdict: Verdict) -> int:
    return verdict.time
