"""A real `otelscore serve` with TLS and tokens, and the real OpenTelemetry exporters at its doors."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import grpc
import pytest
import trustme
from google.rpc.status_pb2 import Status
from live import FREE, QUICK, Agent, Server, eventually, start
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.parser import text_string_to_metric_families

ACME, BETA, SCRAPER, WRONG = (f"SECRET-{name}-0123456789" for name in ("acme", "beta", "scraper", "wrong"))
PROTOCOLS = pytest.mark.parametrize("protocol", ["grpc", "http"])


class Site:
    """A server with every door locked, and all that opens them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = trustme.CA()
        self.file("ca.pem", self.authority.cert_pem.bytes())
        self.certify("server", self.authority.issue_cert("localhost", "127.0.0.1"))
        self.certify("agent", self.authority.issue_cert("agent@shop.example"))
        self.tokens = self.file("tokens", f"acme: {ACME}\nbeta: {BETA}\n".encode())
        scrapers = self.file("scrapers", f"prometheus: {SCRAPER}\n".encode())
        self.env = {
            "OTELSCORE_AUTH_TOKENS_FILE": self.tokens,
            "OTELSCORE_METRICS_AUTH_TOKENS_FILE": scrapers,
            "OTELSCORE_LABELS": "tenant",
        }
        for door in ("GRPC", "HTTP", "METRICS"):
            self.env[f"OTELSCORE_{door}_TLS_CERT_FILE"] = self.path("server-cert.pem")
            self.env[f"OTELSCORE_{door}_TLS_KEY_FILE"] = self.path("server-key.pem")
        for door in ("GRPC", "HTTP"):
            self.env[f"OTELSCORE_{door}_TLS_CLIENT_CA_FILE"] = self.path("ca.pem")
        self.server: Server

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def file(self, name: str, content: bytes) -> str:
        new = self.folder / f"{name}.new"
        new.write_bytes(content)
        new.replace(self.folder / name)
        return self.path(name)

    def certify(self, name: str, issued: trustme.LeafCert) -> None:
        self.file(f"{name}-key.pem", issued.private_key_pem.bytes())
        self.file(f"{name}-cert.pem", b"".join(blob.bytes() for blob in issued.cert_chain_pems))

    def start(self, *args: str, **env: str) -> Server:
        self.server = start(*FREE, *QUICK, *args, env={**self.env, **env})
        return self.server

    def exporter(self, protocol: str, headers: Mapping[str, str], certificate: str = "agent") -> SpanExporter:
        files = [self.path("ca.pem"), *(self.path(f"{certificate}-{part}.pem") for part in ("key", "cert"))]
        if protocol == "grpc":
            credentials = grpc.ssl_channel_credentials(*(Path(file).read_bytes() for file in files))
            endpoint = self.server.grpc.replace("127.0.0.1", "localhost")
            return GrpcExporter(endpoint, credentials=credentials, headers=dict(headers), timeout=5)
        ca, key, cert = files
        return HttpExporter(
            f"https://{self.server.http}/v1/traces",
            certificate_file=ca,
            client_key_file=key,
            client_certificate_file=cert,
            headers=dict(headers),
            timeout=5,
        )

    def send(self, protocol: str, token: str | None, **attributes: str) -> SpanExportResult:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        exporter = self.exporter(protocol, headers)
        try:
            return exporter.export(spans(**attributes))
        finally:
            exporter.shutdown()

    def get(self, path: str, token: str = "") -> tuple[int, str, str | None]:
        """Status, body and `WWW-Authenticate`."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        request = urllib.request.Request(f"https://{self.server.metrics}{path}", headers=headers)
        context = ssl.create_default_context(cafile=self.path("ca.pem"))
        try:
            with urllib.request.urlopen(request, timeout=30, context=context) as answer:
                return answer.status, answer.read().decode(), None
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(), error.headers["WWW-Authenticate"]

    def value(self, name: str, **labels: str) -> float:
        families = text_string_to_metric_families(self.get("/metrics", SCRAPER)[1])
        samples = [sample for family in families for sample in family.samples if sample.name == f"otelscore_{name}"]
        return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


def spans(**attributes: str) -> tuple[ReadableSpan, ...]:
    """One run's."""
    kept = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "shop", **attributes}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    agent = Agent(provider.get_tracer("shop.agents"))
    agent.run(agent.chat(call="1"), agent.tool("1", result='{"flights": 1}'), agent.chat(text="Booked."))
    return kept.get_finished_spans()


