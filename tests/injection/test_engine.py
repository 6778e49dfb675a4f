from __future__ import annotations

from otelscore.faults.dice import Dice
from otelscore.faults.engine import SWITCH, Engine, HttpStatusError, decide
from otelscore.faults.plan import FaultPlan, Rule

ON = {SWITCH: "1"}


def kinds(plan, run="run", tool="search", calls=50, environment=ON):
    engine = Engine(plan, environment)
    found = [engine.next_fault(run, tool) for _ in range(calls)]
    return [fault and fault.kind for fault in found]


def test_the_same_seed_run_tool_and_call_give_the_same_fault():
    plan = FaultPlan((Rule("empty", probability=0.3), Rule("error", probability=0.3)), seed=5, budget=50)
    assert kinds(plan) == kinds(plan)
    assert set(kinds(plan)) == {None, "empty", "error"}
    assert kinds(plan) != kinds(plan, run="other")
    assert kinds(plan) != kinds(plan, tool="other")
    assert kinds(plan) != kinds(FaultPlan(plan.faults, seed=6, budget=50))


def test_what_other_tools_do_makes_no_difference():
    plan = FaultPlan((Rule("empty", ("search",), probability=0.3),), budget=50)
    alone, engine = kinds(plan), Engine(plan, ON)
    mixed = []
    for _ in range(50):
        engine.next_fault("run", "mail")
        fault = engine.next_fault("run", "search")
        mixed.append(fault and fault.kind)
    assert mixed == alone


def test_a_known_plan_never_changes_its_mind():
    """What was published of a trial must come again with every later version."""
    plan = FaultPlan((Rule("empty", probability=0.25),), seed=42)
    hit = [call for call in range(1, 21) if decide(plan, Dice(42, "task-1", "search", call), side_effects=False)]
    assert hit == [2, 9, 11, 18]
    assert Dice(42, "task-1", "search", 1).fault_id == "8f423692bbb15a29"


def test_probability_is_a_share_of_calls():
    plan = FaultPlan((Rule("empty", probability=0.2),))
    hit = sum(decide(plan, Dice(0, f"run {n}", "t", 1), side_effects=False) is not None for n in range(10_000))
    assert 1900 < hit < 2100


def test_nothing_without_the_switch():
    plan = FaultPlan((Rule("empty"),), budget=50)
    assert set(kinds(plan, environment={})) == {None}
    assert set(kinds(plan, environment={SWITCH: "true"})) == {None}
    assert set(kinds(plan, environment={SWITCH: "0"})) == {None}


def test_a_budget_is_a_runs_and_faults_without_effect_are_given_back():
    plan = FaultPlan((Rule("empty"),), budget=2)
    assert kinds(plan, calls=4) == ["empty", "empty", None, None]
    engine = Engine(plan, ON)
    for _ in range(5):
        assert engine.next_fault("a", "t") is not None
        engine.refund("a")
    assert engine.next_fault("b", "t") is not None


def test_calls_are_those_of_one_tool_in_one_run():
    plan = FaultPlan((Rule("empty", calls=(2,)),), budget=9)
    assert kinds(plan, calls=4) == [None, "empty", None, None]


def test_tools_with_side_effects_are_spared_unless_named():
    spared = FaultPlan((Rule("timeout"),), side_effects=("send_*",), budget=9)
    assert set(kinds(spared, tool="send_mail")) == {None}
    assert "timeout" in kinds(spared, tool="read_mail")
    assert Engine(spared, ON).next_fault("run", "pay", side_effects=True) is None
    named = FaultPlan((Rule("timeout", ("send_mail",), side_effects=True),), side_effects=("send_*",), budget=9)
    assert "timeout" in kinds(named, tool="send_mail")


def test_what_faults_raise():
    def error(kind, **parameters):
        fault = Engine(FaultPlan((Rule(kind, parameters=parameters),)), ON).next_fault("run", "t")
        assert fault is not None
        return fault.error()

    assert isinstance(error("error", type="KeyError", message="gone"), KeyError)
    assert isinstance(error("timeout"), TimeoutError)
    limited = error("http_status", status=429, retry_after=5)
    assert isinstance(limited, HttpStatusError)
    assert (limited.status_code, limited.headers, str(limited)) == (
        429,
        {"Retry-After": "5"},
        "HTTP 429 Too Many Requests (Retry-After: 5)",
    )
    assert str(error("auth")) == "HTTP 401 Unauthorized"
    assert str(error("http_status", status=599)) == "HTTP 599 Error"
