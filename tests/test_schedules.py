"""Random schedules of arrival, splits, repetition, deaths, a full disk and a moving clock: the same figures."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from support import Made, agent, model, spans, tool

from otelscore.config import Config
from otelscore.durable import Durable
from otelscore.model import Batch, OverloadedError, Span, Verdict
from otelscore.scoring.families import Distribution, Family
from otelscore.scoring.metrics import Per, Type
from otelscore.store.store import Store, StoreFullError

HOUR = 3600.0
DAY = 24 * HOUR
CONFIG = Config(late_window=DAY, windows=(HOUR, 14 * DAY), dedupe_window=30 * DAY)
"""Nothing is late while a schedule is played, and the longer window shows all of it at the end."""

SHOWN = "336h"

OF_TRANSPORT = frozenset(
    {"spans_received_total", "spans_total", "log_records_received_total", "log_records_total", "limit_reached_total"}
)
"""They count what a sender sends again."""

TRACES: tuple[tuple[Made, ...], ...] = (
    (agent("clerk", 0, 9, model(0, 1), tool("book", 1, 2, error="TimeoutError"), model(2, 3), tool("book", 3, 4)),),
    (agent("clerk", 0, 9, model(0, 1), tool("book", 1, 2, error="ValueError"), model(2, 3)),),
    (agent("clerk", 0, 9, model(0, 1), error="RuntimeError"),),
    (agent("planner", 0, 20, model(0, 1), tool("ask", 1, 9, agent("clerk", 2, 8, model(2, 3), tool("look", 4, 5)))),),
    (agent("clerk", 0, 9, model(0, 1), tool("look", 1, 2), parent="lost"),),
    (model(0, 1, parent="lost"), tool("look", 1, 2, parent="lost")),
    (model(0, 1, parent="lost"), agent("clerk", 1, 4, model(2, 3), parent="lost"), tool("look", 5, 6, parent="lost")),
    (agent("planner", 0, 9, tool("call", 1, 8, agent("other", 2, 7, model(3, 4), service="far", flags=0x300))),),
    (model(0, 1),),
)
"""Runs that recover, do not, and fail; with a helper; without a caller or an agent; over two services."""


def requests(chance: Random) -> list[Batch]:
    """All spans in any order, cut anywhere, and a verdict about each trace."""
    found: list[Span] = []
    batches: list[Batch] = []
    for number, trees in enumerate(TRACES):
        trace = bytes([number]) * 16
        found += spans(*trees, trace=trace)
        batches.append(Batch(verdicts=[Verdict("task_success", chance.random() < 0.5, 10**11, trace)], records=1))
    chance.shuffle(found)
    while found:
        size = chance.randrange(1, 6)
        batches.append(Batch(spans=found[:size]))
        del found[:size]
    chance.shuffle(batches)
    return batches


class Machine:
    """An otelscore with a simulated clock and a state on disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = 1_000_000.0
        self.start()

    def start(self) -> None:
        self.store = Store.open(self.folder, "process", 2**30)
        self.durable = Durable(CONFIG, "test", lambda: self.now, self.store)

    def die(self) -> None:
        """Nothing is written any more; the kernel closes the files."""
        self.store.close()

    def wait(self, seconds: float) -> None:
        for _ in range(10):
            self.now += seconds / 10
            self.durable.tick()

    def figures(self) -> dict[tuple[str, tuple[str, ...]], object]:
        """All that depends on the runs alone: counters, and gauges of the longer window."""
        return {
            (family.metric.name, sample.labels): _plain(sample.value)
            for family in self.durable.families()
            for sample in family.samples
            if family.metric.name not in OF_TRANSPORT
            and (family.metric.type in (Type.COUNTER, Type.HISTOGRAM) or _is_shown(family, sample.labels))
            and _plain(sample.value)
        }

    def counters(self) -> dict[tuple[str, tuple[str, ...]], float]:
        return {
            (family.metric.name, sample.labels): sample.value
            for family in self.durable.families()
            if family.metric.type is Type.COUNTER
            for sample in family.samples
        }

    def open_trajectories(self) -> float:
        (number,) = (
            family.samples[0].value for family in self.durable.families() if family.metric.name == "open_trajectories"
        )
        assert isinstance(number, float)
        return number

    def scores(self) -> dict[object, dict[str, object]]:
        return {score["trajectory_id"]: score for score in self.durable.find({}, float("-inf"), float("inf"), 1000)}


def _is_shown(family: Family, labels: tuple[str, ...]) -> bool:
    return family.metric.per is Per.WINDOW and SHOWN in labels


def _plain(value: float | Distribution) -> object:
    """False or 0 where nothing was counted."""
    return any(value.counts) and (value.counts, value.sum) if isinstance(value, Distribution) else value


