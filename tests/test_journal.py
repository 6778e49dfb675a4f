from __future__ import annotations

import pytest

from otelscore.journal import Journal

ONE, TWO = b"trace one 16 byt", b"trace two 16 byt"


class Traces(set):
    """Those that are open."""

    def close(self, trace: bytes, journal: Journal, now: float) -> None:
        self.discard(trace)
        journal.release(trace, now)


@pytest.fixture
def traces() -> Traces:
    return Traces({ONE, TWO})


@pytest.fixture
def journal(traces: Traces) -> Journal:
    return Journal(traces.__contains__)


def test_an_entry_is_kept_until_the_last_of_its_traces_is_final(traces, journal):
    journal.hold({ONE, TWO}, 7, 0.0)
    traces.close(ONE, journal, 1.0)
    assert journal.gone == []
    traces.close(TWO, journal, 2.0)
    assert journal.gone == [7]


def test_every_entry_of_a_trace_goes_with_it(traces, journal):
    for entry in (1, 2, 3):
        journal.hold({ONE}, entry, 0.0)
    traces.close(ONE, journal, 1.0)
    assert journal.gone == [1, 2, 3]


def test_an_entry_without_an_open_trace_goes_at_once(traces, journal):
    traces.clear()
    journal.hold({ONE}, 7, 0.0)
    journal.hold(set(), 8, 0.0)
    assert journal.gone == [7, 8]


def test_an_entry_of_which_a_part_is_final_is_mixed_until_it_is_purified(traces, journal):
    journal.hold({ONE, TWO}, 7, 0.0)
    assert journal.mixed(10.0) == []
    traces.close(ONE, journal, 5.0)
    assert journal.mixed(5.0) == []
    assert journal.mixed(10.0) == [7]
    journal.purify([7])
    assert journal.mixed(10.0) == []
    journal.hold({ONE, TWO}, 8, 6.0)  # the one is final already
    assert journal.mixed(10.0) == [8]
    traces.close(TWO, journal, 9.0)
    assert journal.mixed(10.0) == []


def test_what_nobody_says_is_over_is_looked_at(traces, journal):
    journal.hold({ONE, TWO}, 7, 0.0)
    journal.watch({ONE, TWO, b"not held"})
    journal.look(1.0)
    assert journal.gone == []
    traces.clear()
    journal.look(2.0)
    assert journal.gone == [7]
