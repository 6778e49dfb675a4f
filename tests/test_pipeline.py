from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import SECOND, TRACE, Made, agent, failure, model, other, span_id, spans, tool, without, wrapper

from otelscore.config import Config
from otelscore.model import Batch, OverloadedError, SpanFacts, Verdict
from otelscore.pipeline import Pipeline

ROOT, ORPHAN, IDLE, LATE, HOUR, DAY = 10, 120, 900, 120, 3600, 86_400
TRACES = [bytes([i]) * 16 for i in range(1, 9)]


class Play:
    """A pipeline and its clock."""

    def __init__(self, **settings):
        self.pipeline = Pipeline(Config(**settings), "1.0")
        self.now = 1_000_000.0
        self.scores = []

    def send(self, *trees: Made, trace: bytes = TRACE, **settings):
        self.spans(spans(*trees, trace=trace, **settings))

    def spans(self, found):
        self.pipeline.ingest(Batch(spans=list(found)), self.now)

    def hear(self, *verdicts):
        self.pipeline.ingest(Batch(verdicts=list(verdicts), records=len(verdicts)), self.now)

    def wait(self, seconds):
        until = self.now + seconds
        while self.now < until:
            self.now = min(self.now + (1 if seconds < 2000 else 60), until)
            self.scores += self.pipeline.tick(self.now)
        return self

    def shown(self, name, **wanted):
        """Values of a metric by the labels that were not asked for."""
        for family in self.pipeline.families(self.now):
            if family.metric.name == name:
                found = {}
                for sample in family.samples:
                    labels = dict(zip(family.label_names, sample.labels, strict=True))
                    if wanted.items() <= labels.items():
                        left = tuple(value for label, value in labels.items() if label not in wanted)
                        found[left] = sample.value
                return found
        return {}

    def one(self, name, **wanted):
        """The only value, None where there is none."""
        found = self.shown(name, **wanted)
        assert len(found) <= 1, found
        return next(iter(found.values()), None)


@pytest.fixture
def play():
    return Play()


def says(passed, time=50, trace=TRACE, span="", evaluator="task_success"):
    return Verdict(evaluator, passed, time * SECOND, trace, span_id(span) if span else b"")


RECOVERS = agent(
    "a",
    0,
    9,
    model(0, 1),
    tool("t", 1, 2, error="TimeoutError", args="x"),
    model(3, 4),
    tool("t", 4, 5, args="x"),
    model(6, 7),
    id="a",
)
CONCLUDES = agent("a", 0, 9, model(0, 1), tool("t", 1, 2, error="TimeoutError", args="x"), model(3, 4), id="a")
FAILS = agent("a", 0, 9, model(0, 1), model(3, 4, error="RateLimitError"), id="a", error="RateLimitError")
CLEAN = agent("a", 0, 9, model(0, 1), tool("t", 1, 2), id="a")


# --- Figures worked out by hand. ---


def three_runs(play):
    for tree, trace in zip((RECOVERS, CONCLUDES, FAILS), TRACES, strict=False):
        play.send(tree, trace=trace)
    play.hear(says(True, trace=TRACES[0]), says(False, trace=TRACES[1]))
    play.wait(ROOT)


def test_gauges_of_three_runs(play):
    three_runs(play)
    expected = {
        "window_trajectories": 3,
        "window_steps": 10,
        "window_verdicts": 2,
        "step_success_ratio": 7 / 10,
        "recovery_ratio": 1 / 3,  # retried, concluded, abandoned
        "resolution_ratio": 1 / 3,
        "task_pass_ratio": 1 / 2,
        "silent_failure_ratio": 0,
        "hard_failure_ratio": 1 / 3,
        "incomplete_ratio": 0,
    }
    assert {name: play.one(name, window="1h", service_name="shop", agent="a") for name in expected} == expected
    assert play.shown("tool_success_ratio", window="1h", service_name="shop", agent="a") == {("t",): 1 / 3}
    implied = play.shown("implied_success_ratio", window="1h", service_name="shop", agent="a")
    assert implied == {(f"{steps}",): pytest.approx(0.7**steps) for steps in (10, 20, 50, 100)}
    by_errors = play.shown("verdict_failure_ratio", window="1h", service_name="shop", agent="a")
    assert by_errors == {("recovered",): 0, ("unrecovered",): 1}


