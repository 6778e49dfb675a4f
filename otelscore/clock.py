"""The clock by which everything is waited for: the arrival clock."""

from __future__ import annotations

import threading
import time

HALT = 5.0
"""Seconds without a look at the clock, by which it is known that the process stood still: it looks once a second."""


class ArrivalClock:
    """Unix seconds that never step back, whatever is done to the wall clock, and stand still while the process does.

    It may be stopped (SIGSTOP, a paused container), and senders wait meanwhile: what was at work then is still, and
    its spans come as soon as it goes on. A start sets it right again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = time.monotonic()
        self._offset = time.time() - self._last

    def __call__(self) -> float:
        with self._lock:
            now = time.monotonic()
            if now - self._last > HALT:
                self._offset -= now - self._last
            self._last = now
            return self._offset + now
