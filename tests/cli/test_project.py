from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from otelscore.cli.project import project


def run(*args: str) -> Result:
    return CliRunner().invoke(project, args)


def rows(result: Result) -> dict[str, list[str]]:
    """The table by its first column."""
    lines = [line.split() for line in result.stdout.splitlines()]
    return {line[0]: line[1:] for line in lines if line and (line[0] == "steps" or line[0].isdecimal())}


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What scoring the files of `--traces` gives."""
    result = SimpleNamespace(scores=[], errors=[], paths=None)

    def score_paths(paths: Any) -> SimpleNamespace:
        result.paths = [str(path) for path in paths]
        return result

    monkeypatch.setitem(sys.modules, "otelscore.cli.batch", SimpleNamespace(score_paths=score_paths))
    return result


def score(length: int, errors: int) -> SimpleNamespace:
    return SimpleNamespace(trajectory_length=length, tool_errors=errors)


def test_the_compounding_table_of_the_article() -> None:
    assert rows(run()) == {
        "steps": ["0.95", "0.99"],
        "3": ["85.7%", "97.0%"],
        "10": ["59.9%", "90.4%"],
        "20": ["35.8%", "81.8%"],
        "50": ["7.7%", "60.5%"],
        "100": ["0.6%", "36.6%"],
    }


def test_values_may_be_repeated_or_separated_by_commas() -> None:
    assert rows(run("--step-success", "1,0.5", "--step-success", "0", "--steps", "1, 2")) == {
        "steps": ["1", "0.5", "0"],
        "1": ["100.0%", "50.0%", "0.0%"],
        "2": ["100.0%", "25.0%", "0.0%"],
    }


def test_it_says_that_the_number_is_naive_and_which_one_to_believe() -> None:
    assert "naive" in run().stdout
    assert "otelscore_projected_success_ratio" in run().stdout


def test_many_columns_are_not_cut_in_a_pipe() -> None:
    values = [f"0.{i:04}" for i in range(1, 60)]
    assert rows(run("--step-success", ",".join(values), "--steps", "1"))["steps"] == [f"{float(v):g}" for v in values]


def test_json_has_one_object_a_line() -> None:
    lines = run("--step-success", "0.5", "--step-success", "1", "--steps", "2,3", "--json").stdout.splitlines()
    assert [json.loads(line) for line in lines] == [
        {"step_success": 0.5, "observed": None, "implied_success": {"2": 0.25, "3": 0.125}},
        {"step_success": 1.0, "observed": None, "implied_success": {"2": 1.0, "3": 1.0}},
    ]


@pytest.mark.parametrize(
    "args",
    [
        ("--step-success", "1.1"),
        ("--step-success", "-0.1"),
        ("--step-success", "nan"),
        ("--step-success", "95%"),
        ("--step-success", ""),
        ("--steps", "0"),
        ("--steps", "10,-1"),
        ("--steps", "2.5"),
    ],
)
def test_wrong_values_are_wrong_usage(args: tuple[str, str]) -> None:
    result = run(*args)
    assert result.exit_code == 2
    assert f"Invalid value for '{args[0]}': expected" in result.stderr
    assert f"got {args[1]!r}" in result.stderr


def test_p_of_real_traces_is_over_all_their_steps(traces: SimpleNamespace) -> None:
    traces.scores = [score(10, 1), score(6, 1), score(0, 0)]
    result = run("--traces", "a", "--traces", "b", "--steps", "1")
    assert traces.paths == ["a", "b"]
    assert rows(result)["1"] == ["87.5%"]
    assert "2 of 16 steps failed, in 2 runs: p = 0.8750" in result.stdout


def test_traces_stand_beside_given_values(traces: SimpleNamespace) -> None:
    traces.scores = [score(4, 1)]
    lines = run("--traces", "a", "--step-success", "0.5", "--steps", "1", "--json").stdout.splitlines()
    assert [json.loads(line)["observed"] for line in lines] == [{"runs": 1, "steps": 4, "failed": 1}, None]


def test_unreadable_traces_are_named_and_the_rest_still_counts(traces: SimpleNamespace) -> None:
    traces.scores, traces.errors = [score(4, 0)], ["b.json: line 3: no JSON"]
    result = run("--traces", "a", "--steps", "1")
    assert result.exit_code == 2
    assert result.stderr == "Error: b.json: line 3: no JSON\n"
    assert rows(result)["1"] == ["100.0%"]


def test_traces_without_a_step_are_an_error(traces: SimpleNamespace) -> None:
    result = run("--traces", "a")
    assert result.exit_code == 1
    assert "no step of an agent run" in result.stderr


def test_traces_of_which_none_can_be_read_are_unreadable(traces: SimpleNamespace) -> None:
    traces.errors = ["b.json: line 3: no JSON"]
    assert run("--traces", "a").exit_code == 2
