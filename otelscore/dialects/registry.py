"""All dialects in their order, and the `Reader` that the decoder is handed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from otelscore.dialects.adk import ADK
from otelscore.dialects.ag2 import AG2
from otelscore.dialects.agentops import AGENTOPS
from otelscore.dialects.anthropic import ANTHROPIC
from otelscore.dialects.braintrust import BRAINTRUST
from otelscore.dialects.claude_code import CLAUDE_CODE
from otelscore.dialects.evaluation import EVALUATION_EVENT, FLATTENED, is_read, verdict_of_event, verdicts_of_span
from otelscore.dialects.gemini_cli import GEMINI_CLI
from otelscore.dialects.genai import GENAI
from otelscore.dialects.general import GENERAL
from otelscore.dialects.genkit import GENKIT
from otelscore.dialects.haystack import HAYSTACK
from otelscore.dialects.kinds import ByPresence, ByValue, Rule
from otelscore.dialects.laminar import LAMINAR
from otelscore.dialects.langfuse import LANGFUSE
from otelscore.dialects.langsmith import LANGSMITH
from otelscore.dialects.livekit import LIVEKIT
from otelscore.dialects.llama_index import LLAMA_INDEX
from otelscore.dialects.logfire import LOGFIRE
from otelscore.dialects.logs import LOG_KEYS, facts_of
from otelscore.dialects.mastra import MASTRA
from otelscore.dialects.mcp import MCP
from otelscore.dialects.microsoft import MICROSOFT
from otelscore.dialects.mlflow import MLFLOW
from otelscore.dialects.openinference import OPENINFERENCE
from otelscore.dialects.pydantic_ai import PYDANTIC_AI
from otelscore.dialects.reading import FAULTS, cluster, read, read_fault
from otelscore.dialects.table import COMMON_KEYS, SOURCES, Context, Dialect, EventField, Source, first, narrowed
from otelscore.dialects.traceloop import TRACELOOP
from otelscore.dialects.vercel import VERCEL
from otelscore.model import OTHER, OWN_SCOPE, AttributeValue, Kind, RawLog, RawSpan, Reading, SpanFacts, Verdict

DIALECTS: tuple[Dialect, ...] = (
    VERCEL,
    MASTRA,
    MLFLOW,
    LANGFUSE,
    LANGSMITH,
    BRAINTRUST,
    AGENTOPS,
    LOGFIRE,
    PYDANTIC_AI,
    ADK,
    TRACELOOP,
    OPENINFERENCE,
    AG2,
    CLAUDE_CODE,
    ANTHROPIC,
    GEMINI_CLI,
    MICROSOFT,
    LIVEKIT,
    GENKIT,
    LLAMA_INDEX,
    MCP,
    GENAI,
    LAMINAR,
    HAYSTACK,
    GENERAL,
)
"""A span is read by the first that knows it: a dialect's own kind comes before the conventions that others share."""

MAX_SHAPES = 2_000
"""Shapes of spans of which it is remembered how they are read."""

_MAX_KEYS = 64
"""Attributes of a span whose shape is remembered."""


@dataclass(slots=True)
class _Plan:
    """How spans of one shape are read: of the same scope, with the same attributes, all with events or all without."""

    rules: tuple[tuple[int, Callable[[RawSpan], Kind | None]], ...]  # those that can apply; of the dialect of a number
    telling: bool  # it may bear verdicts
    faulted: bool  # it may tell of an injected fault
    narrowed: dict[int, Dialect] = field(default_factory=dict)  # what of the dialects is left to ask, once they know it


