"""The pipeline and its store in step: what is acknowledged is stored first, what is shown is stored too.

A request is written before it is taken in and acknowledged, several that wait in one transaction. What a look at the
clock closes, counts and forgets is written in one transaction too, together with the last request that is in the
counters; so after a kill at any moment the counters and the stored requests agree on what has been counted.
"""

from __future__ import annotations

import secrets
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import structlog

from otelscore.config import Config
from otelscore.model import Batch, Clock, OverloadedError, Score
from otelscore.pipeline import Pipeline
from otelscore.saved import last_moment, purify, restore, save
from otelscore.scoring.families import Family, service_family
from otelscore.store.codec import encode_batch
from otelscore.store.errors import StoreError, StoreFullError
from otelscore.store.store import REQUEST, Store
from otelscore.trajectory.verdicts import Heard

log = structlog.stdlib.get_logger(__name__)

_NOT_TAKEN = OverloadedError("the request was not taken; try again")

_CLEAN = 600.0  # seconds between two looks for what is too old in the store, and for which it may be there
_LABEL = 600.0  # seconds by which the times at which label values were last used may be too old after a restart
_MEASURE = 10.0  # seconds between two looks at the size of the store
_FULL, _ROOMY = 0.9, 0.85  # shares of its limit: where the oldest runs begin to leave, and how many do
_AT_ONCE = 1000  # runs that leave in one transaction
_SPANS_AT_ONCE = 10_000  # of runs that become final early
_PAGES = 2000  # that are given back to the file system at a time


@dataclass(slots=True, eq=False)
class _Waiting:
    """A request that waits to be written."""

    batch: Batch
    body: bytes
    heard: Sequence[Heard] = ()
    done: bool = False
    error: Exception | None = None


