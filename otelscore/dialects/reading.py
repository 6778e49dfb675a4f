"""One span -> its Reading, by the table of the dialect that knows it.

This runs for every span of an agent, so what only some spans have is asked for only where they may have it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

from otelscore.dialects import content
from otelscore.dialects.failure import classify
from otelscore.dialects.messages import said
from otelscore.dialects.patterns import CANCELLATION_TYPES, TOOL_ROLES
from otelscore.dialects.results import results
from otelscore.dialects.soft_errors import SoftError, soft_error
from otelscore.dialects.table import Context, Dialect, first, text
from otelscore.model import (
    AGENT,
    ERROR,
    FINAL_ANSWER,
    LOOP,
    MODEL,
    ORDINARY,
    PART,
    RETRIEVAL,
    TOOL,
    AttributeValue,
    ErrorClass,
    Failure,
    Kind,
    RawSpan,
    Reading,
    Role,
)

_CODES = ("http.response.status_code", "http.status_code", "rpc.response.status_code")
_FAULT, _NOTICED = "otelscore.fault.kind", "otelscore.fault.noticed"
FAULTS = frozenset({_FAULT, _NOTICED})
"""Attributes that are read on every span, whether or not a dialect knows it."""


def read(dialect: Dialect, span: RawSpan, kind: Kind, context: Context) -> Reading:
    """The facts of one span that speaks `dialect`."""
    reading = Reading(kind, dialect.name)
    soft = None
    if kind is TOOL:
        soft = _read_tool(reading, dialect, span, context)
    elif kind is MODEL:
        _read_model(reading, dialect, span, context)
    elif kind is RETRIEVAL:
        soft = _read_call(reading, first(span, dialect.arguments), dialect, span, context)
        reading.name = text(span, dialect.retrieval_name) or span.name[: content.MAX_WORD]
    elif kind is AGENT or kind is LOOP:
        _read_agent(reading, dialect, span, context)
    reading.agent = reading.agent or text(span, dialect.agent)
    reading.session = text(span, dialect.session)
    _read_failure(reading, soft, dialect, span, context.key)
    if context.cluster_by:
        reading.cluster = cluster(span, context)
    if _FAULT in span.attributes or _NOTICED in span.attributes:
        read_fault(reading, span)
    return reading


def read_fault(reading: Reading, span: RawSpan) -> None:
    """What a span tells of a fault that was injected into it, or into its run."""
    reading.fault = str(span.attributes.get(_FAULT) or "")[:64]
    noticed = span.attributes.get(_NOTICED)
    reading.fault_noticed = noticed if isinstance(noticed, bool) else None


def cluster(span: RawSpan, context: Context) -> str:
    """The value of the `cluster_by` attribute of a span or its resource, "" where neither has it."""
    value = span.attributes.get(context.cluster_by)
    return str(span.origin.attributes.get(context.cluster_by, "") if value is None else value)[: content.MAX_WORD]


@lru_cache(maxsize=4096)
def role_of(tool: str) -> Role:
    """What a tool is by its name."""
    return next((role for role, pattern in TOOL_ROLES if pattern.fullmatch(tool)), ORDINARY)


def _read_call(
    reading: Reading, given: AttributeValue, dialect: Dialect, span: RawSpan, context: Context
) -> SoftError | None:
    """What a call was given and gave back; what of the latter says that it failed."""
    reading.arguments = content.digest(given, context.key)
    result = first(span, dialect.result)
    if result is None:
        return None
    reading.has_result = True
    soft = soft_error(result, command=given, extra=context.soft_errors)
    if soft is not None:
        reading.soft_error = soft.rule
        reading.soft_failure = Failure(*classify((), (soft.text,)))
    return soft


def _read_tool(reading: Reading, dialect: Dialect, span: RawSpan, context: Context) -> SoftError | None:
    given = first(span, dialect.arguments)
    reading.name = name = _tool_name(dialect, span)
    reading.call_id = text(span, dialect.call_id)
    reading.role = _given_role(dialect, span) or (role_of(name) if name else PART)
    if reading.role is FINAL_ANSWER and not content.hidden(given):
        reading.acknowledges = content.acknowledges(str(given))
    return _read_call(reading, given, dialect, span, context)


def _read_model(reading: Reading, dialect: Dialect, span: RawSpan, context: Context) -> None:
    reading.name = text(span, dialect.model)
    reading.offered = bool(dialect.offered) and not span.attributes.keys().isdisjoint(dialect.offered)
    output = said(first(span, dialect.output), context.key)
    reading.has_result = output.text is not None
    reading.requested = output.calls
    if output.text:
        reading.acknowledges = content.acknowledges(output.text)
    if dialect.input:
        reading.results = results(first(span, dialect.input), context.key, context.soft_errors)


def _read_agent(reading: Reading, dialect: Dialect, span: RawSpan, context: Context) -> None:
    reading.name = reading.agent = text(span, dialect.agent) or _agent_in_name(dialect, span)
    reading.names_agent = bool(reading.name)
    output = said(first(span, dialect.output), context.key)
    reading.has_result = output.text is not None
    if output.text:
        reading.acknowledges = content.acknowledges(output.text)
    if context.labels:
        given = span.attributes
        reading.labels = {key: str(given[key])[: content.MAX_WORD] for key in context.labels if key in given}


def _tool_name(dialect: Dialect, span: RawSpan) -> str:
    name = text(span, dialect.tool_name)
    if name:
        return name
    found = dialect.tool_in_name.fullmatch(span.name) if dialect.tool_in_name else None
    return (found[1] if found else span.name)[: content.MAX_WORD]


def _given_role(dialect: Dialect, span: RawSpan) -> Role:
    for key, roles in dialect.roles.items():
        value = span.attributes.get(key)
        if isinstance(value, str) and value in roles:
            return roles[value]
    return ORDINARY


def _agent_in_name(dialect: Dialect, span: RawSpan) -> str:
    found = dialect.agent_in_name.fullmatch(span.name) if dialect.agent_in_name else None
    own = found[1].strip()[: content.MAX_WORD] if found else ""
    return "" if own == text(span, dialect.model) else own


def _read_failure(reading: Reading, soft: SoftError | None, dialect: Dialect, span: RawSpan, key: bytes) -> None:
    """What outside the content says that the span failed, or that it is neither success nor failure."""
    error = first(span, dialect.error) if dialect.error else None
    words = "" if error is None else str(error)[: content.MAX_TEXT]
    reading.flagged = bool(words) or (soft is not None and soft.flag) or _says_failed(dialect, span)
    reading.skipped = bool(dialect.skipped_if) and first(span, dialect.skipped_if) is not None
    typed = span.attributes.get("error.type")
    exceptions = [event.attributes for event in span.events if event.name == "exception"] if span.events else []
    if span.status != ERROR and not typed and not exceptions and not reading.flagged:
        return
    last = exceptions[-1] if exceptions else {}
    exception_type, message = str(last.get("exception.type") or ""), str(last.get("exception.message") or "")
    types = [name for name in (exception_type, str(typed or "")) if name]
    texts = [message, span.message, words]
    texts += [f"HTTP {span.attributes[name]!s}" for name in _CODES if name in span.attributes]
    if soft:
        texts.append(soft.text)
    error_type, error_class = classify((*types, *_wrapped(exceptions)), texts)
    reading.failure = Failure(
        error_type,
        error_class,
        exception=bool(exceptions),
        typed=bool(typed),
        messages=frozenset([content.text_digest(words, key) for words in (message, span.message) if words]),
    )
    if error_class is not ErrorClass.TIMEOUT and any(map(CANCELLATION_TYPES.search, types)):
        reading.skipped = True


def _says_failed(dialect: Dialect, span: RawSpan) -> bool:
    for key, values in dialect.failed_if.items():
        value = span.attributes.get(key)
        if value is not None and str(value).lower() in values:
            return not (dialect.failed_not_in and span.origin.scope.startswith(dialect.failed_not_in))
    return False


def _wrapped(exceptions: Sequence[Mapping[str, AttributeValue]]) -> list[str]:
    """Types of earlier exceptions that the last one passes on with their message."""
    message = str(exceptions[-1].get("exception.message") or "") if exceptions else ""
    return [
        str(event.get("exception.type") or "")
        for event in exceptions[:-1]
        if (words := str(event.get("exception.message") or "")) and words in message
    ]
