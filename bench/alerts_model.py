"""How often the pages on rises fire for steady traffic, by their arithmetic alone: bench/alerts.py without Prometheus.

    python bench/alerts_model.py [--rates 10 60 600] [--agents 4] [--days 90] [--seeds 1 2]

The same agents as there and the thresholds of deploy/prometheus/alerts.yaml, for OtelscoreStepSuccessDropped and
OtelscoreTaskPassDropped, which are the pages that steady traffic gets. It takes minutes where Prometheus takes an hour,
so many more days can be told. What it leaves out: how `increase()` extrapolates, and the other pages.
"""

from __future__ import annotations

import argparse
import re
from itertools import product

import numpy as np
from alerts import DAY, HOUR, LATE_WINDOW, LEARN, MINUTE, RATES, ROOT_GRACE, WINDOWS, Runs, pages, simulate, totals
from numpy.random import default_rng
from scipy import stats

UNITS = {"m": MINUTE, "h": HOUR, "d": DAY}
KEEP = 15 * MINUTE
FACTOR, LEAST = 1.5, 10  # of the usual share; failures


def bars(alert: str) -> list[tuple[str, float, str | None]]:
    """Of each range of an alert what z must exceed, and the shorter range that must still be worse, if any."""
    (expression,) = (rule["expr"] for rule in pages() if rule["alert"] == alert)
    found = []
    for clause in re.split(r"\bor\b", expression):
        (length, bar), *shorter = re.findall(r"rise_z(\d+[mhd]) > ([\d.]+)", clause)
        found.append((length, float(bar), shorter[0][0] if shorter else None))
    return found


def design_effect(runs: Runs, times: np.ndarray) -> np.ndarray:
    """The largest of the windows, as rules.yaml gets it back from otelscore's intervals."""
    n, e, closed = runs.steps, runs.failed, runs.ended + ROOT_GRACE
    largest = np.ones(len(times))
    for length in WINDOWS.values():
        columns = (np.ones_like(n), n, e, n * n, e * e, n * e)
        k, n_, e_, nn, ee, ne = (totals(c, closed, times) - totals(c, closed, times - length) for c in columns)
        with np.errstate(all="ignore"):
            share = e_ / n_
            effect = (ee - 2 * share * ne + share**2 * nn) * k / (k - 1) / (n_ * share * (1 - share))
            effect = np.maximum(effect, 1) * (stats.t.ppf(0.975, np.maximum(k - 1, 1)) / 1.96) ** 2
        largest = np.fmax(largest, np.where(np.isfinite(effect), effect, 1))
    return largest


def fired(alert: str, all_: np.ndarray, bad: np.ndarray, ended: np.ndarray, times: np.ndarray, deff: np.ndarray) -> int:
    """How often an alert on the share of `bad` in `all_`, one value a run each, would have paged."""
    final = ended + ROOT_GRACE + LATE_WINDOW
    hours = (times - DAY) // HOUR * HOUR
    base = [totals(c, final, hours) - totals(c, final, hours - 7 * DAY) for c in (all_, bad)]
    usual = (base[1] + 1) / base[0]

    def rise(name: str) -> tuple[np.ndarray, np.ndarray]:
        length = int(name[:-1]) * UNITS[name[-1]]
        n, e = (totals(c, final, times) - totals(c, final, times - length) for c in (all_, bad))
        with np.errstate(all="ignore"):
            share = np.where(n > 0, e / n, 0)
            z = 2 * (np.arcsin(np.sqrt(share)) - np.arcsin(np.sqrt(usual))) / np.sqrt((1 / n + 1 / base[0]) * deff)
        return np.where(share > FACTOR * usual, z, -np.inf), e

    on = np.zeros(len(times), bool)
    for name, bar, shorter in bars(alert):
        z, failures = rise(name)
        worse = (z > bar) & (failures >= LEAST)
        on |= worse & (rise(shorter)[0] > 1) if shorter else worse
    at = times[on]
    return len(at[:1]) + int((np.diff(at) > KEEP).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", type=int, nargs="+", default=RATES, help="of runs an hour")
    parser.add_argument("--agents", type=int, default=4, help="for each seed")
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    print("| runs an hour | agents | step pages | verdict pages | an agent in 90 days, 95% interval |")
    print("| --- | --- | --- | --- | --- |")
    for rate in options.rates:
        steps = verdicts = 0
        for seed, agent in product(options.seeds, range(options.agents)):
            length = (options.days + 9) * DAY
            runs = simulate(default_rng([seed, rate, 1000 + agent]), rate, length)
            times = np.arange(LEARN, length, MINUTE)
            each = np.ones_like(runs.steps)
            effect = design_effect(runs, times)
            steps += fired("OtelscoreStepSuccessDropped", runs.steps, runs.failed, runs.ended, times, effect)
            verdicts += fired("OtelscoreTaskPassDropped", each, ~runs.passed, runs.ended, times, np.ones(1))
        agents, found = options.agents * len(options.seeds), steps + verdicts
        least, most = stats.chi2.ppf(0.025, 2 * found) / 2 if found else 0, stats.chi2.ppf(0.975, 2 * found + 2) / 2
        per = 90 / options.days / agents
        print(
            f"| {rate} | {agents} | {steps} | {verdicts} | {found * per:.2f}, {least * per:.2f} to {most * per:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
