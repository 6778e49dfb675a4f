"""Runs: put, changed, deleted, and found again by what is asked of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otelscore.store import Store, StoredRun

Reopen = Callable[..., Store]
MakeRun = Callable[..., StoredRun]


def found(store: Store, **asked: Any) -> list[str]:
    """Ids of the runs that are found."""
    scores = store.find_runs(**{"limit": 100, **asked})
    return [score.decode().split('"')[3] for score in scores]


@pytest.fixture
def put(store: Store, make_run: MakeRun) -> Callable[..., None]:
    def put_one(run_id: str, closed: float = 0.0, **fields: Any) -> None:
        with store.transaction():
            store.put_run(make_run(run_id, closed, **fields))

    return put_one


def test_a_run_comes_back_as_it_was(store: Store, reopen: Reopen, put, make_run) -> None:
    facts = {
        "outcome": "",
        "judged": 5.5,
        "final": True,
        "counted": True,
        "responses": ("retried", "revised"),
        "tools": ("search", 'say "no"\n', "Straße"),
    }
    put("run", 1.5, **facts)
    store = reopen()
    assert list(store.runs()) == [make_run("run", 1.5, **facts, score=b"")]
    assert store.score("run") == make_run("run").score
    assert store.score("another") is None


def test_a_run_is_replaced_with_all_that_it_had(store: Store, put, make_run) -> None:
    put("run", 1.0, tools=("search",), responses=("retried",), outcome="incomplete")
    put("run", 2.0, tools=("book",), agent="booker", score=b'{"":"run","new":1}')
    assert list(store.runs()) == [make_run("run", 2.0, tools=("book",), agent="booker", score=b"")]
    assert store.score("run") == b'{"":"run","new":1}'
    for gone in ({"tool": "search"}, {"response": "retried"}, {"outcome": "incomplete"}, {"agent": "planner"}):
        assert found(store, **gone) == []
    assert found(store, tool="book", agent="booker") == ["run"]


def test_what_is_not_in_the_score_changes_without_it(store: Store, put, make_run) -> None:
    put("run", 1.0)
    put("other", 2.0)
    with store.transaction():
        store.update_run("run", 7.0, True, True, 99.0, b"row 2")
    changed = make_run("run", 1.0, judged=7.0, final=True, counted=True, until=99.0, row=b"row 2", score=b"")
    assert list(store.runs()) == [changed, make_run("other", 2.0, score=b"")]
    assert store.score("run") == make_run("run").score


def test_runs_are_in_the_order_of_their_close(store: Store, put) -> None:
    for run_id, closed in (("b", 2.0), ("c", 1.0), ("a", 2.0)):
        put(run_id, closed)
    assert [run.run_id for run in store.runs()] == ["c", "a", "b"]
    assert found(store) == ["b", "a", "c"]
    assert found(store, limit=2) == ["b", "a"]
    assert found(store, since=2.0) == ["b", "a"]
    assert found(store, before=2.0) == ["c"]


def test_a_deleted_run_is_gone(store: Store, put) -> None:
    put("run", tools=("search",))
    put("other")
    with store.transaction():
        store.delete_run("run")
        store.delete_run("one that never was")
    assert [run.run_id for run in store.runs()] == found(store) == ["other"]
    assert store.score("run") is None


def test_the_oldest_go_first(store: Store, put) -> None:
    for closed in (3, 1, 4, 2):
        put(f"run {closed}", closed)
    with store.transaction():
        assert sorted(store.delete_oldest_runs(2)) == ["run 1", "run 2"]
    assert [run.run_id for run in store.runs()] == ["run 3", "run 4"]
    with store.transaction():
        assert len(store.delete_oldest_runs(10)) == 2
        assert store.delete_oldest_runs(10) == []


NAMES = st.sampled_from(["", "a", "b", '"', '","', "\n", '"\n"', "ab", "\\", "%", "é"])
RUNS = st.lists(
    st.fixed_dictionaries(
        {
            "closed": st.integers(0, 3).map(float),
            "service": NAMES,
            "agent": NAMES,
            "outcome": NAMES,
            "responses": st.lists(NAMES, max_size=3).map(tuple),
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
        "outcome": NAMES,
        "response": NAMES,
        "tool": NAMES,
        "since": st.integers(0, 3).map(float),
        "before": st.integers(0, 4).map(float),
        "limit": st.integers(1, 5),
    },
)


def agrees(run: StoredRun, asked: dict[str, Any]) -> bool:
    return (
        all(getattr(run, name) == asked[name] for name in ("service", "agent", "outcome") if name in asked)
        and all(asked[name] in getattr(run, f"{name}s") for name in ("response", "tool") if name in asked)
        and asked.get("since", 0) <= run.closed < asked.get("before", 9)
    )


@given(RUNS, ASKED)
def test_what_is_found_is_what_was_asked_for(tmp_path_factory: Any, make_run: MakeRun, fields, asked) -> None:
    runs = [make_run(f"run {number}", **of_run) for number, of_run in enumerate(fields)]
    store = Store.open(tmp_path_factory.mktemp("any") / "state", "process", 1 << 30)
    with store.transaction():
        for run in runs:
            store.put_run(run)
    newest = sorted((run for run in runs if agrees(run, asked)), key=lambda run: (run.closed, run.run_id), reverse=True)
    assert found(store, **asked) == [run.run_id for run in newest][: asked.get("limit")]
    store.close()
