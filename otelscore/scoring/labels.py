"""Label names and values: what senders wrote, cleaned and limited, since every new value makes new series."""

from __future__ import annotations

import re
from collections.abc import Sequence

from otelscore.model import Trajectory
from otelscore.scoring.metrics import METRICS, Per

OVERFLOW = "__overflow__"
LONGEST = 128  # characters of a label value

TAKEN = frozenset({"service_name", "agent", "window", "le", "job", "instance"}).union(
    *(metric.labels for metric in METRICS.values() if metric.per is not Per.SERVICE)
)
"""Names that mean something already, to otelscore's metrics or to Prometheus."""


def group_names(extra: Sequence[str] = ()) -> tuple[str, ...]:
    """The labels that every trajectory metric has: `service_name`, `agent` and the user's, dots as underscores.

    Raises:
        ValueError: an extra name is no label name, or is taken.
    """
    names = [re.sub(r"\W", "_", name, flags=re.ASCII) for name in extra]
    for i, (name, raw) in enumerate(zip(names, extra, strict=True)):
        if name in TAKEN or name in names[:i] or not re.match(r"(?!__)[A-Za-z_]", name):
            raise ValueError(f"{raw!r} cannot be a label: {name!r} is taken or no label name")
    return ("service_name", "agent", *names)


class LabelLimiter:
    """Cleans label values, and admits at most `limit` distinct ones per label name; the rest become one.

    `extra` names what the user adds to a trajectory's labels: `model` and `tenant` are the trajectory's own, all
    others are in its `labels`.
    """

    def __init__(self, limit: int, extra: Sequence[str] = ()) -> None:
        self._limit = limit
        self._extra = tuple(extra)
        self.admitted: dict[str, set[str]] = {}
        """The values that have series, by label name."""
        self.names = group_names(extra)
        """The names of the values that `group` gives."""
        self.overflows = dict.fromkeys((*self.names, "tool", "step_agent", "evaluator"), 0)
        """How often a value did not fit, by label name."""

    def group(self, trajectory: Trajectory) -> tuple[str, ...]:
        """A trajectory's label values, empty where the sender did not set one."""
        origin = trajectory.origin
        known = {**trajectory.labels, "model": trajectory.model, "tenant": origin.tenant}
        raw = (origin.service, trajectory.agent, *(known.get(name, "") for name in self._extra))
        return tuple(self.value(name, value) for name, value in zip(self.names, raw, strict=True))

    def value(self, name: str, raw: str) -> str:
        """What to show for a value of the label `name`."""
        admitted = self.admitted.setdefault(name, set())
        if raw in admitted:
            return raw
        value = raw[:LONGEST]
        if not value.isprintable():
            value = "".join(c if c.isprintable() else "_" for c in value)
        if not value or value in admitted:
            return value
        if len(admitted) < self._limit:
            admitted.add(value)
            return value
        self.overflows[name] = self.overflows.get(name, 0) + 1
        return OVERFLOW