def test_counters_of_three_runs(play):
    three_runs(play)
    play.wait(LATE)
    steps = play.shown("steps_total", service_name="shop", agent="a", step_agent="a")
    assert {labels: count for labels, count in steps.items() if count} == {
        ("model", "", "ok", "first"): 6,
        ("model", "", "error", "first"): 1,
        ("tool", "t", "error", "first"): 2,
        ("tool", "t", "ok", "again"): 1,
    }
    assert play.shown("step_errors_total", service_name="shop", agent="a", step_agent="a") == {
        ("t", "timeout", "retried", "true"): 1,
        ("t", "timeout", "concluded", "false"): 1,
        ("", "rate_limit", "abandoned", "false"): 1,
    }
    outcomes = play.shown("trajectories_total", service_name="shop", agent="a")
    assert outcomes == {("completed",): 2, ("failed",): 1, ("incomplete",): 0}
    judged = play.shown("judged_trajectories_total", service_name="shop", agent="a")
    assert {labels: count for labels, count in judged.items() if count} == {
        ("pass", "recovered", "false"): 1,
        ("fail", "unrecovered", "false"): 1,
    }
    lengths = play.one("trajectory_steps", service_name="shop", agent="a")
    assert (sum(lengths.counts), lengths.sum) == (3, 10)


def test_every_span_has_one_fate_and_they_add_up(play):
    play.send(CLEAN)
    play.send(CLEAN)
    play.send(agent("a", 0, 1), trace=TRACES[0], service="mine")
    play.pipeline.ingest(Batch(spans=spans(tool("x", 0, 1, scope="otelscore"), trace=TRACES[1]), rejected=2), play.now)
    play.wait(ROOT + LATE).send(CLEAN, tool("late", 5, 6, parent="a", id="late"))
    fates = play.shown("spans_total")
    assert fates == {("kept",): 4, ("duplicate",): 6, ("ignored",): 1, ("late",): 1, ("rejected",): 2}
    assert play.one("spans_received_total") == 14


def test_log_records_add_up_too(play):
    play.pipeline.ingest(
        Batch(verdicts=[says(True)], facts=[SpanFacts(TRACE, b"12345678", failure("X"))], records=5, rejected=1),
        0.0,
    )
    assert play.shown("log_records_total") == {("kept",): 2, ("ignored",): 2, ("rejected",): 1}
    assert play.one("log_records_received_total") == 5


def test_model_calls_without_an_agent_are_counted_when_final(play):
    play.send(other(0, 9, model(1, 2), model(3, 4)))
    play.wait(ROOT + LATE - 1)
    assert play.one("model_calls_without_agent_total") == 0
    play.wait(1)
    assert play.one("model_calls_without_agent_total") == 2
    assert play.scores == []


# --- Gauges from the first close, counters once and when final. ---


def test_gauges_count_from_the_first_close_counters_when_final(play):
    play.send(CLEAN)
    play.wait(ROOT - 1)
    assert play.one("window_trajectories", window="1h") is None
    play.wait(1)
    assert play.one("window_trajectories", window="1h") == 1
    assert play.one("trajectories_total", outcome="completed") == 0  # so that increase() sees the first one
    play.wait(LATE - 1)
    assert play.one("trajectories_total", outcome="completed") == 0
    play.wait(1)
    assert play.one("trajectories_total", outcome="completed") == 1
    play.wait(DAY)
    assert play.one("trajectories_total", outcome="completed") == 1
    assert play.one("window_trajectories", window="1h") is None


def test_zero_series_of_all_that_will_count_appear_at_the_first_close(play):
    play.send(CONCLUDES)
    play.wait(ROOT)
    before = {name: set(play.shown(name)) for name in ("steps_total", "step_errors_total", "trajectories_total")}
    assert not any(count for name in before for count in play.shown(name).values())
    play.wait(LATE)
    for name, series in before.items():
        assert {labels for labels, count in play.shown(name).items() if count} <= series
    assert set(play.shown("trajectories_total", service_name="shop", agent="a")) == {
        ("completed",),
        ("failed",),
        ("incomplete",),
    }


def test_a_replaced_trajectory_counts_once_and_its_row_keeps_its_time(play):
    play.spans(without(spans(CLEAN), "2"))
    play.wait(ROOT)
    first = play.now
    assert play.one("window_steps", window="5m") == 1
    play.wait(LATE - 1).spans(spans(CLEAN)[2:])
    play.wait(ROOT)
    assert (play.one("window_trajectories", window="5m"), play.one("window_steps", window="5m")) == (1, 2)
    play.wait(first + 300 - play.now - 1)
    assert play.one("window_trajectories", window="5m") == 1
    play.wait(1)
    assert play.one("window_trajectories", window="5m") is None
    assert play.one("trajectories_total", outcome="completed") == 1
    assert play.one("steps_total", kind="tool", outcome="ok", attempt="first") == 1


