"""One compact row for each trajectory: what the windows, and a restart, need of it."""

from __future__ import annotations

from collections.abc import Container
from functools import lru_cache
from typing import NamedTuple

from otelscore.model import MODEL, SKIPPED, Kind, Outcome, Score, Trajectory
from otelscore.scoring.faults import Hit, hits_of
from otelscore.scoring.labels import LabelLimiter
from otelscore.scoring.score import Errors, errors_of


class Row(NamedTuple):
    """What the windows keep of one trajectory. Counts and 0-based positions are of steps, skipped ones aside."""

    labels: tuple[str, ...]  # the group
    outcome: Outcome | None
    hard_failure: bool
    verdict: bool | None
    errors: Errors
    silent: bool  # a silent failure
    steps: int  # of the kinds that count for horizons, as are the next three
    failed: int
    first_failed: int | None
    first_unrecovered: int | None
    responses: int  # failed steps of any kind that have a response
    sane: int
    resolutions: int  # failed steps of any kind of which it is known whether they were recovered
    recovered: int
    tools: tuple[tuple[str, int, int], ...]  # name, calls, failed calls; retrievals too
    cluster: str
    faults: tuple[Hit, ...] = ()  # where there is one, the run is in the figures of faults and in no other


def make_row(
    trajectory: Trajectory, score: Score, labels: tuple[str, ...], limiter: LabelLimiter, step_kinds: Container[Kind]
) -> Row:
    """Reduce a trajectory to its row; `step_kinds` are the steps that count for horizons."""
    counting = failures = responses = sane = resolutions = recovered = 0
    first_failed = first_unrecovered = None
    calls: dict[str, list[int]] = {}
    for step in trajectory.steps:
        if step.status is SKIPPED:
            continue
        kind, failed = step.kind, step.failed
        if kind is not MODEL:
            of_tool = calls.get(step.name)
            if of_tool is None:
                of_tool = calls[step.name] = [0, 0]
            of_tool[0] += 1
            of_tool[1] += failed
        counts = kind in step_kinds
        if failed:
            if step.response:
                responses += 1
                sane += step.response.sane
            if step.recovered is not None:
                resolutions += 1
                recovered += step.recovered
            if counts:
                failures += 1
                if first_failed is None:
                    first_failed = counting
                if first_unrecovered is None and step.recovered is False:
                    first_unrecovered = counting
        counting += counts
    tools: dict[str, tuple[int, int]] = {}  # several names may be shown as one
    for name, (of_all, of_failed) in calls.items():
        shown = limiter.value("tool", name)
        before = tools.get(shown, (0, 0))
        tools[shown] = before[0] + of_all, before[1] + of_failed
    return Row(
        labels,
        trajectory.outcome,
        trajectory.hard_failure,
        score.task_passed,
        errors_of(trajectory),
        bool(score.silent_failure),
        counting,
        failures,
        first_failed,
        first_unrecovered,
        responses,
        sane,
        resolutions,
        recovered,
        tuple([_calls(name, *of_tool) for name, of_tool in tools.items()]),
        trajectory.cluster,
        hits_of(trajectory, limiter.value),
    )


@lru_cache(10_000)
def _calls(name: str, calls: int, failures: int) -> tuple[str, int, int]:
    """The same tuple for the same values: a million rows hold a few hundred different ones."""
    return name, calls, failures


def judged(row: Row, verdict: bool | None) -> Row:
    """The row with that verdict."""
    if verdict is row.verdict:
        return row
    fine = row.outcome is Outcome.COMPLETED and row.errors in (Errors.NONE, Errors.RECOVERED)
    return row._replace(verdict=verdict, silent=verdict is False and fine)
