"""The gate before both doors: who may come in, decided before anything is read, so that a refusal costs little.

A sender gives up after some seconds and sends the same again. So where requests come faster than they can be taken,
work on those that waited too long is work for nobody; the later ones must be told at once to come back. How long one
will wait is how many wait before it, times what each has taken of late: once the oldest has waited too long, more have
come than can be taken in several times as long.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from otelscore.model import OverloadedError

_WEIGHT = 0.05  # of the last request in what each takes: that of a scrape in between, or of one huge one, is soon gone


class CrowdedError(OverloadedError):
    """There are too many requests: the limit of this name is reached."""

    def __init__(self, limit: str, message: str) -> None:
        super().__init__(message)
        self.limit = limit


@dataclass(slots=True, eq=False)
class Visit:
    """One request, from its first byte to its answer; a context."""

    gate: Gate
    size: int = 0  # bytes that are held of it
    whole: float | None = None  # since when it waits for its turn
    begun: float | None = None  # since when it is at work

    def hold(self, more: int) -> None:
        """Takes note of more bytes of it. Raises CrowdedError where all requests together hold too many."""
        self.size += more
        self.gate.check_size()

    def wait(self) -> None:
        """Its turn has yet to come."""
        self.whole = self.gate.clock()

    def begin(self) -> None:
        """Its turn has come. Raises CrowdedError where that was too late: it waited in spite of all for too long."""
        since, self.whole, self.begun = self.whole, None, self.gate.clock()
        if since is not None:
            self.gate.check_wait(self.begun - since)

    def __enter__(self) -> Visit:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.gate.leave(self)


class Gate:
    """Lets in up to `most` requests at a time that hold up to `size` bytes, and of which none will wait for long.

    Each one's turn comes within `wait` seconds after it has come whole, or it is told to come back.

    Called from the threads of both doors; every look is at a copy that is made in one step.
    """

    def __init__(self, clock: Callable[[], float], most: int, size: int, wait: float) -> None:
        self.clock = clock
        self._most = most
        self._size = size
        self._wait = wait
        self._inside: dict[int, Visit] = {}
        self._left = 0.0  # when the last one did
        self._pace = 0.0  # seconds that each takes while others wait

    def enter(self) -> Visit:
        """Raises CrowdedError where there is no room."""
        inside = list(self._inside.values())
        if len(inside) >= self._most:
            raise CrowdedError("concurrent_requests", "too many requests at a time")
        waiting = [visit.whole for visit in inside if visit.whole is not None]
        if waiting:
            self.check_wait(max(self.clock() - min(waiting), len(waiting) * self._pace))
        visit = Visit(self)
        self._inside[id(visit)] = visit
        return visit

    def leave(self, visit: Visit) -> None:
        """Its answer is given."""
        self._inside.pop(id(visit), None)
        if visit.begun is not None:
            now = self.clock()
            self._pace += _WEIGHT * (now - max(self._left, visit.begun) - self._pace)
            self._left = now

    def check_wait(self, seconds: float) -> None:
        """Raises CrowdedError where that is longer than anybody is to wait."""
        if seconds > self._wait:
            raise CrowdedError("request_wait", "requests come faster than they can be taken")

    def check_size(self) -> None:
        """Raises CrowdedError where all requests together hold too many bytes."""
        if sum(visit.size for visit in list(self._inside.values())) > self._size:
            raise CrowdedError("requests_size", "the requests under way are too large together")