def test_two_rows_that_become_one_are_one_and_keep_the_time_of_the_first(play):
    tree = wrapper(0, 9, agent("a", 0, 4, model(1, 2), id="a"), agent("b", 5, 9, model(6, 7), id="b"), id="w")
    play.spans(without(spans(tree), "w"))
    play.wait(ORPHAN)
    assert play.one("window_trajectories", window="1h", agent="b") == 1
    first = play.now
    play.wait(100).spans(spans(tree)[:1])
    play.wait(ROOT)
    assert play.shown("window_trajectories", window="1h") == {("shop", "a"): 1}
    assert play.one("window_steps", window="1h") == 2
    play.wait(first + HOUR - play.now)
    assert play.one("window_trajectories", window="1h") is None
    assert play.shown("trajectories_total", outcome="completed")["shop", "a"] == 1


def test_tool_calls_alone_are_in_step_figures_only(play):
    play.send(other(0, 9, tool("t", 1, 2, error="TimeoutError")))
    play.wait(ROOT + LATE)
    assert play.one("step_success_ratio", window="1h") == 0
    assert play.one("window_trajectories", window="1h") == 0
    assert play.one("recovery_ratio", window="1h") is None
    assert play.shown("trajectories_total") == {}
    assert play.one("step_errors_total", tool="t", response="", recovered="") == 1


def test_a_run_without_steps_is_counted_as_such(play):
    play.send(agent("a", 0, 9))
    play.wait(ROOT + LATE)
    assert play.one("trajectories_without_steps_total") == 1
    assert play.one("step_success_ratio", window="1h") is None
    assert play.one("window_trajectories", window="1h") == 1


# --- Verdicts. ---


@pytest.mark.parametrize("delay", [0, ROOT + 1, ROOT + LATE + 1, HOUR])
def test_a_verdict_counts_before_and_after_the_close_and_late(play, delay):
    play.send(CLEAN)
    play.wait(delay).hear(says(False))
    play.wait(2 * LATE)
    assert play.one("silent_failure_ratio", window="5m") == 1  # by the time at which it came
    assert play.one("task_pass_ratio", window="5m") == 0
    assert play.one("judged_trajectories_total", verdict="fail", errors="none", hard_failure="false") == 1


def test_a_verdict_before_the_run_counts(play):
    play.hear(says(False))
    assert play.one("verdicts_pending") == 1
    play.wait(HOUR).send(CLEAN)
    play.wait(ROOT)
    assert play.one("task_pass_ratio", window="5m") == 0
    assert play.one("verdicts_pending") == 0


def test_of_contradicting_verdicts_gauges_follow_the_latest_and_counters_count_one(play):
    play.send(CLEAN)
    play.wait(ROOT).hear(says(True, time=20))
    play.hear(says(False, time=19))
    assert play.one("task_pass_ratio", window="5m") == 1
    play.wait(LATE).hear(says(False, time=21))
    assert play.one("task_pass_ratio", window="5m") == 0
    counts = play.shown(
        "judged_trajectories_total", errors="none", hard_failure="false", service_name="shop", agent="a"
    )
    assert counts == {("pass",): 1, ("fail",): 0}
    assert play.shown("verdicts_total", evaluator="task_success") == {("pass",): 1, ("fail",): 2}


def test_a_verdict_that_is_sent_again_changes_nothing(play):
    play.send(CLEAN)
    for _ in range(3):
        play.hear(says(True))
        play.wait(LATE)
    assert play.one("verdicts_total", evaluator="task_success", verdict="pass") == 1
    assert play.one("judged_trajectories_total", verdict="pass", errors="none", hard_failure="false") == 1


def test_a_verdict_about_a_trace_of_two_runs_is_nobodys(play):
    play.hear(says(True))
    play.send(other(0, 9, agent("a", 1, 2, model(1, 2)), agent("a", 3, 4, model(3, 4))))
    play.wait(ROOT + LATE)
    assert play.one("window_verdicts", window="1h") == 0


