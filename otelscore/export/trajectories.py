"""`/api/v1/trajectories`: from a figure to the runs behind it. What a request asks for, and the answer as JSON."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import inf, isfinite

import orjson

PATH = "/api/v1/trajectories"

FILTERS = ("service", "agent", "outcome", "response", "tool")
PARAMETERS = (*FILTERS, "since", "before", "limit")

DEFAULT_LIMIT, MAX_LIMIT = 100, 1000


@dataclass(frozen=True, slots=True)
class Query:
    """Which runs are asked for: those that closed in [since, before), Unix seconds, and are as the filters say."""

    filters: Mapping[str, str]
    since: float = -inf
    before: float = inf
    limit: int = DEFAULT_LIMIT


Find = Callable[[Mapping[str, str], float, float, int], list[dict[str, object]]]
"""Takes what a Query holds; gives scores under DESIGN.md's keys, newest first."""

Look = Callable[[str], dict[str, object] | None]
"""The score of one trajectory id; None where it is not known."""


class QueryError(ValueError):
    """The request is wrong; the message says what and what would be right."""


def parse(parameters: Mapping[str, Sequence[str]]) -> Query:
    """Reads the parameters of a URL. Raises QueryError."""
    for name, values in parameters.items():
        if name not in PARAMETERS:
            nearest = difflib.get_close_matches(name, PARAMETERS, 1)
            hint = f"; did you mean {nearest[0]}?" if nearest else ""
            raise QueryError(f"unknown parameter {name}{hint} There are {', '.join(PARAMETERS)}.")
        if len(values) > 1:
            raise QueryError(f"{name} is given {len(values)} times")
    given = {name: values[0] for name, values in parameters.items()}
    return Query(
        filters={name: given[name] for name in FILTERS if name in given},
        since=_time("since", given["since"]) if "since" in given else -inf,
        before=_time("before", given["before"]) if "before" in given else inf,
        limit=_limit(given["limit"]) if "limit" in given else DEFAULT_LIMIT,
    )


def answer(path: str, parameters: Mapping[str, Sequence[str]], find: Find, look: Look) -> tuple[int, bytes]:
    """HTTP status and JSON body for a path at or below PATH."""
    run_id = path.removeprefix(PATH).strip("/")
    if run_id:
        score = look(run_id)
        return (200, orjson.dumps(score)) if score else (404, _error(f"no trajectory {run_id[:80]} is known"))
    try:
        query = parse(parameters)
    except QueryError as error:
        return 400, _error(str(error))
    return 200, orjson.dumps({"trajectories": find(query.filters, query.since, query.before, query.limit)})


def _error(message: str) -> bytes:
    return orjson.dumps({"error": message})


def _time(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise QueryError(f"{name}: expected a time, such as 2026-11-22T10:00:00Z or Unix seconds") from None
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not isfinite(value):
        raise QueryError(f"{name}: expected a time, such as 2026-11-22T10:00:00Z or Unix seconds")
    return value


def _limit(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:9]) <= MAX_LIMIT:
        raise QueryError(f"limit: expected a whole number from 1 to {MAX_LIMIT}")
    return int(text[:9])
