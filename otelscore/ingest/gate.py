"""The gate before both doors: who may come in, decided before anything is read, so that a refusal costs little.

A sender gives up after some seconds and sends the same again. So where requests come faster than they can be taken,
work on those that waited too long is work for nobody; the later ones must be told at once to come back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from otelscore.model import OverloadedError


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

    def hold(self, more: int) -> None:
        """Takes note of more bytes of it. Raises CrowdedError where all requests together hold too many."""
        self.size += more
        self.gate.check_size()

    def wait(self) -> None:
        """Its turn has yet to come."""
        self.whole = self.gate.clock()

    def begin(self) -> None:
        """Its turn has come."""
        self.whole = None

    def __enter__(self) -> Visit:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.gate.leave(self)


class Gate:
    """Lets in up to `most` requests at a time that hold up to `size` bytes, while none has waited for `wait` seconds.

    Called from the threads of both doors; every look is at a copy that is made in one step.
    """

    def __init__(self, clock: Callable[[], float], most: int, size: int, wait: float) -> None:
        self.clock = clock
        self._most = most
        self._size = size
        self._wait = wait
        self._inside: dict[int, Visit] = {}

    def enter(self) -> Visit:
        """Raises CrowdedError where there is no room."""
        inside = list(self._inside.values())
        if len(inside) >= self._most:
            raise CrowdedError("concurrent_requests", "too many requests at a time")
        since = min((visit.whole for visit in inside if visit.whole is not None), default=None)
        if since is not None and self.clock() - since > self._wait:
            raise CrowdedError("request_wait", "requests come faster than they can be taken")
        visit = Visit(self)
        self._inside[id(visit)] = visit
        return visit

    def leave(self, visit: Visit) -> None:
        """Its answer is given."""
        self._inside.pop(id(visit), None)

    def check_size(self) -> None:
        """Raises CrowdedError where all requests together hold too many bytes."""
        if sum(visit.size for visit in list(self._inside.values())) > self._size:
            raise CrowdedError("requests_size", "the requests under way are too large together")
