"""How soon the alerts page for a real drop, and how often for none: the real rules in a real Prometheus.

    python bench/alerts.py [--agents 20] [--steady 5] [--days 90] [--seed 1]

Agents of 10, 60 and 600 runs an hour are simulated; each run has 10 to 20 steps, and runs differ as `spread 0.05` of
bench/coverage.py does (two steps of one run correlate by 0.05). What otelscore would export of them (counters as runs
become final, gauges with otelscore's own intervals) goes through `promtool` into a Prometheus, which then evaluates the
alerts of deploy/prometheus over the whole time. Recorded series are put into the alerts as their own expressions, which
gives the values that Prometheus would have recorded. Needs Debian's package prometheus.

Prints, for each change, the delay from the change to the first page, as the median and the slowest agent; and the pages
per agent of steady traffic over so many days, where pages that follow within `keep_firing_for` are one.
"""

from __future__ import annotations

import argparse
import json
import re
import socket
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, product
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.random import Generator, default_rng

from otelscore.scoring.intervals import ClusterSums, success_interval

RULES = Path(__file__).parent.parent / "deploy" / "prometheus"
EPOCH = 1_750_003_200  # a full day
MINUTE, HOUR, DAY = 60, 3600, 86400
RATES = (10, 60, 600)  # runs an hour
CORRELATION = 0.05
ROOT_GRACE, LATE_WINDOW = 10, 120
LEARN = 9 * DAY  # before a change; the baseline is a week that ends a day ago
RUNS_AFTER = 400  # a change; beyond it, a page does not count
POINTS = 10_000  # of one range query; Prometheus allows 11,000
WINDOWS = {"1h": HOUR, "6h": 6 * HOUR, "24h": DAY}
STEADY, BEST = 0.99, 0.9
TARGET = 0.98  # of step success; the other targets are the default ones


@dataclass(frozen=True)
class Change:
    name: str
    success: float = STEADY  # of a step
    passed: float = BEST  # of a task


CHANGES = (
    Change("steps 0.99 to 0.97", success=0.97),
    Change("steps 0.99 to 0.90", success=0.90),
    Change("verdicts 0.9 to 0.7", passed=0.7),
)


@dataclass(frozen=True)
class Runs:
    """One value a run, in order of their ends (seconds since the epoch above)."""

    ended: np.ndarray
    steps: np.ndarray
    failed: np.ndarray
    unrecovered: np.ndarray
    passed: np.ndarray
    crashed: np.ndarray


def simulate(dice: Generator, rate: float, length: float, change: Change | None = None, at: float = 0.0) -> Runs:
    """Poisson traffic of one agent; from `at` on it is as `change` says."""
    ended = np.sort(dice.random(dice.poisson(rate * length / HOUR)) * length)
    steps = dice.integers(10, 21, len(ended))
    changed = (ended >= at) & (change is not None)
    change = change or Change("")
    success = np.where(changed, change.success, STEADY)
    concentration = 1 / CORRELATION - 1
    failed = dice.binomial(steps, 1 - dice.beta(success * concentration, (1 - success) * concentration))
    passed = dice.random(len(ended)) < np.where(changed, change.passed, BEST)
    return Runs(ended, steps, failed, dice.binomial(failed, 0.3), passed, dice.random(len(ended)) < 0.01)


