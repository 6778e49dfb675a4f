"""The whole way of the data without any I/O: decoded spans and a clock go in, scores and figures come out.

`now` is always Unix seconds of a clock that only rises. Not thread-safe: the service holds a lock around it.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from itertools import islice

from otelscore.config import Config
from otelscore.model import (
    DOCTOR_SERVICE,
    OWN_SCOPE,
    SCORING_VERSION,
    Batch,
    Kind,
    OverloadedError,
    Score,
    Span,
    Trajectory,
    Verdict,
)
from otelscore.scoring.families import Family, service_family
from otelscore.scoring.figures import Figures
from otelscore.scoring.labels import LabelLimiter
from otelscore.scoring.score import score_trajectory
from otelscore.scoring.totals import Totals
from otelscore.scoring.window import Row, Windows, judged, make_row
from otelscore.tally import Tally
from otelscore.trajectory.assembler import Assembler, Closed, Final, Graces, Standing
from otelscore.trajectory.verdicts import Heard, Target, VerdictBook, targets_of

_LABEL_HOLD = 7 * 86_400.0
"""Seconds for which a label value that nobody uses keeps its series, at the least."""

_AT_ONCE = 100
"""Journal entries that are looked through at a time."""


@dataclass(slots=True)
class Run:
    """A trajectory that closed. `trajectory` and `score` go when it is final; the rest stays for late verdicts."""

    number: int  # rises from run to run
    run_id: str
    row: Row
    start: int
    end: int
    targets: tuple[Target, ...]
    closed: float  # for the first time
    trajectory: Trajectory | None = None
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
    entries: list[int] = field(default_factory=list)  # of the journal that hold nothing that can still change
    last_request: int = 0  # the last one that is in the counters
    finals: list[Score] = field(default_factory=list)  # of the runs that these changes count

    def clear(self) -> None:
        self.scored.clear()
        self.changed.clear()
        self.gone.clear()
        self.entries.clear()
        self.finals.clear()


class Pipeline:
    """Spans in, scores and figures out."""

    def __init__(self, config: Config, version: str) -> None:
        self._config = config
        self._version = version
        self._kinds = frozenset(Kind(kind) for kind in config.step_kinds)
        self.assembler = Assembler(
            Graces(
                root=config.root_grace,
                orphan=config.orphan_grace,
                idle=config.idle_timeout,
                late=config.late_window,
                keep=config.windows[-1],
                dedupe=config.dedupe_window,
            ),
            unsafe=lambda tool: _matches(tool, config.side_effects),
            speakers=frozenset(config.verdicts_attributes),
            max_remembered=config.limits_final_traces,
            max_hoping=config.limits_open_spans // 2,
        )
        hold = max(_LABEL_HOLD, config.windows[-1], config.verdict_window)  # nothing shown bears a released value
        self.limiter = LabelLimiter(config.limits_label_values, config.labels, hold)
        self._windows = Windows(config.windows, config.limits_rows)
        self._figures = Figures(self._windows, config.horizons, self.limiter.names)
        self.totals = Totals(self.limiter, config.limits_series)
        evaluators = (*config.verdicts_evaluators, *config.verdicts_attributes)
        self.verdicts = VerdictBook(evaluators, config.verdict_window, config.limits_verdicts)
        self._scored: dict[str, Run] = {}
        self._judgeable: OrderedDict[str, Run] = OrderedDict()  # final ones
        self._numbers = 0
        self._holding: dict[int, int] = {}  # journal entry -> how many of its traces are open
        self._entries: dict[bytes, list[int]] = {}  # trace -> journal entries that hold something of it
        self._mixed: dict[int, float] = {}  # journal entry that is kept though a part of it is final -> since when
        self._awaited: set[bytes] = set()  # traces of log records whose spans may never come
        self.changes = Changes()
        self.tally = Tally(self.assembler, self._windows, self.limiter, self.verdicts)
        self._scopes: dict[str, bool] = {OWN_SCOPE: False}

    def check_room(self, more: int) -> None:
        """Raises OverloadedError where there is no room now for so many more spans and facts from log records."""
        if self.assembler.open_spans + self.assembler.logged.spans + more > self._config.limits_open_spans:
            self.tally.reach("open_spans")
            raise OverloadedError(f"limits.open_spans ({self._config.limits_open_spans}) is reached; try again later")

    def reject_surplus(self, batch: Batch) -> bool:
        """Takes the spans out of a request that their traces have no room for; whether there were any.

        A run takes a time to score that grows with its spans, and all others wait meanwhile.
        """
        most, before = self._config.limits_trace_spans, len(batch.spans)
        for trace_id, count in Counter(span.trace_id for span in batch.spans).items():
            held = self.assembler.held(trace_id)
            if len(held) + count <= most:
                continue
            new = [span for span in batch.spans if span.trace_id == trace_id and span.span_id not in held]
            surplus = {id(span) for span in new[max(most - len(held), 0) :]}
            if surplus:
                self.tally.reach("trace_spans")
                batch.spans = [span for span in batch.spans if id(span) not in surplus]
                batch.rejected += len(surplus)
                batch.reason = batch.reason or f"a trace has more than {most} spans (limits.trace_spans)"
        return len(batch.spans) < before

    def ingest(self, batch: Batch, now: float, request: int = 0) -> list[Heard]:
        """Takes a decoded request for which there is room; `request` is its number in the journal, rising.

        Gives what became of each of its `verdicts`.
        """
        self.limiter.now = now
        for limit in batch.reached:
            self.tally.reach(limit)
        for span in batch.spans:
            self.tally.fates[self._take(span, now)] += 1
        for facts in batch.facts:
            self.assembler.log(facts, now)
        heard = [self._hear(verdict, now) for verdict in batch.verdicts]
        kept = len(batch.verdicts) + len(batch.facts)
        if batch.records:
            self.tally.log_fates["kept"] += kept
            self.tally.log_fates["rejected"] += batch.rejected
            self.tally.log_fates["ignored"] += batch.records - kept - batch.rejected
        else:
            self.tally.fates["rejected"] += batch.rejected
        self._hold_request(batch, request, now)
        self._count_unusable()
        return heard

    def replay(self, batch: Batch, now: float, request: int) -> None:
        """Takes the spans of a stored request back; they are in the counters already."""
        for span in batch.spans:
            if self._is_read(span.origin.scope):
                self.assembler.replay(span, now)
        for facts in batch.facts:
            self.assembler.log(facts, now)
        self._hold_request(batch, request, now)

    def run(self, run_id: str) -> Run | None:
        """A run that has closed and is not forgotten."""
        return self._scored.get(run_id) or self._judgeable.get(run_id)

    def restore(self, runs: Sequence[Run], verdicts: Iterable[tuple[Verdict, float]], now: float) -> None:
        """Takes back the runs that had closed before a restart, and the verdicts with when each is forgotten.

        The spans of those that were not final come by `replay` and `resume`.
        """
        for verdict, until in verdicts:
            self.verdicts.add(verdict, until - self._config.verdict_window)
        for run in sorted(runs, key=lambda run: run.closed):
            self.verdicts.enter(run.run_id, run.start, run.targets)
            self._windows.restore_run(run.run_id, run.row, run.closed, now)
            self._numbers = max(self._numbers, run.number)
            if not run.final:
                self._scored[run.run_id] = run
        self._judgeable.update((run.run_id, run) for run in sorted(runs, key=lambda run: run.until) if run.final)
        for run in sorted((run for run in runs if run.judged is not None), key=lambda run: run.judged or 0.0):
            self._windows.restore_verdict(run.run_id, run.row, run.judged or 0.0, now)
        for run_id in self._judgeable:
            self.verdicts.settle(run_id)
        # All of this is counted and stored, but for what there is no room for any more.
        self.verdicts.unusable.clear()
        self.verdicts.changed = {verdict: None for verdict, until in self.verdicts.changed.items() if until is None}

    def drop(self, run_ids: Iterable[str]) -> None:
        """Forgets runs before their time, for want of room on disk; those that can still change stay."""
        for run_id in run_ids:
            run = self._judgeable.pop(run_id, None)
            if run is not None:
                self._count_faults(run)
                self.verdicts.retire(run_id)
                self._windows.drop(run_id)

    def resume(self, standings: Iterable[Standing], entry: int, now: float) -> None:
        """Takes back what had closed before a restart, from an entry of the journal, in the order of the journal."""
        traces = set()
        for standing in standings:
            self.assembler.resume(standing)
            traces.add(standing.trace_id)
        self.hold(traces, entry, now)

    def tick(self, now: float) -> list[Score]:
        """Closes what is over and counts what is final; the scores of what closed, also of what closed anew.

        Runs with injected faults are scored, kept and judged like others, and counted apart; their scores stay here.
        """
        self.totals.release(self.limiter.release(now))
        scores = list(self._digest(self.assembler.tick(now), now))
        if self.totals.crowded:
            self.tally.reach("series", self.totals.crowded)
            self.totals.crowded = 0
        self._windows.expire(now)  # also where nobody ever asks for figures
        self.verdicts.expire(now)
        while self._judgeable and next(iter(self._judgeable.values())).until <= now:
            self._forget_oldest()
        for trace_id in [trace_id for trace_id in self._awaited if not self.assembler.is_open(trace_id)]:
            self._awaited.discard(trace_id)
            self._release(trace_id, now)
        self._count_unusable()
        return scores

    def close_all(self, now: float) -> list[Score]:
        """Closes everything for good: the end of files, never of a service."""
        self.limiter.now = now
        events = list(self.assembler.close_all(now))
        # All runs are known before the first is final, so that a session's verdict is counted for its last run alone.
        for event in events:
            if isinstance(event, Closed):
                for trajectory in filter(self.is_scored, event.trajectories):
                    self.verdicts.enter(trajectory.trajectory_id, trajectory.start, targets_of(trajectory))
        scores = list(self._digest(events, now))
        for run in self._judgeable.values():
            self._count_faults(run)
        self._count_unusable()
        return scores

    def rows(self) -> list[Row]:
        """The rows of all runs in the longest window."""
        return self._windows.held()

    def families(self, now: float) -> list[Family]:
        """Every metric as of `now`."""
        return [*self.figures(now), *self._about_itself(now)]

    def figures(self, now: float) -> list[Family]:
        """Those about runs."""
        return [*self._figures.families(now), *self.totals.families()]

    def _about_itself(self, now: float) -> list[Family]:
        info: dict[str, dict[tuple[str, ...], float]] = {
            "horizon_info": {(",".join(self._config.step_kinds),): 1.0},
            "build_info": {(self._version, str(SCORING_VERSION)): 1.0},
        }
        return self.tally.families(now) + [service_family(name, values) for name, values in info.items()]

    def mixed(self, before: float) -> list[int]:
        """Entries of the journal that have held more than what can still change since before then; the oldest ones."""
        return [entry for entry, since in islice(self._mixed.items(), _AT_ONCE) if since < before]

    def purify(self, entries: Iterable[int]) -> None:
        """Takes note that these hold no more than what can still change."""
        for entry in entries:
            self._mixed.pop(entry, None)

    def hold(self, traces: Set[bytes], entry: int, now: float) -> None:
        """Notes for which traces an entry of the journal must be kept: as long as one of them is open."""
        held = [trace_id for trace_id in traces if self.assembler.is_open(trace_id)]
        for trace_id in held:
            self._entries.setdefault(trace_id, []).append(entry)
        if held:
            self._holding[entry] = len(held)
            if len(held) < len(traces):
                self._mixed[entry] = now
        else:
            self.changes.entries.append(entry)

    def _hold_request(self, batch: Batch, request: int, now: float) -> None:
        if request:
            self.changes.last_request = request
            logged = {facts.trace_id for facts in batch.facts}
            self.hold({span.trace_id for span in batch.spans} | logged, request, now)
            self._awaited |= logged & self._entries.keys()

    def _release(self, trace_id: bytes, now: float) -> None:
        for entry in self._entries.pop(trace_id, ()):
            self._holding[entry] -= 1
            if not self._holding[entry]:
                del self._holding[entry]
                self._mixed.pop(entry, None)
                self.changes.entries.append(entry)
            else:
                self._mixed.setdefault(entry, now)

    def _take(self, span: Span, now: float) -> str:
        if not self._is_read(span.origin.scope):
            return "ignored"
        fate = self.assembler.add(span, now)
        if fate == "kept" and span.reading.dialect:
            self.tally.dialects[span.reading.dialect] += 1
        for verdict in span.reading.verdicts:
            self._hear(verdict, now)
        return fate

    def _is_read(self, scope: str) -> bool:
        read = self._scopes.get(scope)
        if read is None:
            config = self._config
            read = not scope.startswith(OWN_SCOPE + ".") and _passes(scope, config.include_scope, config.exclude_scope)
            if len(self._scopes) < config.limits_label_values:
                self._scopes[scope] = read
        return read

    def _hear(self, verdict: Verdict, now: float) -> Heard:
        if now and verdict.time > (now + self._config.limits_clock_skew) * 1e9:  # files have no clock
            self.tally.reach("clock_skew")
            verdict = replace(verdict, time=0)
        heard, about = self.verdicts.add(verdict, now)
        if heard is not Heard.DUPLICATE and verdict.passed is not None:
            self.totals.count_verdict(verdict)
        for run_id in about:
            self._judge(run_id, now)
        return heard

    def _count_unusable(self) -> None:
        for verdict, reason in self.verdicts.unusable:
            self.totals.count_unusable(verdict, reason)
        self.verdicts.unusable.clear()

    def _digest(self, events: Iterable[Closed | Final], now: float) -> Iterator[Score]:
        for event in events:
            if isinstance(event, Closed):
                yield from self._close(event, now)
            else:
                for trajectory in event.resumed:
                    self._score_again(trajectory)
                self.tally.lone_model_calls += event.lone_model_calls
                for run_id in event.trajectory_ids:
                    self.tally.early_finals += event.early and run_id in self._scored
                    self._finalize(run_id, now)
                if event.last:
                    self._release(event.trace_id, now)

    def _close(self, event: Closed, now: float) -> Iterator[Score]:
        self.tally.count_doctor(event.trajectories)
        wanted = [trajectory for trajectory in event.trajectories if self.is_scored(trajectory)]
        gone = {*event.withdrawn, *(trajectory.trajectory_id for trajectory in event.trajectories)}
        gone -= {trajectory.trajectory_id for trajectory in wanted}
        judged_anew: set[str] = set()
        runs = [(trajectory.trajectory_id, targets_of(trajectory), trajectory) for trajectory in wanted]
        for run_id, targets, trajectory in runs:
            again = self._judgeable.pop(run_id, None)  # it was final, forgotten, and is sent again
            if again is not None:
                self._discard(again)
            judged_anew |= self.verdicts.enter(run_id, trajectory.start, targets)
        for run_id in gone:
            judged_anew |= self.verdicts.leave(run_id)
        replaced = {run_id: self._scored.pop(run_id) for run_id in gone if run_id in self._scored}
        for old in replaced.values():
            self._discard(old)
        for run_id, targets, trajectory in runs:
            trajectory.verdict = self.verdicts.verdict_of(run_id)
            score = score_trajectory(trajectory)
            labels = self.totals.fit(self.limiter.group(trajectory))
            row = make_row(trajectory, score, labels, self.limiter, self._kinds)
            self._windows.add(run_id, row, now, instead_of=replaced)
            if row.faults:
                self.totals.announce_faults(row)
            else:
                self.totals.announce(trajectory, score, labels)
            known = self._scored.get(run_id)
            closed = known.closed if known else min((old.closed for old in replaced.values()), default=now)
            judged_at = None if row.verdict is None else known.judged if known and known.judged else now
            if known is None:
                self._numbers += 1
            run = Run(
                number=known.number if known else self._numbers,
                run_id=run_id,
                row=row,
                start=trajectory.start,
                end=trajectory.end,
                targets=targets,
                closed=closed,
                trajectory=trajectory,
                score=score,
                judged=judged_at,
            )
            self._scored[run_id] = run
            self.changes.scored[run.number] = run, score
            if not row.faults:
                yield score
        for run_id in replaced:
            self._windows.remove(run_id)
        for run_id in judged_anew - gone:
            self._judge(run_id, now)

    def _score_again(self, trajectory: Trajectory) -> None:
        """Gives a run that closed before a restart what is needed to count it."""
        run = self._scored.get(trajectory.trajectory_id)
        if run is not None:
            trajectory.verdict = self.verdicts.verdict_of(run.run_id)
            run.trajectory, run.score = trajectory, score_trajectory(trajectory)

    def _discard(self, run: Run) -> None:
        self.changes.gone.append(run.number)
        self.changes.scored.pop(run.number, None)
        self.changes.changed.pop(run.number, None)

    def is_scored(self, trajectory: Trajectory) -> bool:
        """Whether the settings want a run."""
        config = self._config
        return (
            trajectory.origin.service != DOCTOR_SERVICE  # the doctor's runs are none of production
            and len(trajectory.steps) >= config.min_steps
            and _passes(trajectory.origin.service, config.include_service, config.exclude_service)
            and _passes(trajectory.agent, config.include_agent, config.exclude_agent)
        )

    def _judge(self, run_id: str, now: float) -> None:
        """Gives a run the verdict that now counts."""
        scored = self.run(run_id)
        if scored is None:  # it has yet to close, at the end of files, and is judged then
            return
        verdict = self.verdicts.verdict_of(run_id)
        passed = None if verdict is None else verdict.passed
        if scored.trajectory is not None:
            scored.trajectory.verdict = verdict
        if passed is not scored.row.verdict:
            scored.row = judged(scored.row, passed)
            scored.judged = None if passed is None else now
            self.limiter.use_group(scored.row.labels)
            self._windows.judge(run_id, scored.row, now)
            self.changes.changed[scored.number] = scored
        if scored.final:
            self._count_verdict(run_id, scored, now)

    def _finalize(self, run_id: str, now: float) -> None:
        scored = self._scored.pop(run_id, None)
        if scored is None or scored.trajectory is None or scored.score is None:
            return
        if not scored.row.faults:
            skew, timed = self._config.limits_clock_skew * 1e9, now * 1e9
            timely = not now or (timed - scored.start <= skew and scored.end - timed <= skew)  # files have no clock
            if not timely:
                self.tally.reach("clock_skew")
            self.totals.fold(scored.trajectory, scored.score, scored.row.labels, now, timely=timely)
            self.changes.finals.append(scored.score)
        scored.trajectory = scored.score = None
        scored.final, scored.until = True, now + self._config.verdict_window
        self._judgeable[run_id] = scored
        self.verdicts.settle(run_id)
        self.changes.changed[scored.number] = scored
        self._count_verdict(run_id, scored, now)
        if len(self._judgeable) > self._config.limits_rows:
            self._forget_oldest()
            self.tally.reach("rows")

    def _forget_oldest(self) -> None:
        run_id, run = self._judgeable.popitem(last=False)
        self._count_faults(run)
        self.verdicts.retire(run_id)
        self._discard(run)

    def _count_verdict(self, run_id: str, scored: Run, now: float) -> None:
        """Counts the verdict of a final run, once: a counter takes nothing back."""
        if scored.row.faults:
            if all(hit.is_settled(scored.row.verdict) for hit in scored.row.faults):
                self._count_faults(scored)
            return
        verdict = self.verdicts.verdict_of(run_id)
        if verdict is not None and not scored.counted:
            scored.counted = True
            self.changes.changed[scored.number] = scored
            self.totals.fold_verdict(scored.row, verdict, scored.trace_id, scored.end, now)

    def _count_faults(self, run: Run) -> None:
        """Counts the injected faults of a final run, once, as far as it is known by now what became of them."""
        if run.row.faults and not run.counted:
            run.counted = True
            self.changes.changed[run.number] = run
            self.totals.fold_faults(run.row, run.trace_id, self.limiter.now)


def _matches(text: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(text, pattern) for pattern in patterns)


def _passes(text: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    return (not include or _matches(text, include)) and not _matches(text, exclude)
