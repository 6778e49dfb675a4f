"""What the pipeline counts about itself: what became of what came, what is held, which limits were reached."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from otelscore.config import LIMITS
from otelscore.model import DOCTOR_SERVICE, Trajectory
from otelscore.scoring.families import Family, service_family
from otelscore.scoring.labels import LabelLimiter
from otelscore.scoring.window import Windows
from otelscore.trajectory.assembler import Assembler
from otelscore.trajectory.verdicts import VerdictBook

FATES = ("kept", "duplicate", "ignored", "late", "rejected")
LOG_FATES = ("kept", "ignored", "rejected")


class Tally:
    """Counters that go on over restarts, and gauges of what the parts of a pipeline hold."""

    def __init__(self, assembler: Assembler, windows: Windows, limiter: LabelLimiter, verdicts: VerdictBook) -> None:
        self._assembler = assembler
        self._windows = windows
        self._limiter = limiter
        self._verdicts = verdicts
        self.fates: Counter[str] = Counter()
        self.log_fates: Counter[str] = Counter()
        self.dialects: Counter[str] = Counter()
        self.lone_model_calls = 0
        self.early_finals = 0
        self.doctors_runs = Counter(ok=0, error=0)
        self._dropped_before: Counter[str] = Counter()  # rows, before the last restart
        self._reached: Counter[str] = Counter()  # limits, likewise, and what nobody else counts

    def count_doctor(self, closed: Iterable[Trajectory]) -> None:
        """Counts those that `otelscore doctor` sent; not kept over restarts, since it compares before with after."""
        for trajectory in closed:
            if trajectory.origin.service == DOCTOR_SERVICE:
                self.doctors_runs["error" if any(step.failed for step in trajectory.steps) else "ok"] += 1

    def reach(self, limit: str, times: int = 1) -> None:
        """Counts that the limit of this name was reached."""
        self._reached[limit] += times

    def reached(self) -> dict[str, int]:
        """How often each limit was reached, by its name."""
        counts = {**dict.fromkeys(LIMITS, 0), **self._reached, "label_values": sum(self._limiter.overflows.values())}
        counts["rows"] += self._windows.full
        counts["open_spans"] += self._assembler.hoping.crowded
        counts["final_traces"] += self._assembler.memories.forgotten
        counts["verdicts"] += self._verdicts.dropped
        return counts

    def dump(self) -> dict[str, dict[str, int]]:
        """All counters, plain; `load` takes them back."""
        return {
            "fates": dict(self.fates),
            "log_fates": dict(self.log_fates),
            "dialects": dict(self.dialects),
            "overflows": dict(self._limiter.overflows),
            "model_calls": {"lone": self.lone_model_calls},
            "trajectories": {"early_final": self.early_finals},
            "rows_dropped": self._rows_dropped(),
            "limits": self.reached(),
        }

    def load(self, counts: Mapping[str, Mapping[str, int]]) -> None:
        """Goes on from where the counters were, after the parts are restored and have counted again what that took."""
        self.fates.update(counts["fates"])
        self.log_fates.update(counts["log_fates"])
        self.dialects.update(counts["dialects"])
        self._limiter.overflows.update(counts["overflows"])
        self.lone_model_calls += counts["model_calls"]["lone"]
        self.early_finals += counts["trajectories"]["early_final"]
        again = self._rows_dropped(), self.reached()
        self._dropped_before.update(counts["rows_dropped"])
        self._dropped_before.subtract(again[0])
        self._reached.update(counts["limits"])
        self._reached.subtract(again[1])

    def families(self, now: float) -> list[Family]:
        """Each counter and gauge as of `now`."""
        open_trajectories, opened = self._assembler.open_trajectories()
        fates: dict[tuple[str, ...], float] = {(fate,): float(self.fates[fate]) for fate in FATES}
        log_fates: dict[tuple[str, ...], float] = {(fate,): float(self.log_fates[fate]) for fate in LOG_FATES}
        numbers: dict[str, dict[tuple[str, ...], float]] = {
            "spans_received_total": {(): sum(fates.values())},
            "spans_total": fates,
            "spans_read_total": {(dialect,): float(count) for dialect, count in self.dialects.items()},
            "log_records_received_total": {(): sum(log_fates.values())},
            "log_records_total": log_fates,
            "model_calls_without_agent_total": {(): float(self.lone_model_calls)},
            "early_final_trajectories_total": {(): float(self.early_finals)},
            "doctor_trajectories_total": {(outcome,): float(count) for outcome, count in self.doctors_runs.items()},
            "open_trajectories": {(): float(open_trajectories)},
            "oldest_open_trajectory_age_seconds": {(): 0.0 if opened is None else max(now - opened, 0.0)},
            "open_spans": {(): float(self._assembler.open_spans)},
            "log_facts_pending": {(): float(self._assembler.logged.spans)},
            "verdicts_pending": {(): float(self._verdicts.pending)},
            "rows": {stream: float(count) for stream, count in self._windows.rows.items()},
            "rows_dropped_total": {(stream,): float(count) for stream, count in self._rows_dropped().items()},
            "limit_reached_total": {(limit,): float(count) for limit, count in self.reached().items()},
            "label_overflow_total": {(label,): float(count) for label, count in self._limiter.overflows.items()},
        }
        return [service_family(name, values) for name, values in numbers.items()]

    def _rows_dropped(self) -> dict[str, int]:
        return {stream: count + self._dropped_before[stream] for (stream,), count in self._windows.dropped.items()}
