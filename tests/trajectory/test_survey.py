from __future__ import annotations

import pytest
from support import SECOND, agent, model, other, spans, tool, without, wrapper

from otelscore.trajectory.survey import survey

STEPS = model(1, 2), tool("t", 3, 4)
RUN = agent("a", 0, 9, *STEPS, id="a", parent="gone")


@pytest.mark.parametrize(
    ("trees", "working", "orphan"),
    [
        ([agent("a", 0, 9, *STEPS)], False, False),  # nothing is missing
        ([RUN], False, True),
        ([wrapper(0, 9, agent("a", 0, 9, *STEPS), parent="gone")], False, True),
        ([wrapper(0, 9, *STEPS, parent="gone")], False, True),
        ([wrapper(0, 9, model(1, 2), parent="gone")], True, False),
        ([agent("a", 0, 0, *STEPS, parent="gone")], True, False),  # it has not ended
        ([tool("ask", 0, 9, agent("a", 1, 8, *STEPS), parent="gone")], True, False),
        ([other(0, 9, parent="gone")], False, False),
        ([RUN, other(0, 9, parent="gone")], False, True),
        ([RUN, tool("u", 5, 6, parent="gone")], True, False),
        ([RUN, tool("u", 5, 6, parent="lost on the way")], False, True),
        ([RUN, tool("u", 15, 16, parent="lost on the way")], True, False),
    ],
)
def test_whether_somebody_is_still_at_work(trees, working, orphan):
    found = spans(*trees)
    for mixed in (found, found[::-1]):
        known = survey(mixed)
        assert (known.working, known.orphan) == (working, orphan)


def test_the_times_of_the_runs_whose_agent_came():
    known = survey(spans(other(0, 99, agent("a", 1, 2), agent("b", 3, 5, agent("c", 4, 5)))))
    assert known.runs == ((1 * SECOND, 2 * SECOND), (3 * SECOND, 5 * SECOND))
    assert not known.loose


def test_steps_without_a_run_are_loose():
    assert survey(without(spans(RUN), "a")).loose
    assert not survey(spans(other(0, 9))).loose
