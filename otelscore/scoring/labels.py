"""Label names and values: what senders wrote, cleaned and limited, since every new value makes new series."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from otelscore.model import Trajectory
from otelscore.scoring.metrics import METRICS, Per

OVERFLOW = "__overflow__"
LONGEST = 128  # characters of a label value
PAUSE = 600.0  # seconds by which the times of use may be too old after a restart

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


@dataclass(slots=True)
class _Admitted:
    """A value that has series. Whoever is shown it gets this very string, so that a million rows hold it once."""

    value: str
    used: float


class LabelLimiter:
    """Cleans label values, and admits at most `limit` distinct ones per label name; the rest become one.

    A value that was not used for `hold` seconds is let go, and its place is free again. It is used when a run that
    bears it closes, becomes final or is judged. `extra` names what the user adds to a trajectory's labels: `model` is
    the trajectory's own, and `tenant` where its sender had to say who it is; all others are in its `labels`.
    """

    def __init__(self, limit: int, extra: Sequence[str] = (), hold: float = inf) -> None:
        self._limit = limit
        self._extra = tuple(extra)
        self._hold = hold
        self.now = 0.0
        """The time at which values are used."""
        self._admitted: dict[str, OrderedDict[str, _Admitted]] = {}  # in order of use
        self.names = group_names(extra)
        """The names of the values that `group` gives."""
        self.overflows = dict.fromkeys((*self.names, "tool", "step_agent", "evaluator", "fault"), 0)
        """How often a value did not fit, by label name."""
        self.changed = False
        """Whether a value came or went since somebody cleared this."""
        self._dumped = -inf

    def group(self, trajectory: Trajectory) -> tuple[str, ...]:
        """A trajectory's label values, empty where the sender did not set one."""
        origin = trajectory.origin
        known = {**trajectory.labels, "model": trajectory.model}
        if origin.tenant:  # a token said it; else it may be an attribute like any other
            known["tenant"] = origin.tenant
        raw = (origin.service, trajectory.agent, *(known.get(name, "") for name in self._extra))
        return tuple(self.value(name, value) for name, value in zip(self.names, raw, strict=True))

    def value(self, name: str, raw: str) -> str:
        """What to show for a value of the label `name`."""
        admitted = self._admitted.setdefault(name, OrderedDict())
        if raw in admitted:
            return self._use(admitted, raw)
        value = raw[:LONGEST]
        if not value.isprintable():
            value = "".join(c if c.isprintable() else "_" for c in value)
        if not value:
            return ""
        if value in admitted or len(admitted) < self._limit:
            return self._use(admitted, value)
        self.overflows[name] += 1
        return OVERFLOW

    def use_group(self, labels: Sequence[str]) -> None:
        """The values that `group` once gave are used again."""
        for name, value in zip(self.names, labels, strict=True):
            if value not in ("", OVERFLOW):
                self._use(self._admitted.setdefault(name, OrderedDict()), value)

    def release(self, now: float) -> dict[str, set[str]]:
        """Lets go of the values that were not used for too long; gives them by label name."""
        self.now = now
        released: dict[str, set[str]] = {}
        for name, admitted in self._admitted.items():
            while admitted and now - next(iter(admitted.values())).used >= self._hold:
                value, _ = admitted.popitem(last=False)
                released.setdefault(name, set()).add(value)
                self.changed = True
        return released

    @property
    def is_unsaved(self) -> bool:
        """Whether to `dump`: a value came or went, or the times of use that were dumped are too old by now."""
        return self.changed or self.now - self._dumped >= PAUSE

    def dump(self) -> dict[str, Any]:
        """The admitted values of each label name and when each was last used, plain; `load` takes them back."""
        self._dumped = self.now
        admitted = {name: [(one.value, one.used) for one in found.values()] for name, found in self._admitted.items()}
        return {"dumped": self._dumped, "admitted": admitted}

    def load(self, plain: dict[str, Any], down: float) -> None:
        """Goes on from where the values were, `down` seconds later, which do not count as time without use."""
        self._dumped = plain["dumped"] + down
        for name, values in plain["admitted"].items():
            self._admitted[name] = OrderedDict((value, _Admitted(value, used + down)) for value, used in values)

    def _use(self, admitted: OrderedDict[str, _Admitted], value: str) -> str:
        one = admitted.get(value)
        if one is None:
            one = admitted[value] = _Admitted(value, self.now)
            self.changed = True
        elif one.used != self.now:  # most are used many times between two looks at the clock
            one.used = self.now
            admitted.move_to_end(value)
        return one.value
