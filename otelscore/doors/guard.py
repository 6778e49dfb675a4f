"""Each listener's door as the settings want it, and the refusal to leave one open to other machines."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from dataclasses import dataclass

import grpc
import structlog

from otelscore.config import Address, Config
from otelscore.doors.certificates import Certificates
from otelscore.doors.tokens import Tokens
from otelscore.doors.watched import DoorError
from otelscore.model import Authenticate

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Door:
    """Of one listener."""

    certificates: Certificates | None
    tokens: Tokens | None

    def credentials(self) -> grpc.ServerCredentials | None:
        return self.certificates.credentials() if self.certificates else None

    def context(self) -> ssl.SSLContext | None:
        return self.certificates.context() if self.certificates else None

    @property
    def authenticate(self) -> Authenticate:
        return self.tokens.tenant if self.tokens else lambda _: ""


@dataclass(frozen=True, slots=True)
class Doors:
    grpc: Door
    http: Door  # has the same tokens as `grpc`
    metrics: Door


def make_doors(config: Config) -> Doors:
    """Raises DoorError where a file cannot be used, or a door would be open to other machines."""
    senders = _tokens("auth", config.auth_tokens_file)
    scrapers = _tokens("metrics.auth", config.metrics_auth_tokens_file)
    return Doors(
        _door(config, "grpc", "auth", senders),
        _door(config, "http", "auth", senders),
        _door(config, "metrics", "metrics.auth", scrapers),
    )


def is_local(host: str) -> bool:
    """Whether only this machine reaches that address of it. A name that nobody knows cannot be listened on anyway."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return True
    addresses = (ipaddress.ip_address(str(info[4][0]).partition("%")[0]) for info in found)
    return all((getattr(address, "ipv4_mapped", None) or address).is_loopback for address in addresses)


def _door(config: Config, section: str, auth: str, tokens: Tokens | None) -> Door:
    door = Door(_certificates(config, section), tokens)
    address: Address = getattr(config, f"{section}_endpoint")
    if is_local(address.host):
        return door
    if not door.certificates and not tokens and not config.insecure:
        raise DoorError(
            f"{section}.endpoint is {address}, which other machines reach, and nothing says who may: give it TLS "
            f"({section}.tls.cert_file and {section}.tls.key_file), or tokens ({auth}.tokens_file), or say --insecure "
            "where the network is private"
        )
    if tokens and not door.certificates:
        log.warning("tokens come in unencrypted; give it TLS, or only reach it through what has", endpoint=str(address))
    return door


def _certificates(config: Config, section: str) -> Certificates | None:
    cert, key, client_ca = (getattr(config, f"{section}_tls_{name}_file") for name in ("cert", "key", "client_ca"))
    if not cert and not key and not client_ca:
        return None
    if not cert or not key:
        raise DoorError(f"{section}.tls: cert_file and key_file belong together; give both")
    try:
        return Certificates(cert, key, client_ca)
    except DoorError as error:
        raise DoorError(f"{section}.tls: {error}") from None


def _tokens(section: str, file: str) -> Tokens | None:
    try:
        return Tokens(file) if file else None
    except DoorError as error:
        raise DoorError(f"{section}.tokens_file: {error}") from None
