from __future__ import annotations

import asyncio
import gzip
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pytest

from otelscore.export.http import MetricsApp
from otelscore.export.prometheus import Exposition
from otelscore.model import OverloadedError
from otelscore.scoring.families import service_family


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes


PATIENCE = 10.0


def ask(app: MetricsApp, target: str, method: str = "GET", **given: Any) -> Reply:
    """One request; header names with _ for -."""
    return asyncio.run(request(app, target, method, **given))


def judge(body: bytes) -> tuple[int, bytes]:
    """Says how long the body was; one of three bytes cannot be stored."""
    return (503 if len(body) == 3 else 200), b"%d" % len(body)


async def request(
    app: MetricsApp, target: str, method: str = "GET", parts: Iterable[bytes] = (b"",), **headers: str
) -> Reply:
    """One request through ASGI, without a server; its body comes in `parts`, and not at all where there are none."""
    path, _, query = target.partition("?")
    sent = []
    left = deque(parts)

    async def receive():
        if not left:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": left.popleft(), "more_body": bool(left)}

    async def send(message):
        sent.append(message)

    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": raw}
    await app(scope, receive, send)
    start, *answer = sent
    found = {name.decode(): value.decode() for name, value in start["headers"]}
    return Reply(start["status"], found, b"".join(part["body"] for part in answer))


@pytest.fixture
def ready():
    return [True]


@pytest.fixture
def app(ready):
    exposition = Exposition(
        lambda: [service_family("open_spans", {(): 7}), service_family("verdicts_pending", {(): 0})]
    )
    return MetricsApp(exposition, lambda: ready[0], lambda *query: [], lambda run_id: None, judge, PATIENCE)


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
        app = MetricsApp(exposition, lambda: True, lambda *query: [], lambda run_id: None, judge, PATIENCE)
        scrape = asyncio.create_task(request(app, "/metrics"))
        await asyncio.sleep(0)  # lets the scrape begin
        probe = await request(app, "/healthz")
        answered.set()
        return (await scrape).status, probe.status

    exposition = Exposition(collect)
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


JSON = {"method": "POST", "content_type": "application/json; charset=utf-8"}


def test_verdicts_are_handed_on_whole_and_answered_as_json(app):
    reply = ask(app, "/api/v1/verdicts", parts=[b"[1,", b"", b"2]"], **JSON)
    assert (reply.status, reply.body, reply.headers["content-type"]) == (200, b"5", "application/json")
    assert "retry-after" not in reply.headers


def test_verdicts_that_cannot_be_stored_shall_come_again(app):
    reply = ask(app, "/api/v1/verdicts", parts=[b"[1]"], **JSON)
    assert (reply.status, reply.headers["retry-after"]) == (503, "1")


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded"])
def test_verdicts_come_in_no_form_that_a_page_of_another_site_can_send(app, content_type):
    reply = ask(app, "/api/v1/verdicts", "POST", parts=[b"{}"], content_type=content_type)
    assert reply.status == 415
    assert b"application/json" in reply.body
    assert ask(app, "/api/v1/verdicts", "OPTIONS").status == 405


def test_compressed_verdicts_are_refused(app):
    assert ask(app, "/api/v1/verdicts", parts=[b"{}"], content_encoding="gzip", **JSON).status == 415


def test_a_large_body_is_read_to_its_end_and_refused(app):
    parts = [bytes(2**20)] * 4
    assert ask(app, "/api/v1/verdicts", parts=parts, **JSON).status == 200
    reply = ask(app, "/api/v1/verdicts", parts=[*parts, b"x"], **JSON)
    assert (reply.status, reply.body) == (413, b'{"error":"the body is larger than 4194304 bytes"}')


def test_a_body_that_does_not_come_is_not_waited_for(app):
    app._request_time = 0.01
    reply = ask(app, "/api/v1/verdicts", parts=[], **JSON)
    assert (reply.status, reply.headers["connection"]) == (408, "close")


def test_verdicts_cannot_be_asked_for(app):
    reply = ask(app, "/api/v1/verdicts")
    assert (reply.status, reply.headers["allow"]) == (405, "POST")


def test_what_is_not_http_is_left_alone(app):
    async def unused(*_):
        raise AssertionError

    asyncio.run(app({"type": "lifespan"}, unused, unused))


def test_runs_that_cannot_be_read_now_are_answered_with_the_reason():
    def find(*query):
        raise OverloadedError("the disk cannot be read")

    app = MetricsApp(Exposition(list), lambda: True, find, find, judge, PATIENCE)
    for path in ("/api/v1/trajectories", "/api/v1/trajectories/a:b"):
        assert (ask(app, path).status, ask(app, path).body) == (503, b"the disk cannot be read\n")
