"""All dialects in their order, and the `Reader` that the decoder is handed."""

from __future__ import annotations

from collections.abc import Sequence

from otelscore.dialects.adk import ADK
from otelscore.dialects.ag2 import AG2
from otelscore.dialects.agentops import AGENTOPS
from otelscore.dialects.anthropic import ANTHROPIC
from otelscore.dialects.braintrust import BRAINTRUST
from otelscore.dialects.claude_code import CLAUDE_CODE
from otelscore.dialects.evaluation import EVALUATION_EVENT, is_read, verdict_of_event
from otelscore.dialects.gemini_cli import GEMINI_CLI
from otelscore.dialects.genai import GENAI
from otelscore.dialects.general import GENERAL
from otelscore.dialects.genkit import GENKIT
from otelscore.dialects.haystack import HAYSTACK
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
from otelscore.dialects.openlit import OPENLIT
from otelscore.dialects.plan import Plans
from otelscore.dialects.pydantic_ai import PYDANTIC_AI
from otelscore.dialects.table import COMMON_KEYS, SOURCES, Context, Dialect, EventField, Source, first
from otelscore.dialects.traceloop import TRACELOOP
from otelscore.dialects.vercel import VERCEL
from otelscore.model import OWN_SCOPE, AttributeValue, RawLog, RawSpan, Reading, SpanFacts, Verdict

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
    OPENLIT,
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


class Registry:
    """Reads spans and log records by the first dialect that knows them. A `Reader`."""

    def __init__(self, context: Context, dialects: Sequence[Dialect] = DIALECTS) -> None:
        self._context = context
        self._dialects = tuple(dialects)
        marks = frozenset(key for dialect in self._dialects for rule in dialect.kinds for key in rule.keys)
        self._plans = Plans(context, self._dialects, marks)
        keys = set(marks | COMMON_KEYS | LOG_KEYS | context.labels | context.speakers)
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

    def wants(self, key: str) -> bool:
        return (
            key in self._keys
            or key.startswith(self._prefixes)
            or any(key.startswith(start) and key.endswith(end) for start, end in self._families)
            or is_read(key)
        )

    def read(self, span: RawSpan) -> Reading:
        return self._plans.read(span)

    def content_of(self, span: RawSpan) -> tuple[AttributeValue, AttributeValue]:
        """What a call was given and gave back, as the dialect that reads the span finds it; None where it is not there.

        For who is asked to keep content, as a cassette is: readings hold none.
        """
        for number, rule in self._plans.rules(span):
            if rule.find(span) is not None:
                dialect = self._dialects[number]
                return first(span, dialect.arguments), first(span, dialect.result)
        return None, None

    def explain(self, span: RawSpan) -> tuple[str, str]:
        """(the dialect by which a span is read, what its kind was seen by); empty where no dialect knows it."""
        known = ((number, rule.says) for number, rule in self._plans.rules(span) if rule.find(span) is not None)
        number, says = next(known, (-1, ""))
        return (self._dialects[number].name, says) if says else ("", "")

    def read_log(self, log: RawLog) -> Verdict | SpanFacts | None:
        """An evaluation, or what a record says about a span; None for every other record."""
        if log.origin.scope == OWN_SCOPE:
            return None
        if log.event_name == EVALUATION_EVENT:
            return verdict_of_event(log.attributes, log.time, log.trace_id, log.span_id, self._context.threshold)
        return facts_of(log, self._context)


def _key(source: Source) -> str | None:
    if isinstance(source, EventField):
        return source.key
    return source if isinstance(source, str) else None
