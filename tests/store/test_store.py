"""What is written in a transaction is there after a restart, and nothing else is."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otelscore.model import Score
from otelscore.store import REQUEST, STANDINGS, Store, StoredRun, StoreError, StoreFullError

Reopen = Callable[..., Store]
MakeRun = Callable[..., tuple[StoredRun, Score]]

MEMORY = (50.0, b"\x00memory")
VERDICT = ("task_success", True, 2**63 - 1, b"t" * 16, b"", "session", 50.0)


def fill(store: Store, make_run: MakeRun) -> None:
    store.append(REQUEST, 1.5, b"\x00request")
    store.append(STANDINGS, 2.5, b"\x00closings")
    store.put_runs([make_run(1)])
    store.put_memories(*MEMORY)
    store.put_verdicts([VERDICT])
    store.put_totals([("steps_total", '["a"]', b"\x00total")])
    store.put_meta("key", b"\x00value")


def contents(store: Store) -> list[Any]:
    return [
        list(store.journal()),
        [run.run_id for run in store.runs()],
        list(store.memories()),
        list(store.verdicts()),
        list(store.totals()),
        store.meta("key"),
    ]


def test_everything_comes_back_after_a_restart(store: Store, reopen: Reopen, make_run: MakeRun) -> None:
    with store.transaction():
        fill(store, make_run)
    assert contents(reopen()) == [
        [(1, REQUEST, 1.5, b"\x00request"), (2, STANDINGS, 2.5, b"\x00closings")],
        ["run 1"],
        [MEMORY],
        [VERDICT],
        [("steps_total", '["a"]', b"\x00total")],
        b"\x00value",
    ]


def test_a_transaction_with_an_error_leaves_nothing(store: Store, reopen: Reopen, make_run: MakeRun) -> None:
    before = contents(store)
    with suppress(ZeroDivisionError), store.transaction():
        fill(store, make_run)
        _ = 1 / 0
    assert contents(store) == before == [[], [], [], [], [], None]
    with store.transaction():
        fill(store, make_run)
    assert contents(reopen())[1] == ["run 1"]


def test_numbers_of_entries_rise_and_are_never_used_again(store: Store, reopen: Reopen) -> None:
    with store.transaction():
        first = [store.append(REQUEST, now, b"") for now in (3.0, 1.0, 2.0)]
        store.delete_entries(first[1:])
    assert [number for number, *_ in store.journal()] == first[:1]
    store = reopen()
    with store.transaction():
        last = store.append(REQUEST, 0.0, b"last")
    assert sorted({*first, last}) == [*first, last]
    assert [(number, body) for number, _, _, body in store.journal()] == [(first[0], b""), (last, b"last")]


def test_an_entry_is_read_and_replaced_in_its_place(store: Store) -> None:
    with store.transaction():
        first, second = (store.append(STANDINGS, 1.0, body) for body in (b"one", b"two"))
        assert store.entry(first) == (STANDINGS, b"one")
        store.replace_entry(first, b"another")
    assert list(store.journal()) == [(first, STANDINGS, 1.0, b"another"), (second, STANDINGS, 1.0, b"two")]


def test_when_the_last_entry_was_written(store: Store) -> None:
    assert store.last_written() is None
    with store.transaction():
        for written in (3.0, 2.0):
            store.append(STANDINGS, written, b"")
    assert store.last_written() == 2.0


def test_memories_are_in_order_and_forgotten_in_time(store: Store) -> None:
    memories = [(1.0, b"a"), (3.0, b"b"), (3.0, b"c"), (4.0, b"d")]
    with store.transaction():
        for until, body in memories:
            store.put_memories(until, body)
    assert list(store.memories()) == memories
    with store.transaction():
        store.delete_memories_before(3.0)
    assert list(store.memories()) == memories[1:]


def test_figures_are_deleted_together(store: Store, make_run: MakeRun) -> None:
    with store.transaction():
        fill(store, make_run)
    kept = contents(store)
    with store.transaction():
        store.delete_figures()
    assert contents(store) == [kept[0], [], kept[2], kept[3], [], kept[5]]


def test_a_verdict_is_there_once_until_it_is_deleted(store: Store) -> None:
    fail, late, other = (VERDICT[0], False, *VERDICT[2:]), (*VERDICT[:6], 70.0), ("goal", *VERDICT[1:6], 60.0)
    with store.transaction():
        store.put_verdicts([VERDICT, fail, other, VERDICT])
        store.put_verdicts([late])
    assert list(store.verdicts()) == [fail, other, late]
    with store.transaction():
        store.delete_verdicts([fail[:6], other[:6]])
    assert list(store.verdicts()) == [late]


def test_a_verdict_that_could_not_be_read_is_another_one_than_fail(store: Store) -> None:
    unreadable, fail = (VERDICT[0], None, *VERDICT[2:]), (VERDICT[0], False, *VERDICT[2:6], 60.0)
    with store.transaction():
        store.put_verdicts([unreadable, fail])
    assert list(store.verdicts()) == [unreadable, fail]
    with store.transaction():
        store.delete_verdicts([unreadable[:6]])
    assert list(store.verdicts()) == [fail]


def test_totals_and_values_are_replaced(store: Store) -> None:
    with store.transaction():
        for value in (b"1", b"2"):
            store.put_totals([("steps_total", "[]", value), ("steps_total", '["a"]', value)])
            store.put_meta("key", value)
    assert sorted(store.totals()) == [("steps_total", '["a"]', b"2"), ("steps_total", "[]", b"2")]
    assert store.meta("key") == b"2"


@settings(max_examples=30)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans())))
def test_any_writing_and_undoing_leaves_what_was_committed(
    tmp_path_factory: Any, schedule: list[tuple[str, bool]]
) -> None:
    store = Store.open(tmp_path_factory.mktemp("any") / "state", "process", 1 << 30)
    expected: dict[str, bytes] = {}
    for number, (key, fails) in enumerate(schedule):
        with suppress(LookupError):
            with store.transaction():
                store.put_meta(key, b"%d" % number)
                if fails:
                    raise LookupError
            expected[key] = b"%d" % number
    assert {key: value for key in "abc" if (value := store.meta(key)) is not None} == expected
    store.close()


def append(store: Store, count: int, size: int = 20_000) -> list[int]:
    with store.transaction():
        return [store.append(REQUEST, 0.0, os.urandom(size)) for _ in range(count)]


def test_at_its_limit_the_store_refuses_and_goes_on_when_there_is_room(reopen: Reopen, make_run: MakeRun) -> None:
    limit = 1 << 20
    store = reopen(limit)
    with store.transaction():
        store.put_runs(make_run(number, number) for number in range(100))
    kept = append(store, 20)
    with pytest.raises(StoreFullError, match="--state-limit"):
        append(store, 60)
    assert [number for number, *_ in store.journal()] == kept
    with store.transaction():
        store.delete_entries(kept)
    assert len(append(store, 20)) == 20
    assert len(list(store.journal())) == 20


def test_a_lower_limit_than_the_size_still_opens(reopen: Reopen) -> None:
    append(reopen(), 40)
    store = reopen(100_000)
    with pytest.raises(StoreFullError):
        append(store, 40)
    with store.transaction():
        store.delete_entries(number for number, *_ in store.journal())
    append(store, 2)


def test_space_comes_back(folder: Path, store: Store, reopen: Reopen) -> None:
    empty = store.size()
    numbers = append(store, 200)
    full = store.size()
    assert full - empty > 200 * 20_000
    with store.transaction():
        store.delete_entries(numbers)
    freed = store.size()
    assert full - freed > 200 * 20_000 * 0.99
    path = folder / "state.db"
    reopen().incremental_vacuum(100)
    reopen().incremental_vacuum(1_000_000)
    reopen()
    assert path.stat().st_size < 200_000


def test_a_part_of_the_free_pages_is_given_back_at_a_time(folder: Path, store: Store, reopen: Reopen) -> None:
    numbers = append(store, 100)
    with store.transaction():
        store.delete_entries(numbers)
    before = reopen().size(), (folder / "state.db").stat().st_size
    reopen().incremental_vacuum(100)
    after = reopen().size(), (folder / "state.db").stat().st_size
    assert before[1] - after[1] == 100 * 4096
    assert after[0] == pytest.approx(before[0], abs=4096)


@pytest.mark.parametrize("part", ["state.db", "state.db-wal"])
@pytest.mark.parametrize("replaced", [False, True])
def test_nothing_is_written_to_a_file_that_a_restart_would_not_find(
    folder: Path, store: Store, reopen: Reopen, part: str, replaced: bool
) -> None:
    away = folder / "away"
    append(store, 1)
    (folder / part).rename(away)
    if replaced:
        (folder / part).write_bytes(away.read_bytes())
    with pytest.raises(StoreError, match="moved, deleted or replaced"):
        append(store, 1)
    away.rename(folder / part)
    append(store, 1)
    assert len(list(reopen().journal())) == 2
