"""Faults by name, and random schedules of them."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Mapping
from random import Random

from faults.senders import Progress
from faults.site import Load, Site

START, STOP = 2.0, 0.3
"""Seconds that these take, about."""


def kill(site: Site, progress: Progress, chance: Random) -> None:
    site.restart()


def stop(site: Site, progress: Progress, chance: Random) -> None:
    assert site.stop(chance.choice([signal.SIGTERM, signal.SIGINT])) == 0
    site.start()


def kill_while_stopping(site: Site, progress: Progress, chance: Random) -> None:
    site.server.process.send_signal(signal.SIGTERM)
    threading.Event().wait(chance.random() * STOP)
    site.restart()


def kill_while_starting(site: Site, progress: Progress, chance: Random) -> None:
    site.kill()
    site.start_for(chance.random() * START)
    site.start()


def halt(site: Site, progress: Progress, chance: Random) -> None:
    with site.paused():
        progress.wait_for_failures()


def fill(site: Site, progress: Progress, chance: Random) -> None:
    with site.full():
        progress.wait_for_failures(chance.randrange(1, 4))


def fill_and_kill(site: Site, progress: Progress, chance: Random) -> None:
    with site.full():
        progress.wait_for_failures(chance.randrange(1, 4))
        site.kill()
    site.start()


def move_clock(site: Site, progress: Progress, chance: Random) -> None:
    site.set_clock(chance.randrange(-300, 300))


def move_clock_and_kill(site: Site, progress: Progress, chance: Random) -> None:
    """By minutes: farther ahead looks like having been down for as long, and runs leave windows."""
    site.kill()
    site.set_clock(chance.randrange(-300, 300))
    site.start()


def cut(site: Site, progress: Progress, chance: Random) -> None:
    site.cut(chance.choice(["grpc", "http"]), chance.choice(["request", "response"]), chance.randrange(600))


FAULTS: Mapping[str, Callable[[Site, Progress, Random], None]] = {
    "kill": kill,
    "stop": stop,
    "kill while stopping": kill_while_stopping,
    "kill while starting": kill_while_starting,
    "halt": halt,
    "fill": fill,
    "fill and kill": fill_and_kill,
    "move clock": move_clock,
    "move clock and kill": move_clock_and_kill,
    "cut": cut,
}


def play(site: Site, load: Load, chance: Random, names: list[str], within: float = 0.1) -> None:
    """Lets these faults happen while the load is sent: each a while after a random acknowledgement.

    The while is at most `within` seconds, so that faults come between what is sent too, and when runs close.
    """
    pause = threading.Event()
    with load.to(site) as progress:
        for name in names:
            progress.wait_for_acknowledged(chance.randrange(1, 1 + load.requests // (len(names) + 1)))
            pause.wait(chance.random() * within)
            FAULTS[name](site, progress, chance)
