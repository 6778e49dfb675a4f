from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from otelscore.cli.main import main

CORPUS = Path(__file__).parent.parent / "corpus"
PYDANTIC, STRANDS = CORPUS / "pydantic_ai", CORPUS / "strands"


def compare(*args: object):
    return CliRunner().invoke(main, ["compare", *map(str, args)])


def compared(*args: object) -> dict[str, dict[str, float]]:
    result = compare("--json", *args)
    assert result.exit_code == 0, result.stderr
    return {one.pop("figure"): one for one in map(json.loads, result.stdout.splitlines())}


def test_two_sets_of_files_are_held_against_each_other():
    found = compared(PYDANTIC, STRANDS)
    steps = found["steps that did not fail"]
    assert steps["a"] == pytest.approx(0.79)
    assert steps["value"] == pytest.approx(steps["b"] - steps["a"])
    assert steps["lower"] < steps["value"] < steps["upper"]
    assert 0 <= steps["p_value"] <= 1
    assert 0 <= found["how far runs come without a failed step"]["p_value"] <= 1
    assert found["tasks passed"] == {"a": None, "b": None}


def test_a_set_does_not_differ_from_itself():
    for one in compared(PYDANTIC, PYDANTIC).values():
        assert one.get("value", 0) == 0
        assert one.get("p_value", 1) == pytest.approx(1)


def test_values_of_an_attribute_are_compared_within_the_same_files():
    found = compared("wild-pydantic-ai", "travel-strands", "--by", "service", "--in", PYDANTIC, "--in", STRANDS)
    assert found["steps that did not fail"]["a"] == compared(PYDANTIC, STRANDS)["steps that did not fail"]["a"]
    assert found["steps that did not fail"]["b"] == pytest.approx(50 / 61)


def test_the_table_names_both_and_says_what_p_is():
    printed = compare(PYDANTIC, STRANDS).stdout
    assert f"A: {PYDANTIC}, 17 runs; B: {STRANDS}, 16 runs" in printed
    assert "p: how often a difference so large" in printed


def test_verdicts_about_the_runs_of_either_set_count(tmp_path):
    ids = [
        json.loads(line)["trace_id"]
        for line in CliRunner().invoke(main, ["score", "--json", str(PYDANTIC), str(STRANDS)]).stdout.splitlines()
    ]
    verdicts = tmp_path / "verdicts.jsonl"
    verdicts.write_text("".join(json.dumps({"trace_id": one, "verdict": "pass"}) + "\n" for one in [*ids, "ab" * 16]))
    result = compare(PYDANTIC, STRANDS, "--verdicts", verdicts)
    assert "Verdicts: 33 counted, 0 ambiguous, 1 waiting, 0 duplicate" in result.stdout
    assert "1 verdicts are about runs that are not in these files" in result.stderr
    assert result.exit_code == 0
    assert compared(PYDANTIC, STRANDS, "--verdicts", verdicts)["tasks passed"]["a"] == 1.0


@pytest.mark.parametrize(
    ("args", "reason"),
    [
        ((PYDANTIC, STRANDS, "--by", "agent"), "go together"),
        ((PYDANTIC, STRANDS, "--in", PYDANTIC), "go together"),
        (("1.0", "2.0", "--by", "service.version", "--in", PYDANTIC), "no run was found for 1.0"),
        ((PYDANTIC, "missing"), "missing: No such file"),
        (("1.0", "2.0", "--by", "le", "--in", PYDANTIC), "cannot be a label"),
    ],
)
def test_what_cannot_be_compared_is_told(args, reason):
    result = compare(*args)
    assert result.exit_code == 2
    assert reason in result.stderr
