"""Who may open the file, what becomes of a damaged one, and of one from another version."""

from __future__ import annotations

import errno
import sqlite3
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from otelscore.store import REQUEST, Store, StoreError, database
from otelscore.store.database import SCHEMA

Program = Callable[[str], "subprocess.Popen[str]"]
Reopen = Callable[..., Store]

HOLD = """
store = Store.open(folder, "process", 1 << 30)
print("open", flush=True)
sys.stdin.read()
"""


def test_the_folder_is_made_for_nobody_else(folder: Path, store: Store) -> None:
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_second_process_is_refused_and_told_of_the_first(folder: Path, program: Program) -> None:
    holder = program(HOLD)
    assert holder.stdout
    assert holder.stdout.readline() == "open\n"
    with pytest.raises(StoreError, match=f"in use by process {holder.pid};"):
        Store.open(folder, "process", 1 << 30)


def test_a_dead_process_holds_nothing(folder: Path, program: Program, reopen: Reopen) -> None:
    holder = program(HOLD)
    assert holder.stdout
    holder.stdout.readline()
    holder.kill()
    holder.wait()
    assert reopen().set_aside is None


def test_a_folder_that_cannot_be_made_is_named(folder: Path) -> None:
    folder.write_text("a file")
    with pytest.raises(StoreError, match=f"{folder} cannot be used"):
        Store.open(folder, "process", 1 << 30)


@pytest.mark.parametrize(("schema", "said"), [(SCHEMA + 1, "newer version"), (1, "never released")])
def test_a_file_of_another_schema_is_refused_and_left_alone(folder: Path, store: Store, schema: int, said: str) -> None:
    store.close()
    path = folder / "state.db"
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {schema}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match=said):
        Store.open(folder, "process", 1 << 30)
    assert path.read_bytes() == before
    assert sorted(each.name for each in folder.iterdir()) == ["lock", "state.db"]


def test_after_a_refusal_the_folder_is_free(folder: Path, reopen: Reopen) -> None:
    test_a_file_of_another_schema_is_refused_and_left_alone(folder, reopen(), SCHEMA + 1, "newer version")
    with sqlite3.connect(folder / "state.db") as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA}")
    connection.close()
    assert reopen().set_aside is None


def test_a_file_of_an_older_schema_is_changed_step_by_step(folder: Path, store: Store, reopen: Reopen, monkeypatch):
    with store.transaction():
        store.append(REQUEST, 1.0, b"old")
    store.close()
    steps = {SCHEMA: "CREATE TABLE first (a)", SCHEMA + 1: "ALTER TABLE first RENAME TO second"}
    monkeypatch.setattr(database, "MIGRATIONS", steps)
    monkeypatch.setattr(database, "SCHEMA", SCHEMA + 2)
    assert [body for *_, body in reopen().journal()] == [b"old"]
    with sqlite3.connect(folder / "state.db") as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA + 2,)
        assert connection.execute("SELECT a FROM second").fetchall() == []
    connection.close()


def test_a_folder_that_cannot_be_locked_is_named_with_what_to_do(folder: Path, monkeypatch) -> None:
    def flock(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(database.fcntl, "flock", flock)
    with pytest.raises(StoreError, match=f"{folder} cannot be locked .No locks available.*local disk"):
        Store.open(folder, "process", 1 << 30)


def test_on_a_full_disk_the_folder_is_taken_all_the_same(folder: Path, store: Store, reopen, monkeypatch) -> None:
    def write(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    store.close()
    monkeypatch.setattr(database.os, "write", write)
    assert list(Store.open(folder, "process", 1 << 30).journal()) == []


@pytest.mark.parametrize(("durability", "level"), [("process", 1), ("power", 2)])
def test_a_commit_waits_for_the_disk_where_asked(folder: Path, durability, level, monkeypatch) -> None:
    opened: list[sqlite3.Connection] = []
    connect = sqlite3.connect
    monkeypatch.setattr(
        sqlite3, "connect", lambda *args, **kwargs: opened.append(connect(*args, **kwargs)) or opened[0]
    )
    store = Store.open(folder, durability, 1 << 30)
    assert opened[0].execute("PRAGMA synchronous").fetchone() == (level,)
    assert opened[0].execute("PRAGMA journal_mode").fetchone() == ("wal",)
    store.close()


@pytest.fixture
def filled(folder: Path, make_run: Callable[..., Any]) -> Path:
    """A database of some hundred pages."""
    store = Store.open(folder, "process", 1 << 30)
    with store.transaction():
        for number in range(200):
            store.append(REQUEST, 1.0, b"%d " % number * 2000)
            store.put_runs([make_run(number, number)])
    store.close()
    return folder / "state.db"


def garbage(path: Path) -> None:
    path.write_bytes(b"garbage " * 10_000)


def cut(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2 + 100)


def overwrite(path: Path) -> None:
    """A few pages in the middle are those of another file."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\xa5" * 8192)


def overwrite_index(path: Path) -> None:
    """A page that is not read to check what is stored."""
    with sqlite3.connect(path) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'runs_by_closed'").fetchone()
    connection.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\xa5" * 4096)


def flip(path: Path) -> None:
    """One bit inside a stored request, where SQLite looks at nothing."""
    data = bytearray(path.read_bytes())
    data[data.index(b"77 77 77 77 ") + 1] ^= 1
    path.write_bytes(data)


def drop(path: Path) -> None:
    """A table is missing."""
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE runs")
    connection.close()


@pytest.mark.parametrize("damage", [garbage, cut, overwrite, overwrite_index, flip, drop])
def test_a_damaged_file_is_set_aside_and_a_new_one_begun(filled: Path, reopen: Reopen, damage) -> None:
    damage(filled)
    damaged = filled.read_bytes()
    store = reopen()
    assert store.set_aside == filled.with_name("state.db.damaged-1")
    assert store.set_aside.read_bytes() == damaged
    assert list(store.journal()) == []
    with store.transaction():
        store.append(REQUEST, 1.0, b"new")
    assert [body for *_, body in reopen().journal()] == [b"new"]


def test_no_damaged_file_takes_the_place_of_another(filled: Path, reopen: Reopen) -> None:
    for number in (1, 2, 3):
        reopen().close()
        garbage(filled)
        assert reopen().set_aside == filled.with_name(f"state.db.damaged-{number}")


def test_a_whole_file_is_not_set_aside(filled: Path, reopen: Reopen) -> None:
    store = reopen()
    assert store.set_aside is None
    assert len(list(store.journal())) == len(list(store.runs())) == 200
