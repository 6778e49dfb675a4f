"""Runs to score, made by hand and by hypothesis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import strategies as st

from otelscore.model import (
    ErrorClass,
    Kind,
    Origin,
    Outcome,
    Response,
    Step,
    StepStatus,
    Trajectory,
    Verdict,
)

SECOND = 1_000_000_000


def _step(status: StepStatus = StepStatus.OK, **changes: Any) -> Step:
    """A tool call of one second; give `response` and `recovered` for a failed one."""
    facts: dict[str, Any] = {
        "index": 0,
        "kind": Kind.TOOL,
        "name": "search",
        "agent": "planner",
        "start": 100 * SECOND,
        "end": 101 * SECOND,
        "span_id": b"stepspan",
        "scope": "test",
        "status": status,
    }
    if status in (StepStatus.ERROR, StepStatus.UNRECOVERABLE):
        facts["error_class"] = ErrorClass.TIMEOUT
    return Step(**facts | changes)


def _run(*steps: Step, passed: bool | None = None, **changes: Any) -> Trajectory:
    """A completed run of ten seconds that was judged half a minute after its end, if at all."""
    facts: dict[str, Any] = {
        "trace_id": b"sixteen bytes id",
        "top_span_id": b"top span",
        "origin": Origin("shop"),
        "agent": "planner",
        "model": "some-model",
        "session": "",
        "start": 100 * SECOND,
        "end": 110 * SECOND,
        "steps": steps,
        "outcome": Outcome.COMPLETED,
        "hard_failure": False,
    }
    if passed is not None:
        facts["verdict"] = Verdict("task_success", passed, 140 * SECOND)
    return Trajectory(**facts | changes)


@st.composite
def _any_step(draw: st.DrawFn) -> Step:
    status = draw(st.sampled_from(StepStatus))
    failed = status in (StepStatus.ERROR, StepStatus.UNRECOVERABLE)
    return _step(
        status,
        kind=draw(st.sampled_from([Kind.TOOL, Kind.RETRIEVAL, Kind.MODEL])),
        name=draw(st.sampled_from(["search", "mail", ""])),
        end=100 * SECOND + draw(st.integers(0, 400 * SECOND)),
        response=draw(st.sampled_from([None, *Response])) if failed else None,
        recovered=draw(st.sampled_from([None, True, False])) if failed else None,
        again=draw(st.booleans()),
    )


@st.composite
def _any_run(draw: st.DrawFn) -> Trajectory:
    outcome = draw(st.sampled_from([None, *Outcome]))
    return _run(
        *draw(st.lists(_any_step(), max_size=4)),
        agent=draw(st.sampled_from(["planner", "writer"])),
        outcome=outcome,
        hard_failure=outcome is Outcome.FAILED,
        passed=draw(st.sampled_from([None, True, False])),
        cluster=draw(st.sampled_from(["", "", "refund", "booking"])),
        trace_id=draw(st.binary(min_size=16, max_size=16)),
    )


@pytest.fixture(scope="session")
def step() -> Callable[..., Step]:
    return _step


@pytest.fixture(scope="session")
def run() -> Callable[..., Trajectory]:
    return _run


@pytest.fixture(scope="session")
def runs() -> st.SearchStrategy[Trajectory]:
    """Any trajectory that a builder could make."""
    return _any_run()
