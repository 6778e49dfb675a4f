"""Certificates at work: real servers, OpenTelemetry's exporters and connections made by hand."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from doors.conftest import Pair

from otelscore.dialects import Context, Registry
from otelscore.doors.certificates import Certificates
from otelscore.doors.watched import DoorError
from otelscore.ingest.decode import Decoder
from otelscore.ingest.gate import Gate
from otelscore.ingest.grpc import GrpcServer
from otelscore.ingest.receiver import Receiver
from otelscore.serving import HttpServer

Serve = Callable[[str, Certificates], int]


async def hello(scope: Any, receive: Any, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server of that protocol; gives its port."""
    stops: list[Callable[[], object]] = []

    def start(protocol: str, certificates: Certificates) -> int:
        if protocol == "http":
            server = HttpServer(hello, "127.0.0.1", 0, 10, 30, print, certificates.context())
            stops.append(lambda: server.stop(0))
            return server.start()
        running = grpc.server(ThreadPoolExecutor(1))
        port = running.add_secure_port("127.0.0.1:0", certificates.credentials())
        running.start()
        stops.append(lambda: running.stop(0))
        return port

    yield start
    for stop in stops:
        stop()


class Client:
    """Shakes hands with a server on this machine."""

    def __init__(self, protocol: str, authority: trustme.CA) -> None:
        self.context = ssl.create_default_context()
        self.context.check_hostname = False
        authority.configure_trust(self.context)
        self.context.set_alpn_protocols(["h2" if protocol == "grpc" else "http/1.1"])
        self.question = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
        if protocol == "http":
            self.question = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"

    def show(self, pair: Pair) -> Client:
        self.context.load_cert_chain(pair.cert, pair.key)
        return self

    def serial(self, port: int) -> str:
        """Of the certificate that the server shows, when it has answered. Raises OSError where it does not."""
        with (
            socket.create_connection(("127.0.0.1", port), 30) as plain,
            self.context.wrap_socket(plain) as secure,
        ):
            secure.sendall(self.question)
            if not secure.recv(1):
                raise ConnectionResetError("it hung up")
            shown = secure.getpeercert()
            assert shown
            return str(shown["serialNumber"])


PROTOCOLS = pytest.mark.parametrize("protocol", ["grpc", "http"])


@PROTOCOLS
def test_a_renewed_certificate_is_shown_from_the_next_connection_on(serve, protocol, authority, pair):
    port = serve(protocol, Certificates(str(pair.cert), str(pair.key)))
    client = Client(protocol, authority)
    first = client.serial(port)
    assert client.serial(port) == first
    pair.write(authority.issue_cert("localhost"))
    second = client.serial(port)
    assert second != first
    assert client.serial(port) == second


@PROTOCOLS
def test_a_certificate_whose_key_has_not_come_yet_changes_nothing(serve, protocol, authority, pair, tmp_path):
    port = serve(protocol, Certificates(str(pair.cert), str(pair.key)))
    client = Client(protocol, authority)
    first = client.serial(port)
    coming = Pair(tmp_path / "coming-cert.pem", tmp_path / "coming-key.pem")
    coming.write(authority.issue_cert("localhost"))
    coming.cert.replace(pair.cert)
    assert client.serial(port) == first
    coming.key.replace(pair.key)
    assert client.serial(port) != first


@PROTOCOLS
def test_with_a_client_authority_only_those_whom_it_signed_come_in(
    serve, protocol, authority, pair, client, ca_file, tmp_path
):
    port = serve(protocol, Certificates(str(pair.cert), str(pair.key), str(ca_file)))
    assert Client(protocol, authority).show(client).serial(port)
    with pytest.raises(OSError, match=r"hung up|reset|EOF|ALERT|Broken pipe"):
        Client(protocol, authority).serial(port)
    stranger = Pair(tmp_path / "stranger-cert.pem", tmp_path / "stranger-key.pem")
    stranger.write(trustme.CA().issue_cert("agent@shop.example"))
    with pytest.raises(OSError, match=r"hung up|reset|EOF|ALERT|Broken pipe"):
        Client(protocol, authority).show(stranger).serial(port)


