"""One accepted request as bytes, and back.

One msgpack array (https://github.com/msgpack/msgpack/blob/master/spec.md): columns of
spans, origins and readings with the numbers by which spans refer to them, verdicts, facts from log records, counts,
and the values that columns refer to. A column is one field of all spans or readings in their order, because whole
columns are read and written without a loop in Python:

- a column of equal values holds that value once;
- a REPEATED column holds numbers of entries of `values`, so that an id or a name is written once a request;
- objects that several spans share are written once, and are shared again when they are read. Reading 0 is `OTHER`, what
  most spans of an application are; it is not written.

Another way of writing, or another field of a class in model/, needs another schema (database.py).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import count, repeat
from operator import attrgetter
from typing import Any, NamedTuple

import msgpack

from otelscore.model import (
    OTHER,
    Batch,
    Call,
    ErrorClass,
    Failure,
    Kind,
    Origin,
    Reading,
    Result,
    Role,
    Span,
    SpanFacts,
    Verdict,
)

Column = Sequence[Any]


class Form(NamedTuple):
    """How a field's value is written and read; None: as it is."""

    write: Callable[[Any], object] | None = None
    read: Callable[[Any], object] | None = None
    repeated: bool = False


def _write_failure(failure: Failure | None) -> object:
    if failure is None:
        return None
    return failure.error_type, failure.error_class, failure.exception, failure.typed, list(failure.messages)


def _read_failure(written: Column | None) -> Failure | None:
    if written is None:
        return None
    error_type, error_class, exception, typed, messages = written
    return Failure(error_type, ErrorClass(error_class), exception, typed, frozenset(messages))


def _write_call(call: Call) -> object:
    return call.call_id, call.name, call.arguments


def _write_result(result: Result) -> object:
    return _write_call(result.call), result.flagged, result.soft_error, _write_failure(result.failure)


def _read_result(written: Column) -> Result:
    call, flagged, soft_error, failure = written
    return Result(Call(*call), flagged, soft_error, _read_failure(failure))


def _write_facts(facts: SpanFacts) -> object:
    return (
        facts.trace_id,
        facts.span_id,
        _write_failure(facts.failure),
        facts.arguments,
        None if facts.result is None else _write_result(facts.result),
        list(map(_write_call, facts.requested)),
        list(map(_write_result, facts.results)),
        facts.acknowledges,
        facts.said_at,
    )


def _read_facts(written: Column) -> SpanFacts:
    trace_id, span_id, failure, arguments, result, requested, results, acknowledges, *said_at = written
    return SpanFacts(
        trace_id,
        span_id,
        _read_failure(failure),
        arguments,
        None if result is None else _read_result(result),
        tuple(Call(*call) for call in requested),
        tuple(map(_read_result, results)),
        acknowledges,
        *said_at,  # schema 3 had none
    )


def _write_verdict(verdict: Verdict) -> object:
    return verdict.evaluator, verdict.passed, verdict.time, verdict.trace_id, verdict.span_id, verdict.session


PLAIN = Form()
REPEATED = Form(repeated=True)
KIND = Form(read={kind.value: kind for kind in Kind}.__getitem__)  # three times faster than Kind()
ROLE = Form(read=Role)
FAILURE = Form(_write_failure, _read_failure)
CALLS = Form(
    lambda calls: list(map(_write_call, calls)),
    lambda written: tuple(Call(*call) for call in written),
)
RESULTS = Form(
    lambda results: list(map(_write_result, results)),
    lambda written: tuple(map(_read_result, written)),
)
VERDICTS = Form(
    lambda verdicts: [_write_verdict(verdict) for verdict in verdicts],
    lambda written: tuple(Verdict(*verdict) for verdict in written),
)
LABELS = Form(dict)

SPAN_FORMS = {
    "trace_id": REPEATED,
    "span_id": PLAIN,
    "parent_id": REPEATED,
    "name": REPEATED,
    "kind": PLAIN,
    "flags": PLAIN,
    "start": PLAIN,
    "end": PLAIN,
    "status": PLAIN,
    "links": PLAIN,
}
"""Fields of a Span in their order, but for `origin` and `reading`, which come before `links`."""

