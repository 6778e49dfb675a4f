"""What an OTLP endpoint means, and what really listens there: TLS or not, HTTP/2 (gRPC) or HTTP/1.1."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

PATIENCE = 5.0
"""Seconds that whoever listens may take for one answer."""

_PROBE = 2.0  # seconds likewise, for whoever took the connection already

TRACES_PATH = "/v1/traces"

# RFC 9113: what a client of HTTP/2 says first; the type of the frame that a server says first, and where it stands.
_HELLO_2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
_SETTINGS, _TYPE = 4, 3


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where spans go, as the OpenTelemetry exporters understand it."""

    host: str
    port: int
    tls: bool
    grpc: bool  # else HTTP
    path: str = ""  # of HTTP
    ca_file: str | None = None  # None: the system's

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}{self.path}"

    @property
    def way(self) -> str:
        return "OTLP/gRPC" if self.grpc else "OTLP/HTTP"


def endpoint_of(given: str | None, default: str, environment: Mapping[str, str]) -> Endpoint:
    """The endpoint that is given, else the one that the environment gives exporters, else the default.

    It is HTTP where it has a path or port 4318, or where the environment says so; gRPC else. Raises ValueError.
    """

    def told(name: str) -> str:
        return environment.get(f"OTEL_EXPORTER_OTLP_TRACES_{name}") or environment.get(f"OTEL_EXPORTER_OTLP_{name}", "")

    text = given or told("ENDPOINT") or default
    url = urlsplit(text if "://" in text else f"http://{text}")
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ValueError(f"{text}: expected an endpoint such as http://127.0.0.1:4317 or https://otel.example:4318")
    tls = url.scheme == "https"
    path = url.path.rstrip("/")
    port = url.port or (443 if tls else 80)  # as exporters do
    grpc = not path and port != 4318 and not told("PROTOCOL").startswith("http/")
    if not grpc and not path.endswith("/traces"):
        path += TRACES_PATH
    return Endpoint(url.hostname, port, tls, grpc, "" if grpc else path, told("CERTIFICATE") or None)


def why_unreachable(endpoint: Endpoint) -> str:
    """Why no connection can be made; empty where one can."""
    try:
        with _connect(endpoint, PATIENCE):
            return ""
    except socket.gaierror:
        return f"no machine is known by the name {endpoint.host}"
    except TimeoutError:
        return f"{endpoint.host} did not answer on port {endpoint.port} within {PATIENCE:g} s: a firewall?"
    except OSError as error:
        return f"nothing listens on port {endpoint.port} of {endpoint.host} ({error.strerror or error})"


def speaks_tls(endpoint: Endpoint) -> bool:
    """Whether whoever listens takes a TLS handshake, by any certificate."""
    try:
        with _connect(endpoint) as plain, _careless().wrap_socket(plain, server_hostname=endpoint.host):
            return True
    except OSError:
        return False


def why_untrusted(endpoint: Endpoint, ca_file: str | None) -> str:
    """What is wrong with the certificate of whoever listens; empty where nothing is. `ca_file` None: the system's."""
    try:
        context = ssl.create_default_context(cafile=ca_file)
        with _connect(endpoint) as plain, context.wrap_socket(plain, server_hostname=endpoint.host):
            return ""
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    except OSError as error:
        return str(error)


def wants_certificate(endpoint: Endpoint) -> bool:
    """Whether whoever listens ends a TLS connection that says nothing yet, as one that shows no certificate is ended.

    In TLS 1.3 a client is done with the handshake before the server has looked at its part. Some servers then say what
    is missing, others hang up.
    """
    context = _careless()
    context.set_alpn_protocols(["h2" if endpoint.grpc else "http/1.1"])
    try:
        with _connect(endpoint) as plain, context.wrap_socket(plain, server_hostname=endpoint.host) as secure:
            return not secure.recv(1)
    except ssl.SSLError as error:
        return error.reason in ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "SSLV3_ALERT_HANDSHAKE_FAILURE")
    except OSError:
        return False


def speaks_http(endpoint: Endpoint) -> bool:
    """Whether whoever listens answers HTTP/1.1."""
    question = f"GET / HTTP/1.1\r\nHost: {endpoint.host}\r\nConnection: close\r\n\r\n".encode()
    return _answer(endpoint, question, "http/1.1").startswith(b"HTTP/1.")


def speaks_grpc(endpoint: Endpoint) -> bool:
    """Whether whoever listens answers HTTP/2 without an upgrade, as gRPC servers do."""
    answer = _answer(endpoint, _HELLO_2, "h2")
    return len(answer) > _TYPE and answer[_TYPE] == _SETTINGS and not answer.startswith(b"HTTP")


def _connect(endpoint: Endpoint, patience: float = _PROBE) -> socket.socket:
    return socket.create_connection((endpoint.host, endpoint.port), patience)


def _careless() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nothing is said to whoever answers, but for the handshake
    return context


def _answer(endpoint: Endpoint, question: bytes, protocol: str) -> bytes:
    """The first bytes of the answer; empty where none comes."""
    try:
        with _connect(endpoint) as plain:
            if not endpoint.tls:
                plain.sendall(question)
                return plain.recv(64)
            context = _careless()
            context.set_alpn_protocols([protocol])
            with context.wrap_socket(plain, server_hostname=endpoint.host) as secure:
                secure.sendall(question)
                return secure.recv(64)
    except OSError:
        return b""
