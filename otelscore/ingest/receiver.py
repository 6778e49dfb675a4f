"""The heart of both doors: the body of one request -> the body of its answer. No socket is touched here."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from enum import StrEnum
from typing import cast

from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from otelscore.ingest import otlp_json, otlp_protobuf
from otelscore.ingest.compression import TooLargeError, decompress
from otelscore.ingest.decode import Decoder
from otelscore.model import Authenticate, Batch, Origin, OverloadedError, SenderError

log = logging.getLogger(__name__)

INVALID_ARGUMENT, NOT_FOUND, RESOURCE_EXHAUSTED, UNIMPLEMENTED, UNAVAILABLE = 3, 5, 8, 12, 14
UNAUTHENTICATED = 16
"""Numbers of google/rpc/code.proto."""

RETRY_AFTER = 1
"""Seconds that a sender is asked to wait when there is no room."""


RETURNED = "this otelscore has sent this request itself; forward.endpoint or events.endpoint leads back to it"


class Signal(StrEnum):
    TRACES = "traces"
    LOGS = "logs"
    METRICS = "metrics"


class Content(StrEnum):
    """How a message is written, by its media type."""

    PROTOBUF = "application/x-protobuf"
    JSON = "application/json"


class Result(StrEnum):
    """What became of a request."""

    ACCEPTED = "accepted"  # acknowledged, though single records may be rejected
    REJECTED = "rejected"  # the sender's fault
    REFUSED = "refused"  # no room now
    FAILED = "failed"  # our fault
    UNAUTHENTICATED = "unauthenticated"  # it brought no token that is known


Count = Callable[[Signal, str, Result], None]
"""Told of every request that came: its signal, its transport ("grpc" or "http") and what became of it."""

Reach = Callable[[str], None]
"""Told of every request that came up against a limit, by the name of the limit."""


PassOn = Callable[[Signal, Content, str, bytes], AbstractContextManager[object]]
"""Held around the taking of a request, which is passed on when it was taken: its signal, how it is written, how it is
compressed ("" or "gzip") and the body. Raises OverloadedError where the request is to be refused."""


class InternalError(OverloadedError):
    """A bug of ours. The request may be fine, so the sender should retry."""


class Receiver:
    """Decodes a request, hands it on, and words the answer.

    `accept` takes the batch and returns when it is safe to acknowledge it; it raises OverloadedError where there is no
    room for all of it. `limit` is the size in bytes of the largest request, unpacked. Called from many threads.
    `instance` is what INSTANCE_HEADER says of requests that we sent ourselves. `authenticate` is asked by both doors
    before they read a body.
    """

    def __init__(
        self,
        decoder: Decoder,
        accept: Callable[[Batch], object],
        count: Count,
        reach: Reach,
        limit: int,
        pass_on: PassOn = lambda *_: nullcontext(),
        instance: str = "",
        authenticate: Authenticate = lambda _: "",
    ) -> None:
        self.instance = instance
        self.authenticate = authenticate
        self.count = count
        self.reach = reach
        self.limit = limit
        self._accept = accept
        self._pass_on = pass_on
        self._decode = {
            (Signal.TRACES, Content.PROTOBUF): decoder.traces,
            (Signal.TRACES, Content.JSON): decoder.traces_json,
            (Signal.LOGS, Content.PROTOBUF): decoder.logs,
            (Signal.LOGS, Content.JSON): decoder.logs_json,
            (Signal.METRICS, Content.PROTOBUF): _discard_protobuf,
            (Signal.METRICS, Content.JSON): _discard_json,
        }

    def export(
        self, signal: Signal, transport: str, body: bytes, content: Content, encoding: str, tenant: str = ""
    ) -> bytes:
        """Takes one request of a tenant and returns the Export...ServiceResponse, written as the request was.

        Raises SenderError (TooLargeError over the limit), or OverloadedError (InternalError for a bug of ours).
        """
        try:
            plain = decompress(body, encoding, self.limit)
            batch = self._decode[signal, content](plain)
            if tenant:
                _sign(batch, tenant)
            zipped = encoding.strip().lower() == "gzip"  # the only one that every OTLP receiver knows
            with self._pass_on(signal, content, "gzip" if zipped else "", body if zipped else plain):
                if signal is not Signal.METRICS:
                    self._accept(batch)
        except SenderError as error:
            self.count(signal, transport, Result.REJECTED)
            if isinstance(error, TooLargeError):
                self.reach(error.limit)
            raise
        except OverloadedError:
            self.count(signal, transport, Result.REFUSED)
            raise
        except Exception as error:
            self.count(signal, transport, Result.FAILED)
            # Where it happened, but not the error's own words: they may quote content.
            where = "".join(traceback.format_tb(error.__traceback__))
            log.error("%s while a %s request was taken\n%s", type(error).__name__, signal, where)
            raise InternalError("internal error; the server's log says more") from None
        self.count(signal, transport, Result.ACCEPTED)
        return serialize(_response(signal, batch), content)


def error_status(code: int, message: str) -> Message:
    """A google.rpc.Status; one with the code UNAVAILABLE asks the sender to try again after RETRY_AFTER."""
    status = Status(code=code, message=message)
    if code == UNAVAILABLE:
        status.details.add().Pack(RetryInfo(retry_delay=Duration(seconds=RETRY_AFTER)))
    return cast("Message", status)


def serialize(message: Message, content: Content) -> bytes:
    if content is Content.PROTOBUF:
        return message.SerializeToString()
    return json_format.MessageToJson(message, indent=None).encode()


def _sign(batch: Batch, tenant: str) -> None:
    """Says of every span who sent it. Spans of one origin share it again: the store writes each origin once."""
    signed: dict[int, Origin] = {}
    for span in batch.spans:
        origin = span.origin
        if id(origin) not in signed:  # all are there from the start, so no id is used twice
            signed[id(origin)] = replace(origin, tenant=tenant)
        span.origin = signed[id(origin)]


def _response(signal: Signal, batch: Batch) -> Message:
    match signal:
        case Signal.TRACES:
            traces = ExportTraceServiceResponse()
            if batch.rejected:
                traces.partial_success.rejected_spans = batch.rejected
                traces.partial_success.error_message = batch.reason
            return traces
        case Signal.LOGS:
            logs = ExportLogsServiceResponse()
            if batch.rejected:
                logs.partial_success.rejected_log_records = batch.rejected
                logs.partial_success.error_message = batch.reason
            return logs
        case Signal.METRICS:
            return ExportMetricsServiceResponse()


def _discard_protobuf(body: bytes) -> Batch:
    otlp_protobuf.check_metrics(body)
    return Batch()


def _discard_json(body: bytes) -> Batch:
    otlp_json.check_metrics(body)
    return Batch()
