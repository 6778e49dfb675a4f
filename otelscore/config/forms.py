"""How the values of settings are written: a parser for every form, and what an error says was expected.

A parser raises ValueError where a text is not of its form.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv6Address
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; port 0 takes a free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Form(Generic[T]):
    expected: str  # completes "expected ..." in an error message, with an example
    parse: Callable[[Sequence[str]], T]  # from the one text of a single value, from all items of a list
    is_list: bool = False  # a YAML list in the file, separated by commas elsewhere
    is_secret: bool = False  # never quoted, whatever is wrong with it

    def split(self, text: str) -> list[str]:
        """The texts to parse, from where a value is one text: a flag or an environment variable."""
        if not self.is_list:
            return [text.strip()]
        return [item.strip() for item in text.split(",")] if text.strip() else []


def _one(expected: str, parse: Callable[[str], T]) -> Form[T]:
    return Form(expected, lambda texts: parse(texts[0]))


def _list(expected: str, parse: Callable[[str], T]) -> Form[tuple[T, ...]]:
    return Form(expected, lambda texts: tuple(map(parse, texts)), is_list=True)


def _rising(expected: str, parse: Callable[[str], Any]) -> Form[tuple[Any, ...]]:
    def parse_all(texts: Sequence[str]) -> tuple[Any, ...]:
        values = tuple(map(parse, texts))
        if not values or list(values) != sorted(set(values)):
            raise ValueError
        return values

    return Form(expected, parse_all, is_list=True)


def _match(pattern: str, text: str) -> re.Match[str]:
    match = re.fullmatch(pattern, text, re.ASCII)
    if match is None:
        raise ValueError
    return match


def _address(text: str) -> Address:
    match = _match(r"(?:\[([0-9a-fA-F:.]+)\]|([\w.-]+)):(\d{1,5})", text)
    if int(match[3]) > 65535:
        raise ValueError
    return Address(match[1] or match[2], int(match[3]))


def _url(text: str) -> str:
    if not text:
        return ""
    host = r"\[([0-9a-fA-F:.]+)\]|[\w-]+(?:\.[\w-]+)*\.?"
    match = _match(rf"(?:(https?)://)?(?:{host})(?::(\d{{1,5}}))?(/[\w.~/-]*)?", text)
    scheme, numeric, port = match[1], match[2], match[3]
    if port and not 0 < int(port) <= 65535:
        raise ValueError
    if numeric:
        IPv6Address(numeric)
    if not scheme and not port:  # a slip of the pen rather than a host
        raise ValueError
    return text if scheme else f"http://{text}"


_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_BYTES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def _seconds(text: str) -> float:
    match = _match(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", text)
    return float(match[1]) * _SECONDS[match[2]]


def _seconds_above_zero(text: str) -> float:
    if (seconds := _seconds(text)) == 0:
        raise ValueError
    return seconds


def _bytes(text: str) -> int:
    match = _match(r"([1-9]\d*)(B|KiB|MiB|GiB)", text)
    return int(match[1]) * _BYTES[match[2]]


def _at_least(least: int, value: int) -> int:
    if value < least:
        raise ValueError
    return value


def _fraction(text: str) -> float:
    if not 0 <= (value := float(text)) <= 1:
        raise ValueError
    return value


def _words(*words: str) -> Callable[[str], str]:
    return lambda text: _match("|".join(words), text)[0]


def _pair(text: str) -> tuple[str, str]:
    match = _match(f"({_ATTRIBUTE})=(.+)", text)
    return match[1], match[2]


def _header(text: str) -> tuple[str, str]:
    match = _match(r"([\w!#$%&'*+.^`|~-]+)=([\x20-\x7e]+)", text)
    return match[1], match[2].strip()


def _regex(text: str) -> re.Pattern[str]:
    try:
        return re.compile(_match(r"(?s).+", text)[0])
    except re.error as error:
        raise ValueError from error


ADDRESS = _one("host:port, such as 127.0.0.1:4317 or [::1]:4317", _address)
URL = _one("an address, such as http://127.0.0.1:14317 or https://otlp.example.com", _url)
PROTOCOL = _one("grpc or http/protobuf", _words("", "grpc", "http/protobuf"))
HEADERS = replace(_list("headers as name=value, such as [x-api-key=secret]", _header), is_secret=True)
FILE = _one("a file, such as /etc/otelscore/ca.pem", str)
BOOL = _one("true or false", lambda text: _words("true", "false")(text) == "true")
DURATION = _one("a duration, such as 500ms, 10s, 2m, 24h or 7d", _seconds)
PERIOD = _one("a duration above zero, such as 10s or 24h", _seconds_above_zero)
SIZE = _one("a size above zero in B, KiB, MiB or GiB, such as 20MiB", _bytes)
STATE_SIZE = _one("a size of at least 64MiB, such as 2GiB", lambda text: _at_least(64 * 2**20, _bytes(text)))
COUNT = _one("a whole number, such as 0 or 5", lambda text: int(_match(r"\d+", text)[0]))
LIMIT = _one("a whole number above zero, such as 1000", lambda text: int(_match(r"0*[1-9]\d*", text)[0]))
FRACTION = _one("a number from 0 to 1, such as 0.5", _fraction)
_ATTRIBUTE = r"[A-Za-z_][\w.-]*"
ONE_ATTRIBUTE = _one("an attribute name, such as task.id", lambda text: _match(f"(?:{_ATTRIBUTE})?", text)[0])
ATTRIBUTES = _list("attribute names, such as [service.version]", lambda text: _match(_ATTRIBUTE, text)[0])
GLOBS = _list("shell patterns, such as [checkout-*, billing]", lambda text: _match(r".+", text)[0])
NAMES = _list("names, such as [task_success]", lambda text: _match(r".+", text)[0])
PAIRS = _list("attributes with a value, such as [task.state=failed]", _pair)
REGEXES = _list("regular expressions, such as ['denied by policy']", _regex)
WINDOWS = _rising("durations above zero that rise, such as [5m, 1h]", _seconds_above_zero)
HORIZONS = _rising("numbers of steps that rise, such as [10, 20]", lambda text: int(_match(r"0*[1-9]\d*", text)[0]))
STEP_KINDS = Form(
    "some of tool, retrieval and model, such as [tool, model]",
    lambda texts: tuple(map(_words("tool", "retrieval", "model"), texts or [""])),
    is_list=True,
)
FOLDER = _one("a folder, such as /var/lib/otelscore, or none", lambda text: _match(r".+", text)[0])
DURABILITY = _one("process or power", _words("process", "power"))
LEVEL = _one("debug, info, warning or error", _words("debug", "info", "warning", "error"))
LOG_FORMAT = _one("text or json", _words("text", "json"))
