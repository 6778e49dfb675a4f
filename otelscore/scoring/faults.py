"""What became of each injected fault: did the agent notice it, and did it get over it?

A fault that made its step fail is noticed by a sane response. One that looks plausible (a result cut, changed or stale)
is noticed when the agent asks the same again, or says in its answer that it could not. The user's own check
(`otelscore.fault.noticed`) is believed before anything else. A run that ended in failure hides nothing: its faults
count as noticed. Recovered is a fault after which the same call gave a good result, or whose run passed its task.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from otelscore.model import MODEL, SKIPPED, Outcome, Step, Trajectory
from otelscore.scoring.intervals import ClusterSums


class FaultOutcome(StrEnum):
    """What became of an injected fault; a label."""

    NOTICED_RECOVERED = "noticed_recovered"
    NOTICED_FAILED = "noticed_failed"
    UNNOTICED_HARMLESS = "unnoticed_harmless"
    UNNOTICED_WRONG = "unnoticed_wrong"
    UNKNOWN = "unknown"  # nobody can know, or there is no verdict


class Hit(NamedTuple):
    """One injected fault, as far as the run itself tells; None where nobody can know."""

    fault: str
    tool: str
    noticed: bool | None
    recovered: bool | None

    def outcome(self, passed: bool | None) -> FaultOutcome:
        """What became of it, given the run's verdict."""
        if self.noticed is None:
            return FaultOutcome.UNKNOWN
        if self.noticed:
            if self.recovered or passed:
                return FaultOutcome.NOTICED_RECOVERED
            return FaultOutcome.UNKNOWN if self.recovered is None and passed is None else FaultOutcome.NOTICED_FAILED
        if passed is None:
            return FaultOutcome.UNKNOWN
        return FaultOutcome.UNNOTICED_HARMLESS if passed else FaultOutcome.UNNOTICED_WRONG

    def is_settled(self, passed: bool | None) -> bool:
        """Whether no verdict that is still to come can change the outcome."""
        return passed is not None or self.noticed is None or bool(self.noticed and self.recovered)


def hits_of(trajectory: Trajectory, label: Callable[[str, str], str]) -> tuple[Hit, ...]:
    """The faults of a run in the order of its steps; () where none was injected.

    `label` makes the value of a label of its name and what the sender wrote. A fault on a span that is no step's has no
    tool, and nobody can know whether it was noticed.
    """
    if not trajectory.fault:
        return ()
    hits = [
        Hit(
            label("fault", step.fault),
            "" if step.kind is MODEL else label("tool", step.name),
            _noticed(step, trajectory),
            _recovered(step, trajectory),
        )
        for step in trajectory.steps
        if step.fault
    ]
    return tuple(hits) or (Hit(label("fault", trajectory.fault), "", None, None),)


def _noticed(step: Step, trajectory: Trajectory) -> bool | None:
    if step.fault_noticed is not None:
        return step.fault_noticed
    if trajectory.outcome is None or step.status is SKIPPED:
        return None
    if step.failed and step.response is not None:
        return step.response.sane or trajectory.hard_failure
    if not step.failed and (trajectory.acknowledged or any(_asked_again(step, trajectory))):
        return True
    if trajectory.outcome is Outcome.INCOMPLETE or (step.failed and not trajectory.hard_failure):
        return None
    return trajectory.hard_failure


def _recovered(step: Step, trajectory: Trajectory) -> bool | None:
    if step.failed:
        later = (other for other in trajectory.steps if _is_later(other, step))
        if step.recovered and not any(_is_good(other) for other in later):
            return False  # what succeeded later had a fault of its own
        return step.recovered
    if any(_is_good(other) for other in _asked_again(step, trajectory)):
        return True
    return None if trajectory.outcome in (None, Outcome.INCOMPLETE) else False


def _asked_again(step: Step, trajectory: Trajectory) -> Iterator[Step]:
    """Later calls of the same tool with the same arguments, made when the agent had seen what the first one gave.

    Where arguments were not captured, every later call of the tool is one. An agent without model steps has seen it
    when the call is over; else its model was asked in between.
    """
    models = [other.start for other in trajectory.steps if other.kind is MODEL and other.agent == step.agent]
    seen = min((start for start in models if start >= step.end), default=None) if models else step.end
    for other in trajectory.steps:
        same = step.arguments is None or other.arguments is None or other.arguments == step.arguments
        if _is_later(other, step) and same and seen is not None and other.start >= seen:
            yield other


def _is_later(other: Step, step: Step) -> bool:
    return other is not step and (other.kind, other.name) == (step.kind, step.name) and other.start >= step.end


def _is_good(step: Step) -> bool:
    return not step.failed and step.status is not SKIPPED and not step.fault


@dataclass(slots=True)
class FaultSums:
    """Faults of one kind in one window; clusters are runs. Failures are what is not counted in the ratio."""

    noticed: ClusterSums = field(default_factory=ClusterSums)  # of those of which it is known
    recovered: ClusterSums = field(default_factory=ClusterSums)  # noticed and recovered, likewise
    wrong: ClusterSums = field(default_factory=ClusterSums)  # unnoticed and wrong, of those in runs with a verdict

    def count(self, hits: Sequence[Hit], passed: bool | None, sign: int, cluster: str) -> None:
        """Puts the hits of one run in (sign 1) or takes them out (-1)."""
        outcomes = [hit.outcome(passed) for hit in hits]
        noticed = [hit.noticed for hit in hits if hit.noticed is not None]
        recovered = [
            outcome is FaultOutcome.NOTICED_RECOVERED
            for hit, outcome in zip(hits, outcomes, strict=True)
            if hit.noticed is False or outcome is not FaultOutcome.UNKNOWN
        ]
        wrong = [outcome is FaultOutcome.UNNOTICED_WRONG for outcome in outcomes if outcome is not FaultOutcome.UNKNOWN]
        for sums, marks in (
            (self.noticed, noticed),
            (self.recovered, recovered),
            (self.wrong, wrong if passed is not None else []),
        ):
            if marks:
                sums.count(len(marks), marks.count(False), sign, cluster)
