"""Another OTLP endpoint: where it is, how to talk to it, and whether it is ourselves."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import grpc
import psutil

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

GRPC, HTTP = "grpc", "http/protobuf"
"""Protocols."""

TIMEOUT = 10.0
"""Seconds that a backend may take to answer one request: what OpenTelemetry's exporters wait by default."""

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Backend:
    """Raises ValueError, whose message says what to do, where the parts do not fit or a file cannot be used."""

    url: str  # http:// or https://
    protocol: str = ""  # "": by the port
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)  # may hold an API key
    ca_file: str = ""  # "": the authorities that this machine trusts
    cert_file: str = ""
    key_file: str = ""

    def __post_init__(self) -> None:
        if bool(self.cert_file) != bool(self.key_file):
            raise ValueError("tls.cert_file and tls.key_file belong together; give both")
        if not self.is_encrypted and (self.ca_file or self.cert_file):
            raise ValueError(f"tls.* is of no use with {self.url}, which is not encrypted; write https://")
        if self.is_encrypted and (self.ca_file or self.cert_file):
            try:
                context = ssl.create_default_context(cafile=self.ca_file or None)
                if self.cert_file:
                    context.load_cert_chain(self.cert_file, self.key_file, password=lambda: "")
            except OSError as error:  # also ssl.SSLError
                names = " or ".join(filter(None, (self.ca_file, self.cert_file, self.key_file)))
                raise ValueError(f"{names} cannot be used: {error.strerror or error}") from None

    @property
    def is_encrypted(self) -> bool:
        return self.url.startswith("https:")

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        parts = urlsplit(self.url)
        return parts.port or _PORTS[parts.scheme]

    @property
    def is_grpc(self) -> bool:
        """As `protocol` says; without one, gRPC on ports that end in 4317, OTLP/HTTP elsewhere."""
        by_port = str(self.port).endswith("4317") and not urlsplit(self.url).path
        return self.protocol == GRPC or (not self.protocol and by_port)

    @property
    def target(self) -> str:
        """For gRPC."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def url_of(self, signal: str) -> str:
        """For OTLP/HTTP."""
        return f"{self.url.removesuffix('/v1/traces').rstrip('/')}/v1/{signal}"

    def credentials(self) -> grpc.ChannelCredentials:
        """For gRPC over TLS."""
        files = (self.ca_file, self.key_file, self.cert_file)
        return grpc.ssl_channel_credentials(*(Path(file).read_bytes() if file else None for file in files))

    def is_one_of(self, listeners: Iterable[tuple[str, int]]) -> bool:
        """Whether this process listens there, under whatever name; a name that nobody knows is nobody's."""
        ports = [host for host, port in listeners if port == self.port]
        return bool(ports) and any(
            _reaches(address, listener)
            for address in _addresses(self.host)
            for host in ports
            for listener in _addresses(host)
        )


def _addresses(host: str) -> set[IPv4Address | IPv6Address]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return set()
    return {_address(str(info[4][0])) for info in found}


def _address(text: str) -> IPv4Address | IPv6Address:
    address = ipaddress.ip_address(text.partition("%")[0])  # without the interface of a link-local one
    return getattr(address, "ipv4_mapped", None) or address


def _reaches(address: IPv4Address | IPv6Address, listener: IPv4Address | IPv6Address) -> bool:
    if address.is_unspecified:  # connecting there connects to this machine
        address = ipaddress.ip_address("127.0.0.1" if address.version == 4 else "::1")
    if not listener.is_unspecified:
        return address == listener
    families = (socket.AF_INET, socket.AF_INET6)
    interfaces = (one for of_one in psutil.net_if_addrs().values() for one in of_one if one.family in families)
    return address.is_loopback or any(address == _address(one.address) for one in interfaces)
