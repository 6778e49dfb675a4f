"""What a start costs with a state on disk, as a markdown table: `python bench/restart.py`.

Realistic runs of 20 spans (`payloads.py`, profile `lean`) are stored, once until they are final, once as open ones. The
start is what `otelscore serve` does before it listens: the file is looked over, and everything in it taken back.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from itertools import islice
from pathlib import Path

import structlog
from payloads import SPANS, requests

from otelscore.config import Config
from otelscore.durable import Durable
from otelscore.service import make_decoder, make_reader
from otelscore.store import Store

RUNS = SPANS // 20  # in a request
ROOM = 1 << 40
OPEN = Config(root_grace=3600.0)
FINAL = Config(root_grace=0.5, late_window=0.5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=20_000, help="final runs that are stored, then as many open ones")
    count = parser.parse_args().runs
    structlog.configure(processors=[], logger_factory=structlog.ReturnLoggerFactory())  # only the table is printed
    print("| stored | MB | start: CPU s | wall s | CPU us each |")
    print("| --- | --- | --- | --- | --- |")
    for what, config, each in (
        (f"{count:,} final runs", FINAL, count),
        (f"{20 * count:,} open spans", OPEN, 20 * count),
    ):
        with tempfile.TemporaryDirectory() as folder:
            megabytes = fill(Path(folder), config, count // RUNS)
            wall, cpu = time.perf_counter(), time.process_time()
            _open(Path(folder), config, moment(count // RUNS))
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        print(f"| {what} | {megabytes:.0f} | {cpu:.1f} | {wall:.1f} | {cpu / each * 1e6:.0f} |")


def moment(request: int) -> float:
    """When a request comes: one a second."""
    return 1_000_000.0 + request


def fill(folder: Path, config: Config, count: int) -> float:
    """Takes so many requests; gives the size of the state in MB."""
    now = moment(0)
    store = Store.open(folder, "process", ROOM)
    durable = Durable(config, "bench", lambda: now, store)
    decoder = make_decoder(config, make_reader(config, durable.key))
    for number, body in enumerate(islice(requests("lean"), count)):
        now = moment(number)
        durable.accept(decoder.traces(body))
        durable.tick()
    now = moment(count)
    durable.tick()
    size = store.size()
    store.close()
    return size / 1e6


def _open(folder: Path, config: Config, now: float) -> None:
    store = Store.open(folder, "process", ROOM)
    Durable(config, "bench", lambda: now, store)
    store.close()


if __name__ == "__main__":
    main()
