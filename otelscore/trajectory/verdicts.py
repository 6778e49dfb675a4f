"""Which verdict counts: evaluations matched to the runs that they are about, whichever comes first.

A verdict names a span, a trace or a session. At a span it counts where that is the run's agent span or one above it; for
a trace where the trace holds one run; for a session for the last run that had begun. Of the configured evaluators the
first that spoke decides, of its verdicts the latest by event time, of equals `fail`. DESIGN.md, "Which verdict counts".
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from otelscore.model import Trajectory, Verdict

Target = bytes | str
"""A trace id, or the name of a session."""


@dataclass(frozen=True, slots=True)
class _Run:
    run_id: str
    trace_id: bytes
    session: str
    start: int
    targets: frozenset[bytes]

    @property
    def names(self) -> tuple[Target, ...]:
        return (self.trace_id, self.session) if self.session else (self.trace_id,)


class VerdictBook:
    """Verdicts and the runs that they may be about."""

    def __init__(self, evaluators: Sequence[str], wait: float, limit: int) -> None:
        """`wait`: seconds that a verdict waits for its run; `limit`: how many verdicts are held."""
        self._rank = {name: rank for rank, name in enumerate(evaluators)}
        self._wait = wait
        self._limit = limit
        self._verdicts: dict[Target, list[Verdict]] = {}
        self._seen: OrderedDict[Verdict, float] = OrderedDict()
        self._runs: dict[str, _Run] = {}
        self._by_target: dict[Target, dict[str, _Run]] = {}

    @property
    def pending(self) -> int:
        """Verdicts about runs that have not come."""
        return sum(len(verdicts) for target, verdicts in self._verdicts.items() if target not in self._by_target)

    def add(self, verdict: Verdict, now: float) -> tuple[bool, list[str]]:
        """Takes a verdict; (whether it is new, ids of the runs whose verdict may have changed)."""
        if verdict in self._seen:
            return False, []
        self._seen[verdict] = now + self._wait
        if len(self._seen) > self._limit:
            self._forget(next(iter(self._seen)))
        target = verdict.trace_id or verdict.session
        if verdict.evaluator not in self._rank or not target:
            return True, []
        self._verdicts.setdefault(target, []).append(verdict)
        return True, list(self._by_target.get(target, ()))

    def enter(self, trajectory: Trajectory) -> None:
        """A run closed, for the first time or again."""
        run_id = trajectory.trajectory_id
        self.leave(run_id)
        run = _Run(run_id, trajectory.trace_id, trajectory.session, trajectory.start, trajectory.targets)
        self._runs[run_id] = run
        for name in run.names:
            self._by_target.setdefault(name, {})[run_id] = run

    def leave(self, run_id: str) -> None:
        """A run is no more, or too old to be judged."""
        run = self._runs.pop(run_id, None)
        for name in run.names if run is not None else ():
            del self._by_target[name][run_id]
            if not self._by_target[name]:
                del self._by_target[name]

    def beside(self, trace_id: bytes) -> list[str]:
        """Ids of the runs of a trace: their verdicts may change when one comes or goes."""
        return list(self._by_target.get(trace_id, ()))

    def verdict_of(self, run_id: str) -> Verdict | None:
        """The verdict of a run that has entered."""
        run = self._runs[run_id]
        about = [
            verdict for name in run.names for verdict in self._verdicts.get(name, ()) if self._is_about(verdict, run)
        ]
        return min(
            about,
            key=lambda verdict: (self._rank[verdict.evaluator], -verdict.time, verdict.passed),
            default=None,
        )

    def expire(self, now: float) -> None:
        """Forgets verdicts that have waited long enough."""
        while self._seen and next(iter(self._seen.values())) <= now:
            self._forget(next(iter(self._seen)))

    def _is_about(self, verdict: Verdict, run: _Run) -> bool:
        if verdict.trace_id:
            return verdict.span_id in run.targets if verdict.span_id else len(self._by_target[run.trace_id]) == 1
        begun: Iterable[_Run] = self._by_target[run.session].values()
        last = max(
            (other for other in begun if other.start <= verdict.time),
            key=lambda other: (other.start, other.run_id),
            default=None,
        )
        return last is run

    def _forget(self, verdict: Verdict) -> None:
        del self._seen[verdict]
        target = verdict.trace_id or verdict.session
        held = self._verdicts.get(target, [])
        if verdict in held:
            held.remove(verdict)
            if not held:
                del self._verdicts[target]