@pytest.fixture(autouse=True)
def exporters_go_by_their_own_files(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    site.start()
    yield site
    site.server.process.kill()
    site.server.process.wait()


@PROTOCOLS
def test_a_run_comes_in_with_certificate_and_token_and_bears_its_tenant(site, protocol):
    assert site.send(protocol, ACME) is SpanExportResult.SUCCESS
    assert site.send(protocol, BETA, tenant="acme") is SpanExportResult.SUCCESS  # nobody can pass for another
    assert eventually(lambda: site.value("trajectories_total"), 2.0) == 2.0
    assert site.value("trajectories_total", tenant="acme", outcome="completed") == 1.0
    assert site.value("trajectories_total", tenant="beta", outcome="completed") == 1.0


def test_a_run_keeps_its_tenant_over_a_kill(site, tmp_path):
    site.server.process.kill()
    site.server.process.wait()
    slow = {"OTELSCORE_ROOT_GRACE": "1h", "OTELSCORE_STATE": str(tmp_path / "state")}
    site.server = start(*FREE, env={**site.env, **slow})
    assert site.send("grpc", BETA) is SpanExportResult.SUCCESS
    site.server.process.kill()
    site.server.process.wait()
    site.start(OTELSCORE_STATE=str(tmp_path / "state"))
    assert eventually(lambda: site.value("trajectories_total", tenant="beta"), 1.0) == 1.0


@PROTOCOLS
@pytest.mark.parametrize("token", [None, WRONG, SCRAPER])
def test_without_a_token_of_a_tenant_nothing_comes_in(site, protocol, token):
    assert site.send(protocol, token) is SpanExportResult.FAILURE
    assert site.value("requests_total", transport=protocol, result="unauthenticated") == 1.0
    assert site.value("spans_received_total") == 0.0
    assert site.value("decode_errors_total") == 0.0


@PROTOCOLS
def test_without_a_certificate_of_the_authority_nothing_comes_in(site, protocol):
    site.certify("stranger", trustme.CA().issue_cert("agent@shop.example"))
    exporter = site.exporter(protocol, {"authorization": f"Bearer {ACME}"}, "stranger")
    assert exporter.export(spans()) is SpanExportResult.FAILURE
    exporter.shutdown()
    assert site.value("requests_total") == 0.0


@PROTOCOLS
def test_an_api_key_is_a_token_too(site, protocol):
    exporter = site.exporter(protocol, {"x-api-key": ACME})
    assert exporter.export(spans()) is SpanExportResult.SUCCESS
    exporter.shutdown()


@PROTOCOLS
def test_tokens_and_certificates_change_while_it_serves(site, protocol):
    assert site.send(protocol, ACME) is SpanExportResult.SUCCESS
    renewed = WRONG
    site.file("tokens", f"acme: {renewed}\n".encode())
    assert site.send(protocol, ACME) is SpanExportResult.FAILURE
    assert site.send(protocol, renewed) is SpanExportResult.SUCCESS

    old = site.authority
    site.authority = trustme.CA()
    site.certify("server", site.authority.issue_cert("localhost", "127.0.0.1"))
    assert site.send(protocol, renewed) is SpanExportResult.FAILURE  # it does not trust the new certificate
    both = old.cert_pem.bytes() + site.authority.cert_pem.bytes()
    site.file("ca.pem", both)
    assert site.send(protocol, renewed) is SpanExportResult.SUCCESS
    assert eventually(lambda: site.value("trajectories_total", tenant="acme"), 3.0) == 3.0


def test_a_refusal_says_in_which_words_to_ask(site, tmp_path):
    context = ssl.create_default_context(cafile=site.path("ca.pem"))
    context.load_cert_chain(site.path("agent-cert.pem"), site.path("agent-key.pem"))
    for content_type in ("application/json", "application/x-protobuf"):
        # It answers before the body has come, which is never sent whole.
        headers = {"Content-Type": content_type, "Content-Length": "1000000"}
        request = urllib.request.Request(f"https://{site.server.http}/v1/traces", b"x", headers)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=5, context=context)
        assert (refused.value.code, refused.value.headers["WWW-Authenticate"]) == (401, "Bearer")
        body = refused.value.read()
        status = json.loads(body) if "json" in content_type else Status.FromString(body)
        assert (status["code"] if isinstance(status, dict) else status.code) == 16


def test_the_metrics_port_asks_for_its_own_token_but_for_the_health_checks(site):
    for path in ("/metrics", "/api/v1/trajectories", "/api/v1/verdicts", "/", "/nothing"):
        status, body, how = site.get(path)
        assert (status, how) == (401, "Bearer"), path
        assert "otelscore_" not in body
        assert site.get(path, ACME)[0] == 401
    assert {site.get(path)[0] for path in ("/healthz", "/readyz")} == {200}
    assert site.get("/metrics", SCRAPER)[0] == 200
    assert site.get("/api/v1/trajectories", SCRAPER)[0] == 200
    assert site.get("/api/v1/verdicts", SCRAPER)[0] == 405
    assert site.get("/nothing", SCRAPER)[0] == 404