def test_another_run_of_the_trace_takes_its_verdict_back(play):
    play.hear(says(True))
    play.send(CLEAN)
    play.wait(ROOT)
    assert play.one("window_verdicts", window="1h", agent="a") == 1
    play.send(agent("b", 20, 29, model(21, 22), id="b"))
    play.wait(ROOT)
    assert play.one("window_verdicts", window="1h", agent="a") == 0


def test_a_later_run_of_the_session_takes_its_verdict_over(play):
    play.hear(Verdict("task_success", False, 50 * SECOND, session="s"))
    play.send(agent("a", 0, 9, model(0, 1), session="s"), trace=TRACES[0])
    play.wait(ROOT)
    assert play.one("window_verdicts", window="1h", agent="a") == 1
    play.send(agent("b", 20, 29, model(20, 21), session="s"), trace=TRACES[1])
    play.wait(ROOT)
    assert play.shown("window_verdicts", window="1h") == {("shop", "a"): 0, ("shop", "b"): 1}


def test_an_evaluation_on_the_span_itself_counts(play):
    play.send(replace(CLEAN, reading=replace(CLEAN.reading, verdicts=(says(False, span="a"),))))
    play.wait(ROOT)
    assert play.one("task_pass_ratio", window="1h") == 0


def test_a_verdict_about_a_step_is_only_counted(play):
    play.send(CLEAN)
    play.hear(says(False, span="2"))
    play.wait(ROOT)
    assert play.one("task_pass_ratio", window="1h") is None
    assert play.one("verdicts_total", verdict="fail") == 1


def test_it_is_said_at_once_what_became_of_each_verdict(play):
    play.send(CLEAN)
    play.send(agent("a", 0, 1, id="a"), agent("b", 2, 3, id="b"), trace=TRACES[0])
    play.wait(ROOT)
    heard = play.pipeline.ingest(
        Batch(
            verdicts=[
                says(True),
                says(True),
                says(False, trace=TRACES[0]),
                says(False, trace=TRACES[1]),
                says(True, evaluator="style"),
                says(None),
            ]
        ),
        play.now,
    )
    assert heard == ["counted", "duplicate", "ambiguous", "waiting", "ignored", "unreadable"]


def test_verdicts_that_judge_no_run_are_counted_by_reason(play):
    unusable = {"evaluator": "task_success"}
    play.hear(says(True, trace=TRACES[1]))
    zeros = {("unreadable",): 0, ("ambiguous",): 0, ("expired",): 0}
    assert play.shown("verdicts_unusable_total", **unusable) == zeros
    play.send(agent("a", 0, 1, id="a"), agent("b", 2, 3, id="b"))
    play.hear(says(False), says(None), says(None))
    play.send(CLEAN, trace=TRACES[2])
    play.hear(says(True, trace=TRACES[2]))
    play.wait(ROOT + LATE)
    counted = zeros | {("unreadable",): 1, ("ambiguous",): 1}
    assert play.shown("verdicts_unusable_total", **unusable) == counted
    play.wait(8 * DAY)
    assert play.shown("verdicts_unusable_total", **unusable) == counted | {("expired",): 1}
    assert play.shown("verdicts_total", **unusable) == {("pass",): 2, ("fail",): 1}


@pytest.mark.parametrize("on", ["agent", "tool", "http"])
def test_an_attribute_on_any_span_of_the_run_is_its_verdict(play, on):
    said = {on: {"verdicts": (says(False, span=on, evaluator="task.success"),)}}
    run = agent("a", 0, 9, tool("t", 1, 2, id="tool", **said.get("tool", {})), id="agent", **said.get("agent", {}))
    elsewhere = agent("b", 10, 11, model(10, 11), id="b")
    play.send(other(0, 20, run, id="http", **said.get("http", {})))
    if on != "http":  # which is above both
        play.send(elsewhere)
    play.wait(ROOT)
    assert play.shown("silent_failure_ratio", window="5m", service_name="shop") == {("a",): 1}


def test_an_evaluation_outranks_what_the_run_says_of_itself(play):
    own = says(True, time=60, span="a", evaluator="task.success")
    play.send(agent("a", 0, 9, tool("t", 1, 2), id="a", verdicts=(own,)))
    play.wait(ROOT)
    assert play.one("task_pass_ratio", window="5m") == 1
    play.hear(says(False))
    assert play.one("task_pass_ratio", window="5m") == 0


def test_how_late_a_verdict_was_is_counted_by_its_own_time(play):
    play.send(CLEAN)  # ends at 9
    play.wait(ROOT + LATE).hear(says(True, time=309))
    delays = play.one("verdict_delay_seconds")
    assert (sum(delays.counts), delays.sum) == (1, 300)


