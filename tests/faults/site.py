"""A server under test and all that can be done to it, and the undisturbed one that it must agree with."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from faults import senders
from faults.disks import Disk
from faults.figures import Series, Watch, figures, scores, scores_of
from faults.proxy import Proxy
from faults.script import Batch, Script, top_of
from faults.senders import Once, Progress, under_load
from live import FREE, PATIENCE, QUICK, Server, eventually, start

SHIM = Path(__file__).parent / "clock"
GRACES = {"OTELSCORE_ORPHAN_GRACE": "1s", "OTELSCORE_IDLE_TIMEOUT": "1s"}
"""Runs whose spans come late because of a fault close too early; that is undone, since they stay open to them."""


class Site:
    """One state folder and the server on it, behind proxies whose addresses stay, scraped all the time."""

    def __init__(self, disk: Disk, *settings: str, graces: Mapping[str, str] = GRACES) -> None:
        self.disk = disk
        self.settings = settings
        self._graces = graces
        self.clock = disk.folder.with_name(f"{disk.folder.name}.clock")
        self.watch = Watch()
        self._grpc, self._http = Proxy(), Proxy()
        self.grpc, self.http = self._grpc.address, self._http.address
        self.start()

    def start(self) -> None:
        self.server = start(*self._arguments(), env=self._env(), under=self.disk.command)
        self._grpc.port, self._http.port = (int(at.rpartition(":")[2]) for at in (self.server.grpc, self.server.http))
        self.watch.look_at(self.server)

    def _arguments(self) -> list[str]:
        return [*FREE, *QUICK, *self.settings, "--state", str(self.state())]

    def _env(self) -> dict[str, str]:
        path = os.pathsep.join([str(SHIM), *filter(None, [os.environ.get("PYTHONPATH")])])
        return {**self._graces, "PYTHONPATH": path, "FAULTS_CLOCK": str(self.clock)}

    def start_for(self, seconds: float) -> None:
        """A start that is killed, wherever it is by then."""
        command = [*self.disk.command, sys.executable, "-m", "otelscore", "serve", *self._arguments()]
        started = subprocess.Popen(command, env={**os.environ, **self._env()}, stderr=subprocess.DEVNULL)
        with suppress(subprocess.TimeoutExpired):
            started.wait(seconds)
        started.kill()
        started.wait()

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    def stop(self, number: signal.Signals) -> int:
        """Gives the exit status."""
        self.server.process.send_signal(number)
        status = self.server.process.wait(PATIENCE)
        self.watch.look_at(None)
        self._grpc.port = self._http.port = 0
        return status

    def restart(self) -> None:
        self.kill()
        self.start()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """The process stands still, and the senders do not know why."""
        self.server.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.server.process.send_signal(signal.SIGCONT)

    @contextmanager
    def full(self) -> Iterator[None]:
        """There is no more room on the disk."""
        self.disk.fill(self.pid)
        try:
            yield
        finally:
            self.disk.clear(self.pid)

    def set_clock(self, seconds: int) -> None:
        """Puts the wall clock so far ahead, or behind."""
        part = self.clock.with_suffix(".part")
        part.write_text(str(seconds))
        part.replace(self.clock)

    def cut(self, transport: str, direction: str, after: int) -> None:
        (self._grpc if transport == "grpc" else self._http).cut(direction, after)

    @property
    def cuts(self) -> int:
        """Connections that were broken."""
        return self._grpc.cuts + self._http.cuts

    @property
    def pid(self) -> int:
        return self.server.process.pid

    def state(self) -> Path:
        return self.disk.folder / "state"

    def close(self) -> None:
        self.watch.stop()
        self.server.process.kill()
        self.server.process.wait()
        self._grpc.close()
        self._http.close()
        self.disk.close()


class Load:
    """What is sent to a site, and once to an undisturbed server: two streams, verdicts, and runs of one try each."""

    def __init__(self, seed: int, runs: int) -> None:
        script = Script(seed)
        self.streams = [script.stream(runs), script.stream(runs)]
        self.runs = [script.run() for _ in range(runs)]
        self.verdicts = script.verdicts([*self.streams[0], *self.streams[1], *self.runs])
        self.requests = sum(map(len, (*self.streams, self.runs, self.verdicts)))

    @contextmanager
    def to(self, site: Site) -> Iterator[Progress]:
        """Sends it while the body runs, and until the streams and verdicts are acknowledged."""
        self.once = Once(site.http)
        with under_load(site.grpc, site.http, self.streams, self.verdicts, self.once, self.runs) as progress:
            yield progress

    def counted(self, site: Site) -> list[Batch]:
        """Of the runs of one try: those that were acknowledged, and those of the unanswered that arrived all the same.

        None of those that were refused.
        """
        told = self.once.told
        there = scores_of(site.server, map(top_of, [*told["none"], *told["refused"]]))
        assert not any(there[top_of(run)] for run in told["refused"]), "a run that was refused was counted"
        return [*told["acknowledged"], *(run for run in told["none"] if there[top_of(run)])]

    def once_to(self, server: Server, runs: Sequence[Batch]) -> None:
        """Sends all of the streams and verdicts, and these runs, each once."""
        for batch in [batch for stream in self.streams for batch in stream] + list(runs):
            assert senders.traces(server.http, batch) == "acknowledged"
        for one in self.verdicts:
            assert senders.verdict(server.http, one) == "acknowledged"


def undisturbed(folder: Path) -> Server:
    """A server that nothing happens to."""
    return start(*FREE, *QUICK, "--state", str(folder), env=GRACES)


def differences(site: Site, reference: Server) -> dict[Series, tuple[float | None, float | None]]:
    """Of the figures that must not depend on what happened: what the site shows, and what it should."""
    shown, wanted = figures(site.server), figures(reference)
    return {
        series: (shown.get(series), wanted.get(series))
        for series in shown.keys() | wanted.keys()
        if shown.get(series) != wanted.get(series)
    }


def disagreements(site: Site, load: Load, reference: Server) -> list[str]:
    """What is not as an undisturbed server has it, once settled and after one more kill, or was never to be seen."""
    found = unsettled(site, load, reference)
    if not found:
        site.restart()
        found = disagreeing(site, reference)
    return [*found, *site.watch.wrong, *([] if site.watch.scrapes else ["nothing was ever scraped"])]


def unsettled(site: Site, load: Load, reference: Server) -> list[str]:
    """Waits until all is counted; empty where it is what was acknowledged, each once.

    `reference` has been sent what the site acknowledged before this load, and is now sent what it did of this one.
    """
    since = time.time()
    left = eventually(lambda: site.server.value("open_trajectories"), 0.0)
    if left != 0.0:
        return [f"{left} runs never close"]
    load.once_to(reference, load.counted(site))
    if found := disagreeing(site, reference):
        return found
    wanted = scores(reference, since)
    assert len(wanted) > len(load.runs)
    shown = scores_of(site.server, wanted)
    return [f"score is {shown[run]}, should be {score}" for run, score in wanted.items() if shown[run] != score]


def disagreeing(site: Site, reference: Server) -> list[str]:
    """Waits for the figures that must not depend on what happened to be the same; names those that stay different."""
    wrong = eventually(lambda: differences(site, reference), {})
    return [f"figures that are and should be: {wrong}"] if wrong else []
