"""Who may open the file, what becomes of a damaged one, and of one from another version."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from otelscore.store import Store, StoredRun, StoreError
from otelscore.store.database import MIGRATIONS

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


def test_a_file_of_a_newer_version_is_refused_and_left_alone(folder: Path, store: Store) -> None:
    store.close()
    path = folder / "state.db"
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="newer version"):
        Store.open(folder, "process", 1 << 30)
    assert path.read_bytes() == before
    assert sorted(each.name for each in folder.iterdir()) == ["lock", "state.db"]


def test_after_a_refusal_the_folder_is_free(folder: Path, reopen: Reopen) -> None:
    test_a_file_of_a_newer_version_is_refused_and_left_alone(folder, reopen())
    with sqlite3.connect(folder / "state.db") as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    connection.close()
    assert reopen().set_aside is None


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
def filled(folder: Path, make_run: Callable[..., StoredRun]) -> Path:
    """A database of some hundred pages."""
    store = Store.open(folder, "process", 1 << 30)
    with store.transaction():
        for number in range(200):
            store.append_request(1.0, b"%d " % number * 2000)
            store.put_run(make_run(f"run {number}", number))
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
    assert list(store.requests()) == []
    with store.transaction():
        store.append_request(1.0, b"new")
    assert [body for _, _, body in reopen().requests()] == [b"new"]


def test_no_damaged_file_takes_the_place_of_another(filled: Path, reopen: Reopen) -> None:
    for number in (1, 2, 3):
        reopen().close()
        garbage(filled)
        assert reopen().set_aside == filled.with_name(f"state.db.damaged-{number}")


def test_a_whole_file_is_not_set_aside(filled: Path, reopen: Reopen) -> None:
    store = reopen()
    assert store.set_aside is None
    assert len(list(store.requests())) == len(list(store.runs())) == 200
