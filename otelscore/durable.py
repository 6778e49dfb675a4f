"""The pipeline and its store in step: what is acknowledged is stored first, what is shown is stored too.

A request is written before it is taken in and acknowledged, several that wait in one transaction. What a look at the
clock closes, counts and forgets is written in one transaction too, together with the last request that is in the
counters; so after a kill at any moment the counters and the stored requests agree on what has been counted.
"""

from __future__ import annotations

import secrets
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import structlog

from otelscore.config import Config
from otelscore.model import Batch, Clock, Kind, Outcome, OverloadedError, Score, Verdict
from otelscore.pipeline import Pipeline, Run
from otelscore.scoring.families import Family, service_family
from otelscore.scoring.score import Errors
from otelscore.scoring.window import Row
from otelscore.store.codec import decode_batch, encode_batch
from otelscore.store.errors import StoreError
from otelscore.store.store import Store, StoredRun, VerdictRow
from otelscore.trajectory.assembler import Memory

log = structlog.stdlib.get_logger(__name__)

_NOT_TAKEN = OverloadedError("the request was not taken; try again")

_CLEAN = 600.0  # seconds between two looks for what is too old in the store
_MEASURE = 10.0  # seconds between two looks at the size of the store
_FULL, _ROOMY = 0.9, 0.85  # shares of its limit: where the oldest runs begin to leave, and how many do
_AT_ONCE = 1000  # runs that leave in one transaction
_PAGES = 2000  # that are given back to the file system at a time


@dataclass(slots=True, eq=False)
class _Waiting:
    """A request that waits to be written."""

    batch: Batch
    body: bytes
    done: bool = False
    error: Exception | None = None


