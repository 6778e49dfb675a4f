"""When to look at which fragment: many timers that are put off with every span, at next to no cost."""

from __future__ import annotations

import heapq
from itertools import count

from otelscore.trajectory.fragments import Fragment


class Agenda:
    """Fragments by the time at which they are to be looked at.

    A fragment whose time is put off keeps its earlier place in the heap, and takes the later one when that has come.
    """

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Fragment]] = []
        self._order = count()

    def put(self, fragment: Fragment, at: float) -> None:
        """Promises to look at a fragment then, and not before."""
        fragment.check_at = at
        if at < fragment.wake_at:
            fragment.wake_at = at
            heapq.heappush(self._heap, (at, next(self._order), fragment))

    def due(self, now: float) -> list[Fragment]:
        """Takes out those to look at now, in order of time."""
        due: list[Fragment] = []
        while self._heap and self._heap[0][0] <= now:
            at, _, fragment = heapq.heappop(self._heap)
            if fragment.spans and fragment.wake_at == at:
                fragment.wake_at = float("inf")
                if fragment.check_at > now:
                    self.put(fragment, fragment.check_at)
                else:
                    due.append(fragment)
        return due
