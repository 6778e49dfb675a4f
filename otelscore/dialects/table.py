"""A dialect as a table of keys, and the one function that reads any span by such a table."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from otelscore.dialects import content
from otelscore.dialects.evaluation import EVALUATION_EVENT, verdict_of
from otelscore.dialects.failure import classify
from otelscore.dialects.messages import said
from otelscore.dialects.patterns import CANCELLATION_TYPES, TOOL_ROLES
from otelscore.dialects.soft_errors import SoftError, soft_error
from otelscore.model import ERROR, AttributeValue, Call, Failure, Kind, RawSpan, Reading, Role, Verdict


@dataclass(frozen=True, slots=True)
class EventField:
    """An attribute of a span event; of several events of that name the last counts."""

    event: str
    key: str


Source = str | EventField | Callable[[RawSpan], AttributeValue]
"""Where a value is: a span attribute, an attribute of an event, or a function that finds it."""

Sources = tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class Dialect:
    """One convention for writing agent work into spans. Of several sources the first that has a value counts."""

    name: str
    kind: Callable[[RawSpan], Kind | None]
    """What a span is, or None where it does not speak this dialect."""
    tool_name: Sources
    call_id: Sources
    arguments: Sources
    result: Sources
    output: Sources
    """What a model or an agent said: text or messages."""
    agent: Sources
    model: Sources
    session: Sources
    agent_prefix: str = ""
    """Of an agent span's name, before the agent's own name."""
    retrieval_name: Sources = ()
    tool_prefixes: tuple[str, ...] = ()
    failed_if: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Attributes that say by one of these values that the span failed."""
    skipped_if: tuple[str, ...] = ()
    """Attributes whose presence says that the call was deferred or waits for a human."""
    keys: frozenset[str] = frozenset()
    """Attributes that only `kind` or a function among the sources reads."""
    prefixes: tuple[str, ...] = ()
    """Likewise, by how they begin."""


@dataclass(frozen=True, slots=True)
class Context:
    """What an installation adds to reading."""

    key: bytes
    """Keys the hashes of arguments and messages; at least 16 random bytes."""
    soft_errors: tuple[re.Pattern[str], ...] = ()
    cluster_by: str = ""
    labels: frozenset[str] = frozenset()
    """Attributes that become labels of a run's metrics, where its agent span has them."""
    threshold: float = 0.5
    """The score from which an evaluation without a readable label passes."""


COMMON_KEYS = frozenset(
    {
        "error.type",
        "exception.type",
        "exception.message",
        "http.response.status_code",
        "http.status_code",
        "rpc.response.status_code",
        "otelscore.fault.kind",
    }
)
"""Attributes of spans and events that are read in every dialect."""

NO_LABELS: Mapping[str, str] = {}

_CODES = ("http.response.status_code", "http.status_code", "rpc.response.status_code")


def first(span: RawSpan, sources: Sources) -> AttributeValue:
    """The value of the first source that has one, else None."""
    for source in sources:
        value: AttributeValue = None
        if isinstance(source, str):
            value = span.attributes.get(source)
        elif isinstance(source, EventField):
            for event in reversed(span.events):
                if event.name == source.event and source.key in event.attributes:
                    value = event.attributes[source.key]
                    break
        else:
            value = source(span)
        if value is not None:
            return value
    return None


def text(span: RawSpan, sources: Sources) -> str:
    """The same as text, "" where it is empty, hidden or not text; cut to 256 characters."""
    return content.word(first(span, sources))


