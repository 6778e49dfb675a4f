"""`otelscore doctor` against a real serve, and against everything that a set-up can get wrong."""

from __future__ import annotations

import logging
import re
import shutil
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import certifi
import grpc
import pytest
import trustme
from click.testing import CliRunner, Result
from live import FREE, Server, eventually, span_exporter, start
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from otelscore.cli.doctor import doctor

QUICK = ["--root-grace", "300ms"]

Answer = Callable[[BaseHTTPRequestHandler, bytes], int]
"""What a server answers to a body: an HTTP status."""


@pytest.fixture(autouse=True)
def each_as_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exporters keep quiet about a trouble of which they told less than a minute ago; a doctor is always new."""
    for name, logger in logging.root.manager.loggerDict.items():
        if name.startswith("opentelemetry.exporter.otlp") and isinstance(logger, logging.Logger):
            monkeypatch.setattr(logger, "filters", [])


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    yield from serving(*QUICK)


def serving(*args: str, **env: str) -> Iterator[Server]:
    running = start(*FREE, *args, env=env)
    yield running
    running.process.kill()
    running.process.wait()


def ask(server: Server, endpoint: str, *args: str, wait: float = 60, **env: str) -> Result:
    return CliRunner().invoke(doctor, [endpoint, "--metrics", server.metrics, "--wait", str(wait), *args], env=env)


def complaints(result: Result) -> list[str]:
    """What is not well, each with what to do about it."""
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == ("✗" in result.output), result.output
    return re.findall(r"^✗ (.*\n  .*)$", result.output, re.MULTILINE)


@contextmanager
def http_server(
    answer: Answer, context: ssl.SSLContext | None = None, get_from: str = "", clock: float = 0
) -> Iterator[str]:
    """`get_from`: the server whose GET answers it passes on; `clock`: seconds that its own is ahead."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status = answer(self, self.rfile.read(int(self.headers["content-length"])))
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            with urllib.request.urlopen(f"http://{get_from}{self.path}") as asked:
                body = asked.read()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string(time.time() + clock)

        def log_message(self, *_: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    if context is not None:
        listening.socket = context.wrap_socket(listening.socket, server_side=True)
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{listening.server_port}"
    listening.shutdown()
    listening.server_close()
    thread.join()


@contextmanager
def grpc_server(code: grpc.StatusCode) -> Iterator[str]:
    running = grpc.server(ThreadPoolExecutor(1))
    method = grpc.unary_unary_rpc_method_handler(lambda _, context: context.abort(code, "no"))
    service = "opentelemetry.proto.collector.trace.v1.TraceService"
    running.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Export": method}),))
    port = running.add_insecure_port("127.0.0.1:0")
    running.start()
    yield f"127.0.0.1:{port}"
    running.stop(None)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def certified(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


@pytest.mark.parametrize("way", ["grpc", "http"])
def test_where_all_is_well_every_run_is_counted_and_none_is_a_figure(server, way):
    endpoint = server.grpc if way == "grpc" else f"http://{server.http}/v1/traces"
    result = ask(server, endpoint)
    assert complaints(result) == []
    assert "all 20 test runs were rebuilt and counted" in result.output
    about_agents = {dict(key).get("service_name") for series in server.scrape().values() for key in series} - {None}
    assert about_agents == set()


def test_a_port_where_nothing_listens(server):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound but not listening: nobody answers, and nobody else takes it
        (said,) = complaints(ask(server, f"127.0.0.1:{unused.getsockname()[1]}"))
    assert "nothing listens on port" in said


def test_a_name_that_nobody_has(server):
    (said,) = complaints(ask(server, "nowhere.invalid:4317"))
    assert "no machine is known by the name nowhere.invalid" in said


@pytest.mark.parametrize("path", ["", "/v1/traces"])
def test_tls_to_a_port_without(server, path):
    (said,) = complaints(ask(server, f"https://{server.http if path else server.grpc}{path}"))
    assert "use http:// instead of https://" in said


@pytest.mark.parametrize("path", ["", "/v1/traces"])
def test_no_tls_to_a_port_with(server, authority, path):
    with http_server(lambda *_: 200, certified(authority, "127.0.0.1")) as address:
        (said,) = complaints(ask(server, f"http://{address}{path}"))
    assert "use https:// instead of http://" in said


def test_a_certificate_of_an_unknown_authority(server, authority, tmp_path):
    with http_server(lambda *_: 200, certified(authority, "127.0.0.1")) as address:
        (said,) = complaints(ask(server, f"https://{address}/v1/traces"))
        assert "OTEL_EXPORTER_OTLP_CERTIFICATE" in said
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        trusting = {"OTEL_EXPORTER_OTLP_CERTIFICATE": str(tmp_path / "ca.pem"), "CURL_CA_BUNDLE": ""}
        trusting["REQUESTS_CA_BUNDLE"] = certifi.where()
        (said,) = complaints(ask(server, f"https://{address}/v1/traces", wait=1, **trusting))
        assert "REQUESTS_CA_BUNDLE is set" in said
        trusting["REQUESTS_CA_BUNDLE"] = ""
        trusted = ask(server, f"https://{address}/v1/traces", wait=1, **trusting)
        assert "accepted 60 spans" in trusted.output, trusted.output
        missing = {"OTEL_EXPORTER_OTLP_CERTIFICATE": str(tmp_path / "none.pem")}
        (said,) = complaints(ask(server, f"https://{address}/v1/traces", **missing))
        assert "there is no file" in said


def test_a_certificate_for_another_name(server, authority, tmp_path):
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    trusting = {"OTEL_EXPORTER_OTLP_CERTIFICATE": str(tmp_path / "ca.pem")}
    with http_server(lambda *_: 200, certified(authority, "otel.example")) as address:
        (said,) = complaints(ask(server, f"https://{address}/v1/traces", **trusting))
    assert "certificate is not valid for '127.0.0.1'" in said


def test_grpc_to_the_port_for_http(server):
    (said,) = complaints(ask(server, server.http))
    assert "the port speaks HTTP, not gRPC" in said


def test_http_to_the_port_for_grpc(server):
    (said,) = complaints(ask(server, server.grpc, OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf"))
    assert "the port speaks gRPC, not HTTP" in said


@pytest.mark.parametrize(
    ("status", "means"),
    [
        (401, "wants to know who sends"),
        (403, "refuses these credentials"),
        (404, "takes no OTLP traces at this path"),
        (503, "takes nothing now"),
        (418, "the exporter says: Failed to export"),
    ],
)
def test_an_answer_of_http_in_plain_words(server, status, means):
    with http_server(lambda *_: status) as address:
        (said,) = complaints(ask(server, f"http://{address}/v1/traces"))
    assert means in said


@pytest.mark.parametrize(
    ("code", "means"),
    [
        (grpc.StatusCode.UNAUTHENTICATED, "wants to know who sends"),
        (grpc.StatusCode.PERMISSION_DENIED, "refuses these credentials"),
        (grpc.StatusCode.UNIMPLEMENTED, "takes no OTLP traces"),
        (grpc.StatusCode.UNAVAILABLE, "takes nothing now"),
    ],
)
def test_an_answer_of_grpc_in_plain_words(server, code, means):
    with grpc_server(code) as address:
        (said,) = complaints(ask(server, address))
    assert means in said


def test_credentials_are_those_of_the_environment(server):
    def answer(handler: BaseHTTPRequestHandler, _: bytes) -> int:
        return 200 if handler.headers["authorization"] == "Bearer yes" else 401

    with http_server(answer) as address:
        known = ask(
            server, f"http://{address}/v1/traces", wait=1, OTEL_EXPORTER_OTLP_HEADERS="authorization=Bearer%20yes"
        )
    assert "accepted 60 spans" in known.output


@pytest.mark.parametrize("path", ["", "/v1/traces"])
def test_who_takes_the_connection_and_says_nothing(server, path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        (said,) = complaints(ask(server, f"http://127.0.0.1:{silent.getsockname()[1]}{path}"))
    assert "did not answer within 5 s" in said


def test_who_accepts_and_drops(server):
    with http_server(lambda *_: 200) as address:
        (said,) = complaints(ask(server, f"http://{address}/v1/traces", wait=1))
    assert "0 of 10 runs without an error and 0 of 10 with one" in said
    assert "is a Collector: does its traces pipeline have an exporter to otelscore" in said


def only(keep: Callable[[int, bool], bool], server: Server) -> Answer:
    """Passes on the traces for which `keep` says so, given their number and whether they have an error."""

    def answer(_: BaseHTTPRequestHandler, body: bytes) -> int:
        request = ExportTraceServiceRequest.FromString(body)
        spans = request.resource_spans[0].scope_spans[0].spans
        failed = {span.trace_id for span in spans if span.status.code == 2}
        ids = sorted({span.trace_id for span in spans}, key=lambda one: (one in failed, one))
        kept = {one for number, one in enumerate(ids) if keep(number, one in failed)}
        passed_on = [span for span in spans if span.trace_id in kept]
        del spans[:]
        spans.extend(passed_on)
        again = urllib.request.Request(f"http://{server.http}/v1/traces", request.SerializeToString())
        again.add_header("content-type", "application/x-protobuf")
        with urllib.request.urlopen(again) as answered:
            return answered.status

    return answer


def test_a_sampler_that_prefers_errors(server):
    with http_server(only(lambda number, failed: failed or number < 2, server)) as address:
        (said,) = complaints(ask(server, f"http://{address}/v1/traces", wait=5))
    assert "2 of 10 runs without an error and 10 of 10 with one" in said
    assert "prefers runs with errors, which makes every ratio wrong" in said


def test_a_sampler_that_takes_any(server):
    with http_server(only(lambda number, failed: number % 2 == 0, server)) as address:
        (said,) = complaints(ask(server, f"http://{address}/v1/traces", wait=5))
    assert "5 of 10 runs without an error and 5 of 10 with one" in said
    assert "something on the way samples, or shares the runs out" in said


def test_a_scope_that_is_left_out():
    for server in serving(*QUICK, OTELSCORE_INCLUDE_SCOPE="acme.*"):
        (said,) = complaints(ask(server, server.grpc, wait=1))
        assert "60 spans came and were left out by their scope" in said


def test_runs_that_do_not_close_in_time():
    for server in serving("--root-grace", "1h"):
        (said,) = complaints(ask(server, server.grpc, wait=1))
        assert "60 spans came that are written like theirs" in said
        assert "root_grace" in said


def send_spans(server: Server, name: str, **attributes: str) -> None:
    provider = TracerProvider(resource=Resource({"service.name": "shop"}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(span_exporter(server, "grpc")))
    for _ in range(100):
        provider.get_tracer("shop").start_span(name, attributes=attributes).end()


def test_on_a_busy_service_spans_of_others_are_not_taken_for_the_test_runs():
    """All is swallowed on the way, while others' spans come through."""

    def answer(_: BaseHTTPRequestHandler, __: bytes) -> int:
        send_spans(server, "llm", **{"openinference.span.kind": "LLM"})
        return 200

    for server in serving(*QUICK):
        with http_server(answer) as address:
            (said,) = complaints(ask(server, f"http://{address}/v1/traces", wait=1))
        assert "100 spans of others came in that time, but none of the test runs" in said
        assert "does its traces pipeline have an exporter to otelscore" in said


def test_what_it_reads_of_others_is_told():
    for server in serving(*QUICK):
        assert "so far it has got nothing but test runs" in ask(server, server.grpc).output
        send_spans(server, "GET /", **{"http.request.method": "GET"})
        (said,) = complaints(ask(server, server.grpc))
        assert "100 spans of others, and to it none is an agent's" in said
        send_spans(server, "llm", **{"openinference.span.kind": "LLM"})
        known = ask(server, server.grpc)
        assert complaints(known) == []
        assert "180 as genai, 100 as openinference, and 100 as no agent's work" in known.output


def test_what_was_turned_away_is_told(server):
    for _ in range(2):
        wrong = urllib.request.Request(f"http://{server.http}/v1/traces", b"no protobuf")
        wrong.add_header("content-type", "application/x-protobuf")
        with pytest.raises(urllib.error.HTTPError, match="400"):
            urllib.request.urlopen(wrong)
    known = ask(server, server.grpc)
    assert complaints(known) == []
    assert "! 2 requests so far were rejected\n  they could not be read" in known.output


def test_a_service_that_cannot_write_its_state(tmp_path):
    for server in serving(*QUICK, "--state", str(tmp_path / "state")):
        shutil.rmtree(tmp_path / "state")
        assert eventually(lambda: status_of(f"http://{server.metrics}/readyz"), 503) == 503  # noqa: B023
        said = complaints(ask(server, server.grpc, wait=1))
        assert any("it is not ready" in one for one in said), said


def status_of(url: str) -> int:
    try:
        with urllib.request.urlopen(url) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.parametrize(("offset", "said"), [(3600, "ahead of"), (-3600, "behind")])
def test_a_clock_that_is_wrong(server, offset, said):
    with http_server(lambda *_: 200, get_from=server.metrics, clock=offset) as metrics:
        (complaint,) = complaints(ask(server, server.grpc, "--metrics", metrics))
    assert re.search(rf"its clock is (3599|3600|3601) s {said} the one here", complaint)


def test_metrics_that_are_nowhere_or_of_another_service(server):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nowhere = f"127.0.0.1:{unused.getsockname()[1]}"
        (said,) = complaints(ask(server, server.grpc, "--metrics", nowhere))
    assert "start `otelscore serve`" in said
    (said,) = complaints(ask(server, server.grpc, "--metrics", server.http))
    assert "answers 404" in said


def test_wrong_usage():
    assert CliRunner().invoke(doctor, ["ftp://a:1"]).exit_code == 2
    assert CliRunner().invoke(doctor, ["--wait", "0"]).exit_code == 2
