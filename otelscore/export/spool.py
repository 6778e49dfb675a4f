"""What waits to be passed on: a queue of requests in files, which outlives the process.

A request is one record at the end of the newest file (a *segment*): a head with length and checksum, then the body as
it came. One byte of the head says whether it was delivered and is overwritten in place, so there is no second file that
could disagree. Segments are read from the oldest on. One whose last record was delivered is deleted, and the newest is
emptied instead; so what was delivered does not stay on the disk while nothing waits.

A kill at any moment leaves at most half a record, of a request that was not acknowledged, at the end of a segment. What
was delivered but not yet marked is delivered again: at least once, never lost.
"""

from __future__ import annotations

import errno
import os
import struct
import tempfile
import threading
import time
import zlib
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

log = structlog.stdlib.get_logger(__name__)

SIGNALS = ("traces", "logs", "metrics")
CONTENT_TYPES = ("application/x-protobuf", "application/json")
ENCODINGS = ("", "gzip")

_HEAD = struct.Struct(">cIIdBBB")  # state, checksum of all that follows, length of the body, when it came, what it is
_CHECKED = 5  # where what the checksum is of begins
_WAITING, _DELIVERED = b"w", b"d"
_SEGMENTS = 64  # into which the limit is divided: what is deleted at once
_SUFFIX = ".requests"


class SpoolFullError(Exception):
    """There is no room for the request, below the limit or on the disk."""


@dataclass(frozen=True, slots=True)
class Request:
    """One OTLP request as it came."""

    signal: str  # one of SIGNALS
    content_type: str  # one of CONTENT_TYPES
    encoding: str  # one of ENCODINGS
    body: bytes


@dataclass(slots=True, eq=False)
class _Segment:
    """One file. `left` counts its requests that are not delivered; everything before `read` has been handed out."""

    fd: int
    path: Path | None  # None: it has no name and ends with the process
    size: int = 0
    read: int = 0
    left: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Waiting:
    """A request that was handed out and is not delivered yet."""

    request: Request
    came: float  # Unix seconds
    segment: _Segment
    offset: int


