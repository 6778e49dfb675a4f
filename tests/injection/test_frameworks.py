"""Real frameworks with a scripted model under every kind of fault: the figures equal what the scripts did, exactly.

What the frameworks sent and the scripts' own accounts are kept beside frameworks/capture.py, which makes them.
"""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from otelscore.config import Config
from otelscore.dialects import Context, Registry
from otelscore.faults.kinds import KINDS
from otelscore.ingest.decode import Decoder
from otelscore.model import Verdict
from otelscore.pipeline import Pipeline

CAPTURES = sorted(Path(__file__).with_name("frameworks").glob("*.binpb.gz"))


def outcome(account):
    if account["noticed"]:
        return "noticed_recovered" if account["recovered"] else "noticed_failed"
    return "unnoticed_harmless" if account["passed"] else "unnoticed_wrong"


def samples(pipeline, name):
    """Own label values -> value, by the service of the run."""
    found = {}
    for family in pipeline.families(1060.0):
        for sample in family.samples if family.metric.name == name else ():
            labels = dict(zip(family.label_names, sample.labels, strict=True))
            if labels.get("window", "24h") == "24h" and (sample.value or family.metric.name.endswith("_ratio")):
                own = tuple(labels[label] for label in family.metric.labels)
                found.setdefault(labels["service_name"], {})[own] = sample.value
    return found


@pytest.mark.parametrize("capture", CAPTURES, ids=[path.name.partition(".")[0] for path in CAPTURES])
def test_the_figures_equal_what_the_scripts_did(capture):
    accounts = json.loads(capture.with_suffix("").with_suffix(".json").read_text())
    batch = Decoder(Registry(Context(key=bytes(16)))).traces(gzip.decompress(capture.read_bytes()))
    pipeline = Pipeline(Config(), "test")
    pipeline.ingest(batch, 1000.0)
    for span in batch.spans:
        if not span.parent_id:
            passed = accounts[span.origin.service]["passed"]
            pipeline.ingest(type(batch)(verdicts=[Verdict("task_success", passed, span.end, span.trace_id)]), 1001.0)
    assert list(pipeline.close_all(1060.0)) == []  # no run is in a figure of production
    assert {run.partition("/")[0] for run in accounts} == set(KINDS)
    assert samples(pipeline, "injected_faults_total") == {
        run: {(run.partition("/")[0], "list_orders", outcome(account)): 1} for run, account in accounts.items()
    }
    assert samples(pipeline, "trajectories_total") == {}
    for name, holds in {
        "fault_notice_ratio": lambda account: account["noticed"],
        "fault_recovery_ratio": lambda account: account["recovered"],
        "fault_confidently_wrong_ratio": lambda account: not account["noticed"] and not account["passed"],
    }.items():
        assert samples(pipeline, name) == {
            run: {(run.partition("/")[0],): float(holds(account))} for run, account in accounts.items()
        }


def test_every_framework_is_there_in_both_ways():
    assert [path.name for path in CAPTURES] == [
        f"{framework}-{way}.binpb.gz" for framework in ("langgraph", "pydantic_ai") for way in ("inject", "proxy")
    ]
