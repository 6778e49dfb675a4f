"""All dialects in their order, and the `Reader` that the decoder is handed."""

from __future__ import annotations

from collections.abc import Sequence

from otelscore.dialects import content
from otelscore.dialects.evaluation import EVALUATION_EVENT, EVALUATION_KEYS, verdict_of
from otelscore.dialects.failure import classify
from otelscore.dialects.genai import GENAI
from otelscore.dialects.openinference import OPENINFERENCE
from otelscore.dialects.table import COMMON_KEYS, Context, Dialect, EventField, Source, cluster, read, verdicts
from otelscore.model import OTHER, Failure, Kind, RawLog, RawSpan, Reading, SpanException, Verdict

DIALECTS: tuple[Dialect, ...] = (OPENINFERENCE, GENAI)
"""A span is read by the first that knows it: a dialect's own kind comes before the conventions that others share."""

_TABLES = ("tool_name", "call_id", "arguments", "result", "output", "agent", "model", "session", "retrieval_name")


class Registry:
    """Reads spans and log records by the first dialect that knows them. A `Reader`."""

    def __init__(self, context: Context, dialects: Sequence[Dialect] = DIALECTS) -> None:
        self._context = context
        self._dialects = tuple(dialects)
        keys = set(COMMON_KEYS | EVALUATION_KEYS | context.labels)
        prefixes: set[str] = set()
        for dialect in self._dialects:
            keys.update(dialect.keys, dialect.failed_if, dialect.skipped_if)
            prefixes.update(dialect.prefixes)
            for table in _TABLES:
                keys.update(key for key in map(_key, getattr(dialect, table)) if key)
        if context.cluster_by:
            keys.add(context.cluster_by)
        self._keys = frozenset(keys)
        self._prefixes = tuple(sorted(prefixes))

    def wants(self, key: str) -> bool:
        return key in self._keys or key.startswith(self._prefixes)

    def read(self, span: RawSpan) -> Reading:
        if span.attributes or span.events:
            for dialect in self._dialects:
                kind = dialect.kind(span)
                if kind is not None:
                    return read(dialect, span, kind, self._context)
            found, group = verdicts(span, self._context), cluster(span, self._context)
            if found or group:
                return Reading(Kind.OTHER, verdicts=found, cluster=group)
        return OTHER

    def read_log(self, log: RawLog) -> Verdict | SpanException | None:
        """An evaluation or an exception; None for every other record, and for an evaluation that cannot be read."""
        if log.event_name == EVALUATION_EVENT:
            return verdict_of(log.attributes, log.time, log.trace_id, log.span_id, self._context.threshold)
        error_type = log.attributes.get("exception.type")
        if not (log.trace_id and log.span_id) or not (log.event_name.endswith("exception") or error_type):
            return None
        message = str(log.attributes.get("exception.message") or "")
        named, error_class = classify((str(error_type or ""),), (message,))
        messages = frozenset({content.text_digest(message, self._context.key)} if message else ())
        return SpanException(log.trace_id, log.span_id, Failure(named, error_class, exception=True, messages=messages))


def _key(source: Source) -> str | None:
    if isinstance(source, EventField):
        return source.key
    return source if isinstance(source, str) else None
