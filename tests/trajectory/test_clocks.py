"""Senders' clocks: JavaScript's starts are whole milliseconds, its ends are not."""

from __future__ import annotations

import pytest
from support import agent, model, spans, tool

from otelscore.model import Response
from otelscore.trajectory.builder import build


@pytest.mark.parametrize(("start", "answer"), [(2.9994, Response.RETRIED), (2.5, Response.CONCLUDED)])
def test_a_retry_may_seem_to_start_just_before_the_failure_ended(start, answer):
    failed = tool("search", 2, 3, error="TimeoutError", args="q")
    again = tool("search", start, 4, args="q")
    (run,) = build(spans(agent("a", 0, 10, model(1, 2), failed, again, model(5, 6)))).trajectories
    assert [step.response for step in run.steps if step.failed] == [answer]
    assert [step.recovered for step in run.steps if step.failed] == [answer is Response.RETRIED]
