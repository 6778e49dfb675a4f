"""One attempt to hand a request to a backend, over HTTP or gRPC, and what an answer means for the next attempt.

Source: https://opentelemetry.io/docs/specs/otlp/ ("Failures", "OTLP/gRPC Throttling", "OTLP/HTTP Throttling").
"""

from __future__ import annotations

import gzip
import threading
import time
from base64 import b64encode
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

import grpc
import orjson
import requests
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otelscore.export.backend import TIMEOUT, Backend
from otelscore.export.spool import Request

REASONS = ("unreachable", "timeout", "busy", "error", "rejected")
"""Why an attempt failed, as far as it matters: `rejected` is for good, `error` most likely, the others pass."""

_METHODS: dict[str, tuple[str, type[Message]]] = {
    "traces": ("/opentelemetry.proto.collector.trace.v1.TraceService/Export", ExportTraceServiceRequest),
    "logs": ("/opentelemetry.proto.collector.logs.v1.LogsService/Export", ExportLogsServiceRequest),
    "metrics": ("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", ExportMetricsServiceRequest),
}

_CODE = grpc.StatusCode
_BY_CODE = {
    _CODE.UNAVAILABLE: "unreachable",
    _CODE.DEADLINE_EXCEEDED: "timeout",
    _CODE.CANCELLED: "busy",
    _CODE.ABORTED: "busy",
    _CODE.OUT_OF_RANGE: "busy",
    _CODE.DATA_LOSS: "busy",
    _CODE.UNKNOWN: "error",
    _CODE.INTERNAL: "error",
}
"""Every other code is `rejected`, but for RESOURCE_EXHAUSTED with a time after which to try again."""

_BY_STATUS = dict.fromkeys((408, 429, 502, 503, 504), "busy")
"""Every other status is an `error` from 500 on and `rejected` below."""

_IDS = frozenset({"traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id"})

_ANSWER = 65_536  # bytes of an answer that are read

_OPTIONS = (
    ("grpc.max_reconnect_backoff_ms", 10_000),  # two minutes by default, however soon the backend is back
    ("grpc.primary_user_agent", "otelscore"),
)


class SendError(Exception):
    """The request was not taken; the message says why, in words that quote no content."""

    def __init__(self, reason: str, message: str, after: float | None = None) -> None:
        super().__init__(message)
        self.reason = reason  # one of REASONS
        self.after = after  # seconds that the backend asks to wait; None: it does not


class Sender(Protocol):
    """May be used from many threads."""

    def send(self, request: Request) -> None:
        """Tries once. Raises SendError."""

    def close(self) -> None:
        """Breaks off what is under way, where that is possible."""


def make_sender(backend: Backend) -> Sender:
    return GrpcSender(backend) if backend.is_grpc else HttpSender(backend)


class HttpSender:
    """Requests go on as they came, compressed and written as they were."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._local = threading.local()

    def send(self, request: Request) -> None:
        backend = self._backend
        headers = {"content-type": request.content_type, "user-agent": "otelscore"}
        if request.encoding:
            headers["content-encoding"] = request.encoding
        try:
            with self._session().post(
                backend.url_of(request.signal),
                request.body,
                headers=headers | dict(backend.headers),
                timeout=TIMEOUT,
                allow_redirects=False,
                stream=True,
                verify=backend.ca_file or True,
                cert=(backend.cert_file, backend.key_file) if backend.cert_file else None,
            ) as answer:
                next(answer.iter_content(_ANSWER), b"")  # so that the connection can be used again
                status, after = answer.status_code, answer.headers.get("retry-after", "")
        except requests.Timeout:
            raise SendError("timeout", f"no answer within {TIMEOUT:g} s") from None
        except requests.RequestException as error:
            raise SendError("unreachable", _cause(error)) from None
        if not 200 <= status < 300:
            reason = _BY_STATUS.get(status, "error" if status >= 500 else "rejected")
            raise SendError(reason, f"HTTP {status}", _seconds(after) if reason == "busy" else None)

    def close(self) -> None:
        """Leaves what is under way to its timeout."""

    def _session(self) -> requests.Session:
        """A thread's own, since they may not be shared."""
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            session.auth = lambda prepared: prepared  # else a ~/.netrc beats the headers of the settings
        return session


