"""What the store says when it cannot do its work, and what SQLite's errors mean to a user."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class StoreError(RuntimeError):
    """What is wrong with the state and what to do about it, in words for a user. Ours to mend: senders retry."""


class StoreFullError(StoreError):
    """There is no room for what was to be written; nothing of the transaction was."""


ADVICE = {
    sqlite3.SQLITE_FULL: "the disk is full or the state's limit is reached; make room, or raise --state-limit",
    sqlite3.SQLITE_IOERR: "the disk cannot be read or written; look after it, its quota and its file system",
    sqlite3.SQLITE_READONLY: "it cannot be written; check its owner, its permissions and how its disk is mounted",
    sqlite3.SQLITE_PERM: "it may not be used; check its owner and its permissions",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check its owner and its permissions",
    sqlite3.SQLITE_BUSY: "another program is writing to it; end that program",
    sqlite3.SQLITE_CORRUPT: "it is damaged; restart otelscore, which sets it aside and begins a new one",
    sqlite3.SQLITE_NOTADB: "it is damaged; restart otelscore, which sets it aside and begins a new one",
}
"""SQLite's primary result code (https://www.sqlite.org/rescode.html) -> what is wrong with the file and what to do."""

OTHER = "it cannot be used; restart otelscore, which looks it over and sets it aside where it is damaged"
"""The same for every other code."""


def code_of(error: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 where Python itself found fault."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


@contextmanager
def in_words(path: Path) -> Iterator[None]:
    """SQLite's errors about the file at `path` become StoreError or StoreFullError; Python's about our calls stay."""
    try:
        yield
    except sqlite3.Error as error:
        code = code_of(error)
        if not code:
            raise
        kind = StoreFullError if code == sqlite3.SQLITE_FULL else StoreError
        raise kind(f"{path}: {ADVICE.get(code, OTHER)} ({error})") from error
