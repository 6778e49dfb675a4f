"""Which verdict counts: evaluations matched to the runs that they are about, whichever comes first.

A verdict names a span, a trace or a session. At a span it counts where that is the agent span of one run, or lies above
one run alone; for a trace where the trace holds one run; for a session for the last run that had begun. Of the
configured evaluators the first that spoke decides, of its verdicts the latest by event time, of equals `fail`.
DESIGN.md, "Which verdict counts".
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from otelscore.model import Trajectory, Verdict

Target = bytes | str
"""What a verdict may be about: a trace id, that and a span id, or the name of a session."""


@dataclass(frozen=True, slots=True)
class _Run:
    run_id: str
    start: int
    targets: tuple[Target, ...]


class VerdictBook:
    """Verdicts and the runs that they may be about."""

    def __init__(self, evaluators: Sequence[str], wait: float, limit: int) -> None:
        """`wait`: seconds that a verdict waits for its run; `limit`: how many verdicts are held."""
        self._rank = {name: rank for rank, name in enumerate(evaluators)}
        self._wait = wait
        self._limit = limit
        self._verdicts: dict[Target, list[Verdict]] = {}  # by time
        self._seen: OrderedDict[Verdict, float] = OrderedDict()
        self._runs: dict[str, _Run] = {}
        self._begun: dict[Target, list[tuple[int, str]]] = {}  # start and id of the runs, by start

    @property
    def pending(self) -> int:
        """Verdicts about runs that have not come."""
        return sum(len(verdicts) for target, verdicts in self._verdicts.items() if target not in self._begun)

    def add(self, verdict: Verdict, now: float) -> tuple[bool, list[str]]:
        """Takes a verdict; (whether it is new, ids of the runs whose verdict may have changed)."""
        if verdict in self._seen:
            return False, []
        self._seen[verdict] = now + self._wait
        if len(self._seen) > self._limit:
            self._forget(next(iter(self._seen)))
        target = _target(verdict)
        if verdict.evaluator not in self._rank or not target:
            return True, []
        insort(self._verdicts.setdefault(target, []), verdict, key=_time)
        begun = self._begun.get(target, [])
        if isinstance(target, str):
            begun = _last_before(begun, (verdict.time + 1, ""))
        return True, [run_id for _, run_id in begun] if len(begun) == 1 else []

    def enter(self, run_id: str, start: int, targets: tuple[Target, ...]) -> set[str]:
        """A run closed, for the first time or again; ids of the runs whose verdict may have changed, also its own."""
        changed = self.leave(run_id) | {run_id}
        run = self._runs[run_id] = _Run(run_id, start, targets)
        for target in targets:
            insort(self._begun.setdefault(target, []), (run.start, run_id))
            changed |= self._neighbours(target, run)
        return changed

    def leave(self, run_id: str) -> set[str]:
        """A run is no more, or too old to be judged; ids of the other runs whose verdict may have changed."""
        changed: set[str] = set()
        run = self._runs.pop(run_id, None)
        if run is None:
            return changed
        for target in run.targets:
            begun = self._begun[target]
            begun.remove((run.start, run_id))
            changed |= self._neighbours(target, run)
            if not begun:
                del self._begun[target]
        return changed

    def verdict_of(self, run_id: str) -> Verdict | None:
        """The verdict of a run that has entered."""
        run = self._runs[run_id]
        return min(
            (verdict for target in run.targets for verdict in self._about(target, run)),
            key=lambda verdict: (self._rank[verdict.evaluator], -verdict.time, verdict.passed),
            default=None,
        )

    def expire(self, now: float) -> None:
        """Forgets verdicts that have waited long enough."""
        while self._seen and next(iter(self._seen.values())) <= now:
            self._forget(next(iter(self._seen)))

    def _about(self, target: Target, run: _Run) -> Sequence[Verdict]:
        """The verdicts at one of a run's targets that are about it and no other."""
        verdicts, begun = self._verdicts.get(target, []), self._begun[target]
        if not verdicts or isinstance(target, bytes):
            return verdicts if len(begun) == 1 else []
        following = bisect_left(begun, (run.start, run.run_id)) + 1
        verdicts = verdicts[bisect_left(verdicts, run.start, key=_time) :]
        if following < len(begun):
            verdicts = verdicts[: bisect_left(verdicts, begun[following][0], key=_time)]
        return verdicts

    def _neighbours(self, target: Target, run: _Run) -> set[str]:
        """Whose verdict changes when a run comes or goes: in a session the run before, else of two runs the other."""
        begun = self._begun[target]
        if target not in self._verdicts:
            return set()
        if isinstance(target, str):
            begun = _last_before(begun, (run.start, run.run_id))
        return {run_id for _, run_id in begun} if len(begun) <= 2 else set()

    def _forget(self, verdict: Verdict) -> None:
        del self._seen[verdict]
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


def _target(verdict: Verdict) -> Target:
    return verdict.trace_id + verdict.span_id if verdict.trace_id else verdict.session


def _last_before(begun: list[tuple[int, str]], here: tuple[int, str]) -> list[tuple[int, str]]:
    """The last run that began before, in a list, or an empty one."""
    at = bisect_left(begun, here)
    return begun[max(at - 1, 0) : at]


def _time(verdict: Verdict) -> int:
    return verdict.time
