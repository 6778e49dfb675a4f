"""Loaded at the start of the server under test: its wall clock is wrong by as many seconds as a file says."""

from __future__ import annotations

import os
import time
from pathlib import Path

_file = Path(os.environ["FAULTS_CLOCK"])
_time, _time_ns = time.time, time.time_ns


def _offset() -> int:
    return int(_file.read_text() or "0") if _file.exists() else 0


time.time = lambda: _time() + _offset()
time.time_ns = lambda: _time_ns() + _offset() * 10**9
