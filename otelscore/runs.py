"""What becomes of a trajectory that has closed: scored, in the windows, judged, counted when it is final, forgotten.

`now` is Unix seconds of a clock that only rises.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from otelscore.config import Config
from otelscore.model import DOCTOR_SERVICE, Kind, Score, Trajectory, Verdict
from otelscore.scoring.labels import LabelLimiter
from otelscore.scoring.rows import Row, judged, make_row
from otelscore.scoring.score import score_trajectory
from otelscore.scoring.shares import Share, share_of
from otelscore.scoring.totals import Totals
from otelscore.scoring.window import Windows
from otelscore.trajectory.verdicts import Heard, Target, VerdictBook, targets_of

_LABEL_HOLD = 7 * 86_400.0
"""Seconds for which a label value that nobody uses keeps its series, at the least."""


@dataclass(slots=True)
class Run:
    """A trajectory that closed. `share` and `score` go when it is final; the rest stays for late verdicts."""

    number: int  # rises from run to run
    run_id: str
    row: Row
    start: int
    end: int
    targets: tuple[Target, ...]
    closed: float  # for the first time
    share: Share | None = None  # None also where faults were injected
    score: Score | None = None
    final: bool = False
    judged: float | None = None  # when its verdict came
    counted: bool = False  # its verdict is in the counters
    until: float = 0.0  # when it is too old for a verdict; 0.0: not final

    @property
    def trace_id(self) -> str:
        """Hex, as in exemplars."""
        return self.run_id.partition(":")[0]


@dataclass(slots=True)
class Changes:
    """What a store has to write so that a restart finds the same state; whoever has written it clears it."""

    scored: dict[int, tuple[Run, Score]] = field(default_factory=dict)  # runs that closed, also anew, by number
    changed: dict[int, Run] = field(default_factory=dict)  # those of which something else has changed
    gone: list[int] = field(default_factory=list)
    finals: list[Score] = field(default_factory=list)  # of the runs that these changes count

    def clear(self) -> None:
        self.scored.clear()
        self.changed.clear()
        self.gone.clear()
        self.finals.clear()


class Runs:
    """The runs that have closed and are not forgotten, and the figures about them."""

    def __init__(self, config: Config, reach: Callable[[str], None]) -> None:
        """`reach` is told the name of a limit that was reached."""
        self._config = config
        self._reach = reach
        self._kinds = frozenset(Kind(kind) for kind in config.step_kinds)
        hold = max(_LABEL_HOLD, config.windows[-1], config.verdict_window)  # nothing shown bears a released value
        self.limiter = LabelLimiter(config.limits_label_values, config.labels, hold)
        self.windows = Windows(config.windows, config.limits_rows)
        self.totals = Totals(self.limiter, config.limits_series)
        evaluators = (*config.verdicts_evaluators, *config.verdicts_attributes)
        self.verdicts = VerdictBook(evaluators, config.verdict_window, config.limits_verdicts)
        self._open: dict[str, Run] = {}  # that can still change
        self._final: OrderedDict[str, Run] = OrderedDict()
        self._numbers = 0
        self.changes = Changes()

    def get(self, run_id: str) -> Run | None:
        """A run that has closed and is not forgotten."""
        return self._open.get(run_id) or self._final.get(run_id)

    def is_scored(self, trajectory: Trajectory) -> bool:
        """Whether the settings want a run."""
        config = self._config
        return (
            trajectory.origin.service != DOCTOR_SERVICE  # the doctor's runs are none of production
            and len(trajectory.steps) >= config.min_steps
            and passes(trajectory.origin.service, config.include_service, config.exclude_service)
            and passes(trajectory.agent, config.include_agent, config.exclude_agent)
        )

    def enter(self, trajectory: Trajectory) -> None:
        """Lets verdicts know of a run before it closes."""
        self.verdicts.enter(trajectory.trajectory_id, trajectory.start, targets_of(trajectory))

    def close(self, trajectories: Iterable[Trajectory], withdrawn: Set[str], now: float) -> list[Score]:
        """Takes trajectories that closed, for the first time or anew, instead of those that are `withdrawn`.

        Their scores, but for those of runs with injected faults, which stay here.
        """
        wanted, gone, judged_anew = [], set(withdrawn), set()
        for trajectory in trajectories:
            if self.is_scored(trajectory):
                wanted.append((trajectory.trajectory_id, targets_of(trajectory), trajectory))
            else:
                gone.add(trajectory.trajectory_id)
        for run_id, targets, trajectory in wanted:
            again = self._final.pop(run_id, None)  # it was final, forgotten, and is sent again
            if again is not None:
                self._discard(again)
            judged_anew |= self.verdicts.enter(run_id, trajectory.start, targets)
        for run_id in gone:
            judged_anew |= self.verdicts.leave(run_id)
        replaced = {run_id: self._open.pop(run_id) for run_id in gone if run_id in self._open}
        for old in replaced.values():
            self._discard(old)
        scores = []
        for run_id, targets, trajectory in wanted:
            judged_anew.discard(run_id)
            run, score = self._score(run_id, targets, trajectory, replaced, now)
            self._open[run_id] = run
            self.changes.scored[run.number] = run, score
            if not run.row.faults:
                scores.append(score)
        for run_id in replaced:
            self.windows.remove(run_id)
        for run_id in judged_anew - gone:
            self._judge(run_id, now)
        return scores

    def _score(
        self, run_id: str, targets: tuple[Target, ...], trajectory: Trajectory, replaced: dict[str, Run], now: float
    ) -> tuple[Run, Score]:
        trajectory.verdict = self.verdicts.verdict_of(run_id)
        score = score_trajectory(trajectory)
        labels = self.totals.fit(self.limiter.group(trajectory))
        row = make_row(trajectory, score, labels, self.limiter, self._kinds)
        self.windows.add(run_id, row, now, instead_of=replaced)
        share = None
        if row.faults:
            self.totals.announce_faults(row)
        else:
            share = share_of(trajectory, score, labels, self.limiter)
            self.totals.announce(share)
        known = self._open.get(run_id)
        closed = known.closed if known else min((old.closed for old in replaced.values()), default=now)
        judged_at = None if row.verdict is None else known.judged if known and known.judged else now
        if known is None:
            self._numbers += 1
        number = known.number if known else self._numbers
        run = Run(number, run_id, row, trajectory.start, trajectory.end, targets, closed, share, score)
        run.judged = judged_at
        return run, score

    def score_again(self, trajectory: Trajectory) -> None:
        """Gives a run that closed before a restart what is needed to count it."""
        run = self._open.get(trajectory.trajectory_id)
        if run is not None and not run.row.faults:
            trajectory.verdict = self.verdicts.verdict_of(run.run_id)
            run.score = score_trajectory(trajectory)
            run.share = share_of(trajectory, run.score, run.row.labels, self.limiter)

    def finalize(self, run_id: str, now: float) -> bool:
        """A run can no longer change, and is counted; whether there was such a run."""
        run = self._open.pop(run_id, None)
        if run is None:
            return False
        if run.score is not None and run.share is not None:
            skew, timed = self._config.limits_clock_skew * 1e9, now * 1e9
            timely = not now or (timed - run.start <= skew and run.end - timed <= skew)  # files have no clock
            if not timely:
                self._reach("clock_skew")
            self.totals.fold(run.share, now, timely=timely)
            self.changes.finals.append(run.score)
        run.share = run.score = None
        run.final, run.until = True, now + self._config.verdict_window
        self._final[run_id] = run
        self.verdicts.settle(run_id)
        self.changes.changed[run.number] = run
        self._count_verdict(run, now)
        if len(self._final) > self._config.limits_rows:
            self._forget_oldest()
            self._reach("rows")
        return True

    def hear(self, verdict: Verdict, now: float) -> Heard:
        """Takes a verdict; what became of it."""
        if now and verdict.time > (now + self._config.limits_clock_skew) * 1e9:  # files have no clock
            self._reach("clock_skew")
            verdict = replace(verdict, time=0)
        heard, about = self.verdicts.add(verdict, now)
        if heard is not Heard.DUPLICATE and verdict.passed is not None:
            self.totals.count_verdict(verdict)
        for run_id in about:
            self._judge(run_id, now)
        return heard

    def count_unusable(self) -> None:
        """Counts the verdicts that turned out to judge no run."""
        for verdict, reason in self.verdicts.unusable:
            self.totals.count_unusable(verdict, reason)
        self.verdicts.unusable.clear()

    def expire(self, now: float) -> None:
        """Lets go of what is too old, also where nobody ever asks for figures."""
        self.windows.expire(now)
        self.verdicts.expire(now)
        while self._final and next(iter(self._final.values())).until <= now:
            self._forget_oldest()

    def count_all_faults(self) -> None:
        """At the end of files: no verdict will come any more."""
        for run in self._final.values():
            self._count_faults(run)

    def restore(self, runs: Sequence[Run], verdicts: Iterable[tuple[Verdict, float]], now: float) -> None:
        """Takes back the runs that had closed before a restart, and the verdicts with when each is forgotten."""
        for verdict, until in verdicts:
            self.verdicts.add(verdict, until - self._config.verdict_window)
        for run in sorted(runs, key=lambda run: run.closed):
            self.verdicts.enter(run.run_id, run.start, run.targets)
            self.windows.restore_run(run.run_id, run.row, run.closed, now)
            self._numbers = max(self._numbers, run.number)
            if not run.final:
                self._open[run.run_id] = run
        self._final.update((run.run_id, run) for run in sorted(runs, key=lambda run: run.until) if run.final)
        for run in sorted((run for run in runs if run.judged is not None), key=lambda run: run.judged or 0.0):
            self.windows.restore_verdict(run.run_id, run.row, run.judged or 0.0, now)
        for run_id in self._final:
            self.verdicts.settle(run_id)
        # All of this is counted and stored, but for what there is no room for any more.
        self.verdicts.unusable.clear()
        self.verdicts.changed = {verdict: None for verdict, until in self.verdicts.changed.items() if until is None}

    def drop(self, run_ids: Iterable[str]) -> None:
        """Forgets runs before their time, for want of room on disk; those that can still change stay."""
        for run_id in run_ids:
            run = self._final.pop(run_id, None)
            if run is not None:
                self._count_faults(run)
                self.verdicts.retire(run_id)
                self.windows.drop(run_id)

    def _discard(self, run: Run) -> None:
        self.changes.gone.append(run.number)
        self.changes.scored.pop(run.number, None)
        self.changes.changed.pop(run.number, None)

    def _judge(self, run_id: str, now: float) -> None:
        """Gives a run the verdict that now counts."""
        run = self.get(run_id)
        if run is None:  # it has yet to close, at the end of files, and is judged then
            return
        verdict = self.verdicts.verdict_of(run_id)
        passed = None if verdict is None else verdict.passed
        if passed is not run.row.verdict:
            run.row = judged(run.row, passed)
            run.judged = None if passed is None else now
            self.limiter.use_group(run.row.labels)
            self.windows.judge(run_id, run.row, now)
            self.changes.changed[run.number] = run
        if run.final:
            self._count_verdict(run, now)

    def _forget_oldest(self) -> None:
        run_id, run = self._final.popitem(last=False)
        self._count_faults(run)
        self.verdicts.retire(run_id)
        self._discard(run)

    def _count_verdict(self, run: Run, now: float) -> None:
        """Counts the verdict of a final run, once: a counter takes nothing back."""
        if run.row.faults:
            if all(hit.is_settled(run.row.verdict) for hit in run.row.faults):
                self._count_faults(run)
            return
        verdict = self.verdicts.verdict_of(run.run_id)
        if verdict is not None and not run.counted:
            run.counted = True
            self.changes.changed[run.number] = run
            self.totals.fold_verdict(run.row, verdict, run.trace_id, run.end, now)

    def _count_faults(self, run: Run) -> None:
        """Counts the injected faults of a final run, once, as far as it is known by now what became of them."""
        if run.row.faults and not run.counted:
            run.counted = True
            self.changes.changed[run.number] = run
            self.totals.fold_faults(run.row, run.trace_id, self.limiter.now)


def matches(text: str, patterns: Sequence[str]) -> bool:
    """Whether one of the patterns fits."""
    return any(fnmatchcase(text, pattern) for pattern in patterns)


def passes(text: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    """Whether patterns let something through; an empty `include` is all."""
    return (not include or matches(text, include)) and not matches(text, exclude)
