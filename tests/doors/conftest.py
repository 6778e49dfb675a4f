"""Certificates on disk, of an authority made for the test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, in files that can be replaced."""

    cert: Path
    key: Path

    def write(self, issued: trustme.LeafCert) -> None:
        for path, text in (
            (self.key, issued.private_key_pem.bytes()),
            (self.cert, b"".join(blob.bytes() for blob in issued.cert_chain_pems)),
        ):
            new = path.with_suffix(".new")
            new.write_bytes(text)
            new.replace(path)


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return tmp_path / "ca.pem"


@pytest.fixture
def pair(authority: trustme.CA, tmp_path: Path) -> Pair:
    """The server's."""
    pair = Pair(tmp_path / "cert.pem", tmp_path / "key.pem")
    pair.write(authority.issue_cert("localhost", "127.0.0.1"))
    return pair


@pytest.fixture
def client(authority: trustme.CA, tmp_path: Path) -> Pair:
    """A sender's."""
    pair = Pair(tmp_path / "client-cert.pem", tmp_path / "client-key.pem")
    pair.write(authority.issue_cert("agent@shop.example"))
    return pair
