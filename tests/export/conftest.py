from __future__ import annotations

import pytest

from otelscore.scoring.families import Distribution, Exemplar, Family, Sample
from otelscore.scoring.metrics import METRICS, Metric, Type

GROUP = ("service_name", "agent", "service_version")


def _family(metric: Metric) -> Family:
    names = metric.label_names(GROUP)
    exemplar = Exemplar("0af7651916cd43dd8448eb211c80319c", 1, 1000.5)
    value: float | Distribution = 1 if metric.type is Type.INFO else 3
    if metric.type is Type.HISTOGRAM:
        empty = len(metric.buckets) - 1
        value = Distribution((2, 1, *[0] * empty), 4.5, (exemplar, *[None] * (empty + 1)))
    awkward = tuple(f'{name} "ü" \\ x' for name in names)
    counter_exemplar = exemplar if metric.type is Type.COUNTER else None
    return Family(metric, names, [Sample(awkward, value, counter_exemplar), Sample(("",) * len(names), value)])


@pytest.fixture
def families() -> list[Family]:
    """Every metric with two series (one for a metric without labels)."""
    all_families = [_family(metric) for metric in METRICS.values()]
    return [family if family.label_names else Family(family.metric, (), family.samples[:1]) for family in all_families]
