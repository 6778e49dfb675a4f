"""The spans of one service in one trace -> its trajectories, with every step judged and answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field

from otelscore.model import (
    AGENT,
    ERROR,
    MODEL,
    WRAPPER,
    Failure,
    Outcome,
    Span,
    SpanFacts,
    Step,
    StepStatus,
    Trajectory,
)
from otelscore.trajectory.enclosing import Enclosing
from otelscore.trajectory.errors import SUCCEEDED, Judgement, copies, judge
from otelscore.trajectory.facts import inform
from otelscore.trajectory.faults import NO_FAULT, Injected, find_faults
from otelscore.trajectory.responses import Answer, count_turns, find_again, find_recovered, respond
from otelscore.trajectory.steps import AgentKey, Work, find_steps
from otelscore.trajectory.tree import Node, Run, find_delegations, find_runs, grow, wraps_run
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
        order = grow([*spans, *untraced])
    logged = {span_id: found.failure for span_id, found in facts.items() if found.failure is not None}
    delegations = find_delegations(order)
    runs, rest = find_runs(order)
    loose = [node for node in rest if node.kind.is_step]
    judgements = _judge(order, logged)
    built = Built()
    _adopt(runs, rest)
    for run in runs:
        built.trajectories.append(_trajectory(run, delegations, judgements, unsafe, speakers))
    if not runs and loose:
        if any(node.kind is not MODEL for node in loose):
            whole = Run(rest[0], [], rest)
            built.trajectories.append(_trajectory(whole, delegations, judgements, unsafe, speakers))
        else:
            built.lone_model_calls = len(loose)
    return built


def _judge(order: Sequence[Node], logged: Mapping[bytes, Failure]) -> dict[bytes, Judgement]:
    spans = [node.span for node in order]
    suspects = [span for span in spans if _is_suspect(span) or span.span_id in logged]
    if not suspects:
        return {}
    copied = copies(spans, logged)
    found = {}
    for span in suspects:
        judgement = judge(span, logged.get(span.span_id), copied=span.span_id in copied)
        if judgement is not SUCCEEDED:
            found[span.span_id] = judgement
    return found


def _is_suspect(span: Span) -> bool:
    reading = span.reading
    return reading.failure is not None or bool(reading.soft_error) or reading.skipped or span.status == ERROR


def _adopt(runs: Sequence[Run], rest: Sequence[Node]) -> None:
    """Gives the runs the nodes whose way up was lost: those in the time of one run of their service and of no other."""
    around = Enclosing([(run.top.span.start, run.top.span.end) for run in runs])
    home: dict[bytes, Run] = {}
    for node in rest:
        span = node.span
        found = home.get(node.parent.span.span_id) if node.parent is not None else None
        if node.lost and node.parent is None:
            at = around.only(span.start, span.end)
            if at is not None and span.origin.service == runs[at].top.span.origin.service:
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
    observed = run.agents or any(node.kind is MODEL for node in run.nodes)
    fault = next((node.span.reading.fault for node in run.nodes if node.span.reading.fault), "")
    acknowledged = False
    answers: dict[bytes, Answer] = {}
    recovered: set[bytes] = set()
    failed = any(step.failed for step in work.steps)
    if observed and (failed or fault):
        acknowledged = _acknowledged(run, work, named)
    if observed and failed:
        answers = respond(work, count_turns(work), outcome, acknowledged, unsafe)
        recovered = find_recovered(work)
    faults = find_faults(work.steps, run.nodes) if fault else {}
    steps = _finish(work, outcome, answers, recovered, faults, bool(observed))
    first = run.top.span if run.agents else min((node.span for node in run.nodes), key=lambda span: span.start)
    spans = [node.span for node in run.nodes]
    return Trajectory(
        trace_id=run.top.span.trace_id,
        top_span_id=run.top.span.span_id,
        origin=(run.agents[0] if run.agents else run.top).span.origin,
        agent=named,
        model=_most_common([step.name for step in work.steps if step.kind is MODEL]),
        session=next((span.reading.session for span in spans if span.reading.session), ""),
        start=first.start,
        end=run.top.span.end if run.agents else max(span.end for span in spans),
        steps=steps,
        outcome=outcome if observed else None,
        hard_failure=bool(observed) and outcome is Outcome.FAILED,
        labels=_labels(run),
        cluster=next((span.reading.cluster for span in spans if span.reading.cluster), ""),
        fault=fault,
        acknowledged=acknowledged,
        because=because if observed else "tool calls alone",
        targets=_targets(run, speakers),
    )


def _agent_name(run: Run) -> str:
    """The outermost agent span that names an agent, else an agent name on a step, else `unknown`."""
    for node in sorted(run.agents, key=lambda node: node.span.start):
        if node.span.reading.names_agent:
            return node.span.reading.name
    inner = next((node.span.reading.name for node in run.nodes if node.span.reading.names_agent), "")
    said = next((node.span.reading.agent for node in run.nodes if node.kind.is_step and node.span.reading.agent), "")
    return (inner if run.agents else "") or said or UNKNOWN_AGENT


def _outcome(run: Run, work: Work, judgements: dict[bytes, Judgement]) -> tuple[Outcome, str]:
    """How the run ended (DESIGN.md, "A run ended in failure when"), whatever the root says about its time, and why."""
    last_start = max((step.start for step in work.steps), default=-1)

    def died(node: Node) -> bool:
        judgement = judgements.get(node.span.span_id)
        return judgement is not None and (judgement.failed or judgement.skipped)

    def last_word(node: Node) -> bool:
        return died(node) and last_start < node.span.end

    if run.agents:
        sole = len(run.agents) == 1
        outermost = {node.span.span_id for node in run.agents}
        above = _wrappers_above(run)
        for node in run.nodes:
            span_id = node.span.span_id
            whole = node is run.top or (sole and (span_id in outermost or span_id in above))
            if (node.kind is AGENT or span_id in above) and (died(node) if whole else last_word(node)):
                return Outcome.FAILED, f"{node.span.name} failed" if whole else f"{node.span.name} failed last"
    elif any(
        node.wrapper is node
        and (wraps_run(node) or not node.lost)
        and (died(node) if node is run.top else last_word(node))
        for node in run.nodes
    ):
        return Outcome.FAILED, "the span around the run failed"
    steps = [step for step in work.steps if not step.judgement.skipped]
    if steps and steps[-1].kind is MODEL and steps[-1].failed:
        return Outcome.FAILED, "the last step is a model call that failed"
    orphans = [node for node in run.nodes if node.parent is None and node.lost and not wraps_run(node)]
    if not run.agents and any(node.span.status == ERROR and last_word(node) for node in orphans):
        return Outcome.FAILED, "the topmost span that came failed last"
    if run.agents:
        if all(node.span.end for node in run.agents):
            return Outcome.COMPLETED, "its agent span ended"
        return Outcome.INCOMPLETE, "its agent span has no end"
    return (Outcome.INCOMPLETE, "spans above never came") if orphans else (Outcome.COMPLETED, "its root span ended")


def _wrappers_above(run: Run) -> set[bytes]:
    """Ids of the run's wrappers above its outermost agent spans."""
    seen: set[bytes] = set()
    wrappers: set[bytes] = set()
    for agent in run.agents:
        node = agent.parent
        while node is not None and node is not run.top.parent and node.span.span_id not in seen:
            seen.add(node.span.span_id)
            if node.kind is WRAPPER:
                wrappers.add(node.span.span_id)
            node = node.parent
    return wrappers


def _acknowledged(run: Run, work: Work, named: str) -> bool:
    """Whether the final answer says so: the outermost agent's last model step, a final-answer tool, its own output."""
    outermost = {AgentKey(named)} | {step.agent for step in work.steps if step.node.agent in run.agents}
    models = [step for step in work.steps if step.kind is MODEL]
    said = [step.acknowledges for step in models if step.agent in outermost][-1:]
    said += [node.span.reading.acknowledges for node in work.answers[-1:]]
    said += [node.span.reading.acknowledges for node in run.agents[-1:]]
    # An outermost agent span that called no model and shows no output, as a workflow's, answers with its agents' words.
    said += [step.acknowledges for step in models[-1:]]
    return next((answer for answer in said if answer is not None), False)


def _finish(
    work: Work,
    outcome: Outcome,
    answers: dict[bytes, Answer],
    recovered: set[bytes],
    faults: Mapping[bytes, Injected],
    observed: bool,
) -> tuple[Step, ...]:
    again = find_again(work.steps)
    counted = [draft.span.span_id for draft in work.steps if not draft.judgement.skipped]
    indices = {span_id: index for index, span_id in enumerate(counted)}
    steps: list[Step] = []
    for draft in work.steps:
        judgement, span = draft.judgement, draft.span
        answer = answers.get(span.span_id)
        injected = faults.get(span.span_id, NO_FAULT)
        skipped = judgement.skipped
        steps.append(
            Step(
                index=indices.get(span.span_id),
                kind=draft.kind,
                name=draft.name,
                agent=draft.agent.name,
                start=span.start,
                end=span.end,
                span_id=span.span_id[:SPAN_ID],
                scope=span.origin.scope,
                status=StepStatus.SKIPPED if skipped else StepStatus.ERROR if judgement.failed else StepStatus.OK,
                error_class=judgement.failure.error_class if judgement.failed else None,
                error_type=judgement.failure.error_type if judgement.failed else "",
                soft_error=judgement.soft_error,
                response=answer.response if answer else None,
                answered_by=indices.get(answer.by) if answer else None,
                recovered=_recovered(span.span_id in recovered, outcome) if judgement.failed and observed else None,
                call_id=draft.call_id,
                arguments=draft.arguments[0] if draft.arguments else None,
                again=span.span_id in again,
                fault=injected.kind,
                fault_noticed=injected.noticed,
            )
        )
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
        found.update(node.span.reading.labels)
    return found


def _targets(run: Run, speakers: Set[str]) -> frozenset[bytes]:
    """The run's outermost agent spans and all above them, and the spans that bear a speaker's verdict."""
    found: set[bytes] = set()
    for node in run.nodes:
        said = node.span.reading.verdicts
        if said and not speakers.isdisjoint(verdict.evaluator for verdict in said):
            found.add(node.span.span_id)
    for node in (run.top, *run.agents):
        above: Node | None = node
        while above is not None and above.span.span_id not in found:
            found.add(above.span.span_id)
            above = above.parent
    return frozenset(found)


def _most_common(names: Sequence[str]) -> str:
    """The model that most model steps name; of equals the first."""
    counts: dict[str, int] = {}
    for name in names:
        if name:
            counts[name] = counts.get(name, 0) + 1
    return max(counts, key=lambda name: counts[name], default="")
