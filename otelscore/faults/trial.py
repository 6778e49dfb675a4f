"""What a trial found: attempts at tasks with and without injected faults, and the figures made of them. No I/O.

pass@k is the chance that at least one of k attempts at a task passes, pass^k that all of them do; both are estimated
without bias from n >= k attempts of which c passed. The gap between them is what retries hide.

Sources: M. Chen et al., Evaluating Large Language Models Trained on Code (2021), 2.1; S. Yao et al., tau-bench (2024).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import comb
from typing import Any

from otelscore.model import SKIPPED, Kind, Trajectory
from otelscore.scoring.comparison import difference
from otelscore.scoring.faults import FaultOutcome, FaultSums, Hit
from otelscore.scoring.intervals import ClusterSums, success_interval
from otelscore.scoring.survival import LifeTable

HORIZONS = (2, 5, 10, 20, 50, 100)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run of the agent's command. `passed` is None where nobody said; `calls` are (tool, first try, in the end)."""

    task: str
    number: int  # from 1
    faults: bool  # with the plan; without: the baseline
    passed: bool | None
    seconds: float
    ended: str  # "exit 0", "timeout", ...
    runs: int = 0  # trajectories that came
    hits: tuple[Hit, ...] = ()
    calls: tuple[tuple[str, bool, bool], ...] = ()
    survival: tuple[tuple[int, int | None], ...] = ()  # of each run: steps, and the first unrecovered one (from 1)

    def as_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__} | {"hits": [list(hit) for hit in self.hits]}

    @classmethod
    def of_dict(cls, plain: Mapping[str, Any]) -> Attempt:
        """What `as_dict` gave, as JSON has it. Raises KeyError or TypeError where it is something else."""
        pairs = {name: tuple(map(tuple, plain[name])) for name in ("calls", "survival")}
        return cls(**{**plain, **pairs, "hits": tuple(Hit(*hit) for hit in plain["hits"])})


def tries(trajectory: Trajectory) -> list[tuple[str, bool, bool]]:
    """For each distinct call of a run: its tool, whether the first try succeeded, and whether any did."""
    found: dict[tuple[str, bytes], list[bool]] = defaultdict(list)
    for number, step in enumerate(trajectory.steps):
        if step.kind is Kind.TOOL and step.status is not SKIPPED:
            found[step.name, step.arguments or b"%d" % number].append(not step.failed)
    return [(tool, marks[0], any(marks)) for (tool, _), marks in found.items()]


def pass_at(n: int, c: int, k: int) -> float:
    """pass@k from n attempts of which c passed, k <= n.

    >>> pass_at(5, 2, 1), pass_at(5, 2, 4)
    (0.4, 1.0)
    """
    return 1 - comb(n - c, k) / comb(n, k)


def pass_all(n: int, c: int, k: int) -> float:
    """pass^k likewise.

    >>> pass_all(5, 2, 1), pass_all(5, 2, 2), pass_all(5, 2, 3)
    (0.4, 0.1, 0.0)
    """
    return comb(c, k) / comb(n, k)


@dataclass(slots=True)
class Arm:
    """The attempts with the plan, or those without. Clusters are tasks, since attempts at one task are alike."""

    attempts: Sequence[Attempt]
    passes: ClusterSums = field(default_factory=ClusterSums)

    def __post_init__(self) -> None:
        for one in self.attempts:
            if one.passed is not None:
                self.passes.count(1, not one.passed, 1, one.task)

    def faults(self) -> dict[str, tuple[Counter[FaultOutcome], FaultSums]]:
        """By kind: how many faults had each outcome, and the sums behind the ratios."""
        found: dict[str, tuple[Counter[FaultOutcome], FaultSums]] = {}
        for one in self.attempts:
            for kind in {hit.fault for hit in one.hits}:
                hits = [hit for hit in one.hits if hit.fault == kind]
                counts, sums = found.setdefault(kind, (Counter(), FaultSums()))
                counts.update(hit.outcome(one.passed) for hit in hits)
                sums.count(hits, one.passed, 1, one.task)
        return dict(sorted(found.items()))

    def pass_rates(self) -> list[tuple[int, float, float]]:
        """(k, pass@k, pass^k), averaged over the tasks that have as many judged attempts as the one with the fewest."""
        judged: dict[str, list[bool]] = defaultdict(list)
        for one in self.attempts:
            if one.passed is not None:
                judged[one.task].append(one.passed)
        counts = [(len(marks), sum(marks)) for marks in judged.values()]
        return [
            (
                k,
                sum(pass_at(n, c, k) for n, c in counts) / len(counts),
                sum(pass_all(n, c, k) for n, c in counts) / len(counts),
            )
            for k in range(1, min((n for n, _ in counts), default=0) + 1)
        ]

    def life_table(self) -> LifeTable:
        """How far the runs came without an unrecovered failure."""
        table = LifeTable()
        for steps, event in (run for one in self.attempts for run in one.survival):
            if steps:
                table.count(steps, event, 1)
        return table

    def tools(self) -> dict[str, tuple[int, int, int]]:
        """Tool -> distinct calls, those whose first try succeeded, those that did in the end."""
        found: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
        for one in self.attempts:
            for tool, first, last in one.calls:
                found[tool].append((first, last))
        return {tool: (len(marks), *map(sum, zip(*marks, strict=True))) for tool, marks in sorted(found.items())}  # type: ignore[misc]

    def as_dict(self) -> dict[str, Any]:
        return {
            "attempts": len(self.attempts),
            "pass_ratio": _share(self.passes),
            "pass_k": [{"k": k, "pass_at_k": at, "pass_all_k": every} for k, at, every in self.pass_rates()],
            "faults": {
                kind: {
                    **{outcome.value: counts[outcome] for outcome in FaultOutcome},
                    "notice_ratio": _share(sums.noticed),
                    "recovery_ratio": _share(sums.recovered),
                    "confidently_wrong_ratio": _share(sums.wrong),
                }
                for kind, (counts, sums) in self.faults().items()
            },
            "tools": {
                tool: {"calls": calls, "first_try": first, "in_the_end": last}
                for tool, (calls, first, last) in self.tools().items()
            },
        }


def split(attempts: Iterable[Attempt]) -> tuple[Arm, Arm]:
    """(the baseline, the attempts with the plan)."""
    found = list(attempts)
    return Arm([one for one in found if not one.faults]), Arm([one for one in found if one.faults])


def against(first: Arm, second: Arm) -> dict[str, dict[str, float] | None]:
    """The second arm less the first, by figure: difference, 95% interval, p-value; None where too little is known."""
    pairs = {"pass_ratio": (first.passes, second.passes)}
    ours, theirs = first.faults(), second.faults()
    for kind in sorted(ours.keys() & theirs.keys()):
        one, other = ours[kind][1], theirs[kind][1]
        pairs[f"{kind}: recovery_ratio"] = one.recovered, other.recovered
        pairs[f"{kind}: confidently_wrong_ratio"] = one.wrong, other.wrong
    found: dict[str, dict[str, float] | None] = {}
    for name, (one_sums, other_sums) in pairs.items():
        result = difference(one_sums, other_sums)
        found[name] = None if result is None else asdict(result)
    return found


def _share(sums: ClusterSums) -> dict[str, float | None]:
    lower, upper = success_interval(sums) or (None, None)
    return {"value": sums.success, "lower": lower, "upper": upper, "of": sums.trials}
