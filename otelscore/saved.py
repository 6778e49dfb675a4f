"""What of a pipeline is in the store: written after each look at the clock, taken back at a start.

Timers of open runs stand still while the process is down. So times in the journal are seconds of a clock that does,
`behind` the caller's by all the time for which there was no process.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import Any

import msgpack
import orjson
import structlog

from otelscore.model import Batch, Outcome, Verdict
from otelscore.pipeline import Pipeline
from otelscore.runs import Run
from otelscore.scoring.faults import Hit
from otelscore.scoring.rows import Row, judged
from otelscore.scoring.score import Errors
from otelscore.store.codec import decode_batch, encode_batch
from otelscore.store.store import REQUEST, STANDINGS, Store, StoredRun, VerdictRow
from otelscore.trajectory.life import Standing
from otelscore.trajectory.memory import Learnt

log = structlog.stdlib.get_logger(__name__)

_verdict_fields = attrgetter("evaluator", "passed", "time", "trace_id", "span_id", "session")


def save(store: Store, pipeline: Pipeline, now: float, behind: float) -> tuple[int, set[bytes]]:
    """Writes what has changed, inside a transaction; whoever commits it clears the pipeline's changes.

    Gives the number of the journal entry that was made and the traces for which it must be kept; 0 for none.
    """
    changes, totals, assembler = pipeline.changes, pipeline.totals, pipeline.assembler
    store.delete_entries(pipeline.journal.gone)  # first, since what is written next may need the room
    store.delete_runs(changes.gone)
    store.put_runs((_stored(run), score) for run, score in changes.scored.values())
    store.update_runs(
        (number, run.judged, run.row.verdict, run.final, run.counted, run.until)
        for number, run in changes.changed.items()
        if number not in changes.scored
    )
    verdicts = [(_verdict_fields(verdict), until) for verdict, until in pipeline.verdicts.changed.items()]
    store.put_verdicts((*fields, until) for fields, until in verdicts if until is not None)
    store.delete_verdicts(fields for fields, until in verdicts if until is None)
    if learnt := assembler.memories.learnt:
        store.put_memories(max(each.until for each in learnt), msgpack.packb(learnt))
    store.delete_totals((name, orjson.dumps(values).decode()) for name, values in totals.gone)
    store.put_totals(
        (name, orjson.dumps(values).decode(), orjson.dumps(totals.dump(name, values)))
        for name, values in totals.changed
    )
    status = {
        "clock": now,
        "behind": behind,
        "last_request": pipeline.last_request,
        "counts": pipeline.tally.dump(),
        "label_names": pipeline.limiter.names,
    }
    store.put_meta("status", orjson.dumps(status))
    if pipeline.limiter.is_unsaved:
        store.put_meta("labels", orjson.dumps(pipeline.limiter.dump()))
    standings = assembler.standings()
    if not standings:
        return 0, set()
    number = store.append(STANDINGS, now - behind, msgpack.packb((behind, standings)))
    return number, {standing.trace_id for standing in standings}


def last_moment(store: Store) -> float:
    """When the store was last written, by the caller's clock; 0.0 where it is new."""
    written = store.meta("status")
    status: dict[str, Any] = orjson.loads(written) if written else {"clock": 0.0, "behind": 0.0}
    moment: float = max(status["clock"], (store.last_written() or 0.0) + status["behind"])
    return moment


def purify(store: Store, pipeline: Pipeline, entries: Iterable[int]) -> None:
    """Leaves in entries of the journal what can still change, inside a transaction.

    What is final is remembered for a while, so that a restart does not take it for new; what an orphan keeps in the
    journal may be kept for longer than that.
    """
    is_open = pipeline.assembler.is_open
    for number in entries:
        kind, body = store.entry(number)
        if kind == REQUEST:
            batch = decode_batch(body)
            spans = [span for span in batch.spans if is_open(span.trace_id)]
            facts = [facts for facts in batch.facts if is_open(facts.trace_id)]
            body = encode_batch(Batch(spans=spans, facts=facts))
        else:
            behind, standings = msgpack.unpackb(body, use_list=False)
            body = msgpack.packb((behind, [fields for fields in standings if is_open(Standing(*fields).trace_id)]))
        store.replace_entry(number, body)


