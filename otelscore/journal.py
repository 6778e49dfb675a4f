"""Which entries of the store's journal must be kept: those that hold something of a trace that can still change."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set
from itertools import islice

_AT_ONCE = 100
"""Entries that are looked through at a time."""


class Journal:
    """The entries by the traces that they hold something of."""

    def __init__(self, is_open: Callable[[bytes], bool]) -> None:
        """`is_open`: whether anything of a trace can still change."""
        self._is_open = is_open
        self._open: dict[int, int] = {}  # entry -> how many of its traces are open
        self._entries: dict[bytes, list[int]] = {}  # trace -> the entries that hold something of it
        self._mixed: dict[int, float] = {}  # entry that is kept though a part of it is final -> since when
        self._awaited: set[bytes] = set()  # traces of log records whose spans may never come
        self.gone: list[int] = []
        """Entries that hold nothing that can still change, since somebody cleared this."""

    def hold(self, traces: Set[bytes], entry: int, now: float) -> None:
        """An entry holds something of these traces: it is kept as long as one of them is open."""
        held = [trace_id for trace_id in traces if self._is_open(trace_id)]
        for trace_id in held:
            entries = self._entries.get(trace_id)
            if entries is None:
                self._entries[trace_id] = [entry]
            else:
                entries.append(entry)
        if held:
            self._open[entry] = len(held)
            if len(held) < len(traces):
                self._mixed[entry] = now
        else:
            self.gone.append(entry)

    def watch(self, traces: Set[bytes]) -> None:
        """Nobody will say when these are final: log records may have come for spans that never will."""
        self._awaited |= traces & self._entries.keys()

    def look(self, now: float) -> None:
        """Releases those of them that are no longer open."""
        for trace_id in [trace_id for trace_id in self._awaited if not self._is_open(trace_id)]:
            self._awaited.discard(trace_id)
            self.release(trace_id, now)

    def release(self, trace_id: bytes, now: float) -> None:
        """Nothing of a trace can change any more."""
        for entry in self._entries.pop(trace_id, ()):
            self._open[entry] -= 1
            if not self._open[entry]:
                del self._open[entry]
                self._mixed.pop(entry, None)
                self.gone.append(entry)
            elif entry not in self._mixed:
                self._mixed[entry] = now

    def mixed(self, before: float) -> list[int]:
        """Entries that have held more than what can still change since before then; the oldest ones."""
        return [entry for entry, since in islice(self._mixed.items(), _AT_ONCE) if since < before]

    def purify(self, entries: Iterable[int]) -> None:
        """Takes note that these hold no more than what can still change."""
        for entry in entries:
            self._mixed.pop(entry, None)