def test_no_secret_is_logged_shown_or_on_a_command_line(site):
    site.send("http", WRONG)
    site.send("grpc", ACME)
    site.file("tokens", b"SECRET-without-a-tenant\n")
    assert site.send("grpc", ACME) is SpanExportResult.SUCCESS  # what it said before holds
    said = site.get("/metrics", SCRAPER)[1] + site.get("/metrics", WRONG)[1]
    said += Path(f"/proc/{site.server.process.pid}/cmdline").read_text()
    said += Path(f"/proc/{site.server.process.pid}/environ").read_text()
    assert site.server.stop() == 0
    log = "".join(site.server.lines)
    assert "SECRET" not in said + log
    assert "tokens:1: expected `tenant: TOKEN`" in log


@pytest.mark.parametrize("door", ["grpc", "http", "metrics"])
def test_it_does_not_start_with_a_door_open_to_other_machines(door):
    anywhere = [text for flag in FREE[::2] for text in (flag, f"{'0.0.0.0' if door in flag else '127.0.0.1'}:0")]
    with pytest.raises(AssertionError) as error:
        start(*anywhere)
    assert f"Error: {door}.endpoint is 0.0.0.0:0, which other machines reach" in str(error.value)
    assert "Traceback" not in str(error.value)
    server = start(*anywhere, "--insecure")
    assert server.stop() == 0


def test_a_file_that_cannot_be_used_is_told_before_anything_listens(site):
    with pytest.raises(AssertionError) as error:
        start(*FREE, env={**site.env, "OTELSCORE_HTTP_TLS_KEY_FILE": site.path("agent-key.pem")})
    assert "Error: http.tls: the key in " in str(error.value)
    assert "Traceback" not in str(error.value)


def test_the_demo_does_not_come_in_and_says_so(site):
    with pytest.raises(AssertionError, match="--demo sends without TLS and without a token"):
        start(*FREE, "--demo", env=site.env)


def run(*command: str, **env: str) -> str:
    """What a command of otelscore says."""
    process = [sys.executable, "-m", "otelscore", *command]
    done = subprocess.run(process, check=False, capture_output=True, text=True, env={**os.environ, **env})
    return done.stdout + done.stderr


@PROTOCOLS
def test_the_doctor_says_what_is_missing_at_a_door(site, protocol):
    endpoint = f"https://{site.server.grpc}" if protocol == "grpc" else f"https://{site.server.http}/v1/traces"
    command = ("doctor", endpoint, "--metrics", f"https://{site.server.metrics}")
    scraper = ("--token-file", site.file("scraper", f"{SCRAPER}\n".encode()))
    env = {"SSL_CERT_FILE": site.path("ca.pem"), "OTEL_EXPORTER_OTLP_CERTIFICATE": site.path("ca.pem")}
    assert "mutual TLS): OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=FILE" in run(*command, *scraper, **env)
    site.certify("stranger", trustme.CA().issue_cert("agent@shop.example"))
    for name in ("stranger", "agent"):
        env["OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"] = site.path(f"{name}-cert.pem")
        env["OTEL_EXPORTER_OTLP_CLIENT_KEY"] = site.path(f"{name}-key.pem")
        said = run(*command, *scraper, **env)
        assert ("did not take" in said) == (name == "stranger"), said
    assert "it wants to know who sends" in said
    env["OTEL_EXPORTER_OTLP_HEADERS"] = f"authorization=Bearer%20{ACME}"
    assert "all 20 test runs were rebuilt and counted" in run(*command, *scraper, **env)
    locked_out = run(*command, **env)
    assert "answers 401" in locked_out
    assert "--token-file" in locked_out


def test_explain_live_comes_in_with_a_token(site, tmp_path):
    site.server.process.kill()
    site.server.process.wait()
    site.start(OTELSCORE_STATE=str(tmp_path / "state"))
    assert site.send("http", ACME) is SpanExportResult.SUCCESS
    assert eventually(lambda: site.value("trajectories_total"), 1.0) == 1.0
    (found,) = json.loads(site.get("/api/v1/trajectories", SCRAPER)[1])["trajectories"]
    command = ("explain", "--live", found["trajectory_id"], "--server", f"https://{site.server.metrics}")
    ca = {"SSL_CERT_FILE": site.path("ca.pem")}
    assert "wants a token; give one with --token-file" in run(*command, **ca)
    token_file = site.file("scraper", f"{SCRAPER}\n".encode())
    assert "planner of shop" in run(*command, "--token-file", token_file, **ca)
    for wrong in (site.tokens, site.path("none")):
        said = run(*command, "--token-file", wrong, **ca)
        assert "--token-file" in said
        assert "SECRET" not in said
