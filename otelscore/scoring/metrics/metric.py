"""What one metric is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class Type(Enum):
    """The Prometheus type of a metric."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    INFO = "info"


class Per(Enum):
    """What a series of a metric is about; decides its first labels."""

    SERVICE = "this otelscore"  # none
    GROUP = "trajectories with the same labels"  # service_name, agent and the user's
    WINDOW = "the same in one rolling window"  # these and window


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: `name` goes without the prefix, `labels` are those of its own after the ones that `per` gives."""

    name: str
    type: Type
    per: Per
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()  # upper bounds, without +Inf

    def label_names(self, group: Sequence[str]) -> tuple[str, ...]:
        """All label names in the order of a sample's values; `group` are those of a trajectory."""
        first = {Per.SERVICE: (), Per.GROUP: group, Per.WINDOW: (*group, "window")}[self.per]
        return (*first, *self.labels)
