"""Scored runs: what the windows need of them after a restart, and the scores that people look up.

One index in order of close holds all that one can filter by, so that the rarest of a million runs is found in a tenth
of a second without an index for every filter, which every run would have to pay for.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import orjson

from otelscore.store.database import seal, unseal


@dataclass(frozen=True, slots=True)
class StoredRun:
    """One closed trajectory. `closed`, `judged` and `until` are seconds of the arrival clock."""

    run_id: str
    trace_id: str  # hex
    service: str
    agent: str
    outcome: str  # "": nobody can say
    closed: float  # when it closed first
    started: int  # Unix nanoseconds
    judged: float | None  # when its verdict came
    final: bool
    counted: bool  # its verdict is in the totals
    until: float  # when it is no longer needed
    row: bytes  # the row of the windows
    score: bytes  # JSON
    responses: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()


_PUT = """
INSERT INTO runs (run_id, trace_id, service, agent, outcome, closed, started, judged, final, counted, until, responses,
                  tools, row, score)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (run_id) DO UPDATE SET
    trace_id = excluded.trace_id, service = excluded.service, agent = excluded.agent, outcome = excluded.outcome,
    closed = excluded.closed, started = excluded.started, judged = excluded.judged, final = excluded.final,
    counted = excluded.counted, until = excluded.until, responses = excluded.responses, tools = excluded.tools,
    row = excluded.row, score = excluded.score
"""

_UPDATE = "UPDATE runs SET judged = ?, final = ?, counted = ?, until = ?, row = ? WHERE run_id = ?"

_CONDITIONS = {
    "service": "service = ?",
    "agent": "agent = ?",
    "outcome": "outcome = ?",
    "response": "instr(responses, ?)",
    "tool": "instr(tools, ?)",
}
"""What one can filter by, in SQL."""


def put(connection: sqlite3.Connection, run: StoredRun) -> None:
    """Inserts the run, or replaces the one with its `run_id`."""
    values = (
        run.run_id,
        run.trace_id,
        run.service,
        run.agent,
        run.outcome,
        run.closed,
        run.started,
        run.judged,
        run.final,
        run.counted,
        run.until,
        _listed(run.responses),
        _listed(run.tools),
        seal(run.row),
        _packed(run.score),
    )
    connection.execute(_PUT, values)


def update(
    connection: sqlite3.Connection,
    run_id: str,
    judged: float | None,
    final: bool,
    counted: bool,
    until: float,
    row: bytes,
) -> None:
    """Changes what does not change the score: four times cheaper than to put it again."""
    connection.execute(_UPDATE, (judged, final, counted, until, seal(row), run_id))


def delete_oldest(connection: sqlite3.Connection, count: int) -> list[str]:
    """Deletes the `count` runs that closed first; gives their ids."""
    query = "DELETE FROM runs WHERE id IN (SELECT id FROM runs ORDER BY closed LIMIT ?) RETURNING run_id"
    return [run_id for (run_id,) in connection.execute(query, (count,))]


def read(connection: sqlite3.Connection) -> Iterator[StoredRun]:
    """All runs in the order in which they closed. Their `score` is empty: to unpack a million takes long."""
    found = connection.execute(
        "SELECT run_id, trace_id, service, agent, outcome, closed, started, judged, final, counted, until, row,"
        " responses, tools FROM runs ORDER BY closed, run_id"
    )
    for values in found:
        run_id, trace_id, service, agent, outcome, closed, started, judged, *rest = values
        final, counted, until, row, responses, tools = rest
        yield StoredRun(
            run_id,
            trace_id,
            service,
            agent,
            outcome,
            closed,
            started,
            judged,
            final=bool(final),
            counted=bool(counted),
            until=until,
            row=unseal(row),
            score=b"",
            responses=_names(responses),
            tools=_names(tools),
        )


def find(
    connection: sqlite3.Connection, filters: Mapping[str, str], since: float, before: float, limit: int
) -> list[bytes]:
    """Scores of runs that closed in [since, before) and are as the filters say, at most `limit`, newest first."""
    conditions = "".join(f" AND {_CONDITIONS[name]}" for name in filters)
    wanted = (_listed([value]) if name in ("response", "tool") else value for name, value in filters.items())
    query = (
        f"SELECT score FROM runs INDEXED BY runs_by_closed WHERE closed >= ? AND closed < ?{conditions}"  # noqa: S608
        " ORDER BY closed DESC, run_id DESC LIMIT ?"
    )
    return [_unpacked(score) for (score,) in connection.execute(query, (since, before, *wanted, limit))]


def score(connection: sqlite3.Connection, run_id: str) -> bytes | None:
    found = connection.execute("SELECT score FROM runs WHERE run_id = ?", (run_id,)).fetchone()
    return _unpacked(found[0]) if found else None


def _packed(score: bytes) -> bytes:
    # A window of 4 kB holds a few steps and packs as small as the default's 32 kB, whose buffers take long to set up.
    packer = zlib.compressobj(1, wbits=12, memLevel=5)
    return seal(packer.compress(score) + packer.flush())


def _unpacked(packed: bytes) -> bytes:
    return zlib.decompress(unseal(packed))


def _listed(names: Iterable[str]) -> str:
    """Each name as JSON in a line of its own, also the first and the last, so that a list of one is found in others."""
    return "\n".join(["", *(orjson.dumps(name).decode() for name in names), ""])


def _names(listed: str) -> tuple[str, ...]:
    return tuple(orjson.loads(line) for line in listed.split("\n") if line)
