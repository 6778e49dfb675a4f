"""Did it fail? One span's evidence in DESIGN.md's order, and which errors are only copies of another one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest

from otelscore.model import (
    AGENT,
    ERROR,
    MODEL,
    OK,
    Failure,
    Span,
)

NO_FAILURE = Failure()

CLOCK_GRAIN = 1_000_000
"""Nanoseconds. JavaScript's SDK takes a start from a clock of whole milliseconds and an end from a finer one, so what
follows at once may seem to start up to a millisecond before what it follows has ended."""


FROM_RESULT = "its result"
"""What decided, where nothing else did."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """Whether one span failed by its own evidence."""

    failed: bool = False
    skipped: bool = False  # neither success nor failure: cancelled, deferred, waiting for a human
    failure: Failure = NO_FAILURE
    soft_error: str = ""  # the rule that the result matched
    by: str = ""  # what decided that it failed


SUCCEEDED = Judgement()
SKIPPED = Judgement(skipped=True)


def judge(span: Span, logged: Failure | None = None, *, copied: bool = False) -> Judgement:
    """A span by its own evidence; the first that says something decides.

    The dialect's flag, status ERROR, `error.type`, an exception (`logged`: one that came as a log record), the result.
    An exception after which the span went on to an explicit OK is no failure. `copied`: the status says ERROR only
    because another span failed.
    """
    reading = span.reading
    failure = reading.failure or logged
    if reading.skipped and not (failure is not None and span.status == OK):
        return SKIPPED
    if failure is not None and not copied:
        by = (
            (reading.flagged and "its own flag")
            or (span.status == ERROR and "status ERROR")
            or (failure.typed and "error.type")
            or (failure.exception and reading.failure is not None and span.status != OK and "an exception")
            or (logged is not None and span.status != OK and "an exception in a log record")
        )
        if by:
            return Judgement(True, failure=_fuller(failure, logged), soft_error=reading.soft_error, by=by)
    if reading.soft_error and reading.soft_failure is not None:
        return Judgement(True, failure=reading.soft_failure, soft_error=reading.soft_error, by=FROM_RESULT)
    if span.status == ERROR and not copied and failure is None:
        return Judgement(True, by="status ERROR")
    return SUCCEEDED


def copies(spans: Sequence[Span], logged: Mapping[bytes, Failure]) -> frozenset[bytes]:
    """Ids of the spans of one trace whose ERROR only repeats an earlier genuine failure.

    Such a span has no flag, error type or exception of its own and the message of a failure that ended before it did;
    and it has a result, or it is a model or agent span and another step starts after that failure.
    """
    genuine: dict[bytes, int] = {}  # message -> the earliest end of a genuine failure with it
    suspects: list[Span] = []
    for span in spans:
        reading = span.reading
        failure = reading.failure or logged.get(span.span_id)
        if failure is None:
            continue
        if reading.flagged or failure.typed or failure.exception or span.span_id in logged:
            for message in failure.messages | logged.get(span.span_id, NO_FAILURE).messages:
                genuine[message] = min(span.end, genuine.get(message, span.end))
        elif span.status == ERROR:
            suspects.append(span)
    if not suspects:
        return frozenset()
    works = ((span.start, span.span_id) for span in spans if span.reading.kind.is_step)
    last_works = nlargest(2, works)  # so that one is left where a span is the other itself
    found = set()
    for span in suspects:
        failure = span.reading.failure
        ends = [genuine[message] for message in (failure.messages if failure else ()) if message in genuine]
        if not ends or min(ends) > span.end:
            continue
        works_on = span.reading.kind in (MODEL, AGENT) and any(
            start > min(ends) - CLOCK_GRAIN and span_id != span.span_id for start, span_id in last_works
        )
        if span.reading.has_result or works_on:
            found.add(span.span_id)
    return frozenset(found)


def _fuller(failure: Failure, logged: Failure | None) -> Failure:
    return logged if logged is not None and not failure.error_type else failure
