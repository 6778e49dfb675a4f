"""The store: every statement that is written or read, and the transaction around what is written together."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from math import inf
from pathlib import Path
from typing import Any, TextIO

from otelscore.model import Score
from otelscore.store import runs
from otelscore.store.database import Durability, connect, connect_reader, lock, seal, unseal
from otelscore.store.errors import StoreError, StoreFullError, in_words
from otelscore.store.runs import RunChange, StoredRun

__all__ = ["Durability", "Store", "StoreError", "StoreFullError", "StoredRun"]

DATABASE = "state.db"

VerdictKey = tuple[str, bool | None, int, bytes, bytes, str]
"""Evaluator, passed (None: unreadable), time, trace id, span id, session."""

VerdictRow = tuple[str, bool | None, int, bytes, bytes, str, float]
"""The same, and until."""

_UNREADABLE = -1  # how `passed` is written where it is None: a key cannot be NULL

REQUEST, STANDINGS = "request", "standings"
"""Kinds of entries in the journal."""


class Store:
    """The state in one folder, held by one process and used by one thread at a time, but for `score` and `find_runs`.

    These two read what was committed, whatever the others do meanwhile, and make nobody wait.

    What writes is called inside `transaction()` and is in the file when that has ended. `until` and `closed` are
    seconds of the arrival clock. Whatever reads raises StoreError where the file cannot be read.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, held: TextIO, limit: int) -> None:
        self._path = path
        self._connection = connection
        self._held = held
        self._reader = connect_reader(path)
        self._reading = threading.Lock()
        self._files = self._named()
        self.limit = limit
        self.set_aside: Path | None = None
        """Where a damaged file was moved to when this store was opened."""

    @classmethod
    def open(cls, folder: Path, durability: Durability, limit: int) -> Store:
        """Opens the state in `folder`, or begins one; the file never grows beyond `limit` bytes.

        Raises:
            StoreError: another process has it, a newer version wrote it, or it cannot be read or written.
        """
        held = lock(folder)
        try:
            connection, set_aside = connect(folder / DATABASE, durability, limit)
        except BaseException:
            held.close()
            raise
        store = cls(folder / DATABASE, connection, held, limit)
        store.set_aside = set_aside
        return store

    def close(self) -> None:
        with self._reading:
            self._reader.close()
        self._connection.close()
        self._held.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written inside is kept, or nothing of it where an error comes out.

        Raises:
            StoreFullError: the disk is full, or `limit` is reached.
            StoreError: the file cannot be written, or is no longer where a restart will look for it.
        """
        if self._named() != self._files:
            raise StoreError(
                f"{self._path} or its log was moved, deleted or replaced while in use; put it back, or restart"
                " otelscore to go on with what is there"
            )
        with in_words(self._path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # SQLite ends it itself after some errors
                    self._connection.execute("ROLLBACK")
                raise

    # The journal: what came and what closed, in this order, as long as it is in nothing that is kept longer.

    def append(self, kind: str, written: float, body: bytes) -> int:
        """Gives the entry's number, higher than any before it."""
        insert = "INSERT INTO journal (kind, written, body) VALUES (?, ?, ?)"
        return self._connection.execute(insert, (kind, written, seal(body))).lastrowid or 0

    def delete_entries(self, numbers: Iterable[int]) -> None:
        self._connection.executemany("DELETE FROM journal WHERE id = ?", ((number,) for number in numbers))

    def journal(self) -> Iterator[tuple[int, str, float, bytes]]:
        """Number, kind, time of writing and body, in the order in which they were appended."""
        for number, kind, written, body in self._read("SELECT id, kind, written, body FROM journal ORDER BY id"):
            yield number, kind, written, unseal(body)

    def entry(self, number: int) -> tuple[str, bytes]:
        """Kind and body of an entry that is there."""
        kind, body = next(self._read("SELECT kind, body FROM journal WHERE id = ?", number))
        return kind, unseal(body)

    def replace_entry(self, number: int, body: bytes) -> None:
        self._connection.execute("UPDATE journal SET body = ? WHERE id = ?", (seal(body), number))

    def last_written(self) -> float | None:
        """When the last entry was written; None where there is none."""
        found = next(self._read("SELECT written FROM journal ORDER BY id DESC LIMIT 1"), None)
        return None if found is None else float(found[0])

    # Runs.

    def put_runs(self, scored: Iterable[tuple[StoredRun, Score]]) -> None:
        """Replaces those whose numbers are there."""
        runs.put(self._connection, scored)

    def update_runs(self, changes: Iterable[RunChange]) -> None:
        runs.update(self._connection, changes)

    def delete_runs(self, numbers: Iterable[int]) -> None:
        self._connection.executemany("DELETE FROM runs WHERE id = ?", ((number,) for number in numbers))

    def delete_oldest_runs(self, count: int) -> list[str]:
        """Deletes of the final runs the `count` that closed first; gives their ids."""
        return runs.delete_oldest(self._connection, count)

    def runs(self) -> Iterator[StoredRun]:
        """All of them by number."""
        with in_words(self._path):
            yield from runs.read(self._connection)

    def score(self, number: int) -> Score | None:
        """The score of one run; None where there is no such run."""
        with in_words(self._path), self._reading:
            return runs.score(self._reader, number)

    def find_runs(
        self, filters: Mapping[str, str], since: float = -inf, before: float = inf, *, limit: int
    ) -> list[Score]:
        """Scores of the runs that closed in [since, before), newest first.

        `filters` may ask for a `service`, an `agent`, an `outcome`, a `response` or a `tool`.
        """
        with in_words(self._path), self._reading:
            return runs.find(self._reader, filters, since, before, limit)

    # Memories: which spans of final runs were seen.

    def put_memories(self, until: float, body: bytes) -> None:
        """What is remembered until then; `until` rises from call to call."""
        self._connection.execute("INSERT INTO memories VALUES (?, ?)", (until, seal(body)))

    def delete_memories_before(self, until: float) -> None:
        self._connection.execute("DELETE FROM memories WHERE until < ?", (until,))

    def memories(self) -> Iterator[tuple[float, bytes]]:
        """In the order in which they were put."""
        for until, body in self._read("SELECT until, body FROM memories ORDER BY rowid"):
            yield until, unseal(body)

    # Verdicts.

    def put_verdicts(self, rows: Iterable[VerdictRow]) -> None:
        """A verdict that is there already only gets the new `until`."""
        values = ((name, _UNREADABLE if passed is None else passed, *rest) for name, passed, *rest in rows)
        self._connection.executemany("INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?, ?, ?, ?, ?)", values)

    def delete_verdicts(self, keys: Iterable[VerdictKey]) -> None:
        delete = (
            "DELETE FROM verdicts WHERE evaluator = ? AND passed = ? AND time = ? AND trace_id = ? AND span_id = ?"
            " AND session = ?"
        )
        values = ((name, _UNREADABLE if passed is None else passed, *rest) for name, passed, *rest in keys)
        self._connection.executemany(delete, values)

    def verdicts(self) -> Iterator[VerdictRow]:
        """In order of `until`."""
        for evaluator, passed, *rest in self._read("SELECT * FROM verdicts ORDER BY until"):
            time, trace_id, span_id, session, until = rest
            yield evaluator, None if passed == _UNREADABLE else bool(passed), time, trace_id, span_id, session, until

    # Totals and single values.

    def put_totals(self, rows: Iterable[tuple[str, str, bytes]]) -> None:
        """Name, labels as JSON and value; replaces the value of that name and these labels."""
        values = ((name, labels, seal(value)) for name, labels, value in rows)
        self._connection.executemany("INSERT OR REPLACE INTO totals VALUES (?, ?, ?)", values)

    def delete_totals(self, rows: Iterable[tuple[str, str]]) -> None:
        """Name and labels of what is no more."""
        self._connection.executemany("DELETE FROM totals WHERE name = ? AND labels = ?", rows)

    def totals(self) -> Iterator[tuple[str, str, bytes]]:
        for name, labels, value in self._read("SELECT name, labels, value FROM totals"):
            yield name, labels, unseal(value)

    def delete_figures(self) -> None:
        """Deletes all runs and totals."""
        self._connection.execute("DELETE FROM runs")
        self._connection.execute("DELETE FROM totals")

    def put_meta(self, key: str, value: bytes) -> None:
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, seal(value)))

    def meta(self, key: str) -> bytes | None:
        found = list(self._read("SELECT value FROM meta WHERE key = ?", key))
        return unseal(found[0][0]) if found else None

    # Space.

    def _named(self) -> list[tuple[int, int] | None]:
        """Which files have the names of the database and its log: one that was deleted can still be written."""
        found: list[tuple[int, int] | None] = []
        for suffix in ("", "-wal"):
            try:
                status = os.stat(f"{self._path}{suffix}")
            except OSError:
                found.append(None)
            else:
                found.append((status.st_dev, status.st_ino))
        return found

    def size(self) -> int:
        """Bytes in use on the disk: pages that hold something, and the write-ahead log."""
        pages, free, page_size = (
            next(self._read(f"PRAGMA {name}"))[0] for name in ("page_count", "freelist_count", "page_size")
        )
        log = self._path.with_name(f"{self._path.name}-wal")
        return int((pages - free) * page_size) + (log.stat().st_size if log.exists() else 0)

    def incremental_vacuum(self, pages: int) -> None:
        """Gives up to `pages` free pages back to the file system. A transaction of its own: not inside another."""
        with in_words(self._path):
            # Every step of this statement frees one page, and `execute` takes only the first.
            self._connection.executescript(f"PRAGMA incremental_vacuum({pages})")

    def _read(self, query: str, *values: object) -> Iterator[tuple[Any, ...]]:
        with in_words(self._path):
            yield from self._connection.execute(query, values)
