"""What has changed between recorded calls and the same calls made now, tool by tool; pure functions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from statistics import median
from typing import Any

import orjson

from otelscore.faults.cassette import Call
from otelscore.faults.mcp_results import value_of
from otelscore.faults.mutations import UNCHANGED


@dataclass(frozen=True, slots=True)
class Drift:
    """One tool, then and now. Shares are 0-1, latencies seconds (medians)."""

    tool: str
    calls: int
    changes: tuple[str, ...]  # of the result's shape: "orders[].total: number, gone"
    errors: tuple[float, float]
    seconds: tuple[float, float]

    @property
    def has_changed(self) -> bool:
        """Whether the shape of results is another, or more calls fail than did."""
        return bool(self.changes) or self.errors[1] > self.errors[0]


def compare(before: Sequence[Call], now: Sequence[Call]) -> list[Drift]:
    """The drift of each tool; `now` has the same calls as `before`, in the same order."""
    tools: dict[str, list[tuple[Call, Call]]] = defaultdict(list)
    for old, new in zip(before, now, strict=True):
        tools[old.tool].append((old, new))
    found = []
    for tool, pairs in sorted(tools.items()):
        shapes = [(_shape(old), _shape(new)) for old, new in pairs if not _failed(old) and not _failed(new)]
        changes = sorted({change for old, new in shapes for change in _changes(old, new)})
        errors = [sum(map(_failed, calls)) / len(calls) for calls in zip(*pairs, strict=True)]
        seconds = [median(call.seconds for call in calls) for calls in zip(*pairs, strict=True)]
        found.append(Drift(tool, len(pairs), tuple(changes), (errors[0], errors[1]), (seconds[0], seconds[1])))
    return found


def _failed(call: Call) -> bool:
    return call.error is not None or (isinstance(call.result, dict) and call.result.get("isError") is True)


def _shape(call: Call) -> dict[str, frozenset[str]]:
    """Path -> the types that were seen there; elements of a list share one path."""
    value = call.result
    if isinstance(value, dict) and isinstance(value.get("content"), list):
        said = value_of(value)
        value = value if said is UNCHANGED else said
    if isinstance(value, str):
        with suppress(orjson.JSONDecodeError):
            value = orjson.loads(value)
    found: dict[str, set[str]] = defaultdict(set)
    for path, name in _places(value, ""):
        found[path].add(name)
    return {path: frozenset(names) for path, names in found.items()}


def _places(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        yield path, "object"
        for key, inner in value.items():
            yield from _places(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, (list, tuple)):
        yield path, "list"
        for inner in value:
            yield from _places(inner, f"{path}[]")
    else:
        yield path, _TYPES.get(type(value), type(value).__name__)


_TYPES: dict[type, str] = {str: "text", int: "number", float: "number", bool: "boolean", type(None): "null"}


def _changes(old: dict[str, frozenset[str]], new: dict[str, frozenset[str]]) -> Iterator[str]:
    """An empty list tells nothing of its elements, so places below one are not missed."""
    for path in old.keys() | new.keys():
        before, after = old.get(path), new.get(path)
        place = path or "the result"
        if before is None and after is not None:
            if not _below_empty(path, old):
                yield f"{place}: {_names(after)}, new"
        elif after is None and before is not None:
            if not _below_empty(path, new):
                yield f"{place}: {_names(before)}, gone"
        elif before != after and before is not None and after is not None:
            yield f"{place}: {_names(before)}, now {_names(after)}"


def _below_empty(path: str, shape: dict[str, frozenset[str]]) -> bool:
    parts = path.split("[]")
    above = ["[]".join(parts[:n]) for n in range(1, len(parts))]
    return any("list" in shape.get(place, ()) and f"{place}[]" not in shape for place in above)


def _names(types: frozenset[str]) -> str:
    return " or ".join(sorted(types))
