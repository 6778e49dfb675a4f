"""`otelscore fault-proxy`: between an MCP client and its server, for faults, recording and playing back."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("fault-proxy", short_help="Bring faults into the tool calls of an MCP server.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.option("--url", metavar="URL", help="The server, where it speaks streamable HTTP instead of stdio.")
@click.option(
    "--listen",
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Speak streamable HTTP at this port of localhost instead of stdio.",
)
@click.option("--plan", type=_FILE, metavar="FILE", help="The fault plan; nothing happens without OTELSCORE_FAULTS=1.")
@click.option("--record", type=_FILE, metavar="FILE", help="Write every request and its answer to this cassette.")
@click.option("--replay", type=_FILE, metavar="FILE", help="Answer from this cassette.")
@click.option(
    "--on-miss",
    type=click.Choice(["fail", "real"]),
    default="fail",
    show_default=True,
    help="What a request that the cassette does not have gets: an error, or the real server's answer.",
)
@click.option(
    "--timeout", type=click.FloatRange(0, min_open=True), default=300, show_default=True, help="Seconds for an answer."
)
def fault_proxy(
    command: tuple[str, ...],
    url: str | None,
    listen: int | None,
    plan: Path | None,
    record: Path | None,
    replay: Path | None,
    on_miss: str,
    timeout: float,
) -> None:
    """Speak MCP on standard input and output, or at --listen, in place of a server, and pass everything on to the real
    one: to COMMAND on its standard input and output (after --), or to --url. Put it where the client's configuration
    names the server.

    The plan is --plan, else what OTELSCORE_FAULT_PLAN names. Spans of calls with faults go to
    OTEL_EXPORTER_OTLP_ENDPOINT, below those that the client's trace context names.
    """
    if url and command:
        raise click.UsageError("name the server either by --url or by a command")
    if not url and not command and (replay is None or on_miss == "real"):
        raise click.UsageError("name the server: a command after --, or --url")
    try:
        import anyio

        from otelscore.faults.cassette import Cassette, CassetteError, Player, Recorder
        from otelscore.faults.engine import PLAN, Engine
        from otelscore.faults.plan import PlanError, load_plan
        from otelscore.faults.transports import serve_port, serve_stdio
        from otelscore.serving import PortInUseError
    except ImportError as error:
        raise click.ClickException(f"{error}; install it: pip install 'otelscore[faults]'") from None
    path = plan or (Path(os.environ[PLAN]) if os.environ.get(PLAN) else None)
    try:
        engine = Engine(load_plan(path)) if path else None
        recorder = Recorder(record) if record else None
        cassette = Cassette.load(replay) if replay else None
    except (PlanError, CassetteError, OSError) as error:
        raise click.UsageError(str(error)) from None

    def options() -> dict[str, Any]:
        player = Player(cassette) if cassette else None
        return {"engine": engine, "recorder": recorder, "player": player, "on_miss": on_miss, "seconds": timeout}

    try:
        if listen is None:
            anyio.run(serve_stdio, command, url, options)
        else:
            anyio.run(serve_port, listen, command, url, options)
    except PortInUseError as error:
        raise click.ClickException(f"--listen: {error.strerror}") from None
    except OSError as error:
        raise click.ClickException(f"the server cannot be reached: {error}") from None
    finally:
        if engine is not None and engine.unseen:
            click.echo(f"{engine.unseen} calls were spared a fault that no figure would have shown", err=True)
