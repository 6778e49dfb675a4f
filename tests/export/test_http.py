from __future__ import annotations

import asyncio
import gzip
import threading
from dataclasses import dataclass

import pytest

from otelscore.export.http import MetricsApp
from otelscore.export.prometheus import make_registry
from otelscore.scoring.families import service_family


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes


def ask(app: MetricsApp, target: str, method: str = "GET", **headers: str) -> Reply:
    """One request; header names with _ for -."""
    return asyncio.run(request(app, target, method, **headers))


async def request(app: MetricsApp, target: str, method: str = "GET", **headers: str) -> Reply:
    """One request through ASGI, without a server."""
    path, _, query = target.partition("?")
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": raw}
    await app(scope, receive, send)
    start, *parts = sent
    found = {name.decode(): value.decode() for name, value in start["headers"]}
    return Reply(start["status"], found, b"".join(part["body"] for part in parts))


@pytest.fixture
def ready():
    return [True]


@pytest.fixture
def app(ready):
    registry = make_registry(
        lambda: [service_family("open_spans", {(): 7}), service_family("verdicts_pending", {(): 0})]
    )
    return MetricsApp(registry, lambda: ready[0], lambda *query: [], lambda run_id: None)


def test_metrics_are_prometheus_text_by_default(app):
    reply = ask(app, "/metrics")
    assert (reply.status, reply.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert b"\notelscore_open_spans 7.0\n" in reply.body


def test_metrics_are_openmetrics_for_who_asks(app):
    reply = ask(app, "/metrics", accept="application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
    assert reply.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert reply.body.endswith(b"# EOF\n")


def test_metrics_are_compressed_for_who_accepts_it(app):
    reply = ask(app, "/metrics", accept_encoding="br, gzip;q=0.9")
    assert reply.headers["content-encoding"] == "gzip"
    assert b"otelscore_open_spans 7.0" in gzip.decompress(reply.body)
    assert "content-encoding" not in ask(app, "/metrics").headers


def test_metrics_can_be_asked_for_by_name(app):
    reply = ask(app, "/metrics?name[]=otelscore_open_spans&name%5B%5D=process_open_fds")
    shown = {line.split()[0] for line in reply.body.decode().splitlines() if not line.startswith("#")}
    assert shown == {"otelscore_open_spans", "process_open_fds"}


def test_a_strange_query_is_no_error(app):
    assert ask(app, "/metrics?%ff=%00&&&=").status == 200


def test_a_living_service_says_so_whether_or_not_it_is_ready(app, ready):
    ready[0] = False
    assert (ask(app, "/healthz").status, ask(app, "/healthz").body) == (200, b"ok\n")


def test_a_living_service_says_so_during_a_long_scrape():
    answered = threading.Event()

    def collect():
        assert answered.wait(10), "the scrape held up everything else"
        return []

    async def scrape_and_probe():
        app = MetricsApp(registry, lambda: True, lambda *query: [], lambda run_id: None)
        scrape = asyncio.create_task(request(app, "/metrics"))
        await asyncio.sleep(0)  # lets the scrape begin
        probe = await request(app, "/healthz")
        answered.set()
        return (await scrape).status, probe.status

    registry = make_registry(collect)
    assert asyncio.run(scrape_and_probe()) == (200, 200)


def test_a_service_is_ready_or_unavailable(app, ready):
    assert (ask(app, "/readyz").status, ask(app, "/readyz").body) == (200, b"ok\n")
    ready[0] = False
    assert (ask(app, "/readyz").status, ask(app, "/readyz").body) == (503, b"not ready\n")


def test_the_front_page_links_the_others(app):
    reply = ask(app, "/")
    assert (reply.status, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert all(name in reply.body for name in (b'"metrics"', b'"healthz"', b'"readyz"'))


@pytest.mark.parametrize("path", ["/metrics/", "/v1/traces", "/favicon.ico", "//", ""])
def test_there_is_nothing_else(app, path):
    assert ask(app, path).status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", "/metrics", "/healthz", "/readyz"])
def test_nothing_can_be_changed(app, method, path):
    reply = ask(app, path, method)
    assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/nothing"])
def test_head_gives_the_headers_of_get_alone(app, path):
    head, get = ask(app, path, "HEAD"), ask(app, path)
    assert (head.status, head.headers, head.body) == (get.status, get.headers, b"")
    assert int(head.headers["content-length"]) == len(get.body)


def test_what_is_not_http_is_left_alone(app):
    async def unused(*_):
        raise AssertionError

    asyncio.run(app({"type": "lifespan"}, unused, unused))
