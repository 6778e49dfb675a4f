"""OTLP requests in files: protobuf requests, JSON documents and JSON lines, each also gzipped; read as a stream.

The only file of this room that opens files. Nothing is raised for what cannot be read: it is told of in its place, and
the rest is read.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import sys
import zlib
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from otelscore.ingest import otlp_json
from otelscore.ingest.decode import Decoder
from otelscore.ingest.records import NotOtlpError
from otelscore.model import Batch, SenderError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    BinaryReader = io.BufferedReader[Any] | gzip.GzipFile

STDIN = "-"

MAX_DOCUMENT = 256 * 2**20
"""Bytes of the largest protobuf request or JSON document, unpacked: each must be held whole."""

_JSON_LINES = (".jsonl", ".ndjson")
_JSON = (".json", *_JSON_LINES)
_PROTOBUF = (".binpb", ".pb")
_GZIP_MAGIC = b"\x1f\x8b"
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[{}\[\]]')  # a string, closed or not, or a bracket
_OTLP_LINE = b'{"resource'  # never begins a line inside another document, so here one begins anew

_TOO_LARGE = f"larger than {MAX_DOCUMENT >> 20} MiB"
_CUT_OFF = "the document is cut off"


@dataclass(frozen=True, slots=True)
class Source:
    """A file to read, or STDIN."""

    path: str
    size: int = 0  # bytes as stored; 0 where nobody knows
    named: bool = True  # given by name, not found in a folder: then it must be OTLP


@dataclass(frozen=True, slots=True)
class Decoded:
    """One request of a file."""

    path: str
    batch: Batch
    position: int  # bytes of the file, as stored, that were read so far


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file, or a part of it, that could not be read."""

    path: str
    where: str  # "line 12", "offset 345" (in the file as stored) or "" for the whole file
    reason: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """A JSON file in a folder that is not OTLP, such as notes beside the traces."""

    path: str
    reason: str


Item = Decoded | Unreadable | Skipped


def find_sources(paths: Iterable[str]) -> list[Source | Unreadable]:
    """The files to read: paths as they are given, folders replaced by the OTLP files below them, by name."""
    found: list[Source | Unreadable] = []
    for path in paths:
        if os.path.isdir(path):
            found += _walk(path)
        else:
            found.append(Source(path, os.path.getsize(path) if os.path.isfile(path) else 0))
    return found


def read_requests(sources: Iterable[Source | Unreadable], decoder: Decoder) -> Iterator[Item]:
    """Reads one source after the other. What find_sources could not read is handed through."""
    for source in sources:
        if isinstance(source, Unreadable):
            yield source
        else:
            yield from _read(source, decoder)


def _walk(folder: str) -> list[Source | Unreadable]:
    found: list[Source | Unreadable] = []

    def refuse(error: OSError) -> None:
        found.append(Unreadable(error.filename, "", error.strerror or str(error)))

    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders.sort()
        paths = [os.path.join(parent, name) for name in sorted(names) if _ending(name) in (*_JSON, *_PROTOBUF)]
        found += [Source(path, os.path.getsize(path), named=False) for path in paths if os.path.isfile(path)]
    return found


def _ending(path: str) -> str:
    return os.path.splitext(path.lower().removesuffix(".gz"))[1]


def _read(source: Source, decoder: Decoder) -> Iterator[Item]:
    try:
        with nullcontext(sys.stdin.buffer) if source.path == STDIN else open(source.path, "rb") as file:
            stored = _Counted(file)
            try:
                yield from _read_stored(source, decoder, stored)
            except EOFError:
                yield Unreadable(source.path, f"offset {stored.position}", "the gzip data is cut off")
            except (gzip.BadGzipFile, zlib.error) as error:
                yield Unreadable(source.path, f"offset {stored.position}", f"the gzip data is corrupt: {error}")
    except OSError as error:
        yield Unreadable(source.path, "", error.strerror or str(error))


def _read_stored(source: Source, decoder: Decoder, stored: _Counted) -> Iterator[Item]:
    plain: BinaryReader = io.BufferedReader(stored)
    if plain.peek(2)[:2] == _GZIP_MAGIC:
        plain = gzip.GzipFile(fileobj=plain)
    ending = _ending(source.path)
    if ending in _JSON or (ending not in _PROTOBUF and plain.peek(1)[:1] == b"{"):
        yield from _read_json(source, decoder, stored, plain)
    else:
        yield _read_protobuf(source, decoder, stored, plain)


