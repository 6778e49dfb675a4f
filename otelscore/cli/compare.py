"""`otelscore compare`: two sets of runs held against each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import orjson
from rich.console import Console
from rich.table import Table

from otelscore.cli.batch import complain, read_verdicts, score_paths, verdicts_heard, with_label
from otelscore.cli.options import with_config
from otelscore.config import Config
from otelscore.scoring.comparison import difference, log_rank
from otelscore.scoring.intervals import ClusterSums
from otelscore.scoring.rows import Row
from otelscore.scoring.window import sums_of


@click.command(short_help="Compare two sets of runs, such as two versions of an agent.")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option(
    "--by",
    metavar="NAME",
    help="A and B are values of this attribute, such as service.version, in the files of --in.",
)
@click.option("--in", "paths", multiple=True, type=click.Path(path_type=Path), metavar="PATH", help="May be repeated.")
@click.option(
    "--verdicts",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="JSON lines that say whether tasks were done: see otelscore score.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one comparison a line as JSON.")
@with_config()
def compare(
    config: Config,
    first: str,
    second: str,
    by: str | None,
    paths: tuple[Path, ...],
    verdicts: Path | None,
    as_json: bool,
) -> None:
    """Say how B differs from A: per-step success, recovery and tasks passed, each with a 95% interval of the difference
    and the chance of one so large where there is none; and how far runs come, by the log-rank test.

    A and B are files or folders, as `otelscore score` takes them, or with --by values of an attribute.
    """
    if bool(by) != bool(paths):
        raise click.UsageError(
            "--by NAME and --in PATH go together: the attribute, and the files that hold both A and B"
        )
    judgements = list(read_verdicts(verdicts, config)) if verdicts else []
    if by is None:
        results = [score_paths([Path(path)], config, judgements, progress=True) for path in (first, second)]
        groups = [result.rows for result in results]
    else:
        config, at = with_label(config, by)
        results = [score_paths(paths, config, judgements, progress=True)]
        groups = [[row for row in results[0].rows if row.labels[at] == value] for value in (first, second)]
    for name, rows in zip((first, second), groups, strict=True):
        if not rows:
            complain(*results)
            raise click.UsageError(f"no run was found for {name}")
    compared = list(_compare(*groups))
    if as_json:
        for one in compared:
            click.echo(orjson.dumps(one))
    else:
        _print(first, second, groups, compared)
        if heard := verdicts_heard(*results):
            click.echo(heard)
    complain(*results)


SHARES: dict[str, Callable[[Row], tuple[int, int]]] = {
    "steps that did not fail": lambda row: (row.steps, row.failed),
    "failed steps recovered": lambda row: (row.resolutions, row.resolutions - row.recovered),
    "runs without a hard failure": lambda row: (int(row.outcome is not None), int(row.hard_failure)),
    "tasks passed": lambda row: (int(row.verdict is not None), int(row.verdict is False)),
}
"""Trials and failures of one run; a run, or what `cluster_by` names, is a cluster."""


def _compare(first: Sequence[Row], second: Sequence[Row]) -> Iterator[dict[str, object]]:
    for figure, trials in SHARES.items():
        sums = [_clustered(rows, trials) for rows in (first, second)]
        found = difference(*sums)
        shares = {"a": sums[0].success, "b": sums[1].success}
        yield {"figure": figure, **shares, **(asdict(found) if found else {})}
    tables = [sums_of(rows) for rows in (first, second)]
    yield {
        "figure": "how far runs come without a failed step",
        "p_value": log_rank(*(one.error_free for one in tables)),
    }
    yield {"figure": "how far without an unrecovered one", "p_value": log_rank(*(one.survival for one in tables))}


def _clustered(rows: Sequence[Row], trials: Callable[[Row], tuple[int, int]]) -> ClusterSums:
    sums = ClusterSums()
    for row in rows:
        count, failures = trials(row)
        if count:
            sums.count(count, failures, 1, row.cluster)
    return sums


def _print(first: str, second: str, groups: Sequence[Sequence[Row]], compared: Sequence[dict[str, Any]]) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 10_000  # a pipe has no edge to wrap at
    console.print(f"A: {first}, {len(groups[0])} runs; B: {second}, {len(groups[1])} runs\n")
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("")
    for name in ("A", "B", "B - A", "95% interval", "p"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in compared:
        shares = ["-" if one.get(name) is None else f"{one[name]:.1%}" for name in ("a", "b")]
        change = (
            [f"{one['value']:+.1%}", f"{one['lower']:+.1%} to {one['upper']:+.1%}"] if "value" in one else ["-", "-"]
        )
        table.add_row(one["figure"], *shares, *change, _p(one.get("p_value")))
    console.print(table)
    console.print("\np: how often a difference so large, or larger, comes about by chance where there is none.")


def _p(value: float | None) -> str:
    return "-" if value is None else "< 0.001" if value < 0.001 else f"{value:.3f}"
