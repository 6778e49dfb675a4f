"""The HTTP door: OTLP/HTTP as an ASGI app.

Source: https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from otelscore.ingest.compression import ENCODINGS, TooLargeError
from otelscore.ingest.gate import CrowdedError, Gate, Visit
from otelscore.ingest.receiver import (
    INVALID_ARGUMENT,
    NOT_FOUND,
    RESOURCE_EXHAUSTED,
    RETRY_AFTER,
    RETURNED,
    UNAUTHENTICATED,
    UNAVAILABLE,
    UNIMPLEMENTED,
    Content,
    Receiver,
    Result,
    Signal,
    error_status,
    serialize,
)
from otelscore.model import INSTANCE_HEADER, OverloadedError, SenderError, UnauthenticatedError

PATHS = {
    "/v1/traces": Signal.TRACES,
    "/v1/logs": Signal.LOGS,
    "/v1/metrics": Signal.METRICS,
    "/api/public/otel/v1/traces": Signal.TRACES,  # where Langfuse's SDKs post
}

THREADS = 4
"""That take requests: decoding is bound to one core anyway; the others wait for the disk."""

_CONTENTS = {
    "application/x-protobuf": Content.PROTOBUF,
    "application/protobuf": Content.PROTOBUF,
    "application/json": Content.JSON,
}

_CODES = {
    400: INVALID_ARGUMENT,
    401: UNAUTHENTICATED,
    404: NOT_FOUND,
    405: UNIMPLEMENTED,
    413: RESOURCE_EXHAUSTED,
    415: INVALID_ARGUMENT,
    503: UNAVAILABLE,
}

Event = MutableMapping[str, Any]  # of ASGI
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]


class _RefusedError(Exception):
    """An answer other than 200."""

    def __init__(self, http: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.http = http
        self.headers = headers

    def body(self, content: Content) -> bytes:
        return serialize(error_status(_CODES[self.http], str(self)), content)


class _DisconnectedError(Exception):
    """The sender went away before its body was whole: nobody is left to answer."""


class OtlpHttp:
    """The ASGI app.

    A body must have come whole within `request_time` seconds. Whom the gate does not let in is asked to come back
    later. Requests are taken in other threads, so that this one can always refuse.
    """

    def __init__(self, receiver: Receiver, gate: Gate, request_time: float) -> None:
        self._receiver = receiver
        self._gate = gate
        self._request_time = request_time
        self._work = ThreadPoolExecutor(THREADS, thread_name_prefix="otlp-http")

    async def __call__(self, scope: Event, receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        content = _CONTENTS.get(media_type)
        try:
            signal = _signal(scope)
            try:
                tenant = self._receiver.authenticate(headers.items())
            except UnauthenticatedError as error:
                self._receiver.count(signal, "http", Result.UNAUTHENTICATED)
                raise _RefusedError(401, str(error), **{"www-authenticate": "Bearer"}) from None
            if content is None:
                raise self._rejected(signal, 415, f"the content type is none of {', '.join(_CONTENTS)}")
            if headers.get(INSTANCE_HEADER) == self._receiver.instance:
                raise self._rejected(signal, 400, RETURNED)
            answer = await self._export(signal, content, headers.get("content-encoding", ""), receive, tenant)
        except _RefusedError as refusal:
            as_sent = content or Content.JSON
            await _send(send, refusal.http, as_sent, refusal.body(as_sent), refusal.headers)
        except _DisconnectedError:
            return
        else:
            await _send(send, 200, content, answer, {})

    async def _export(self, signal: Signal, content: Content, encoding: str, receive: Receive, tenant: str) -> bytes:
        if encoding.strip().lower() not in ("", *ENCODINGS):
            raise self._rejected(signal, 415, f"the content encoding is none of {', '.join(ENCODINGS)}")
        try:
            with self._gate.enter() as visit:
                return await self._take(signal, content, encoding, receive, tenant, visit)
        except CrowdedError as error:
            self._receiver.reach(error.limit)
            raise self._refused(signal, str(error)) from None

    async def _take(
        self, signal: Signal, content: Content, encoding: str, receive: Receive, tenant: str, visit: Visit
    ) -> bytes:
        try:
            async with asyncio.timeout(self._request_time):
                body = await self._body(receive, visit)
        except TimeoutError:
            # Not 408: senders do not try that again, and who was slow may have been this process.
            self._receiver.reach("request_time")
            message = f"the body did not come within {self._request_time:g} s"
            raise self._refused(signal, message, connection="close") from None
        except TooLargeError as error:
            self._receiver.reach("request_size")
            raise self._rejected(signal, 413, str(error)) from None

        def export() -> bytes:
            visit.begin()
            return self._receiver.export(signal, "http", body, content, encoding, tenant)

        visit.wait()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._work, export)
        except TooLargeError as error:
            raise _RefusedError(413, str(error)) from None
        except SenderError as error:
            raise _RefusedError(400, str(error)) from None
        except CrowdedError:  # its turn came too late
            raise
        except OverloadedError as error:
            raise _retry_later(str(error)) from None

    async def _body(self, receive: Receive, visit: Visit) -> bytes:
        """The body as it was sent. What is too large is read to its end, or the sender would not see the answer."""
        body = bytearray()
        size = 0
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _DisconnectedError
            chunk = message.get("body", b"")
            size += len(chunk)
            if size <= self._receiver.limit:
                visit.hold(len(chunk))
                body += chunk
            more = message.get("more_body", False)
        if size > self._receiver.limit:
            raise TooLargeError(self._receiver.limit)
        return bytes(body)

    def _rejected(self, signal: Signal, http: int, message: str) -> _RefusedError:
        """A refusal of what never reached the receiver, and so was not counted there."""
        self._receiver.count(signal, "http", Result.REJECTED)
        return _RefusedError(http, message)

    def _refused(self, signal: Signal, message: str, **headers: str) -> _RefusedError:
        """The same where the sender should try again."""
        self._receiver.count(signal, "http", Result.REFUSED)
        return _retry_later(message, **headers)


def _retry_later(message: str, **headers: str) -> _RefusedError:
    return _RefusedError(503, message, **{"retry-after": str(RETRY_AFTER)}, **headers)


def _signal(scope: Event) -> Signal:
    signal = PATHS.get(scope["path"])
    if signal is None:
        raise _RefusedError(404, f"there is nothing here; OTLP/HTTP is at {', '.join(PATHS)}")
    if scope["method"] != "POST":
        raise _RefusedError(405, "OTLP/HTTP is POST only", allow="POST")
    return signal


async def _send(send: Send, http: int, content: Content, body: bytes, headers: dict[str, str]) -> None:
    sent = {"content-type": content.value, "content-length": str(len(body)), **headers}
    fields = [(name.encode(), value.encode()) for name, value in sent.items()]
    await send({"type": "http.response.start", "status": http, "headers": fields})
    await send({"type": "http.response.body", "body": body})