def read(dialect: Dialect, span: RawSpan, kind: Kind, context: Context) -> Reading:
    """The facts of one span that speaks `dialect`."""
    name, role, call_id = "", Role.ORDINARY, ""
    arguments, acknowledges, soft = None, None, None
    has_result = False
    calls: tuple[Call, ...] = ()
    if kind is Kind.TOOL or kind is Kind.RETRIEVAL:
        given, result = first(span, dialect.arguments), first(span, dialect.result)
        has_result = result is not None
        soft = soft_error(result, command=given, extra=context.soft_errors) if has_result else None
        arguments = content.digest(given, context.key)
        if kind is Kind.TOOL:
            name, call_id = _tool_name(dialect, span), text(span, dialect.call_id)
            role = _role(name)
            if role is Role.FINAL_ANSWER and not content.hidden(given):
                acknowledges = content.acknowledges(str(given))
        else:
            name = text(span, dialect.retrieval_name) or span.name[:256]
    elif kind is Kind.MODEL or kind is Kind.AGENT:
        output = said(first(span, dialect.output), context.key)
        has_result = output.text is not None
        calls = output.calls
        acknowledges = content.acknowledges(output.text) if output.text else None
        name = text(span, dialect.model) if kind is Kind.MODEL else _agent_name(dialect, span)
    flagged = (soft is not None and soft.flag) or any(
        str(span.attributes.get(key, "")).lower() in values for key, values in dialect.failed_if.items()
    )
    failure, cancelled = _failure(span, flagged, soft, context.key)
    agent = text(span, dialect.agent)
    return Reading(
        kind=kind,
        dialect=dialect.name,
        name=name,
        agent=name if kind is Kind.AGENT else agent,
        call_id=call_id,
        session=text(span, dialect.session),
        role=role,
        arguments=arguments,
        requested=calls if kind is Kind.MODEL else (),
        flagged=flagged,
        skipped=cancelled or any(key in span.attributes for key in dialect.skipped_if),
        failure=failure,
        soft_error=soft.rule if soft else "",
        soft_failure=Failure(*classify((), (soft.text,))) if soft else None,
        has_result=has_result,
        acknowledges=acknowledges,
        names_agent=kind is Kind.AGENT and bool(name),
        labels=_labels(span, context) if kind is Kind.AGENT and context.labels else NO_LABELS,
        cluster=cluster(span, context),
        fault=str(span.attributes.get("otelscore.fault.kind", ""))[:64],
        verdicts=verdicts(span, context),
    )


def cluster(span: RawSpan, context: Context) -> str:
    """The value of the `cluster_by` attribute of a span or its resource, "" where neither has it."""
    if not context.cluster_by:
        return ""
    value = span.attributes.get(context.cluster_by)
    return str(span.origin.attributes.get(context.cluster_by, "") if value is None else value)[:256]


def _labels(span: RawSpan, context: Context) -> Mapping[str, str]:
    return {key: str(span.attributes[key])[:256] for key in context.labels if key in span.attributes}


def verdicts(span: RawSpan, context: Context) -> tuple[Verdict, ...]:
    """Evaluations that came as events of the span."""
    if not span.events:
        return ()
    found = (
        verdict_of(event.attributes, event.time, span.trace_id, span.span_id, context.threshold)
        for event in span.events
        if event.name == EVALUATION_EVENT
    )
    return tuple(verdict for verdict in found if verdict is not None)


def _tool_name(dialect: Dialect, span: RawSpan) -> str:
    name = text(span, dialect.tool_name)
    if name:
        return name
    for prefix in dialect.tool_prefixes:
        if span.name.startswith(prefix):
            return span.name[len(prefix) :][:256]
    return span.name[:256]


@lru_cache(maxsize=4096)
def _role(tool: str) -> Role:
    return next((role for role, pattern in TOOL_ROLES if pattern.fullmatch(tool)), Role.ORDINARY)


def _agent_name(dialect: Dialect, span: RawSpan) -> str:
    name = text(span, dialect.agent)
    if name:
        return name
    if not span.name.startswith(dialect.agent_prefix):
        return ""
    tail = span.name[len(dialect.agent_prefix) :].strip()[:256]
    return "" if tail == text(span, dialect.model) else tail


def _failure(span: RawSpan, flagged: bool, soft: SoftError | None, key: bytes) -> tuple[Failure | None, bool]:
    """What outside the content says that the span failed, and whether it was only cancelled."""
    typed = span.attributes.get("error.type")
    exceptions = [event.attributes for event in span.events if event.name == "exception"] if span.events else []
    if span.status != ERROR and not typed and not exceptions and not flagged:
        return None, False
    last = exceptions[-1] if exceptions else {}
    exception_type, message = str(last.get("exception.type") or ""), str(last.get("exception.message") or "")
    types = [name for name in (exception_type, str(typed or "")) if name]
    texts = [message, span.message]
    if span.attributes:
        texts += [f"HTTP {span.attributes[name]!s}" for name in _CODES if name in span.attributes]
    if soft:
        texts.append(soft.text)
    error_type, error_class = classify(types, texts)
    return Failure(
        error_type,
        error_class,
        exception=bool(exceptions),
        typed=bool(typed),
        messages=frozenset(content.text_digest(words, key) for words in (message, span.message) if words),
    ), any(CANCELLATION_TYPES.search(name) for name in types)
