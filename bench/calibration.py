"""How well verdicts on some tasks predict those on others: projected success on real runs.

    python bench/calibration.py FOLDER...

A folder holds `traces.jsonl.gz` (one OTLP/JSON trace request a line) and `truth.jsonl` (one object a line: trace_id,
task_id, verdict `pass` or `fail`). The tasks are split in two, by chance and 25 times: each half predicts the other.
Prints Brier scores (lower is better) against a constant base rate and the article's naive p^n, and the calibration by
length. The projection must beat the base rate on every set.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from otelscore.config import Config
from otelscore.dialects import Context, Registry
from otelscore.ingest.decode import Decoder
from otelscore.pipeline import Pipeline
from otelscore.scoring.projection import Trials, fit_step_success

SPLITS = 25
BUCKETS = 4


@dataclass(frozen=True)
class Run:
    task: str
    steps: int
    failed: int
    passed: bool


def runs_of(folder: Path) -> list[Run]:
    truth = {}
    for line in (folder / "truth.jsonl").read_text().splitlines():
        facts = json.loads(line)
        if facts["verdict"] in ("pass", "fail"):
            truth[facts["trace_id"]] = facts["task_id"], facts["verdict"] == "pass"
    pipeline = Pipeline(Config(), "bench")
    decoder = Decoder(Registry(Context(key=bytes(16))))
    with gzip.open(folder / "traces.jsonl.gz", "rb") as lines:
        for line in lines:
            pipeline.ingest(decoder.traces_json(line), 0.0)
    scores = pipeline.close_all(0.0)
    return [
        Run(truth[score.trace_id][0], score.trajectory_length, score.tool_errors, truth[score.trace_id][1])
        for score in scores
        if score.trace_id in truth and score.trajectory_length
    ]


def predictions(train: list[Run], test: list[Run]) -> dict[str, list[float]]:
    """By name, the probability that each run of `test` passes; the projection falls back to the base rate."""
    base = fmean(run.passed for run in train)
    step = 1 - sum(run.failed for run in train) / sum(run.steps for run in train)
    trials = Trials()
    for run in train:
        trials.count(run.steps, run.passed, 1, run.task)
    fit = fit_step_success(trials)
    return {
        "base rate": [base] * len(test),
        "naive p^n": [step**run.steps for run in test],
        "projected": [fit.after(run.steps) if fit else base for run in test],
    }


def brier(predicted: list[float], runs: list[Run]) -> float:
    return fmean((p - run.passed) ** 2 for p, run in zip(predicted, runs, strict=True))


def report(folder: Path) -> bool:
    runs = runs_of(folder)
    tasks = sorted({run.task for run in runs})
    rates = fmean(run.passed for run in runs)
    print(f"\n## {folder.name}: {len(runs)} runs with a verdict of {len(tasks)} tasks, pass rate {rates:.3f}\n")
    scores: dict[str, list[float]] = defaultdict(list)
    by_run: dict[int, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for seed in range(SPLITS):
        chosen = set(random.Random(seed).sample(tasks, len(tasks) // 2))
        halves = (
            [i for i, run in enumerate(runs) if run.task in chosen],
            [i for i, run in enumerate(runs) if run.task not in chosen],
        )
        for train, test in (halves, halves[::-1]):
            tested = [runs[i] for i in test]
            for name, predicted in predictions([runs[i] for i in train], tested).items():
                scores[name].append(brier(predicted, tested))
                for i, p in zip(test, predicted, strict=True):
                    by_run[i][name].append(p)
    print("| predictor | Brier score | splits better than the base rate |\n| --- | --- | --- |")
    for name, values in scores.items():
        better = fmean(value < base for value, base in zip(values, scores["base rate"], strict=True))
        print(f"| {name} | {fmean(values):.4f} | {better:.0%} |")
    print("\n| steps | runs | passed | projected | naive p^n |\n| --- | --- | --- | --- | --- |")
    order = sorted(range(len(runs)), key=lambda i: runs[i].steps)
    size = -(-len(order) // BUCKETS)
    for start in range(0, len(order), size):
        bucket = order[start : start + size]
        means = {name: fmean(fmean(by_run[i][name]) for i in bucket) for name in ("projected", "naive p^n")}
        lengths = f"{runs[bucket[0]].steps}-{runs[bucket[-1]].steps}"
        passed = fmean(runs[i].passed for i in bucket)
        print(f"| {lengths} | {len(bucket)} | {passed:.2f} | {means['projected']:.2f} | {means['naive p^n']:.2f} |")
    return fmean(scores["projected"]) < fmean(scores["base rate"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    better = [report(folder) for folder in parser.parse_args().folders]
    raise SystemExit(not all(better))


if __name__ == "__main__":
    main()
