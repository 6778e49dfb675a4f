"""What decides about each call: which fault it gets, if any. It keeps count of calls and faults, run by run.

Which call gets what follows from the plan's seed, the run, the tool and the number of the call alone (`decide`); the
budget then only takes faults away. Nothing is injected unless OTELSCORE_FAULTS is 1 in the environment: a plan that is
left in the code, or in an image, does nothing by itself.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from otelscore.faults.dice import Dice
from otelscore.faults.kinds import KINDS, Effect
from otelscore.faults.mutations import UNCHANGED, Case, change
from otelscore.faults.plan import FaultPlan, Rule, exception_type

log = logging.getLogger(__name__)

SWITCH = "OTELSCORE_FAULTS"
"""The environment variable that must be 1, besides a plan, for anything to be injected."""

PLAN = "OTELSCORE_FAULT_PLAN"
"""The environment variable that names a plan's file, for whoever gives none."""

RUN = "OTELSCORE_FAULT_RUN"
"""The environment variable that names the run of a process, so that it can be repeated."""

MAX_RUNS = 10_000
"""Runs of which is known how far they are; the one that was not heard of for longest begins anew."""


class HttpStatusError(Exception):
    """An injected answer of an HTTP server: `status_code` and `headers`, as HTTP clients' exceptions have them."""

    def __init__(self, status: int, retry_after: float | None = None) -> None:
        known = {each.value: each.phrase for each in HTTPStatus}
        wait = "" if retry_after is None else f" (Retry-After: {retry_after:g})"
        super().__init__(f"HTTP {status} {known.get(status, 'Error')}{wait}")
        self.status_code = status
        self.headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}


@dataclass(frozen=True, slots=True)
class Fault:
    """What is done to one call."""

    rule: Rule
    dice: Dice
    earlier: Any = UNCHANGED

    @property
    def kind(self) -> str:
        return self.rule.kind

    @property
    def effect(self) -> Effect:
        return KINDS[self.kind].effect

    @property
    def seconds(self) -> float:
        """How long to wait before anything else."""
        return float(self.rule.parameter("seconds")) if self.kind in ("delay", "timeout") else 0.0

    def error(self) -> Exception:
        """What a fault that raises raises."""
        if self.kind == "error":
            return exception_type(self.rule.parameter("type"))(self.rule.parameter("message"))
        if self.kind == "timeout":
            return TimeoutError(f"timed out after {self.seconds:g} s")
        if self.kind == "auth":
            return HttpStatusError(self.rule.parameter("status"))
        return HttpStatusError(self.rule.parameter("status"), self.rule.parameter("retry_after"))

    def change(self, result: Any) -> Any:
        """What the agent is told instead of a result; UNCHANGED where the fault has nothing to change."""
        parameters = {name: self.rule.parameter(name) for name in KINDS[self.kind].parameters}
        return change(self.kind, Case(result, self.dice, parameters, self.earlier))


def decide(plan: FaultPlan, dice: Dice, side_effects: bool) -> Rule | None:
    """The rule that hits a call; a pure function. Of several rules about one call each has its own share of chance."""
    marked = side_effects or plan.is_marked(dice.tool)
    throw, below = dice.fraction("hit"), 0.0
    for rule in plan.faults:
        if rule.covers(dice.tool, dice.call, marked):
            below += rule.probability
            if throw < below:
                return rule
    return None


@dataclass(slots=True)
class _Run:
    calls: Counter[str] = field(default_factory=Counter)
    left: int = 0  # of its budget
    results: dict[str, Any] = field(default_factory=dict)  # the last one of each tool, where the plan may ask for it


class Engine:
    """One plan at work. Safe to use from several threads."""

    def __init__(self, plan: FaultPlan, environment: Mapping[str, str] | None = None) -> None:
        self.plan = plan
        self._environment = os.environ if environment is None else environment
        self._runs: OrderedDict[str, _Run] = OrderedDict()
        self._lock = threading.Lock()
        self.unseen = 0
        """Calls that were spared a fault since it would have been seen in no figure."""
        self._keeps = any(rule.kind == "stale" for rule in plan.faults)

    @property
    def is_on(self) -> bool:
        """Whether the environment's switch is on, without which a plan does nothing."""
        return self._environment.get(SWITCH) == "1"

    def next_fault(self, run: str, tool: str, side_effects: bool = False, seen: bool = True) -> Fault | None:
        """Counts a call that begins, and gives the fault that it gets. None, too, where the switch is off.

        `seen`: the call has a span to be marked, without which it gets no fault.
        """
        if not self.is_on:
            return None
        with self._lock:
            state = self._run(run)
            state.calls[tool] += 1
            dice = Dice(self.plan.seed, run, tool, state.calls[tool])
            rule = decide(self.plan, dice, side_effects) if state.left else None
            if rule is None:
                return None
            if not seen:
                self._spare(tool)
                return None
            state.left -= 1
            return Fault(rule, dice, state.results.get(tool, UNCHANGED))

    def remember(self, run: str, tool: str, result: Any) -> None:
        """Keeps what a tool really gave, for `stale`; only while it may be asked for, and never beyond its run."""
        if self._keeps and self.is_on:
            with self._lock:
                self._run(run).results[tool] = result

    def refund(self, run: str) -> None:
        """Gives back the budget of a fault that had nothing to change."""
        with self._lock:
            self._run(run).left += 1

    def _spare(self, tool: str) -> None:
        if not self.unseen:
            log.warning("no fault goes into a call without a span that is recorded, such as this one of %s", tool)
        self.unseen += 1

    def _run(self, run: str) -> _Run:
        state = self._runs.get(run)
        if state is None:
            state = self._runs[run] = _Run(left=self.plan.budget)
            if len(self._runs) > MAX_RUNS:
                self._runs.popitem(last=False)
        else:
            self._runs.move_to_end(run)
        return state
