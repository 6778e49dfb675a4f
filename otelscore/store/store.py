"""The store: every statement that is written or read, and the transaction around what is written together."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path
from typing import Any, TextIO

from otelscore.store import runs
from otelscore.store.database import Durability, connect, lock, seal, unseal
from otelscore.store.errors import StoreError, StoreFullError, in_words
from otelscore.store.runs import StoredRun

__all__ = ["Durability", "Store", "StoreError", "StoreFullError", "StoredRun"]

DATABASE = "state.db"

VerdictRow = tuple[str, bool, int, bytes, bytes, str, float]
"""Evaluator, passed, time, trace id, span id, session, until."""

MemoryRow = tuple[bytes, str, float, int, int, bytes]
"""Trace id, service, until, start, end, span ids (8 bytes each)."""


class Store:
    """The state in one folder, held by one process and used by one thread at a time.

    What writes is called inside `transaction()` and is in the file when that has ended. `until` and `closed` are
    seconds of the arrival clock. Whatever reads raises StoreError where the file cannot be read.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, held: TextIO, limit: int) -> None:
        self._path = path
        self._connection = connection
        self._held = held
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
        self._connection.close()
        self._held.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written inside is kept, or nothing of it where an error comes out.

        Raises:
            StoreFullError: the disk is full, or `limit` is reached.
            StoreError: the file cannot be written.
        """
        with in_words(self._path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # SQLite ends it itself after some errors
                    self._connection.execute("ROLLBACK")
                raise

    # Requests: accepted, and not yet in anything that is kept longer.

    def append_request(self, arrived: float, body: bytes) -> int:
        """Gives its id, higher than any before it."""
        insert = "INSERT INTO requests (arrived, body) VALUES (?, ?)"
        return self._connection.execute(insert, (arrived, seal(body))).lastrowid or 0

    def delete_requests(self, ids: Iterable[int]) -> None:
        self._connection.executemany("DELETE FROM requests WHERE id = ?", ((number,) for number in ids))

    def requests(self) -> Iterator[tuple[int, float, bytes]]:
        """Id, time of arrival and body, in the order in which they were appended."""
        for number, arrived, body in self._read("SELECT id, arrived, body FROM requests ORDER BY id"):
            yield number, arrived, unseal(body)

    # Runs.

    def put_run(self, run: StoredRun) -> None:
        runs.put(self._connection, run)

    def update_run(
        self, run_id: str, judged: float | None, final: bool, counted: bool, until: float, row: bytes
    ) -> None:
        """Changes what can change of a run once its score is no longer held."""
        runs.update(self._connection, run_id, judged, final, counted, until, row)

    def delete_run(self, run_id: str) -> None:
        self._connection.execute("DELETE FROM runs WHERE run_id = ?", (run_id,))

    def delete_oldest_runs(self, count: int) -> list[str]:
        """Deletes the `count` runs that closed first; gives their ids."""
        return runs.delete_oldest(self._connection, count)

    def runs(self) -> Iterator[StoredRun]:
        """All of them in the order in which they closed, with an empty `score`: `score()` and `find_runs()` have it."""
        with in_words(self._path):
            yield from runs.read(self._connection)

    def score(self, run_id: str) -> bytes | None:
        """The score of one run as JSON; None where there is no such run."""
        with in_words(self._path):
            return runs.score(self._connection, run_id)

    def find_runs(
        self,
        *,
        service: str | None = None,
        agent: str | None = None,
        outcome: str | None = None,
        response: str | None = None,
        tool: str | None = None,
        since: float = -inf,
        before: float = inf,
        limit: int,
    ) -> list[bytes]:
        """Scores as JSON of the runs that closed in [since, before) and are as asked for, newest first."""
        asked = {"service": service, "agent": agent, "outcome": outcome, "response": response, "tool": tool}
        filters = {name: value for name, value in asked.items() if value is not None}
        with in_words(self._path):
            return runs.find(self._connection, filters, since, before, limit)

    # Memories: which spans of final runs were seen.

    def put_memory(self, trace_id: bytes, service: str, until: float, start: int, end: int, span_ids: bytes) -> None:
        """Replaces what was remembered of that service in that trace. `start` and `end` are Unix nanoseconds."""
        values = (trace_id, service, until, start, end, seal(span_ids))
        self._connection.execute("INSERT OR REPLACE INTO memories VALUES (?, ?, ?, ?, ?, ?)", values)

    def delete_memory_before(self, until: float) -> None:
        self._connection.execute("DELETE FROM memories WHERE until < ?", (until,))

    def memories(self) -> Iterator[MemoryRow]:
        """In order of `until`."""
        for *fields, span_ids in self._read("SELECT * FROM memories ORDER BY until"):
            trace_id, service, until, start, end = fields
            yield trace_id, service, until, start, end, unseal(span_ids)

    # Verdicts.

    def put_verdicts(self, rows: Iterable[VerdictRow]) -> None:
        """A verdict that is there already only gets the new `until`."""
        self._connection.executemany("INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?, ?, ?, ?, ?)", rows)

    def delete_verdicts_before(self, until: float) -> None:
        self._connection.execute("DELETE FROM verdicts WHERE until < ?", (until,))

    def verdicts(self) -> Iterator[VerdictRow]:
        """In order of `until`."""
        for evaluator, passed, *rest in self._read("SELECT * FROM verdicts ORDER BY until"):
            time, trace_id, span_id, session, until = rest
            yield evaluator, bool(passed), time, trace_id, span_id, session, until

    # Totals and single values.

    def put_totals(self, rows: Iterable[tuple[str, str, bytes]]) -> None:
        """Name, labels as JSON and value; replaces the value of that name and these labels."""
        values = ((name, labels, seal(value)) for name, labels, value in rows)
        self._connection.executemany("INSERT OR REPLACE INTO totals VALUES (?, ?, ?)", values)

    def totals(self) -> Iterator[tuple[str, str, bytes]]:
        for name, labels, value in self._read("SELECT name, labels, value FROM totals"):
            yield name, labels, unseal(value)

    def put_meta(self, key: str, value: bytes) -> None:
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, seal(value)))

    def meta(self, key: str) -> bytes | None:
        found = list(self._read("SELECT value FROM meta WHERE key = ?", key))
        return unseal(found[0][0]) if found else None

    # Space.

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