def restore(store: Store, pipeline: Pipeline, now: float) -> float:
    """Makes a new pipeline the one that was saved; gives how far the journal's clock is `behind` from now on.

    `now` is not before `last_moment`.
    """
    written = store.meta("status")
    if written is None:
        status: dict[str, Any] = {"clock": now, "behind": 0.0, "last_request": 0}
        runs, same_labels = 0, True
    else:
        status = orjson.loads(written)
        same_labels = tuple(status["label_names"]) == pipeline.limiter.names
        runs = _restore_figures(store, pipeline, status, now, same_labels)
    down = now - (last_moment(store) or now)
    behind: float = status["behind"] + down
    pipeline.last_request = status["last_request"]
    for number, kind, at, body in store.journal():
        if kind == REQUEST:
            take = pipeline.replay if number <= status["last_request"] else pipeline.ingest
            take(decode_batch(body), at + behind, number)
        else:
            behind_then, plain = msgpack.unpackb(body, use_list=False)
            standings = [_moved(Standing(*fields), behind - behind_then) for fields in plain]
            # Under other labels than then, what had closed closes anew.
            pipeline.resume(standings if same_labels else [], number, now)
    log.info("state restored", runs=runs, open_spans=pipeline.assembler.open_spans, down_seconds=round(down, 1))
    return behind


def _restore_figures(store: Store, pipeline: Pipeline, status: dict[str, Any], now: float, same_labels: bool) -> int:
    """Takes back what is remembered, counted and shown; gives the number of runs."""
    for _, body in store.memories():
        for learnt in msgpack.unpackb(body, use_list=False):
            pipeline.assembler.memories.remember(Learnt(*learnt))
    runs: list[Run] = []
    if same_labels:
        labels = store.meta("labels")
        if labels is not None:
            pipeline.limiter.load(orjson.loads(labels), now - status["clock"])
        for name, values, plain in store.totals():
            pipeline.totals.load(name, tuple(orjson.loads(values)), orjson.loads(plain))
        runs += map(_run, store.runs())
    else:
        log.warning("the setting labels has changed: figures and counters about runs begin anew")
        with store.transaction():
            store.delete_figures()
    pipeline.runs.restore(runs, map(_verdict, store.verdicts()), now)
    pipeline.tally.load(status["counts"])
    return len(runs)


def _stored(run: Run) -> StoredRun:
    return StoredRun(
        number=run.number,
        run_id=run.run_id,
        closed=run.closed,
        judged=run.judged,
        verdict=run.row.verdict,
        final=run.final,
        counted=run.counted,
        until=run.until,
        facts=bytes(msgpack.packb((run.start, run.end, run.targets, run.row))),
    )


def _run(stored: StoredRun) -> Run:
    start, end, targets, fields = msgpack.unpackb(stored.facts, use_list=False)
    row = dict(zip(Row._fields, fields, strict=False))  # schema 2 had no `faults`
    row["outcome"] = Outcome(row["outcome"]) if row["outcome"] else None
    row["errors"] = Errors(row["errors"])
    row["faults"] = tuple(Hit(*hit) for hit in row.get("faults", ()))
    return Run(
        number=stored.number,
        run_id=stored.run_id,
        row=judged(Row(**row), stored.verdict),
        start=start,
        end=end,
        targets=targets,
        closed=stored.closed,
        final=stored.final,
        judged=stored.judged,
        counted=stored.counted,
        until=stored.until,
    )


def _verdict(row: VerdictRow) -> tuple[Verdict, float]:
    evaluator, passed, time, trace_id, span_id, session, until = row
    return Verdict(evaluator, passed, time, trace_id, span_id, session), until


def _moved(standing: Standing, seconds: float) -> Standing:
    return standing._replace(
        closed=None if standing.closed is None else standing.closed + seconds,
        first_closed=None if standing.first_closed is None else standing.first_closed + seconds,
        check_at=standing.check_at + seconds,
    )
