"""Bearer tokens and API keys: whose they are.

A file of them has one line for each, `tenant: TOKEN` or `tenant: sha256:HASH` with the SHA-256 of the token in hex, so
that the file betrays none; empty lines and those that begin with `#` say nothing. A tenant may have several, so that
one can be replaced while both are taken.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from pathlib import Path

from otelscore.doors.watched import DoorError, Watched
from otelscore.model import UnauthenticatedError

SHORTEST = 16
"""Characters of a token. Nobody counts the guesses, so it must not be guessable."""

_LINE = re.compile(r"([\w.@-]{1,128})\s*:\s*([!-~]+)", re.ASCII)
_HASH = re.compile(r"sha256:([0-9a-fA-F]{64})")

_HOW = "send `authorization: Bearer TOKEN` or `x-api-key: TOKEN`"


class Tokens:
    """The tokens of one file, read anew when it changes. Raises DoorError where it cannot be used."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._hashes = Watched([file], self._read)

    def tenant(self, headers: Iterable[tuple[str, str]]) -> str:
        """Who sends, by the headers of the request, whose names are in lower case.

        Raises UnauthenticatedError: it brings no token, or one that nobody has.
        """
        brought = False
        for name, value in headers:
            scheme, _, token = value.strip().partition(" ") if name == "authorization" else ("bearer", "", value)
            if name not in ("authorization", "x-api-key") or scheme.lower() != "bearer":
                continue
            brought = True
            if tenant := self._owner(token.strip()):
                return tenant
        raise UnauthenticatedError("the token is not one that is known here" if brought else f"who sends? {_HOW}")

    def _owner(self, token: str) -> str:
        """Whose it is, else "". It is compared with all, in time that does not depend on what they are."""
        digest = hashlib.sha256(token.encode("utf-8", "replace")).digest()
        owner = ""
        for known, tenant in self._hashes.get().items():
            if hmac.compare_digest(known, digest):
                owner = tenant
        return owner

    def _read(self) -> dict[bytes, str]:
        try:
            text = Path(self._file).read_text("utf-8")
        except OSError as error:
            raise DoorError(f"{self._file}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise DoorError(f"{self._file}: not a text in UTF-8") from None
        try:
            return parse(text)
        except ValueError as error:
            raise DoorError(f"{self._file}:{error}") from None


def parse(text: str) -> dict[bytes, str]:
    """SHA-256 of each token -> its tenant. Raises ValueError, whose message says the line, but nothing of it."""
    found: dict[bytes, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise ValueError(f"{number}: expected `tenant: TOKEN` or `tenant: sha256:HASH`, without quotes or spaces")
        tenant, token = match.groups()
        if token.startswith("sha256:"):
            written = _HASH.fullmatch(token)
            if written is None:
                raise ValueError(f"{number}: a SHA-256 has 64 digits in hex")
            digest = bytes.fromhex(written[1])
        elif len(token) < SHORTEST:
            raise ValueError(
                f"{number}: a token has at least {SHORTEST} characters, such as `openssl rand -hex 32` makes"
            )
        else:
            digest = hashlib.sha256(token.encode()).digest()
        if found.setdefault(digest, tenant) != tenant:
            raise ValueError(f"{number}: another tenant has that token too")
    if not found:
        raise ValueError(" there is no token in it")
    return found