def test_the_exemplar_of_silent_failures_is_one_of_them(play):
    kinds = {
        TRACES[0]: (CLEAN, False),
        TRACES[1]: (RECOVERS, True),
        TRACES[2]: (CONCLUDES, False),
        TRACES[3]: (FAILS, False),
        TRACES[4]: (RECOVERS, False),
    }
    for trace, (tree, passed) in kinds.items():
        play.send(tree, trace=trace)
        play.hear(says(passed, trace=trace))
    play.wait(ROOT + LATE)
    family = next(one for one in play.pipeline.families(play.now) if one.metric.name == "judged_trajectories_total")
    exemplars = {
        sample.labels[2:]: bytes.fromhex(sample.exemplar.trace_id) for sample in family.samples if sample.exemplar
    }
    assert exemplars == {
        ("fail", "none", "false"): TRACES[0],
        ("fail", "recovered", "false"): TRACES[4],
        ("fail", "unrecovered", "false"): TRACES[2],
        ("fail", "unrecovered", "true"): TRACES[3],
    }


def test_scores_know_the_verdict_that_came_before_the_close(play):
    play.hear(says(False))
    play.send(CLEAN)
    (score,) = play.wait(ROOT).scores
    assert (score.task_passed, score.silent_failure) == (False, True)


def test_a_trace_that_is_sent_again_when_it_is_forgotten_does_no_harm():
    play = Play(dedupe_window=HOUR, verdict_window=2 * HOUR - 60)  # over between a close and the end of it
    for _ in range(4):
        play.send(CLEAN)
        play.hear(says(True))
        play.wait(2 * HOUR)
    play.wait(3 * HOUR)
    assert play.one("trajectories_total", outcome="completed") == 4


# --- What is scored at all. ---


@pytest.mark.parametrize(
    ("settings", "scored"),
    [
        ({}, True),
        ({"include_service": ("shop",)}, True),
        ({"include_service": ("sh*",)}, True),
        ({"include_service": ("bank",)}, False),
        ({"exclude_service": ("sh*",)}, False),
        ({"include_service": ("shop",), "exclude_service": ("shop",)}, False),
        ({"include_agent": ("a",)}, True),
        ({"include_agent": ("b",)}, False),
        ({"exclude_agent": ("a",)}, False),
        ({"min_steps": 2}, True),
        ({"min_steps": 3}, False),
        ({"include_scope": ("frame*",)}, True),
        ({"exclude_scope": ("frame*",)}, False),
    ],
)
def test_include_exclude_and_min_steps_narrow_what_is_scored(settings, scored):
    play = Play(**settings)
    play.send(CLEAN)
    play.wait(ROOT + LATE)
    assert len(play.scores) == scored
    assert bool(play.shown("window_trajectories")) is scored
    assert bool(play.shown("trajectories_total")) is scored


def test_a_run_that_shrinks_below_the_filter_is_taken_out():
    """Its second agent turns out to be the outermost one."""
    play = Play(include_agent=("b",))
    tree = agent("a", 0, 9, agent("b", 1, 2, model(1, 2), id="b"), id="a")
    play.spans(without(spans(tree), "a"))
    play.wait(ORPHAN)
    assert play.one("window_trajectories", window="1h") == 1
    play.spans(spans(tree)[:1])
    play.wait(ROOT)
    assert play.one("window_trajectories", window="1h") is None
    play.wait(LATE)
    assert play.shown("trajectories_total", service_name="shop", agent="b", outcome="completed") == {(): 0}


@pytest.mark.parametrize("scope", ["otelscore", "otelscore.export"])
def test_its_own_spans_are_ignored(play, scope):
    play.send(replace(CLEAN, scope=scope, children=()))
    play.wait(ROOT)
    assert play.scores == []
    assert play.one("spans_total", fate="ignored") == 1


def test_a_run_with_an_injected_fault_stays_out(play):
    play.send(agent("a", 0, 9, tool("t", 1, 2, fault="timeout")))
    play.wait(ROOT + LATE)
    assert play.scores == []


def test_calls_with_side_effects_are_those_of_the_setting():
    play = Play(side_effects=("t*",))
    play.send(RECOVERS)
    (score,) = play.wait(ROOT).scores
    assert [step.response for step in score.steps if step.response] == ["retried_unsafe"]


# --- Limits. ---


