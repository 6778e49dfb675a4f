"""The whole way of the data without any I/O: decoded spans and a clock go in, scores and figures come out.

`now` is always Unix seconds of a clock that only rises. Not thread-safe: the service holds a lock around it.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
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
from otelscore.trajectory.verdicts import VerdictBook

OWN_SCOPE = "otelscore"
"""Scope of otelscore's own telemetry, which is never scored."""

FATES = ("kept", "duplicate", "ignored", "late", "rejected")


@dataclass(slots=True)
class _Scored:
    """A trajectory that closed; `trajectory` goes when it is final, the rest stays for late verdicts."""

    row: Row
    labels: tuple[str, ...]
    trace_id: str
    end: int
    trajectory: Trajectory | None
    score: Score | None
    counted: bool = False  # its verdict is in the counters
    until: float = 0.0


class Pipeline:
    """Spans in, scores and figures out."""

    def __init__(self, config: Config, version: str) -> None:
        self._config = config
        self._version = version
        self._kinds = frozenset(Kind(kind) for kind in config.step_kinds)
        self._assembler = Assembler(
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
        self._limiter = LabelLimiter(config.limits_label_values, config.labels)
        self._windows = Windows(config.windows, config.limits_rows)
        self._figures = Figures(self._windows, config.horizons, self._limiter.names)
        self._totals = Totals(self._limiter)
        self._verdicts = VerdictBook(config.verdicts_evaluators, config.verdict_window, config.limits_pending_verdicts)
        self._scored: dict[str, _Scored] = {}
        self._judgeable: OrderedDict[str, _Scored] = OrderedDict()  # final ones
        self._fates: Counter[str] = Counter()
        self._log_fates: Counter[str] = Counter()
        self._dialects: Counter[str] = Counter()
        self._lone_model_calls = 0
        self._scopes: dict[str, bool] = {OWN_SCOPE: False}

    def ingest(self, batch: Batch, now: float) -> None:
        """Takes a decoded request, all of it or nothing.

        Raises:
            OverloadedError: there is no room for its spans now; nothing was taken.
        """
        if self._assembler.open_spans + len(batch.spans) > self._config.limits_open_spans:
            raise OverloadedError(f"limits.open_spans ({self._config.limits_open_spans}) is reached; try again later")
        for span in batch.spans:
            self._fates[self._take(span, now)] += 1
        for exception in batch.exceptions:
            self._assembler.log(exception, now)
        for verdict in batch.verdicts:
            self._hear(verdict, now)
        kept = len(batch.verdicts) + len(batch.exceptions)
        if batch.records:
            self._log_fates["kept"] += kept
            self._log_fates["rejected"] += batch.rejected
            self._log_fates["ignored"] += batch.records - kept - batch.rejected
        else:
            self._fates["rejected"] += batch.rejected

    def tick(self, now: float) -> list[Score]:
        """Closes what is over and counts what is final; the scores of what closed, also of what closed anew."""
        scores = list(self._digest(self._assembler.tick(now), now))
        self._verdicts.expire(now)
        while self._judgeable and next(iter(self._judgeable.values())).until <= now:
            run_id, _ = self._judgeable.popitem(last=False)
            self._verdicts.leave(run_id)
        return scores

    def close_all(self, now: float) -> list[Score]:
        """Closes everything for good: the end of files, never of a service."""
        return list(self._digest(self._assembler.close_all(now), now))

    def families(self, now: float) -> list[Family]:
        """Every metric as of `now`."""
        return [*self._figures.families(now), *self._totals.families(), *self._own_families(now)]

    def _take(self, span: Span, now: float) -> str:
        if not self._is_read(span.origin.scope):
            return "ignored"
        fate = self._assembler.add(span, now)
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
            self._totals.count_verdict(verdict)
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

    def _close(self, event: Closed, now: float) -> Iterator[Score]:
        wanted = [trajectory for trajectory in event.trajectories if self._is_scored(trajectory)]
        gone = {*event.withdrawn, *(trajectory.trajectory_id for trajectory in event.trajectories)}
        gone -= {trajectory.trajectory_id for trajectory in wanted}
        for trajectory in wanted:
            self._verdicts.enter(trajectory)
        for run_id in gone:
            self._verdicts.leave(run_id)
        replaced = [run_id for run_id in gone if self._scored.pop(run_id, None) is not None]
        for trajectory in wanted:
            run_id = trajectory.trajectory_id
            trajectory.verdict = self._verdicts.verdict_of(run_id)
            score = score_trajectory(trajectory)
            labels = self._limiter.group(trajectory)
            row = make_row(trajectory, score, labels, self._limiter, self._kinds)
            self._windows.add(run_id, row, now, instead_of=replaced)
            self._totals.announce(trajectory, score, labels)
            self._scored[run_id] = _Scored(row, labels, score.trace_id, trajectory.end, trajectory, score)
            yield score
        for run_id in replaced:
            self._windows.remove(run_id)
        touched = {trajectory.trace_id for trajectory in event.trajectories}
        for run_id in {run_id for trace_id in touched for run_id in self._verdicts.beside(trace_id)}:
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
            self._windows.judge(run_id, scored.row, now)
        if scored.trajectory is None:
            self._count_verdict(run_id, scored, now)

    def _finalize(self, run_id: str, now: float) -> None:
        scored = self._scored.pop(run_id, None)
        if scored is None or scored.trajectory is None or scored.score is None:
            return
        self._totals.fold(scored.trajectory, scored.score, scored.labels, now)
        scored.trajectory = scored.score = None
        scored.until = now + self._config.verdict_window
        self._judgeable[run_id] = scored
        self._count_verdict(run_id, scored, now)
        if len(self._judgeable) > self._config.limits_rows:
            oldest, _ = self._judgeable.popitem(last=False)
            self._verdicts.leave(oldest)

    def _count_verdict(self, run_id: str, scored: _Scored, now: float) -> None:
        """Counts the verdict of a final run, once: a counter takes nothing back."""
        verdict = self._verdicts.verdict_of(run_id)
        if verdict is not None and not scored.counted:
            scored.counted = True
            self._totals.fold_verdict(scored.row, verdict, scored.trace_id, scored.end, now)

    def _own_families(self, now: float) -> list[Family]:
        open_trajectories, opened = self._assembler.open_trajectories()
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
            "open_spans": {(): float(self._assembler.open_spans)},
            "verdicts_pending": {(): float(self._verdicts.pending)},
            "rows": {stream: float(count) for stream, count in self._windows.rows.items()},
            "rows_dropped_total": {stream: float(count) for stream, count in self._windows.dropped.items()},
            "label_overflow_total": {(label,): float(count) for label, count in self._limiter.overflows.items()},
            "horizon_info": {(",".join(self._config.step_kinds),): 1.0},
            "build_info": {(self._version, str(SCORING_VERSION)): 1.0},
        }
        return [service_family(name, values) for name, values in numbers.items()]


def _matches(text: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(text, pattern) for pattern in patterns)


def _passes(text: str, include: Sequence[str], exclude: Sequence[str]) -> bool:
    return (not include or _matches(text, include)) and not _matches(text, exclude)
