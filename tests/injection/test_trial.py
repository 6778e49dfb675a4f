from __future__ import annotations

import json
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest

from otelscore.faults.attempts import TasksError, load_tasks
from otelscore.faults.trial import Arm, Attempt, against, pass_all, pass_at, split
from otelscore.scoring.faults import FaultOutcome, Hit

EXAMPLE = Path(__file__).parents[2] / "examples" / "faults"


@pytest.mark.parametrize(("n", "c"), [(1, 0), (1, 1), (4, 0), (5, 2), (6, 5), (6, 6)])
def test_pass_rates_equal_those_of_all_choices_of_k_attempts(n, c):
    marks = [True] * c + [False] * (n - c)
    for k in range(1, n + 1):
        chosen = list(combinations(marks, k))
        assert pass_at(n, c, k) == pytest.approx(sum(map(any, chosen)) / len(chosen))
        assert pass_all(n, c, k) == pytest.approx(sum(map(all, chosen)) / len(chosen))


def attempt(task, number, faults, passed, *hits, **more):
    return Attempt(task, number, faults, passed, 1.0, "exit 0", 1, tuple(hits), **more)


NOTICED, BELIEVED = Hit("stale", "t", True, True), Hit("stale", "t", False, False)
ATTEMPTS = [
    attempt("a", 1, False, True),
    attempt("a", 2, False, True),
    attempt("b", 1, False, True),
    attempt("b", 2, False, False),
    attempt("a", 1, True, True, NOTICED, calls=(("t", False, True), ("t", True, True))),
    attempt("a", 2, True, False, BELIEVED, calls=(("u", False, False),), survival=((3, 2),)),
    attempt("b", 1, True, False, BELIEVED),
    attempt("b", 2, True, None),
]


def test_what_a_trial_says():
    baseline, faulty = split(ATTEMPTS)
    assert baseline.pass_rates() == [(1, 0.75, 0.75), (2, 1.0, 0.5)]
    assert faulty.pass_rates() == [(1, 0.25, 0.25)]
    ((kind, (counts, sums)),) = faulty.faults().items()
    assert (kind, counts) == ("stale", {FaultOutcome.NOTICED_RECOVERED: 1, FaultOutcome.UNNOTICED_WRONG: 2})
    assert (sums.noticed.success, sums.recovered.success, sums.wrong.success) == (1 / 3, 1 / 3, 2 / 3)
    assert faulty.tools() == {"t": (2, 1, 2), "u": (1, 0, 0)}
    assert faulty.as_dict()["pass_ratio"]["of"] == 3
    found = against(baseline, faulty)["pass_ratio"]
    assert found is not None
    assert found["value"] == pytest.approx(1 / 3 - 3 / 4)


def test_attempts_come_back_from_json():
    assert [Attempt.of_dict(json.loads(json.dumps(one.as_dict()))) for one in ATTEMPTS] == ATTEMPTS
    assert Arm([]).pass_rates() == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "a list of tasks is missing"),
        ("- {check: a}", "task 1: a mapping with a name"),
        ("- {name: a}\n- {name: a}", "same name"),
        ("- {name: a, check: 3}", "check: a shell command"),
        ("[", "no YAML"),
    ],
)
def test_wrong_tasks_say_what_is_wrong(tmp_path, text, complaint):
    path = tmp_path / "tasks.yaml"
    path.write_text(text)
    with pytest.raises(TasksError, match=complaint):
        load_tasks(path)


def trial(tmp_path, character, rule, *more, attempts=1):
    plan, tasks = tmp_path / "plan.yaml", tmp_path / "tasks.yaml"
    plan.write_text(json.dumps({"faults": [{"tools": "list_orders", "calls": 2, **rule}]}))
    tasks.write_text(json.dumps([{"name": "ada", "customers": ["bob", "ada"], "check": 'grep -q "is 354[.]"'}]))
    command = [sys.executable, str(EXAMPLE / "agent.py"), character]
    options = ["--plan", str(plan), "--tasks", str(tasks), "--attempts", str(attempts), "--json", *more]
    done = subprocess.run(
        [sys.executable, "-m", "otelscore", "trial", *options, "--", *command],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def outcomes(found):
    return {
        kind: {name: facts[name] for name in FaultOutcome if facts[name]}
        for kind, facts in found["faults"]["faults"].items()
    }


def test_two_trials_are_held_against_each_other_and_drawn(tmp_path):
    earlier, picture = tmp_path / "earlier.json", tmp_path / "picture.svg"
    careful = trial(tmp_path, "careful", {"kind": "partial"})
    earlier.write_text(json.dumps(careful))
    trusting = trial(tmp_path, "trusting", {"kind": "partial"}, "--compare", str(earlier), "--plot", str(picture))
    assert outcomes(careful) == {"partial": {"noticed_recovered": 1}}
    assert outcomes(trusting) == {"partial": {"unnoticed_wrong": 1}}
    for found in (careful, trusting):
        assert found["baseline"]["pass_ratio"]["value"] == 1.0
        assert found["baseline"]["faults"] == {}
    assert "partial: recovery_ratio" in trusting["differences"]["against the earlier trial"]
    assert "<svg" in picture.read_text()


def test_an_agent_that_hangs_or_sends_nothing_is_told_of(tmp_path):
    plan, tasks = tmp_path / "plan.yaml", tmp_path / "tasks.yaml"
    plan.write_text("faults: [{kind: empty}]")
    tasks.write_text("- name: a")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "otelscore", "trial", "--plan", str(plan), "--tasks", str(tasks)),
            *("--attempts", "1", "--timeout", "0.3", "--json", "--", "sleep", "60"),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    assert [one["ended"] for one in json.loads(done.stdout)["attempts"]] == ["timeout", "timeout"]
    assert "sent no run" in done.stderr
