"""`otelscore serve`: the service, until it is told to stop."""

from __future__ import annotations

import dataclasses
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable
from queue import SimpleQueue

import click

from otelscore.cli.options import with_config
from otelscore.config import SETTINGS, Config

DEMO_SETTINGS = {"root_grace": 2.0, "late_window": 10.0, "state": "none"}
"""With --demo, where nothing else is set: a newcomer waits for nothing, and made-up runs do not stay."""


@click.command(short_help="Receive traces, score agent runs, show figures to Prometheus.")
@with_config(SETTINGS)
@click.option("--demo", is_flag=True, help="Also send it demo traffic, with shorter graces and no state.")
def serve(config: Config, demo: bool) -> None:
    """Receive OTLP from agents, rebuild and score their runs, and serve the figures to Prometheus."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # it has a line of its own for whoever fails a handshake
    from otelscore import logs
    from otelscore.service import Service
    from otelscore.starting import StartError

    logs.configure(config.log_level, config.log_format)
    if demo:
        if config.grpc_tls_cert_file or config.auth_tokens_file:
            raise click.UsageError("--demo sends without TLS and without a token; leave it, or grpc.tls and auth")
        config = _hurry(config)
    told: SimpleQueue[None] = SimpleQueue()  # not an Event: set in the midst of its own wait, that locks for good
    stop = threading.Event()
    _when_told_to_stop(lambda: sys.exit(0))  # at once: a large state takes minutes to come back, and none of it changes
    try:
        service = Service(config)
        _when_told_to_stop(lambda: told.put(None))
        ports = service.start()
    except StartError as error:
        raise click.ClickException(str(error)) from None
    # Hundreds of thousands of spans are held at a time: looking for garbage among them as often as Python does unless
    # told takes up to a quarter of the time. What was imported is never garbage. Where as many objects go as come, the
    # first of these numbers is hardly ever reached; a million new ones, 100 MB or so, make it look through all.
    gc.freeze()
    gc.set_threshold(100_000, 5, 2)
    sender = _start_demo(f"127.0.0.1:{ports.grpc}", stop) if demo else None
    told.get()
    stop.set()
    if sender is not None:
        sender.join()
    service.stop()


def _when_told_to_stop(act: Callable[[], None]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: act())


def _hurry(config: Config) -> Config:
    from otelscore.demo.agents import SIDE_EFFECTS

    wanted: dict[str, object] = {**DEMO_SETTINGS, "side_effects": SIDE_EFFECTS}
    unset = Config()
    changes = {name: value for name, value in wanted.items() if getattr(config, name) == getattr(unset, name)}
    return dataclasses.replace(config, **changes)  # type: ignore[arg-type]  # each is of its setting's type


def _start_demo(endpoint: str, stop: threading.Event) -> threading.Thread:
    import structlog

    from otelscore.demo.traffic import run_demo

    log = structlog.stdlib.get_logger("otelscore.demo")
    sender = threading.Thread(
        target=run_demo,
        kwargs={"endpoint": endpoint, "rate": 60.0, "seed": 0, "stop": stop, "report": log.info},
        name="demo",
        daemon=True,
    )
    sender.start()
    return sender
