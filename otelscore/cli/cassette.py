"""`otelscore cassette`: the tool calls in traces whose content was captured, as a cassette to play."""

from __future__ import annotations

import secrets
from pathlib import Path

import click

from otelscore.cli.options import with_config
from otelscore.config import Config
from otelscore.dialects import Registry
from otelscore.dialects.content import hidden, parse
from otelscore.faults.cassette import Call, Cassette, CassetteError
from otelscore.model import Kind, RawLog, RawSpan, Reading, SpanFacts, Verdict


class _Listener:
    """A registry that keeps the content of tool calls. A `Reader`."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self.calls: dict[tuple[bytes, bytes], tuple[int, bytes, Call | None]] = {}
        """Trace and span id -> start, parent, and the call where all of it was captured."""

    def wants(self, key: str) -> bool:
        return self._registry.wants(key)

    def read(self, span: RawSpan) -> Reading:
        reading = self._registry.read(span)
        if reading.kind is Kind.TOOL and not reading.fault:
            arguments, result = self._registry.content_of(span)
            call = None
            seconds = max(span.end - span.start, 0) / 1e9
            if not hidden(arguments) and reading.failure is not None:
                messages = [str(event.attributes.get("exception.message") or "") for event in span.events]
                message = next(filter(None, (*reversed(messages), span.message)), "")
                error = (reading.failure.error_type or "Exception", message)
                call = Call(reading.name, parse(arguments), None, error, seconds)
            elif not hidden(arguments) and not hidden(result):
                call = Call(reading.name, parse(arguments), parse(result), None, seconds)
            self.calls[span.trace_id, span.span_id] = (span.start, span.parent_id, call)
        return reading

    def read_log(self, log: RawLog) -> Verdict | SpanFacts | None:
        return self._registry.read_log(log)


@click.command(short_help="Make a cassette from traces whose content was captured.")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="TRACES...")
@click.option(
    "--output", "-o", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The cassette to write."
)
@with_config()
def cassette(config: Config, paths: tuple[Path, ...], output: Path) -> None:
    """Write the tool calls in TRACES (files and folders of OTLP requests) to a cassette, in the order of their start:
    arguments, results, errors and latencies. Calls without captured content, and those into which a fault was injected,
    are left out. The cassette holds that content in plain text.
    """
    from otelscore.ingest.files import Decoded, Skipped, find_sources, read_requests
    from otelscore.service import make_decoder, make_reader

    listener = _Listener(make_reader(config, secrets.token_bytes(32)))
    for item in read_requests(find_sources(str(path) for path in paths), make_decoder(config, listener)):
        if not isinstance(item, Decoded | Skipped):
            raise click.ClickException(": ".join(filter(None, (item.path, item.where, item.reason))))
    # Of several spans of one call (a tool's, and its MCP client's below it) the outermost is the call.
    outermost = sorted(
        (start, span_id, call)
        for (trace_id, span_id), (start, parent, call) in listener.calls.items()
        if call is not None and (trace_id, parent) not in listener.calls
    )
    found = [call for _, _, call in outermost]
    without = len(listener.calls) - len(found)
    try:
        Cassette(tuple(found)).save(output)
    except (OSError, CassetteError) as error:
        raise click.ClickException(f"{output}: {error}") from None
    click.echo(f"{len(found)} calls of {len({call.tool for call in found})} tools; {without} spans left out", err=True)
