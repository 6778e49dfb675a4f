"""The spans of one service in one trace -> its trajectories, with every step judged and answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field

from otelscore.model import (
    AGENT,
    ERROR,
    MODEL,
    SKIPPED,
    WRAPPER,
    Failure,
    Outcome,
    Span,
    SpanFacts,
    Step,
    StepStatus,
    Trajectory,
)
from otelscore.trajectory.drafts import AgentKey, Work
from otelscore.trajectory.enclosing import Enclosing
from otelscore.trajectory.errors import SUCCEEDED, Judgement, copies, judge
from otelscore.trajectory.facts import inform
from otelscore.trajectory.faults import Injected, find_faults
from otelscore.trajectory.responses import Answer, count_turns, find_again, find_recovered, respond
from otelscore.trajectory.steps import find_steps
from otelscore.trajectory.tree import Node, Run, find_delegations, find_runs, grow, release, wraps_run
from otelscore.trajectory.untraced import find_untraced

UNKNOWN_AGENT = "unknown"

SPAN_ID = 8
"""Bytes of a span id; an untraced tool's has more, and is shown by the id of the model span that asked for it."""


@dataclass(slots=True)
class Built:
    """What a set of spans amounts to."""

    trajectories: list[Trajectory] = field(default_factory=list)
    lone_model_calls: int = 0  # without an agent: a plain LLM call is no agent


def never_unsafe(_tool: str) -> bool:
    return False


def build(
    spans: Sequence[Span],
    facts: Mapping[bytes, SpanFacts] | None = None,
    unsafe: Callable[[str], bool] = never_unsafe,
    speakers: Set[str] = frozenset(),
) -> Built:
    """The trajectories in the spans of one trace, in order of start.

    `spans`: each span id once, in any order; `facts`: what log records say about them, by span id; `unsafe`: whether a
    tool has side effects; `speakers`: evaluators whose verdict on any span of a run is about the whole run. Spans of
    other services may be among them where they belong to a caller's step.
    """
    facts = facts or {}
    spans = inform(spans, facts) if facts else spans
    order = grow(spans)
    untraced = find_untraced(order)
    if untraced:
        release(order)
        order = grow([*spans, *untraced])
    logged = {span_id: found.failure for span_id, found in facts.items() if found.failure is not None}
    delegations = find_delegations(order)
    runs, rest = find_runs(order)
    judgements = _judge(order, logged)
    built = Built()
    if runs and rest:
        _adopt(runs, rest)
    for run in runs:
        built.trajectories.append(_trajectory(run, delegations, judgements, unsafe, speakers))
    loose = [node for node in rest if node.kind.is_step] if not runs else []
    if any(node.kind is not MODEL for node in loose):
        whole = Run(rest[0], [], rest)
        built.trajectories.append(_trajectory(whole, delegations, judgements, unsafe, speakers))
    else:
        built.lone_model_calls = len(loose)
    release(order)
    return built


def _judge(order: Sequence[Node], logged: Mapping[bytes, Failure]) -> dict[bytes, Judgement]:
    suspects = [node.span for node in order if _is_suspect(node) or node.span_id in logged]
    if not suspects:
        return {}
    copied = copies([node.span for node in order], logged)
    found = {}
    for span in suspects:
        judgement = judge(span, logged.get(span.span_id), copied=span.span_id in copied)
        if judgement is not SUCCEEDED:
            found[span.span_id] = judgement
    return found


def _is_suspect(node: Node) -> bool:
    reading = node.reading
    return reading.failure is not None or reading.skipped or bool(reading.soft_error) or node.span.status == ERROR


def _adopt(runs: Sequence[Run], rest: Sequence[Node]) -> None:
    """Gives the runs the nodes whose way up was lost: those in the time of one run of their service and of no other.

    A fault's mark counts as lost wherever it lies, so that no run that was hit is taken for the agent's own work.
    """
    around = Enclosing([(run.top.span.start, run.top.span.end) for run in runs])
    home: dict[bytes, Run] = {}
    for node in rest:
        span = node.span
        found = home.get(node.parent.span_id) if node.parent is not None else None
        if node.reading.fault or (node.lost and node.parent is None):
            at = around.only(span.start, span.end)
            if at is not None and (node.reading.fault or span.origin.service == runs[at].top.span.origin.service):
                found = runs[at]
        if found is not None:
            home[span.span_id] = found
            found.nodes.append(node)


