"""Exact sliding windows over compact rows, one row a trajectory.

Sums per window and group change as rows come and go and are never computed anew. Each of the two streams (runs by
the time they closed, verdicts by the time they came) keeps its rows in one queue per window, in order of time: queue
i holds the rows that are too old for window i-1 and young enough for window i, so a row is held once and moves on as
it ages, and counts in window i and all longer ones.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from otelscore.model import Outcome
from otelscore.scoring.faults import FaultSums
from otelscore.scoring.intervals import ClusterSums
from otelscore.scoring.projection import Trials
from otelscore.scoring.rows import Row
from otelscore.scoring.score import Errors
from otelscore.scoring.survival import LifeTable


def sums_of(rows: Iterable[Row]) -> Sums:
    """What the rows of one group amount to; those with a verdict count in both streams."""
    sums = Sums()
    for row in rows:
        sums.count_run(row, 1)
        if row.verdict is not None and row.outcome is not None and not row.faults:
            sums.count_verdict(row, 1)
    return sums


@dataclass(slots=True)
class Sums:
    """One group in one window. Integers only, so that sums are exact in any order and add up over instances."""

    rows: int = 0  # in either stream; without any the group is gone
    trajectories: int = 0  # with an outcome: DESIGN.md, Steps 10
    hard_failures: int = 0
    incomplete: int = 0
    steps: ClusterSums = field(default_factory=ClusterSums)
    tools: dict[str, ClusterSums] = field(default_factory=dict)
    error_free: LifeTable = field(default_factory=LifeTable)
    survival: LifeTable = field(default_factory=LifeTable)
    responses: int = 0
    sane: int = 0
    resolutions: int = 0
    recovered: int = 0
    verdicts: int = 0
    passed: int = 0
    silent: int = 0
    passes: Trials = field(default_factory=Trials)
    not_silent: Trials = field(default_factory=Trials)
    verdicts_by_errors: dict[Errors, tuple[int, int]] = field(default_factory=dict)  # -> verdicts, fail verdicts
    injected: int = 0  # of the rows those with injected faults, which are in `faults` alone
    faults: dict[str, FaultSums] = field(default_factory=dict)  # by kind

    def count_run(self, row: Row, sign: int) -> None:
        """Put a row in (sign 1) or take it out (-1)."""
        self.rows += sign
        if row.faults:
            self._count_faults(row, sign)
            return
        steps, outcome = row.steps, row.outcome
        if row.responses:
            self.responses += sign * row.responses
            self.sane += sign * row.sane
        if row.resolutions:
            self.resolutions += sign * row.resolutions
            self.recovered += sign * row.recovered
        if steps:
            self.steps.count(steps, row.failed, sign, row.cluster)
        if outcome is not None:
            self.trajectories += sign
            if row.hard_failure:
                self.hard_failures += sign
            if outcome is Outcome.INCOMPLETE:
                self.incomplete += sign
            if steps:
                last = steps if row.hard_failure else None
                self.error_free.count(steps, last if row.first_failed is None else row.first_failed + 1, sign)
                self.survival.count(steps, last if row.first_unrecovered is None else row.first_unrecovered + 1, sign)
        for name, calls, failures in row.tools:
            sums = self.tools.get(name)
            if sums is None:
                sums = self.tools[name] = ClusterSums()
            sums.count(calls, failures, sign, row.cluster)
            if not sums.trials:
                del self.tools[name]

    def _count_faults(self, row: Row, sign: int) -> None:
        self.injected += sign
        for kind in {hit.fault for hit in row.faults}:
            sums = self.faults.setdefault(kind, FaultSums())
            sums.count([hit for hit in row.faults if hit.fault == kind], row.verdict, sign, row.cluster)
            if not sums.noticed.trials:
                del self.faults[kind]

    def count_verdict(self, row: Row, sign: int) -> None:
        """The same for a row's verdict."""
        self.rows += sign
        self.verdicts += sign
        self.passed += sign * (row.verdict is True)
        self.silent += sign * row.silent
        if row.steps:
            self.passes.count(row.steps, row.verdict is True, sign, row.cluster)
            self.not_silent.count(row.steps, not row.silent, sign, row.cluster)
        verdicts, failed = self.verdicts_by_errors.pop(row.errors, (0, 0))
        if verdicts + sign:
            self.verdicts_by_errors[row.errors] = verdicts + sign, failed + sign * (row.verdict is False)


