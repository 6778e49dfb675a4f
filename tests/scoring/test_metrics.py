from __future__ import annotations

import re

from otelscore.scoring.metrics import METRICS, Metric, Per, Type


def test_names_say_the_type_and_the_unit():
    for name, metric in METRICS.items():
        assert re.fullmatch("[a-z][a-z_]*[a-z]", name)
        assert name.endswith("_total") == (metric.type is Type.COUNTER), name
        assert name.endswith("_info") == (metric.type is Type.INFO), name


def test_only_histograms_have_buckets_and_they_rise():
    for name, metric in METRICS.items():
        assert bool(metric.buckets) == (metric.type is Type.HISTOGRAM), name
        assert list(metric.buckets) == sorted(set(metric.buckets)), name


def test_every_help_is_a_sentence():
    for name, metric in METRICS.items():
        assert metric.help.endswith("."), name
        assert len(metric.help) > 30, name


def test_what_a_metric_is_about_gives_its_first_labels():
    def names(per: Per) -> tuple[str, ...]:
        return Metric("x", Type.GAUGE, per, "", ("own",)).label_names(("service_name", "agent"))

    assert names(Per.SERVICE) == ("own",)
    assert names(Per.GROUP) == ("service_name", "agent", "own")
    assert names(Per.WINDOW) == ("service_name", "agent", "window", "own")
