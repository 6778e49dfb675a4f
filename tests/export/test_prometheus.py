from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from otelscore.export import text
from otelscore.export.prometheus import Exposition, FamilyCollector
from otelscore.scoring.families import Distribution, Exemplar, Family, Sample, service_family
from otelscore.scoring.metrics import METRICS, PREFIX, Type

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def test_every_series_comes_back_from_prometheus_text(families):
    body, content_type = Exposition(lambda: families).render("")
    assert content_type.startswith("text/plain")
    assert series(text_string_to_metric_families(body.decode())) == expected(families)


def test_every_series_comes_back_from_openmetrics_text(families):
    body, content_type = Exposition(lambda: families).render(OPENMETRICS)
    assert content_type.startswith("application/openmetrics-text")
    assert body.endswith(b"# EOF\n")
    assert series(openmetrics.text_string_to_metric_families(body.decode())) == expected(families)


def test_openmetrics_carries_the_traces_behind_counters_and_buckets(families):
    body, _ = Exposition(lambda: families).render(OPENMETRICS)
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
    body, _ = Exposition(lambda: families).render(accept)
    assert b"_created" not in body


def test_a_bucket_counts_all_that_is_not_above_its_bound(families):
    body, _ = Exposition(lambda: families).render("")
    (family,) = (f for f in text_string_to_metric_families(body.decode()) if f.name == "otelscore_trajectory_steps")
    buckets = [(s.labels["le"], s.value) for s in family.samples if s.name.endswith("_bucket") and s.labels["agent"]]
    assert buckets[:3] == [("1.0", 2), ("2.0", 3), ("3.0", 3)]
    assert buckets[-1] == ("+Inf", 3)


def test_the_process_tells_about_itself():
    body, _ = Exposition(list).render("")
    assert {b"process_resident_memory_bytes", b"python_info", b"python_gc_collections_total"} <= set(
        body.replace(b"{", b" ").split()
    )


def test_only_the_names_asked_for_are_shown(families):
    body, _ = Exposition(lambda: families).render("", ["otelscore_rows", "otelscore_steps_total"])
    assert {family.name for family in text_string_to_metric_families(body.decode())} == {
        "otelscore_rows",
        "otelscore_steps",
    }


def test_figures_are_collected_when_they_are_scraped():
    values = {("runs",): 1.0}
    exposition = Exposition(lambda: [service_family("rows", values)])
    assert b'otelscore_rows{stream="runs"} 1.0\n' in exposition.render("")[0]
    values["runs",] = 2.0
    assert b'otelscore_rows{stream="runs"} 2.0\n' in exposition.render("")[0]


def test_a_sample_with_the_wrong_number_of_labels_is_a_mistake():
    wrong = Family(METRICS["rows"], ("stream",), [Sample((), 1)])
    with pytest.raises(ValueError, match="zip"):
        Exposition(lambda: [wrong]).render("")


@pytest.mark.parametrize(
    "accept", ["text/plain;version=x", "application/openmetrics-text;version=1.x", ";;;", "application/json"]
)
def test_any_accept_header_gets_an_answer(accept):
    body, _ = Exposition(list).render(accept)
    assert b"process_" in body


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed (Debian: prometheus)")
def test_promtool_finds_nothing_to_say(families):
    body, _ = Exposition(lambda: families).render("")
    result = subprocess.run(["promtool", "check", "metrics"], input=body, capture_output=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")


exemplars = st.none() | st.builds(Exemplar, st.just("0af7651916cd43dd"), st.floats(allow_nan=False), st.floats(0, 2e9))
NUMBERS = st.floats() | st.integers(-(10**20), 10**20) | st.sampled_from([0.0, -0.0, 999999.5, 1e6, 1e7, 1e21, 1e-9])
TEXTS = st.text(max_size=5) | st.sampled_from(['a"b', "a\\b", "a\nb", ",", "}", "\0", "le"])


@pytest.mark.parametrize(
    "accept", ["", OPENMETRICS, f"{OPENMETRICS}; escaping=allow-utf-8", "text/plain; version=1.0.0"]
)
@given(st.data())
def test_the_text_is_that_of_prometheus_client(accept, data):
    families = []
    for name in ("steps_total", "step_success_ratio", "step_duration_seconds", "build_info", "open_spans"):
        metric = METRICS[name]
        names = data.draw(st.sampled_from([(), ("tool",), ("service_name", "agent", "window"), ("zone", "agent")]))
        values = st.builds(
            Distribution,
            st.tuples(*[st.integers(0, 10**7)] * (len(metric.buckets) + 1)),
            NUMBERS,
            st.tuples(*[exemplars] * (len(metric.buckets) + 1)),
        )
        samples = st.builds(
            Sample,
            st.tuples(*[TEXTS] * len(names)),
            values if metric.type is Type.HISTOGRAM else NUMBERS,
            exemplars if metric.type is Type.COUNTER else st.none(),
        )
        families.append(Family(metric, names, data.draw(st.lists(samples, max_size=3))))
    registry = CollectorRegistry()
    registry.register(FamilyCollector(lambda: families))
    encode, content_type = choose_encoder(accept)
    exposition = Exposition(lambda: families)
    for _ in range(2):  # the second time from what it remembers
        body, given_type = exposition.render(accept)
        assert given_type == content_type
        assert body.startswith(encode(registry).removesuffix(b"# EOF\n"))


def test_dots_in_names_are_not_asked_for():
    body, content_type = Exposition(list).render("text/plain; version=1.0.0; escaping=dots")
    assert "escaping=underscores" in content_type
    assert b"process_cpu_seconds_total " in body


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr(text, "_MAX_TEXTS", 3)
    monkeypatch.setattr(text, "_MAX_HEADS", 3)
    values: dict[tuple[str, ...], float] = {}
    exposition = Exposition(lambda: [service_family("rows", values)])
    for number in range(20):
        values.clear()
        values[str(number),] = 1.0
        body, _ = exposition.render(f"application/openmetrics-text; version=1.{number}.0")
        assert f'otelscore_rows{{stream="{number}"}} 1.0'.encode() in body
    assert len(exposition._writer._heads) <= 4
    assert sum(map(len, exposition._writer._texts.values())) <= 4


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
