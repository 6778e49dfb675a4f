"""The whole way of the data without any I/O: decoded spans and a clock go in, scores and figures come out.

`now` is always Unix seconds of a clock that only rises. Not thread-safe: the service holds a lock around it.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from otelscore.config import Config
from otelscore.model import SCORING_VERSION, Batch, Kind, OverloadedError, Score, Span, Trajectory, Verdict
from otelscore.scoring.families import Family, service_family
from otelscore.scoring.figures import Figures
from otelscore.scoring.labels import LabelLimiter
from otelscore.scoring.score import score_trajectory
from otelscore.scoring.totals import Totals
from otelscore.scoring.window import Row, Windows, judged, make_row
from otelscore.trajectory.assembler import Assembler, Closed, Final, Graces
from otelscore.trajectory.verdicts import Target, VerdictBook, targets_of

OWN_SCOPE = "otelscore"
"""Scope of otelscore's own telemetry, which is never scored."""

FATES = ("kept", "duplicate", "ignored", "late", "rejected")


@dataclass(slots=True)
class Run:
    """A trajectory that closed. `trajectory` and `score` go when it is final; the rest stays for late verdicts."""

    row: Row
    trace_id: str  # hex, as in exemplars
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


@dataclass(slots=True)
class Changes:
    """What a store has to write so that a restart finds the same state; whoever has written it clears it."""

    runs: dict[str, None] = field(default_factory=dict)  # ids of those that came, changed or went
    verdicts: list[tuple[Verdict, float]] = field(default_factory=list)  # with the time at which each is forgotten
    requests: list[int] = field(default_factory=list)  # that hold nothing any more that can still change
    last_request: int = 0  # the last one that is in the counters

    def clear(self) -> None:
        self.runs.clear()
        self.verdicts.clear()
        self.requests.clear()


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
            max_remembered=config.limits_final_traces,
        )
        self.limiter = LabelLimiter(config.limits_label_values, config.labels)
        self._windows = Windows(config.windows, config.limits_rows)
        self._figures = Figures(self._windows, config.horizons, self.limiter.names)
        self.totals = Totals(self.limiter)
        self._verdicts = VerdictBook(config.verdicts_evaluators, config.verdict_window, config.limits_pending_verdicts)
        self._scored: dict[str, Run] = {}
        self._judgeable: OrderedDict[str, Run] = OrderedDict()  # final ones
        self._holding: dict[int, int] = {}  # request -> how many of its traces are open
        self._requests: dict[bytes, list[int]] = {}  # trace -> requests that hold something of it
        self._awaited: set[bytes] = set()  # traces of exceptions whose spans may never come
        self.changes = Changes()
        self._fates: Counter[str] = Counter()
        self._log_fates: Counter[str] = Counter()
        self._dialects: Counter[str] = Counter()
        self._lone_model_calls = 0
        self._scopes: dict[str, bool] = {OWN_SCOPE: False}

    def check_room(self, spans: int) -> None:
        """Raises OverloadedError where there is no room now for so many more spans."""
        if self.assembler.open_spans + spans > self._config.limits_open_spans:
            raise OverloadedError(f"limits.open_spans ({self._config.limits_open_spans}) is reached; try again later")

    def ingest(self, batch: Batch, now: float, request: int = 0) -> None:
        """Takes a decoded request for which there is room; `request` is its number where it is stored, rising."""
        for span in batch.spans:
            self._fates[self._take(span, now)] += 1
        for exception in batch.exceptions:
            self.assembler.log(exception, now)
        for verdict in batch.verdicts:
            self._hear(verdict, now)
        kept = len(batch.verdicts) + len(batch.exceptions)
        if batch.records:
            self._log_fates["kept"] += kept
            self._log_fates["rejected"] += batch.rejected
            self._log_fates["ignored"] += batch.records - kept - batch.rejected
        else:
            self._fates["rejected"] += batch.rejected
        self._hold(batch, request)

    def replay(self, batch: Batch, now: float, request: int) -> None:
        """Takes the spans of a stored request back; they are in the counters already."""
        for span in batch.spans:
            if self._is_read(span.origin.scope):
                self.assembler.add(span, now)
        for exception in batch.exceptions:
            self.assembler.log(exception, now)
        self._hold(batch, request)

    def run(self, run_id: str) -> Run | None:
        """A run that has closed and is not forgotten."""
        return self._scored.get(run_id) or self._judgeable.get(run_id)

    def restore(self, runs: Mapping[str, Run], verdicts: Iterable[tuple[Verdict, float]], now: float) -> None:
        """Takes back the runs that had closed before a restart, and the verdicts with when each is forgotten.

        The spans of those that were not final come by `replay` and then `resume`.
        """
        for verdict, until in verdicts:
            self._verdicts.add(verdict, until - self._config.verdict_window)
        for run_id, run in sorted(runs.items(), key=lambda item: item[1].closed):
            self._verdicts.enter(run_id, run.start, run.targets)
            self._windows.add(run_id, judged(run.row, None), run.closed)
            if not run.final:
                self._scored[run_id] = run
        for run_id, run in sorted(runs.items(), key=lambda item: item[1].until):
            if run.final:
                self._judgeable[run_id] = run
        for run_id, run in sorted(runs.items(), key=lambda item: item[1].judged or 0.0):
            if run.judged is not None:
                self._windows.judge(run_id, run.row, run.judged)
        self._windows.expire(now)

    def drop(self, run_ids: Iterable[str]) -> None:
        """Forgets runs before their time, for want of room on disk; those that can still change stay."""
        for run_id in run_ids:
            if self._judgeable.pop(run_id, None) is not None:
                self._verdicts.leave(run_id)
                self._windows.drop(run_id)

    def resume(self) -> None:
        """Ties the runs that were not final to their spans, when all stored requests are replayed."""
        for run_id, run in list(self._scored.items()):
            top_span_id = bytes.fromhex(run_id.partition(":")[2])
            self.assembler.resume(bytes.fromhex(run.trace_id), top_span_id, run_id, run.closed)

    def tick(self, now: float) -> list[Score]:
        """Closes what is over and counts what is final; the scores of what closed, also of what closed anew."""
        scores = list(self._digest(self.assembler.tick(now), now))
        self._verdicts.expire(now)
        while self._judgeable and next(iter(self._judgeable.values())).until <= now:
            self._forget_oldest()
        for trace_id in [trace_id for trace_id in self._awaited if not self.assembler.is_open(trace_id)]:
            self._awaited.discard(trace_id)
            self._release(trace_id)
        return scores

    def close_all(self, now: float) -> list[Score]:
        """Closes everything for good: the end of files, never of a service."""
        return list(self._digest(self.assembler.close_all(now), now))

    def families(self, now: float) -> list[Family]:
        """Every metric as of `now`."""
        return [*self._figures.families(now), *self.totals.families(), *self._own_families(now)]

    def _hold(self, batch: Batch, request: int) -> None:
        """Notes for which traces a stored request must be kept."""
        if not request:
            return
        self.changes.last_request = request
        traces = {span.trace_id for span in batch.spans} | {exception.trace_id for exception in batch.exceptions}
        traces = {trace_id for trace_id in traces if self.assembler.is_open(trace_id)}
        if not traces:
            self.changes.requests.append(request)
            return
        self._holding[request] = len(traces)
        for trace_id in traces:
            self._requests.setdefault(trace_id, []).append(request)
        self._awaited |= {exception.trace_id for exception in batch.exceptions} & traces

    def _release(self, trace_id: bytes) -> None:
        for request in self._requests.pop(trace_id, ()):
            self._holding[request] -= 1
            if not self._holding[request]:
                del self._holding[request]
                self.changes.requests.append(request)

    def _take(self, span: Span, now: float) -> str:
        if not self._is_read(span.origin.scope):
            return "ignored"
        fate = self.assembler.add(span, now)
        if fate == "kept" and span.reading.dialect:
            self._dialects[span.reading.dialect] += 1
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

    def _hear(self, verdict: Verdict, now: float) -> None:
        new, about = self._verdicts.add(verdict, now)
        if new:
            self.totals.count_verdict(verdict)
            self.changes.verdicts.append((verdict, now + self._config.verdict_window))
        for run_id in about:
            self._judge(run_id, now)

    def _digest(self, events: Iterable[Closed | Final], now: float) -> Iterator[Score]:
        for event in events:
            if isinstance(event, Closed):
                yield from self._close(event, now)
            else:
                self._lone_model_calls += event.lone_model_calls
                for run_id in event.trajectory_ids:
                    self._finalize(run_id, now)
                if event.last:
                    self._release(event.trace_id)

    def _close(self, event: Closed, now: float) -> Iterator[Score]:
        wanted = [trajectory for trajectory in event.trajectories if self._is_scored(trajectory)]
        gone = {*event.withdrawn, *(trajectory.trajectory_id for trajectory in event.trajectories)}
        gone -= {trajectory.trajectory_id for trajectory in wanted}
        judged_anew: set[str] = set()
        for trajectory in wanted:
            self._judgeable.pop(trajectory.trajectory_id, None)  # it was final, forgotten, and is sent again
            judged_anew |= self._verdicts.enter(trajectory.trajectory_id, trajectory.start, targets_of(trajectory))
        for run_id in gone:
            judged_anew |= self._verdicts.leave(run_id)
        replaced = {run_id: self._scored.pop(run_id) for run_id in gone if run_id in self._scored}
        self.changes.runs.update(dict.fromkeys(replaced))
        for trajectory in wanted:
            run_id = trajectory.trajectory_id
            trajectory.verdict = self._verdicts.verdict_of(run_id)
            score = score_trajectory(trajectory)
            labels = self.limiter.group(trajectory)
            row = make_row(trajectory, score, labels, self.limiter, self._kinds)
            self._windows.add(run_id, row, now, instead_of=replaced)
            self.totals.announce(trajectory, score, labels)
            known = self._scored.get(run_id)
            closed = known.closed if known else min((old.closed for old in replaced.values()), default=now)
            judged_at = None if row.verdict is None else known.judged if known and known.judged else now
            self._scored[run_id] = Run(
                row=row,
                trace_id=score.trace_id,
                start=trajectory.start,
                end=trajectory.end,
                targets=targets_of(trajectory),
                closed=closed,
                trajectory=trajectory,
                score=score,
                judged=judged_at,
            )
            self.changes.runs[run_id] = None
            yield score
        for run_id in replaced:
            self._windows.remove(run_id)
        for run_id in judged_anew - gone:
            self._judge(run_id, now)

    def _is_scored(self, trajectory: Trajectory) -> bool:
        config = self._config
        return (
            not trajectory.fault  # injected faults stay out of production figures
            and len(trajectory.steps) >= config.min_steps
            and _passes(trajectory.origin.service, config.include_service, config.exclude_service)
            and _passes(trajectory.agent, config.include_agent, config.exclude_agent)
        )

    def _judge(self, run_id: str, now: float) -> None:
        """Gives a run the verdict that now counts."""
        scored = self._scored.get(run_id) or self._judgeable[run_id]
        verdict = self._verdicts.verdict_of(run_id)
        passed = None if verdict is None else verdict.passed
        if scored.trajectory is not None:
            scored.trajectory.verdict = verdict
        if passed is not scored.row.verdict:
            scored.row = judged(scored.row, passed)
            scored.judged = None if passed is None else now
            self._windows.judge(run_id, scored.row, now)
            self.changes.runs[run_id] = None
        if scored.final:
            self._count_verdict(run_id, scored, now)

    def _finalize(self, run_id: str, now: float) -> None:
        scored = self._scored.pop(run_id, None)
        if scored is None or scored.trajectory is None or scored.score is None:
            return
        self.totals.fold(scored.trajectory, scored.score, scored.row.labels, now)
        scored.trajectory = scored.score = None
        scored.final, scored.until = True, now + self._config.verdict_window
        self._judgeable[run_id] = scored
        self.changes.runs[run_id] = None
        self._count_verdict(run_id, scored, now)
        if len(self._judgeable) > self._config.limits_rows:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        run_id, _ = self._judgeable.popitem(last=False)
        self._verdicts.leave(run_id)
        self.changes.runs[run_id] = None

    def _count_verdict(self, run_id: str, scored: Run, now: float) -> None:
        """Counts the verdict of a final run, once: a counter takes nothing back."""
        verdict = self._verdicts.verdict_of(run_id)
        if verdict is not None and not scored.counted:
            scored.counted = True
            self.changes.runs[run_id] = None
            self.totals.fold_verdict(scored.row, verdict, scored.trace_id, scored.end, now)

    def counts(self) -> dict[str, dict[str, int]]:
        """The pipeline's own counters, plain; `load_counts` takes them back."""
        return {
            "fates": dict(self._fates),
            "log_fates": dict(self._log_fates),
            "dialects": dict(self._dialects),
            "overflows": dict(self.limiter.overflows),
            "model_calls": {"lone": self._lone_model_calls},
        }

    def load_counts(self, counts: Mapping[str, Mapping[str, int]]) -> None:
        """Goes on from where the counters were."""
        self._fates.update(counts["fates"])
        self._log_fates.update(counts["log_fates"])
        self._dialects.update(counts["dialects"])
        self.limiter.overflows.update(counts["overflows"])
        self._lone_model_calls += counts["model_calls"]["lone"]

    def _own_families(self, now: float) -> list[Family]:
        open_trajectories, opened = self.assembler.open_trajectories()
        fates: dict[tuple[str, ...], float] = {(fate,): float(self._fates[fate]) for fate in FATES}
        log_fates: dict[tuple[str, ...], float] = {
            (fate,): float(self._log_fates[fate]) for fate in ("kept", "ignored", "rejected")
        }
        numbers: dict[str, dict[tuple[str, ...], float]] = {
            "spans_received_total": {(): sum(fates.values())},
            "spans_total": fates,
            "spans_read_total": {(dialect,): float(count) for dialect, count in self._dialects.items()},
            "log_records_received_total": {(): sum(log_fates.values())},
            "log_records_total": log_fates,
            "model_calls_without_agent_total": {(): float(self._lone_model_calls)},
            "open_trajectories": {(): float(open_trajectories)},
            "oldest_open_trajectory_age_seconds": {(): 0.0 if opened is None else max(now - opened, 0.0)},
            "open_spans": {(): float(self.assembler.open_spans)},
            "verdicts_pending": {(): float(self._verdicts.pending)},
            "rows": {stream: float(count) for stream, count in self._windows.rows.items()},
            "rows_dropped_total": {stream: float(count) for stream, count in self._windows.dropped.items()},
            "label_overflow_total": {(label,): float(count) for label, count in self.limiter.overflows.items()},
            "horizon_info": {(",".join(self._config.step_kinds),): 1.0},
            "build_info": {(self._version, str(SCORING_VERSION)): 1.0},
        }
        return [service_family(name, values) for name, values in numbers.items()]


def _matches(text: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(text, pattern) for pattern in patterns)


def _passes(text: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    return (not include or _matches(text, include)) and not _matches(text, exclude)
