"""What one trajectory adds to the counters and histograms: made when it closes, counted when it is final."""

from __future__ import annotations

from dataclasses import dataclass, field

from otelscore.model import MODEL, SKIPPED, Kind, Outcome, Score, Step, Trajectory
from otelscore.scoring.labels import LabelLimiter

Labels = tuple[str, ...]


@dataclass(slots=True)
class Share:
    """Of each series its metric, its label values, and what is added; each series once."""

    trace_id: str  # hex
    labels: Labels  # the trajectory's group
    judged: bool  # whether a verdict on it counts
    counts: list[tuple[str, Labels, int, bool]] = field(default_factory=list)  # by how much; whether that is bad
    observed: list[tuple[str, Labels, list[float]]] = field(default_factory=list)


def share_of(trajectory: Trajectory, score: Score, labels: Labels, limiter: LabelLimiter) -> Share:
    """`labels`: the trajectory's group."""
    alike: dict[tuple[Kind, str, str, bool, bool], int] = {}
    durations: dict[tuple[Kind, str], list[float]] = {}
    failed: list[Step] = []
    for step in trajectory.steps:
        if step.status is SKIPPED:
            continue
        kind, name = step.kind, step.name
        if kind is MODEL:
            name = ""
        has_failed = step.failed
        if has_failed:
            failed.append(step)
        series = kind, name, step.agent, has_failed, step.again
        alike[series] = alike.get(series, 0) + 1
        seconds = durations.get((kind, name))
        if seconds is None:
            seconds = durations[kind, name] = []
        seconds.append(step.duration_seconds)
    tools = {name: limiter.value("tool", name) if name else "" for _, name in durations}
    agents = {agent: limiter.value("step_agent", agent) for _, _, agent, _, _ in alike}
    share = Share(score.trace_id, labels, judged=trajectory.outcome is not None)
    for (kind, name, agent, has_failed, again), count in alike.items():
        outcome, attempt = "error" if has_failed else "ok", "again" if again else "first"
        values = (*labels, kind, tools[name], agents[agent], outcome, attempt)
        share.counts.append(("steps_total", values, count, has_failed))
    for step in failed:
        tool = "" if step.kind is MODEL else tools[step.name]
        recovered = "" if step.recovered is None else "true" if step.recovered else "false"
        values = (*labels, tool, agents[step.agent], step.error_class or "", step.response or "", recovered)
        share.counts.append(("step_errors_total", values, 1, True))
    for (kind, name), seconds in durations.items():
        share.observed.append(("step_duration_seconds", (*labels, kind, tools[name]), seconds))
    if trajectory.outcome is not None:
        bad = trajectory.outcome is Outcome.FAILED
        share.counts.append(("trajectories_total", (*labels, trajectory.outcome), 1, bad))
        if not alike:
            share.counts.append(("trajectories_without_steps_total", labels, 1, False))
        share.observed.append(("trajectory_duration_seconds", labels, [score.duration_seconds]))
        if score.implied_step_success_rate is not None:
            share.observed.append(("trajectory_steps", labels, [score.trajectory_length]))
            share.observed.append(("trajectory_step_success_ratio", labels, [score.implied_step_success_rate]))
    return share