class Spool:
    """The queue. `put` is called by those who receive and never waits for those who `take`; all from any thread.

    `limit` is in bytes of disk. Without a `folder` the files have no names, and nothing is left when the process ends.
    With `sync` a request has reached the disk when `put` returns.
    """

    def __init__(self, folder: Path | None, limit: int, sync: bool = False) -> None:
        """Takes up what an earlier process left. Raises OSError where the folder cannot be used."""
        self.limit = limit
        self.damaged = 0
        """Segments of which a part could not be read, and is lost."""
        self._folder = folder
        self._sync = sync
        self._changed = threading.Condition()
        self._taking = threading.Lock()
        self._segments: deque[_Segment] = deque()
        self._taken: set[Waiting] = set()
        self._writing: _Segment | None = None
        self._number = 0  # of the last segment
        self._closed = self._no_more = False
        if folder is not None:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for path in sorted(folder.glob(f"*{_SUFFIX}")):
                self._number = int(path.stem)
                self._take_up(path)
        self._bytes = sum(segment.size for segment in self._segments)
        self._count = sum(segment.left for segment in self._segments)

    def has_room(self, size: int) -> bool:
        """Whether a body of so many bytes would be below the limit now."""
        return self._bytes + _HEAD.size + size <= self.limit

    def put(self, request: Request) -> None:
        """Adds a request; a kill of this process cannot take it back. Raises SpoolFullError."""
        kinds = (
            SIGNALS.index(request.signal),
            CONTENT_TYPES.index(request.content_type),
            ENCODINGS.index(request.encoding),
        )
        head = _HEAD.pack(_WAITING, 0, len(request.body), time.time(), *kinds)
        checksum = zlib.crc32(request.body, zlib.crc32(head[_CHECKED:]))
        record = head[:1] + checksum.to_bytes(4, "big") + head[_CHECKED:], request.body
        size = _HEAD.size + len(request.body)
        with self._changed:
            if self._closed or not self.has_room(len(request.body)):
                raise SpoolFullError("limits.forward_spool is reached")
            try:
                segment = self._segment()
                _write(segment.fd, record, segment.size)
                descriptor = os.dup(segment.fd) if self._sync else -1  # the segment may be deleted meanwhile
            except OSError as error:
                raise SpoolFullError(f"the forward spool cannot be written: {error.strerror}") from None
            segment.size += size
            segment.left += 1
            self._bytes += size
            self._count += 1
            self._changed.notify()
        if self._sync:
            with os.fdopen(descriptor, "rb", 0):
                os.fsync(descriptor)

    def take(self) -> Waiting | None:
        """The oldest request that nobody has taken; waits for one. None when there will be no more."""
        with self._taking:  # the disk is read outside of the other lock, for which `put` waits
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._no_more or self._unread() is not None)
                    segment = self._unread()
                    if segment is None:
                        return None
                offset = segment.read
                state, _, length, came, *kinds = _HEAD.unpack(os.pread(segment.fd, _HEAD.size, offset))
                body = os.pread(segment.fd, length, offset + _HEAD.size) if state == _WAITING else b""
                with self._changed:
                    segment.read += _HEAD.size + length
                    if state == _WAITING:
                        signal, content_type, encoding = kinds
                        request = Request(SIGNALS[signal], CONTENT_TYPES[content_type], ENCODINGS[encoding], body)
                        waiting = Waiting(request, came, segment, offset)
                        self._taken.add(waiting)
                        return waiting

    def done(self, waiting: Waiting) -> None:
        """Whoever took it has delivered it, or given it up: it is not handed out again."""
        with self._changed:
            if self._closed:
                return
            segment = waiting.segment
            with suppress(OSError):  # then it may be delivered once more
                os.pwrite(segment.fd, _DELIVERED, waiting.offset)
            self._taken.discard(waiting)
            self._count -= 1
            segment.left -= 1
            if segment.left == 0:  # then all of it was handed out: it ends with a request that waited
                self._clear(segment)

    def finish(self) -> None:
        """From now on `take` gives what is there and waits for nothing more."""
        with self._changed:
            self._no_more = True
            self._changed.notify_all()

    def close(self) -> None:
        """Keeps what waits for the next process."""
        with self._changed:
            self._closed = self._no_more = True
            for segment in self._segments:
                os.close(segment.fd)
            self._segments.clear()
            self._changed.notify_all()

    @property
    def is_kept(self) -> bool:
        """Whether what waits outlives the process."""
        return self._folder is not None

    @property
    def size(self) -> int:
        """In bytes, on the disk."""
        return self._bytes

    @property
    def requests(self) -> int:
        """That are not delivered."""
        return self._count

    @property
    def oldest(self) -> float | None:
        """When the oldest of those that were taken and not delivered came, in Unix seconds."""
        with self._changed:
            return min((waiting.came for waiting in self._taken), default=None)

    def _unread(self) -> _Segment | None:
        return next((segment for segment in self._segments if segment.read < segment.size), None)

    def _segment(self) -> _Segment:
        """The one to write to."""
        segment = self._writing
        if segment is not None and segment.size < self.limit // _SEGMENTS:
            return segment
        if self._folder is None:
            with tempfile.TemporaryFile() as file:
                segment = _Segment(os.dup(file.fileno()), None)
        else:
            path = self._folder / f"{self._number + 1:012}{_SUFFIX}"
            segment = _Segment(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), path)
            if self._sync:
                _sync_folder(self._folder)
        self._number += 1
        self._segments.append(segment)
        self._writing = segment
        return segment

    def _clear(self, segment: _Segment) -> None:
        self._bytes -= segment.size
        if segment is self._writing:
            segment.size = segment.read = 0
            with suppress(OSError):  # what stays is overwritten, and marked as delivered
                os.ftruncate(segment.fd, 0)
            return
        self._segments.remove(segment)
        os.close(segment.fd)
        if segment.path is not None:
            with suppress(OSError):  # then the next start deletes it
                segment.path.unlink()

    def _take_up(self, path: Path) -> None:
        segment = _Segment(os.open(path, os.O_RDWR), path)
        for offset, state, size in self._records(segment.fd, path):
            if state == _WAITING:
                segment.left += 1
                segment.size = offset + size
        if segment.left:
            os.ftruncate(segment.fd, segment.size)
            self._segments.append(segment)
        else:
            os.close(segment.fd)
            path.unlink()

    def _records(self, fd: int, path: Path) -> Iterator[tuple[int, bytes, int]]:
        """Offset, state and size of each record, up to the first that is cut off or damaged."""
        offset, end = 0, os.fstat(fd).st_size
        while offset + _HEAD.size <= end:
            head = os.pread(fd, _HEAD.size, offset)
            state, checksum, length, *_ = _HEAD.unpack(head)
            size = _HEAD.size + length
            if offset + size > end:
                break  # cut off by a kill, before it was acknowledged
            body = os.pread(fd, length, offset + _HEAD.size)
            if state not in (_WAITING, _DELIVERED) or zlib.crc32(body, zlib.crc32(head[_CHECKED:])) != checksum:
                self.damaged += 1
                log.error("a part of the forward spool is damaged and lost", file=str(path), bytes=end - offset)
                break
            yield offset, state, size
            offset += size


def _write(fd: int, record: tuple[bytes, bytes], offset: int) -> None:
    """All of it, or nothing and OSError."""
    try:
        written = os.pwritev(fd, record, offset)
        if written < sum(map(len, record)):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError:
        with suppress(OSError):  # else what follows overwrites it, and a restart finds its end by the checksum
            os.ftruncate(fd, offset)
        raise


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
