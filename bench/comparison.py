"""How often `otelscore compare` finds a difference where there is none.

    python bench/comparison.py [--reps 2000] [--seed 11]

Prints, for each world and pair of sizes, the share of p-values under 0.05, and the share of 95% intervals of the
difference that leave out 0: both should be 0.05. Runs have 5 to 60 steps, 97% of which succeed on average.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from otelscore.scoring.comparison import difference
from otelscore.scoring.intervals import ClusterSums

SIZES = ((20, 20), (100, 100), (20, 100))
SUCCESS = 0.97

World = Callable[[Generator, int], ClusterSums]


def runs(hazard: Callable[[Generator, int], np.ndarray]) -> World:
    """Steps of runs, each with a success of its own."""

    def group(dice: Generator, count: int) -> ClusterSums:
        steps = dice.integers(5, 61, count)
        failed = dice.binomial(steps, 1 - hazard(dice, count))
        sums = ClusterSums()
        for trials, failures in zip(steps.tolist(), failed.tolist(), strict=True):
            sums.count(trials, failures, 1)
        return sums

    return group


def spread(correlation: float) -> World:
    """Beta-distributed, with so much correlation between two steps of a run."""
    strength = 1 / correlation - 1
    return runs(lambda dice, count: dice.beta(SUCCESS * strength, (1 - SUCCESS) * strength, count))


def tasks(dice: Generator, count: int) -> ClusterSums:
    """Tasks that pass or fail, 70% pass."""
    sums = ClusterSums()
    for failed in (dice.random(count) > 0.7).tolist():
        sums.count(1, int(failed), 1)
    return sums


WORLDS: dict[str, World] = {
    "runs all alike": runs(lambda _, count: np.full(count, SUCCESS)),
    "spread 0.01": spread(0.01),
    "spread 0.05": spread(0.05),
    "spread 0.15": spread(0.15),
    "7% bad runs": runs(lambda dice, count: np.where(dice.random(count) < 0.07, 0.7, 0.99)),
    "tasks": tasks,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=11)
    given = parser.parse_args()
    dice = np.random.default_rng(given.seed)
    print("| world | runs | p < 0.05 | interval without 0 |\n| --- | --- | --- | --- |")
    for name, world in WORLDS.items():
        for first, second in SIZES:
            found = [difference(world(dice, first), world(dice, second)) for _ in range(given.reps)]
            told = [one for one in found if one is not None]
            low = np.mean([one.p_value < 0.05 for one in told])
            beside = np.mean([not one.lower <= 0 <= one.upper for one in told])
            print(f"| {name} | {first} against {second} | {low:.3f} | {beside:.3f} |", flush=True)


if __name__ == "__main__":
    main()