@PROTOCOLS
def test_who_was_signed_by_an_authority_that_is_gone_stays_outside(serve, protocol, authority, pair, client, ca_file):
    port = serve(protocol, Certificates(str(pair.cert), str(pair.key), str(ca_file)))
    known = Client(protocol, authority).show(client)
    assert known.serial(port)
    successor = trustme.CA()
    successor.cert_pem.write_to_path(str(ca_file))
    with pytest.raises(OSError, match=r"hung up|reset|EOF|ALERT|Broken pipe"):
        known.serial(port)
    client.write(successor.issue_cert("agent@shop.example"))
    assert Client(protocol, authority).show(client).serial(port)


@PROTOCOLS
def test_nobody_gets_less_than_tls_1_2(serve, protocol, authority, pair):
    certificates = Certificates(str(pair.cert), str(pair.key))
    assert certificates.context().minimum_version is ssl.TLSVersion.TLSv1_2  # not only as this machine's OpenSSL has it
    port = serve(protocol, certificates)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        client = Client(protocol, authority)
        client.context.minimum_version = client.context.maximum_version = version
        assert client.serial(port)
    old = Client(protocol, authority)
    old.context.set_ciphers("ALL:@SECLEVEL=0")  # else this side would already refuse
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.context.minimum_version = old.context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(OSError, match=r"ALERT|EOF|reset"):
        old.serial(port)


def test_no_session_is_resumed(serve, authority, pair):
    """It would let those in whose authority was taken away."""
    port = serve("http", Certificates(str(pair.cert), str(pair.key)))
    client = Client("http", authority)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        client.context.minimum_version = client.context.maximum_version = version
        session = None
        for _ in range(2):
            with (
                socket.create_connection(("127.0.0.1", port), 30) as plain,
                client.context.wrap_socket(plain, session=session) as secure,
            ):
                secure.sendall(client.question)
                secure.recv(1)
                assert not secure.session_reused
                session = secure.session


@PROTOCOLS
def test_who_does_not_shake_hands_is_not_waited_for(protocol, pair):
    """No longer than for a request, by far not as long as asyncio (a minute) and gRPC (two) would."""
    certificates = Certificates(str(pair.cert), str(pair.key))
    server: HttpServer | GrpcServer
    if protocol == "http":
        server = HttpServer(hello, "127.0.0.1", 0, 10, 0.3, print, certificates.context())
    else:
        receiver = Receiver(Decoder(Registry(Context(bytes(16)))), print, print, print, 1000)
        gate = Gate(lambda: 0.0, 10, 1000, 1.0)
        server = GrpcServer(receiver, gate, "127.0.0.1", 0, 0.3, 10, certificates.credentials())
    port = server.start()
    with socket.create_connection(("127.0.0.1", port), 20) as silent:
        assert silent.recv(1) == b""
    server.stop(0)


@pytest.mark.parametrize(
    ("cert", "key", "said"),
    [
        ("none.pem", "key.pem", "none.pem: No such file"),
        ("cert.pem", "none.pem", "none.pem: No such file"),
        ("cert.pem", "client-key.pem", "is not that of the certificate in"),
        ("key.pem", "key.pem", "must hold a certificate"),
        ("cert.pem", "cert.pem", "its key, in PEM"),
        ("cert.pem", "locked.pem", "without a password"),
        ("cert.pem", "", "Is a directory"),
    ],
)
def test_files_that_cannot_be_used_are_named(cert, key, said, pair, client, tmp_path):
    unlocked = serialization.load_pem_private_key(pair.key.read_bytes(), None)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    locked = unlocked.private_bytes(*form, serialization.BestAvailableEncryption(b"password"))
    (tmp_path / "locked.pem").write_bytes(locked)
    with pytest.raises(DoorError, match=said):
        Certificates(str(tmp_path / cert), str(tmp_path / key))


def test_a_client_authority_that_cannot_be_used_is_named(pair, tmp_path):
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(DoorError, match=r"no certificate in PEM in .*ca\.pem"):
        Certificates(str(pair.cert), str(pair.key), str(tmp_path / "ca.pem"))
    with pytest.raises(DoorError, match="No such file"):
        Certificates(str(pair.cert), str(pair.key), str(Path("nowhere") / "ca.pem"))
