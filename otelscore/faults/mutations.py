"""Faults that change a result: pure functions from what a tool gave, parameters and dice to what the agent is told.

JSON text stays JSON text where the fault is about its values (`Cut` is what it says: cut). Results that are no JSON
values (objects of the application's own classes) are left alone. Each function gives UNCHANGED where there is nothing
that it could change, so that nothing is marked as a fault that was none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Any, Final

import orjson

from otelscore.faults.dice import Dice

UNCHANGED: Final = object()
"""The fault has nothing to change in this result."""

Path = tuple[Any, ...]
"""Keys and indices from the top of a JSON value down to a place in it."""


@dataclass(frozen=True, slots=True)
class Case:
    """What a fault is given: the result of the call, an earlier one of the tool in this run, and the dice."""

    result: Any
    dice: Dice
    parameters: Mapping[str, Any]
    earlier: Any = UNCHANGED


def change(kind: str, case: Case) -> Any:
    """The result after a fault of this kind; UNCHANGED where it has nothing to change.

    >>> change("empty", Case([1, 2], Dice(0, "", "search", 1), {}))
    []
    """
    changed = _CHANGES[kind](case)
    return UNCHANGED if changed is UNCHANGED or _same(changed, case.result) else changed


def _empty(case: Case) -> Any:
    parsed, write = _open(case.result)
    return write(type(parsed)()) if isinstance(parsed, (dict, list, tuple, str)) else None


def _truncate(case: Case) -> Any:
    text = case.result if isinstance(case.result, str) else _json(case.result)
    if text is None or len(text) < 2:
        return UNCHANGED
    return text[: max(int(len(text) * case.parameters["keep"]), 1)]


def _malformed(case: Case) -> Any:
    parsed, _ = _open(case.result)
    if isinstance(parsed, (dict, list, tuple)):
        text = case.result if isinstance(case.result, str) else _json(case.result)
        return UNCHANGED if text is None else "<" + text.strip()[1:]
    if not isinstance(parsed, str):
        return UNCHANGED
    return "".join("\ufffd" if index % 3 == 1 else letter for index, letter in enumerate(parsed))


def _partial(case: Case) -> Any:
    parsed, write = _open(case.result)
    lists = [(len(value), path, value) for path, value in _walk(parsed) if isinstance(value, (list, tuple)) and value]
    if lists:
        _, path, longest = max(lists, key=lambda found: found[0])
        return write(_put(parsed, path, longest[: int(len(longest) * case.parameters["keep"])]))
    if isinstance(parsed, str) and len(lines := parsed.splitlines(keepends=True)) > 1:
        return "".join(lines[: max(int(len(lines) * case.parameters["keep"]), 1)])
    return UNCHANGED


def _schema_drift(case: Case) -> Any:
    parsed, write = _open(case.result)
    wanted, how = case.parameters["field"], case.parameters["change"]
    how = how or case.dice.pick("change", ("rename", "drop", "add", "retype"))
    objects = [(path, value) for path, value in _walk(parsed) if isinstance(value, dict)]
    if how == "add":
        places = [(path, value, wanted or "schema_version") for path, value in objects]
        places = [place for place in places if place[2] not in place[1]]
    else:
        places = [(path, value, name) for path, value in objects for name in value if wanted in (None, name)]
    if not places:
        return UNCHANGED
    path, _, name = case.dice.pick("field", places)
    # In a list of objects the field changes in all of them, as it does when an API changes.
    siblings = [place for place, value, other in places if other == name and _shape(place) == _shape(path)]
    for place in siblings:
        parsed = _put(parsed, place, _drifted(_at(parsed, place), name, how))
    return write(parsed)


def _drifted(found: Mapping[str, Any], name: str, how: str) -> dict[str, Any]:
    if how == "add":
        return {**found, name: 2}
    changed: dict[str, Any] = {}
    for key, value in found.items():
        if key != name:
            changed[key] = value
        elif how == "rename":
            changed[_renamed(key, found)] = value
        elif how == "retype":
            changed[key] = _retyped(value)
    return changed


def _renamed(name: str, taken: Mapping[str, Any]) -> str:
    snake = re.sub(r"(?<=[a-z0-9])([A-Z])", lambda letter: "_" + letter[1].lower(), name)
    camel = re.sub(r"_([a-z0-9])", lambda letter: letter[1].upper(), name)
    return next(new for new in (snake, camel, name + "_v2", name + "_v3") if new != name and new not in taken)


def _retyped(value: Any) -> Any:
    if isinstance(value, str):
        return {"value": value}
    if isinstance(value, (dict, list, tuple)):
        return _json(value)
    return "" if value is None else str(value).lower()


def _stale(case: Case) -> Any:
    return case.earlier


def _wrong_value(case: Case) -> Any:
    parsed, write = _open(case.result)
    leaves = [(path, value) for path, value in _walk(parsed) if not isinstance(value, (dict, list, tuple))]
    ways: dict[str, Callable[[], Iterator[Any]]] = {
        "number": lambda: _scaled(parsed, leaves, case.dice),
        "date": lambda: _shifted(parsed, leaves, case.dice),
        "id": lambda: _swapped(parsed, leaves),
    }
    only = case.parameters["value"]
    found = {name: list(way()) for name, way in ways.items() if only in (None, name)}
    options = [name for name, changed in found.items() if changed]
    if not options:
        return UNCHANGED
    return write(case.dice.pick("place", found[case.dice.pick("value", options)]))


_FACTORS = (10, 2, 3, 100)
_NUMBER = re.compile(r"(?<![\w.:-])\d+(?:\.\d+)?(?![\w:-]|\.\d)")
_DATE = re.compile(r"(?<!\d)(\d{4})-(\d{2})-(\d{2})(?!\d)")
_ID = re.compile(r"(?:^|_)(?:id|uuid|key|ref|code|number|sku)$|[a-z](?:Id|Ref|Key)$", re.IGNORECASE)


def _scaled(parsed: Any, leaves: list[tuple[Path, Any]], dice: Dice) -> Iterator[Any]:
    factor = dice.pick("factor", _FACTORS)
    for path, value in leaves:
        if isinstance(value, (int, float)) and not isinstance(value, bool) and not _names_id(path):
            yield _put(parsed, path, value * factor if value else value + factor)
        elif isinstance(value, str) and " " in value and (number := _NUMBER.search(value)):
            old = float(number[0]) if "." in number[0] else int(number[0])
            yield _put(parsed, path, f"{value[: number.start()]}{old * factor or factor}{value[number.end() :]}")


def _shifted(parsed: Any, leaves: list[tuple[Path, Any]], dice: Dice) -> Iterator[Any]:
    days = timedelta(days=dice.pick("days", (1, 7, 30, -1, -7)))
    for path, value in leaves:
        found = _DATE.search(value) if isinstance(value, str) else None
        if found:
            try:
                moved = (date.fromisoformat(found[0]) + days).isoformat()
            except (ValueError, OverflowError):
                continue
            yield _put(parsed, path, value[: found.start()] + moved + value[found.end() :])


def _swapped(parsed: Any, leaves: list[tuple[Path, Any]]) -> Iterator[Any]:
    ids = [(path, value) for path, value in leaves if _names_id(path) and isinstance(value, (str, int))]
    for (one, first), (other, second) in pairwise(ids):
        if first != second and type(first) is type(second):
            yield _put(_put(parsed, one, second), other, first)


def _names_id(path: Path) -> bool:
    name = next((key for key in reversed(path) if isinstance(key, str)), "")
    return _ID.search(name) is not None


_CHANGES: Mapping[str, Callable[[Case], Any]] = {
    "empty": _empty,
    "truncate": _truncate,
    "malformed": _malformed,
    "partial": _partial,
    "schema_drift": _schema_drift,
    "stale": _stale,
    "wrong_value": _wrong_value,
}


def _open(result: Any) -> tuple[Any, Callable[[Any], Any]]:
    """The value inside a result, which may be JSON text, and what makes a result of such a value again."""
    if isinstance(result, str) and result.strip()[:1] in ("{", "["):
        with suppress(orjson.JSONDecodeError):  # then it is text like any other
            return orjson.loads(result), lambda value: _json(value) if not isinstance(value, str) else value
    return result, lambda value: value


def _json(value: Any) -> str | None:
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        return None


def _walk(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every place of a JSON value with what is there, from the top down."""
    yield path, value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _walk(inner, (*path, key))
    elif isinstance(value, (list, tuple)):
        for index, inner in enumerate(value):
            yield from _walk(inner, (*path, index))


def _at(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value


def _put(value: Any, path: Path, new: Any) -> Any:
    """A copy of a JSON value with something else in one place."""
    if not path:
        return new
    key, rest = path[0], path[1:]
    if isinstance(value, dict):
        return {name: _put(inner, rest, new) if name == key else inner for name, inner in value.items()}
    return type(value)(_put(inner, rest, new) if index == key else inner for index, inner in enumerate(value))


def _shape(path: Path) -> Path:
    return tuple("[]" if isinstance(key, int) else key for key in path)


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)
