from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from written import span

from otelscore.cli.batch import Scored, score_paths
from otelscore.config import Config
from otelscore.model import Verdict


def made_runs() -> tuple[list[str], list[Verdict]]:
    """Requests of one span each, of 60 runs of two agents on 12 tasks, and a verdict about each."""
    chance = random.Random(7)
    requests, verdicts = [], []
    for trace in range(1, 61):
        steps = chance.randint(1, 25)
        root = {"gen_ai__operation__name": "invoke_agent", "gen_ai__agent__name": chance.choice("ab")}
        requests.append(span(trace, 1, trace * 1000, trace * 1000 + 900, task__id=f"{trace % 12}", **root))
        for number in range(2, steps + 2):
            at = trace * 1000 + 10 * number
            tool = {"gen_ai__operation__name": "execute_tool", "gen_ai__tool__name": chance.choice(["search", "mail"])}
            error = chance.choice(["", "", "", "", "", "", "TimeoutError"])
            requests.append(span(trace, number, at, at + 1, error__type=error, **tool))
        passed = chance.random() < 0.97**steps
        verdicts.append(Verdict("task_success", passed, 10**15, trace.to_bytes(16, "big")))
    return requests, verdicts


REQUESTS, VERDICTS = made_runs()


def write(folder: Path, requests: list[str], cuts: list[int]) -> Path:
    folder.mkdir()
    for part, (first, last) in enumerate(zip([0, *cuts], [*cuts, len(requests)], strict=True)):
        (folder / f"{part}.jsonl").write_text("".join(f"{request}\n" for request in requests[first:last]))
    return folder


def shown(scored: Scored) -> dict[tuple[str, ...], Any]:
    """Every figure, to the last bit; of counters and histograms without exemplars, which tell of the last."""
    return {
        (family.metric.name, *sample.labels): (value.counts, value.sum) if hasattr(value, "counts") else value
        for family in scored.families
        for sample in family.samples
        for value in [sample.value]
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> dict[tuple[str, ...], Any]:
    folder = tmp_path_factory.mktemp("whole") / "runs"
    return shown(score_paths([write(folder, REQUESTS, [])], Config(cluster_by="task.id"), VERDICTS))


def test_all_figures_are_there(whole):
    names = {name for name, *_ in whole}
    assert names >= {"survival_ratio_lower", "extrapolated_survival_ratio", "projected_success_ratio_upper"}
    assert names >= {"projected_silent_failure_ratio", "tool_success_ratio_lower", "judged_trajectories_total"}
    assert sum(value for (name, *_), value in whole.items() if name == "window_trajectories") == 60


@given(st.randoms(use_true_random=False), st.lists(st.integers(0, len(REQUESTS)), max_size=6).map(sorted))
@settings(max_examples=12)
def test_the_figures_are_the_same_however_the_spans_are_split_over_files(tmp_path_factory, whole, chance, cuts):
    mixed = chance.sample(REQUESTS, len(REQUESTS))
    folder = write(tmp_path_factory.mktemp("split") / "runs", mixed, cuts)
    scored = score_paths([folder], Config(cluster_by="task.id"), chance.sample(VERDICTS, len(VERDICTS)))
    assert shown(scored) == whole
