"""What an endpoint means, and that it is never ourselves."""

from __future__ import annotations

import socket
from pathlib import Path

import psutil
import pytest

from otelscore.export.backend import Backend

LISTENERS = [("127.0.0.1", 4317), ("0.0.0.0", 4318), ("::", 9464)]


@pytest.mark.parametrize(("url", "protocol", "is_grpc"), [
    ("http://a:4317", "", True), ("https://a:14317", "", True), ("http://a:4318", "", False), ("https://a", "", False),
    ("http://a:4317/otlp", "", False), ("https://a", "grpc", True), ("http://a:4317", "http/protobuf", False),
])  # fmt: skip
def test_the_protocol_is_as_it_is_said_or_by_the_port(url: str, protocol: str, is_grpc: bool) -> None:
    assert Backend(url, protocol).is_grpc is is_grpc


def test_where_requests_go() -> None:
    assert Backend("https://a").target == "a:443"
    assert Backend("http://[::1]:4317").target == "[::1]:4317"
    assert Backend("https://a/otlp/").url_of("logs") == "https://a/otlp/v1/logs"
    assert Backend("https://a/v1/traces").url_of("logs") == "https://a/v1/logs"


def test_parts_that_do_not_fit_are_told_of(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="belong together"):
        Backend("https://a", cert_file="x")
    with pytest.raises(ValueError, match="not encrypted"):
        Backend("http://a", ca_file="x")
    with pytest.raises(ValueError, match=r"ca\.pem cannot be used: No such file"):
        Backend("https://a", ca_file=str(tmp_path / "ca.pem"))


OUTSIDE = [
    one.address for of_one in psutil.net_if_addrs().values() for one in of_one
    if one.family is socket.AF_INET and not one.address.startswith("127.")
]  # fmt: skip


@pytest.mark.parametrize("url", [
    "http://127.0.0.1:4317", "http://localhost:4317", "http://0.0.0.0:4317", "http://[::ffff:127.0.0.1]:4317",
    "http://127.0.0.1:4318/v1/traces", "http://127.5.5.5:4318", "http://[::1]:9464", "http://localhost:9464",
    *(f"http://{address}:4318" for address in OUTSIDE),
])  # fmt: skip
def test_it_knows_itself_under_every_name(url: str) -> None:
    assert Backend(url).is_one_of(LISTENERS)


@pytest.mark.parametrize("url", [
    "http://127.0.0.1:14317", "http://127.0.0.2:4317", "http://192.0.2.1:4318", "http://name.invalid:4317",
    *(f"http://{address}:4317" for address in OUTSIDE),
])  # fmt: skip
def test_others_are_not_taken_for_it(url: str) -> None:
    assert not Backend(url).is_one_of(LISTENERS)
