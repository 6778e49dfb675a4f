"""What closed as an orphan or incomplete, and is kept beyond its late window in the hope of what is missing.

It is kept as long as figures show it, but it must not take the room of what is still at work: beyond a number of
spans those that closed first have hoped enough.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from otelscore.trajectory.fragments import Fragment


class Hoping:
    """Fragments that hope, in the order in which they closed, and the number of their spans."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._order: deque[tuple[float, Fragment]] = deque()  # with when it closed; who hopes no more leaves in front
        self._enough = 0
        self.spans = 0
        self.crowded = 0
        """How often there was no room for all."""

    def add(self, fragment: Fragment) -> None:
        """Takes a closed fragment whose late window is over, unless it is here."""
        if fragment.closed is not None and not fragment.hoping:
            fragment.hoping = sum(len(part.spans) for part in fragment.members())
            self.spans += fragment.hoping
            self._order.append((fragment.closed, fragment))

    def drop(self, fragment: Fragment) -> None:
        """Lets go of a fragment that was reopened or is final; it may be one that others were joined with."""
        self.spans -= fragment.hoping
        fragment.hoping = 0

    def hurry(self, spans: int) -> int:
        """Asks `surplus` for so many spans more; gives how many of them there are."""
        self._enough = min(spans, self.spans)
        return self._enough

    def surplus(self) -> Iterator[Fragment]:
        """Those that have hoped enough; whoever asks makes each final, which drops it, before the next."""
        self.crowded += self.spans > self._most
        room = min(self._most, self.spans - self._enough)
        self._enough = 0
        while self._order:
            closed, fragment = self._order[0]
            hopes = fragment.hoping and fragment.closed == closed and fragment.holder() is fragment
            if hopes and self.spans <= room:
                return
            self._order.popleft()
            if hopes:
                yield fragment
