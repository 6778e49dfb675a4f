"""What was acknowledged is counted once, and what was counted stays, whenever the process dies."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import agent, spans

from otelscore.config import Config
from otelscore.dialects import Context, Registry
from otelscore.durable import Durable, _Waiting
from otelscore.ingest.decode import Decoder
from otelscore.model import Batch, OverloadedError, Verdict
from otelscore.scoring.families import Distribution
from otelscore.store.codec import encode_batch
from otelscore.store.store import Store

CORPUS = Path(__file__).parent / "corpus"
HOUR = 3600.0
WINDOWS = ("5m", "1h", "6h", "24h")
PASSING = {"state_bytes", "state_limit_bytes", "open_trajectories", "open_spans", "oldest_open_trajectory_age_seconds"}


def requests() -> list[Batch]:
    """Real requests of two frameworks, and a verdict about each trace."""
    decoder = Decoder(Registry(Context(key=bytes(16))))
    batches = [
        decoder.traces(path.read_bytes())
        for framework in ("pydantic_ai", "strands")
        for path in sorted((CORPUS / framework).glob("*/request-*"))
    ]
    traces = sorted({span.trace_id for batch in batches for span in batch.spans})
    verdicts = [
        Verdict("task_success", number % 3 > 0, 2_000_000_000 * 10**9, trace_id)
        for number, trace_id in enumerate(traces)
    ]
    return batches + [Batch(verdicts=[verdict], records=1) for verdict in verdicts]


REQUESTS = requests()


class Machine:
    """An otelscore with a simulated clock, whose process may die."""

    def __init__(self, folder: Path | None, limit: int = 2**30, **settings: object) -> None:
        self.folder = folder
        self.limit = limit
        self.config = Config(**settings)  # type: ignore[arg-type]
        self.now = 1_000_000.0
        self.start()

    def start(self) -> None:
        self.store = Store.open(self.folder, "process", self.limit) if self.folder else None
        self.durable = Durable(self.config, "test", lambda: self.now, self.store)

    def die(self) -> None:
        """Nothing is written any more; the kernel closes the files."""
        if self.store is not None:
            self.store.close()

    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        while self.now < until:
            self.now = min(until, self.now + max(1.0, seconds / 50))
            self.durable.tick()

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


def play(machine: Machine, order: list[int], pauses: list[float], deaths: set[int]) -> dict:
    for step, (number, pause) in enumerate(zip(order, pauses, strict=True)):
        machine.durable.accept(REQUESTS[number])
        if step in deaths:
            machine.die()
            machine.start()
        machine.wait(pause)
    for seconds in (60.0, 600.0, HOUR, 30 * HOUR):
        machine.wait(seconds)
    return machine.shown()


@settings(max_examples=15)
@given(st.randoms(use_true_random=False))
def test_no_figure_depends_on_when_the_process_died(tmp_path_factory, chance: random.Random):
    order = list(range(len(REQUESTS)))
    chance.shuffle(order)
    pauses = [chance.choice([0.0, 0.0, 0.0, 0.1, 0.9]) for _ in order]
    deaths = {chance.randrange(len(order)) for _ in range(6)}
    undisturbed = play(Machine(None, late_window=HOUR), order, pauses, set())
    disturbed = play(Machine(tmp_path_factory.mktemp("state"), late_window=HOUR), order, pauses, deaths)
    assert disturbed == undisturbed
    assert sum(undisturbed["trajectories_total"].values()) == 33


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
    assert list(machine.store.requests()) == []


def test_near_the_limit_on_disk_the_oldest_runs_leave_and_what_comes_is_taken(tmp_path):
    machine = Machine(tmp_path, limit=6_000_000)
    for number in range(40):
        for batch in REQUESTS:
            machine.durable.accept(renamed(batch, number))
        machine.wait(600.0)
    shown = machine.shown()
    assert machine.store is not None
    assert machine.store.size() < 6_000_000
    assert shown["rows_dropped_total"]["runs",] > 0
    assert (
        sum(shown["trajectories_total"].values()) == 40 * 32
    )  # counters lose nothing; one run a round is open to its missing spans


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
    left = (pipeline.changes.runs, pipeline.changes.verdicts, pipeline.totals.changed)
    assert not any((*left, pipeline.assembler.learnt))