class GrpcSender:
    """Requests go on as the same messages; those that came as JSON are written anew."""

    def __init__(self, backend: Backend) -> None:
        self._metadata = tuple((name.lower(), value) for name, value in backend.headers)
        self._channel = (
            grpc.secure_channel(backend.target, backend.credentials(), _OPTIONS)
            if backend.is_encrypted
            else grpc.insecure_channel(backend.target, _OPTIONS)
        )
        self._methods = {
            signal: self._channel.unary_unary(method, bytes, bytes) for signal, (method, _) in _METHODS.items()
        }

    def send(self, request: Request) -> None:
        body = gzip.decompress(request.body) if request.encoding else request.body
        if request.content_type == "application/json":
            body = as_protobuf(request.signal, body)
        compression = grpc.Compression.Gzip if request.encoding else grpc.Compression.NoCompression
        try:
            self._methods[request.signal](body, TIMEOUT, self._metadata, compression=compression)
        except grpc.RpcError as error:
            raise _as_send_error(error) from None
        except ValueError:  # the channel is closed
            raise SendError("unreachable", "stopped") from None

    def close(self) -> None:
        self._channel.close()


def as_protobuf(signal: str, body: bytes) -> bytes:
    """An OTLP/JSON request as the protobuf message that it stands for. Raises SendError."""
    message = _METHODS[signal][1]()
    try:
        json_format.ParseDict(_with_base64_ids(orjson.loads(body)), message, ignore_unknown_fields=True)
    except (json_format.ParseError, ValueError, RecursionError):
        raise SendError("rejected", "JSON that cannot be written as protobuf") from None
    return message.SerializeToString()


def _with_base64_ids(document: Any) -> Any:
    """The same document: OTLP/JSON has ids in hex, protobuf's own JSON in base64."""
    left = [document]
    while left:
        node = left.pop()
        if isinstance(node, dict):
            for key in _IDS & node.keys():
                node[key] = b64encode(bytes.fromhex(node[key] or "")).decode()
            left += node.values()
        elif isinstance(node, list):
            left += node
    return document


def _as_send_error(error: grpc.RpcError) -> SendError:
    code, details = error.code(), error.details() or ""
    after = _retry_delay(error.trailing_metadata() or ())
    busy = after is not None and code in (_CODE.RESOURCE_EXHAUSTED, _CODE.UNAVAILABLE)
    message = f"gRPC {code.name}"
    if details.startswith("failed to connect"):  # gRPC's own words; those of a backend may quote content
        message += f": {details}"
    return SendError("busy" if busy else _BY_CODE.get(code, "rejected"), message, after)


def _retry_delay(metadata: Any) -> float | None:
    """Seconds that a google.rpc.RetryInfo in the status asks for."""
    details = next((value for key, value in metadata if key == "grpc-status-details-bin"), b"")
    status, info = Status(), RetryInfo()
    with suppress(DecodeError):
        status.ParseFromString(details)
        for one in status.details:
            if one.Is(RetryInfo.DESCRIPTOR) and one.Unpack(info):
                return float(max(info.retry_delay.ToTimedelta().total_seconds(), 0))
    return None


def _seconds(retry_after: str) -> float | None:
    """What a Retry-After asks for: a number of seconds, or a date."""
    if retry_after.isascii() and retry_after.isdigit():
        return float(retry_after)
    with suppress(ValueError):
        return max(parsedate_to_datetime(retry_after).timestamp() - time.time(), 0.0)
    return None


def _cause(error: BaseException) -> str:
    """The innermost words: those around them only repeat the address."""
    while error.__context__ is not None:
        error = error.__context__
    return f"{type(error).__name__}: {error}"
