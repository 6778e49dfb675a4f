from __future__ import annotations

from support import TRACE, spans, tool

from otelscore.trajectory.agenda import Agenda
from otelscore.trajectory.fragments import Trace


def fragments(number):
    trace = Trace(TRACE)
    return [trace.add(span) for span in spans(*(tool("t", 0, 1) for _ in range(number)))]


def test_what_is_due_comes_once_in_order_of_time():
    agenda, (first, second, third) = Agenda(), fragments(3)
    agenda.put(second, 2.0)
    agenda.put(first, 1.0)
    agenda.put(third, 4.0)
    assert agenda.due(3.0) == [first, second]
    assert agenda.due(3.0) == []
    assert agenda.due(4.0) == [third]


def test_what_is_put_off_or_brought_forward_comes_at_its_last_time_only():
    agenda, (late, early) = Agenda(), fragments(2)
    agenda.put(late, 1.0)
    agenda.put(late, 5.0)
    agenda.put(early, 5.0)
    agenda.put(early, 2.0)
    assert agenda.due(4.0) == [early]
    assert agenda.due(9.0) == [late]


def test_what_is_gone_does_not_come():
    agenda, (gone,) = Agenda(), fragments(1)
    agenda.put(gone, 1.0)
    gone.trace.remove(gone)
    assert agenda.due(2.0) == []
