"""Nothing grows with what has passed: when the windows are over, all that is held is as small as before."""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from support import LOCAL, agent, failure, model, other, spans, tool

from otelscore.config import Config
from otelscore.durable import Durable
from otelscore.model import Batch, SpanFacts, Verdict
from otelscore.store.store import Store

QUICK = Config(
    root_grace=1.0,
    orphan_grace=2.0,
    idle_timeout=4.0,
    late_window=5.0,
    dedupe_window=30.0,
    verdict_window=60.0,
    windows=(5.0, 60.0),
)
RUNS = 200  # in a round
PASSED = 2000.0  # seconds after which every window, and the longest pause between two clean-ups, is over

TREES = (
    agent("a", 0, 9, model(0, 1), tool("t", 1, 2, error="TimeoutError", args="x"), model(3, 4), id="a"),
    agent("b", 0, 9, model(0, 1), tool("t", 1, 2), session="one for all", id="b"),
    agent("orphan", 0, 9, model(0, 1), parent="never", flags=LOCAL),
    tool("headless", 1, 2, parent="never", flags=LOCAL),
    other(0, 9, agent("c", 0, 3, tool("t", 1, 2, service="mcp")), agent("d", 4, 8), service="web"),
    model(0, 1),
    other(0, 1),
)


class Machine:
    """An otelscore with a simulated clock, through which rounds of the same traffic go in traces of other ids."""

    def __init__(self, folder: Path) -> None:
        self.store = Store.open(folder, "process", 2**30)
        self.now = 1_000_000.0
        self.durable = Durable(QUICK, "test", lambda: self.now, self.store)
        self.serial = count(1)

    def round(self) -> None:
        chance = random.Random(1)  # the same each time: other chances would show other series
        late: list[Batch] = []
        for number in range(RUNS):
            trace = next(self.serial).to_bytes(16, "big")
            run = spans(TREES[number % len(TREES)], trace=trace)
            chance.shuffle(run)
            half = len(run) // 2
            batches = [Batch(run[:half]), Batch(run[half:])]
            if number % 3 == 0:
                about = chance.choice([trace, trace[::-1]])
                late.append(Batch(verdicts=[Verdict("task_success", number % 2 > 0, 10**10, about)], records=1))
            if number % 5 == 0:
                facts = SpanFacts(trace, chance.choice([run[0].span_id, b"unknown!"]), failure("X"))
                batches.append(Batch(facts=[facts], records=1))
            if number % 7 == 0:
                late += batches
            for batch in batches:
                self.durable.accept(batch)
            if number % 10 == 0:
                self.wait(1.0)
                if late:
                    self.durable.accept(late.pop(chance.randrange(len(late))))
        for batch in late:
            self.durable.accept(batch)
        self.durable.families()

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.durable.tick()

    def rest(self) -> None:
        """Until everything that had its time has gone, also where nobody asks for figures."""
        for _ in range(20):
            self.wait(PASSED / 20)

    def held(self) -> Counter[str]:
        """The size of every container that the pipeline reaches, and of every table, by where it is."""
        held: Counter[str] = Counter()
        for path, size in sizes(self.durable, "", set()):
            held[path] += size
        for (table,) in self.store._connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table'"
        ).fetchall():
            (held[table],) = self.store._connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        return held


def sizes(thing: object, path: str, seen: set[int]) -> Iterator[tuple[str, int]]:
    """(path, number of entries) of the containers in a thing and in all objects of ours that it refers to."""
    if id(thing) in seen or isinstance(thing, str | bytes | Config):
        return
    seen.add(id(thing))
    if isinstance(thing, dict):
        yield path, len(thing)
        for value in thing.values():
            yield from sizes(value, f"{path}[]", seen)
    elif isinstance(thing, list | tuple | set | frozenset | deque | bytearray):
        yield path, len(thing)
        if not isinstance(thing, bytearray):
            for value in thing:
                yield from sizes(value, f"{path}[]", seen)
    elif type(thing).__module__.startswith("otelscore"):
        slots = [name for cls in type(thing).__mro__ for name in getattr(cls, "__slots__", ())]
        for name in {*slots, *getattr(thing, "__dict__", {})}:
            yield from sizes(getattr(thing, name, None), f"{path}.{name}", seen)


def test_what_is_held_is_no_more_after_ten_rounds_of_traffic_than_after_one(tmp_path):
    machine = Machine(tmp_path)
    machine.round()
    busy = machine.held()
    machine.rest()
    first = machine.held()
    for _ in range(9):
        machine.round()
        machine.rest()
    last = machine.held()
    assert {path: (first[path], size) for path, size in last.items() if size > first[path]} == {}
    grew = {path for path, size in busy.items() if size > first[path] + RUNS / 20}
    assert len(grew) > 15, grew  # else there was nothing to let go of
