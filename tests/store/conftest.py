"""Stores in a folder of the test, and programs of their own that use one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from otelscore.model import Kind, Outcome, Score, Step
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
def make_run() -> Callable[..., tuple[StoredRun, Score]]:
    """A run of that number; fields of its score, and `responses` and `tools` of its steps, may be given too."""

    def make(number: int, closed: float = 0.0, **fields: Any) -> tuple[StoredRun, Score]:
        responses, tools = fields.pop("responses", ()), fields.pop("tools", ())
        steps = [Step(0, Kind.TOOL, name, "planner", 1, 2, bytes(8), "") for name in tools]
        steps += [Step(0, Kind.MODEL, "", "planner", 1, 2, bytes(8), "", response=response) for response in responses]
        of_score = {name: fields.pop(name) for name in Score.__slots__ if name in fields}
        run_id = f"run {number}"
        run: dict[str, Any] = {
            "judged": None,
            "verdict": None,
            "final": False,
            "counted": False,
            "until": closed + 60,
            "facts": b"\x00facts",
        }
        score: dict[str, Any] = {
            "trajectory_id": run_id,
            "trace_id": "0" * 32,
            "service": "shop",
            "agent": "planner",
            "model": "",
            "started_at": 1_700_000_000_000_000_000,
            "duration_seconds": 0.5,
            "outcome": Outcome.COMPLETED,
            "task_passed": None,
            "trajectory_length": len(steps),
            "tool_errors": 0,
            "tool_error_rate": None,
            "recovery_rate": None,
            "resolution_rate": None,
            "hard_failure": False,
            "silent_failure": None,
            "implied_step_success_rate": None,
        }
        return StoredRun(number, run_id, closed, **run | fields), Score(**score | of_score, steps=tuple(steps))

    return make


@pytest.fixture
def program(folder: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Runs Python code in a process of its own, with `folder` and what the store's tests need at hand."""
    started: list[subprocess.Popen[str]] = []
    prelude = f"""
import resource, sys
from pathlib import Path
from otelscore.store import REQUEST, Store, StoreError, StoreFullError
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
