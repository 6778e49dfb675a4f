"""SQLite's errors in words for a user."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from otelscore.store.errors import StoreError, StoreFullError, in_words


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "state.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE values_ (value BLOB)")
    connection.close()
    return path


def test_a_file_that_is_read_only(path: Path) -> None:
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)
    with pytest.raises(StoreError, match="cannot be written") as caught, in_words(path):
        connection.execute("INSERT INTO values_ VALUES (1)")
    assert str(path) in str(caught.value)
    assert not isinstance(caught.value, StoreFullError)


def test_a_file_that_another_program_writes(path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="another program"), in_words(path):
        sqlite3.connect(path, timeout=0).execute("INSERT INTO values_ VALUES (1)")


def test_a_file_that_is_full(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA max_page_count = 2")
    with pytest.raises(StoreFullError, match="--state-limit"), in_words(path):
        connection.execute("INSERT INTO values_ VALUES (zeroblob(100000))")


def test_a_file_that_is_no_database(path: Path) -> None:
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match="damaged"), in_words(path):
        sqlite3.connect(path).execute("SELECT * FROM values_")


def test_a_file_that_others_have_changed(path: Path) -> None:
    with pytest.raises(StoreError, match="restart otelscore"), in_words(path):
        sqlite3.connect(path).execute("SELECT * FROM a_table_that_was_dropped")


def test_a_wrong_call_of_ours_stays_what_it_is(path: Path) -> None:
    with pytest.raises(sqlite3.ProgrammingError), in_words(path):
        sqlite3.connect(path).execute("SELECT ? FROM values_")
