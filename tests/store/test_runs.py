"""Runs: put, changed, deleted, and found again by what is asked of them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otelscore.model import Outcome, Response, Score
from otelscore.store import Store, StoredRun

Reopen = Callable[..., Store]
MakeRun = Callable[..., tuple[StoredRun, Score]]


def found(store: Store, since: float = 0.0, before: float = 9.0, limit: int = 100, **filters: str) -> list[str]:
    """Ids of the runs that are found."""
    return [score.trajectory_id for score in store.find_runs(filters, since, before, limit=limit)]


@pytest.fixture
def put(store: Store, make_run: MakeRun) -> Callable[..., None]:
    def put_one(number: int, closed: float = 0.0, **fields: Any) -> None:
        with store.transaction():
            store.put_runs([make_run(number, closed, **fields)])

    return put_one


def test_a_run_comes_back_as_it_was(store: Store, reopen: Reopen, put, make_run) -> None:
    facts = {
        "outcome": None,
        "judged": 5.5,
        "verdict": True,
        "final": True,
        "counted": True,
        "responses": (Response.RETRIED, Response.REVISED),
        "tools": ("search", 'say "no"\n', "Straße"),
    }
    put(7, 1.5, **facts)
    store = reopen()
    run, score = make_run(7, 1.5, **facts)
    assert list(store.runs()) == [run]
    assert store.score(7) == score
    assert store.score(8) is None


def test_a_run_is_replaced_with_all_that_it_had(store: Store, put, make_run) -> None:
    put(1, 1.0, tools=("search",), responses=(Response.RETRIED,), outcome=Outcome.INCOMPLETE)
    after = {"tools": ("book",), "agent": "booker"}
    put(1, 2.0, **after)
    run, score = make_run(1, 2.0, **after)
    assert list(store.runs()) == [run]
    assert store.score(1) == score
    for gone in ({"tool": "search"}, {"response": "retried"}, {"outcome": "incomplete"}, {"agent": "planner"}):
        assert found(store, **gone) == []
    assert found(store, tool="book", agent="booker") == ["run 1"]


def test_what_is_not_in_the_score_changes_without_it(store: Store, put, make_run) -> None:
    put(1, 1.0)
    put(2, 2.0)
    changed, score = make_run(1, 1.0, judged=7.0, verdict=False, final=True, counted=True, until=99.0)
    with store.transaction():
        store.update_runs([(1, 7.0, False, True, True, 99.0)])
    assert list(store.runs()) == [changed, make_run(2, 2.0)[0]]
    assert store.score(1) == score


def test_runs_are_found_in_the_order_of_their_close(store: Store, put) -> None:
    for number, closed in ((2, 2.0), (3, 1.0), (1, 2.0)):
        put(number, closed)
    assert [run.number for run in store.runs()] == [1, 2, 3]
    assert found(store) == ["run 2", "run 1", "run 3"]
    assert found(store, limit=2) == ["run 2", "run 1"]
    assert found(store, since=2.0) == ["run 2", "run 1"]
    assert found(store, before=2.0) == ["run 3"]


def test_a_deleted_run_is_gone(store: Store, put) -> None:
    put(1, tools=("search",))
    put(2)
    with store.transaction():
        store.delete_runs([1, 9])
    assert [run.run_id for run in store.runs()] == found(store) == ["run 2"]
    assert store.score(1) is None


def test_of_the_final_ones_the_oldest_go_first(store: Store, put) -> None:
    put(9, 0.0)
    for number, closed in ((3, 3.0), (1, 1.0), (4, 4.0), (2, 2.0)):
        put(number, closed, final=True)
    with store.transaction():
        assert sorted(store.delete_oldest_runs(2)) == ["run 1", "run 2"]
    assert [run.number for run in store.runs()] == [3, 4, 9]
    with store.transaction():
        assert len(store.delete_oldest_runs(10)) == 2
        assert store.delete_oldest_runs(10) == []
    assert [run.number for run in store.runs()] == [9]


def test_who_looks_something_up_waits_for_nobody_and_sees_what_was_committed(store: Store, put, make_run) -> None:
    put(1)
    with store.transaction():
        store.put_runs([make_run(2, agent="booker")])
        with ThreadPoolExecutor(1) as another:
            assert another.submit(found, store).result() == ["run 1"]
            assert another.submit(store.score, 2).result() is None
    assert found(store) == ["run 2", "run 1"]


NAMES = st.sampled_from(["", "a", "b", '"', '","', "\n", '"\n"', "ab", "\\", "%", "é"])
RUNS = st.lists(
    st.fixed_dictionaries(
        {
            "closed": st.integers(0, 3).map(float),
            "service": NAMES,
            "agent": NAMES,
            "outcome": st.none() | st.sampled_from(Outcome),
            "responses": st.lists(st.sampled_from(Response), max_size=3).map(tuple),
            "tools": st.lists(NAMES, max_size=3).map(tuple),
        }
    ),
    max_size=8,
)
ASKED = st.fixed_dictionaries(
    {},
    optional={
        "service": NAMES,
        "agent": NAMES,
        "outcome": st.sampled_from(["", *Outcome]),
        "response": st.sampled_from(Response),
        "tool": NAMES,
        "since": st.integers(0, 3).map(float),
        "before": st.integers(0, 4).map(float),
        "limit": st.integers(1, 5),
    },
)


def agrees(fields: dict[str, Any], asked: dict[str, Any]) -> bool:
    shown = fields | {"outcome": fields["outcome"] or ""}
    return (
        all(shown[name] == asked[name] for name in ("service", "agent", "outcome") if name in asked)
        and all(asked[name] in shown[f"{name}s"] for name in ("response", "tool") if name in asked)
        and asked.get("since", 0) <= shown["closed"] < asked.get("before", 9)
    )


@given(RUNS, ASKED)
def test_what_is_found_is_what_was_asked_for(tmp_path_factory: Any, make_run: MakeRun, fields, asked) -> None:
    store = Store.open(tmp_path_factory.mktemp("any") / "state", "process", 1 << 30)
    with store.transaction():
        store.put_runs(make_run(number, **of_run) for number, of_run in enumerate(fields))
    wanted = [(of_run["closed"], number) for number, of_run in enumerate(fields) if agrees(of_run, asked)]
    newest = [f"run {number}" for _, number in sorted(wanted, reverse=True)]
    assert found(store, **asked) == newest[: asked.get("limit")]
    store.close()
