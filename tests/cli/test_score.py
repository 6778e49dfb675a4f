from __future__ import annotations

import gzip
import json
import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families
from support import KEYS, STEP_KEYS
from written import span

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
    assert "100 steps, 21 failed: per-step success 0.7900 (" in result.stdout
    assert "How far runs come" in result.stdout


def verdicts_of(tmp_path: Path, *paths: Path, passed: bool = True) -> Path:
    lines = [
        json.dumps({"trace_id": json.loads(line)["trace_id"], "verdict": "pass" if passed else "fail"})
        for line in score("--json", *paths).stdout.splitlines()
    ]
    file = tmp_path / "verdicts.jsonl"
    file.write_text("\n".join([*lines, json.dumps({"trace_id": "ab" * 16, "verdict": None}), ""]))
    return file


def test_verdicts_are_joined_by_trace(tmp_path):
    verdicts = verdicts_of(tmp_path, RETRIED, passed=False)
    (line,) = score("--json", RETRIED, "--verdicts", verdicts).stdout.splitlines()
    assert (json.loads(line)["task_passed"], json.loads(line)["silent_failure"]) == (False, True)
    assert "1 verdicts: 0 passed; 1 failed silently" in score(RETRIED, "--verdicts", verdicts).stdout


def test_verdicts_about_other_runs_are_told(tmp_path):
    file = tmp_path / "verdicts.jsonl"
    file.write_text(json.dumps({"trace_id": "ab" * 16, "verdict": "pass"}))
    result = score(RETRIED, "--verdicts", file)
    assert result.exit_code == 0
    assert "1 verdicts are about runs that are not in these files" in result.stderr


@pytest.mark.parametrize(
    "line",
    ["{", "[]", '{"trace_id": "ab", "verdict": "pass"}', '{"verdict": "pass"}', '{"trace_id": "%s"}' % ("ab" * 16)],
)
def test_a_verdict_that_cannot_be_read_ends_the_command_with_its_line(tmp_path, line):
    file = tmp_path / "verdicts.jsonl"
    file.write_text(f"\n{line}\n")
    result = score(RETRIED, "--verdicts", file)
    assert result.exit_code == 2
    assert f"{file}: line 2: " in result.stderr


def judged(tmp_path: Path, *verdicts: dict[str, object]) -> tuple[dict[str, bool | None], str]:
    """Whether each run passed, by its agent, and what the report says of the verdicts.

    Trace 1 holds the runs of a and b below one request; c and then d, a trace each, are of one session.
    """
    agent = {"gen_ai__operation__name": "invoke_agent", "session__id": "s"}
    tool = {"gen_ai__operation__name": "execute_tool", "gen_ai__tool__name": "search"}
    requests = [
        span(1, 1, 0, 9, http__request__method="POST"),
        *(span(1, 2 + i, 1 + i, 2 + i, gen_ai__agent__name=name, **agent) for i, name in enumerate("ab")),
        *(
            request
            for trace, name in ((2, "c"), (3, "d"))
            for request in (
                span(trace, 1, 10 * trace, 10 * trace + 5, gen_ai__agent__name=name, **agent),
                span(trace, 2, 10 * trace, 10 * trace + 1, **tool),
            )
        ),
    ]
    (tmp_path / "runs.jsonl").write_text("\n".join(requests))
    (tmp_path / "verdicts.jsonl").write_text("\n".join(map(json.dumps, verdicts)))
    arguments = (tmp_path / "runs.jsonl", "--verdicts", tmp_path / "verdicts.jsonl")
    scores = map(json.loads, score("--json", *arguments).stdout.splitlines())
    report = score(*arguments)
    assert report.exit_code == 0
    said = [line for line in report.stdout.splitlines() if line.startswith("Verdicts: ")]
    return {one["agent"]: one["task_passed"] for one in scores}, said[-1]


