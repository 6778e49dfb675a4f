from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otelscore.model import Kind, Outcome, Response, StepStatus
from otelscore.scoring.faults import FaultSums, Hit
from otelscore.scoring.intervals import ClusterSums
from otelscore.scoring.labels import OVERFLOW, LabelLimiter
from otelscore.scoring.projection import Trials
from otelscore.scoring.rows import Row, make_row
from otelscore.scoring.score import Errors, score_trajectory
from otelscore.scoring.survival import LifeTable
from otelscore.scoring.window import Sums, Windows
from otelscore.scoring.window import sums_of as sums_of_rows

OK, ERROR, UNRECOVERABLE, SKIPPED = StepStatus
ALL_KINDS = frozenset({Kind.MODEL, Kind.TOOL, Kind.RETRIEVAL})
LENGTHS = (10.0, 30.0, 100.0)
MARKS = st.sampled_from([None, True, False])
FAULTS = st.just([]) | st.lists(
    st.builds(Hit, st.sampled_from(["error", "stale"]), st.just("t"), MARKS, MARKS), max_size=3
)


def row_of(trajectory, labels=("shop", "planner"), kinds=ALL_KINDS, limit=100) -> Row:
    return make_row(trajectory, score_trajectory(trajectory), labels, LabelLimiter(limit), kinds)


def sums_of(windows: Windows) -> dict[tuple[float, tuple[str, ...]], Sums]:
    return {(length, labels): sums for length, labels, sums in windows.take_changes() if sums}


class TestRow:
    def test_counts_steps_and_places_the_first_failures_among_them(self, step, run):
        row = row_of(
            run(
                step(),
                step(SKIPPED),
                step(ERROR, kind=Kind.MODEL, response=Response.RETRIED, recovered=True),
                step(ERROR, response=Response.CONCLUDED, recovered=False),
            )
        )
        assert (row.steps, row.failed, row.first_failed, row.first_unrecovered) == (3, 2, 1, 2)
        assert (row.responses, row.sane, row.resolutions, row.recovered) == (2, 1, 2, 1)
        assert row.tools == (("search", 2, 1),)
        assert row.errors is Errors.UNRECOVERED

    def test_kinds_of_steps_narrow_what_horizons_count_and_nothing_else(self, step, run):
        model = step(ERROR, kind=Kind.MODEL, response=Response.RETRIED, recovered=True)
        row = row_of(run(model, step(), step(ERROR, response=Response.REVISED, recovered=True)), kinds={Kind.TOOL})
        assert (row.steps, row.failed, row.first_failed) == (2, 1, 1)
        assert (row.responses, row.resolutions) == (2, 2)

    def test_a_run_without_failures_has_no_first(self, step, run):
        row = row_of(run(step(), step(kind=Kind.RETRIEVAL, name="wiki")))
        assert (row.first_failed, row.first_unrecovered) == (None, None)
        assert row.tools == (("search", 1, 0), ("wiki", 1, 0))

    def test_tools_beyond_the_limit_are_counted_together(self, step, run):
        row = row_of(run(step(name="a"), step(name="b"), step(ERROR, name="c")), limit=1)
        assert row.tools == (("a", 1, 0), (OVERFLOW, 2, 1))


