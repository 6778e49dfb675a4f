"""The whole way of the data without any I/O: decoded spans and a clock go in, scores and figures come out.

`now` is always Unix seconds of a clock that only rises. Not thread-safe: the service holds a lock around it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from otelscore.config import Config
from otelscore.journal import Journal
from otelscore.model import OWN_SCOPE, SCORING_VERSION, Batch, Origin, OverloadedError, Score, Span
from otelscore.runs import Runs, matches, passes
from otelscore.scoring.families import Family, service_family
from otelscore.scoring.figures import Figures
from otelscore.scoring.rows import Row
from otelscore.tally import Tally
from otelscore.trajectory.assembler import Assembler
from otelscore.trajectory.life import Closed, Final, Graces, Standing
from otelscore.trajectory.verdicts import Heard

_CALLS = 8
"""Tool calls that a span tells of which take as much memory as a span."""


class Pipeline:
    """Spans in, scores and figures out."""

    def __init__(self, config: Config, version: str) -> None:
        self._config = config
        self._version = version
        self.assembler = Assembler(
            Graces(
                root=config.root_grace,
                orphan=config.orphan_grace,
                idle=config.idle_timeout,
                late=config.late_window,
                keep=config.windows[-1],
                dedupe=config.dedupe_window,
            ),
            unsafe=lambda tool: matches(tool, config.side_effects),
            speakers=frozenset(config.verdicts_attributes),
            max_remembered=config.limits_final_traces,
            max_hoping=config.limits_open_spans // 2,
        )
        self.runs = Runs(config, self._reach)
        self.totals, self.verdicts, self.limiter = self.runs.totals, self.runs.verdicts, self.runs.limiter
        self.changes = self.runs.changes
        self.last_request = 0
        """The last request of the journal that is in the counters."""
        self._figures = Figures(self.runs.windows, config.horizons, self.limiter.names, config.limits_series)
        self.journal = Journal(self.assembler.is_open)
        self.tally = Tally(self.assembler, self.runs.windows, self.limiter, self.verdicts)
        self._scopes: dict[str, bool] = {OWN_SCOPE: False}
        self._extra: Counter[bytes] = Counter()  # what spans of open traces take beyond one each
        self._extras = 0  # of all of them

    def check_room(self, more: int) -> None:
        """Raises OverloadedError where there is no room now for requests that take so much together."""
        held = self.assembler.open_spans + self.assembler.logged.spans + self._extras
        if held + more > self._config.limits_open_spans:
            self.tally.reach("open_spans")
            raise OverloadedError(f"limits.open_spans ({self._config.limits_open_spans}) is reached; try again later")

    def room_for(self, batch: Batch) -> int:
        """How much of `limits.open_spans` a request takes."""
        return len(batch.spans) + len(batch.facts) + sum(map(_extra, batch.spans))

    def reject_surplus(self, batch: Batch) -> bool:
        """Takes the spans out of a request that their traces have no room for; whether there were any.

        A run takes a time to score that grows with its spans, and all others wait meanwhile.
        """
        most, before = self._config.limits_trace_spans, len(batch.spans)
        for trace_id, count in Counter([span.trace_id for span in batch.spans]).items():
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
        self._take(batch.spans, now)
        for facts in batch.facts:
            self.assembler.log(facts, now)
        heard = [self.runs.hear(verdict, now) for verdict in batch.verdicts]
        kept = len(batch.verdicts) + len(batch.facts)
        if batch.records:
            self.tally.log_fates["kept"] += kept
            self.tally.log_fates["rejected"] += batch.rejected
            self.tally.log_fates["ignored"] += batch.records - kept - batch.rejected
        else:
            self.tally.fates["rejected"] += batch.rejected
        self._hold_request(batch, request, now)
        self.runs.count_unusable()
        return heard

    def replay(self, batch: Batch, now: float, request: int) -> None:
        """Takes the spans of a stored request back; they are in the counters already."""
        read = self._read(batch.spans)
        self.assembler.replay(read, now)
        self._count_extra(read)
        for facts in batch.facts:
            self.assembler.log(facts, now)
        self._hold_request(batch, request, now)

    def resume(self, standings: Iterable[Standing], entry: int, now: float) -> None:
        """Takes back what had closed before a restart, from an entry of the journal, in the order of the journal."""
        traces = set()
        for standing in standings:
            self.assembler.resume(standing)
            traces.add(standing.trace_id)
        self.journal.hold(traces, entry, now)

    def tick(self, now: float) -> list[Score]:
        """Closes what is over and counts what is final; the scores of what closed, also of what closed anew.

        Runs with injected faults are scored, kept and judged like others, and counted apart; their scores stay here.
        """
        self.totals.release(self.limiter.release(now))
        scores = list(self._digest(self.assembler.tick(now), now))
        if self.totals.crowded:
            self.tally.reach("series", self.totals.crowded)
            self.totals.crowded = 0
        self.runs.expire(now)
        self.journal.look(now)
        self.runs.count_unusable()
        return scores

    def close_all(self, now: float) -> list[Score]:
        """Closes everything for good: the end of files, never of a service."""
        self.limiter.now = now
        events = list(self.assembler.close_all(now))
        # All runs are known before the first is final, so that a session's verdict is counted for its last run alone.
        for event in events:
            if isinstance(event, Closed):
                for trajectory in filter(self.runs.is_scored, event.trajectories):
                    self.runs.enter(trajectory)
        scores = list(self._digest(events, now))
        self.runs.count_all_faults()
        self.runs.count_unusable()
        return scores

    def rows(self) -> list[Row]:
        """The rows of all runs in the longest window."""
        return self.runs.windows.held()

    def families(self, now: float) -> list[Family]:
        """Every metric as of `now`."""
        return [*self.figures(now), *self._about_itself(now)]

    def figures(self, now: float) -> list[Family]:
        """Those about runs."""
        families = [*self._figures.families(now), *self.totals.families()]
        if self._figures.crowded:
            self.tally.reach("series", self._figures.crowded)
            self._figures.crowded = 0
        return families

    def _about_itself(self, now: float) -> list[Family]:
        info: dict[str, dict[tuple[str, ...], float]] = {
            "horizon_info": {(",".join(self._config.step_kinds),): 1.0},
            "build_info": {(self._version, str(SCORING_VERSION)): 1.0},
        }
        return self.tally.families(now) + [service_family(name, values) for name, values in info.items()]

    def _reach(self, limit: str) -> None:
        self.tally.reach(limit)

    def _take(self, spans: list[Span], now: float) -> None:
        read = self._read(spans)
        kept, duplicates, late = self.assembler.add(read, now)
        self._count_extra(kept)
        fates = self.tally.fates
        fates["kept"] += len(kept)
        fates["duplicate"] += duplicates
        fates["late"] += late
        fates["ignored"] += len(spans) - len(read)
        self.tally.dialects.update([span.reading.dialect for span in kept if span.reading.dialect])
        for span in read:
            for verdict in span.reading.verdicts:
                self.runs.hear(verdict, now)

    def _read(self, spans: list[Span]) -> list[Span]:
        """Those whose scopes are wanted."""
        read: list[Span] = []
        origin: Origin | None = None
        wanted = False
        for span in spans:
            if span.origin is not origin:  # most are of the same as the one before
                origin = span.origin
                wanted = self._is_read(origin.scope)
            if wanted:
                read.append(span)
        return read

    def _count_extra(self, spans: list[Span]) -> None:
        for span in spans:
            extra = _extra(span)
            if extra and self.assembler.held(span.trace_id):
                self._extra[span.trace_id] += extra
                self._extras += extra

    def _is_read(self, scope: str) -> bool:
        read = self._scopes.get(scope)
        if read is None:
            config = self._config
            read = not scope.startswith(OWN_SCOPE + ".") and passes(scope, config.include_scope, config.exclude_scope)
            if len(self._scopes) < config.limits_label_values:
                self._scopes[scope] = read
        return read

    def _hold_request(self, batch: Batch, request: int, now: float) -> None:
        if request:
            self.last_request = request
            logged = {facts.trace_id for facts in batch.facts}
            self.journal.hold({span.trace_id for span in batch.spans} | logged, request, now)
            self.journal.watch(logged)

    def _digest(self, events: Iterable[Closed | Final], now: float) -> Iterator[Score]:
        for event in events:
            if isinstance(event, Closed):
                self.tally.count_doctor(event.trajectories)
                yield from self.runs.close(event.trajectories, event.withdrawn, now)
            else:
                for trajectory in event.resumed:
                    self.runs.score_again(trajectory)
                self.tally.lone_model_calls += event.lone_model_calls
                for run_id in event.trajectory_ids:
                    self.tally.early_finals += self.runs.finalize(run_id, now) and event.early
                if event.last:
                    self._extras -= self._extra.pop(event.trace_id, 0)
                    self.journal.release(event.trace_id, now)


def _extra(span: Span) -> int:
    """How much of `limits.open_spans` a span takes beyond one: few tell of more than a handful of calls."""
    return (len(span.reading.requested) + len(span.reading.results)) // _CALLS
