"""Scored runs: what the windows need of them after a restart, and the scores that people look up.

The one index, in order of close, holds all that one can filter by, so that the rarest of a million runs is found in a
fraction of a second without an index for every filter, which every run would have to pay for. Nor is there one of ids:
trace ids are random, so that every run would change a page of it somewhere else. Runs are known by numbers that rise.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import orjson

from otelscore.model import Kind, Score
from otelscore.store.database import seal, unseal
from otelscore.store.scores import decode_score, encode_score


@dataclass(frozen=True, slots=True)
class StoredRun:
    """One closed trajectory. `closed`, `judged` and `until` are seconds of the caller's clock."""

    number: int
    run_id: str
    closed: float  # when it closed first
    judged: float | None  # when its verdict came
    verdict: bool | None
    final: bool
    counted: bool  # its verdict is in the totals
    until: float  # when it is no longer needed
    facts: bytes  # what else the caller wants back


RunChange = tuple[int, float | None, bool | None, bool, bool, float]
"""What can change of a run whose score does not: number, judged, verdict, final, counted, until."""

_PUT = "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

_CONDITIONS = {
    "service": "service = ?",
    "agent": "agent = ?",
    "outcome": "outcome = ?",
    "response": "instr(responses, ?)",
    "tool": "instr(tools, ?)",
}
"""What one can filter by, in SQL."""


def put(connection: sqlite3.Connection, runs: Iterable[tuple[StoredRun, Score]]) -> None:
    """Inserts runs, or replaces those with their numbers."""
    connection.executemany(
        _PUT,
        (
            (
                run.number,
                run.run_id,
                run.closed,
                run.judged,
                run.verdict,
                run.final,
                run.counted,
                run.until,
                score.service,
                score.agent,
                score.outcome or "",
                _listed({step.response for step in score.steps if step.response}),
                _listed({step.name for step in score.steps if step.kind is not Kind.MODEL}),
                seal(run.facts),
                seal(encode_score(score)),
            )
            for run, score in runs
        ),
    )


def update(connection: sqlite3.Connection, changes: Iterable[RunChange]) -> None:
    connection.executemany(
        "UPDATE runs SET judged = ?2, verdict = ?3, final = ?4, counted = ?5, until = ?6 WHERE id = ?1", changes
    )


def delete_oldest(connection: sqlite3.Connection, count: int) -> list[str]:
    """Deletes of the final runs the `count` that closed first; gives their ids."""
    query = "DELETE FROM runs WHERE id IN (SELECT id FROM runs WHERE final ORDER BY closed LIMIT ?) RETURNING run_id"
    return [run_id for (run_id,) in connection.execute(query, (count,))]


def read(connection: sqlite3.Connection) -> Iterator[StoredRun]:
    """All runs by number."""
    found = connection.execute(
        "SELECT id, run_id, closed, judged, verdict, final, counted, until, facts FROM runs ORDER BY id"
    )
    for number, run_id, closed, judged, verdict, final, counted, until, facts in found:
        passed = None if verdict is None else bool(verdict)
        yield StoredRun(number, run_id, closed, judged, passed, bool(final), bool(counted), until, unseal(facts))


def find(
    connection: sqlite3.Connection, filters: Mapping[str, str], since: float, before: float, limit: int
) -> list[Score]:
    """Scores of runs that closed in [since, before) and are as the filters say, at most `limit`, newest first."""
    conditions = "".join(f" AND {_CONDITIONS[name]}" for name in filters)
    wanted = (_listed([value]) if name in ("response", "tool") else value for name, value in filters.items())
    query = (
        f"SELECT score FROM runs INDEXED BY runs_by_closed WHERE closed >= ? AND closed < ?{conditions}"  # noqa: S608
        " ORDER BY closed DESC, id DESC LIMIT ?"
    )
    found = connection.execute(query, (since, before, *wanted, limit)).fetchall()
    return [decode_score(unseal(score)) for (score,) in found]


def score(connection: sqlite3.Connection, number: int) -> Score | None:
    found = connection.execute("SELECT score FROM runs WHERE id = ?", (number,)).fetchone()
    return decode_score(unseal(found[0])) if found else None


def _listed(names: Iterable[str]) -> str:
    """Each name as JSON in a line of its own, also the first and the last, so that a list of one is found in others."""
    return "\n".join(["", *(orjson.dumps(name).decode() for name in sorted(names)), ""])
