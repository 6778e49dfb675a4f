"""All runs in files as one set: read, scored, judged by verdicts, and reduced to the rows that figures are made of."""

from __future__ import annotations

import codecs
import dataclasses
import secrets
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

import click
import orjson
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from otelscore.config import Config
from otelscore.model import Score, Verdict
from otelscore.scoring.families import Family
from otelscore.scoring.labels import group_names
from otelscore.scoring.rows import Row
from otelscore.trajectory.verdicts import Heard


@dataclass(slots=True)
class Scored:
    """What files gave."""

    scores: list[Score] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)  # one a run, in no order
    faulty: list[Row] = field(default_factory=list)  # those of runs with injected faults, which are in nothing else
    families: list[Family] = field(default_factory=list)  # every figure of the runs, in one window that holds them all
    verdicts: dict[Verdict, Heard] = field(
        default_factory=dict
    )  # those given and those in the files: what became of each
    repeated: int = 0  # verdicts given that had been given before
    errors: list[str] = field(default_factory=list)  # "path: where: why", one for each part that could not be read
    skipped: list[str] = field(default_factory=list)  # files in folders that are not OTLP
    rejected: int = 0  # spans and log records that were bad
    reason: str = ""  # why the first of them was


def complain(*results: Scored) -> None:
    """Tells on standard error what could not be used; ends the command where some could not be read."""
    for result in results:
        if result.skipped:
            skipped = result.skipped
            click.echo(f"Skipped {len(skipped)} files that are not OTLP; the first: {skipped[0]}", err=True)
        if result.rejected:
            click.echo(f"Warning: {result.rejected} bad records were left out; the first: {result.reason}", err=True)
    heard = _heard(*results)
    if heard[Heard.AMBIGUOUS]:
        remedy = "name the trajectory_id, or the span_id of the agent"
        click.echo(
            f"Warning: {heard[Heard.AMBIGUOUS]} verdicts are each about several runs at once; {remedy}", err=True
        )
    if heard[Heard.WAITING]:
        click.echo(f"Warning: {heard[Heard.WAITING]} verdicts are about runs that are not in these files", err=True)
    errors = [error for result in results for error in result.errors]
    for error in errors:
        click.echo(f"Error: {error}", err=True)
    if errors:
        sys.exit(2)


_BEST_FIRST = (Heard.COUNTED, Heard.AMBIGUOUS, Heard.WAITING, Heard.DUPLICATE, Heard.UNREADABLE, Heard.IGNORED)


def _heard(*results: Scored) -> Counter[Heard]:
    """What became of the verdicts; of one given to several sets of runs, the best."""
    best: dict[Verdict, Heard] = {}
    for result in results:
        for verdict, heard in result.verdicts.items():
            best[verdict] = min(heard, best.get(verdict, heard), key=_BEST_FIRST.index)
    return Counter(best.values()) + Counter({Heard.DUPLICATE: max(result.repeated for result in results)})


def verdicts_heard(*results: Scored) -> str:
    """A line that says how many verdicts counted and how many did not; "" where none came."""
    heard = _heard(*results)
    return "Verdicts: " + ", ".join(f"{heard[one]} {one}" for one in _BEST_FIRST) if heard else ""


def score_paths(
    paths: Iterable[Path],
    config: Config | None = None,
    verdicts: Iterable[Verdict] = (),
    *,
    progress: bool = False,
) -> Scored:
    """Scores all runs in files and folders of OTLP requests, joined over all of them; `-` is standard input.

    Raises nothing for what cannot be read: that is in `errors`, and the rest is scored.
    """
    from otelscore import __version__
    from otelscore.ingest.files import Decoded, Skipped, find_sources, read_requests
    from otelscore.model import Batch
    from otelscore.pipeline import Pipeline
    from otelscore.service import make_decoder, make_reader

    # Files are not refused, and their runs are in no hurry.
    config = dataclasses.replace(
        config or Config(),
        windows=(inf,),
        limits_open_spans=sys.maxsize,
        limits_rows=sys.maxsize,
        limits_label_values=sys.maxsize,
        limits_verdicts=sys.maxsize,
    )
    pipeline = Pipeline(config, __version__)
    scored = Scored()
    sources = find_sources(str(path) for path in paths)
    with _bar(sum(getattr(source, "size", 0) for source in sources), shown=progress) as advance:
        for item in read_requests(sources, make_decoder(config, make_reader(config, secrets.token_bytes(32)))):
            if isinstance(item, Decoded):
                pipeline.ingest(item.batch, 0.0)
                if item.batch.rejected:
                    scored.reason = scored.reason or f"{item.path}: {item.batch.reason}"
                    scored.rejected += item.batch.rejected
                advance(item.path, item.position)
            elif isinstance(item, Skipped):
                scored.skipped.append(f"{item.path}: {item.reason}")
            else:
                scored.errors.append(": ".join(filter(None, (item.path, item.where, item.reason))))
        scored.repeated = pipeline.ingest(Batch(verdicts=list(verdicts)), 0.0).count(Heard.DUPLICATE)
        scored.scores = sorted(pipeline.close_all(0.0), key=lambda score: (score.started_at, score.trajectory_id))
    for row in pipeline.rows():
        (scored.faulty if row.faults else scored.rows).append(row)
    scored.families = pipeline.figures(0.0)
    scored.verdicts = pipeline.verdicts.standings()
    return scored


def with_label(config: Config, name: str) -> tuple[Config, int]:
    """A configuration in which rows bear the attribute `name`, and its place among their labels.

    Raises:
        click.UsageError: it cannot be a label.
    """
    places = {"service": 0, "service.name": 0, "agent": 1}
    if name in places:
        return config, places[name]
    if name not in config.labels:
        config = dataclasses.replace(config, labels=(*config.labels, name))
    try:
        group_names(config.labels)
    except ValueError as error:
        raise click.UsageError(f"--by: {error}") from None
    return config, 2 + config.labels.index(name)


def read_verdicts(path: Path, config: Config) -> Iterator[Verdict]:
    """The verdicts in a file of JSON lines; one that is null says nothing.

    Raises:
        click.UsageError: a line cannot be read.
    """
    from otelscore.dialects.verdict_json import verdict_of_json
    from otelscore.model import SenderError

    now, evaluator = time.time_ns(), next(iter(config.verdicts_evaluators), "")
    try:
        lines = path.read_bytes().removeprefix(codecs.BOM_UTF8).splitlines()
    except OSError as error:
        raise click.UsageError(f"{path}: {error.strerror}") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            given = orjson.loads(line)
            if isinstance(given, dict) and given.get("verdict", ...) is None and "score" not in given:
                continue
            yield verdict_of_json(given, now, config.verdicts_threshold, evaluator)
        except orjson.JSONDecodeError as error:
            example = '{"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "verdict": "pass"}'
            raise click.UsageError(f"{path}: line {number}: no JSON ({error}); write it so: {example}") from None
        except SenderError as error:
            raise click.UsageError(f"{path}: line {number}: {error}") from None


class _bar:  # noqa: N801 - reads as the function that it stands for
    """A progress bar over the bytes of all files on standard error, where that is a terminal."""

    def __init__(self, total: int, *, shown: bool) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=not (shown and sys.stderr.isatty()),
        )
        self._task = self._progress.add_task("reading", total=total or None)
        self._read: dict[str, int] = {}
        self._total = 0

    def __enter__(self) -> Callable[[str, int], None]:
        self._progress.start()
        return self._advance

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def _advance(self, path: str, position: int) -> None:
        self._total += position - self._read.get(path, 0)
        self._read[path] = position
        self._progress.update(self._task, completed=self._total)
