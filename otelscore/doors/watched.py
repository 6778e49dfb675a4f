"""What files say, now: they are read anew when one of them changes, for secrets change while a service runs."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import structlog

log = structlog.stdlib.get_logger(__name__)

T = TypeVar("T")

Look = tuple[tuple[int, int, int, int] | None, ...]


class DoorError(ValueError):
    """A file of certificates or tokens cannot be used, or a door stands open; the message quotes no secret."""


class Watched(Generic[T]):
    """The value that `read` makes of `files`; `get` looks at them, which takes microseconds, and reads what changed.

    Raises what `read` raises when it is made. Later, files that cannot be used, or are gone, change nothing but the
    log: a certificate that was written before its key must not close a door. May be used from many threads.
    """

    def __init__(self, files: Sequence[str], read: Callable[[], T]) -> None:
        self._files = tuple(files)
        self._read = read
        self._lock = threading.Lock()
        self._seen = self._look()  # before the reading: a change in between is seen the next time
        self._value = read()

    def get(self) -> T:
        with self._lock:
            seen = self._look()
            if seen != self._seen:
                self._seen = seen
                try:
                    self._value = self._read()
                except DoorError as error:
                    log.error("a changed file cannot be used; what it said before holds", reason=str(error))
                else:
                    log.info("read anew", files=list(self._files))
            return self._value

    def _look(self) -> Look:
        return tuple(map(_identity, self._files))


def _identity(file: str) -> tuple[int, int, int, int] | None:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino
