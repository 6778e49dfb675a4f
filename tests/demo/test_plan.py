from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otelscore.demo.agents import AGENTS, EPISODES, SIDE_EFFECTS, Ending
from otelscore.demo.plan import Call, PlannedStep, Run, Turn, plan, seconds, starts
from otelscore.model import Kind, Outcome, Response

MANY = plan(1, 1500)
"""Enough that everything rare happens."""


def test_the_same_seed_gives_the_same_runs_and_another_gives_others() -> None:
    assert plan(7, 20) == plan(7, 20) == plan(7, 50)[:20]
    assert plan(7, 20) != plan(8, 20)


def test_every_response_outcome_kind_and_verdict_happens() -> None:
    steps = [step for run in MANY for step in run.steps]
    assert {step.response for step in steps if step.failed} == {None, *Response}
    assert {step.kind for step in steps} == {Kind.MODEL, Kind.TOOL, Kind.RETRIEVAL}
    assert {run.outcome for run in MANY} == set(Outcome)
    assert {run.passed for run in MANY} == {True, False, None}
    assert {step.agent for step in steps} > {agent.name for agent in AGENTS}, "a helper has steps of its own"


def test_every_episode_belongs_to_an_agent() -> None:
    used = {name for agent in AGENTS for name in (*agent.episodes, *agent.endings)}
    assert used - {""} == EPISODES.keys()


def test_silent_failures_happen() -> None:
    assert any(
        run.passed is False and run.outcome is Outcome.COMPLETED and not any(step.failed for step in run.steps)
        for run in MANY
    )


def test_the_bad_agent_is_the_worst() -> None:
    failed: Counter[str] = Counter()
    steps: Counter[str] = Counter()
    for run in MANY:
        failed[run.agent.name] += sum(step.failed for step in run.steps)
        steps[run.agent.name] += len(run.steps)
    shares = {name: failed[name] / steps[name] for name in steps}
    assert max(shares, key=lambda name: shares[name]) == "ops-agent"
    assert shares["ops-agent"] > 2 * max(share for name, share in shares.items() if name != "ops-agent")


def run_of(*turns: Turn, ending: Ending = Ending.ANSWERED) -> Run:
    return Run(AGENTS[0], turns, ending, None, 0)


def tool(name: str, arguments: str, response: Response | None = None, *, in_turn: bool = False) -> Call:
    fault = next(iter(FAULTY)) if response else None
    return Call(name, Kind.TOOL, arguments, 1, fault, response, in_turn)


FAULTY = [call.fault for run in MANY for turn in run.turns for call in turn.calls if call.fault]


def tools_of(run: Run) -> list[PlannedStep]:
    return [step for step in run.steps if step.kind is Kind.TOOL]


@pytest.mark.parametrize(
    ("later", "recovered"),
    [
        (Turn(1, (tool("a", "1"),)), True),
        (Turn(1, (tool("a", "2"),)), True),
        (Turn(1, (tool("b", "1"),)), False),
        (Turn(1, (tool("a", "1", Response.CONCLUDED),)), False),
        (Turn(1, text="done"), False),
    ],
)
def test_a_failure_is_recovered_when_the_same_tool_works_in_a_later_turn(later: Turn, recovered: bool) -> None:
    run = run_of(Turn(1, (tool("a", "1", Response.RETRIED),)), later)
    assert tools_of(run)[0].recovered is recovered


def test_within_its_turn_only_the_same_call_recovers_a_failure() -> None:
    same = run_of(Turn(1, (tool("a", "1", Response.RETRIED), tool("a", "1", in_turn=True))))
    other = run_of(Turn(1, (tool("a", "1", Response.RETRIED), tool("a", "2"))))
    assert [tools_of(run)[0].recovered for run in (same, other)] == [True, False]


def test_nobody_knows_how_a_killed_run_would_have_answered() -> None:
    run = run_of(Turn(1, (tool("a", "1", Response.RETRIED),)), Turn(1, (tool("a", "1"),)), ending=Ending.KILLED)
    assert run.outcome is Outcome.INCOMPLETE
    assert [(step.failed, step.response, step.recovered) for step in tools_of(run)] == [
        (True, None, True),
        (False, None, None),
    ]


def test_calls_of_a_turn_run_together_but_a_retry_waits_for_the_first_try() -> None:
    turn = Turn(2, (tool("a", "1"), tool("b", "1"), tool("b", "1", in_turn=True)))
    begins = starts(turn)
    assert 2 < begins[0] < begins[1] < 2.1
    assert begins[2] > begins[1] + 1
    assert seconds([turn]) > begins[2] + 1


@given(st.integers(0, 2**32))
def test_arguments_repeat_only_where_an_episode_says_so(seed: int) -> None:
    for run in plan(seed, 3):
        tries = Counter((call.tool, call.arguments) for turn in run.turns for call in turn.calls if not call.fault)
        assert set(tries.values()) <= {1}, "no call that worked is made again"


def test_unsafe_retries_are_of_tools_with_side_effects_and_no_others() -> None:
    for run in MANY:
        for step in run.steps:
            if step.failed and step.response is not None and step.kind is Kind.TOOL:
                assert (step.name in SIDE_EFFECTS) == (step.response is Response.RETRIED_UNSAFE)
