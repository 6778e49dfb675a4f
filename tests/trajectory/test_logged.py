from __future__ import annotations

from support import TRACE, failure, span_id

from otelscore.model import SpanFacts
from otelscore.trajectory.logged import Logged

OTHER = b"another trace id"


def facts(span="t", trace=TRACE):
    return SpanFacts(trace, span_id(span), failure("TimeoutError"))


def test_what_was_said_is_found_by_trace_and_span():
    logged = Logged(10.0)
    for said in (facts("t"), facts("u"), facts("t")):
        logged.add(said, 0.0)
    assert logged.of(TRACE) == {span_id("t"): facts("t"), span_id("u"): facts("u")}
    assert logged.of(OTHER) == {}
    assert TRACE in logged
    assert logged.spans == 2


def test_it_is_forgotten_when_nothing_was_said_about_its_trace_for_a_while():
    logged = Logged(10.0)
    logged.add(facts(), 0.0)
    logged.add(facts(trace=OTHER), 1.0)
    logged.add(facts("u"), 5.0)
    logged.expire(12.0, ())
    assert OTHER not in logged
    assert logged.spans == 2
    logged.expire(15.0, ())
    assert TRACE not in logged
    assert logged.spans == 0


def test_but_not_while_its_trace_is_open():
    for patience in (0.0, 10.0):
        logged = Logged(patience)
        logged.add(facts(), 0.0)
        logged.expire(20.0, {TRACE})
        assert logged.of(TRACE)
        logged.expire(30.0, ())
        assert TRACE not in logged


def test_it_can_be_forgotten_at_once():
    logged = Logged(10.0)
    logged.add(facts(), 0.0)
    logged.forget(TRACE)
    logged.forget(OTHER)
    assert TRACE not in logged
    assert logged.spans == 0