class Windows:
    """Sliding windows of the given lengths (seconds, ascending); a row of age >= length has left.

    Times are Unix seconds of a clock that only rises; one that is earlier than the last counts as that. No stream
    holds more than `limit` rows: the oldest go first, and are counted.
    """

    def __init__(self, lengths: tuple[float, ...], limit: int) -> None:
        self.lengths = lengths
        self._sums: dict[tuple[float, tuple[str, ...]], Sums] = {}
        self._changed: set[tuple[float, tuple[str, ...]]] = set()
        self._runs = _Stream(lengths, limit, self._counter(Sums.count_run))
        self._verdicts = _Stream(lengths, limit, self._counter(Sums.count_verdict))

    def add(self, key: str, row: Row, time: float, instead_of: Collection[str] = ()) -> None:
        """A trajectory closed, or closed anew: then the row replaces the old one and keeps its time.

        `instead_of`: keys of rows that this one may take the place of, where its own key is new; the oldest is.
        """
        if instead_of:
            self._runs.rename(instead_of, key)
            self._verdicts.rename(instead_of, key)
        if not self._runs.replace(key, row):
            self._runs.append(key, row, time)
        self.judge(key, row, time)

    def judge(self, key: str, row: Row, time: float) -> None:
        """A verdict about a trajectory came, changed or was taken back, whether or not the run is still in a window.

        An unchanged one keeps its time. What it says of injected faults counts at the time of the run.
        """
        if row.faults:
            self._verdicts.remove(key)
            self._runs.replace(key, row)
            return
        verdict = None if row.outcome is None else row.verdict
        before = self._verdicts.get(key)
        if before is None and verdict is None:
            return
        if before is not None and before.verdict is verdict:
            self._verdicts.replace(key, row)
            return
        self._verdicts.remove(key)
        if verdict is not None:
            self._verdicts.append(key, row, time)

    def restore_run(self, key: str, row: Row, time: float, now: float) -> None:
        """Take back, in order of time, a trajectory that closed at `time`: at once where it belongs by now."""
        self._runs.append(key, row, time, bisect_right(self.lengths, now - time))

    def restore_verdict(self, key: str, row: Row, time: float, now: float) -> None:
        """The same for its verdict, which came at `time`."""
        if row.outcome is not None and row.verdict is not None and not row.faults:
            self._verdicts.append(key, row, time, bisect_right(self.lengths, now - time))

    def remove(self, key: str) -> None:
        """Forget a trajectory, e.g. one that became part of another."""
        self._runs.remove(key)
        self._verdicts.remove(key)

    def drop(self, key: str) -> None:
        """Forget a trajectory before its time, for want of room elsewhere; counted as such."""
        self._runs.dropped += self._runs.get(key) is not None
        self._verdicts.dropped += self._verdicts.get(key) is not None
        self.remove(key)

    def expire(self, now: float) -> None:
        """Let go of what is too old."""
        self._runs.expire(now)
        self._verdicts.expire(now)

    def take_changes(self) -> list[tuple[float, tuple[str, ...], Sums | None]]:
        """Window, group and sums of all that changed since the last call; None where the group is gone."""
        changes = [(length, labels, self._sums.get((length, labels))) for length, labels in self._changed]
        self._changed.clear()
        return changes

    def held(self) -> list[Row]:
        """The rows of all runs, in the order in which they closed."""
        return self._runs.held()

    @property
    def rows(self) -> dict[tuple[str, ...], int]:
        """Rows held, by stream."""
        return {("runs",): len(self._runs), ("verdicts",): len(self._verdicts)}

    @property
    def full(self) -> int:
        """Rows that went because a stream held `limit` of them."""
        return self._runs.full + self._verdicts.full

    @property
    def dropped(self) -> dict[tuple[str, ...], int]:
        """Rows that went before their time for want of room here or elsewhere, by stream."""
        return {("runs",): self._runs.dropped, ("verdicts",): self._verdicts.dropped}

    def _counter(self, count: Callable[[Sums, Row, int], None]) -> Callable[[float, Row, int], None]:
        def count_in_window(length: float, row: Row, sign: int) -> None:
            place = (length, row.labels)
            sums = self._sums.get(place)
            if sums is None:
                sums = self._sums[place] = Sums()
            count(sums, row, sign)
            if not sums.rows:
                del self._sums[place]
            self._changed.add(place)

        return count_in_window