class Durable:
    """A pipeline behind one lock, with or without a store."""

    def __init__(self, config: Config, version: str, clock: Clock, store: Store | None) -> None:
        self._clock = clock
        self._store = store
        self._lock = threading.Lock()
        self._waiting: deque[_Waiting] = deque()
        self._pipeline = Pipeline(config, version)
        self._cleaned = self._measured = clock()
        self._size = 0
        self._shown: list[Family] = []
        self._unsaved = False
        self.key = secrets.token_bytes(32)
        """Keys the hashes of this installation."""
        if store is not None:
            self._restore(store, clock())

    def accept(self, batch: Batch) -> None:
        """Stores a request and takes it in.

        Raises:
            OverloadedError: there is no room for it in memory or on disk; nothing was taken.
        """
        one = _Waiting(batch, encode_batch(batch) if self._store is not None else b"")
        self._waiting.append(one)
        with self._lock:
            if not one.done:  # else whoever had the lock before has written this one too
                self._take_waiting()
        if one.error is not None:
            raise one.error

    def tick(self) -> list[Score]:
        """Lets time pass; the scores of what closed."""
        with self._lock:
            return self._tick(self._clock())

    def families(self) -> list[Family]:
        """Every metric as it is now; while the store takes nothing, as it was when last asked for."""
        with self._lock:
            now = self._clock()
            self._tick(now)
            if not self._unsaved:
                self._shown = self._pipeline.families(now)
            if self._store is None:
                return self._shown
            sizes = {"state_bytes": self._size, "state_limit_bytes": self._store.limit}
            return self._shown + [service_family(name, {(): size}) for name, size in sizes.items()]

    def find(self, filters: Mapping[str, str], since: float, before: float, limit: int) -> list[dict[str, object]]:
        """The scores of the runs that closed in [since, before) and are as the filters say, newest first.

        There are none without a store.
        """
        if self._store is None:
            return []
        with self._lock:
            found = self._store.find_runs(**filters, since=since, before=before, limit=limit)
            return [self._as_judged(orjson.loads(score)) for score in found]

    def look(self, run_id: str) -> dict[str, object] | None:
        """The score of one run; None where it is not known or there is no store."""
        if self._store is None:
            return None
        with self._lock:
            score = self._store.score(run_id)
            return self._as_judged(orjson.loads(score)) if score else None

    def _as_judged(self, score: dict[str, Any]) -> dict[str, object]:
        """A score as it was when the run closed, with the verdict that has come since."""
        run = self._pipeline.run(score["trajectory_id"])
        if run is not None:
            score["task_passed"] = run.row.verdict
            score["silent_failure"] = run.row.silent if run.row.verdict is not None else None
        return score

    def close(self) -> None:
        """Writes what is left to write; open runs stay open."""
        with self._lock:
            self._tick(self._clock())
            if self._store is not None:
                self._store.close()

    def _take_waiting(self) -> None:
        waiting, now = [], self._clock()
        spans = 0
        while self._waiting:
            one = self._waiting.popleft()
            one.done = True
            try:
                self._pipeline.check_room(spans + len(one.batch.spans))
            except OverloadedError as error:
                one.error = error
            else:
                one.error = _NOT_TAKEN  # until it is, whatever happens to the others
                spans += len(one.batch.spans)
                waiting.append(one)
        numbers = [0] * len(waiting)
        if self._store is not None:
            try:
                with self._store.transaction():
                    numbers = [self._store.append_request(now, one.body) for one in waiting]
            except StoreError as error:
                for one in waiting:
                    one.error = OverloadedError(str(error))
                return
        for one, number in zip(waiting, numbers, strict=True):
            self._pipeline.ingest(one.batch, now, number)
            one.error = None

    def _tick(self, now: float) -> list[Score]:
        scores = self._pipeline.tick(now)
        if self._store is None:
            self._forget_changes()
            return scores
        if self._unsaved or now - self._measured >= _MEASURE:
            self._measured = now
            self._make_room(self._store)
        try:
            with self._store.transaction():
                self._save(self._store, now)
        except StoreError as error:
            if not self._unsaved:
                log.error("state cannot be written; figures stand still until it can", reason=str(error))
            self._unsaved = True
        else:
            self._unsaved = False
            self._forget_changes()
        return scores

    def _forget_changes(self) -> None:
        self._pipeline.changes.clear()
        self._pipeline.totals.changed.clear()
        self._pipeline.assembler.learnt.clear()

    def _make_room(self, store: Store) -> None:
        """Near the limit on disk the runs that closed first leave, as they would for want of room in memory."""
        try:
            self._size = store.size()
            left = 0
            while self._size > _FULL * store.limit or (left and self._size > _ROOMY * store.limit):
                with store.transaction():
                    oldest = store.delete_oldest_runs(_AT_ONCE)
                if not oldest:
                    break
                left += len(oldest)
                self._pipeline.drop(oldest)
                self._size = store.size()
            store.incremental_vacuum(_PAGES)
        except StoreError as error:
            log.error("the state cannot be made smaller", reason=str(error))
            return
        if left:
            log.warning("state near its limit: the oldest runs left", runs=left, size=self._size, limit=store.limit)

    def _save(self, store: Store, now: float) -> None:
        pipeline = self._pipeline
        changes, totals = pipeline.changes, pipeline.totals
        for run_id in changes.runs:
            run = pipeline.run(run_id)
            if run is None:
                store.delete_run(run_id)
            elif run.score is None:
                store.update_run(run_id, run.judged, run.final, run.counted, run.until, _facts(run))
            else:
                store.put_run(_stored(run_id, run, run.score))
        store.put_verdicts([(*_plain_verdict(verdict), until) for verdict, until in changes.verdicts])
        for trace_id, service in pipeline.assembler.learnt:
            memory = pipeline.assembler.memory(trace_id, service)
            if memory is not None:
                store.put_memory(trace_id, service, memory.until, memory.start, memory.end, bytes(memory.span_ids))
        store.put_totals(
            (name, orjson.dumps(values).decode(), orjson.dumps(totals.dump(name, values)))
            for name, values in totals.changed
        )
        store.delete_requests(changes.requests)
        status = {
            "clock": now,
            "last_request": changes.last_request,
            "counts": pipeline.counts(),
            "labels": {name: sorted(values) for name, values in pipeline.limiter.admitted.items()},
            "label_names": pipeline.limiter.names,
        }
        store.put_meta("status", orjson.dumps(status))
        if now - self._cleaned >= _CLEAN:
            self._cleaned = now
            store.delete_memory_before(now)
            store.delete_verdicts_before(now)

    def _restore(self, store: Store, now: float) -> None:
        self.key = store.meta("key") or self.key
        with store.transaction():
            store.put_meta("key", self.key)
        written = store.meta("status")
        status: dict[str, Any] = orjson.loads(written) if written else {"last_request": 0, "clock": now}
        runs = self._restore_figures(store, status, now) if written else 0
        pipeline = self._pipeline
        pipeline.changes.last_request = status["last_request"]
        down = now - status["clock"]  # the arrival clock stood still meanwhile
        for number, arrived, body in store.requests():
            if number <= status["last_request"]:
                pipeline.replay(decode_batch(body), arrived + down, number)
            else:
                pipeline.ingest(decode_batch(body), arrived + down, number)
        pipeline.resume()
        log.info("state restored", runs=runs, open_spans=pipeline.assembler.open_spans, down_seconds=round(down, 1))

    def _restore_figures(self, store: Store, status: dict[str, Any], now: float) -> int:
        """Takes back what is remembered, counted and shown; gives the number of runs."""
        pipeline = self._pipeline
        for trace_id, service, until, start, end, span_ids in store.memories():
            pipeline.assembler.remember(trace_id, service, Memory(until, start, end, bytearray(span_ids)))
        pipeline.load_counts(status["counts"])
        if tuple(status["label_names"]) != pipeline.limiter.names:
            log.warning("the setting labels has changed: figures and counters about runs begin anew")
            pipeline.restore({}, map(_verdict, store.verdicts()), now)
            return 0
        pipeline.limiter.admitted.update({name: set(values) for name, values in status["labels"].items()})
        for name, values, plain in store.totals():
            pipeline.totals.load(name, tuple(orjson.loads(values)), orjson.loads(plain))
        runs = {stored.run_id: _run(stored) for stored in store.runs()}
        pipeline.restore(runs, map(_verdict, store.verdicts()), now)
        return len(runs)