class Durable:
    """A pipeline behind one lock, with or without a store.

    `tell` is given the scores of runs that are final, each once, when that is stored; it must not wait.
    """

    def __init__(
        self,
        config: Config,
        version: str,
        clock: Clock,
        store: Store | None,
        tell: Callable[[Sequence[Score]], None] = lambda _: None,
    ) -> None:
        self._tell = tell
        self._clock = clock
        self._store = store
        self._lock = threading.Lock()
        self._waiting: deque[_Waiting] = deque()
        self._reached: deque[str] = deque()
        self._pipeline = Pipeline(config, version)
        self._cleaned = self._measured = clock()
        self._size = 0
        self._unsaved = False
        self._behind = 0.0
        self.key = secrets.token_bytes(32)
        """Keys the hashes of this installation."""
        if store is not None:
            self.key = store.meta("key") or self.key
            with store.transaction():
                store.put_meta("key", self.key)
            ahead = last_moment(store) - clock()
            if ahead > 0:
                log.warning("the wall clock was set back; time goes on from where it was", seconds=round(ahead, 1))
                self._clock = lambda: clock() + ahead
            self._behind = restore(store, self._pipeline, self._clock())
        self._shown = self._pipeline.families(self._clock())

    def accept(self, batch: Batch) -> Sequence[Heard]:
        """Stores a request and takes it in; gives what became of each of its verdicts.

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
        return one.heard

    def reach(self, limit: str) -> None:
        """Counts that a limit of this name was reached elsewhere; never waits."""
        self._reached.append(limit)

    def reached(self) -> dict[str, int]:
        """How often each limit was reached, by its name."""
        with self._lock:
            return self._pipeline.tally.reached()

    @property
    def is_writable(self) -> bool:
        """Whether what came of the last look at the clock could be stored."""
        return not self._unsaved

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

        There are none without a store. Raises OverloadedError where the store cannot be read.
        """
        if self._store is None:
            return []
        try:
            found = self._store.find_runs(filters, since, before, limit=limit)
        except StoreError as error:
            raise OverloadedError(str(error)) from error
        with self._lock:
            judged = [self._as_judged(score) for score in found]
        return [score.as_dict() for score in judged]

    def look(self, run_id: str) -> dict[str, object] | None:
        """The score of one run; None where it is not known or there is no store.

        Raises OverloadedError where the store cannot be read.
        """
        with self._lock:
            run = self._pipeline.runs.get(run_id)
        try:
            score = self._store.score(run.number) if self._store is not None and run is not None else None
        except StoreError as error:
            raise OverloadedError(str(error)) from error
        if score is None:
            return None
        with self._lock:
            return self._as_judged(score).as_dict()

    def _as_judged(self, score: Score) -> Score:
        """A score as it was when the run closed, with the verdict that has come since."""
        run = self._pipeline.runs.get(score.trajectory_id)
        if run is None:
            return score
        verdict = run.row.verdict
        if verdict is score.task_passed:
            return score
        return replace(score, task_passed=verdict, silent_failure=None if verdict is None else run.row.silent)

    def close(self) -> None:
        """Writes what is left to write; open runs stay open."""
        with self._lock:
            try:
                self._tick(self._clock())
            finally:
                if self._store is not None:
                    self._store.close()

    def _take_waiting(self) -> None:
        waiting, now = [], self._clock()
        taken = 0
        while self._waiting:
            one = self._waiting.popleft()
            one.done = True
            size = self._pipeline.room_for(one.batch)
            try:
                self._pipeline.check_room(taken + size)
            except OverloadedError as error:
                one.error = error
            else:
                if self._pipeline.reject_surplus(one.batch) and self._store is not None:
                    one.body = encode_batch(one.batch)  # without them: they are not there after a restart either
                one.error = _NOT_TAKEN  # until it is, whatever happens to the others
                taken += size
                waiting.append(one)
        numbers = [0] * len(waiting)
        if self._store is not None:
            try:
                with self._store.transaction():
                    numbers = [self._store.append(REQUEST, now - self._behind, one.body) for one in waiting]
            except StoreError as error:
                self._reach_state(error)
                for one in waiting:
                    one.error = OverloadedError(str(error))
                return
        for one, number in zip(waiting, numbers, strict=True):
            one.heard = self._pipeline.ingest(one.batch, now, number)
            one.error = None

    def _tick(self, now: float) -> list[Score]:
        while self._reached:
            self._pipeline.tally.reach(self._reached.popleft())
        scores = self._pipeline.tick(now)
        if self._store is None:
            self._forget_changes()
            return scores
        if self._unsaved or now - self._measured >= _MEASURE:
            self._measured = now
            self._make_room(self._store)
        try:
            with self._store.transaction():
                entry, traces = save(self._store, self._pipeline, now, self._behind)
                mixed = self._pipeline.journal.mixed(now - _CLEAN)
                purify(self._store, self._pipeline, mixed)
                if now - self._cleaned >= _CLEAN:
                    self._cleaned = now
                    self._store.delete_memories_before(self._pipeline.assembler.memories.since(now))
        except StoreError as error:
            self._reach_state(error)
            if not self._unsaved:
                log.error("state cannot be written; figures stand still until it can", reason=str(error))
            self._unsaved = True
        else:
            if self._unsaved:
                log.info("state is written again")
            self._unsaved = False
            self._forget_changes()
            self._pipeline.journal.purify(mixed)
            if entry:
                self._pipeline.journal.hold(traces, entry, now)
        return scores

    def _reach_state(self, error: StoreError) -> None:
        if isinstance(error, StoreFullError):
            self._pipeline.tally.reach("state")

    def _forget_changes(self) -> None:
        self._tell([self._as_judged(score) for score in self._pipeline.changes.finals])
        self._pipeline.changes.clear()
        self._pipeline.journal.gone.clear()
        self._pipeline.verdicts.changed.clear()
        self._pipeline.totals.changed.clear()
        self._pipeline.totals.gone.clear()
        self._pipeline.limiter.changed = False
        self._pipeline.assembler.memories.learnt.clear()
        self._pipeline.assembler.looked_at.clear()

    def _make_room(self, store: Store) -> None:
        """Near the limit on disk the runs that closed first leave, as they would for want of room in memory.

        Where that is not enough, those that wait for missing spans become final early, so that their requests can go.
        """
        early = 0
        try:
            self._size = store.size()
            left = 0
            while self._size > _FULL * store.limit or (left and self._size > _ROOMY * store.limit):
                with store.transaction():
                    oldest = store.delete_oldest_runs(_AT_ONCE)
                if not oldest:
                    early = self._pipeline.assembler.hoping.hurry(_SPANS_AT_ONCE)
                    break
                left += len(oldest)
                self._pipeline.runs.drop(oldest)
                self._size = store.size()
            store.incremental_vacuum(_PAGES)
        except StoreError as error:
            if not self._unsaved:  # else it has been said
                log.error("the state cannot be made smaller", reason=str(error))
            return
        if left:
            self._pipeline.tally.reach("state")
            log.warning("state near its limit: the oldest runs left", runs=left, size=self._size, limit=store.limit)
        if early:
            self._pipeline.tally.reach("state")
            log.warning("state near its limit: what waits for missing spans becomes final early", spans=early)
