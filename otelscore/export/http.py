"""The metrics endpoint as a pure ASGI application: figures, the runs behind them, verdicts, whether it is ready."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from prometheus_client.exposition import gzip_accepted

from otelscore.export import trajectories, verdicts
from otelscore.export.prometheus import Exposition
from otelscore.export.trajectories import Find, Look
from otelscore.export.verdicts import Judge
from otelscore.model import Authenticate, OverloadedError, UnauthenticatedError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

Answer = tuple[int, bytes, dict[str, str]]
"""Status, body, headers."""

TEXT = "text/plain; charset=utf-8"

_RETRY_AFTER = "1"  # seconds

_OPEN = ("/healthz", "/readyz")  # to everybody: probes bring no token

INDEX = b"""<!doctype html>
<title>otelscore</title>
<h1>otelscore</h1>
<ul>
<li><a href="metrics">/metrics</a>: figures for Prometheus
<li><a href="api/v1/trajectories">/api/v1/trajectories</a>: the runs behind the figures, as JSON
<li>POST /api/v1/verdicts: takes verdicts about runs, as JSON
<li><a href="healthz">/healthz</a>: 200 while the service lives
<li><a href="readyz">/readyz</a>: 200 while it takes spans and what comes of them is stored, else 503
</ul>
"""


class MetricsApp:
    """ASGI application; `ready` tells whether the service takes spans now, `find` and `look` know the runs.

    `judge` takes verdicts, whose body must have come whole within `request_time` seconds. `authenticate` is given the
    headers of a request before its body is read, but for the health checks, and raises UnauthenticatedError.
    """

    def __init__(
        self,
        exposition: Exposition,
        ready: Callable[[], bool],
        find: Find,
        look: Look,
        judge: Judge,
        request_time: float,
        authenticate: Authenticate = lambda _: "",
    ) -> None:
        self._exposition = exposition
        self._ready = ready
        self._find = find
        self._look = look
        self._judge = judge
        self._request_time = request_time
        self._authenticate = authenticate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        try:
            if scope["path"] not in _OPEN:
                raw: Iterable[tuple[bytes, bytes]] = scope["headers"]
                self._authenticate((name.decode("latin-1"), value.decode("latin-1")) for name, value in raw)
        except UnauthenticatedError as error:
            status, body, headers = 401, f"{error}\n".encode(), {"content-type": TEXT, "www-authenticate": "Bearer"}
        else:
            answered = self._verdicts(scope, receive) if scope["path"] == verdicts.PATH else self._answer(scope)
            status, body, headers = await answered
        headers["content-length"] = str(len(body))
        raw_headers = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw_headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _answer(self, scope: Scope) -> Answer:
        runs = scope["path"] == trajectories.PATH or scope["path"].startswith(trajectories.PATH + "/")
        if not runs and scope["path"] not in ("/", "/metrics", "/healthz", "/readyz"):
            there = f"/metrics, {trajectories.PATH}, {verdicts.PATH}, /healthz and /readyz"
            return 404, f"not found; there are {there}\n".encode(), {"content-type": TEXT}
        if scope["method"] not in ("GET", "HEAD"):
            return 405, b"use GET or HEAD\n", {"content-type": TEXT, "allow": "GET, HEAD"}
        if runs:
            return await asyncio.to_thread(self._runs, scope)
        if scope["path"] == "/metrics":
            # In a thread, so that a long scrape does not make the service look dead.
            return await asyncio.to_thread(self._metrics, scope)
        if scope["path"] == "/":
            return 200, INDEX, {"content-type": "text/html; charset=utf-8"}
        if scope["path"] == "/readyz" and not self._ready():
            return 503, b"not ready\n", {"content-type": TEXT}
        return 200, b"ok\n", {"content-type": TEXT}

    def _runs(self, scope: Scope) -> Answer:
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        try:
            status, body = trajectories.answer(scope["path"], query, self._find, self._look)
        except OverloadedError as error:
            return 503, f"{error}\n".encode(), {"content-type": TEXT}
        return status, body, {"content-type": "application/json"}

    async def _verdicts(self, scope: Scope, receive: Receive) -> Answer:
        headers = {"content-type": "application/json"}
        if scope["method"] != "POST":
            return 405, verdicts.as_error("use POST"), headers | {"allow": "POST"}
        # Nothing else is JSON: else any page in a browser on this machine could judge, and nobody would be asked.
        if _header(scope, b"content-type").partition(";")[0].strip().lower() != "application/json":
            return 415, verdicts.as_error("the content type must be application/json"), headers
        if _header(scope, b"content-encoding").strip().lower() not in ("", "identity"):
            return 415, verdicts.as_error("the body must not be compressed"), headers
        try:
            async with asyncio.timeout(self._request_time):
                body = await _body(receive, verdicts.MAX_BODY)
        except TimeoutError:
            message = f"the body did not come within {self._request_time:g} s"
            return 408, verdicts.as_error(message), headers | {"connection": "close"}
        if body is None:
            return 413, verdicts.as_error(f"the body is larger than {verdicts.MAX_BODY} bytes"), headers
        status, answer = await asyncio.to_thread(self._judge, body)
        return status, answer, headers | ({"retry-after": _RETRY_AFTER} if status == 503 else {})

    def _metrics(self, scope: Scope) -> Answer:
        query = parse_qs(scope["query_string"].decode("latin-1"))
        body, content_type = self._exposition.render(_header(scope, b"accept"), query.get("name[]", ()))
        headers = {"content-type": content_type, "vary": "Accept, Accept-Encoding"}
        if gzip_accepted(_header(scope, b"accept-encoding")):
            body = gzip.compress(body, compresslevel=4)
            headers["content-encoding"] = "gzip"
        return 200, body, headers


async def _body(receive: Receive, limit: int) -> bytes | None:
    """The whole body; None where it is too large. It is read to its end, or the sender would not see the answer."""
    body = bytearray()
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b""  # nobody is left to answer
        chunk = message.get("body", b"")
        size += len(chunk)
        if size <= limit:
            body += chunk
        more = message.get("more_body", False)
    return bytes(body) if size <= limit else None


def _header(scope: Scope, name: bytes) -> str:
    """A request header's values, joined; ASGI gives the names in lower case."""
    raw: Iterable[tuple[bytes, bytes]] = scope["headers"]
    return ",".join(value.decode("latin-1") for key, value in raw if key == name)
