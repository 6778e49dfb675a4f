"""The metrics endpoint as a pure ASGI application: figures, the runs behind them, whether the service is ready."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import gzip_accepted

from otelscore.export import trajectories
from otelscore.export.prometheus import render
from otelscore.export.trajectories import Find, Look

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

Answer = tuple[int, bytes, dict[str, str]]
"""Status, body, headers."""

TEXT = "text/plain; charset=utf-8"

INDEX = b"""<!doctype html>
<title>otelscore</title>
<h1>otelscore</h1>
<ul>
<li><a href="metrics">/metrics</a>: figures for Prometheus
<li><a href="api/v1/trajectories">/api/v1/trajectories</a>: the runs behind the figures, as JSON
<li><a href="healthz">/healthz</a>: 200 while the service lives
<li><a href="readyz">/readyz</a>: 200 while it takes spans, else 503
</ul>
"""


class MetricsApp:
    """ASGI application; `ready` tells whether the service takes spans now, `find` and `look` know the runs."""

    def __init__(self, registry: CollectorRegistry, ready: Callable[[], bool], find: Find, look: Look) -> None:
        self._registry = registry
        self._ready = ready
        self._find = find
        self._look = look

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        status, body, headers = await self._answer(scope)
        headers["content-length"] = str(len(body))
        raw_headers = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw_headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _answer(self, scope: Scope) -> Answer:
        runs = scope["path"] == trajectories.PATH or scope["path"].startswith(trajectories.PATH + "/")
        if not runs and scope["path"] not in ("/", "/metrics", "/healthz", "/readyz"):
            there = f"/metrics, {trajectories.PATH}, /healthz and /readyz"
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
        status, body = trajectories.answer(scope["path"], query, self._find, self._look)
        return status, body, {"content-type": "application/json"}

    def _metrics(self, scope: Scope) -> Answer:
        query = parse_qs(scope["query_string"].decode("latin-1"))
        body, content_type = render(self._registry, _header(scope, b"accept"), query.get("name[]", ()))
        headers = {"content-type": content_type, "vary": "Accept, Accept-Encoding"}
        if gzip_accepted(_header(scope, b"accept-encoding")):
            body = gzip.compress(body, compresslevel=4)
            headers["content-encoding"] = "gzip"
        return 200, body, headers


def _header(scope: Scope, name: bytes) -> str:
    """A request header's values, joined; ASGI gives the names in lower case."""
    raw: Iterable[tuple[bytes, bytes]] = scope["headers"]
    return ",".join(value.decode("latin-1") for key, value in raw if key == name)
