"""`otelscore project`: what a per-step success implies for runs of many steps."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import click
from rich import box
from rich.console import Console
from rich.table import Table

T = TypeVar("T")


class _CommaList(click.ParamType[list[T]]):
    """Values separated by commas, each checked."""

    def __init__(self, name: str, parse: Callable[[str], T], expected: str) -> None:
        self.name = name
        self._parse = parse
        self._expected = expected

    def convert(self, value: str | list[T], param: click.Parameter | None, ctx: click.Context | None) -> list[T]:
        if isinstance(value, list):
            return value
        try:
            return [self._parse(part.strip()) for part in value.split(",")]
        except ValueError:
            self.fail(f"expected {self._expected}, got {value!r}", param, ctx)


def _probability(text: str) -> float:
    if not 0 <= (value := float(text)) <= 1:
        raise ValueError
    return value


def _length(text: str) -> int:
    if (value := int(text)) < 1:
        raise ValueError
    return value


@dataclass(frozen=True, slots=True)
class _Observed:
    """How often steps succeeded in real traces."""

    runs: int
    steps: int
    failed: int

    @property
    def step_success(self) -> float:
        return 1 - self.failed / self.steps


@click.command(short_help="Show what a per-step success implies for long runs.")
@click.option(
    "--step-success",
    "given",
    type=_CommaList("p,...", _probability, "numbers from 0 to 1, such as 0.95,0.99"),
    multiple=True,
    help="Probability that one step succeeds; may be repeated.  [default: 0.95,0.99 without --traces]",
)
@click.option(
    "--steps",
    type=_CommaList("n,...", _length, "whole numbers from 1, such as 10,20"),
    default="3,10,20,50,100",
    show_default=True,
    help="Lengths of runs.",
)
@click.option(
    "--traces",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Take the per-step success from these files or folders of OTLP requests; may be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line, one for each per-step success.")
def project(given: Sequence[list[float]], steps: list[int], traces: tuple[Path, ...], as_json: bool) -> None:
    """Show with which probability a run of N steps goes without a failed step, if every step succeeds with the
    probability p, whatever happened before it: p^N.
    """
    observed, unreadable = _observe(traces) if traces else (None, False)
    columns: list[tuple[float, _Observed | None]] = [(observed.step_success, observed)] if observed else []
    columns += [(p, None) for ps in given or ([] if traces else [[0.95, 0.99]]) for p in ps]
    if as_json:
        for p, source in columns:
            _print_json(p, source, steps)
    else:
        _print_table(columns, steps)
    if unreadable:
        raise SystemExit(2)


def _observe(paths: tuple[Path, ...]) -> tuple[_Observed, bool]:
    """What the runs in these files show, and whether some of the files could not be read."""
    from otelscore.cli.batch import score_paths

    result = score_paths(paths)
    for error in result.errors:
        click.echo(f"Error: {error}", err=True)
    observed = _Observed(
        runs=sum(score.trajectory_length > 0 for score in result.scores),
        steps=sum(score.trajectory_length for score in result.scores),
        failed=sum(score.tool_errors for score in result.scores),
    )
    if observed.steps == 0:
        click.echo("Error: no step of an agent run in the given traces", err=True)
        raise SystemExit(2 if result.errors else 1)
    return observed, bool(result.errors)


def _print_json(p: float, source: _Observed | None, steps: list[int]) -> None:
    record = {"step_success": p, "observed": asdict(source) if source else None}
    click.echo(json.dumps(record | {"implied_success": {str(n): p**n for n in steps}}))


def _print_table(columns: list[tuple[float, _Observed | None]], steps: list[int]) -> None:
    console = Console()
    if not console.is_terminal:
        console.width = 10_000  # a pipe has no edge to wrap at
    table = Table(box=box.SIMPLE_HEAD if console.is_terminal else None, header_style="bold")
    table.add_column("steps", justify="right")
    for p, source in columns:
        table.add_column(f"traces: {p:.4f}" if source else f"{p:g}", justify="right")
    for n in steps:
        table.add_row(str(n), *(f"{p**n:.1%}" for p, _ in columns))
    console.print(table)
    for p, source in columns:
        if source:
            console.print(f"traces: {source.failed} of {source.steps} steps failed, in {source.runs} runs: p = {p:.4f}")
    console.print(
        "p^N is naive: it takes steps for independent and runs for alike, and sees no silent failure."
        " Where verdicts arrive, believe otelscore_projected_success_ratio instead."
    )
