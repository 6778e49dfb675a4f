"""A set of scores as a person likes to read it: agents, what failed, what it implies."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from otelscore.model import Outcome, Score, Step

_TOP = 12  # rows of the table of failures


def print_report(scores: Sequence[Score], horizons: Sequence[int], console: Console | None = None) -> None:
    """Prints a table of the agents, one of their failed steps and a summary; `horizons` in steps."""
    console = console or Console(highlight=False)
    if not console.is_terminal:
        console.width = 10_000  # a pipe has no edge to wrap at
    if not scores:
        console.print("No agent run was found.")
        return
    console.print(_agents(scores))
    failures = [(one, step) for one in scores for step in one.steps if step.failed]
    if failures:
        console.print(_failures(failures))
    console.print()
    _summary(scores, horizons, console)


def _agents(scores: Sequence[Score]) -> Table:
    groups: dict[tuple[str, str], list[Score]] = defaultdict(list)
    for one in scores:
        groups[one.agent, one.service].append(one)
    table = _table("Agents")
    for name in ("agent", "service"):
        table.add_column(name, overflow="fold")
    for name in ("runs", "failed", "steps", "errors", "success", "recovery", "resolution"):
        table.add_column(name, justify="right", no_wrap=True, min_width=len(name))
    for (agent, service), group in sorted(groups.items()):
        steps, failed = _steps(group), _failed(group)
        table.add_row(
            agent,
            service,
            str(len(group)),
            _count(sum(one.hard_failure for one in group)),
            str(steps),
            _count(failed),
            _share(steps - failed, steps),
            _share(*_sane(group)),
            _share(*_recovered(group)),
        )
    return table


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


def _summary(scores: Sequence[Score], horizons: Sequence[int], console: Console) -> None:
    steps, failed = _steps(scores), _failed(scores)
    outcomes = Counter(one.outcome for one in scores)
    console.print(
        f"{len(scores)} runs: "
        + ", ".join(f"{outcomes[outcome]} {outcome}" for outcome in Outcome if outcomes[outcome])
        + (f", {outcomes[None]} of tool calls alone" if outcomes[None] else "")
    )
    if not steps:
        console.print("No step was observed in them, so nothing is known of their steps.")
        return
    p = 1 - failed / steps
    console.print(f"{steps} steps, {failed} failed: per-step success {p:.4f}")
    implied = ", ".join(f"{p**n:.0%} at {n}" for n in horizons)
    console.print(f"p^N (naive: steps as if independent, no silent failure): {implied} steps")
    judged = [one for one in scores if one.task_passed is not None]
    if judged:
        passed, silent = sum(bool(one.task_passed) for one in judged), sum(bool(one.silent_failure) for one in judged)
        console.print(f"{len(judged)} verdicts: {passed} passed; {silent} failed silently")


def _table(title: str) -> Table:
    return Table(
        title=Text(f"\n{title}", style="bold underline"),
        title_justify="left",
        box=None,
        header_style="bold",
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )


def _steps(scores: Iterable[Score]) -> int:
    return sum(one.trajectory_length for one in scores)


def _failed(scores: Iterable[Score]) -> int:
    return sum(one.tool_errors for one in scores)


def _sane(scores: Iterable[Score]) -> tuple[int, int]:
    marks = [step.response.sane for one in scores for step in one.steps if step.response]
    return sum(marks), len(marks)


def _recovered(scores: Iterable[Score]) -> tuple[int, int]:
    marks = [step.recovered for one in scores for step in one.steps if step.recovered is not None]
    return sum(marks), len(marks)


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "-"


def _count(number: int) -> str:
    return str(number) if number else "-"
