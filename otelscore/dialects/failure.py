"""Error evidence reduced to a `Failure`: the real type, its class, hashes of the messages."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from otelscore.dialects.patterns import (
    CODE_IN_TEXT,
    ERROR_CODES,
    ERROR_MESSAGES,
    ERROR_TYPES,
    TYPE_IN_TEXT,
    WRAPPER_TYPES,
)
from otelscore.model import ErrorClass

_LONGEST = 1000  # characters of the end of a type that are looked at
_CODE = re.compile(r"-?\d{3,6}")
_TIMED_OUT = dict(ERROR_MESSAGES)[ErrorClass.TIMEOUT]


def classify(types: Iterable[str], texts: Iterable[str]) -> tuple[str, ErrorClass]:
    """(error type, error class) from type names and messages, most trusted first.

    From the most specific: the real exception type (also one that a message starts with), a code, the words of a
    message. Wrapper types such as `ToolException` or `_OTHER` only name the error where nothing else does.
    """
    names = [name for name in (_short(given) for given in types) if name]
    heads = [text.strip()[:2000] for text in texts if text]
    inner = [found[1][:80] for found in map(TYPE_IN_TEXT.match, heads) if found]
    real = [name for name in (*names, *inner) if not _is_wrapper(name)]
    shown = (real or names or inner or [""])[0]
    for name in (*real, *names):
        error_class = _by_code(name) or _by_name(name)
        if error_class is ErrorClass.CANCELLED and any(map(_TIMED_OUT.search, heads)):
            return name, ErrorClass.TIMEOUT  # .NET cancels the task of a request that takes too long
        if error_class:
            return name, error_class
    for text in heads:
        code = CODE_IN_TEXT.search(text)
        if code:
            return shown or code[1], _class_of_code(int(code[1]))
    for text in heads:
        for error_class, pattern in ERROR_MESSAGES:
            if pattern.search(text):
                return shown, error_class
    # Python's says that a call had wrong arguments; JavaScript's may also be "fetch failed", so the message goes first.
    return shown, ErrorClass.INVALID_ARGUMENTS if shown == "TypeError" else ErrorClass.UNKNOWN


def _short(name: str) -> str:
    """The last part of a dotted or colon-separated type, cut to what a type can be long."""
    return re.split(r"[.:/\\]", name[-_LONGEST:].strip(" <>'\""))[-1].strip()[:80]


@lru_cache(maxsize=4096)  # a type is kept as a fact in any case
def _by_name(name: str) -> ErrorClass | None:
    return next((error_class for error_class, pattern in ERROR_TYPES if pattern.search(name)), None)


@lru_cache(maxsize=4096)
def _is_wrapper(name: str) -> bool:
    return WRAPPER_TYPES.match(name) is not None


def _by_code(name: str) -> ErrorClass | None:
    return _class_of_code(int(name)) if _CODE.fullmatch(name) else None


def _class_of_code(code: int) -> ErrorClass:
    if code in ERROR_CODES:
        return ERROR_CODES[code]
    if 500 <= code <= 599:
        return ErrorClass.UNAVAILABLE
    return ErrorClass.INVALID_ARGUMENTS if 400 <= code <= 499 else ErrorClass.UNKNOWN
