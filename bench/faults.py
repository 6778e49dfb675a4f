"""Faults for as long as one likes: `python bench/faults.py --kills 100` or `--schedules 20`, with `--seed`.

A real server under load from real exporters is killed, or has a random schedule of faults happen to it; after each
round its counters, windows and scores must be those of an undisturbed server that was sent what the first one
acknowledged. The harness is that of tests/faults.
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
from pathlib import Path
from random import Random, randrange

sys.path.pop(0)  # bench, where this very file has the harness's name
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from faults.disks import DISKS, Quota
from faults.schedule import FAULTS, play
from faults.site import Load, Site, disagreements, undisturbed, unsettled
from live import Server

RUNS = 8  # of each stream in a round with one kill
WITHIN = 0.5  # seconds: kills come while runs arrive, close and become final
LONGEST = 8  # faults in a schedule


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=0, help="rounds with one SIGKILL each, on one state")
    parser.add_argument("--schedules", type=int, default=0, help="random schedules, each on a state of its own")
    parser.add_argument("--seed", type=int, default=randrange(10**6))
    options = parser.parse_args()
    logging.disable()  # the exporters' complaints
    print(f"seed {options.seed}")
    if options.kills:
        kills(options.kills, options.seed)
    for number in range(options.schedules):
        schedule(options.seed + number)


def kills(count: int, seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        site, reference = Site(Quota(Path(folder) / "disk")), undisturbed(Path(folder) / "undisturbed")
        try:
            print("| kill | requests | acknowledged | unanswered, taken | runs | steps | sent again | seconds |")
            print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
            for number in range(count):
                began = time.monotonic()
                load = Load(seed * 1000 + number, RUNS)
                play(site, load, Random(seed * 1000 + number), ["kill"], within=WITHIN)
                if found := unsettled(site, load, reference):
                    raise SystemExit("\n".join(found))
                print("| " + " | ".join([str(number + 1), *row(site, load), f"{time.monotonic() - began:.1f}"]) + " |")
            assert not site.watch.wrong, site.watch.wrong
            print(f"{count} kills: what was acknowledged and what was counted agree each time")
        finally:
            site.close()
            end(reference)


def row(site: Site, load: Load) -> list[str]:
    told = load.once.told
    taken = len(load.counted(site)) - len(told["acknowledged"])
    sums = [site.server.value(name) or 0.0 for name in ("trajectories_total", "steps_total")]
    numbers = [load.requests, load.requests - len(told["none"]), taken, *sums]
    return [f"{number:.0f}" for number in [*numbers, site.server.value("spans_total", fate="duplicate") or 0.0]]


def schedule(seed: int) -> None:
    chance = Random(seed)
    names = [chance.choice(list(FAULTS)) for _ in range(chance.randrange(2, LONGEST))]
    disk = chance.choice(list(DISKS))
    print(f"schedule {seed} on a {disk}: {', '.join(names)}", end=" ", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        site, reference = Site(DISKS[disk](Path(folder) / "disk")), undisturbed(Path(folder) / "undisturbed")
        try:
            load = Load(seed, 4 * len(names))
            play(site, load, chance, names)
            if found := disagreements(site, load, reference):
                raise SystemExit("\n".join(found))
        finally:
            site.close()
            end(reference)
    print("agrees")


def end(server: Server) -> None:
    server.process.kill()
    server.process.wait()


if __name__ == "__main__":
    main()
