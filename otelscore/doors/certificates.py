"""What a listener shows who connects: its certificate, as Python's TLS and as gRPC's want it.

Both ask at every handshake, so a certificate that was renewed is shown from the next connection on, and a client
authority that was taken away lets nobody in any more; connections that are open stay open.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc

from otelscore.doors.watched import DoorError, Watched


@dataclass(frozen=True, slots=True)
class _Read:
    """The files at one moment."""

    context: ssl.SSLContext
    configuration: grpc.ServerCertificateConfiguration


class Certificates:
    """A listener's PEM files; with `client_ca_file` who connects must have a certificate that it signed (mutual TLS).

    Raises DoorError where they cannot be used.
    """

    def __init__(self, cert_file: str, key_file: str, client_ca_file: str = "") -> None:
        self._cert_file = cert_file
        self._key_file = key_file
        self._client_ca_file = client_ca_file
        self._files = Watched([file for file in (cert_file, key_file, client_ca_file) if file], self._read)

    def context(self) -> ssl.SSLContext:
        """For servers that take an SSLContext: each handshake goes on with the files as they are then."""
        context = self._context()

        def choose(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
            connection.context = self._files.get().context

        context.sni_callback = choose  # called in every handshake, also where the client names no server
        return context

    def credentials(self) -> grpc.ServerCredentials:
        """The same for gRPC, which takes nothing below TLS 1.2 either."""

        def fetch() -> grpc.ServerCertificateConfiguration:
            return self._files.get().configuration

        return grpc.dynamic_ssl_server_credentials(fetch(), fetch, bool(self._client_ca_file))

    def _read(self) -> _Read:
        context = self._context()
        cert, key = _bytes(self._cert_file), _bytes(self._key_file)
        client_ca = _bytes(self._client_ca_file) if self._client_ca_file else None
        return _Read(context, grpc.ssl_server_certificate_configuration([(key, cert)], client_ca))

    def _context(self) -> ssl.SSLContext:
        for file in filter(None, (self._cert_file, self._key_file, self._client_ca_file)):
            _bytes(file)  # `ssl` does not say which of them it cannot read
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        # A session that is resumed would bring a client back in whose authority was taken away.
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
        try:
            context.load_cert_chain(self._cert_file, self._key_file, password=lambda: "")  # never asks the terminal
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                raise DoorError(
                    f"the key in {self._key_file} is not that of the certificate in {self._cert_file}"
                ) from None
            raise DoorError(
                f"{self._cert_file} must hold a certificate and {self._key_file} its key, in PEM and without a password"
            ) from None
        if self._client_ca_file:
            try:
                context.load_verify_locations(self._client_ca_file)
            except ssl.SSLError:
                raise DoorError(f"there is no certificate in PEM in {self._client_ca_file}") from None
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def _bytes(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise DoorError(f"{file}: {error.strerror}") from None