def _stored(run_id: str, run: Run, score: Score) -> StoredRun:
    return StoredRun(
        run_id=run_id,
        trace_id=run.trace_id,
        service=score.service,
        agent=score.agent,
        outcome=score.outcome or "",
        closed=run.closed,
        started=run.start,
        judged=run.judged,
        final=run.final,
        counted=run.counted,
        until=run.until,
        row=_facts(run),
        score=orjson.dumps(score.as_dict()),
        responses=tuple(sorted({step.response for step in score.steps if step.response})),
        tools=tuple(sorted({step.name for step in score.steps if step.kind is not Kind.MODEL})),
    )


def _facts(run: Run) -> bytes:
    """What a restart needs of a run, besides what has a column of its own."""
    targets = [target.hex() if isinstance(target, bytes) else f"session:{target}" for target in run.targets]
    row = {name: getattr(run.row, name) for name in Row.__slots__}  # asdict copies, at ten times the cost
    return orjson.dumps({"row": row, "end": run.end, "targets": targets})


def _run(stored: StoredRun) -> Run:
    facts = orjson.loads(stored.row)
    row: dict[str, Any] = facts["row"]
    row["labels"] = tuple(row["labels"])
    row["outcome"] = Outcome(row["outcome"]) if row["outcome"] else None
    row["errors"] = Errors(row["errors"])
    row["tools"] = tuple(map(tuple, row["tools"]))
    return Run(
        row=Row(**row),
        trace_id=stored.trace_id,
        start=stored.started,
        end=facts["end"],
        targets=tuple(
            target.removeprefix("session:") if target.startswith("session:") else bytes.fromhex(target)
            for target in facts["targets"]
        ),
        closed=stored.closed,
        final=stored.final,
        judged=stored.judged,
        counted=stored.counted,
        until=stored.until,
    )


def _plain_verdict(verdict: Verdict) -> tuple[str, bool, int, bytes, bytes, str]:
    return (
        verdict.evaluator,
        verdict.passed,
        verdict.time,
        verdict.trace_id,
        verdict.span_id,
        verdict.session,
    )


def _verdict(plain: VerdictRow) -> tuple[Verdict, float]:
    evaluator, passed, time, trace_id, span_id, session, until = plain
    return Verdict(evaluator, bool(passed), time, trace_id, span_id, session), until