class Schedule(RuleBasedStateMachine):
    """One machine to which things happen, and one that is sent the same without them."""

    @initialize(chance=st.randoms(use_true_random=False))
    def begin(self, chance: Random) -> None:
        self.rest = ExitStack()
        folder = Path(self.rest.enter_context(tempfile.TemporaryDirectory()))
        self.disturbed, self.undisturbed = Machine(folder / "a"), Machine(folder / "b")
        self.chance, self.requests = chance, requests(chance)
        self.sent: list[Batch] = []
        self.shown: dict[tuple[str, tuple[str, ...]], float] = {}
        self.mended: ExitStack | None = None  # closing it mends the disk

    @precondition(lambda self: self.requests)
    @rule(count=st.integers(1, 6))
    def send(self, count: int) -> None:
        """A request that is refused is sent again, later."""
        for _ in range(min(count, len(self.requests))):
            batch = self.requests.pop()
            try:
                self.disturbed.durable.accept(batch)
            except OverloadedError:
                self.requests.insert(0, batch)
            else:
                self.undisturbed.durable.accept(batch)
                self.sent.append(batch)

    @precondition(lambda self: self.sent and not self.mended)
    @rule()
    def repeat(self) -> None:
        """The answer was lost, or a queue sends twice."""
        batch = self.chance.choice(self.sent)
        self.disturbed.durable.accept(Batch(spans=batch.spans, verdicts=batch.verdicts, records=batch.records))

    @rule(seconds=st.sampled_from([0.5, 11.0, 70.0, 130.0, 1000.0]))
    def wait(self, seconds: float) -> None:
        for machine in (self.disturbed, self.undisturbed):
            machine.wait(seconds)

    @rule(
        sent=st.integers(0, 3),
        down=st.sampled_from([0.0, 0.3, 40.0, HOUR]),
        step=st.sampled_from([0.0, -2 * HOUR, 2 * HOUR]),
    )
    def die(self, sent: int, down: float, step: float) -> None:
        """It dies just after some requests came, and is started again a while later, by a wall clock that was moved."""
        self.send(sent)
        self.mend()
        self.disturbed.die()
        self.disturbed.now += down + step
        self.disturbed.start()

    @precondition(lambda self: not self.mended)
    @rule()
    def fill_the_disk(self) -> None:
        self.mended = ExitStack()
        self.mended.enter_context(full(self.disturbed.store))

    @precondition(lambda self: self.mended)
    @rule()
    def mend(self) -> None:
        if self.mended:
            self.mended.close()
            self.mended = None

    @invariant()
    def no_counter_goes_down(self) -> None:
        if not hasattr(self, "shown"):
            return
        counters = self.disturbed.counters()
        fallen = {key: (value, counters.get(key)) for key, value in self.shown.items() if counters.get(key, -1) < value}
        assert not fallen
        self.shown = counters

    def teardown(self) -> None:
        if not hasattr(self, "rest"):
            return
        with self.rest:
            self.mend()
            self.send(len(self.requests))
            assert not self.requests
            # The time in which nothing could be written is lost to the timers of open runs when the process dies.
            for seconds in (20 * HOUR, 2 * DAY):
                self.wait(seconds)
                assert self.disturbed.scores() == self.undisturbed.scores()
                assert self.disturbed.figures() == self.undisturbed.figures()
            assert ("window_trajectories", ("shop", "planner", SHOWN)) in self.disturbed.figures()
            self.die(0, 0.0, 0.0)
            assert self.disturbed.figures() == self.undisturbed.figures()
            self.disturbed.die()
            self.undisturbed.die()


@contextmanager
def full(store: Store) -> Iterator[None]:
    """Whatever is written to the store is refused at its end, as by a disk without room."""
    transaction = store.transaction

    @contextmanager
    def refused() -> Iterator[None]:
        with transaction():
            yield
            raise StoreFullError("the disk is full")

    store.transaction = refused  # type: ignore[method-assign]
    yield
    store.transaction = transaction  # type: ignore[method-assign]


TestSchedules = Schedule.TestCase
TestSchedules.settings = settings(max_examples=25, stateful_step_count=25)


def test_a_run_that_closes_and_becomes_final_while_the_disk_is_full_is_not_lost(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.durable.accept(Batch(spans=spans(*TRACES[0])))
    with full(machine.store):
        machine.wait(60.0)
        machine.wait(2 * DAY)
        assert not machine.figures()
    machine.wait(10.0)
    figures, scores = machine.figures(), machine.scores()
    assert figures["trajectories_total", ("shop", "clerk", "completed")] == 1
    assert len(scores) == 1
    machine.die()
    machine.start()
    assert machine.figures() == figures
    assert machine.scores() == scores


def test_timers_do_not_jump_when_a_restart_follows_one_with_another_clock(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.durable.accept(Batch(spans=spans(*TRACES[5])))  # closes as incomplete, and stays open to its agent's span
    machine.wait(1000.0)
    assert machine.open_trajectories() == 0
    for step in (-5 * HOUR, 0.0, 7 * HOUR, 0.0):
        machine.die()
        machine.now += step
        machine.start()
        machine.wait(1000.0)
        assert machine.open_trajectories() == 0


def test_what_is_known_stays_known_when_the_clock_goes_back(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    verdicts = [Batch(verdicts=[Verdict("task_success", True, 10**11, bytes([n]) * 16)], records=1) for n in range(3)]
    for number in range(3):
        for verdict in verdicts[: number + 1]:
            machine.durable.accept(verdict)
        machine.wait(1000.0)
        assert machine.figures()["verdicts_total", ("task_success", "pass")] == number + 1
        machine.die()
        machine.now -= 5 * HOUR
        machine.start()
