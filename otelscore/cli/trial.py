"""`otelscore trial`: an agent's command run for every task, again and again, with injected faults and without."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from otelscore.cli.options import with_config
from otelscore.config import Config

if TYPE_CHECKING:
    from otelscore.faults.trial import Arm

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(short_help="Run an agent on tasks with injected faults and report what it does about them.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option("--plan", required=True, type=_FILE, metavar="FILE", help="The fault plan.")
@click.option("--tasks", required=True, type=_FILE, metavar="FILE", help="YAML list of tasks, each with a name.")
@click.option("--attempts", type=click.IntRange(1), default=3, show_default=True, help="At each task, in each arm.")
@click.option("--jobs", type=click.IntRange(1), default=os.cpu_count() or 1, help="Attempts at the same time.")
@click.option(
    "--timeout", type=click.FloatRange(0, min_open=True), default=300, show_default=True, help="Seconds each."
)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON, also for a later --compare.")
@click.option("--compare", type=_FILE, metavar="FILE", help="JSON of an earlier trial to hold this one against.")
@click.option("--plot", type=_FILE, metavar="FILE.png|svg", help="Draw outcomes, pass rates and survival.")
@with_config()
def trial(
    config: Config,
    command: tuple[str, ...],
    plan: Path,
    tasks: Path,
    attempts: int,
    jobs: int,
    timeout: float,
    as_json: bool,
    compare: Path | None,
    plot: Path | None,
) -> None:
    """Run COMMAND (after --) for each task and attempt twice, with the plan's faults and without, and report what
    became of the faults.

    COMMAND finds in its environment OTELSCORE_TASK (the task as JSON), OTEL_EXPORTER_OTLP_ENDPOINT, and what `inject`
    and `otelscore fault-proxy` need. A task is passed where its `check` command, which is given what COMMAND said,
    exits with 0; without one, as evaluation events of the run say, else by COMMAND's own exit code.
    """
    from otelscore.cli.plot import check_plot
    from otelscore.faults.attempts import TasksError, Trial, load_tasks
    from otelscore.faults.plan import PlanError, load_plan
    from otelscore.faults.trial import Attempt, against, split

    try:
        load_plan(plan)
        wanted = Trial(command, plan, load_tasks(tasks), attempts, jobs, timeout, config)
        earlier = orjson.loads(compare.read_bytes()) if compare else None
        before = split(map(Attempt.of_dict, earlier["attempts"])) if earlier else None
    except (PlanError, TasksError) as error:
        raise click.UsageError(str(error)) from None
    except (OSError, KeyError, TypeError, orjson.JSONDecodeError) as error:
        raise click.UsageError(f"--compare: {compare}: no trial's JSON: {error}") from None
    if shutil.which(command[0]) is None:
        raise click.UsageError(f"{command[0]}: command not found")
    if plot is not None:
        check_plot(plot)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task("attempts", total=len(wanted.tasks) * attempts * 2)
        found = wanted.run(lambda: progress.advance(bar))
    baseline, faulty = split(found)
    differences = {
        "faults against baseline": against(baseline, faulty),
        **({"against the earlier trial": against(before[1], faulty)} if before else {}),
    }
    if plot is not None:
        _draw(baseline, faulty, plot)
    if as_json:
        shown: dict[str, Any] = {
            "baseline": baseline.as_dict(),
            "faults": faulty.as_dict(),
            "differences": differences,
            "attempts": [one.as_dict() for one in found],
        }
        click.echo(orjson.dumps(shown, option=orjson.OPT_INDENT_2))
    else:
        _print(baseline, faulty, differences)
    silent = sum(not one.runs for one in found)
    if silent:
        click.echo(f"Warning: {silent} of {len(found)} attempts sent no run; is the agent's exporter on?", err=True)
    if faulty.attempts and not any(one.hits for one in faulty.attempts):
        click.echo(
            "Warning: no fault was seen in any run; are the tools wrapped, and does the plan name them?", err=True
        )


def _print(baseline: Arm, faulty: Arm, differences: dict[str, Any]) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 10_000  # a pipe has no edge to wrap at
    rows = []
    for kind, facts in faulty.as_dict()["faults"].items():
        counts = [str(facts[name] or "-") for name in _OUTCOMES]
        ratios = [_ratio(facts[f"{name}_ratio"]) for name in ("notice", "recovery", "confidently_wrong")]
        rows.append([kind, *counts, *ratios])
    heads = ["fault", *map(_words, _OUTCOMES), "noticed", "recovered", "confidently wrong"]
    console.print(_table("What became of injected faults", heads, rows))
    rates = [{k: (at, every) for k, at, every in arm.pass_rates()} for arm in (baseline, faulty)]
    rows = [
        [str(k), *(f"{value:.1%}" for arm in rates for value in arm.get(k, ()))]
        for k in sorted(rates[0].keys() & rates[1])
    ]
    heads = ["k", "pass@k", "pass^k", "pass@k with faults", "pass^k with faults"]
    console.print(_table("Tasks passed by one, and by all, of k attempts", heads, rows))
    rows = [[str(steps), *shares] for steps, *shares in _survival(baseline, faulty)]
    console.print(_table("Runs without an unrecovered failure", ["steps", "baseline", "with faults"], rows))
    rows = [
        [tool, str(calls), f"{first / calls:.1%}", f"{last / calls:.1%}"]
        for tool, (calls, first, last) in faulty.tools().items()
    ]
    console.print(_table("Tools with faults", ["tool", "calls", "first try", "in the end"], rows))
    for name, found in differences.items():
        rows = [
            [figure, f"{one['value']:+.1%}", f"{one['lower']:+.1%} to {one['upper']:+.1%}", f"{one['p_value']:.3f}"]
            for figure, one in found.items()
            if one
        ]
        if rows:
            console.print(_table(name.capitalize(), ["figure", "difference", "95% interval", "p"], rows))


_OUTCOMES = ("noticed_recovered", "noticed_failed", "unnoticed_harmless", "unnoticed_wrong", "unknown")


def _survival(baseline: Arm, faulty: Arm) -> list[tuple[int, str, str]]:
    from otelscore.faults.trial import HORIZONS
    from otelscore.scoring.survival import kaplan_meier

    points = [kaplan_meier(arm.life_table(), HORIZONS) for arm in (baseline, faulty)]
    shown = [["-" if point.survival is None else f"{point.survival:.0%}" for point in arm] for arm in points]
    return [row for row in zip(HORIZONS, *shown, strict=True) if row[1:] != ("-", "-")]


def _ratio(found: dict[str, float | None]) -> str:
    if found["value"] is None:
        return "-"
    bounds = "" if found["lower"] is None else f" ({found['lower']:.0%} - {found['upper']:.0%})"
    return f"{found['value']:.1%}{bounds}"


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(
        title=Text(f"\n{title}", style="bold underline", no_wrap=True, overflow="ignore"),
        title_justify="left",
        box=None,
        header_style="bold",
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    for number, head in enumerate(heads):
        table.add_column(head, justify="right" if number else "left")
    for row in rows:
        table.add_row(*row)
    return table


def _draw(baseline: Arm, faulty: Arm, path: Path) -> None:
    """Draws what became of each kind, pass@k and pass^k, and the survival of both arms step by step."""
    from matplotlib.figure import Figure

    from otelscore.scoring.survival import kaplan_meier

    figure = Figure(figsize=(15, 4.5), layout="constrained")
    became, rates, survival = figure.subplots(1, 3)
    kinds = faulty.as_dict()["faults"]
    left = dict.fromkeys(kinds, 0)
    for outcome, color in zip(_OUTCOMES, _COLORS, strict=True):
        counts = {kind: facts[outcome] for kind, facts in kinds.items()}
        became.barh(list(kinds), list(counts.values()), left=list(left.values()), color=color, label=_words(outcome))
        left = {kind: left[kind] + counts[kind] for kind in kinds}
    became.invert_yaxis()
    became.set(xlabel="injected faults")
    became.xaxis.get_major_locator().set_params(integer=True)
    became.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=2, fontsize="small")
    for name, arm, line in (("baseline", baseline, "-"), ("with faults", faulty, "--")):
        found = arm.pass_rates()
        tries = [k for k, _, _ in found]
        rates.plot(tries, [at for _, at, _ in found], f"C0o{line}", label=f"pass@k, {name}")
        rates.plot(tries, [every for _, _, every in found], f"C1s{line}", label=f"pass^k, {name}")
        longest = max((steps for one in arm.attempts for steps, _ in one.survival), default=0)
        points = kaplan_meier(arm.life_table(), range(1, longest + 1))
        known = [(point.steps, point.survival) for point in points if point.survival is not None]
        steps, shares = zip((0, 1.0), *known, strict=True)
        survival.step(steps, shares, line, where="post", label=name)
    rates.set(xlabel="k", ylabel="tasks passed by one (@), by all (^) of k", ylim=(0, 1.05))
    rates.xaxis.get_major_locator().set_params(integer=True)
    rates.legend(fontsize="small")
    survival.set(xlabel="steps", ylabel="runs without an unrecovered failure", ylim=(0, 1.05))
    survival.legend(fontsize="small")
    try:
        figure.savefig(path)
    except OSError as error:
        raise click.UsageError(f"--plot: {path}: {error.strerror}") from None


_COLORS = ("tab:green", "tab:olive", "tab:blue", "tab:red", "tab:gray")
"""Of the outcomes, in their order."""


def _words(name: str) -> str:
    return name.replace("_", " ")
