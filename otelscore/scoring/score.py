"""What one trajectory amounts to; pure arithmetic over its steps."""

from __future__ import annotations

from enum import StrEnum

from otelscore.model import SKIPPED, Outcome, Score, Trajectory


class Errors(StrEnum):
    """What happened to the errors of a run; a label."""

    NONE = "none"
    RECOVERED = "recovered"
    UNRECOVERED = "unrecovered"
    UNKNOWN = "unknown"  # no step was observed, or the end of the run was not


def errors_of(trajectory: Trajectory) -> Errors:
    """What happened to the run's errors, as far as anybody can know."""
    failed = [step for step in trajectory.steps if step.failed]
    if any(step.recovered is False for step in failed):
        return Errors.UNRECOVERED
    observed = any(step.status is not SKIPPED for step in trajectory.steps)
    ended = trajectory.outcome in (Outcome.COMPLETED, Outcome.FAILED)
    if not observed or not ended or any(step.recovered is None for step in failed):
        return Errors.UNKNOWN
    return Errors.RECOVERED if failed else Errors.NONE


def score_trajectory(trajectory: Trajectory) -> Score:
    """Score one trajectory.

    A step whose response or recovery nobody can know is out of `recovery_rate` or `resolution_rate`: neither a
    good nor a bad mark.
    """
    steps = [step for step in trajectory.steps if step.status is not SKIPPED]
    failed = [step for step in steps if step.failed]
    tool_error_rate = _share(len(failed), len(steps))
    passed = trajectory.verdict.passed if trajectory.verdict else None
    return Score(
        trajectory_id=trajectory.trajectory_id,
        trace_id=trajectory.trace_id.hex(),
        service=trajectory.origin.service,
        agent=trajectory.agent,
        model=trajectory.model,
        started_at=trajectory.start,
        duration_seconds=trajectory.duration_seconds,
        outcome=trajectory.outcome,
        task_passed=passed,
        trajectory_length=len(steps),
        tool_errors=len(failed),
        tool_error_rate=tool_error_rate,
        recovery_rate=_share_true([step.response.sane for step in failed if step.response]),
        resolution_rate=_share_true([step.recovered for step in failed if step.recovered is not None]),
        hard_failure=trajectory.hard_failure,
        silent_failure=None if passed is None else not passed and _looks_fine(trajectory),
        implied_step_success_rate=None if tool_error_rate is None else 1 - tool_error_rate,
        steps=trajectory.steps,
    )


def _looks_fine(trajectory: Trajectory) -> bool:
    return trajectory.outcome is Outcome.COMPLETED and errors_of(trajectory) in (Errors.NONE, Errors.RECOVERED)


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _share_true(marks: list[bool]) -> float | None:
    return _share(sum(marks), len(marks))
