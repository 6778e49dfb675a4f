"""Passing on: every request that was acknowledged goes on to a backend as it came, so that it loses nothing to us.

Who receives only puts the request into the spool; threads of our own take it from there and try until the backend has
it. A request is delivered at least once: again where the answer was lost, or this process killed before it noted it.
"""

from __future__ import annotations

import random
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from otelscore.export.sending import REASONS, Sender, SendError
from otelscore.export.spool import SIGNALS, Request, Spool, SpoolFullError, Waiting
from otelscore.model import OverloadedError
from otelscore.scoring.families import Family, service_family

log = structlog.stdlib.get_logger(__name__)

DROPPED = ("rejected", "spool_full", "damaged")
"""Why a request is not passed on."""

_AT_ONCE = 4  # requests under way
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0  # seconds between attempts, doubled from one to the next
_LONGEST_WAIT = 600.0  # seconds that a backend may ask us to wait
_TRIES = 5  # of a request that the backend stumbles over: it may be this one that it cannot take
_COMPLAINT = 60.0  # seconds between two log lines about the same trouble


class Forwarder:
    """Passes on from `start` to `stop`.

    With `required` a request for which the spool has no room is refused, else it is taken but not passed on. `reach` is
    told each time that there was none.
    """

    def __init__(self, sender: Sender, spool: Spool, required: bool, reach: Callable[[str], None]) -> None:
        self._sender = sender
        self._spool = spool
        self._required = required
        self._reach = reach
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._delivered = Counter(dict.fromkeys(SIGNALS, 0))
        self._failures = Counter(dict.fromkeys(REASONS, 0))
        self._dropped = Counter({**dict.fromkeys(DROPPED, 0), "damaged": spool.damaged})
        self._complained: dict[str, float] = {}
        self._threads = [
            threading.Thread(target=self._work, name=f"forward-{number}", daemon=True) for number in range(_AT_ONCE)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self, grace: float) -> None:
        """Passes on what waits, for `grace` seconds at most or until an attempt fails; the spool keeps the rest."""
        until = time.monotonic() + grace
        self._stopping.set()
        self._spool.finish()
        for thread in self._threads:
            thread.join(max(until - time.monotonic(), 0))
        self._sender.close()
        left = self._spool.requests
        self._spool.close()
        if left:
            log.warning("stopped before everything was passed on", requests=left, kept=self._spool.is_kept)

    @contextmanager
    def passing_on(self, signal: str, content_type: str, encoding: str, body: bytes) -> Iterator[None]:
        """Around the taking of a request: what is taken without an error is passed on.

        Raises OverloadedError where the request is to be refused for want of room.
        """
        if self._required and not self._spool.has_room(len(body)):
            self._reach("forward_spool")
            raise OverloadedError("limits.forward_spool is reached; try again later")
        yield
        try:
            self._spool.put(Request(signal, content_type, encoding, body))
        except SpoolFullError as error:
            self._reach("forward_spool")
            if self._required:  # it was taken in, but is not acknowledged; when it comes again, it is a duplicate
                raise OverloadedError(f"{error}; try again later") from None
            self._drop("spool_full", str(error))

    def families(self) -> list[Family]:
        """Each metric as it is now."""
        with self._lock:
            counts = {
                "forwarded_requests_total": dict(self._delivered),
                "forward_failures_total": dict(self._failures),
                "forward_dropped_requests_total": dict(self._dropped),
            }
        oldest = self._spool.oldest
        gauges: dict[str, float] = {
            "forward_spool_bytes": self._spool.size,
            "forward_spool_limit_bytes": self._spool.limit,
            "forward_spool_requests": self._spool.requests,
            "forward_spool_oldest_age_seconds": 0.0 if oldest is None else max(time.time() - oldest, 0.0),
        }
        return [
            *(service_family(name, {(key,): n for key, n in values.items()}) for name, values in counts.items()),
            *(service_family(name, {(): value}) for name, value in gauges.items()),
        ]

    def _work(self) -> None:
        while True:
            try:
                waiting = self._spool.take()
                if waiting is None or not self._deliver(waiting):
                    return
                self._spool.done(waiting)
            except Exception as error:  # a bug of ours, or a disk that cannot be read; its words may quote content
                where = "".join(traceback.format_tb(error.__traceback__))
                self._complain(type(error).__name__, "a request stays in the spool until a restart", where=where)
                if self._stopping.wait(_FIRST_PAUSE):
                    return

    def _deliver(self, waiting: Waiting) -> bool:
        """Tries until the request is delivered or given up; False where it stays in the spool since we stop."""
        pause, stumbles = _FIRST_PAUSE, 0
        while True:
            try:
                self._sender.send(waiting.request)
            except SendError as error:
                with self._lock:
                    self._failures[error.reason] += 1
                stumbles += error.reason == "error"
                if error.reason == "rejected" or stumbles == _TRIES:
                    self._drop("rejected", str(error))
                    return True
                if not self._stopping.is_set():  # else it may be that we broke it off
                    self._complain(error.reason, "requests cannot be passed on now", error=str(error))
                wanted = min(error.after or 0.0, _LONGEST_WAIT)
                if self._stopping.wait(max(wanted, pause * random.uniform(0.5, 1))):  # noqa: S311 - no secret
                    return False
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                with self._lock:
                    self._delivered[waiting.request.signal] += 1
                return True

    def _drop(self, reason: str, message: str) -> None:
        with self._lock:
            self._dropped[reason] += 1
        self._complain(f"{reason} {message}", "requests are dropped instead of passed on", reason=reason, error=message)

    def _complain(self, kind: str, event: str, **facts: object) -> None:
        now = time.monotonic()
        with self._lock:
            if now - self._complained.get(kind, -_COMPLAINT) < _COMPLAINT:
                return
            self._complained[kind] = now
        log.warning(event, waiting=self._spool.requests, **facts)