def totals(values: np.ndarray, ended: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Sum over the runs that ended by each time."""
    sums = np.concatenate(([0], np.cumsum(values)))
    return sums[np.searchsorted(ended, times, side="right")]


def counters(runs: Runs, times: np.ndarray) -> Iterator[tuple[str, dict[str, str], np.ndarray]]:
    """As otelscore.scoring.totals counts, when a run is final."""
    step = {"kind": "tool", "tool": "search", "step_agent": "planner"}
    error = {"tool": "search", "step_agent": "planner", "error_class": "timeout"}
    judged = {"errors": "none", "hard_failure": "false"}
    counts = (
        ("steps_total", step | {"attempt": "first", "outcome": "ok"}, runs.steps - runs.failed),
        ("steps_total", step | {"attempt": "first", "outcome": "error"}, runs.failed),
        (
            "step_errors_total",
            error | {"response": "retried", "recovered": "true"},
            runs.failed - runs.unrecovered,
        ),
        ("step_errors_total", error | {"response": "concluded", "recovered": "false"}, runs.unrecovered),
        ("trajectories_total", {"outcome": "completed"}, ~runs.crashed),
        ("trajectories_total", {"outcome": "failed"}, runs.crashed),
        ("judged_trajectories_total", judged | {"verdict": "pass"}, runs.passed),
        ("judged_trajectories_total", judged | {"verdict": "fail"}, ~runs.passed),
        ("trajectory_step_success_ratio_bucket", {"le": "0.999"}, runs.failed > 0),
    )
    for name, labels, values in counts:
        yield name, labels, totals(values, runs.ended + ROOT_GRACE + LATE_WINDOW, times)


def gauges(runs: Runs, times: np.ndarray) -> Iterator[tuple[str, dict[str, str], np.ndarray]]:
    """As otelscore.scoring.figures computes them, from the sums of the runs that closed within each window."""
    n, e = runs.steps, runs.failed
    columns = [np.ones_like(n), n, e, n * n, e * e, n * e]
    closed = runs.ended + ROOT_GRACE
    for window, length in WINDOWS.items():
        sums = np.array([totals(c, closed, times) - totals(c, closed, times - length) for c in columns])
        found = np.full((3, len(times)), np.nan)
        known: dict[tuple[int, ...], tuple[float, float, float]] = {}
        for i, key in enumerate(map(tuple, sums.T.tolist())):
            if key not in known:
                clusters = ClusterSums(*key)
                interval = success_interval(clusters)
                success = clusters.success
                known[key] = (
                    np.nan if success is None else success,
                    np.nan if interval is None else interval[0],
                    clusters.trials,
                )
            found[:, i] = known[key]
        for name, values in zip(("step_success_ratio", "step_success_ratio_lower", "window_steps"), found, strict=True):
            yield name, {"window": window}, values


def text(name: str, labels: dict[str, str], times: np.ndarray, values: np.ndarray) -> Iterator[str]:
    """A series in OpenMetrics; there is no sample where there is no value. Times are since the epoch above."""
    inner = ",".join(f'{key}="{value}"' for key, value in labels.items())
    head = f"{name}{{{inner}}} "
    keep = ~np.isnan(values.astype(float))
    stamps = (times[keep] + EPOCH).tolist()
    return (f"{head}{value!r} {stamp}\n" for value, stamp in zip(values[keep].tolist(), stamps, strict=True))


def write(folder: Path, lines: Iterable[str]) -> None:
    """Puts OpenMetrics lines into a Prometheus database."""
    file = folder / "series.txt"
    with file.open("w") as written:
        written.writelines(lines)
        written.write("# EOF\n")
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=486h"]
    subprocess.run([*command, "-q", str(file), str(folder / "data")], check=True)
    file.unlink()


def exported(agent: str, runs: Runs, times: np.ndarray) -> Iterator[str]:
    """What Prometheus would have scraped of an agent at these times."""
    for make in (counters, gauges):
        for name, labels, values in make(runs, times):
            yield from text(f"otelscore_{name}", {"service_name": "bench", "agent": agent} | labels, times, values)


def targets(times: np.ndarray) -> Iterator[str]:
    """The targets, as their rules would have recorded them."""
    for rule in recorded():
        if rule["record"].startswith("otelscore:target:"):
            value = float(rule["expr"].removeprefix("vector(").removesuffix(")"))
            value = TARGET if rule["record"] == "otelscore:target:step_success" else value
            yield from text(rule["record"], rule.get("labels", {}), times, np.full(len(times), value))


class Prometheus:
    """A real server on the data in a folder; it scrapes nothing and evaluates what it is asked."""

    def __init__(self, folder: Path) -> None:
        (folder / "prometheus.yml").write_text("")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        self.process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address={self.address}",
                "--storage.tsdb.retention.time=100y",
                "--query.timeout=1h",
                "--query.max-samples=500000000",
                "--log.level=error",
            ]
        )

    def __enter__(self) -> Prometheus:
        while not self._ready():
            time.sleep(0.1)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()

    def _ready(self) -> bool:
        try:
            return bool(urllib.request.urlopen(f"http://{self.address}/-/ready").status == 200)
        except OSError:
            return False

    def evaluate(self, expression: str, times: np.ndarray) -> Iterator[tuple[dict[str, str], np.ndarray, np.ndarray]]:
        """Labels, times and values of each series that an expression gives at these times, which are evenly spaced."""
        for start in range(0, len(times), POINTS):
            asked = times[start : start + POINTS] + EPOCH
            query = {"query": expression, "start": asked[0], "end": asked[-1], "step": int(times[1] - times[0])}
            url = f"http://{self.address}/api/v1/query_range"
            with urllib.request.urlopen(url, urllib.parse.urlencode(query).encode()) as answer:
                for series in json.load(answer)["data"]["result"]:
                    stamps, values = zip(*series["values"], strict=True)
                    labels = {key: value for key, value in series["metric"].items() if key != "__name__"}
                    yield labels, np.array(stamps, dtype=int) - EPOCH, np.array(values, dtype=float)


def recorded() -> list[dict[str, Any]]:
    """Every recording rule, in order."""
    groups = yaml.safe_load((RULES / "rules.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


RECORDED = re.compile(r"\b(?:agent|tool):otelscore_\w+:\w+")


def spelled_out(expression: str, stored: Container[str] = ()) -> str:
    """The expression with every recorded series, but the stored ones, replaced by what its rule says."""
    rules = {rule["record"]: rule["expr"] for rule in recorded()}

    def replaced(found: re.Match[str]) -> str:
        return found[0] if found[0] in stored else f"({spelled_out(rules[found[0]], stored)})"

    return RECORDED.sub(replaced, expression)


def pages() -> list[dict[str, Any]]:
    """The alerts on agents that page."""
    rules = yaml.safe_load((RULES / "alerts.yaml").read_text())["groups"][0]["rules"]
    return [rule for rule in rules if rule["labels"]["severity"] == "critical"]


def record(folder: Path, times: np.ndarray) -> set[str]:
    """Evaluates and stores what the pages stand on, rules on other rules after these; gives the names."""
    rules = {rule["record"]: rule["expr"] for rule in recorded()}
    below = {name: set(RECORDED.findall(expression)) for name, expression in rules.items()}
    needed = {name for rule in pages() for name in RECORDED.findall(rule["expr"])}
    while more := {name for found in needed for name in below[found]} - needed:
        needed |= more
    done: set[str] = set()
    while batch := {name for name in needed - done if below[name] <= done}:
        with Prometheus(folder) as prometheus:
            found = (
                text(name, labels, at, values)
                for name in sorted(batch)
                for labels, at, values in prometheus.evaluate(rules[name], times)
            )
            write(folder, chain.from_iterable(found))
        done |= batch
    return done


def firing(folder: Path, times: np.ndarray, stored: Container[str] = ()) -> dict[str, dict[str, list[float]]]:
    """By alert and agent, the times at which it fires."""
    found: dict[str, dict[str, list[float]]] = {}
    with Prometheus(folder) as prometheus:
        for rule in pages():
            agents = found.setdefault(rule["alert"], {})
            for labels, at, _ in prometheus.evaluate(spelled_out(rule["expr"], stored), times):
                agents[labels["agent"]] = sorted({*agents.get(labels["agent"], ()), *at.tolist()})
    return found


def delays(rate: int, change: Change, agents: int, seed: int, folder: Path) -> str:
    """A row of the table: runs and minutes from the change to the first page."""
    end = LEARN + RUNS_AFTER * HOUR // rate
    calm = np.arange(0, LEARN - HOUR, 5 * MINUTE)
    times = np.arange(LEARN - HOUR, end, MINUTE)
    simulated = {f"agent-{i}": simulate(default_rng([seed, rate, i]), rate, end, change, LEARN) for i in range(agents)}
    scraped = np.concatenate((calm, times))
    write(folder, (line for agent, runs in simulated.items() for line in exported(agent, runs, scraped)))
    write(folder, targets(scraped))
    first: dict[str, tuple[float, str]] = {}
    for alert, by_agent in firing(folder, times[times >= LEARN]).items():
        for agent, at in by_agent.items():
            first[agent] = min(first.get(agent, (np.inf, "")), (at[0] + MINUTE, alert))  # alerts follow the rules
    minutes = [first.get(agent, (np.inf, ""))[0] - LEARN for agent in simulated]
    runs = [
        np.inf if late == np.inf else int(((run.ended >= LEARN) & (run.ended < LEARN + late)).sum())
        for late, run in zip(minutes, simulated.values(), strict=True)
    ]
    by = Counter(alert for _, alert in first.values()).most_common()
    within = sum(count <= 200 for count in runs)
    words = ", ".join(f"{alert} {count}" for alert, count in by)
    middle, last = (np.quantile(runs, share, method="higher") for share in (0.5, 1))
    waited = [np.quantile(minutes, share, method="higher") / MINUTE for share in (0.5, 1)]
    return (
        f"| {change.name} | {rate} | {middle:.0f} | {last:.0f} | {within} of {agents} "
        f"| {waited[0]:.0f} | {waited[1]:.0f} | {words} |"
    )


def false_pages(rate: int, agents: int, days: int, seed: int, folder: Path) -> str:
    """A row of the table: pages of steady traffic."""
    length = (days + 9) * DAY
    times = np.arange(0, length, MINUTE)
    for i in range(agents):
        runs = simulate(default_rng([seed, rate, 1000 + i]), rate, length)
        write(folder, exported(f"agent-{i}", runs, times))
    write(folder, targets(times))
    found = firing(folder, times[times >= LEARN], record(folder, times))
    counts: Counter[str] = Counter()
    for rule in pages():
        keep = MINUTE * float(rule["keep_firing_for"].removesuffix("m"))
        for at in found[rule["alert"]].values():
            counts[rule["alert"]] += 1 + int((np.diff(at) > keep).sum())
    pages_each = counts.total() / agents * 90 / days
    words = ", ".join(f"{alert} {count}" for alert, count in counts.most_common()) or "none"
    return f"| {rate} | {agents} | {days} | {pages_each:.2f} | {words} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=20, help="that change, for each change and traffic; 0: skip")
    parser.add_argument("--steady", type=int, default=5, help="agents of steady traffic; 0: skip")
    parser.add_argument("--days", type=int, default=90, help="of steady traffic, after nine for the baseline")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.agents:
        print(
            "| change | runs an hour | runs, median | slowest | in 200 runs | minutes, median | slowest | first page |"
        )
        print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for change, rate in product(CHANGES, RATES) if options.agents else ():
        with tempfile.TemporaryDirectory() as folder:
            print(delays(rate, change, options.agents, options.seed, Path(folder)), flush=True)
    if options.steady:
        print("\n| runs an hour | agents | days | pages an agent in 90 days | which |\n| --- | --- | --- | --- | --- |")
    for rate in RATES if options.steady else ():
        with tempfile.TemporaryDirectory() as folder:
            print(false_pages(rate, options.steady, options.days, options.seed, Path(folder)), flush=True)


if __name__ == "__main__":
    main()