class TestWindows:
    def test_a_row_enters_every_window_and_leaves_it_when_it_is_too_old(self, step, run):
        windows = Windows(LENGTHS, 100)
        windows.add("a", row_of(run(step())), 1000.0)
        for age, lengths in [(9.9, LENGTHS), (10.0, LENGTHS[1:]), (99.9, LENGTHS[2:]), (100.0, ())]:
            windows.expire(1000.0 + age)
            windows.add("probe", row_of(run()), 1000.0 + age)  # touches every window
            windows.remove("probe")
            assert {length for length, _ in sums_of(windows)} == set(lengths)

    def test_a_row_that_is_replaced_keeps_its_time(self, step, run):
        windows = Windows(LENGTHS, 100)
        windows.add("a", row_of(run(step())), 1000.0)
        windows.add("a", row_of(run(step(), step())), 1009.0)
        windows.expire(1010.0)
        assert {length: sums.steps.trials for (length, _), sums in sums_of(windows).items()} == {30.0: 2, 100.0: 2}

    def test_a_row_that_changes_its_group_leaves_the_old_one(self, run):
        windows = Windows((10.0,), 100)
        windows.add("a", row_of(run(), ("shop", "unknown")), 1000.0)
        windows.add("a", row_of(run(), ("shop", "planner")), 1000.0)
        changes = {labels: sums and sums.rows for _, labels, sums in windows.take_changes()}
        assert changes == {("shop", "unknown"): None, ("shop", "planner"): 1}

    def test_a_removed_row_leaves_nothing(self, step, run):
        windows = Windows(LENGTHS, 100)
        windows.add("a", row_of(run(step(ERROR, recovered=False), passed=False)), 1000.0)
        windows.remove("a")
        windows.remove("a")
        assert sums_of(windows) == {}
        assert windows.rows == {("runs",): 0, ("verdicts",): 0}

    def test_a_verdict_counts_from_the_time_at_which_it_came(self, step, run):
        windows = Windows((10.0,), 100)
        windows.add("a", row_of(run(step())), 1000.0)
        windows.judge("a", row_of(run(step(), passed=True)), 1500.0)
        windows.expire(1509.0)
        (sums,) = sums_of(windows).values()
        assert (sums.trajectories, sums.steps.trials, sums.verdicts, sums.passed) == (0, 0, 1, 1)

    def test_a_verdict_that_is_known_at_the_close_counts_from_then(self, step, run):
        windows = Windows((10.0,), 100)
        windows.add("a", row_of(run(step(), passed=False)), 1000.0)
        (sums,) = sums_of(windows).values()
        assert (sums.trajectories, sums.verdicts, sums.silent) == (1, 1, 1)

    def test_a_verdict_that_changes_its_mind_takes_the_new_time_and_a_repeated_one_does_not(self, run):
        windows = Windows((10.0,), 100)
        windows.judge("a", row_of(run(passed=True)), 1000.0)
        windows.judge("a", row_of(run(passed=True)), 1008.0)
        windows.expire(1010.0)
        assert sums_of(windows) == {}
        windows.judge("b", row_of(run(passed=True)), 1020.0)
        windows.judge("b", row_of(run(passed=False)), 1028.0)
        windows.expire(1030.0)
        (sums,) = sums_of(windows).values()
        assert (sums.verdicts, sums.passed) == (1, 0)

    def test_a_verdict_can_be_taken_back(self, run):
        windows = Windows((10.0,), 100)
        windows.add("a", row_of(run(passed=True)), 1000.0)
        windows.add("a", row_of(run()), 1001.0)
        (sums,) = sums_of(windows).values()
        assert (sums.trajectories, sums.verdicts) == (1, 0)

    def test_tool_calls_alone_count_in_step_figures_only(self, step, run):
        windows = Windows((10.0,), 100)
        windows.add("a", row_of(run(step(), outcome=None, passed=False)), 1000.0)
        (sums,) = sums_of(windows).values()
        assert (sums.steps.trials, sums.trajectories, sums.verdicts) == (1, 0, 0)

    @pytest.mark.parametrize("apart", [1.0, 15.0])
    def test_beyond_the_limit_the_oldest_go_first_and_are_counted(self, step, run, apart):
        windows = Windows((100.0, 1000.0), 2)
        for i in range(4):
            windows.add(f"run {i}", row_of(run(*[step()] * i)), 1000.0 + apart * i)
            windows.expire(1000.0 + apart * i)
        assert windows.rows == {("runs",): 2, ("verdicts",): 0}
        assert windows.dropped == {("runs",): 2, ("verdicts",): 0}
        assert {length: sums.steps.trials for (length, _), sums in sums_of(windows).items()} == {100.0: 5, 1000.0: 5}

    def test_the_longest_window_gives_way_first(self, step, run):
        windows = Windows(LENGTHS, 2)
        windows.add("old", row_of(run(step())), 1000.0)
        windows.expire(1050.0)
        windows.add("young", row_of(run(step(), step())), 1050.0)
        windows.add("youngest", row_of(run(step(), step(), step())), 1050.0)
        assert {length: sums.steps.trials for (length, _), sums in sums_of(windows).items()} == dict.fromkeys(
            LENGTHS, 5
        )

    def test_a_time_that_falls_counts_as_the_last(self, run):
        windows = Windows((10.0,), 100)
        windows.add("a", row_of(run()), 1000.0)
        windows.add("b", row_of(run()), 900.0)
        windows.remove("a")
        windows.expire(1009.0)
        assert len(sums_of(windows)) == 1
        windows.expire(1010.0)
        assert windows.rows["runs",] == 0

    def test_changes_are_told_once(self, run):
        windows = Windows((10.0,), 100)
        windows.add("a", row_of(run()), 1000.0)
        assert len(windows.take_changes()) == 1
        assert windows.take_changes() == []
        windows.expire(1005.0)
        assert windows.take_changes() == []


