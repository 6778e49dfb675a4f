"""A set of runs as a person likes to read it: who does what how well, what fails, how far runs come."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from otelscore.cli.batch import Scored, verdicts_heard
from otelscore.model import Outcome, Score, Step
from otelscore.scoring.faults import FaultOutcome, FaultSums
from otelscore.scoring.figures import values
from otelscore.scoring.intervals import ClusterSums, success_interval
from otelscore.scoring.rows import Row
from otelscore.scoring.window import Sums, sums_of

_TOP = 12  # rows of the table of failures
_BAR = 40  # characters of the longest bar
_SPREAD = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
"""Lower bounds of the bars over implied per-step success."""


def print_report(
    scored: Scored, horizons: Sequence[int], by: str = "agent", at: int = 1, console: Console | None = None
) -> None:
    """Prints the figures by group, the failed steps, how far runs come and how they are spread.

    `horizons` in steps; `by`: tool, or what the label at the place `at` of the rows is.
    """
    console = console or Console(highlight=False)
    if not console.is_terminal:
        console.width = 10_000  # a pipe has no edge to wrap at
    if scored.faulty:
        console.print(_injected(scored.faulty))
    if not scored.scores:
        said = "No other run was found." if scored.faulty else "No agent run was found."
        console.print("\n".join(filter(None, (said, verdicts_heard(scored)))))
        return
    whole = sums_of(scored.rows)
    console.print(_tools(whole) if by == "tool" else _groups(scored.rows, by, at))
    failures = [(one, step) for one in scored.scores for step in one.steps if step.failed]
    if failures:
        console.print(_failures(failures))
    if whole.steps.trials:
        console.print(_horizons(whole, horizons, clustered=any(row.cluster for row in scored.rows)))
        console.print(_spread(scored.scores))
    console.print()
    _summary(scored.scores, whole, console)
    if scored.verdicts:
        console.print(verdicts_heard(scored))


def _groups(rows: Sequence[Row], by: str, at: int) -> Table:
    places = {"agent": 1, "service": 0} if by == "agent" else {by: at}
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(row.labels[place] for place in places.values())].append(row)
    judged = any(row.verdict is not None for row in rows)
    table = _table("Agents" if by == "agent" else f"By {by}")
    for name in places:
        table.add_column(name, overflow="fold")
    columns = ["runs", "failed", "steps", "errors", "success", "95% interval", "recovery", "resolution"]
    _add_numbers(table, *columns, *(["passed", "silent"] if judged else []))
    for labels, group in sorted(groups.items()):
        sums = sums_of(group)
        table.add_row(
            *labels,
            str(len(group)),
            _count(sums.hard_failures),
            *_successes(sums.steps),
            _share(sums.sane, sums.responses),
            _share(sums.recovered, sums.resolutions),
            *([_share(sums.passed, sums.verdicts), _share(sums.silent, sums.verdicts)] if judged else []),
        )
    return table


def _tools(whole: Sums) -> Table:
    table = _table("Tools")
    table.add_column("tool", overflow="fold")
    _add_numbers(table, "calls", "errors", "success", "95% interval")
    for tool, calls in sorted(whole.tools.items(), key=lambda item: (item[1].success or 0.0, item[0])):
        table.add_row(tool, *_successes(calls))
    return table


def _successes(sums: ClusterSums) -> list[str]:
    interval = success_interval(sums)
    success = "-" if sums.success is None else f"{sums.success:.1%}"
    return [str(sums.trials), _count(sums.failures), success, _interval(*interval) if interval else "-"]


def _failures(failures: Iterable[tuple[Score, Step]]) -> Table:
    rows: Counter[tuple[str, str, str]] = Counter()
    answers: dict[tuple[str, str, str], Counter[str]] = defaultdict(Counter)
    for one, step in failures:
        row = (one.agent, step.name or step.kind, step.error_class or "")
        rows[row] += 1
        answers[row][step.response or "unanswered"] += 1
    table = _table("Failed steps")
    for name in ("agent", "tool or model", "error"):
        table.add_column(name, overflow="fold")
    table.add_column("count", justify="right")
    table.add_column("answered by")
    for row, count in rows.most_common(_TOP):
        said = ", ".join(f"{name} {n}" for name, n in answers[row].most_common())
        table.add_row(*row, str(count), said)
    if len(rows) > _TOP:
        table.caption = f"and {len(rows) - _TOP} more kinds"
    return table


def _injected(rows: Sequence[Row]) -> Table:
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.labels[1], row.labels[0]].append(row)
    table = _table("Injected faults (these runs are in nothing else below)")
    for name in ("agent", "service", "fault"):
        table.add_column(name, overflow="fold")
    _add_numbers(table, *(outcome.replace("_", " ") for outcome in FaultOutcome))
    _add_numbers(table, "noticed", "95% interval", "recovered", "95% interval", "confidently wrong", "95% interval")
    for labels, group in sorted(groups.items()):
        counts: dict[str, Counter[FaultOutcome]] = defaultdict(Counter)
        for row in group:
            for hit in row.faults:
                counts[hit.fault][hit.outcome(row.verdict)] += 1
        sums = sums_of(group).faults
        for fault, outcomes in sorted(counts.items()):
            found = sums.get(fault, FaultSums())
            cells = [cell for marks in (found.noticed, found.recovered, found.wrong) for cell in _marks(marks)]
            table.add_row(*labels, fault, *(_count(outcomes[outcome]) for outcome in FaultOutcome), *cells)
    return table


def _marks(marks: ClusterSums) -> tuple[str, str]:
    interval = success_interval(marks)
    return "-" if marks.success is None else f"{marks.success:.1%}", _interval(*interval) if interval else "-"


def _horizons(whole: Sums, horizons: Sequence[int], *, clustered: bool) -> Table:
    found = {(name, labels): value for name, labels, value in values(whole, horizons)}
    shown = {
        "no failed step": "error_free_ratio",
        "none unrecovered": "survival_ratio",
        "task passed": "projected_success_ratio",
    }
    table = _table("How far runs come")
    _add_numbers(
        table, "steps", "runs so far", *(column for name in shown for column in (name, "95% interval")), "naive p^N"
    )
    for steps in horizons:
        at = (str(steps),)
        cells = []
        for name in shown.values():
            value = found.get((name, at))
            lower, upper = found.get((f"{name}_lower", at)), found.get((f"{name}_upper", at))
            cells += ["-" if value is None else f"{value:.0%}"]
            cells += ["-" if lower is None or upper is None else _interval(lower, upper, 0)]
        at_risk = found["at_risk_trajectories", (str(steps), "survival")]
        table.add_row(str(steps), f"{at_risk:.0f}", *cells, f"{found['implied_success_ratio', at]:.0%}")
    if not clustered:
        table.caption = "runs are taken as independent: where several are of one task, name it with cluster_by"
    return table


def _spread(scores: Sequence[Score]) -> Table:
    rates = [one.implied_step_success_rate for one in scores if one.implied_step_success_rate is not None]
    counts = [0] * len(_SPREAD)
    for rate in rates:
        counts[max(i for i, bound in enumerate(_SPREAD) if rate >= bound)] += 1
    table = _table("Per-step success, run by run")
    _add_numbers(table, "success", "runs")
    table.add_column("")
    for i, count in enumerate(counts):
        name = "100%" if _SPREAD[i] == 1 else f"{_SPREAD[i]:.0%} to {_SPREAD[i + 1]:.0%}"
        table.add_row(name, _count(count), "█" * round(_BAR * count / max(counts)) or ("▏" if count else ""))
    return table


def _summary(scores: Sequence[Score], whole: Sums, console: Console) -> None:
    outcomes = Counter(one.outcome for one in scores)
    console.print(
        f"{len(scores)} runs: "
        + ", ".join(f"{outcomes[outcome]} {outcome}" for outcome in Outcome if outcomes[outcome])
        + (f", {outcomes[None]} of tool calls alone" if outcomes[None] else "")
    )
    if whole.steps.success is None:
        console.print("No step was observed in them, so nothing is known of their steps.")
        return
    interval = success_interval(whole.steps)
    bounds = f" ({_interval(*interval)})" if interval else ""
    console.print(
        f"{whole.steps.trials} steps, {whole.steps.failures} failed: per-step success {whole.steps.success:.4f}{bounds}"
    )
    if whole.verdicts:
        console.print(f"{whole.verdicts} verdicts: {whole.passed} passed; {whole.silent} failed silently")


def _table(title: str) -> Table:
    return Table(
        title=Text(f"\n{title}", style="bold underline"),
        title_justify="left",
        box=None,
        header_style="bold",
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )


def _add_numbers(table: Table, *names: str) -> None:
    for name in names:
        table.add_column(name, justify="right", no_wrap=True, min_width=len(name))


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "-"


def _interval(lower: float, upper: float, digits: int = 1) -> str:
    return f"{lower:.{digits}%} - {upper:.{digits}%}"


def _count(number: int) -> str:
    return str(number) if number else "-"
