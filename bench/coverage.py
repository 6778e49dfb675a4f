"""How often the intervals hold the truth: simulated agents whose true figures are known.

    python bench/coverage.py [--reps 1000] [--seed 1]

Prints, for each world and sample size, the share of samples whose nominal 95% interval held the truth, and the share of
samples in which there was a figure at all. Runs have 5 to 60 steps, 97% of which succeed on average.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from scipy.special import ndtr

from otelscore.scoring.intervals import ClusterSums, success_interval
from otelscore.scoring.projection import REACHED, Trials, fit_step_success
from otelscore.scoring.survival import LifeTable, kaplan_meier

SIZES = (20, 100, 1000)
HORIZONS = (10, 20, 50)
SHORTEST, LONGEST = 5, 60
SUCCESS, RECOVERED = 0.97, 0.6
TRUTH_RUNS = 400_000


@dataclass
class Sample:
    """One value a run: steps, failed ones, and the steps (from 1) of the first failure and unrecovered one; 0: none."""

    steps: np.ndarray
    failed: np.ndarray
    first_failed: np.ndarray
    first_unrecovered: np.ndarray


def errors_of(dice: Generator, success: np.ndarray, burst: float | None = None) -> np.ndarray:
    """Whether each step failed, one row a run; `burst`: chance of an error right after another one."""
    drawn = dice.random((len(success), LONGEST))
    failed = drawn < (1 - success)[:, None]
    if burst is not None:
        for step in range(1, LONGEST):
            failed[:, step] = np.where(failed[:, step - 1], drawn[:, step] < burst, failed[:, step])
    return failed


def sample(dice: Generator, failed: np.ndarray, lengths: np.ndarray, abandon: float = 0.0) -> Sample:
    runs = len(failed)
    taken = np.arange(1, LONGEST + 1) <= lengths[:, None]
    failed = failed & taken
    gives_up = failed.any(1) & (dice.random(runs) < abandon)
    steps = np.where(gives_up, failed.argmax(1) + 1, lengths)
    failed &= np.arange(1, LONGEST + 1) <= steps[:, None]
    unrecovered = failed & (gives_up[:, None] | (dice.random(failed.shape) > RECOVERED))
    return Sample(steps, failed.sum(1), _first(failed), _first(unrecovered))


def _first(events: np.ndarray) -> np.ndarray:
    return np.where(events.any(1), events.argmax(1) + 1, 0)


def spread(correlation: float) -> Callable[[Generator, int], np.ndarray]:
    """Success per step of each run, beta distributed; `correlation` of two steps of one run."""
    concentration = 1 / correlation - 1
    return lambda dice, runs: dice.beta(SUCCESS * concentration, (1 - SUCCESS) * concentration, runs)


def alike(_: Generator, runs: int) -> np.ndarray:
    return np.full(runs, SUCCESS)


def mixed(dice: Generator, runs: int) -> np.ndarray:
    return np.where(dice.random(runs) < 0.07, 0.70, 0.99)


World = Callable[[Generator, np.ndarray], Sample]
"""From the lengths that runs would have to the runs."""


def world(success: Callable[[Generator, int], np.ndarray], burst: float | None = None, abandon: float = 0.0) -> World:
    def make(dice: Generator, lengths: np.ndarray) -> Sample:
        return sample(dice, errors_of(dice, success(dice, len(lengths)), burst), lengths, abandon)

    return make


WORLDS: dict[str, World] = {
    "all runs alike": world(alike),
    "spread 0.01": world(spread(0.01)),
    "spread 0.05": world(spread(0.05)),
    "spread 0.15": world(spread(0.15)),
    "bursts": world(lambda _, runs: np.full(runs, 0.98), burst=0.35),
    "half give up": world(spread(0.05), abandon=0.5),
    "7% bad runs": world(mixed),
}


DIFFERENT = {
    "7% bad runs": mixed,
    **{f"spread {correlation}": spread(correlation) for correlation in (0.01, 0.05, 0.15)},
}


def lengths_of(dice: Generator, runs: int) -> np.ndarray:
    return dice.integers(SHORTEST, LONGEST + 1, runs)


Interval = tuple[float, float]


def figures_of(runs: Sample) -> Iterator[tuple[str, Interval]]:
    sums, error_free, survival = ClusterSums(), LifeTable(), LifeTable()
    columns = (runs.steps, runs.failed, runs.first_failed, runs.first_unrecovered)
    for steps, failed, first_failed, first_unrecovered in zip(*(column.tolist() for column in columns), strict=True):
        sums.count(steps, failed, 1)
        error_free.count(steps, first_failed or None, 1)
        survival.count(steps, first_unrecovered or None, 1)
    interval = success_interval(sums)
    if interval is not None:
        yield "step success", interval
    for name, table in (("error free", error_free), ("survival", survival)):
        for point in kaplan_meier(table, HORIZONS):
            if point.interval is not None:
                yield f"{name} at {point.steps}", point.interval


def truth_of(make: World, dice: Generator) -> dict[str, float]:
    """The figures of so many runs that chance plays no part; survival as if every run went on to the longest length."""
    runs = make(dice, lengths_of(dice, TRUTH_RUNS))
    truth = {"step success": 1 - float(runs.failed.sum() / runs.steps.sum())}
    runs = make(dice, np.full(TRUTH_RUNS, LONGEST))
    for name, first in (("error free", runs.first_failed), ("survival", runs.first_unrecovered)):
        truth |= {f"{name} at {n}": float(((first == 0) | (first > n)).mean()) for n in HORIZONS}
    return truth


def verdicts(dice: Generator, runs: int, success: np.ndarray, per_task: int = 1, agree: float = 0.0) -> Trials:
    """Verdicts of runs that pass with s^n; `agree`: correlation of what decides two runs of one task."""
    lengths = lengths_of(dice, runs)
    task = np.arange(runs) // per_task
    luck = agree**0.5 * dice.standard_normal(task[-1] + 1)[task] + (1 - agree) ** 0.5 * dice.standard_normal(runs)
    passed = ndtr(luck) < success**lengths
    trials = Trials()
    for n, won, name in zip(lengths.tolist(), passed.tolist(), task.tolist(), strict=True):
        trials.count(n, won, 1, str(name) if per_task > 1 else "")
    return trials


def print_row(name: str, runs: int, held: dict[str, list[bool]], reps: int, columns: list[str]) -> None:
    cells = []
    for column in columns:
        hits = held.get(column, [])
        share = len(hits) / reps
        cells.append("-" if not hits else f"{np.mean(hits):.3f}" + ("" if share > 0.995 else f" ({share:.0%})"))
    print(f"| {name} | {runs} | " + " | ".join(cells) + " |", flush=True)


def print_head(*columns: str) -> None:
    print("| " + " | ".join(columns) + " |")
    print("|" + " --- |" * len(columns), flush=True)


def coverage(reps: int, seed: int) -> None:
    columns = ["step success", *(f"{name} at {n}" for name in ("error free", "survival") for n in HORIZONS)]
    print_head("world", "runs", *columns)
    for index, (name, make) in enumerate(WORLDS.items()):
        dice = np.random.default_rng([seed, index])
        truth = truth_of(make, dice)
        for runs in SIZES:
            held: dict[str, list[bool]] = {}
            for _ in range(reps):
                for figure, (lower, upper) in figures_of(make(dice, lengths_of(dice, runs))):
                    held.setdefault(figure, []).append(lower <= truth[figure] <= upper)
            print_row(name, runs, held, reps, columns)


def projection(reps: int, seed: int) -> None:
    print_head("verdicts", "runs", "step success", *(f"projected at {n}" for n in HORIZONS))
    for index, (name, per_task, agree) in enumerate(
        (("independent", 1, 0.0), ("4 a task", 4, 0.5), ("10 a task", 10, 0.8))
    ):
        dice = np.random.default_rng([seed, 100 + index])
        for runs in SIZES:
            held: dict[str, list[bool]] = {}
            for _ in range(reps):
                trials = verdicts(dice, runs, np.full(runs, SUCCESS), per_task, agree)
                fit = fit_step_success(trials)
                if fit is not None:
                    holds = fit.lower <= SUCCESS <= fit.upper
                    held.setdefault("step success", []).append(holds)
                    for n in HORIZONS:
                        if trials.reached(n) >= REACHED:
                            lower, upper = fit.bounds_after(n)
                            held.setdefault(f"projected at {n}", []).append(lower <= SUCCESS**n <= upper)
            print_row(name, runs, held, reps, ["step success", *(f"projected at {n}" for n in HORIZONS)])


def bias(reps: int, seed: int) -> None:
    """Runs that differ: how far the projection and s^N are off on average, and how often its interval holds."""
    print_head("runs differ by", "verdicts", *(f"at {n}: truth, bias, of s^N, held" for n in HORIZONS))
    for index, (name, make) in enumerate(DIFFERENT.items()):
        dice = np.random.default_rng([seed, 200 + index])
        truth = make(dice, TRUTH_RUNS)
        for runs in SIZES[1:]:
            fits = [fit for _ in range(reps) if (fit := fit_step_success(verdicts(dice, runs, make(dice, runs))))]
            cells = []
            for n in HORIZONS:
                right = float((truth**n).mean())
                off = np.mean([fit.after(n) for fit in fits]) - right
                alike = np.mean([fit.value**n for fit in fits]) - right
                held = np.mean([lower <= right <= upper for lower, upper in (fit.bounds_after(n) for fit in fits)])
                cells.append(f"{right:.3f}, {off:+.3f}, {alike:+.3f}, {held:.2f}")
            print(f"| {name} | {runs} | " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reps", type=int, default=1000, help="samples of each size in each world")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print("Share of samples whose 95% interval holds the truth (share of samples that give a figure).\n")
    coverage(options.reps, options.seed)
    print("\nThe same for what verdicts imply, in worlds of one hazard.\n")
    projection(options.reps, options.seed)
    print("\nBias of the projected success where runs differ, that of s^N alone, and how often its interval holds.\n")
    bias(min(options.reps, 400), options.seed)


if __name__ == "__main__":
    main()
