"""The shape in which figures leave this room: a metric and its samples, free of any text format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from otelscore.scoring.metrics import METRICS, Metric


@dataclass(frozen=True, slots=True)
class Exemplar:
    """A trace that was counted: the way from a figure to the run behind it."""

    trace_id: str  # hex
    value: float
    time: float  # Unix seconds


@dataclass(frozen=True, slots=True)
class Distribution:
    """A histogram's value: one count and one exemplar per bucket, not cumulative, +Inf last."""

    counts: tuple[int, ...]
    sum: float
    exemplars: tuple[Exemplar | None, ...]


class Sample(NamedTuple):
    """One series: its label values in the order of the family's names, and its value.

    A named tuple, since tens of thousands are made for one scrape, each in a third of a dataclass's time.
    """

    labels: tuple[str, ...]
    value: float | Distribution
    exemplar: Exemplar | None = None


@dataclass(frozen=True, slots=True)
class Family:
    """A metric with the samples it has now."""

    metric: Metric
    label_names: tuple[str, ...]
    samples: Sequence[Sample]


def service_family(name: str, values: Mapping[tuple[str, ...], float]) -> Family:
    """A metric about this otelscore itself, from plain numbers: its own label values -> value."""
    metric = METRICS[name]
    return Family(metric, metric.labels, [Sample(labels, value) for labels, value in values.items()])
