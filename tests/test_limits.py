"""Every limit has a defined answer, counts that it was reached, over restarts too, and is told of in the log."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from live import FREE, eventually, start
from support import agent, failure, model, spans, tool

from otelscore.config import LIMITS, Config
from otelscore.durable import Durable
from otelscore.model import Batch, Call, OverloadedError, SpanFacts, Verdict
from otelscore.store.store import Store


class Machine:
    """An otelscore with its state on disk and a simulated clock."""

    def __init__(self, folder: Path, size: int = 2**30, **limits: int) -> None:
        limits = {"clock_skew": 10**9, **limits}  # the spans are of the first seconds of 1970
        self.config = Config(**{f"limits_{name}": limit for name, limit in limits.items()})
        self.folder, self.size, self.now, self.runs = folder, size, 1_000_000.0, 0
        self.start()

    def start(self) -> None:
        self.store = Store.open(self.folder, "process", self.size)
        self.durable = Durable(self.config, "test", lambda: self.now, self.store)

    def run(self) -> None:
        self.runs += 1
        name = f"{self.runs}"
        self.durable.accept(Batch(spans(agent("a", 0, 9, model(0, 1), tool(name, 1, 2)), trace=name.encode() * 16)))

    def hear(self) -> None:
        self.runs += 1
        self.durable.accept(Batch(verdicts=[Verdict("task_success", True, self.runs, b"never seen here!")], records=1))

    def log(self, span_id: bytes) -> None:
        self.durable.accept(Batch(facts=[SpanFacts(b"never seen here!", span_id, failure("X"))], records=1))

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.durable.tick()

    def finish(self) -> None:
        """Until all runs are final."""
        for seconds in (11.0, 121.0):
            self.wait(seconds)

    def value(self, metric: str) -> dict[tuple[str, ...], float]:
        found = [family.samples for family in self.durable.families() if family.metric.name == metric]
        return {sample.labels: sample.value for samples in found for sample in samples}

    def reached(self) -> dict[str, float]:
        """Which limits were reached, and how often."""
        return {limit: count for (limit,), count in self.value("limit_reached_total").items() if count}


def reach_attributes(folder: Path) -> Machine:
    machine = Machine(folder)
    machine.durable.accept(Batch(rejected=1, reached=("attributes",)))
    return machine


def reach_trace_spans(folder: Path) -> Machine:
    machine = Machine(folder, trace_spans=4)
    machine.run()
    machine.runs = 0
    machine.run()  # the same spans again take no room
    assert not machine.reached()
    request = Batch(spans(*(tool("t", 3, 4, id=f"more{i}") for i in range(3)), trace=b"1" * 16))
    machine.durable.accept(request)
    assert (len(request.spans), request.rejected) == (1, 2)
    return machine


def reach_clock_skew(folder: Path) -> Machine:
    machine = Machine(folder, clock_skew=1000)
    machine.run()  # at its first second, long before the machine's
    machine.finish()
    return machine


def reach_open_spans(folder: Path) -> Machine:
    machine = Machine(folder, open_spans=4)
    machine.run()
    with pytest.raises(OverloadedError, match=r"limits\.open_spans"):
        machine.run()
    return machine


def reach_state(folder: Path) -> Machine:
    machine = Machine(folder, size=200_000)
    with suppress(OverloadedError):
        while True:
            machine.run()
    machine.size = 2**30
    return machine


def reach_verdicts(folder: Path) -> Machine:
    machine = Machine(folder, verdicts=2)
    for _ in range(3):
        machine.hear()
    return machine


def at_door(limit: str, folder: Path) -> Machine:
    machine = Machine(folder)
    machine.durable.reach(limit)
    return machine


def by_runs(limit: str, most: int, runs: int, folder: Path) -> Machine:
    machine = Machine(folder, **{limit: most})
    for _ in range(runs):
        machine.run()
    machine.finish()
    return machine


AT_DOORS = ("request_size", "request_time", "request_wait", "requests_size", "concurrent_requests", "request_records",
            "connections", "forward_spool")  # fmt: skip
"""That whoever comes up against these tells of it is tested where they are."""

BY_RUNS = {"rows": (2, 3), "final_traces": (2, 3), "label_values": (2, 3), "series": (200, 30)}
"""A value of the limit, and as many runs as reach it."""

REACH: dict[str, Callable[[Path], Machine]] = {
    **{limit: partial(at_door, limit) for limit in AT_DOORS},
    **{limit: partial(by_runs, limit, *numbers) for limit, numbers in BY_RUNS.items()},
    "attributes": reach_attributes,
    "trace_spans": reach_trace_spans,
    "clock_skew": reach_clock_skew,
    "open_spans": reach_open_spans,
    "state": reach_state,
    "verdicts": reach_verdicts,
}


def test_every_limit_is_tried_here():
    assert REACH.keys() == LIMITS.keys()


@pytest.mark.parametrize("limit", REACH)
def test_a_limit_counts_that_it_was_reached_and_goes_on_counting_after_a_restart(tmp_path, limit):
    machine = REACH[limit](tmp_path)
    reached = machine.reached()
    assert reached.keys() == {limit}
    machine.wait(1.0)
    machine.store.close()
    machine.start()
    machine.durable.reach("request_size")
    before = reached.get("request_size", 0)
    assert machine.reached() == {**reached, "request_size": before + 1}


def test_a_run_of_a_wrong_clock_is_in_all_figures_but_those_of_durations(tmp_path):
    machine = reach_clock_skew(tmp_path)
    assert sum(machine.value("trajectories_total").values()) == 1
    assert machine.value("step_success_ratio")
    assert not any(sum(observed.counts) for observed in machine.value("trajectory_duration_seconds").values())
    assert any(sum(observed.counts) for observed in machine.value("trajectory_steps").values())


def test_a_verdict_from_the_future_loses_to_any_other(tmp_path):
    machine = Machine(tmp_path)
    machine.run()
    machine.finish()
    far, now = 2**62, int(machine.now * 1e9)
    for passed, time in ((False, far), (True, now)):
        machine.durable.accept(Batch(verdicts=[Verdict("task_success", passed, time, b"1" * 16)], records=1))
    assert set(machine.value("task_pass_ratio").values()) == {1}
    assert machine.reached() == {"clock_skew": 1}


def test_series_stay_below_their_limit_whoever_sends_what(tmp_path):
    machine = REACH["series"](tmp_path)
    series = set(machine.value("steps_total"))
    assert "__overflow__" in {labels[3] for labels in series}
    assert len(series) < 150
    assert sum(machine.value("steps_total").values()) == 60


def test_gauges_stay_below_their_limit_too_and_those_that_were_shown_go_on(tmp_path):
    machine = Machine(tmp_path, series=200)
    machine.run()
    machine.finish()
    (first,) = machine.value("step_success_ratio").keys() & {("shop", "a", "5m")}
    for number in range(30):
        run = agent(f"other{number}", 0, 9, model(0, 1), tool(f"{number}", 1, 2))
        machine.durable.accept(Batch(spans(run, trace=b"%16d" % number)))
    machine.finish()
    gauges = [family.samples for family in machine.durable.families() if "window" in family.label_names]
    assert sum(map(len, gauges)) <= 200
    assert first in machine.value("step_success_ratio")
    assert machine.reached().keys() == {"series"}


def test_rejected_surplus_does_not_come_back_with_a_restart(tmp_path):
    machine = reach_trace_spans(tmp_path)
    machine.store.close()
    machine.start()
    assert sum(machine.value("open_spans").values()) == 4


def test_while_nothing_can_be_written_before_the_first_scrape_all_metrics_are_there(tmp_path):
    machine = Machine(tmp_path)
    shown = {family.metric.name for family in machine.durable.families()}
    machine.store.close()
    machine.start()
    machine.store._connection.execute("PRAGMA query_only = ON")
    assert {family.metric.name for family in machine.durable.families()} == shown
    assert not machine.durable.is_writable


def test_a_limit_that_was_not_reached_shows_that_by_a_zero(tmp_path):
    shown = Machine(tmp_path).value("limit_reached_total")
    assert shown == {(limit,): 0 for limit in LIMITS}


def test_rows_that_left_are_still_counted_after_a_restart(tmp_path):
    machine = REACH["rows"](tmp_path)
    before = machine.value("rows_dropped_total")
    assert before["runs",] == 1
    machine.store.close()
    machine.start()
    assert machine.value("rows_dropped_total") == before


def test_exceptions_in_log_records_take_the_room_of_spans_as_long_as_they_are_held(tmp_path):
    machine = Machine(tmp_path, open_spans=3)
    for name in (b"12345678", b"12345678", b"23456789", b"34567890"):
        machine.log(name)
    with pytest.raises(OverloadedError):
        machine.log(bytes(8))
    for seconds in (800.0, 200.0):
        machine.wait(seconds)
    machine.log(bytes(8))


def test_the_calls_that_a_span_tells_of_take_room_of_spans_until_its_trace_is_final_also_over_a_restart(tmp_path):
    machine = Machine(tmp_path, open_spans=20)
    request = Batch(spans(agent("a", 0, 9, model(0, 1)), trace=b"1" * 16))
    request.spans[-1].reading.requested = tuple(Call("t", f"{number}") for number in range(100))
    machine.durable.accept(request)
    machine.store.close()
    machine.start()
    for _ in range(2):  # three spans each
        machine.run()
    with pytest.raises(OverloadedError, match=r"limits\.open_spans"):
        machine.run()
    machine.finish()
    for _ in range(6):
        machine.run()


def test_a_limit_that_was_reached_is_named_in_the_log_with_what_it_means():
    server = start(*FREE, env={"OTELSCORE_LIMITS_REQUEST_SIZE": "64B"})
    try:
        request = urllib.request.Request(f"http://{server.http}/v1/traces", b"{%s}" % (b" " * 100))
        request.add_header("content-type", "application/json")
        for _ in range(3):
            with pytest.raises(urllib.error.HTTPError, match="413"):
                urllib.request.urlopen(request)

        def told() -> list[dict[str, str]]:
            said = [json.loads(line) for line in server.lines]
            return [line for line in said if line["event"] == "a limit was reached"]

        assert eventually(lambda: bool(told()), wanted=True)
        assert eventually(lambda: server.value("limit_reached_total"), 3.0) == 3.0
        assert server.value("limit_reached_total", limit="request_size") == 3.0
        (line,) = told()
        assert (line["setting"], line["value"], line["level"]) == ("limits.request_size", "64", "warning")
        assert line["meaning"] == LIMITS["request_size"].doc
    finally:
        server.process.kill()
        server.process.wait()


# --- A label value that nobody uses any more makes room. ---

DAY, WEEK = 86_400.0, 7 * 86_400.0


def test_a_label_value_of_a_week_ago_ends_with_its_series_and_makes_room_also_after_restarts(tmp_path):
    machine = Machine(tmp_path, label_values=2)
    for _ in range(2):
        machine.run()
    machine.finish()
    assert tools(machine) == {"1", "2"}
    for _ in range(6):
        machine.wait(DAY)
        machine.runs = 1
        machine.run()  # with the tool "2"
        machine.finish()
        machine.wait(500.0)
        machine.store.close()
        machine.start()
    assert tools(machine) == {"1", "2"}
    machine.wait(DAY)
    assert tools(machine) == {"2"}
    machine.runs = 2
    machine.run()
    machine.finish()
    machine.store.close()
    machine.start()
    assert tools(machine) == {"2", "3"}
    assert {json.loads(labels)[3] for name, labels, _ in machine.store.totals() if name == "steps_total"} <= {"", *"23"}


def test_a_value_lasts_as_long_as_a_verdict_shows_runs_that_bear_it(tmp_path):
    machine = Machine(tmp_path)
    machine.run()
    machine.finish()
    machine.wait(WEEK - 60.0)
    machine.durable.accept(Batch(verdicts=[Verdict("task_success", True, 1, b"1" * 16)], records=1))
    machine.wait(61.0)
    assert machine.value("task_pass_ratio") == {("shop", "a", window): 1 for window in ("5m", "1h", "6h", "24h")}
    assert sum(machine.value("judged_trajectories_total").values()) == 1
    machine.wait(WEEK)
    assert not machine.value("task_pass_ratio")
    assert not machine.value("judged_trajectories_total")


def test_a_value_is_used_when_it_comes_and_not_when_the_clock_was_looked_at_before(tmp_path):
    machine = Machine(tmp_path)
    machine.hear()
    machine.wait(1.0)
    assert machine.value("verdicts_total")["task_success", "pass"] == 1


def tools(machine: Machine) -> set[str]:
    """Those that counters and gauges show."""
    return {labels[3] for labels in machine.value("steps_total") if labels[3]}
