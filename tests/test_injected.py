"""Runs with injected faults, from spans to figures: counted by what became of their faults, and in nothing else."""

from __future__ import annotations

from itertools import count

import pytest
from support import SECOND, agent, model, span_id, spans, tool

from otelscore.config import Config
from otelscore.model import Batch, Verdict
from otelscore.pipeline import Pipeline

PRODUCTION = agent("a", 0, 9, model(0, 1), tool("t", 1, 2, error="TimeoutError", args="x"), model(3, 4), id="a")
BELIEVES = agent("a", 0, 9, model(0, 1), tool("t", 1, 2, fault="wrong_value", args="x"), model(3, 4), id="a")
DOUBTS = agent(
    *("a", 0, 9, model(0, 1), tool("t", 1, 2, fault="stale", args="x"), model(3, 4), tool("t", 5, 6, args="x")), id="a"
)
GIVES_UP = agent(
    *("a", 0, 9, model(0, 1), tool("t", 1, 2, error="TimeoutError", fault="timeout"), model(3, 4, acknowledges=True)),
    id="a",
)


class Play:
    def __init__(self, **settings):
        self.pipeline = Pipeline(Config(**settings), "1.0")
        self.now = 1_000_000.0
        self.scores = []
        self.traces = (bytes([number]) * 16 for number in count(1))

    def send(self, tree, passed=None):
        trace = next(self.traces)
        self.pipeline.ingest(Batch(spans=spans(tree, trace=trace)), self.now)
        if passed is not None:
            self.judge(trace, passed)
        return trace

    def judge(self, trace, passed):
        verdict = Verdict("task_success", passed, 60 * SECOND, trace, span_id("a"))
        self.pipeline.ingest(Batch(verdicts=[verdict], records=1), self.now)

    def wait(self, seconds):
        for _ in range(10):
            self.now += seconds / 10
            self.scores += self.pipeline.tick(self.now)

    def shown(self, *names, window="24h"):
        """(name, own label values) -> value."""
        found = {}
        for family in self.pipeline.families(self.now):
            for sample in family.samples:
                labels = dict(zip(family.label_names, sample.labels, strict=True))
                if (not names or family.metric.name in names) and labels.get("window", window) == window:
                    own = tuple(labels[name] for name in family.metric.labels)
                    if family.metric.name not in names or sample.value:
                        found[family.metric.name, *own] = sample.value
        return found


def about_runs(play):
    """All figures of runs but those of faults."""
    found = {}
    for family in play.pipeline.figures(play.now):
        if "fault" not in family.metric.labels and not family.metric.name.startswith("verdicts_"):
            for sample in family.samples:
                found[family.metric.name, *sample.labels] = sample.value
    return found


@pytest.fixture
def play():
    return Play()


def test_what_became_of_each_fault(play):
    play.send(BELIEVES, passed=False)
    play.send(BELIEVES, passed=True)
    play.send(DOUBTS)
    play.send(GIVES_UP, passed=False)
    play.wait(300)
    assert play.shown("injected_faults_total") == {
        ("injected_faults_total", "wrong_value", "t", "unnoticed_wrong"): 1,
        ("injected_faults_total", "wrong_value", "t", "unnoticed_harmless"): 1,
        ("injected_faults_total", "stale", "t", "noticed_recovered"): 1,
        ("injected_faults_total", "timeout", "t", "noticed_failed"): 1,
    }
    assert play.shown("fault_confidently_wrong_ratio") == {("fault_confidently_wrong_ratio", "wrong_value"): 0.5}
    assert play.shown("fault_recovery_ratio") == {("fault_recovery_ratio", "stale"): 1.0}
    assert play.shown("fault_notice_ratio") == {
        ("fault_notice_ratio", "stale"): 1.0,
        ("fault_notice_ratio", "timeout"): 1.0,
    }


def test_they_are_in_no_other_figure(play):
    alone = Play()
    for each in (play, alone):
        each.send(PRODUCTION, passed=True)
    for tree in (BELIEVES, DOUBTS, GIVES_UP):
        play.send(tree, passed=False)
    for _ in range(2):
        for each in (play, alone):
            each.wait(300)
        assert about_runs(play) == about_runs(alone)
    assert len(play.scores) == len(alone.scores) == 1
    assert len(play.pipeline.changes.finals) == 1


def test_an_agent_of_trials_alone_has_no_figures_of_production(play):
    play.send(BELIEVES, passed=False)
    play.wait(300)
    assert {key[0]: value for key, value in about_runs(play).items()} == {}


def test_a_verdict_that_comes_late_is_waited_for(play):
    trace = play.send(BELIEVES)
    play.wait(300)
    assert play.shown("injected_faults_total") == {}
    assert play.shown("fault_confidently_wrong_ratio") == {}
    play.judge(trace, passed=False)
    assert play.shown("injected_faults_total") == {("injected_faults_total", "wrong_value", "t", "unnoticed_wrong"): 1}
    assert play.shown("fault_confidently_wrong_ratio") == {("fault_confidently_wrong_ratio", "wrong_value"): 1.0}
    play.judge(trace, passed=True)
    assert play.shown("injected_faults_total") == {("injected_faults_total", "wrong_value", "t", "unnoticed_wrong"): 1}


def test_without_a_verdict_it_is_unknown_in_the_end():
    play = Play(verdict_window=3600.0)
    play.send(BELIEVES)
    play.wait(3000)
    assert play.shown("injected_faults_total") == {}
    play.wait(3000)
    assert play.shown("injected_faults_total") == {("injected_faults_total", "wrong_value", "t", "unknown"): 1}


def test_every_outcome_starts_at_0(play):
    play.send(BELIEVES)
    play.wait(30)
    found = play.shown()
    outcomes = {key[-1]: value for key, value in found.items() if key[0] == "injected_faults_total"}
    assert set(outcomes.values()) == {0}
    assert len(outcomes) == 5


def test_the_figures_of_files_count_all(play):
    play.send(BELIEVES)
    play.send(GIVES_UP)
    play.pipeline.close_all(play.now)
    assert play.shown("injected_faults_total") == {
        ("injected_faults_total", "wrong_value", "t", "unknown"): 1,
        ("injected_faults_total", "timeout", "t", "noticed_failed"): 1,
    }
