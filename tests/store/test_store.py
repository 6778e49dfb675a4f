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

from otelscore.store import Store, StoredRun, StoreFullError

Reopen = Callable[..., Store]
MakeRun = Callable[..., StoredRun]

MEMORY = (b"t" * 16, "shop", 50.0, 2**63 - 2, 2**63 - 1, b"spanspan")
VERDICT = ("task_success", True, 2**63 - 1, b"t" * 16, b"", "session", 50.0)


def fill(store: Store, make_run: MakeRun) -> None:
    store.append_request(1.5, b"\x00request")
    store.put_run(make_run("run"))
    store.put_memory(*MEMORY)
    store.put_verdicts([VERDICT])
    store.put_totals([("steps_total", '["a"]', b"\x00total")])
    store.put_meta("key", b"\x00value")


def contents(store: Store) -> list[Any]:
    return [
        list(store.requests()),
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
        [(1, 1.5, b"\x00request")],
        ["run"],
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
    assert contents(reopen())[1] == ["run"]


def test_ids_of_requests_rise_and_are_never_used_again(store: Store, reopen: Reopen) -> None:
    with store.transaction():
        first = [store.append_request(now, b"") for now in (3.0, 1.0, 2.0)]
        store.delete_requests(first[1:])
    assert [number for number, _, _ in store.requests()] == first[:1]
    store = reopen()
    with store.transaction():
        last = store.append_request(0.0, b"last")
    assert sorted({*first, last}) == [*first, last]
    assert [(number, body) for number, _, body in store.requests()] == [(first[0], b""), (last, b"last")]


def test_memories_are_replaced_ordered_and_forgotten(store: Store) -> None:
    with store.transaction():
        for trace, service, until in (
            (b"a", "shop", 3.0),
            (b"b", "shop", 9.0),
            (b"a", "bank", 4.0),
            (b"b", "shop", 1.0),
        ):
            store.put_memory(trace, service, until, 0, 1, b"")
    assert [memory[:3] for memory in store.memories()] == [
        (b"b", "shop", 1.0),
        (b"a", "shop", 3.0),
        (b"a", "bank", 4.0),
    ]
    with store.transaction():
        store.delete_memory_before(3.0)
    assert [memory[:3] for memory in store.memories()] == [(b"a", "shop", 3.0), (b"a", "bank", 4.0)]


def test_a_verdict_is_there_once_and_forgotten_in_time(store: Store) -> None:
    fail, late, other = (VERDICT[0], False, *VERDICT[2:]), (*VERDICT[:6], 70.0), ("goal", *VERDICT[1:6], 60.0)
    with store.transaction():
        store.put_verdicts([VERDICT, fail, other, VERDICT])
        store.put_verdicts([late])
    assert list(store.verdicts()) == [fail, other, late]
    with store.transaction():
        store.delete_verdicts_before(60.0)
    assert list(store.verdicts()) == [other, late]


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
        return [store.append_request(0.0, os.urandom(size)) for _ in range(count)]


def test_at_its_limit_the_store_refuses_and_goes_on_when_there_is_room(reopen: Reopen, make_run: MakeRun) -> None:
    limit = 1 << 20
    store = reopen(limit)
    with store.transaction():
        for number in range(100):
            store.put_run(make_run(f"run {number}", number))
    kept = append(store, 20)
    with pytest.raises(StoreFullError, match="--state-limit"):
        append(store, 60)
    assert [number for number, _, _ in store.requests()] == kept
    with store.transaction():
        store.delete_requests(kept)
    assert len(append(store, 20)) == 20
    assert len(list(store.requests())) == 20


def test_a_lower_limit_than_the_size_still_opens(reopen: Reopen) -> None:
    append(reopen(), 40)
    store = reopen(100_000)
    with pytest.raises(StoreFullError):
        append(store, 40)
    with store.transaction():
        store.delete_requests(number for number, _, _ in store.requests())
    append(store, 2)


def test_space_comes_back(folder: Path, store: Store, reopen: Reopen) -> None:
    empty = store.size()
    numbers = append(store, 200)
    full = store.size()
    assert full - empty > 200 * 20_000
    with store.transaction():
        store.delete_requests(numbers)
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
        store.delete_requests(numbers)
    before = reopen().size(), (folder / "state.db").stat().st_size
    reopen().incremental_vacuum(100)
    after = reopen().size(), (folder / "state.db").stat().st_size
    assert before[1] - after[1] == 100 * 4096
    assert after[0] == pytest.approx(before[0], abs=4096)
