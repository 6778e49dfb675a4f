"""Every kind of fault, and the parameters that it takes: one table for plans, engine and documentation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Effect(StrEnum):
    """What a fault does to a call."""

    RAISES = "raises"  # instead of calling the tool
    DELAYS = "delays"
    CHANGES = "changes"  # what the tool gave


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a kind. `check` says whether a value is one; `expected` says in words which are."""

    default: Any
    expected: str
    check: Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Kind:
    effect: Effect
    parameters: Mapping[str, Parameter]
    says: str  # for the documentation


def _is_seconds(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 3600


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _one_of(*options: Any) -> Callable[[Any], bool]:
    return lambda value: not isinstance(value, bool) and value in options


def _is_share(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1


def _seconds(default: float) -> Parameter:
    return Parameter(default, "seconds, 0 to 3600", _is_seconds)


def _text(default: str | None, expected: str) -> Parameter:
    return Parameter(default, expected, _is_text)


_KEEP = Parameter(0.5, "the share that is kept, 0 to below 1", _is_share)
_ANY = "any (by chance)"

KINDS: Mapping[str, Kind] = {
    "error": Kind(
        Effect.RAISES,
        {
            "type": _text("ConnectionError", "an exception: a built-in one, or package.module.Name"),
            "message": _text("connection reset by peer", "a text"),
        },
        "raises an exception of that type",
    ),
    "http_status": Kind(
        Effect.RAISES,
        {
            "status": Parameter(503, "400 to 599", lambda value: type(value) is int and 400 <= value <= 599),
            "retry_after": Parameter(None, "seconds, 0 to 3600", _is_seconds),
        },
        "raises `HttpStatusError` with `status_code` and `headers` (Retry-After)",
    ),
    "timeout": Kind(Effect.RAISES, {"seconds": _seconds(0)}, "waits so long, then raises `TimeoutError`"),
    "delay": Kind(Effect.DELAYS, {"seconds": _seconds(5)}, "waits so long before the tool is called"),
    "auth": Kind(
        Effect.RAISES,
        {"status": Parameter(401, "401 or 403", _one_of(401, 403))},
        "raises `HttpStatusError` 401 or 403",
    ),
    "empty": Kind(Effect.CHANGES, {}, "a result of the same kind with nothing in it"),
    "truncate": Kind(Effect.CHANGES, {"keep": _KEEP}, "the text of the result, cut in the middle, also of JSON"),
    "malformed": Kind(Effect.CHANGES, {}, "JSON that is none any more; other text with broken characters"),
    "partial": Kind(Effect.CHANGES, {"keep": _KEEP}, "the longest list in the result (or the text) without its tail"),
    "schema_drift": Kind(
        Effect.CHANGES,
        {
            "change": Parameter(None, "rename, drop, add or retype", _one_of("rename", "drop", "add", "retype")),
            "field": _text(None, "the name of a field"),
        },
        "one field renamed, dropped, added or of another type",
    ),
    "stale": Kind(Effect.CHANGES, {}, "what the same tool gave before in the same run, where that was something else"),
    "wrong_value": Kind(
        Effect.CHANGES,
        {"value": Parameter(None, "number, date or id", _one_of("number", "date", "id"))},
        "same shape and types, one value wrong: a number scaled, a date shifted, two ids swapped",
    ),
}
"""By name. Parameters that are None by default are left to chance, or left out."""
