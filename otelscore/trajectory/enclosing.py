"""Which one of many times a time lies in, where it lies in one alone; a look-up costs the logarithm of their number."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence


class Enclosing:
    """Times, each a start and an end."""

    def __init__(self, times: Sequence[tuple[int, int]]) -> None:
        order = sorted(range(len(times)), key=lambda index: times[index][0])
        self._starts = [times[index][0] for index in order]
        self._latest: list[tuple[int, int, int]] = []
        """Of those that have begun: the last end, which one's it is, and the end before it."""
        last, whose, before = -1, -1, -1
        for index in order:
            end = times[index][1]
            if end > last:
                last, whose, before = end, index, last
            else:
                before = max(before, end)
            self._latest.append((last, whose, before))

    def only(self, start: int, end: int) -> int | None:
        """The place in `times` of the one that begins no later and ends no earlier; None where none or several do."""
        begun = bisect_right(self._starts, start)
        if begun:
            last, whose, before = self._latest[begun - 1]
            if before < end <= last:
                return whose
        return None
