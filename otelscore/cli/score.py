"""`otelscore score`: the runs in files, scored as the service would."""

from __future__ import annotations

import dataclasses
import secrets
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import click
import orjson
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from otelscore.cli.options import with_config
from otelscore.config import Config
from otelscore.model import Score


@dataclass(slots=True)
class Scored:
    """What files gave."""

    scores: list[Score] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)  # "path: where: why", one for each part that could not be read
    skipped: list[str] = field(default_factory=list)  # files in folders that are not OTLP
    rejected: int = 0  # spans and log records that were bad
    reason: str = ""  # why the first of them was


def score_paths(paths: Iterable[Path], config: Config | None = None, *, progress: bool = False) -> Scored:
    """Scores all runs in files and folders of OTLP requests, joined over all of them; `-` is standard input.

    Raises nothing for what cannot be read: that is in `errors`, and the rest is scored.
    """
    from otelscore import __version__
    from otelscore.ingest.files import Decoded, Skipped, find_sources, read_requests
    from otelscore.pipeline import Pipeline
    from otelscore.service import make_decoder

    config = dataclasses.replace(config or Config(), limits_open_spans=sys.maxsize)  # files are not refused
    pipeline = Pipeline(config, __version__)
    scored = Scored()
    sources = find_sources(str(path) for path in paths)
    with _bar(sum(getattr(source, "size", 0) for source in sources), shown=progress) as advance:
        for item in read_requests(sources, make_decoder(config, secrets.token_bytes(32))):
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
        scored.scores = sorted(pipeline.close_all(0.0), key=lambda score: (score.started_at, score.trajectory_id))
    return scored


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


@click.command(short_help="Score the agent runs in files of OTLP requests.")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH...")
@click.option("--json", "as_json", is_flag=True, help="Print one score a line as JSON.")
@with_config()
def score(config: Config, paths: tuple[Path, ...], as_json: bool) -> None:
    """Score the agent runs in files: protobuf requests (.binpb, .pb), OTLP/JSON documents (.json) and JSON lines
    (.jsonl, .ndjson), each also with .gz; folders of them; - for standard input. A run may be spread over all of them.
    """
    from otelscore.cli.report import print_report

    result = score_paths(paths, config, progress=True)
    if as_json:
        for one in result.scores:
            click.echo(orjson.dumps(one.as_dict()))
    else:
        print_report(result.scores, config.horizons)
    _complain(result)


def _complain(result: Scored) -> None:
    if result.skipped:
        click.echo(f"Skipped {len(result.skipped)} files that are not OTLP; the first: {result.skipped[0]}", err=True)
    if result.rejected:
        click.echo(f"Warning: {result.rejected} bad records were left out; the first: {result.reason}", err=True)
    for error in result.errors:
        click.echo(f"Error: {error}", err=True)
    if result.errors:
        sys.exit(2)
