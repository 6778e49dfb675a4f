from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

import pytest

from otelscore.doors.tokens import SHORTEST, Tokens
from otelscore.doors.watched import DoorError
from otelscore.model import UnauthenticatedError

ACME, NEXT, BETA = "acme-token-0123456789", "acme-next-0123456789", "beta=token+/~.0123456789=="

FILE = f"""
# who may send
acme: {ACME}
acme: {NEXT}
beta.eu:sha256:{hashlib.sha256(BETA.encode()).hexdigest()}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    path.write_text(FILE)
    return path


@pytest.mark.parametrize(
    ("headers", "tenant"),
    [
        ([("authorization", f"Bearer {ACME}")], "acme"),
        ([("authorization", f"bearer  {NEXT} ")], "acme"),
        ([("x-api-key", ACME)], "acme"),
        ([("x-api-key", BETA)], "beta.eu"),
        ([("authorization", "Basic dXNlcjpwYXNz"), ("x-api-key", BETA)], "beta.eu"),
        ([("content-type", "application/json"), ("authorization", f"Bearer {BETA}")], "beta.eu"),
    ],
)
def test_a_token_tells_whose_it_is(file, headers, tenant):
    assert Tokens(str(file)).tenant(headers) == tenant


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ([], "authorization: Bearer"),
        ([("authorization", ACME)], "authorization: Bearer"),
        ([("authorization", f"Basic {ACME}")], "authorization: Bearer"),
        ([("cookie", ACME)], "authorization: Bearer"),
        ([("authorization", "Bearer")], "not one that is known"),
        ([("x-api-key", "")], "not one that is known"),
        ([("x-api-key", ACME[:-1])], "not one that is known"),
        ([("x-api-key", ACME + "x")], "not one that is known"),
        ([("x-api-key", ACME.upper())], "not one that is known"),
        ([("x-api-key", "\xe4\udcff")], "not one that is known"),
        ([("x-api-key", hashlib.sha256(BETA.encode()).hexdigest())], "not one that is known"),
        ([("x-api-key", f"sha256:{hashlib.sha256(BETA.encode()).hexdigest()}")], "not one that is known"),
    ],
)
def test_anything_else_is_nobodys(file, headers, said):
    with pytest.raises(UnauthenticatedError, match=said) as refused:
        Tokens(str(file)).tenant(headers)
    assert ACME[:8] not in str(refused.value)


def test_a_token_is_compared_with_all_in_constant_time(file, monkeypatch):
    compared: list[bytes] = []

    def compare(known: bytes, given: bytes) -> bool:
        compared.append(given)
        return real(known, given)

    real = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", compare)
    assert Tokens(str(file)).tenant([("x-api-key", ACME)]) == "acme"  # the first line, and yet the others are looked at
    assert compared == [hashlib.sha256(ACME.encode()).digest()] * 3


def test_a_token_comes_and_goes_with_its_line(file):
    tokens = Tokens(str(file))
    late = "gamma-token-0123456789"
    with pytest.raises(UnauthenticatedError):
        tokens.tenant([("x-api-key", late)])
    file.write_text(FILE.replace(f"acme: {ACME}\n", "") + f"gamma: {late}\n")
    assert tokens.tenant([("x-api-key", late)]) == "gamma"
    assert tokens.tenant([("x-api-key", NEXT)]) == "acme"
    with pytest.raises(UnauthenticatedError):
        tokens.tenant([("x-api-key", ACME)])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "no token in it"),
        (b"# acme: none yet\n", "no token in it"),
        (b"acme SECRET-0123456789\n", "1: expected"),
        (b"SECRET-0123456789\n", "1: expected"),
        (b"acme: SECRET 0123456789\n", "1: expected"),
        (b'acme: "SECRET-0123456789 "\n', "1: expected"),
        (b"\nacme: SECRET-short\n", f"2: a token has at least {SHORTEST}"),
        (b"acme: sha256:SECRET0123\n", "1: a SHA-256 has 64"),
        (b"acme: SECRET-0123456789\nbeta: SECRET-0123456789\n", "2: another tenant"),
        (b"acme: SECRET-\xff0123456789\n", "UTF-8"),
        (b"acme: SECRET-\xc3\xa40123456789\n", "1: expected"),
        (None, "No such file"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_the_line_but_without_what_it_says(tmp_path, text, said):
    path = tmp_path / "tokens"
    if text is not None:
        path.write_bytes(text)
    with pytest.raises(DoorError) as error:
        Tokens(str(path))
    assert str(error.value).startswith(str(path))
    assert said in str(error.value)
    assert "SECRET" not in str(error.value)