def _trajectory(
    run: Run,
    delegations: set[bytes],
    judgements: dict[bytes, Judgement],
    unsafe: Callable[[str], bool],
    speakers: Set[str],
) -> Trajectory:
    named = _agent_name(run)
    work = find_steps(run.nodes, delegations, judgements, named)
    outcome, because = _outcome(run, work, judgements)
    said = _said(run.nodes)
    observed = bool(run.agents) or said.calls_model
    acknowledged = False
    answers: dict[bytes, Answer] = {}
    recovered: set[bytes] = set()
    failed = any(step.judgement.failed for step in work.steps)
    if observed and (failed or said.fault):
        acknowledged = _acknowledged(run, work, named)
    if observed and failed:
        acts = work.acts
        answers = respond(work, acts, count_turns(work, acts), outcome, acknowledged, unsafe)
        recovered = find_recovered(work, acts)
    faults = find_faults(work.steps, run.nodes) if said.fault else {}
    again = find_again(work.steps) if failed else set()
    steps = _finish(work, outcome, answers, recovered, faults, again, observed)
    top = run.top.span
    return Trajectory(
        trace_id=top.trace_id,
        top_span_id=top.span_id,
        origin=(run.agents[0] if run.agents else run.top).span.origin,
        agent=named,
        model=_most_common([step.name for step in work.steps if step.kind is MODEL]),
        session=said.session,
        start=top.start if run.agents else min(node.span.start for node in run.nodes),
        end=top.end if run.agents else max(node.span.end for node in run.nodes),
        steps=steps,
        outcome=outcome if observed else None,
        hard_failure=observed and outcome is Outcome.FAILED,
        labels=_labels(run),
        cluster=said.cluster,
        fault=said.fault,
        acknowledged=acknowledged,
        because=because if observed else "tool calls alone",
        targets=_targets(run, said.verdicts, speakers),
    )


@dataclass(slots=True)
class _Said:
    """What the spans of a run say about all of it: for each the first that says something."""

    session: str = ""
    cluster: str = ""
    fault: str = ""
    calls_model: bool = False
    verdicts: list[Node] = field(default_factory=list)  # those that bear some


def _said(nodes: Sequence[Node]) -> _Said:
    said = _Said()
    for node in nodes:
        reading = node.reading
        if node.kind is MODEL:
            said.calls_model = True
        if not said.session and reading.session:
            said.session = reading.session
        if reading.cluster and not said.cluster:
            said.cluster = reading.cluster
        if reading.fault and not said.fault:
            said.fault = reading.fault
        if reading.verdicts:
            said.verdicts.append(node)
    return said


def _agent_name(run: Run) -> str:
    """The outermost agent span that names an agent, else an agent name on a step, else `unknown`."""
    for node in sorted(run.agents, key=lambda node: node.span.start) if len(run.agents) > 1 else run.agents:
        if node.reading.names_agent:
            return node.reading.name
    inner = next((node.reading.name for node in run.nodes if node.reading.names_agent), "")
    said = next((node.reading.agent for node in run.nodes if node.kind.is_step and node.reading.agent), "")
    return (inner if run.agents else "") or said or UNKNOWN_AGENT


def _outcome(run: Run, work: Work, judgements: dict[bytes, Judgement]) -> tuple[Outcome, str]:
    """How the run ended (DESIGN.md, "A run ended in failure when"), whatever the root says about its time, and why."""
    died = [node for node in run.nodes if _died(node, judgements)] if judgements else []
    if died:
        found = _outcome_of_died(run, work, died)
        if found:
            return Outcome.FAILED, found
    orphans = [] if run.agents else [node for node in run.nodes if _is_orphan(node)]
    if judgements:
        last = next((step for step in reversed(work.steps) if not step.judgement.skipped), None)
        if last is not None and last.kind is MODEL and last.failed and not _answered(work, last.end, judgements):
            return Outcome.FAILED, "the last step is a model call that failed"
        last_start = max((step.start for step in work.steps), default=-1)
        if any(
            _died(node, judgements) and node.span.status == ERROR and last_start < node.span.end for node in orphans
        ):
            return Outcome.FAILED, "the topmost span that came failed last"
    if run.agents:
        if all(node.span.end for node in run.agents):
            return Outcome.COMPLETED, "its agent span ended"
        return Outcome.INCOMPLETE, "its agent span has no end"
    return (Outcome.INCOMPLETE, "spans above never came") if orphans else (Outcome.COMPLETED, "its root span ended")


def _answered(work: Work, since: int, judgements: dict[bytes, Judgement]) -> bool:
    """Whether a final-answer tool was called later; BeeAI takes for it a text that it had refused."""
    return any(node.span.start >= since and not _died(node, judgements) for node in work.answers)


def _died(node: Node, judgements: dict[bytes, Judgement]) -> bool:
    judgement = judgements.get(node.span_id)
    return judgement is not None and (judgement.failed or judgement.skipped)


def _is_orphan(node: Node) -> bool:
    return node.parent is None and node.lost and not wraps_run(node)


