"""`otelscore score`: the runs in files, scored as the service would."""

from __future__ import annotations

from pathlib import Path

import click
import orjson

from otelscore.cli.batch import complain, read_verdicts, score_paths, with_label
from otelscore.cli.options import with_config
from otelscore.cli.plot import check_plot, draw
from otelscore.config import Config


@click.command(short_help="Score the agent runs in files of OTLP requests.")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH...")
@click.option("--json", "as_json", is_flag=True, help="Print one score a line as JSON.")
@click.option(
    "--prometheus", "as_metrics", is_flag=True, help='Print the figures as /metrics would, with window="all".'
)
@click.option(
    "--verdicts",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="JSON lines that say whether tasks were done: trace_id (or trajectory_id, session_id), verdict (pass, fail).",
)
@click.option(
    "--by",
    default="agent",
    show_default=True,
    metavar="NAME",
    help="Break the figures down by agent, tool, model or an attribute such as service.version.",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.png|svg",
    help="Draw how far runs come: survival, the naive p^N, and what verdicts project.",
)
@with_config()
def score(
    config: Config,
    paths: tuple[Path, ...],
    as_json: bool,
    as_metrics: bool,
    verdicts: Path | None,
    by: str,
    plot: Path | None,
) -> None:
    """Score the agent runs in files: protobuf requests (.binpb, .pb), OTLP/JSON documents (.json) and JSON lines
    (.jsonl, .ndjson), each also with .gz; folders of them; - for standard input. A run may be spread over all of them.
    """
    if as_json and as_metrics:
        raise click.UsageError("--json and --prometheus exclude each other")
    config, at = with_label(config, "agent" if by == "tool" else by)
    if plot is not None:
        check_plot(plot)
    result = score_paths(paths, config, read_verdicts(verdicts, config) if verdicts else (), progress=True)
    if as_json:
        for one in result.scores:
            click.echo(orjson.dumps(one.as_dict()))
    elif as_metrics:
        from otelscore.export.prometheus import text_of

        click.echo(text_of(result.families), nl=False)
    else:
        from otelscore.cli.report import print_report

        print_report(result, config.horizons, by, at)
    if plot is not None:
        draw(result.rows, plot)
    complain(result)
