"""Shares whose trials come in clusters, and how far they can be believed.

Steps of one run fail together, and runs of one task too, so a binomial interval around a pooled share is far too narrow
(it covers 54 to 75% instead of 95% where runs differ as real ones do). The remedy is an *effective* sample: the number
of trials divided by the design effect, with Student's t on the number of clusters.

Sources: L. Kish, Survey Sampling (1965), 8.2; E. L. Korn and B. I. Graubard, Survey Methodology 24 (1998) 193-201;
E. B. Wilson, JASA 22 (1927) 209-212.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from math import sqrt

from scipy.special import stdtrit

CONFIDENCE = 0.95
"""Of every interval."""


@dataclass(slots=True)
class ClusterSums:
    """Trials, and those among them that failed, summed over clusters.

    Integers only, so that sums are exact in any order, can be taken back, and add up over instances. A cluster is
    a run, or what bears the same name.
    """

    clusters: int = 0
    trials: int = 0
    failures: int = 0
    trials_squared: int = 0  # sums over clusters of n^2, e^2 and n*e
    failures_squared: int = 0
    trials_by_failures: int = 0
    named: dict[str, tuple[int, int]] = field(default_factory=dict)

    def count(self, trials: int, failures: int, sign: int, name: str = "") -> None:
        """Puts a run in (sign 1) or takes it out (-1); `name` is that of its cluster, "": it is one of its own."""
        if not name:
            self._count(trials, failures, sign)
            return
        before = self.named.pop(name, (0, 0))
        after = (before[0] + sign * trials, before[1] + sign * failures)
        if before[0]:
            self._count(*before, -1)
        if after[0]:
            self._count(*after, 1)
            self.named[name] = after

    def _count(self, trials: int, failures: int, sign: int) -> None:
        self.clusters += sign
        self.trials += sign * trials
        self.failures += sign * failures
        self.trials_squared += sign * trials * trials
        self.failures_squared += sign * failures * failures
        self.trials_by_failures += sign * trials * failures

    @property
    def success(self) -> float | None:
        """Share of trials that did not fail; None without trials."""
        return (self.trials - self.failures) / self.trials if self.trials else None

    @property
    def design_effect(self) -> float:
        """By how much the variance of the share exceeds that of independent trials; 1 where nothing can be said."""
        n, k = self.trials, self.clusters
        failed = self.failures / n if n else 0.0
        independent = n * failed * (1 - failed)
        if k < 2 or not independent:
            return 1.0
        squares = self.failures_squared - 2 * failed * self.trials_by_failures + failed**2 * self.trials_squared
        return squares * k / (k - 1) / independent


def success_interval(sums: ClusterSums) -> tuple[float, float] | None:
    """Wilson's interval of the share of successes on the effective sample; None with fewer than two clusters.

    >>> sums = ClusterSums()
    >>> for steps, failed in [(10, 0), (12, 1), (8, 4), (10, 0)]:
    ...     sums.count(steps, failed, 1)
    >>> round(sums.design_effect, 2)
    3.77
    >>> [round(bound, 3) for bound in success_interval(sums)]
    [0.397, 0.987]
    """
    success = sums.success
    if success is None or sums.clusters < 2:
        return None
    return wilson(success, sums.trials / max(1.0, sums.design_effect), t_quantile(sums.clusters - 1))


def wilson(share: float, trials: float, quantile: float) -> tuple[float, float]:
    """Wilson's score interval of a share (0-1) of so many trials.

    >>> [round(bound, 4) for bound in wilson(0.9, 50, 1.959964)]
    [0.7864, 0.9565]
    """
    weight = quantile * quantile / trials
    middle = (share + weight / 2) / (1 + weight)
    half = sqrt(max(weight * (share * (1 - share) + weight / 4), 0.0)) / (1 + weight)
    lower = 0.0 if share == 0 else max(middle - half, 0.0)  # exact where rounding is not
    upper = 1.0 if share == 1 else min(middle + half, 1.0)
    return lower, upper


@lru_cache(maxsize=4096)
def t_quantile(degrees_of_freedom: int) -> float:
    """Student's t, two-sided at `CONFIDENCE`."""
    return float(stdtrit(degrees_of_freedom, (1 + CONFIDENCE) / 2))
