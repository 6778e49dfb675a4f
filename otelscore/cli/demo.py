"""`otelscore demo`: realistic agent traffic against a running server."""

from __future__ import annotations

import threading

import click

from otelscore.config import SETTINGS

_DEFAULT_ENDPOINT = next(setting.default for setting in SETTINGS if setting.name == "grpc.endpoint")


@click.command(short_help="Send realistic agent traffic to a running server.")
@click.option("--endpoint", metavar="HOST:PORT", default=_DEFAULT_ENDPOINT, show_default=True, help="OTLP/gRPC server.")
@click.option("--rate", type=click.FloatRange(0, min_open=True), default=60, show_default=True, help="Runs a minute.")
@click.option("--duration", type=click.FloatRange(0), help="Seconds until it stops.  [default: until Ctrl-C]")
@click.option("--runs", type=click.IntRange(1), help="Stop after this many runs and their verdicts.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed gives the same runs.")
def demo(endpoint: str, rate: float, duration: float | None, runs: int | None, seed: int) -> None:
    """Send agent runs, good and bad ones, with tools that fail in many ways, and verdicts that come later."""
    from otelscore.demo.traffic import NoServerError, run_demo

    stop = threading.Event()
    if duration is not None:
        timer = threading.Timer(duration, stop.set)
        timer.daemon = True
        timer.start()
    try:
        run_demo(endpoint, rate, seed, stop, runs, click.echo)
    except NoServerError as error:
        raise click.ClickException(str(error)) from None
