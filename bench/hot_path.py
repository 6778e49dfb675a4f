"""What the hot path costs: `python bench/hot_path.py` prints the table of docs/performance.md.

For each profile and transport four things in turn, so that their ratios mean something on a machine that is busy with
other things too: the floor (bytes are received, nothing is done), decoding alone (bytes in memory -> spans that have
been read), and the whole way (`otelscore serve` until every run has closed, is final and has been counted), without
state and with it on disk. The receiver has one core, the sender another, where there are two. Two more rows each: small
requests, and otelscore as it is where nothing was compiled.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice, product
from pathlib import Path
from typing import Any

import psutil
from interpreted import interpreted
from load import Connection, GrpcConnection, HttpConnection, drive
from payloads import PROFILES, SPANS, requests
from stages import stages

TRANSPORTS: dict[str, Callable[..., Connection]] = {"grpc": GrpcConnection, "http": HttpConnection}
WARM_UP = 1.0  # seconds
GRACE = 0.2  # seconds of root_grace and late_window: short, so that what the sender caused is done while it sends
GZIPPED_PER_SECOND = 200  # requests that are compressed before the clock starts; a faster server ends its run earlier

_CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
SERVER, SENDER = ({_CORES[0]}, {_CORES[1]}) if len(_CORES) > 1 else (None, None)


@dataclass(frozen=True, slots=True)
class Case:
    """What is sent to what."""

    profile: str
    gzipped: bool = False
    spans: int = SPANS  # in a request
    compiled: bool = True

    def __str__(self) -> str:
        return self.profile + f", {self.spans} spans" * (self.spans != SPANS) + ", interpreted" * (not self.compiled)


CASES = [
    *(Case(profile, gzipped) for profile, gzipped in product(PROFILES, (False, True))),
    Case("content", spans=20),
    Case("content", compiled=False),
]


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one million spans, in one way."""

    spans: float  # a second
    cpu: float  # seconds of the receiver, user and system

    def __str__(self) -> str:
        return f"{self.spans:,.0f} | {self.cpu:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each measurement")
    parser.add_argument("--quick", action="store_true", help="only `content`, not compressed")
    parser.add_argument("--stages", action="store_true", help="where the time goes instead, stage by stage")
    options = parser.parse_args()
    _pin(SENDER)
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {SPANS} spans a request\n")
    if options.stages:
        print(stages(options.seconds))
        return
    print("| profile | transport | bytes a request | floor: spans/s | CPU | decode: spans/s | CPU", end=" ")
    print("| whole: spans/s | CPU | stored: spans/s | CPU | stored : floor |\n|" + " --- |" * 12)
    for case in CASES[:1] if options.quick else CASES:
        bodies = _prepare(case, options.seconds)
        size = len(next(bodies()))
        for transport, connection in TRANSPORTS.items():
            connect = partial(connection, gzipped=case.gzipped)
            floor = _floor(case, transport, connect, cycle(islice(bodies(), 100)), options.seconds)
            decode = _decode(case, bodies(), options.seconds)
            whole = _whole(case, transport, connect, bodies(), options.seconds, "none")
            with tempfile.TemporaryDirectory() as state:
                stored = _whole(case, transport, connect, bodies(), options.seconds, state)
            name = transport + (" gzip" if case.gzipped else "")
            ratio = stored.cpu / floor.cpu
            print(f"| {case} | {name} | {size:,} | {floor} | {decode} | {whole} | {stored} | {ratio:.0f} |", flush=True)


def _prepare(case: Case, seconds: float) -> Callable[[], Iterator[bytes]]:
    """Request bodies from the first on; compressed ones are made now, and so come to an end."""
    if not case.gzipped:
        return lambda: requests(case.profile, case.spans)
    count = int(GZIPPED_PER_SECOND * (WARM_UP + seconds))
    bodies = [gzip.compress(body, 6) for body in islice(requests(case.profile, case.spans), count)]
    return lambda: iter(bodies)


def _floor(
    case: Case, transport: str, connect: Callable[[int], Connection], bodies: Iterator[bytes], seconds: float
) -> Cost:
    command = [sys.executable, str(Path(__file__).with_name("floor.py")), transport]
    with _process(command, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        return _measure(case, server.pid, lambda: connect(port), bodies, seconds)


def _decode(case: Case, bodies: Iterator[bytes], seconds: float) -> Cost:
    with nullcontext() if case.compiled else interpreted():
        from otelscore.config import Config
        from otelscore.ingest.compression import decompress
        from otelscore.service import make_decoder, make_reader
    config = Config()
    traces = make_decoder(config, make_reader(config, bytes(32))).traces
    encoding = "gzip" if case.gzipped else ""
    some = list(islice(bodies, 50))
    count = 0
    _pin(SERVER)
    start, cpu = time.perf_counter(), time.process_time()
    for body in cycle(some):
        traces(decompress(body, encoding, config.limits_request_size))
        count += case.spans
        if time.perf_counter() - start > seconds:
            break
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    _pin(SENDER)
    return Cost(count / wall, cpu / count * 1e6)


def _whole(
    case: Case,
    transport: str,
    connect: Callable[[int], Connection],
    bodies: Iterator[bytes],
    seconds: float,
    state: str,
) -> Cost:
    program = ["-m", "otelscore"] if case.compiled else [str(Path(__file__).with_name("interpreted.py"))]
    command = [sys.executable, *program, "serve", f"--root-grace={GRACE}s", f"--late-window={GRACE}s"]
    command += [f"--{listener}=127.0.0.1:0" for listener in ("grpc", "http", "metrics")] + [f"--state={state}"]
    with _process(command, stderr=subprocess.PIPE, env={**os.environ, "OTELSCORE_LOG_FORMAT": "json"}) as server:
        assert server.stderr is not None
        ports = next(said for said in map(json.loads, server.stderr) if said["event"] == "listening")
        port, metrics = (int(ports[name].rpartition(":")[2]) for name in (transport, "metrics"))
        return _measure(case, server.pid, lambda: connect(port), bodies, seconds, lambda: _drain(metrics))


def _drain(port: int) -> None:
    """Returns when every run that the server has taken is final."""
    lines: list[str] = []
    while "otelscore_open_spans 0.0" not in lines:
        time.sleep(4 * GRACE)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
            lines = answer.read().decode().splitlines()
    repeated = next(line for line in lines if line.startswith('otelscore_spans_total{fate="duplicate"}'))
    assert float(repeated.split()[1]) == 0, "spans came twice, which costs less than it should"


def _measure(
    case: Case,
    pid: int,
    connect: Callable[[], Connection],
    bodies: Iterator[bytes],
    seconds: float,
    drain: Callable[[], None] = lambda: None,
) -> Cost:
    drive(connect, bodies, WARM_UP)
    drain()
    start, cpu = time.perf_counter(), _cpu(pid)
    spans = drive(connect, bodies, seconds) * case.spans
    wall = time.perf_counter() - start
    drain()
    return Cost(spans / wall, (_cpu(pid) - cpu) / spans * 1e6)


def _cpu(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def _pin(cores: set[int] | None) -> None:
    if cores:
        os.sched_setaffinity(0, cores)


@contextmanager
def _process(command: list[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A server on its core, killed in the end."""
    server = subprocess.Popen(command, text=True, preexec_fn=lambda: _pin(SERVER), **options)  # noqa: PLW1509
    try:
        yield server
    finally:
        server.kill()
        server.wait()


if __name__ == "__main__":
    main()