READING_FORMS = {
    "kind": KIND,
    "dialect": REPEATED,
    "name": REPEATED,
    "agent": REPEATED,
    "call_id": PLAIN,
    "session": REPEATED,
    "role": ROLE,
    "arguments": PLAIN,
    "requested": CALLS,
    "results": RESULTS,
    "offered": PLAIN,
    "flagged": PLAIN,
    "skipped": PLAIN,
    "failure": FAILURE,
    "soft_error": REPEATED,
    "soft_failure": FAILURE,
    "has_result": PLAIN,
    "acknowledges": PLAIN,
    "names_agent": PLAIN,
    "labels": LABELS,
    "cluster": REPEATED,
    "fault": REPEATED,
    "verdicts": VERDICTS,
    "fault_noticed": PLAIN,
}
"""Fields of a Reading in their order."""

_span_fields = attrgetter(*SPAN_FORMS)
_reading_fields = attrgetter(*READING_FORMS)


def encode_batch(batch: Batch) -> bytes:
    """Everything in `batch`: its facts, in about 60 bytes a span of an agent's run."""
    spans = batch.spans
    values: dict[Any, int] = defaultdict(count().__next__)  # numbers what is looked up in the order of first sight
    origin_numbers, origins = _shared([span.origin for span in spans])
    reading_numbers, readings = _shared([OTHER, *(span.reading for span in spans)])
    body = (
        len(spans),
        _write(map(_span_fields, spans), SPAN_FORMS, values),
        origin_numbers,
        [(origin.service, origin.scope, dict(origin.attributes), origin.tenant) for origin in origins],
        reading_numbers[1:],
        len(readings) - 1,
        _write(map(_reading_fields, readings[1:]), READING_FORMS, values),
        [_write_verdict(verdict) for verdict in batch.verdicts],
        list(map(_write_facts, batch.facts)),
        (batch.records, batch.rejected, batch.reason),
        list(values),
    )
    return bytes(msgpack.packb(body))


def decode_batch(data: bytes) -> Batch:
    """The batch that `encode_batch` was given."""
    body = msgpack.unpackb(data, use_list=False)
    length, columns, origin_numbers, origins, reading_numbers, distinct, reading_columns, *rest, values = body
    verdicts, facts, (records, rejected, reason) = rest
    of_number = [Origin(*origin) for origin in origins].__getitem__
    readings = [OTHER, *map(Reading, *_read(reading_columns, READING_FORMS, distinct, values))]
    *of_spans, links = _read(columns, SPAN_FORMS, length, values)
    return Batch(
        list(map(Span, *of_spans, map(of_number, origin_numbers), map(readings.__getitem__, reading_numbers), links)),
        [Verdict(*verdict) for verdict in verdicts],
        list(map(_read_facts, facts)),
        records,
        rejected,
        reason,
    )


def _shared(objects: Sequence[Any]) -> tuple[list[int], list[Any]]:
    """The number of each object, and the objects by number. By identity: comparing readings would cost more."""
    distinct = {id(each): each for each in objects}
    numbers = dict(zip(distinct, count(), strict=False))
    return list(map(numbers.__getitem__, map(id, objects))), list(distinct.values())


def _write(rows: Iterable[tuple[Any, ...]], forms: dict[str, Form], values: dict[Any, int]) -> list[Column]:
    columns: list[Column] = []
    for form, column in zip(forms.values(), zip(*rows, strict=True), strict=False):
        written: Column = column[:1] if column.count(column[0]) == len(column) else column
        write = values.__getitem__ if form.repeated else form.write
        columns.append(list(map(write, written)) if write else written)
    return columns


def _read(columns: Iterable[Column], forms: dict[str, Form], length: int, values: Column) -> list[Iterable[Any]]:
    """All columns, each `length` values long; as many empty ones as there are fields where nothing was written."""
    if not length:
        return [()] * len(forms)
    found: list[Iterable[Any]] = []
    for form, written in zip(forms.values(), columns, strict=False):  # an older schema has fewer, which have defaults
        read = values.__getitem__ if form.repeated else form.read
        column = list(map(read, written)) if read else written
        found.append(repeat(column[0], length) if len(column) == 1 else column)
    return found
