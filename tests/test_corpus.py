"""Captured requests of real agent frameworks give what their truth says, in any order and however they are split.

`corpus/<framework>/<scenario>/request-*` are the bodies in the order in which they arrived, protobuf (.binpb) or JSON
(.json), of spans and of log records, and `truth.json` says what otelscore has to make of them.
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from otelscore.config import Config
from otelscore.dialects import Context, Registry
from otelscore.ingest.decode import Decoder
from otelscore.model import Batch, Kind, Score, Span, StepStatus
from otelscore.pipeline import Pipeline

CORPUS = Path(__file__).parent / "corpus"
SCENARIOS = sorted(folder.parent for folder in CORPUS.glob("*/*/truth.json"))
TRAJECTORIES = Path(__file__).parents[2] / "shared" / "trajectories"
NOW = 1_800_000_000.0

scenarios = pytest.mark.parametrize(
    "scenario", SCENARIOS, ids=[str(folder.relative_to(CORPUS)) for folder in SCENARIOS]
)


def decode(scenario: Path) -> list[Batch]:
    decoder = Decoder(Registry(Context(key=bytes(16))))
    read = {".binpb": decoder.any_protobuf, ".json": decoder.traces_json}
    return [read[path.suffix](path.read_bytes()) for path in sorted(scenario.glob("request-*"))]


def score(batches: Iterable[Batch]) -> list[Score]:
    """Everything as one input of files: all runs close at its end."""
    pipeline = Pipeline(Config(), "test")
    for seconds, batch in enumerate(batches):
        pipeline.ingest(batch, NOW + seconds / 1000)
    return sorted(pipeline.close_all(NOW + 60), key=lambda score: score.trajectory_id)


def summary(run: Score) -> dict[str, Any]:
    """A score in the words of a truth file."""
    calls = [step for step in run.steps if step.kind is not Kind.MODEL and step.status is not StepStatus.SKIPPED]
    failed = [step for step in calls if step.status is not StepStatus.OK]
    return {
        "steps": sorted((step.name, step.kind.value, step.status is not StepStatus.OK) for step in calls),
        "responses": [step.response for step in failed],
        "model_calls": sum(step.kind is Kind.MODEL for step in run.steps),
        "hard_failure": run.hard_failure,
        "outcome": run.outcome,
    }


def agrees(found: dict[str, Any], truth: dict[str, Any]) -> bool:
    steps = sorted((step["name"], step["kind"], step["failed"]) for step in truth["steps"])
    return (
        found["steps"] == steps
        and truth["model_calls"] in (None, found["model_calls"])
        and found["hard_failure"] == truth["hard_failure"]
        and found["outcome"] == truth["outcome"]
        and len(found["responses"]) == len(truth["responses"])
        and all(
            response is None if right is None else response in right
            for response, right in zip(found["responses"], truth["responses"], strict=True)
        )
    )


@scenarios
def test_a_captured_run_is_scored_as_its_truth_says(scenario: Path) -> None:
    truth = json.loads((scenario / "truth.json").read_text())
    found = [summary(run) for run in score(decode(scenario))]
    assert len(found) == truth["trajectories"], found
    for run in truth["runs"]:
        match = next((candidate for candidate in found if agrees(candidate, run)), None)
        assert match is not None, f"want {run}, have {found}"
        found.remove(match)


@scenarios
def test_order_repetition_and_splitting_of_the_requests_change_nothing(scenario: Path) -> None:
    batches = decode(scenario)
    spans = [span for batch in batches for span in batch.spans]
    told = [Batch(facts=batch.facts) for batch in batches if batch.facts]
    expected = score(batches)
    dice = random.Random(scenario.name)
    shuffled = dice.sample(batches, len(batches))
    mixed = one_by_one(dice.sample(spans, len(spans))) + told[::-1]
    assert score(reversed(batches)) == expected
    assert score(shuffled + dice.choices(batches, k=3)) == expected
    assert score(told + one_by_one(spans)) == expected
    assert score(mixed + dice.choices(mixed, k=5)) == expected
    assert score([Batch(spans=spans * 2), *told]) == expected


@pytest.mark.parametrize("dropped", [{Kind.TOOL}, {Kind.TOOL, Kind.AGENT, Kind.WRAPPER}], ids=["tools", "but models"])
@pytest.mark.parametrize("framework", ["strands", "vercel-ai-v7"])
def test_without_tool_spans_the_messages_show_the_same_tools(framework: str, dropped: set[Kind]) -> None:
    for scenario in sorted((CORPUS / framework).iterdir()):
        truth = json.loads((scenario / "truth.json").read_text())
        spans = {span.span_id: span for batch in decode(scenario) for span in batch.spans}
        wanted = sorted(sorted((step["name"], step["failed"]) for step in run["steps"]) for run in truth["runs"])
        found = [
            sorted((step.name, step.failed) for step in run.steps if step.kind is Kind.TOOL)
            for run in score([Batch(spans=without(spans, dropped))])
        ]
        assert sorted(filter(None, found)) == wanted, scenario.name


def without(spans: dict[bytes, Span], kinds: set[Kind]) -> list[Span]:
    """The spans that are of other kinds, each below the nearest of them."""

    def parent(span: Span) -> bytes:
        above = spans.get(span.parent_id)
        return parent(above) if above is not None and above.reading.kind in kinds else span.parent_id

    return [replace(span, parent_id=parent(span)) for span in spans.values() if span.reading.kind not in kinds]


def one_by_one(spans: Iterable[Span]) -> list[Batch]:
    return [Batch(spans=[span]) for span in spans]


def test_the_corpus_is_all_there() -> None:
    frameworks = {scenario.parent.name for scenario in SCENARIOS}
    assert frameworks == {
        "agent-framework-openinference",
        "agno",
        "autogen",
        "autogen-openinference",
        "beeai-openinference",
        "claude-agent-sdk",
        "crewai",
        "genkit-js",
        "google-adk",
        "google-adk-1.16",
        "google-adk-1.5",
        "google-adk-schema1",
        "haystack-2.18",
        "haystack-native",
        "langchain_openinference",
        "langchain_traceloop",
        "langfuse",
        "langfuse-langgraph",
        "langgraph-js-openinference",
        "langgraph-traceloop-0.40",
        "langsmith",
        "llama-index-traceloop",
        "llama_index",
        "llama_index-own",
        "mastra-0.24",
        "mastra-1.4",
        "mastra-1.71",
        "mcp-sdk2-native",
        "mlflow",
        "mlflow-langgraph",
        "mlflow-openai-agents",
        "ms_agent_framework",
        "openai-agents-logfire",
        "openai-agents-traceloop",
        "openai_agents_openinference",
        "openai_agents_otelv2",
        "openinference-clients",
        "openinference-dspy",
        "openlit",
        "otel-genai",
        "pydantic-ai-0.0.48",
        "pydantic-ai-0.4",
        "pydantic-ai-1.0",
        "pydantic-ai-openinference",
        "pydantic_ai",
        "semantic_kernel",
        "smolagents",
        "strands",
        "strands-mcp",
        "traceloop-clients",
        "vercel-ai-v4",
        "vercel-ai-v5-json",
        "vercel-ai-v6",
        "vercel-ai-v7",
    }
    assert len(SCENARIOS) == 429


@pytest.mark.local_data
@pytest.mark.parametrize("benchmark", ["tau_airline", "tau_retail"])
def test_the_failed_steps_of_real_benchmark_runs_are_found_without_false_alarms(benchmark: str) -> None:
    folder = TRAJECTORIES / benchmark
    if not folder.exists():
        pytest.skip(f"{folder} is not there")
    truth = {}
    for line in (folder / "truth.jsonl").read_text().splitlines():
        run = json.loads(line)
        truth[run["trace_id"]] = set(run["tool_error_span_ids"])
    decoder = Decoder(Registry(Context(key=bytes(16))))
    with gzip.open(folder / "traces.jsonl.gz", "rb") as lines:
        runs = score(decoder.traces_json(line) for line in lines)
    failed = {
        (run.trace_id, step.span_id.hex())
        for run in runs
        for step in run.steps
        if step.status in ("error", "unrecoverable")
    }
    right = {(trace_id, span_id) for trace_id, span_ids in truth.items() for span_id in span_ids}
    assert {run.trace_id for run in runs} == truth.keys()
    assert len(failed & right) >= 0.99 * len(right)  # recall
    assert len(failed & right) >= 0.99 * len(failed)  # precision