class Registry:
    """Reads spans and log records by the first dialect that knows them. A `Reader`."""

    def __init__(self, context: Context, dialects: Sequence[Dialect] = DIALECTS) -> None:
        self._context = context
        self._dialects = tuple(dialects)
        self._marks = frozenset(key for dialect in self._dialects for rule in dialect.kinds for key in rule.keys)
        self._applicable: dict[tuple[str, frozenset[str]], tuple[tuple[int, Rule], ...]] = {}
        self._plans: dict[tuple[object, ...], _Plan] = {}
        keys = set(self._marks | COMMON_KEYS | LOG_KEYS | context.labels | context.speakers)
        prefixes: set[str] = set()
        families: set[tuple[str, str]] = set()
        for dialect in self._dialects:
            keys.update(dialect.keys, dialect.failed_if, dialect.roles, dialect.offered)
            prefixes.update(dialect.prefixes)
            families.update(dialect.families)
            for name in SOURCES:
                keys.update(key for key in map(_key, getattr(dialect, name)) if key)
        if context.cluster_by:
            keys.add(context.cluster_by)
        self._keys = frozenset(keys)
        self._prefixes = tuple(sorted(prefixes))
        self._families = tuple(sorted(families))
        self._telling = FLATTENED | context.speakers  # attributes of which a span that bears verdicts has one

    def wants(self, key: str) -> bool:
        return (
            key in self._keys
            or key.startswith(self._prefixes)
            or any(key.startswith(start) and key.endswith(end) for start, end in self._families)
            or is_read(key)
        )

    def read(self, span: RawSpan) -> Reading:
        plan = self._plan(span)
        reading = self._read(span, plan)
        if plan.telling:
            verdicts = tuple(verdicts_of_span(span, reading.kind, self._context.threshold, self._context.speakers))
            if verdicts:
                reading = Reading(Kind.OTHER) if reading is OTHER else reading
                reading.verdicts = verdicts
        return reading

    def _read(self, span: RawSpan, plan: _Plan) -> Reading:
        for number, find in plan.rules:
            kind = find(span)
            if kind is not None:
                dialect = plan.narrowed.get(number)
                if dialect is None:
                    dialect = narrowed(self._dialects[number], span.attributes.keys(), bool(span.events))
                    plan.narrowed[number] = dialect
                return read(dialect, span, kind, self._context)
        group = cluster(span, self._context) if self._context.cluster_by else ""
        if not group and not plan.faulted:
            return OTHER
        reading = Reading(Kind.OTHER, cluster=group)
        if plan.faulted:
            read_fault(reading, span)
        return reading

    def content_of(self, span: RawSpan) -> tuple[AttributeValue, AttributeValue]:
        """What a call was given and gave back, as the dialect that reads the span finds it; None where it is not there.

        For who is asked to keep content, as a cassette is: readings hold none.
        """
        for number, rule in self._rules(span):
            if rule.find(span) is not None:
                dialect = self._dialects[number]
                return first(span, dialect.arguments), first(span, dialect.result)
        return None, None

    def explain(self, span: RawSpan) -> tuple[str, str]:
        """(the dialect by which a span is read, what its kind was seen by); empty where no dialect knows it."""
        known = ((number, rule.says) for number, rule in self._rules(span) if rule.find(span) is not None)
        number, says = next(known, (-1, ""))
        return (self._dialects[number].name, says) if says else ("", "")

    def _plan(self, span: RawSpan) -> _Plan:
        if len(span.attributes) > _MAX_KEYS:
            return self._made_plan(span)
        shape = (span.origin.scope, not span.events, *span.attributes)
        plan = self._plans.get(shape)
        if plan is None:
            if len(self._plans) >= MAX_SHAPES:
                self._plans.clear()
            plan = self._plans[shape] = self._made_plan(span)
        return plan

    def _made_plan(self, span: RawSpan) -> _Plan:
        keys = span.attributes.keys()
        return _Plan(
            rules=tuple((number, rule.find) for number, rule in self._rules(span)),
            telling=bool(span.events) or not self._telling.isdisjoint(keys),
            faulted=not FAULTS.isdisjoint(keys),
        )

    def _rules(self, span: RawSpan) -> tuple[tuple[int, Rule], ...]:
        """Those that can apply to the span: they are the same for all spans with such attributes of one scope."""
        scope, marks = span.origin.scope, self._marks.intersection(span.attributes)
        rules = self._applicable.get((scope, marks))
        if rules is None:
            if len(self._applicable) >= MAX_SHAPES:
                self._applicable.clear()
            rules = self._applicable[scope, marks] = tuple(
                (number, rule)
                for number, dialect in enumerate(self._dialects)
                for rule in dialect.kinds
                if _may_know(rule, scope, marks)
            )
        return rules

    def read_log(self, log: RawLog) -> Verdict | SpanFacts | None:
        """An evaluation, or what a record says about a span; None for every other record."""
        if log.origin.scope == OWN_SCOPE:
            return None
        if log.event_name == EVALUATION_EVENT:
            return verdict_of_event(log.attributes, log.time, log.trace_id, log.span_id, self._context.threshold)
        return facts_of(log, self._context)


def _may_know(rule: Rule, scope: str, marks: frozenset[str]) -> bool:
    """Whether a rule can know spans of this scope with these of the telling attributes."""
    inside, marked = scope.startswith(rule.scopes or "\0"), bool(rule.keys & marks)
    if isinstance(rule, (ByValue, ByPresence)):  # the value counts in its scopes only
        return marked and (inside or not rule.scopes)
    return marked or inside or not (rule.keys or rule.scopes)


def _key(source: Source) -> str | None:
    if isinstance(source, EventField):
        return source.key
    return source if isinstance(source, str) else None
