"""How spans are read, remembered by their shape: an agent's spans are of few.

Spans of one shape come from one scope and have the same attributes, and either all have events or none. So the same
rules can apply to them, and of a dialect the same is left to ask.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from otelscore.dialects.evaluation import FLATTENED, verdicts_of_span
from otelscore.dialects.kinds import ByPresence, ByValue, Rule
from otelscore.dialects.reading import FAULTS, cluster, read, read_fault
from otelscore.dialects.table import Context, Dialect, narrowed
from otelscore.model import OTHER, Kind, RawSpan, Reading

MAX_SHAPES = 2_000
"""Shapes that are remembered."""

_MAX_KEYS = 64
"""Attributes of a span whose shape is remembered."""


class Plan:
    """What there is to ask of the spans of one shape."""

    __slots__ = ("faulted", "narrowed", "rules", "telling")

    def __init__(
        self, rules: tuple[tuple[int, Callable[[RawSpan], Kind | None]], ...], telling: bool, faulted: bool
    ) -> None:
        self.rules = rules  # those that can apply; of the dialect of a number
        self.telling = telling  # it may bear verdicts
        self.faulted = faulted  # it may tell of an injected fault
        self.narrowed: dict[int, Dialect] = {}  # by number, once one knew such a span


class Plans:
    """Reads spans by the first dialect that knows them."""

    def __init__(self, context: Context, dialects: Sequence[Dialect], marks: frozenset[str]) -> None:
        self.remembered: dict[tuple[object, ...], Plan] = {}
        self.applicable: dict[tuple[str, frozenset[str]], tuple[tuple[int, Rule], ...]] = {}
        self._context = context
        self._grouped = bool(context.cluster_by)
        self._dialects = tuple(dialects)
        self._marks = marks  # all attributes that a rule looks at
        self._telling = FLATTENED | context.speakers  # of which a span that bears verdicts has one

    def read(self, span: RawSpan) -> Reading:
        plan = self._plan(span)
        reading = self._read(span, plan)
        if plan.telling:
            verdicts = tuple(verdicts_of_span(span, reading.kind, self._context.threshold, self._context.speakers))
            if verdicts:
                reading = Reading(Kind.OTHER) if reading is OTHER else reading
                reading.verdicts = verdicts
        return reading

    def rules(self, span: RawSpan) -> tuple[tuple[int, Rule], ...]:
        """Those that can apply to the span, with the number of their dialect."""
        scope, marks = span.origin.scope, self._marks.intersection(span.attributes)
        rules = self.applicable.get((scope, marks))
        if rules is None:
            if len(self.applicable) >= MAX_SHAPES:
                self.applicable.clear()
            rules = self.applicable[scope, marks] = tuple(
                [
                    (number, rule)
                    for number, dialect in enumerate(self._dialects)
                    for rule in dialect.kinds
                    if _may_know(rule, scope, marks)
                ]
            )
        return rules

    def _plan(self, span: RawSpan) -> Plan:
        if len(span.attributes) > _MAX_KEYS:
            return self._made(span)
        shape = (span.origin.scope, not span.events, *span.attributes)
        plan = self.remembered.get(shape)
        if plan is None:
            if len(self.remembered) >= MAX_SHAPES:
                self.remembered.clear()
            plan = self.remembered[shape] = self._made(span)
        return plan

    def _made(self, span: RawSpan) -> Plan:
        return Plan(
            tuple([(number, rule.find) for number, rule in self.rules(span)]),
            bool(span.events) or not self._telling.isdisjoint(span.attributes),
            not FAULTS.isdisjoint(span.attributes),
        )

    def _read(self, span: RawSpan, plan: Plan) -> Reading:
        for number, find in plan.rules:
            kind = find(span)
            if kind is not None:
                dialect = plan.narrowed.get(number)
                if dialect is None:
                    dialect = narrowed(self._dialects[number], span.attributes.keys(), bool(span.events))
                    plan.narrowed[number] = dialect
                return read(dialect, span, kind, self._context)
        group = cluster(span, self._context) if self._grouped else ""
        if not group and not plan.faulted:
            return OTHER
        reading = Reading(Kind.OTHER, cluster=group)
        if plan.faulted:
            read_fault(reading, span)
        return reading


def _may_know(rule: Rule, scope: str, marks: frozenset[str]) -> bool:
    """Whether a rule can know spans of this scope with these of the telling attributes."""
    inside, marked = scope.startswith(rule.scopes or "\0"), bool(rule.keys & marks)
    if isinstance(rule, (ByValue, ByPresence)):  # the value counts in its scopes only
        return marked and (inside or not rule.scopes)
    return marked or inside or not (rule.keys or rule.scopes)
