"""What was acknowledged is counted once, and what was counted stays, whenever the process dies."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import agent, spans, tool

from otelscore.config import Config
from otelscore.dialects import Context, Registry
from otelscore.durable import Durable, _Waiting
from otelscore.ingest.decode import Decoder
from otelscore.model import Batch, Kind, OverloadedError, Score, Verdict
from otelscore.scoring.families import Distribution
from otelscore.store.codec import encode_batch
from otelscore.store.store import Store

CORPUS = Path(__file__).parent / "corpus"
HOUR = 3600.0
WINDOWS = ("5m", "1h", "6h", "24h")
PASSING = {"state_bytes", "state_limit_bytes", "open_trajectories", "open_spans", "oldest_open_trajectory_age_seconds"}


def requests(faults: bool = False) -> list[Batch]:
    """Real requests of two frameworks, in some of them injected faults if wanted, and a verdict about each trace."""
    decoder = Decoder(Registry(Context(key=bytes(16))))
    batches = [
        decoder.traces(path.read_bytes())
        for framework in ("pydantic_ai", "strands")
        for path in sorted((CORPUS / framework).glob("*/request-*"))
    ]
    traces = sorted({span.trace_id for batch in batches for span in batch.spans})
    for span in (span for batch in batches for span in batch.spans):
        if faults and span.trace_id in traces[::5] and span.reading.kind is Kind.TOOL:
            span.reading.fault = "stale"
    verdicts = [
        Verdict("task_success", number % 3 > 0, 2_000_000_000 * 10**9, trace_id)
        for number, trace_id in enumerate(traces)
    ]
    return batches + [Batch(verdicts=[verdict], records=1) for verdict in verdicts]


REQUESTS = requests()
WITH_FAULTS = requests(faults=True)


class Machine:
    """An otelscore with a simulated clock, whose process may die."""

    def __init__(self, folder: Path | None, limit: int = 2**30, **settings: object) -> None:
        self.folder = folder
        self.limit = limit
        self.config = Config(**settings)  # type: ignore[arg-type]
        self.now = 1_000_000.0
        self.moments: list[tuple[float, list[str], int, int]] = []
        """When something happened: the runs that closed, and how many were counted by then, and model calls."""
        self.told: list[tuple[str, bool | None]] = []
        """Of the runs that are final: id and verdict."""
        self.start()

    def start(self) -> None:
        self.store = Store.open(self.folder, "process", self.limit) if self.folder else None
        self.durable = Durable(self.config, "test", lambda: self.now, self.store, self.hear)

    def hear(self, scores: Sequence[Score]) -> None:
        self.told += [(score.trajectory_id, score.task_passed) for score in scores]

    def die(self) -> None:
        """Nothing is written any more; the kernel closes the files."""
        if self.store is not None:
            self.store.close()

    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            self.now = min(until, self.now + max(1.0, seconds / 50))
            self.tick()

    def tick(self) -> None:
        closed = sorted(score.trajectory_id for score in self.durable.tick())
        pipeline = self.durable._pipeline
        counted = sum(pipeline.totals.counters.get("trajectories_total", {}).values())
        happened = closed, counted, pipeline.tally.dump()["model_calls"]["lone"]
        if closed or not self.moments or happened[1:] != self.moments[-1][2:]:
            self.moments.append((self.now, *happened))

    def shown(self) -> dict[str, dict[tuple[str, ...], object]]:
        """Every figure that must not depend on when the process died: all but exemplars and what is open."""
        return {
            family.metric.name: {
                sample.labels: (sample.value.counts, sample.value.sum)
                if isinstance(sample.value, Distribution)
                else sample.value
                for sample in family.samples
            }
            for family in self.durable.families()
            if family.metric.name not in PASSING
        }


def play(machine: Machine, order: list[int], pauses: list[float], deaths: set[int]) -> Machine:
    for step, (number, pause) in enumerate(zip(order, pauses, strict=True)):
        if step in deaths:
            machine.die()
            machine.start()
        machine.durable.accept(WITH_FAULTS[number])
        if -step in deaths:
            machine.die()
            machine.start()
        machine.wait(pause)
    for seconds in (60.0, 600.0, HOUR, 30 * HOUR):
        machine.wait(seconds)
        if deaths:
            machine.die()
            machine.start()
    return machine


@settings(max_examples=10)
@given(st.randoms(use_true_random=False), st.sampled_from([0.0, 120.0, HOUR]))
def test_no_figure_and_no_moment_depends_on_when_the_process_died(
    tmp_path_factory: pytest.TempPathFactory, chance: random.Random, late_window: float
) -> None:
    order = [chance.randrange(len(REQUESTS)) for _ in range(10)] + list(range(len(REQUESTS)))
    chance.shuffle(order)
    pauses = [chance.choice([0.0, 0.0, 0.0, 0.1, 0.9, 4.0, 11.0, 70.0, 130.0]) for _ in order]
    deaths = {chance.randrange(-len(order), len(order)) for _ in range(12)}
    undisturbed = play(Machine(None, late_window=late_window), order, pauses, set())
    disturbed = play(Machine(tmp_path_factory.mktemp("state"), late_window=late_window), order, pauses, deaths)
    assert disturbed.moments == undisturbed.moments
    assert disturbed.shown() == undisturbed.shown()
    assert sorted(disturbed.told) == sorted(undisturbed.told)
    assert len(dict(disturbed.told)) == len(disturbed.told) == sum(disturbed.shown()["trajectories_total"].values())
    assert sum(undisturbed.shown()["trajectories_total"].values()) >= 26
    assert sum(undisturbed.shown()["injected_faults_total"].values()) > 0


def test_a_verdict_that_came_between_close_and_final_is_told(tmp_path):
    machine = Machine(tmp_path)
    machine.durable.accept(Batch(spans(agent("a", 0, 9, tool("t", 1, 2)), trace=b"1" * 16)))
    machine.wait(11.0)
    machine.durable.accept(Batch(verdicts=[Verdict("task_success", True, 1, b"1" * 16)], records=1))
    assert not machine.told
    machine.wait(130.0)
    assert [passed for _, passed in machine.told] == [True]


def test_counters_windows_and_open_runs_go_on_after_a_death(tmp_path):
    machine = Machine(tmp_path)
    for batch in REQUESTS:
        machine.durable.accept(batch)
    machine.wait(11.0)  # closed, not final
    before = machine.shown()
    assert before["window_trajectories"]
    machine.die()
    machine.start()
    after = machine.shown()
    assert after["window_trajectories"] == before["window_trajectories"]
    assert after["task_pass_ratio"] == before["task_pass_ratio"]
    machine.wait(30 * HOUR)
    counted = machine.shown()
    assert sum(counted["judged_trajectories_total"].values()) == 33
    machine.die()
    machine.start()
    assert machine.shown() == counted


def test_what_is_sent_again_after_a_restart_changes_nothing(tmp_path):
    machine = Machine(tmp_path)
    for batch in REQUESTS:
        machine.durable.accept(batch)
    machine.wait(HOUR)
    counted = machine.shown()["steps_total"]
    machine.die()
    machine.start()
    for batch in REQUESTS:
        machine.durable.accept(batch)
    machine.wait(HOUR)
    again = machine.shown()
    assert again["steps_total"] == counted
    assert again["spans_total"]["duplicate",] >= 0.9 * again["spans_total"]["kept",]


def test_an_orphan_that_had_closed_is_replaced_when_its_parent_comes_after_a_restart(tmp_path):
    machine = Machine(tmp_path)
    caller, called = spans(agent("caller", 0, 9, agent("called", 1, 8)))
    machine.durable.accept(Batch(spans=[called]))
    machine.wait(200.0)
    assert set(machine.shown()["window_trajectories"]) == {(called.origin.service, "called", w) for w in WINDOWS}
    machine.die()
    machine.start()
    machine.durable.accept(Batch(spans=[caller]))
    machine.wait(60.0)
    assert machine.shown()["window_trajectories"] == {(called.origin.service, "caller", w): 1 for w in WINDOWS}


def test_requests_leave_the_store_when_their_runs_are_final(tmp_path):
    machine = Machine(tmp_path)
    for batch in REQUESTS:
        machine.durable.accept(batch)
    machine.wait(30 * HOUR)
    assert machine.store is not None
    assert list(machine.store.journal()) == []


def test_near_the_limit_on_disk_the_oldest_runs_leave_and_what_comes_is_taken(tmp_path):
    machine = Machine(tmp_path, limit=6_500_000)
    for number in range(40):
        for batch in REQUESTS:
            machine.durable.accept(renamed(batch, number))
        machine.wait(600.0)
    shown = machine.shown()
    assert machine.store is not None
    assert machine.store.size() < 6_500_000
    assert shown["rows_dropped_total"]["runs",] > 0
    early = sum(shown["early_final_trajectories_total"].values())  # one run a round waits for its missing spans
    assert sum(shown["trajectories_total"].values()) == 40 * 32 + early


def test_near_the_limit_on_disk_what_waits_for_missing_spans_becomes_final_early_and_is_counted(tmp_path):
    machine = Machine(tmp_path, limit=400_000)
    taken = refused = 0
    for number in range(2000):
        orphan = spans(agent("caller", 0, 9, agent("called", 1, 8, tool("search", 2, 3))))[1:]
        try:
            machine.durable.accept(renamed(Batch(spans=orphan), number))
            taken += 1
        except OverloadedError:
            refused += 1
        machine.wait(5.0)
    machine.wait(30 * HOUR)
    shown = machine.shown()
    assert refused < taken
    assert shown["early_final_trajectories_total"][()] > 0
    assert sum(shown["trajectories_total"].values()) == taken
    assert machine.store is not None
    assert list(machine.store.journal()) == []


def test_while_the_database_cannot_be_written_nothing_is_taken_or_shown_and_then_all_goes_on(tmp_path):
    machine, undisturbed = Machine(tmp_path), Machine(None)
    for each in (machine, undisturbed):
        for batch in REQUESTS[:10]:
            each.durable.accept(batch)
        each.wait(20.0)
    assert machine.store is not None
    before = machine.shown()
    machine.store._connection.execute("PRAGMA query_only = ON")
    with pytest.raises(OverloadedError, match="permissions"):
        machine.durable.accept(REQUESTS[10])
    machine.wait(300.0)
    assert machine.shown() == before
    assert not machine.durable.is_writable
    machine.store._connection.execute("PRAGMA query_only = OFF")
    undisturbed.wait(300.0)
    for each in (machine, undisturbed):
        for batch in REQUESTS[10:]:
            each.durable.accept(batch)
        each.wait(HOUR)
    assert machine.durable.is_writable
    machine.die()
    machine.start()
    for each in (machine, undisturbed):
        each.wait(30 * HOUR)
    assert machine.shown() == undisturbed.shown()


def test_timers_stand_still_while_the_process_is_down_however_often(tmp_path):
    machine = Machine(tmp_path)
    (called,) = spans(agent("caller", 0, 9, agent("called", 1, 8)))[1:]
    machine.durable.accept(Batch(spans=[called]))
    for _ in range(3):
        machine.wait(30.0)  # of two minutes
        machine.die()
        machine.now += HOUR
        machine.start()
    machine.wait(29.0)
    assert machine.shown()["window_trajectories"] == {}
    machine.wait(2.0)
    assert sum(count for count in machine.shown()["window_trajectories"].values()) == len(WINDOWS)


def test_a_run_that_closed_before_a_restart_can_be_looked_up_and_is_not_closed_again(tmp_path):
    machine = Machine(tmp_path)
    for batch in REQUESTS:
        machine.durable.accept(batch)
    machine.wait(100.0)
    found = machine.durable.find({}, 0.0, 1e12, 10)
    assert len(found) == 10
    machine.die()
    machine.start()
    assert machine.durable.tick() == []
    assert machine.durable.find({}, 0.0, 1e12, 10) == found
    assert machine.durable.look(str(found[0]["trajectory_id"])) == found[0]
    assert machine.durable.look("nobody") is None


def test_other_labels_begin_the_figures_anew_and_lose_nothing_that_is_open(tmp_path):
    machine = Machine(tmp_path)
    orphan = spans(agent("caller", 0, 9, agent("called", 1, 8)))[1:]
    for batch in (*REQUESTS[:-1], Batch(spans=orphan)):
        machine.durable.accept(batch)
    machine.wait(HOUR)
    assert sum(machine.shown()["trajectories_total"].values()) > 10
    machine.die()
    machine.config = Config(labels=("service.version",))
    machine.start()
    machine.wait(200.0)
    shown = machine.shown()["window_trajectories"]
    assert {labels[:3] for labels in shown} >= {(orphan[0].origin.service, "called", "")}
    machine.wait(30 * HOUR)
    assert machine.store is not None
    assert list(machine.store.journal()) == []
    counted = machine.shown()
    machine.die()
    machine.start()
    assert machine.shown() == counted


def test_without_room_on_disk_a_request_is_refused_and_the_rest_goes_on(tmp_path):
    machine = Machine(tmp_path, limit=200_000)
    batches = (renamed(batch, number) for number in range(50) for batch in REQUESTS)
    taken = 0
    refused = False
    while not refused:
        batch = next(batches)
        try:
            machine.durable.accept(batch)
        except OverloadedError:
            refused = True
        else:
            taken += len(batch.spans)
    assert taken > 0
    assert machine.shown()["spans_total"]["kept",] == taken


CLEAN = spans(agent("planner", 0, 9, tool("search", 1, 2)))
PAIR = [replace(span, trace_id=b"p" * 16) for span in spans(agent("a", 0, 1), agent("b", 2, 3))]


def says(trace_id: bytes, passed: bool | None = False) -> Batch:
    return Batch(verdicts=[Verdict("task_success", passed, 10**10, trace_id)])


@pytest.mark.parametrize("dies", ["at once", "when stored", "when the run came"])
def test_a_verdict_waits_for_its_run_over_deaths(tmp_path, dies):
    machine = Machine(tmp_path)
    assert machine.durable.accept(says(CLEAN[0].trace_id)) == ["waiting"]
    if dies != "at once":
        machine.wait(24 * HOUR)
    if dies == "when the run came":
        machine.durable.accept(Batch(spans=CLEAN))
    machine.die()
    machine.start()
    assert machine.durable.accept(says(CLEAN[0].trace_id)) == ["duplicate"]
    machine.durable.accept(Batch(spans=CLEAN))
    machine.wait(HOUR)
    shown = machine.shown()
    assert shown["silent_failure_ratio"]["shop", "planner", "6h"] == 1
    assert shown["judged_trajectories_total"]["shop", "planner", "fail", "none", "false"] == 1
    assert shown["verdicts_total"]["task_success", "fail"] == 1


def test_a_verdict_that_comes_days_after_its_run_and_a_death_counts(tmp_path):
    machine = Machine(tmp_path)
    machine.durable.accept(Batch(spans=CLEAN))
    machine.wait(5 * 24 * HOUR)
    machine.die()
    machine.start()
    assert machine.durable.accept(says(CLEAN[0].trace_id)) == ["counted"]
    machine.die()
    machine.start()
    shown = machine.shown()
    assert shown["silent_failure_ratio"]["shop", "planner", "5m"] == 1
    assert shown["judged_trajectories_total"]["shop", "planner", "fail", "none", "false"] == 1


def test_verdicts_that_judge_no_run_are_counted_once_over_deaths(tmp_path):
    machine = Machine(tmp_path)
    unusable = {}
    for day in range(10):
        for batch in (says(PAIR[0].trace_id), says(b"unreadable".ljust(16), None), says(b"nobody's".ljust(16))):
            if not day:
                machine.durable.accept(batch)
        if day == 1:
            machine.durable.accept(Batch(spans=PAIR))
        machine.wait(24 * HOUR)
        machine.die()
        machine.start()
        unusable[day] = {reason: count for (_, reason), count in machine.shown()["verdicts_unusable_total"].items()}
    assert unusable[0] == {"unreadable": 1, "ambiguous": 0, "expired": 0}
    assert unusable[1] == {"unreadable": 1, "ambiguous": 1, "expired": 0}
    assert unusable[9] == {"unreadable": 1, "ambiguous": 1, "expired": 1}
    assert machine.store is not None
    assert list(machine.store.verdicts()) == []


def test_what_was_said_of_a_run_goes_with_it(tmp_path):
    machine = Machine(tmp_path)
    machine.durable.accept(Batch(spans=CLEAN))
    machine.wait(6 * 24 * HOUR)
    machine.durable.accept(says(CLEAN[0].trace_id))
    machine.wait(2 * 24 * HOUR)
    assert machine.store is not None
    assert list(machine.store.runs()) == list(machine.store.verdicts()) == []
    machine.wait(8 * 24 * HOUR)
    assert not any(machine.shown()["verdicts_unusable_total"].values())


def renamed(batch: Batch, number: int) -> Batch:
    """The same spans in traces of other ids."""
    spans = [replace(span, trace_id=number.to_bytes(2, "big") + span.trace_id[2:]) for span in batch.spans]
    verdicts = [replace(one, trace_id=number.to_bytes(2, "big") + one.trace_id[2:]) for one in batch.verdicts]
    return Batch(spans=spans, verdicts=verdicts, records=batch.records)


def test_a_request_is_not_acknowledged_where_another_one_before_it_broke_the_way(tmp_path, monkeypatch):
    machine = Machine(tmp_path)
    waiting = [_Waiting(batch, encode_batch(batch)) for batch in REQUESTS[:3]]
    machine.durable._waiting.extend(waiting)

    def break_down(*_):
        raise MemoryError

    monkeypatch.setattr(machine.durable._pipeline, "ingest", break_down)
    with pytest.raises(MemoryError):
        machine.durable._take_waiting()
    assert all(isinstance(one.error, OverloadedError) for one in waiting)


def test_without_a_store_nothing_waits_to_be_written():
    machine = Machine(None)
    for batch in REQUESTS:
        machine.durable.accept(batch)
    machine.wait(HOUR)
    pipeline = machine.durable._pipeline
    left = (pipeline.changes.scored, pipeline.changes.changed, pipeline.verdicts.changed, pipeline.totals.changed)
    assert not any((*left, pipeline.assembler.memories.learnt, pipeline.assembler.looked_at))


def test_what_was_counted_and_forgotten_is_not_counted_again_for_an_orphan_that_came_with_it(tmp_path):
    """The request is still needed, but for the orphan alone."""
    machine = Machine(tmp_path, limits_final_traces=1)
    orphan = spans(agent("caller", 0, 9, agent("called", 1, 8)), trace=b"o" * 16)[1:]
    again = spans(agent("planner", 0, 9, tool("search", 2, 3)), trace=b"d" * 16)
    counted = spans(agent("planner", 0, 9, tool("search", 2, 3), tool("search", 4, 5)), trace=b"c" * 16)
    machine.durable.accept(Batch(spans=[*orphan, *counted[:2]]))
    machine.wait(5.0)
    machine.durable.accept(Batch(spans=counted[2:]))
    for _ in range(30):
        machine.wait(20.0)
    machine.durable.accept(Batch(spans=again))
    machine.wait(HOUR)
    for _ in range(2):
        machine.die()
        machine.start()
        machine.wait(HOUR)
    machine.wait(30 * HOUR)
    assert sum(machine.shown()["trajectories_total"].values()) == 3
    assert machine.store is not None
    assert list(machine.store.journal()) == []
