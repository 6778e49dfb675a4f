from __future__ import annotations

import gzip
import json
import logging
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from otelscore.ingest.compression import TooLargeError
from otelscore.ingest.decode import Decoder
from otelscore.ingest.receiver import Content, InternalError, Receiver, Result, Signal
from otelscore.model import Batch, OverloadedError, SenderError

Make = Callable[..., ExportTraceServiceRequest]


class Door:
    """A receiver with everything that goes in and out written down."""

    def __init__(self, decoder: Decoder) -> None:
        self.batches: list[Batch] = []
        self.counts: list[tuple[str, str, str]] = []
        self.reached: list[str] = []
        self.error: Exception | None = None
        self.passed_on: list[tuple[str, str, str, bytes]] = []
        self.receiver = Receiver(
            decoder, self.accept, self.count, self.reached.append, limit=10_000, pass_on=self.passing_on
        )

    @contextmanager
    def passing_on(self, *request: Any) -> Iterator[None]:
        yield
        self.passed_on.append(request)

    def count(self, *what: str) -> None:
        self.counts.append(what)

    def accept(self, batch: Batch) -> None:
        if self.error is not None:
            raise self.error
        self.batches.append(batch)

    def export(
        self, body: bytes, signal: Signal = Signal.TRACES, content: Content = Content.PROTOBUF, encoding: str = ""
    ) -> bytes:
        return self.receiver.export(signal, "grpc", body, content, encoding)


@pytest.fixture
def door(decoder: Decoder) -> Door:
    return Door(decoder)


def test_what_is_taken_is_passed_on_as_it_came_in_words_that_every_backend_knows(door: Door, request_of: Make) -> None:
    body = request_of({}).SerializeToString()
    zipped, deflated = gzip.compress(body), zlib.compress(body)
    for sent, encoding in ((body, ""), (body, "identity"), (zipped, "GZIP"), (deflated, "deflate")):
        door.export(sent, encoding=encoding)
    door.export(b"{}", Signal.LOGS, Content.JSON)
    door.export(b"", Signal.METRICS)
    plain, packed = ("traces", Content.PROTOBUF, "", body), ("traces", Content.PROTOBUF, "gzip", zipped)
    others = [("logs", Content.JSON, "", b"{}"), ("metrics", Content.PROTOBUF, "", b"")]
    assert door.passed_on == [plain, plain, packed, plain, *others]


@pytest.mark.parametrize("error", [OverloadedError("no room"), ValueError("a bug")])
def test_what_is_not_taken_is_not_passed_on(door: Door, error: Exception) -> None:
    door.error = error
    with pytest.raises(OverloadedError):
        door.export(b"")
    door.error = None
    with pytest.raises(SenderError):
        door.export(b"\xff")
    assert not door.passed_on


def test_a_good_request_is_handed_on_and_answered_with_an_empty_message(door: Door, request_of: Make) -> None:
    body = gzip.compress(request_of({}).SerializeToString())
    assert door.export(body, encoding="gzip") == b""
    assert [len(batch.spans) for batch in door.batches] == [1]
    assert door.counts == [(Signal.TRACES, "grpc", Result.ACCEPTED)]


def test_the_answer_is_written_as_the_request_was(door: Door) -> None:
    assert door.export(b"{}", content=Content.JSON) == b"{}"


def test_bad_spans_are_told_of_in_partial_success(door: Door, request_of: Make) -> None:
    answer = door.export(request_of({}, {"trace_id": b"x"}).SerializeToString())
    partial = ExportTraceServiceResponse.FromString(answer).partial_success
    assert partial.rejected_spans == 1
    assert partial.error_message == "resourceSpans[0].scopeSpans[0].spans[1]: trace_id is 1 bytes, want 16"
    assert [len(batch.spans) for batch in door.batches] == [1]
    assert door.counts == [(Signal.TRACES, "grpc", Result.ACCEPTED)]


def test_bad_spans_in_json_too(door: Door) -> None:
    body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [{}, {}]}]}]}).encode()
    partial = json.loads(door.export(body, content=Content.JSON))["partialSuccess"]
    assert partial["rejectedSpans"] == "2"
    assert partial["errorMessage"] == "resourceSpans[0].scopeSpans[0].spans[0]: trace_id is 0 bytes, want 16"


def test_bad_log_records_are_told_of_in_partial_success(door: Door) -> None:
    request = ExportLogsServiceRequest()
    request.resource_logs.add().scope_logs.add().log_records.add(trace_id=b"x")
    partial = ExportLogsServiceResponse.FromString(
        door.export(request.SerializeToString(), Signal.LOGS)
    ).partial_success
    assert partial.rejected_log_records == 1
    assert "logRecords[0]: trace_id" in partial.error_message


def test_metrics_are_accepted_and_discarded(door: Door) -> None:
    request = ExportMetricsServiceRequest()
    request.resource_metrics.add()
    assert door.export(request.SerializeToString(), Signal.METRICS) == b""
    assert door.export(b'{"resourceMetrics": [{}]}', Signal.METRICS, Content.JSON) == b"{}"
    assert door.counts == [(Signal.METRICS, "grpc", Result.ACCEPTED)] * 2
    assert door.batches == []


@pytest.mark.parametrize("signal", Signal)
@pytest.mark.parametrize("content", Content)
def test_garbage_is_rejected(door: Door, signal: Signal, content: Content) -> None:
    with pytest.raises(SenderError):
        door.export(b"garbage", signal, content)
    assert door.counts == [(signal, "grpc", Result.REJECTED)]


def test_a_request_over_the_limit_is_rejected(door: Door) -> None:
    with pytest.raises(TooLargeError):
        door.export(gzip.compress(bytes(10_001)), encoding="gzip")
    assert door.counts == [(Signal.TRACES, "grpc", Result.REJECTED)]
    assert door.reached == ["request_size"]


def test_no_room_is_a_refusal(door: Door) -> None:
    door.error = OverloadedError("full")
    with pytest.raises(OverloadedError, match="full"):
        door.export(b"")
    assert door.counts == [(Signal.TRACES, "grpc", Result.REFUSED)]


def test_a_bug_of_ours_asks_the_sender_to_retry_and_logs_no_content(door: Door, caplog: Any) -> None:
    door.error = KeyError("secret prompt")
    with caplog.at_level(logging.ERROR), pytest.raises(InternalError) as raised:
        door.export(b"")
    assert door.counts == [(Signal.TRACES, "grpc", Result.FAILED)]
    assert "KeyError while a traces request was taken" in caplog.text
    assert "in accept" in caplog.text
    assert "secret" not in caplog.text + str(raised.value)
