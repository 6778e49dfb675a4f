from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otelscore.ingest import compression
from otelscore.ingest.compression import TooLargeError, decompress
from otelscore.model import SenderError


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACKERS = [
    ("", bytes),
    ("identity", bytes),
    ("gzip", gzip.compress),
    ("deflate", zlib.compress),
    ("deflate", raw_deflate),
]
Pack = Callable[[bytes], bytes]


@pytest.mark.parametrize(("encoding", "pack"), PACKERS)
@given(data=st.binary(max_size=100) | st.integers(0, 200_000).map(bytes))
def test_what_was_packed_comes_back_at_exactly_the_limit_and_not_below(encoding: str, pack: Pack, data: bytes) -> None:
    assert decompress(pack(data), encoding, limit=len(data)) == data
    if data:
        with pytest.raises(TooLargeError, match=f"larger than {len(data) - 1} bytes"):
            decompress(pack(data), encoding, limit=len(data) - 1)


@given(st.lists(st.binary(max_size=40_000), min_size=1, max_size=5))
def test_gzip_may_have_many_members(parts: list[bytes]) -> None:
    body = b"".join(gzip.compress(part, compresslevel=0) for part in parts)
    assert decompress(body, "gzip", 10**6) == b"".join(parts)


def test_the_limit_is_for_all_members_together() -> None:
    with pytest.raises(TooLargeError):
        decompress(gzip.compress(bytes(60)) * 2, "gzip", 100)


def test_members_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "_MAX_MEMBERS", 5)
    assert decompress(gzip.compress(b"x") * 5, "gzip", 100) == b"xxxxx"
    with pytest.raises(SenderError, match="more than 5 members"):
        decompress(gzip.compress(b"x") * 6, "gzip", 100)


@pytest.mark.parametrize(("encoding", "pack"), PACKERS[2:])
def test_a_bomb_costs_no_more_than_the_limit(encoding: str, pack: Pack) -> None:
    bomb = pack(bytes(200 * 2**20))
    tracemalloc.start()
    try:
        with pytest.raises(TooLargeError):
            decompress(bomb, encoding, limit=2**20)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * 2**20


@pytest.mark.parametrize(("encoding", "pack"), PACKERS[2:])
def test_a_body_cut_off_anywhere_is_the_senders_error(encoding: str, pack: Pack) -> None:
    body = pack(b"some text, and some text again")
    for length in range(len(body)):
        with pytest.raises(SenderError):
            decompress(body[:length], encoding, 1000)


@pytest.mark.parametrize(
    ("body", "encoding", "message"),
    [
        (b"no gzip at all", "gzip", "corrupt"),
        (gzip.compress(b"x", mtime=0)[:-1] + b"!", "gzip", "corrupt"),
        (gzip.compress(b"x", mtime=0) + b"trailing", "gzip", "corrupt"),
        (b"\xff\xff\xff", "deflate", "corrupt"),
        (zlib.compress(b"x") + b"trailing", "deflate", "data after the end"),
        (b"", "gzip", "cut off"),
        (b"x", "br", "the content encoding is none of gzip, deflate, identity"),
        (b"x", "gzip, gzip", "the content encoding is none of"),
    ],
)
def test_what_cannot_be_unpacked_is_the_senders_error(body: bytes, encoding: str, message: str) -> None:
    with pytest.raises(SenderError, match=message):
        decompress(body, encoding, 1000)


def test_the_name_of_an_encoding_is_read_as_http_wants_it() -> None:
    assert decompress(gzip.compress(b"x"), " GZIP ", 10) == b"x"
