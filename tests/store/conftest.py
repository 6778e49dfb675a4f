"""Stores in a folder of the test, and programs of their own that use one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from otelscore.store import Store, StoredRun

ROOM = 1 << 30


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def reopen(folder: Path) -> Iterator[Callable[..., Store]]:
    """Opens the folder's store; the one that was opened before is closed first."""
    opened: list[Store] = []

    def again(limit: int = ROOM) -> Store:
        while opened:
            opened.pop().close()
        opened.append(Store.open(folder, "process", limit))
        return opened[0]

    yield again
    for store in opened:
        store.close()


@pytest.fixture
def store(reopen: Callable[..., Store]) -> Store:
    return reopen()


@pytest.fixture(scope="session")
def make_run() -> Callable[..., StoredRun]:
    def make(run_id: str, closed: float = 0.0, **fields: Any) -> StoredRun:
        facts: dict[str, Any] = {
            "trace_id": "0" * 32,
            "service": "shop",
            "agent": "planner",
            "outcome": "completed",
            "started": 1_700_000_000_000_000_000,
            "judged": None,
            "final": False,
            "counted": False,
            "until": closed + 60,
            "row": b"\x00row",
            "score": b'{"trajectory_id":"' + run_id.encode() + b'"}',
        }
        return StoredRun(run_id=run_id, closed=closed, **facts | fields)

    return make


@pytest.fixture
def program(folder: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Runs Python code in a process of its own, with `folder` and what the store's tests need at hand."""
    started: list[subprocess.Popen[str]] = []
    prelude = f"""
import resource, sys
from pathlib import Path
from otelscore.store import Store, StoreError, StoreFullError
folder = Path({str(folder)!r})
"""

    def start(code: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        process = subprocess.Popen([sys.executable, "-c", prelude + code], stdin=pipe, stdout=pipe, text=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
