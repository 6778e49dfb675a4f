from __future__ import annotations

import shutil
import subprocess

import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from otelscore.export.prometheus import make_registry, render
from otelscore.scoring.families import Family, Sample, service_family
from otelscore.scoring.metrics import METRICS, PREFIX, Type

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def test_every_series_comes_back_from_prometheus_text(families):
    body, content_type = render(make_registry(lambda: families), "")
    assert content_type.startswith("text/plain")
    assert series(text_string_to_metric_families(body.decode())) == expected(families)


def test_every_series_comes_back_from_openmetrics_text(families):
    body, content_type = render(make_registry(lambda: families), OPENMETRICS)
    assert content_type.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")
    assert series(openmetrics.text_string_to_metric_families(body.decode())) == expected(families)


def test_openmetrics_carries_the_traces_behind_counters_and_buckets(families):
    body, _ = render(make_registry(lambda: families), OPENMETRICS)
    traced = {
        sample.name.removeprefix(PREFIX): sample.exemplar
        for family in openmetrics.text_string_to_metric_families(body.decode())
        for sample in family.samples
        if sample.exemplar
    }
    kinds = {Type.COUNTER: "{}", Type.HISTOGRAM: "{}_bucket"}
    assert set(traced) == {kinds[m.type].format(m.name) for m in METRICS.values() if m.type in kinds}
    exemplar = traced["step_errors_total"]
    assert exemplar.labels == {"trace_id": "0af7651916cd43dd8448eb211c80319c"}
    assert (exemplar.value, float(exemplar.timestamp)) == (1, 1000.5)


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
def test_there_are_no_series_of_creation_times(families, accept):
    body, _ = render(make_registry(lambda: families), accept)
    assert b"_created" not in body


def test_a_bucket_counts_all_that_is_not_above_its_bound(families):
    body, _ = render(make_registry(lambda: families), "")
    (family,) = (f for f in text_string_to_metric_families(body.decode()) if f.name == "otelscore_trajectory_steps")
    buckets = [(s.labels["le"], s.value) for s in family.samples if s.name.endswith("_bucket") and s.labels["agent"]]
    assert buckets[:3] == [("1.0", 2), ("2.0", 3), ("3.0", 3)]
    assert buckets[-1] == ("+Inf", 3)


def test_the_process_tells_about_itself():
    body, _ = render(make_registry(list), "")
    assert {b"process_resident_memory_bytes", b"python_info", b"python_gc_collections_total"} <= set(
        body.replace(b"{", b" ").split()
    )


def test_only_the_names_asked_for_are_shown(families):
    body, _ = render(make_registry(lambda: families), "", ["otelscore_rows", "otelscore_steps_total"])
    assert {family.name for family in text_string_to_metric_families(body.decode())} == {
        "otelscore_rows",
        "otelscore_steps",
    }


def test_figures_are_collected_when_they_are_scraped():
    values = {("runs",): 1.0}
    registry = make_registry(lambda: [service_family("rows", values)])
    assert registry.get_sample_value("otelscore_rows", {"stream": "runs"}) == 1
    values["runs",] = 2.0
    assert registry.get_sample_value("otelscore_rows", {"stream": "runs"}) == 2


def test_a_sample_with_the_wrong_number_of_labels_is_a_mistake():
    wrong = Family(METRICS["rows"], ("stream",), [Sample((), 1)])
    with pytest.raises(ValueError, match="zip"):
        render(make_registry(lambda: [wrong]), "")


@pytest.mark.parametrize(
    "accept", ["text/plain;version=x", "application/openmetrics-text;version=1.x", ";;;", "application/json"]
)
def test_any_accept_header_gets_an_answer(accept):
    body, _ = render(make_registry(list), accept)
    assert b"process_" in body


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")
def test_promtool_finds_nothing_to_say(families):
    body, _ = render(make_registry(lambda: families), "")
    result = subprocess.run(["promtool", "check", "metrics"], input=body, capture_output=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")


def series(parsed) -> dict[tuple[str, ...], float]:
    """Name and sorted labels -> value, of otelscore's own series."""
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in parsed
        for sample in family.samples
        if sample.name.startswith(PREFIX)
    }


def expected(families) -> dict[tuple[str, ...], float]:
    """The same, from the families, as the formats' specifications have it."""
    found = {}
    for family in families:
        name = PREFIX + family.metric.name
        for sample in family.samples:
            labels = dict(zip(family.label_names, sample.labels, strict=True))
            if family.metric.type is not Type.HISTOGRAM:
                found[name, *sorted(labels.items())] = sample.value
                continue
            counts = sample.value.counts
            bounds = [*(str(float(bound)) for bound in family.metric.buckets), "+Inf"]
            for i, bound in enumerate(bounds):
                found[f"{name}_bucket", *sorted((labels | {"le": bound}).items())] = sum(counts[: i + 1])
            found[f"{name}_count", *sorted(labels.items())] = sum(counts)
            found[f"{name}_sum", *sorted(labels.items())] = sample.value.sum
    return found