def _read_protobuf(source: Source, decoder: Decoder, stored: _Counted, plain: BinaryReader) -> Item:
    body = plain.read(MAX_DOCUMENT + 1)
    try:
        if len(body) > MAX_DOCUMENT:
            raise SenderError(_TOO_LARGE)
        return Decoded(source.path, decoder.any_protobuf(body), stored.position)
    except SenderError as error:
        return Unreadable(source.path, "", str(error))


def _read_json(source: Source, decoder: Decoder, stored: _Counted, plain: BinaryReader) -> Iterator[Item]:
    is_otlp = source.named
    for line, document in _documents(plain, one_a_line=_ending(source.path) in _JSON_LINES):
        try:
            if isinstance(document, SenderError):
                raise document
            batch = decoder.any_json(document)
        except NotOtlpError as error:
            if not is_otlp:
                yield Skipped(source.path, str(error))
                return
            yield Unreadable(source.path, f"line {line}", str(error))
        except SenderError as error:
            yield Unreadable(source.path, f"line {line}", str(error))
        else:
            is_otlp = True
            yield Decoded(source.path, batch, stored.position)


def _documents(plain: BinaryReader, *, one_a_line: bool) -> Iterator[tuple[int, otlp_json.Object | SenderError]]:
    """Yields (line on which it begins, document or what is wrong with it) of every JSON document.

    The Collector writes one a line; elsewhere a document may go over many lines, or several stand on one.
    """
    pending = _OpenDocument()
    for number, line in _lines(plain):
        if len(line) > MAX_DOCUMENT:
            pending.clear()
            yield number, SenderError(_TOO_LARGE)
            continue
        if not pending.text or line.startswith(_OTLP_LINE):
            document = _parse(line)
            if one_a_line or not isinstance(document, SenderError) or isinstance(document, NotOtlpError):
                if pending.text:
                    yield pending.line, SenderError(_CUT_OFF)
                    pending.clear()
                yield number, document
                continue
        for first, text in pending.feed(number, line):
            yield first, _parse(text)
    if pending.text:
        yield pending.line, SenderError(_CUT_OFF)


def _parse(text: bytes) -> otlp_json.Object | SenderError:
    if len(text) > MAX_DOCUMENT:
        return SenderError(_TOO_LARGE)
    try:
        return otlp_json.parse(text)
    except SenderError as error:
        return error


def _lines(plain: BinaryReader) -> Iterator[tuple[int, bytes]]:
    """Yields (number, line) of every line that is not blank; of one over MAX_DOCUMENT the beginning."""
    number = 0
    while line := plain.readline(MAX_DOCUMENT + 1):
        number += 1
        if not line.isspace():
            yield number, line
        while len(line) > MAX_DOCUMENT and not line.endswith(b"\n"):
            line = plain.readline(MAX_DOCUMENT + 1)


class _OpenDocument:
    """A JSON document that is not closed yet: its `text` so far, begun on `line`; over MAX_DOCUMENT no more is kept."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.line = 0
        self.text = bytearray()
        self._depth = 0

    def feed(self, number: int, line: bytes) -> Iterator[tuple[int, bytes]]:
        """Takes the next line and yields (line, text) of every document that it closes.

        JSON has no line break inside a string, so brackets can be counted a line at a time.
        """
        begin = 0
        for token in _TOKEN.finditer(line):
            if token[0] in (b"{", b"["):
                self._depth += 1
            elif token[0] in (b"}", b"]"):
                self._depth -= 1
                if self._depth <= 0:
                    yield self.line or number, bytes(self.text + line[begin : token.end()])
                    self.clear()
                    begin = token.end()
        rest = line[begin:]
        if self._depth > 0:
            self.line = self.line or number
            if len(self.text) <= MAX_DOCUMENT:
                self.text += rest
        elif not rest.isspace() and rest:
            yield number, rest


class _Counted(io.RawIOBase):
    """A file of which one knows how much was read, also where it cannot tell (a pipe)."""

    def __init__(self, file: BinaryIO) -> None:
        self.position = 0
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        chunk = self._file.read1(len(memoryview(buffer)))  # type: ignore[attr-defined]
        memoryview(buffer)[: len(chunk)] = chunk
        self.position += len(chunk)
        return len(chunk)
