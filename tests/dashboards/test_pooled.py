"""Figures of several instances become one figure: promtool evaluates the dashboards' own expressions."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from dashboards.answers import substitute
from dashboards.queries import AGENTS, at_horizon, implied_success, pooled, share, step_success

pytestmark = pytest.mark.skipif(not shutil.which("promtool"), reason="needs Debian's package prometheus")

VARIABLES = {"job": ".+", "instance": ".+", "service_name": ".+", "agent": ".+", "window": "1h", "horizon": "20"}
BY = "service_name, agent"
ALL = '{service_name="shop", agent="planner"}'


def series(name: str, value: str, instance: str, agent: str = "planner", more: str = "") -> dict[str, str]:
    labels = f'job="otelscore", instance="{instance}", service_name="shop", agent="{agent}"{more}'
    return {"series": f"otelscore_{name}{{{labels}}}", "values": value}


def in_window(name: str, value: float, instance: str, agent: str = "planner", more: str = "") -> dict[str, str]:
    return series(name, str(value), instance, agent, f', window="1h"{more}')


Samples = dict[str, float]  # by labels, as PromQL writes them


def complaints(given: list[dict[str, str]], expr: str, expected: Samples, folder: Path, at: str = "0") -> str:
    """What promtool says where the expression does not give what is expected of it; empty where it does."""
    samples = [{"labels": labels, "value": value} for labels, value in expected.items()]
    test = {"expr": substitute(expr, VARIABLES), "eval_time": at, "exp_samples": samples}
    file = folder / "test.yaml"
    file.write_text(yaml.safe_dump({"tests": [{"interval": "1m", "input_series": given, "promql_expr_test": [test]}]}))
    done = subprocess.run(["promtool", "test", "rules", file], check=False, capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stdout + done.stderr


STEPS = [
    in_window("step_success_ratio", 0.5, "a"),
    in_window("window_steps", 300, "a"),
    in_window("step_success_ratio", 1, "b"),
    in_window("window_steps", 100, "b"),
    in_window("step_success_ratio", 0.75, "b", "other"),
    in_window("window_steps", 8, "b", "other"),
]


def test_step_success_is_that_of_all_steps(tmp_path):
    other = '{service_name="shop", agent="other"}'
    assert complaints(STEPS, step_success(AGENTS, BY), {ALL: 0.625, other: 0.75}, tmp_path) == ""
    assert complaints(STEPS, step_success(AGENTS), {"{}": (150 + 100 + 6) / 408}, tmp_path) == ""


def test_implied_success_is_that_of_all_steps(tmp_path):
    assert complaints(STEPS, implied_success(f'{AGENTS}, agent="planner"', BY), {ALL: 0.625**20}, tmp_path) == ""


def test_an_instance_without_the_figure_does_not_count(tmp_path):
    given = [
        in_window("task_pass_ratio", 0.25, "a"),
        in_window("window_verdicts", 4, "a"),
        in_window("window_verdicts", 0, "b"),
    ]
    assert complaints(given, pooled("task_pass_ratio", AGENTS, "window_verdicts", BY), {ALL: 0.25}, tmp_path) == ""


def test_a_figure_with_labels_of_its_own_is_weighed_by_a_sample_without(tmp_path):
    given = [
        in_window("survival_ratio", 0.5, "a", more=', steps="20"'),
        in_window("survival_ratio", 0.25, "a", more=', steps="50"'),
        in_window("window_trajectories", 30, "a"),
        in_window("survival_ratio", 1, "b", more=', steps="20"'),
        in_window("window_trajectories", 10, "b"),
    ]
    survival = at_horizon("survival_ratio", AGENTS, "window_trajectories", BY)
    assert complaints(given, survival, {ALL: 0.625}, tmp_path) == ""
    curve = pooled("survival_ratio", AGENTS, "window_trajectories", "steps", own="steps")
    assert complaints(given, curve, {'{steps="20"}': 0.625, '{steps="50"}': 0.25}, tmp_path) == ""


def test_counters_add_up(tmp_path):
    given = [
        series("steps_total", "0+3x60", "a", more=', outcome="ok"'),
        series("steps_total", "0+1x60", "a", more=', outcome="error"'),
        series("steps_total", "0+4x60", "b", more=', outcome="ok"'),
    ]
    good, every = f'otelscore_steps_total{{{AGENTS}, outcome="ok"}}', f"otelscore_steps_total{{{AGENTS}}}"
    assert complaints(given, share(good, every, BY), {ALL: 0.875}, tmp_path, at="60m") == ""