def test_there_is_room_for_all_of_a_request_or_for_none():
    play = Play(limits_open_spans=4)
    play.pipeline.check_room(4)
    play.send(CLEAN)
    play.pipeline.check_room(1)
    with pytest.raises(OverloadedError, match=r"limits\.open_spans \(4\)"):
        play.pipeline.check_room(2)
    play.wait(ROOT + LATE)
    play.pipeline.check_room(4)


def test_runs_that_wait_for_their_parents_leave_half_of_the_room_to_others():
    play = Play(limits_open_spans=12)
    for trace in TRACES[:3]:
        play.send(agent("a", 0, 9, model(0, 1), tool("t", 1, 2), id="a", parent="gone"), trace=trace)
        play.wait(1)
    play.wait(ORPHAN + LATE)
    assert play.one("early_final_trajectories_total") == 1
    assert play.shown("limit_reached_total")[("open_spans",)] == 1
    assert sum(play.shown("trajectories_total").values()) == 1
    assert play.one("window_trajectories", window="1h") == 3
    play.pipeline.check_room(6)

    again = Play()
    again.pipeline.tally.load(play.pipeline.tally.dump())
    assert again.one("early_final_trajectories_total") == 1

    play.wait(DAY)
    assert play.one("early_final_trajectories_total") == 1
    assert sum(play.shown("trajectories_total").values()) == 3


def test_rows_beyond_the_limit_leave_early():
    play = Play(limits_rows=2)
    for trace in TRACES[:3]:
        play.send(CLEAN, trace=trace)
    play.wait(ROOT)
    assert play.one("window_trajectories", window="1h") == 2
    assert play.one("rows_dropped_total", stream="runs") == 1


# --- Whatever the order. ---

TREES = (RECOVERS, CONCLUDES, FAILS, other(0, 9, CLEAN, agent("b", 3, 4, model(3, 4), id="b"), id="http"))
EVERYTHING = [span for tree, trace in zip(TREES, TRACES, strict=False) for span in spans(tree, trace=trace)]
VERDICTS = [
    says(True, trace=TRACES[0]),
    says(False, trace=TRACES[0], time=60),
    says(False, trace=TRACES[1], span="a"),
    says(True, trace=TRACES[3]),
]


def counters(play):
    """All counters and histograms about runs, without the zeros."""
    found = {}
    for family in play.pipeline.totals.families():
        for sample in family.samples:
            value = sample.value
            found[family.metric.name, sample.labels] = (
                value if isinstance(value, int | float) else (value.counts, value.sum)
            )
    return {key: value for key, value in found.items() if value}


def all_at_once():
    play = Play()
    play.spans(EVERYTHING)
    play.hear(*VERDICTS)
    play.wait(ROOT + LATE + ORPHAN)
    return play


EXPECTED = counters(all_at_once())


@given(
    st.permutations([*EVERYTHING, *VERDICTS]),
    st.lists(st.sampled_from([*EVERYTHING, *VERDICTS]), max_size=8),
    st.lists(st.integers(0, len(EVERYTHING)), max_size=5),
    st.lists(st.integers(0, 18), min_size=6, max_size=6),
)
def test_counters_do_not_depend_on_order_splitting_and_repetition(things, again, cuts, pauses):
    """Some runs close and open again meanwhile; none is final before all has come."""
    play = Play()
    things = things + again
    cuts = [0, *sorted(cuts), len(things)]
    for start, end, pause in zip(cuts, cuts[1:], pauses, strict=False):
        for thing in things[start:end]:
            if isinstance(thing, Verdict):
                play.hear(thing)
            else:
                play.spans([thing])
        play.wait(pause)
    play.wait(ROOT + LATE + IDLE + LATE)
    assert counters(play) == EXPECTED
    fates = Counter({fate: count for (fate,), count in play.shown("spans_total").items() if count})
    sent = [thing for thing in things if not isinstance(thing, Verdict)]
    assert fates["kept"] == len(EVERYTHING)
    assert fates.total() == len(sent) == play.one("spans_received_total")


def test_counters_only_rise():
    play, before = Play(), {}
    for i, tree in enumerate((*TREES, *TREES)):
        play.send(tree, trace=TRACES[i])
        play.hear(says(i % 2 == 0, trace=TRACES[i]))
        for _ in range(5):
            play.wait(30)
            now = counters(play)
            assert all(now[key] >= value for key, value in before.items() if not isinstance(value, tuple))
            assert all(now[key][1] >= value[1] for key, value in before.items() if isinstance(value, tuple))
            before = now
    assert before
