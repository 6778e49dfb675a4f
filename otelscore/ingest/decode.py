"""The decoder: the bytes of one OTLP request -> what is kept of it.

This is the hot path. Every record is read as soon as it is decoded and dropped when it is read, so content never
outlives its own span.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from otelscore.ingest import otlp_json, otlp_protobuf
from otelscore.ingest.compression import TooLargeError
from otelscore.ingest.records import NotOtlpError, Origins, Rejected, WantedKeys
from otelscore.model import OTHER, Batch, RawEvent, RawLog, RawSpan, Reader, Reading, SenderError, Span, Verdict

_MAX_NAME = 256  # characters of a span name that are kept


class TooManyRecordsError(TooLargeError):
    """The request has more spans or log records than one may have."""

    limit = "request_records"

    def __init__(self, most: int) -> None:
        SenderError.__init__(self, f"the request has more than {most} spans or log records")


class Decoder:
    """Decodes requests for one reader.

    `resource_keys` are the resource attributes that `Origin.attributes` holds. A request may have `max_records` spans
    or log records, and each of them, and each event, `max_attributes` of the attributes that are read.

    Every method raises SenderError for a
    body that is no such request, and tells of single bad records in `Batch.rejected` and `Batch.reason`. An empty
    protobuf body is a valid, empty request. Safe to call from several threads.
    """

    def __init__(
        self,
        reader: Reader,
        resource_keys: frozenset[str] = frozenset(),
        max_records: int = sys.maxsize,
        max_attributes: int = sys.maxsize,
    ) -> None:
        self._reader = reader
        self._wanted = WantedKeys(reader)
        self._origins = Origins(resource_keys)
        self._max_records = max_records
        self._max_attributes = max_attributes

    def traces(self, body: bytes) -> Batch:
        """Decodes an ExportTraceServiceRequest in protobuf."""
        return self._spans(otlp_protobuf.spans(body, self._wanted, self._origins))

    def logs(self, body: bytes) -> Batch:
        """Decodes an ExportLogsServiceRequest in protobuf."""
        return self._logs(otlp_protobuf.logs(body, self._wanted, self._origins))

    def traces_json(self, body: bytes) -> Batch:
        """Decodes an ExportTraceServiceRequest in OTLP/JSON."""
        return self._spans(otlp_json.spans(otlp_json.parse(body), self._wanted, self._origins))

    def logs_json(self, body: bytes) -> Batch:
        """Decodes an ExportLogsServiceRequest in OTLP/JSON."""
        return self._logs(otlp_json.logs(otlp_json.parse(body), self._wanted, self._origins))

    def any_protobuf(self, body: bytes) -> Batch:
        """Decodes a request of either signal in protobuf, where nothing but the bytes tells which.

        Logs read as traces parse, or nearly so, but give no span a valid id; so the better reading wins.
        """
        try:
            as_traces = self.traces(body)
            if as_traces.spans or not as_traces.rejected:
                return as_traces
        except SenderError as error:
            try:
                return self.logs(body)
            except SenderError:
                raise SenderError(f"neither traces nor logs: {error}") from None
        try:
            as_logs = self.logs(body)
        except SenderError:
            return as_traces
        return as_logs if as_logs.rejected < as_logs.records else as_traces

    def any_json(self, document: otlp_json.Object) -> Batch:
        """Decodes a parsed OTLP/JSON request of any signal; metrics give an empty batch, other JSON NotOtlpError."""
        if "resourceSpans" in document:
            return self._spans(otlp_json.spans(document, self._wanted, self._origins))
        if "resourceLogs" in document:
            return self._logs(otlp_json.logs(document, self._wanted, self._origins))
        if "resourceMetrics" in document or not document:
            return Batch()
        raise NotOtlpError("neither resourceSpans nor resourceLogs in the document")

    def _spans(self, records: Iterable[RawSpan | Rejected]) -> Batch:
        batch = Batch()
        read = self._reader.read
        keep = batch.spans.append
        shared: dict[Any, Any] = {}  # equal ids and names are one object: a third of what an open span takes
        most = self._max_attributes
        for number, raw in enumerate(records):
            if number >= self._max_records:
                raise TooManyRecordsError(self._max_records)
            if isinstance(raw, Rejected):
                _reject(batch, raw.reason)
                continue
            if len(raw.attributes) > most or (raw.events and _longest(raw.events) > most):
                self._reject_large(batch)
                continue
            keep(_kept(raw, read(raw), shared))
        return batch

    def _logs(self, records: Iterable[RawLog | Rejected]) -> Batch:
        batch = Batch()
        for raw in records:
            if batch.records >= self._max_records:
                raise TooManyRecordsError(self._max_records)
            batch.records += 1
            if isinstance(raw, Rejected):
                _reject(batch, raw.reason)
                continue
            if len(raw.attributes) > self._max_attributes:
                self._reject_large(batch)
                continue
            found = self._reader.read_log(raw)
            if isinstance(found, Verdict):
                batch.verdicts.append(found)
            elif found is not None:
                batch.facts.append(found)
        return batch

    def _reject_large(self, batch: Batch) -> None:
        _reject(batch, f"it, or an event in it, has more than {self._max_attributes} attributes")
        batch.reached += ("attributes",)


def _kept(raw: RawSpan, reading: Reading, shared: dict[Any, Any]) -> Span:
    name = raw.name if len(raw.name) <= _MAX_NAME else raw.name[:_MAX_NAME]
    if reading is not OTHER:
        reading.name = shared.setdefault(reading.name, reading.name)
        reading.agent = shared.setdefault(reading.agent, reading.agent)
        reading.session = shared.setdefault(reading.session, reading.session)
    return Span(
        shared.setdefault(raw.trace_id, raw.trace_id),
        shared.setdefault(raw.span_id, raw.span_id),
        shared.setdefault(raw.parent_id, raw.parent_id),
        shared.setdefault(name, name),
        raw.kind,
        raw.flags,
        raw.start,
        raw.end,
        raw.status,
        raw.origin,
        reading,
        raw.links,
    )


def _reject(batch: Batch, reason: str) -> None:
    batch.rejected += 1
    batch.reason = batch.reason or reason


def _longest(events: list[RawEvent]) -> int:
    return max(len(event.attributes) for event in events)
