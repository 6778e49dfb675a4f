"""Cassettes: what tools were asked and what they gave, with errors and latencies, as JSON lines that can be read.

The first line says that it is one; every other is a call. A line is written when its call is over, so a process that
is killed leaves a cassette that plays as far as it came. Cassettes hold content: that is what they are for.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from otelscore.faults.plan import PlanError, exception_type

HEADER = {"otelscore_cassette": 1}


class CassetteError(ValueError):
    """A file is no cassette, or a value cannot be written to one; the message says where and why."""


class MissError(LookupError):
    """The cassette has no such call (any more), and the real tool is not to be asked."""


class RecordedError(Exception):
    """An error of the recording whose own class is not at hand; the message begins with its name."""


@dataclass(frozen=True, slots=True)
class Call:
    """One recorded call. `error` is (type, message), None where it gave a result; `seconds` is how long it took."""

    tool: str
    arguments: Any
    result: Any = None
    error: tuple[str, str] | None = None
    seconds: float = 0.0

    @property
    def key(self) -> tuple[str, bytes]:
        """By what a call is found again: the tool and its arguments, in whatever order they are written."""
        return self.tool, canonical(self.arguments)

    def answer(self) -> Any:
        """Gives the result, or raises the error again, of its own class where that takes a message alone."""
        if self.error is None:
            return self.result
        name, message = self.error
        try:
            error = exception_type(name)(message)
        except (PlanError, TypeError, AttributeError):
            error = RecordedError(f"{name}: {message}")
        raise error


@dataclass(frozen=True, slots=True)
class Cassette:
    """The calls of a recording in the order in which they ended."""

    calls: tuple[Call, ...]

    @classmethod
    def load(cls, path: Path) -> Cassette:
        """Reads a file. Raises CassetteError; a last line without an end, of a process that was killed, is left out."""
        try:
            lines = path.read_bytes().split(b"\n")
        except OSError as error:
            raise CassetteError(f"{path}: {error.strerror}") from None
        found: list[Call] = []
        for number, line in enumerate(lines[:-1], start=1):
            try:
                said = orjson.loads(line)
                if number == 1:
                    if said != HEADER:
                        raise CassetteError(f"{path}: line 1: not {orjson.dumps(HEADER).decode()}: no cassette")
                    continue
                failed = tuple(said["error"]) if "error" in said else None
                found.append(Call(said["tool"], said["arguments"], said.get("result"), failed, said["seconds"]))
            except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as wrong:
                raise CassetteError(f"{path}: line {number}: no recorded call ({wrong})") from None
        if len(lines) < 2:
            raise CassetteError(f"{path}: empty: no cassette")
        return cls(tuple(found))

    def save(self, path: Path) -> None:
        """Writes it to a file. Raises CassetteError where a value is none of JSON."""
        path.write_bytes(b"".join(_line(value) for value in (HEADER, *map(_plain, self.calls))))

    def __iter__(self) -> Iterator[Call]:
        return iter(self.calls)


class Recorder:
    """Writes calls to a file as they end; safe to use from several threads. Begins a new file."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb", buffering=0)
        self._file.write(_line(HEADER))
        self._lock = threading.Lock()

    def add(self, call: Call) -> None:
        line = _line(_plain(call))
        with self._lock:
            self._file.write(line)

    def close(self) -> None:
        self._file.close()


class Player:
    """Answers from a cassette: each recorded call once, those of the same tool and arguments in their order.

    The last one of them is given again and again where `repeat` is set. Safe to use from several threads.
    """

    def __init__(self, calls: Iterable[Call], *, repeat: bool = False) -> None:
        self._left: dict[tuple[str, bytes], deque[Call]] = defaultdict(deque)
        self._repeat = repeat
        self._lock = threading.Lock()
        for call in calls:
            self._left[call.key].append(call)

    def next_call(self, tool: str, arguments: Any) -> Call | None:
        """The recorded call that answers this one; None: a miss."""
        with self._lock:
            left = self._left.get((tool, canonical(arguments)))
            if not left:
                return None
            return left[0] if self._repeat and len(left) == 1 else left.popleft()


def error_of(error: Exception) -> tuple[str, str]:
    """An exception as a call keeps it: its class as a plan would name it, and its message."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return name, str(error)


def canonical(arguments: Any) -> bytes:
    """Arguments as bytes that are equal where the arguments are; what is no JSON value counts by its `repr`."""
    return orjson.dumps(
        arguments,
        option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS,
        default=repr,
    )


def _plain(call: Call) -> dict[str, Any]:
    left_out = "result" if call.error else "error"
    return {name: value for name, value in asdict(call).items() if name != left_out}


def _line(value: Any) -> bytes:
    try:
        return orjson.dumps(value) + b"\n"
    except TypeError as error:
        raise CassetteError(f"a call cannot be recorded: {error}; have the tool give JSON values") from None
