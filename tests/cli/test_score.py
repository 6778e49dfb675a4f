from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from support import KEYS, STEP_KEYS

from otelscore.cli.main import main

CORPUS = Path(__file__).parent.parent / "corpus"
RETRIED = CORPUS / "pydantic_ai" / "S2_retried"


def score(*args: object, stdin: bytes | None = None):
    return CliRunner().invoke(main, ["score", *map(str, args)], input=stdin)


def test_json_is_one_score_a_line_under_the_keys_of_the_design():
    result = score("--json", *sorted(RETRIED.glob("request-*")))
    assert result.exit_code == 0
    (line,) = result.stdout.splitlines()
    scored = json.loads(line)
    assert list(scored) == KEYS
    assert all(list(step) == STEP_KEYS for step in scored["steps"])
    assert (scored["service"], scored["agent"], scored["outcome"]) == ("wild-pydantic-ai", "travel_agent", "completed")
    assert (scored["trajectory_length"], scored["tool_errors"], scored["recovery_rate"]) == (7, 1, 1.0)
    failed = scored["steps"][1]
    assert (failed["name"], failed["status"], failed["error_class"]) == ("search_flights", "error", "timeout")
    assert (failed["error_type"], failed["response"], failed["recovered"]) == ("TimeoutError", "retried", True)


def test_a_run_is_joined_over_files_of_every_form(tmp_path):
    for number, request in enumerate(sorted(RETRIED.glob("request-*"))):
        target = tmp_path / f"part-{number}.binpb"
        if number % 2:
            target.with_suffix(".binpb.gz").write_bytes(gzip.compress(request.read_bytes()))
        else:
            shutil.copy(request, target)
    whole, split = score("--json", RETRIED), score("--json", tmp_path)
    assert split.stdout == whole.stdout
    assert json.loads(split.stdout)["trajectory_length"] == 7


def test_standard_input_is_read_where_the_path_is_a_dash():
    request = b"".join(path.read_bytes() for path in sorted(RETRIED.glob("request-*")))  # messages add up by joining
    result = score("--json", "-", stdin=gzip.compress(request))
    assert json.loads(result.stdout)["trajectory_length"] == 7


def test_the_report_has_agents_failures_and_what_they_imply():
    result = score(CORPUS / "pydantic_ai")
    assert result.exit_code == 0
    assert "travel_agent" in result.stdout
    assert "repeated" in result.stdout
    assert "17 runs: 14 completed, 3 failed" in result.stdout
    assert "100 steps, 21 failed: per-step success 0.7900" in result.stdout


def test_what_cannot_be_read_is_told_and_the_rest_is_scored(tmp_path):
    shutil.copytree(RETRIED, tmp_path / "good")
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"resourceSpans": []}\n{"resourceSpans": [}\n')
    result = score("--json", tmp_path / "good", bad, tmp_path / "missing.pb")
    assert result.exit_code == 2
    assert json.loads(result.stdout)["trajectory_length"] == 7
    assert f"Error: {bad}: line 2: " in result.stderr
    assert f"Error: {tmp_path / 'missing.pb'}: " in result.stderr
    assert "Traceback" not in result.stderr


def test_bad_spans_are_told_with_the_first_reason(tmp_path):
    span = {"traceId": "ab", "spanId": "0102030405060708", "name": "x"}
    path = tmp_path / "requests.json"
    path.write_text(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}))
    result = score(path)
    assert result.exit_code == 0
    assert "No agent run was found." in result.stdout
    assert "1 bad records were left out; the first: " in result.stderr


@pytest.mark.local_data
@pytest.mark.parametrize("name", ["tau_airline", "tau_retail"])
def test_failed_steps_of_real_runs_are_found_without_false_alarms(name):
    folder = Path(__file__).parents[3] / "shared" / "trajectories" / name
    if not folder.is_dir():
        pytest.skip("the trajectories of others lie beside the checkout")
    result = score("--json", folder)
    found = {
        (scored["trace_id"], step["span_id"])
        for scored in map(json.loads, result.stdout.splitlines())
        for step in scored["steps"]
        if step["status"] in ("error", "unrecoverable")
    }
    truths = map(json.loads, (folder / "truth.jsonl").read_text().splitlines())
    assert found == {(truth["trace_id"], span_id) for truth in truths for span_id in truth["tool_error_span_ids"]}
