"""`otelscore explain`: where a figure comes from."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from otelscore.cli.options import token_file, with_config
from otelscore.config import Config

PATIENCE = 10.0  # seconds


@click.command(short_help="Show how spans were read and why a run was scored as it was.")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH...]")
@click.option("--trace", default="", metavar="ID", help="Only traces whose id begins so, in hex.")
@click.option("--live", "run_id", metavar="TRAJECTORY_ID", help="Instead of files: a run that a running service knows.")
@click.option("--server", default="127.0.0.1:9464", show_default=True, help="The metrics address of that service.")
@token_file
@with_config()
def explain(config: Config, paths: tuple[Path, ...], trace: str, run_id: str | None, server: str, token: str) -> None:
    """Show every span of the traces in files (as `otelscore score` takes them): what it was read as and by which rule,
    which step it became, why that failed and what the agent did about it. With --live, show a run's steps alone.
    """
    if bool(paths) == bool(run_id):
        raise click.UsageError("give files to explain, or --live with the id of a run")
    if run_id:
        _show_live(run_id, server, token)
        return
    from otelscore.cli.traces import print_traces, read_traces

    found = read_traces(paths, config)
    for error in found.errors:
        click.echo(f"Error: {error}", err=True)
    if not print_traces(found, trace):
        raise click.ClickException(f"no trace with spans begins with {trace}" if trace else "no spans were found")
    if found.errors:
        sys.exit(2)


def _show_live(run_id: str, server: str, token: str) -> None:
    run = _fetch(server, run_id, token)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 10_000  # a pipe has no edge to wrap at
    verdict = {True: "passed", False: "failed", None: "unknown"}[run["task_passed"]]
    silent = ", silently" if run["silent_failure"] else ""
    console.print(f"{run['agent']} of {run['service']}, {run['started_at']}, {run['duration_seconds']:.1f} s")
    console.print(f"trace {run['trace_id']}: {run['outcome'] or 'tool calls alone'}; its task: {verdict}{silent}\n")
    console.print(_steps(run["steps"]))


def _fetch(server: str, run_id: str, token: str) -> dict[str, Any]:
    address = (server if "://" in server else f"http://{server}").rstrip("/")
    url = f"{address}/api/v1/trajectories/{urllib.parse.quote(run_id)}"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310 - the user's own address
            found: dict[str, Any] = json.load(answer)
            return found
    except urllib.error.HTTPError as error:
        if error.code == 401:
            raise click.ClickException(f"{server} wants a token; give one with --token-file") from None
        reason = f"no trajectory {run_id} is known there" if error.code == 404 else f"HTTP {error.code}"
    except (OSError, ValueError) as error:
        reason = str(getattr(error, "reason", error))
    raise click.ClickException(f"{server}: {reason}; is that the metrics address of `otelscore serve` with --state?")


def _steps(steps: list[dict[str, Any]]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("step", "agent", "kind", "name", "seconds", "status", "why", "answered by", "recovered"):
        table.add_column(name, justify="right" if name in ("step", "seconds") else "left", overflow="fold")
    for step in steps:
        why = [step["error_class"], step["error_type"], step["soft_error"] and f"result: {step['soft_error']}"]
        table.add_row(
            "-" if step["index"] is None else str(step["index"]),
            step["agent"],
            step["kind"],
            step["name"],
            f"{step['duration_seconds']:.2f}",
            step["status"],
            ", ".join(filter(None, why)),
            step["response"] or "",
            {True: "yes", False: "no", None: ""}[step["recovered"]],
        )
    return table
