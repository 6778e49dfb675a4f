from __future__ import annotations

from pathlib import Path

import pytest

from otelscore.faults.kinds import KINDS
from otelscore.faults.plan import FaultPlan, PlanError, Rule, load_plan, parse_plan

WHOLE = """
seed: 7
budget: 2
side_effects: [send_*, book]
faults:
  - {tools: search*, kind: http_status, status: 429, retry_after: 5, probability: 0.2, calls: [1, 3]}
  - {tools: book, kind: timeout, side_effects: true}
  - kind: truncate
"""


@pytest.fixture
def written(tmp_path):
    def write(text: str):
        path = tmp_path / "plan.yaml"
        path.write_text(text)
        return path

    return write


def test_a_plan_in_yaml_is_the_plan_in_python(written):
    assert load_plan(written(WHOLE)) == FaultPlan(
        seed=7,
        budget=2,
        side_effects=("send_*", "book"),
        faults=(
            Rule("http_status", ("search*",), 0.2, (1, 3), parameters={"status": 429, "retry_after": 5}),
            Rule("timeout", ("book",), side_effects=True),
            Rule("truncate"),
        ),
    )


def test_the_twelve_kinds():
    assert set(KINDS) == {
        *("error", "http_status", "timeout", "delay", "auth", "empty", "truncate", "malformed", "partial"),
        *("schema_drift", "stale", "wrong_value"),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_every_default_is_a_value_that_the_kind_takes(kind):
    given = {name: one.default for name, one in KINDS[kind].parameters.items() if one.default is not None}
    assert Rule(kind, parameters=given).parameters == given


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("faults: [{kind: truncat}]", "rule 1: 'truncat' is no kind of fault; did you mean 'truncate'?"),
        ("faults: [{kind: empty}, {tools: a}]", "rule 2: kind: one of error"),
        ("faults: [{kind: http_status, stauts: 429}]", "takes no 'stauts'; did you mean 'status'?"),
        ("faults: [{kind: delay, probabilty: 1}]", "did you mean 'probability'?"),
        ("faults: [{kind: http_status, status: 200}]", "status: 200 is not 400 to 599"),
        ("faults: [{kind: timeout, seconds: -1}]", "seconds: -1 is not seconds"),
        ("faults: [{kind: error, type: TimeoutEror}]", "did you mean 'TimeoutError'?"),
        ("faults: [{kind: error, type: no_such_module.Error}]", "cannot be imported"),
        ("faults: [{kind: error, type: print}]", "is no exception"),
        ("faults: [{kind: empty, probability: 2}]", "probability: 2 is not between 0 and 1"),
        ("faults: [{kind: empty, probability: true}]", "probability"),
        ("faults: [{kind: empty, calls: [0]}]", "numbered from 1"),
        ("faults: [{kind: empty, tools: []}]", "at least one"),
        ("faults: [{kind: empty, side_effects: true}]", "in full"),
        ("faults: [{kind: empty, side_effects: yes please, tools: a}]", "true or false"),
        ("faults: []\nsede: 1", "did you mean 'seed'?"),
        ("faults: []\nseed: x", "no whole number"),
        ("faults: []\nbudget: -1", "budget"),
        ("faults: []\nside_effects: 3", "side_effects"),
        ("seed: 1", "a list of rules is missing"),
        ("- a", "a plan is a mapping"),
        ("faults: [a]", "a rule is a mapping"),
        ("faults: [", "no YAML"),
    ],
)
def test_a_wrong_plan_says_what_is_wrong_and_where(written, text, complaint):
    path = written(text)
    with pytest.raises(PlanError) as raised:
        load_plan(path)
    assert str(raised.value).startswith(str(path))
    assert complaint in str(raised.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(PlanError, match=r"none.yaml: No such file"):
        load_plan(tmp_path / "none.yaml")


def test_one_call_and_one_tool_need_no_list():
    (rule,) = parse_plan({"faults": [{"kind": "empty", "tools": "a", "calls": 2}]}).faults
    assert (rule.tools, rule.calls) == (("a",), (2,))


def test_every_kind_and_parameter_is_in_the_document():
    text = (Path(__file__).parents[2] / "docs" / "faults.md").read_text()
    rows = {line.split("|")[1].strip(" `"): line for line in text.splitlines() if line.startswith("| `")}
    assert rows.keys() == KINDS.keys()
    for name, kind in KINDS.items():
        assert all(f"`{parameter}`" in rows[name] for parameter in kind.parameters), name