@dataclass
class Reference:
    """The windows as one would say them: all rows with their times, summed from nothing when asked."""

    runs: dict[str, tuple[float, Row]]
    verdicts: dict[str, tuple[float, Row]]

    def add(self, key: str, row: Row, now: float) -> None:
        time, _ = self.runs.get(key, (now, row))
        self.runs[key] = (time, row)
        self.judge(key, row, now)

    def judge(self, key: str, row: Row, now: float) -> None:
        time, old = self.verdicts.pop(key, (now, row))
        if row.faults:
            if key in self.runs:
                self.runs[key] = (self.runs[key][0], row)
        elif row.verdict is not None and row.outcome is not None:
            self.verdicts[key] = (time if old.verdict == row.verdict else now, row)

    def remove(self, key: str) -> None:
        self.runs.pop(key, None)
        self.verdicts.pop(key, None)

    def expire(self, now: float) -> None:
        for stream in (self.runs, self.verdicts):
            for key in [key for key, (time, _) in stream.items() if now - time >= LENGTHS[-1]]:
                del stream[key]

    def sums(self, now: float) -> dict[tuple[float, tuple[str, ...]], dict[str, object]]:
        def young(stream: dict[str, tuple[float, Row]], length: float, labels: tuple[str, ...]) -> Iterator[Row]:
            return (row for time, row in stream.values() if now - time < length and row.labels == labels)

        groups = {row.labels for stream in (self.runs, self.verdicts) for _, row in stream.values()}
        sums = {
            (length, labels): total(list(young(self.runs, length, labels)), list(young(self.verdicts, length, labels)))
            for length in LENGTHS
            for labels in groups
        }
        return {place: one for place, one in sums.items() if one["rows"]}


def total(everything: list[Row], verdicts: list[Row]) -> dict[str, object]:
    runs, injected = ([row for row in everything if bool(row.faults) is faulty] for faulty in (False, True))
    stepped = [row for row in runs if row.steps]
    timed = [row for row in stepped if row.outcome is not None]
    judged = [row for row in verdicts if row.steps]
    return {
        "rows": len(everything) + len(verdicts),
        "injected": len(injected),
        "faults": faults_of(injected),
        "trajectories": sum(row.outcome is not None for row in runs),
        "hard_failures": sum(row.hard_failure for row in runs),
        "incomplete": sum(row.outcome is Outcome.INCOMPLETE for row in runs),
        "steps": clustered([(row.cluster, row.steps, row.failed) for row in stepped]),
        "tools": {
            tool: clustered([(row.cluster, n, e) for row in runs for name, n, e in row.tools if name == tool])
            for tool in {name for row in runs for name, _, _ in row.tools}
        },
        "error_free": life_table([(row.steps, row.first_failed, row.hard_failure) for row in timed]),
        "survival": life_table([(row.steps, row.first_unrecovered, row.hard_failure) for row in timed]),
        "responses": sum(row.responses for row in runs),
        "sane": sum(row.sane for row in runs),
        "resolutions": sum(row.resolutions for row in runs),
        "recovered": sum(row.recovered for row in runs),
        "verdicts": len(verdicts),
        "passed": sum(row.verdict is True for row in verdicts),
        "silent": sum(row.silent for row in verdicts),
        "passes": trials([(row.cluster, row.steps, row.verdict is True) for row in judged]),
        "not_silent": trials([(row.cluster, row.steps, not row.silent) for row in judged]),
        "verdicts_by_errors": {
            errors: (
                sum(row.errors is errors for row in verdicts),
                sum(row.errors is errors and row.verdict is False for row in verdicts),
            )
            for errors in {row.errors for row in verdicts}
        },
    }


def faults_of(rows: list[Row]) -> dict[str, FaultSums]:
    found: dict[str, FaultSums] = {}
    for kind in {hit.fault for row in rows for hit in row.faults if hit.noticed is not None}:
        marks: dict[str, list[tuple[str, int, int]]] = {"noticed": [], "recovered": [], "wrong": []}
        for row in rows:
            known = [hit for hit in row.faults if hit.fault == kind and hit.noticed is not None]
            got_over = [hit for hit in known if hit.noticed and (hit.recovered or row.verdict)]
            unclear = [hit for hit in known if hit.noticed and hit.recovered is None and row.verdict is None]
            marks["noticed"].append((row.cluster, len(known), sum(not hit.noticed for hit in known)))
            whole = len(known) - len(unclear)
            marks["recovered"].append((row.cluster, whole, whole - len(got_over)))
            if row.verdict is not None:
                wrong = sum(not hit.noticed and not row.verdict for hit in known)
                marks["wrong"].append((row.cluster, len(known), len(known) - wrong))
        counted = {name: clustered([one for one in rows if one[1]]) for name, rows in marks.items()}
        found[kind] = FaultSums(**counted)
    return found