def _outcome_of_died(run: Run, work: Work, died: Sequence[Node]) -> str:
    """Why spans that failed or were cancelled are the end of the run in failure; "" where they are not."""
    last_start = max((step.start for step in work.steps), default=-1)
    if run.agents:
        sole = len(run.agents) == 1
        outermost = {node.span_id for node in run.agents}
        above = _wrappers_above(run)
        for node in died:
            whole = node is run.top or (sole and (node.span_id in outermost or node.span_id in above))
            if (node.kind is AGENT or node.span_id in above) and (whole or last_start < node.span.end):
                return f"{node.span.name} failed" if whole else f"{node.span.name} failed last"
    elif any(
        node.wrapper is node and (wraps_run(node) or not node.lost) and (node is run.top or last_start < node.span.end)
        for node in died
    ):
        return "the span around the run failed"
    return ""


def _wrappers_above(run: Run) -> set[bytes]:
    """Ids of the run's wrappers above its outermost agent spans."""
    seen: set[bytes] = set()
    wrappers: set[bytes] = set()
    for agent in run.agents:
        node = agent.parent
        while node is not None and node is not run.top.parent and node.span_id not in seen:
            seen.add(node.span_id)
            if node.kind is WRAPPER:
                wrappers.add(node.span_id)
            node = node.parent
    return wrappers


def _acknowledged(run: Run, work: Work, named: str) -> bool:
    """Whether the final answer says so: the outermost agent's last model step, a final-answer tool, its own output."""
    outermost = {AgentKey(named)} | {step.agent for step in work.steps if step.node.agent in run.agents}
    models = [step for step in work.steps if step.kind is MODEL]
    said = [step.acknowledges for step in models if step.agent in outermost][-1:]
    said += [node.reading.acknowledges for node in work.answers[-1:]]
    said += [node.reading.acknowledges for node in run.agents[-1:]]
    # An outermost agent span that called no model and shows no output, as a workflow's, answers with its agents' words.
    said += [step.acknowledges for step in models[-1:]]
    return next((answer for answer in said if answer is not None), False)


def _finish(
    work: Work,
    outcome: Outcome,
    answers: dict[bytes, Answer],
    recovered: set[bytes],
    faults: Mapping[bytes, Injected],
    again: Set[bytes],
    observed: bool,
) -> tuple[Step, ...]:
    indices: dict[bytes, int] = {}
    steps: list[Step] = []
    for draft in work.steps:
        if not draft.judgement.skipped:
            indices[draft.span_id] = len(indices)
    for draft in work.steps:
        judgement, span_id = draft.judgement, draft.span_id
        step = Step(
            indices.get(span_id),
            draft.kind,
            draft.name,
            draft.agent.name,
            draft.start,
            draft.end,
            span_id[:SPAN_ID],
            draft.span.origin.scope,
            call_id=draft.call_id,
            arguments=draft.arguments[0] if draft.arguments else None,
        )
        if judgement.skipped:
            step.status = SKIPPED
        elif judgement.failed:
            step.status = StepStatus.ERROR
            step.error_class, step.error_type = judgement.failure.error_class, judgement.failure.error_type
            step.recovered = _recovered(span_id in recovered, outcome) if observed else None
            answer = answers.get(span_id)
            if answer is not None:
                step.response, step.answered_by = answer.response, indices.get(answer.by)
        step.soft_error = judgement.soft_error
        step.again = span_id in again
        if span_id in faults:
            step.fault, step.fault_noticed = faults[span_id].kind, faults[span_id].noticed
        steps.append(step)
    if outcome is Outcome.FAILED and observed:
        _mark_unrecoverable(steps)
    return tuple(steps)


def _recovered(seen: bool, outcome: Outcome) -> bool | None:
    """Nobody knows what came after the spans of an incomplete run."""
    return None if outcome is Outcome.INCOMPLETE and not seen else seen


def _mark_unrecoverable(steps: Sequence[Step]) -> None:
    """The last failed step of a failed run, if it was not recovered and nothing succeeded after it."""
    for step in reversed(steps):
        if step.status is StepStatus.OK:
            return
        if step.status is StepStatus.ERROR:
            if not step.recovered:
                step.status = StepStatus.UNRECOVERABLE
            return


def _labels(run: Run) -> dict[str, str]:
    """The user's labels: of the resource, and of the outermost agent spans, the first of which has the last word."""
    tops = run.agents or [run.top]
    found = dict(tops[0].span.origin.attributes)
    for node in reversed(tops):
        found.update(node.reading.labels)
    return found


def _targets(run: Run, judged: Sequence[Node], speakers: Set[str]) -> frozenset[bytes]:
    """The run's outermost agent spans and all above them, and the spans that bear a speaker's verdict."""
    found = {
        node.span_id
        for node in judged
        if not speakers.isdisjoint(verdict.evaluator for verdict in node.reading.verdicts)
    }
    for node in (run.top, *run.agents):
        above: Node | None = node
        while above is not None and above.span_id not in found:
            found.add(above.span_id)
            above = above.parent
    return frozenset(found)


def _most_common(names: Sequence[str]) -> str:
    """The model that most model steps name; of equals the first."""
    counts: dict[str, int] = {}
    for name in names:
        if name:
            counts[name] = counts.get(name, 0) + 1
    return max(counts, key=lambda name: counts[name], default="")
