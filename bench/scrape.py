"""What a scrape costs: figures of many agents in four windows, and their text.

    python bench/scrape.py [--runs 200]

Every agent has so many runs with verdicts in every window. Prints CPU milliseconds: all agents changed since the last
scrape, 5% of them, none; and the text of all of it.
"""

from __future__ import annotations

import argparse
import gc
import random
import time
from collections.abc import Callable
from functools import partial

from otelscore.config import Config
from otelscore.export.prometheus import text_of
from otelscore.model import Outcome
from otelscore.scoring.figures import Figures
from otelscore.scoring.rows import Row
from otelscore.scoring.score import Errors
from otelscore.scoring.window import Windows

TOOLS = ("search", "read_file", "send_mail", "query")


def row(dice: random.Random, agent: str) -> Row:
    steps = dice.randint(5, 60)
    errors = [step for step in range(steps) if dice.random() < 0.03]
    unrecovered = [step for step in errors if dice.random() < 0.4]
    passed = dice.random() < 0.98**steps
    fate = Errors.UNRECOVERED if unrecovered else Errors.RECOVERED if errors else Errors.NONE
    return Row(
        labels=("shop", agent),
        outcome=Outcome.COMPLETED,
        hard_failure=False,
        verdict=passed,
        errors=fate,
        silent=not passed and not unrecovered,
        steps=steps,
        failed=len(errors),
        first_failed=errors[0] if errors else None,
        first_unrecovered=unrecovered[0] if unrecovered else None,
        responses=len(errors),
        sane=len(errors),
        resolutions=len(errors),
        recovered=len(errors) - len(unrecovered),
        tools=tuple((tool, steps // 8, len(errors) // 4) for tool in TOOLS),
        cluster="",
    )


def cost(act: Callable[[], object]) -> float:
    before = time.process_time()
    act()
    return (time.process_time() - before) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200, help="runs of each agent")
    runs = parser.parse_args().runs
    gc.set_threshold(100_000, 5, 2)  # as `otelscore serve` does
    config, dice = Config(), random.Random(1)
    print("| agents | series | all changed | 5% changed | none changed | text |\n| --- | --- | --- | --- | --- | --- |")
    for agents in (100, 1000):
        windows = Windows(config.windows, agents * runs * 2)
        figures = Figures(windows, config.horizons, ("service_name", "agent"))
        for run in range(runs):
            for agent in range(agents):
                windows.add(f"{agent}-{run}", row(dice, f"agent-{agent}"), 0.0)
        everything = cost(partial(figures.families, 0.0))
        for agent in range(agents // 20):
            windows.add(f"{agent}-more", row(dice, f"agent-{agent}"), 0.0)
        some = cost(partial(figures.families, 0.0))
        none = cost(partial(figures.families, 0.0))
        families = figures.families(0.0)
        text = cost(partial(text_of, families))
        series = sum(len(family.samples) for family in families)
        cells = " | ".join(f"{milliseconds:.0f} ms" for milliseconds in (everything, some, none, text))
        print(f"| {agents} | {series} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