def clustered(rows: list[tuple[str, int, int]]) -> ClusterSums:
    named = {
        cluster: (sum(n for name, n, _ in rows if name == cluster), sum(e for name, _, e in rows if name == cluster))
        for cluster in {name for name, _, _ in rows if name}
    }
    pairs = [*named.values(), *((n, e) for name, n, e in rows if not name)]
    return ClusterSums(
        clusters=len(pairs),
        trials=sum(n for n, _ in pairs),
        failures=sum(e for _, e in pairs),
        trials_squared=sum(n * n for n, _ in pairs),
        failures_squared=sum(e * e for _, e in pairs),
        trials_by_failures=sum(n * e for n, e in pairs),
        named=named,
    )


def life_table(rows: list[tuple[int, int | None, bool]]) -> LifeTable:
    events = Counter(steps if at is None else at + 1 for steps, at, hard in rows if hard or at is not None)
    return LifeTable(dict(events), dict(Counter(steps for steps, at, hard in rows if not hard and at is None)))


def trials(rows: list[tuple[str, int, bool]]) -> Trials:
    def table(rows: list[tuple[str, int, bool]]) -> dict[int, tuple[int, int]]:
        return {
            length: (sum(n == length for _, n, _ in rows), sum(won for _, n, won in rows if n == length))
            for length in {n for _, n, _ in rows}
        }

    clusters = {name for name, _, _ in rows if name}
    return Trials(table(rows), {name: table([row for row in rows if row[0] == name]) for name in clusters})


def as_dict(sums: Sums) -> dict[str, object]:
    return {one.name: getattr(sums, one.name) for one in fields(Sums)}


@given(st.data())
def test_sums_equal_a_count_from_nothing_after_any_sequence(runs, data):
    windows, reference, known, now = Windows(LENGTHS, 1000), Reference({}, {}), {}, 1000.0
    for _ in range(data.draw(st.integers(1, 25))):
        now += data.draw(st.sampled_from([0, 1, 9, 10, 25, 99]))
        act = data.draw(st.sampled_from(["add", "add", "judge", "remove", "expire"]))
        key = data.draw(st.sampled_from("abcd"))
        if act in ("add", "judge"):
            trajectory = data.draw(runs)
            row = row_of(trajectory, ("shop", trajectory.agent))._replace(faults=tuple(data.draw(FAULTS)))
            arguments = (key, row, now)
        else:
            arguments = {"remove": (key,), "expire": (now,)}[act]
        for one in (windows, reference):
            one.expire(now)
            getattr(one, act)(*arguments)
        for length, labels, sums in windows.take_changes():
            known[length, labels] = sums
        assert {place: as_dict(sums) for place, sums in known.items() if sums} == reference.sums(now)


@given(st.data())
def test_the_order_and_repetition_of_what_comes_at_one_time_are_nothing(runs, data):
    rows = [row_of(one, ("shop", one.agent)) for one in data.draw(st.lists(runs, max_size=6))]
    events = list(enumerate(rows))
    results = []
    for order in (events, data.draw(st.permutations(events + events))):
        windows = Windows(LENGTHS, 1000)
        for key, row in order:
            windows.add(str(key), row, 1000.0)
        windows.expire(1020.0)
        results.append(sums_of(windows))
    assert results[0] == results[1]


def added(one, other):
    """Two sums as one: numbers add up, tables row by row."""
    if is_dataclass(one):
        return type(one)(*(added(getattr(one, each.name), getattr(other, each.name)) for each in fields(one)))
    if isinstance(one, dict):
        both = {key: added(one[key], other[key]) for key in one.keys() & other.keys()}
        return {**one, **other, **both}
    return tuple(map(added, one, other)) if isinstance(one, tuple) else one + other


@given(st.data())
def test_sums_add_up_over_instances(runs, data):
    """Where all runs of a cluster go to one."""
    rows = [row_of(one) for one in data.draw(st.lists(runs, min_size=1, max_size=8))]
    instances = [data.draw(st.integers(0, 1)) for _ in rows]
    rows = [
        row._replace(cluster=f"{row.cluster} {instance}") if row.cluster else row
        for row, instance in zip(rows, instances, strict=True)
    ]
    parts = [sums_of_rows(row for row, i in zip(rows, instances, strict=True) if i == part) for part in (0, 1)]
    assert sums_of_rows(rows) == added(*parts)
