"""What log records say about spans, put together: whichever comes first, and however often.

Instrumentations move content and exceptions from spans to log records. What a record says counts as if it were on the
span that it names; where both speak, the span's own word goes first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from otelscore.model import ErrorClass, Failure, Kind, Result, Span, SpanFacts
from otelscore.trajectory.errors import NO_FAILURE


def merge(one: SpanFacts, other: SpanFacts) -> SpanFacts:
    """What two records say about the same span; the same in any order, and a record said twice adds nothing."""
    if one == other:
        return one
    said_at, acknowledges = max(((facts.said_at, facts.acknowledges) for facts in (one, other)), key=_last_said)
    return SpanFacts(
        one.trace_id,
        one.span_id,
        failure=max(one.failure, other.failure, key=_told),
        arguments=max(one.arguments or b"", other.arguments or b"") or None,
        result=max(one.result, other.result, key=_order),
        requested=max(one.requested, other.requested, key=lambda calls: (len(calls), repr(calls))),
        results=tuple(sorted({*one.results, *other.results}, key=_order)),
        acknowledges=acknowledges,
        said_at=said_at,
    )


def _last_said(answer: tuple[int, bool | None]) -> tuple[bool, int, bool]:
    said_at, acknowledges = answer
    return acknowledges is not None, said_at, acknowledges is True


def inform(spans: Sequence[Span], facts: Mapping[bytes, SpanFacts]) -> Sequence[Span]:
    """The spans as if they said themselves what log records say about them, but for failures."""
    return [_informed(span, facts[span.span_id]) if span.span_id in facts else span for span in spans]


def _informed(span: Span, facts: SpanFacts) -> Span:
    reading = span.reading
    if reading.kind in (Kind.TOOL, Kind.RETRIEVAL):
        if reading.arguments is None:
            reading = replace(reading, arguments=facts.arguments)
        result = facts.result
        if result is not None and not reading.has_result:
            failure = (reading.failure or result.failure or NO_FAILURE) if result.flagged else reading.failure
            reading = replace(
                reading,
                has_result=True,
                flagged=reading.flagged or result.flagged,
                failure=failure,
                soft_error=result.soft_error,
                soft_failure=result.failure,
            )
    elif reading.kind in (Kind.MODEL, Kind.AGENT):
        acknowledges = facts.acknowledges if reading.acknowledges is None else reading.acknowledges
        reading = replace(
            reading,
            acknowledges=acknowledges,
            has_result=reading.has_result or facts.acknowledges is not None or bool(facts.requested),
        )
        if reading.kind is Kind.MODEL:
            reading.requested = reading.requested or facts.requested
            reading.results = reading.results or facts.results
    return replace(span, reading=reading)


_Told = tuple[bool, bool, str, str, bool, bool, list[bytes]]


def _told(failure: Failure | None) -> _Told:
    """Orders failures by how much they tell, so that of several the same one counts whichever comes first."""
    if failure is None:
        return False, False, "", "", False, False, []
    known = failure.error_class is not ErrorClass.UNKNOWN
    said = (failure.error_type, failure.error_class, failure.exception, failure.typed, sorted(failure.messages))
    return True, known, *said


def _order(result: Result | None) -> tuple[bool, bool, str, str, str, bytes, _Told]:
    """Orders results: of several about one call that which says that it failed comes last."""
    if result is None:
        return False, False, "", "", "", b"", _told(None)
    call = result.call
    about = (call.call_id, call.name, call.arguments or b"")
    return True, result.flagged, result.soft_error, *about, _told(result.failure)