def test_a_verdict_about_a_trace_of_several_runs_is_ambiguous_and_told(tmp_path):
    trace = {"trace_id": f"{1:032x}", "verdict": "fail"}
    passed, said = judged(tmp_path, trace, {**trace, "span_id": f"{3:016x}"}, trace, {**trace, "evaluator": "style"})
    assert passed == {"a": None, "b": False, "c": None, "d": None}
    assert said == "Verdicts: 1 counted, 1 ambiguous, 0 waiting, 1 duplicate, 0 unreadable, 1 ignored"
    arguments = (tmp_path / "runs.jsonl", "--verdicts", tmp_path / "verdicts.jsonl")
    assert "1 verdicts are each about several runs at once; name the trajectory_id" in score(*arguments).stderr


def test_a_verdict_about_a_session_is_for_its_last_run(tmp_path):
    assert judged(tmp_path, {"session_id": "s", "verdict": "pass"})[0] == {"a": None, "b": None, "c": None, "d": True}


@pytest.mark.parametrize("reverse", [False, True])
def test_the_latest_verdict_of_the_first_evaluator_decides_and_of_equals_fail(tmp_path, reverse):
    def says(trace: int, verdict: str, second: int, evaluator: str = "task_success") -> dict[str, object]:
        time = f"2026-01-31T12:00:{second:02}Z"
        return {"trace_id": f"{trace:032x}", "verdict": verdict, "time": time, "evaluator": evaluator}

    verdicts = [
        *(says(2, "pass", 2), says(2, "fail", 1), says(2, "fail", 3, evaluator="task_completion")),
        *(says(3, "pass", 1), says(3, "fail", 1)),
    ]
    passed, said = judged(tmp_path, *(reversed(verdicts) if reverse else verdicts))
    assert (passed["c"], passed["d"]) == (True, False)
    assert said.startswith("Verdicts: 5 counted, 0 ambiguous")


def test_the_figures_are_those_of_metrics_with_one_window_for_all():
    text = score("--prometheus", CORPUS / "pydantic_ai").stdout
    samples = {
        (sample.name, sample.labels.get("steps")): (sample.value, sample.labels)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    value, labels = samples["otelscore_step_success_ratio", None]
    assert value == pytest.approx(0.79)
    assert labels == {"service_name": "wild-pydantic-ai", "agent": "travel_agent", "window": "all"}
    assert samples["otelscore_implied_success_ratio", "10"][0] == pytest.approx(0.79**10)
    assert samples["otelscore_window_trajectories", None][0] == 17
    assert ("otelscore_open_spans", None) not in samples


def test_figures_are_broken_down_by_tool_model_or_attribute():
    by_tool = score(CORPUS / "pydantic_ai", "--by", "tool").stdout
    assert re.search(r"^search_flights +\d+ ", by_tool, re.MULTILINE)
    assert re.search(r"^By model *", score(CORPUS / "pydantic_ai", "--by", "model").stdout, re.MULTILINE)
    by_name = score(RETRIED, "--by", "telemetry.sdk.language").stdout
    assert re.search(r"^python +1 ", by_name, re.MULTILINE)


def test_what_cannot_be_a_label_cannot_break_figures_down():
    result = score(RETRIED, "--by", "le")
    assert result.exit_code == 2
    assert "--by: 'le' cannot be a label" in result.stderr


@pytest.mark.parametrize(("name", "magic"), [("curve.png", b"\x89PNG"), ("curve.svg", b"<?xml")])
def test_the_picture_is_drawn_in_the_format_of_its_name(tmp_path, name, magic):
    verdicts = verdicts_of(tmp_path, CORPUS / "pydantic_ai")
    result = score(CORPUS / "pydantic_ai", "--verdicts", verdicts, "--plot", tmp_path / name)
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / name).read_bytes().startswith(magic)


def test_the_picture_says_what_it_shows(tmp_path):
    score(CORPUS / "pydantic_ai", "--plot", tmp_path / "curve.svg")
    drawn = (tmp_path / "curve.svg").read_text()
    assert "<!-- How far 17 runs come -->" in drawn
    assert "No verdicts say whether the tasks were done" in drawn


def test_a_picture_that_cannot_be_drawn_ends_the_command_before_any_work(tmp_path):
    wrong = score(RETRIED, "--plot", "curve.gif")
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert "a picture ends in .png or .svg" in wrong.stderr
    assert score(RETRIED, "--plot", tmp_path / "missing" / "curve.png").exit_code == 2


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
