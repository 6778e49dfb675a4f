"""Content encodings, undone within a limit: a body that would unpack to gigabytes costs no more than the limit."""

from __future__ import annotations

import zlib

from otelscore.model import SenderError

_CHUNK = 16 * 1024  # zlib copies what follows a gzip member, so many small members in one piece would cost n^2
_MAX_MEMBERS = 10_000

_GZIP, _ZLIB, _RAW_DEFLATE = 31, 15, -15  # zlib's wbits

ENCODINGS = ("gzip", "deflate", "identity")


class TooLargeError(SenderError):
    """The request is over the limit of this name (HTTP 413, gRPC RESOURCE_EXHAUSTED without RetryInfo)."""

    limit = "request_size"

    def __init__(self, limit: int) -> None:
        super().__init__(f"the request is larger than {limit} bytes after decompression")


def decompress(body: bytes, encoding: str, limit: int) -> bytes:
    """Undoes a Content-Encoding ("" is identity), giving at most `limit` bytes.

    deflate is read with and without the zlib wrapper: RFC 9110 wants it, some senders leave it out. Raises
    TooLargeError over the limit, SenderError for what is corrupt, cut off or of another encoding.
    """
    match encoding.strip().lower():
        case "" | "identity":
            if len(body) > limit:
                raise TooLargeError(limit)
            return body
        case "gzip":
            return _inflate(body, _GZIP, limit)
        case "deflate":
            return _inflate(body, _ZLIB if _has_zlib_header(body) else _RAW_DEFLATE, limit)
        case _:
            raise SenderError(f"the content encoding is none of {', '.join(ENCODINGS)}")


def _inflate(body: bytes, wbits: int, limit: int) -> bytes:
    unpacked = bytearray()
    stream = zlib.decompressobj(wbits)
    members = 1
    for start in range(0, len(body), _CHUNK):
        rest = body[start : start + _CHUNK]
        while rest:
            if stream.eof:
                if wbits != _GZIP:
                    raise SenderError("there is data after the end of the compressed body")
                members += 1
                if members > _MAX_MEMBERS:
                    raise SenderError(f"the gzip body has more than {_MAX_MEMBERS} members")
                stream = zlib.decompressobj(wbits)
            try:
                unpacked += stream.decompress(rest, limit - len(unpacked) + 1)
            except zlib.error as error:
                raise SenderError(f"the compressed body is corrupt: {error}") from None
            if len(unpacked) > limit:
                raise TooLargeError(limit)
            rest = stream.unused_data
    if not stream.eof:
        raise SenderError("the compressed body is cut off")
    return bytes(unpacked)


def _has_zlib_header(body: bytes) -> bool:
    """RFC 1950, 2.2: method 8 in the low half of the first byte, and both bytes together a multiple of 31."""
    return len(body) >= 2 and body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0
