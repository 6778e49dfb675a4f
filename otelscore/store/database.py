"""The file: who may have it open, whether it is whole, and which tables it has."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import zlib
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Literal, TextIO

from otelscore.store.errors import StoreError, code_of, in_words

Durability = Literal["process", "power"]

SYNCHRONOUS: dict[Durability, str] = {
    # A commit is in the kernel's page cache when it returns, so that no death of the process can take it back. Power
    # loss can, but leaves the file whole: the disk is waited for before and after a checkpoint. (OFF would not.)
    "process": "NORMAL",
    # A commit waits for the disk.
    "power": "FULL",
}

WAL_KEPT = 4 << 20
"""Bytes of the write-ahead log that stay on the disk after a checkpoint; a large transaction may make it longer."""

PATIENCE = 0.2
"""Seconds that another program that writes to the file is waited for; meanwhile nothing is taken and nothing shown."""

SCHEMA = 4
"""Which tables there are and how what is in their blobs is written; `PRAGMA user_version` says which a file has.

It rises when either changes, once there is a way from the one before (MIGRATIONS).
"""

MIGRATIONS: dict[int, str] = {2: "SELECT 1", 3: "SELECT 1"}
"""Schema -> statements that make the next one of it. There is no way from 1, which was never released.

3 and 4 only add fields at the end of what is in blobs; who reads one without them takes their defaults.
"""

TABLES = """
    CREATE TABLE journal (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL,
        written REAL NOT NULL,
        body BLOB NOT NULL
    );
    CREATE TABLE runs (
        id INTEGER PRIMARY KEY,
        run_id TEXT NOT NULL,
        closed REAL NOT NULL,
        judged REAL,
        verdict INTEGER,
        final INTEGER NOT NULL,
        counted INTEGER NOT NULL,
        until REAL NOT NULL,
        service TEXT NOT NULL,
        agent TEXT NOT NULL,
        outcome TEXT NOT NULL,
        responses TEXT NOT NULL,
        tools TEXT NOT NULL,
        facts BLOB NOT NULL,
        score BLOB NOT NULL
    );
    CREATE INDEX runs_by_closed ON runs (closed, service, agent, outcome, responses, tools);
    CREATE TABLE memories (until REAL NOT NULL, body BLOB NOT NULL);
    CREATE INDEX memories_by_until ON memories (until);
    CREATE TABLE verdicts (
        evaluator TEXT NOT NULL,
        passed INTEGER NOT NULL,
        time INTEGER NOT NULL,
        trace_id BLOB NOT NULL,
        span_id BLOB NOT NULL,
        session TEXT NOT NULL,
        until REAL NOT NULL,
        PRIMARY KEY (trace_id, span_id, session, evaluator, time, passed)
    ) WITHOUT ROWID;
    CREATE INDEX verdicts_by_until ON verdicts (until);
    CREATE TABLE totals (
        name TEXT NOT NULL,
        labels TEXT NOT NULL,
        value BLOB NOT NULL,
        PRIMARY KEY (name, labels)
    ) WITHOUT ROWID;
    CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
"""

SEALED = (
    ("journal", "body"),
    ("runs", "facts"),
    ("runs", "score"),
    ("memories", "body"),
    ("totals", "value"),
    ("meta", "value"),
)
"""Columns whose values end with their checksum: SQLite cannot tell whether the inside of a blob is still the same."""

DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR})
"""Codes that tell of a damaged file when it is opened; the last one of tables that are not what `user_version` says."""


def seal(value: bytes) -> bytes:
    return value + zlib.crc32(value).to_bytes(4, "big")


def unseal(sealed: bytes) -> bytes:
    return sealed[:-4]


def is_sound(sealed: bytes) -> bool:
    return zlib.crc32(sealed[:-4]).to_bytes(4, "big") == sealed[-4:]


def lock(folder: Path) -> TextIO:
    """Makes `folder` where it is not there and takes it for this process, until the file that is returned is closed.

    Raises:
        StoreError: another process has it, or it cannot be used.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = (folder / "lock").open("a+")
    except OSError as error:
        raise StoreError(f"the state directory {folder} cannot be used: {error.strerror}; name another one") from error
    held.seek(0)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        with held:
            owner = held.read().strip() or "unknown"
        raise StoreError(
            f"the state directory {folder} is in use by process {owner}; stop that one, or name another directory"
        ) from None
    except OSError as error:
        held.close()
        raise StoreError(
            f"the state directory {folder} cannot be locked ({error.strerror}): network file systems often cannot;"
            " name a directory on a local disk"
        ) from error
    with suppress(OSError):  # it is only for the words above, and the disk may be full
        os.ftruncate(held.fileno(), 0)
        os.write(held.fileno(), b"%d\n" % os.getpid())
    return held


def connect(path: Path, durability: Durability, limit: int) -> tuple[sqlite3.Connection, Path | None]:
    """The database at `path`, ready to use, and where a damaged one was moved to.

    Raises:
        StoreError: it cannot be opened, or a newer version of otelscore wrote it.
    """
    with in_words(path):
        try:
            return _open(path, durability, limit), None
        except sqlite3.DatabaseError as error:
            if code_of(error) not in DAMAGE:
                raise
        moved = _set_aside(path)
        return _open(path, durability, limit), moved


def _open(path: Path, durability: Durability, limit: int) -> sqlite3.Connection:
    connection = sqlite3.connect(path, PATIENCE, isolation_level=None, check_same_thread=False)
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > SCHEMA:
            raise StoreError(
                f"{path} has schema {version}, and this version of otelscore knows only those up to {SCHEMA};"
                " start the newer version that wrote it, or name another state directory"
            )
        if 0 < version < min(MIGRATIONS, default=SCHEMA):
            raise StoreError(
                f"{path} has schema {version}, of a version of otelscore that was never released; delete it, or name"
                " another state directory"
            )
        (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise _damaged(verdict)
        if version == 0:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # a file takes it while it is empty, before the WAL
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {SYNCHRONOUS[durability]}")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_KEPT}")
        (page_size,) = connection.execute("PRAGMA page_size").fetchone()
        connection.execute(f"PRAGMA max_page_count = {limit // page_size}").fetchone()
        steps = [(SCHEMA, TABLES)] if version == 0 else [(n + 1, MIGRATIONS[n]) for n in range(version, SCHEMA)]
        for schema, statements in steps:
            connection.executescript(f"BEGIN IMMEDIATE; {statements}; PRAGMA user_version = {schema}; COMMIT")
        _check_seals(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """Another way into a database that is open already, for one who only reads and waits for no writer."""
    connection = sqlite3.connect(path, PATIENCE, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _check_seals(connection: sqlite3.Connection) -> None:
    connection.create_function("is_sound", 1, is_sound, deterministic=True)
    for table, column in SEALED:
        unsound = connection.execute(f"SELECT 1 FROM {table} WHERE NOT is_sound({column})")  # noqa: S608
        if unsound.fetchone():
            raise _damaged(f"{table}.{column}")


def _damaged(what: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(what)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def _set_aside(path: Path) -> Path:
    """Moves the database and its log to the first free name."""
    free = next(name for n in count(1) if not (name := path.with_name(f"{path.name}.damaged-{n}")).exists())
    for suffix in ("", "-wal", "-shm"):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(free.with_name(free.name + suffix))
    return free