@dataclass(slots=True)
class _Slot:
    """A row's place in the order of time."""

    key: str
    time: float
    row: Row | None  # None: taken out; the place goes when it is too old
    window: int = 0  # the shortest one that it is young enough for


class _Stream:
    """Rows by key in order of time; tells `count` of each window that a row enters (1) or leaves (-1)."""

    def __init__(self, lengths: tuple[float, ...], limit: int, count: Callable[[float, Row, int], None]) -> None:
        self._lengths = lengths
        self._limit = limit
        self._count = count
        self._queues: list[deque[_Slot]] = [deque() for _ in lengths]
        self._slots: dict[str, _Slot] = {}
        self._last = 0.0
        self.dropped = self.full = 0

    def __len__(self) -> int:
        return len(self._slots)

    def get(self, key: str) -> Row | None:
        slot = self._slots.get(key)
        return None if slot is None else slot.row

    def held(self) -> list[Row]:
        return [slot.row for queue in reversed(self._queues) for slot in queue if slot.row is not None]

    def append(self, key: str, row: Row, time: float, window: int = 0) -> None:
        """`window`: the shortest one that the row is young enough for."""
        self._last = max(self._last, time)
        if window == len(self._queues):
            return
        self._slots[key] = slot = _Slot(key, self._last, row, window)
        self._queues[window].append(slot)
        self._count_from(window, row, 1)
        while len(self) > self._limit:
            oldest = next(queue for queue in reversed(self._queues) if queue).popleft()
            if oldest.row is not None:
                self._count_from(oldest.window, oldest.row, -1)
                del self._slots[oldest.key]
                self.dropped += 1
                self.full += 1

    def replace(self, key: str, row: Row) -> bool:
        """Whether there was a row to replace."""
        slot = self._slots.get(key)
        if slot is None or slot.row is None:
            return False
        self._count_from(slot.window, slot.row, -1)
        slot.row = row
        self._count_from(slot.window, row, 1)
        return True

    def rename(self, keys: Iterable[str], key: str) -> None:
        """Gives the place of the oldest of some rows another key."""
        slots = [self._slots[old] for old in keys if old in self._slots]
        if slots and key not in self._slots:
            slot = min(slots, key=lambda slot: slot.time)
            del self._slots[slot.key]
            slot.key = key
            self._slots[key] = slot

    def remove(self, key: str) -> None:
        slot = self._slots.pop(key, None)
        if slot is not None and slot.row is not None:
            self._count_from(slot.window, slot.row, -1)
            slot.row = None

    def expire(self, now: float) -> None:
        for i, (length, queue) in enumerate(zip(self._lengths, self._queues, strict=True)):
            while queue and now - queue[0].time >= length:
                slot = queue.popleft()
                if slot.row is None:
                    continue
                self._count(length, slot.row, -1)
                slot.window = i + 1
                if slot.window < len(self._queues):
                    self._queues[slot.window].append(slot)
                else:
                    del self._slots[slot.key]

    def _count_from(self, i: int, row: Row, sign: int) -> None:
        for length in self._lengths[i:]:
            self._count(length, row, sign)
