"""`otelscore drift`: makes recorded read-only calls again, and says what the tools answer differently now."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import orjson
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from otelscore.faults.cassette import Call
    from otelscore.faults.drift import Drift


class _NothingComparedError(click.ClickException):
    exit_code = 2


@click.command(short_help="Make recorded calls again and report what has changed.")
@click.argument("cassette", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.option("--url", metavar="URL", help="The MCP server, where it speaks streamable HTTP.")
@click.option(
    "--read-only",
    multiple=True,
    metavar="PATTERN",
    help="Tools that may be called, besides those that the server marks as read-only.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=60,
    show_default=True,
    help="Seconds for an answer; a call without one has failed.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one tool a line as JSON.")
def drift(
    cassette: Path,
    command: tuple[str, ...],
    url: str | None,
    read_only: tuple[str, ...],
    timeout: float,
    as_json: bool,
) -> None:
    """Make the calls of CASSETTE to read-only tools again, at the MCP server that COMMAND starts (after --) or that is
    at --url, and report per tool what has changed: fields and types of results, errors, latency. Exit code 1:
    something has, or more calls fail; 2: nothing could be compared.
    """
    if bool(url) == bool(command):
        raise click.UsageError("name the server: a command after --, or --url")
    try:
        import anyio

        from otelscore.faults.cassette import Cassette, CassetteError
        from otelscore.faults.drift import compare
        from otelscore.faults.transports import first_of

        calls = [call for call in Cassette.load(cassette) if not call.tool.startswith("mcp:")]
        before, now, spared = anyio.run(_call_again, calls, command, url, read_only, timeout)
    except ImportError as error:
        raise _NothingComparedError(f"{error}; install it: pip install 'otelscore[faults]'") from None
    except CassetteError as error:
        raise click.UsageError(str(error)) from None
    except Exception as error:  # of the SDK's transports, one in groups of others
        raise _NothingComparedError(f"the server cannot be reached: {first_of(error)}") from None
    found = compare(before, now)
    if as_json:
        for one in found:
            click.echo(orjson.dumps(asdict(one)))
    else:
        _print(found)
    if spared:
        click.echo(f"Not called, since nobody says that they are read-only: {', '.join(sorted(spared))}", err=True)
    if not found:
        raise _NothingComparedError("the cassette has no call of a read-only tool; name some with --read-only")
    sys.exit(any(one.has_changed for one in found))


async def _call_again(
    calls: Sequence[Call], command: Sequence[str], url: str | None, patterns: Sequence[str], seconds: float
) -> tuple[list[Call], list[Call], set[str]]:
    """(the recorded calls that were made again, what they gave now, the tools that were spared)."""
    from mcp import ClientSession
    from mcp.client.stdio import StdioServerParameters, stdio_client
    from mcp.client.streamable_http import streamable_http_client
    from mcp.shared.exceptions import MCPError
    from mcp.types import PaginatedRequestParams

    from otelscore.faults.cassette import Call
    from otelscore.faults.mcp_results import ERROR

    if url:
        transport: Any = streamable_http_client(url)
    else:
        started = StdioServerParameters(command=command[0], args=list(command[1:]), env=dict(os.environ))
        transport = stdio_client(started)
    logging.getLogger("mcp").setLevel(logging.CRITICAL)  # what it would log with tracebacks is said below
    before, now = [], []
    async with transport as (read, write), ClientSession(read, write, read_timeout_seconds=seconds) as client:
        await client.initialize()
        page = await client.list_tools()
        listed = page.tools
        while page.next_cursor:
            page = await client.list_tools(params=PaginatedRequestParams(cursor=page.next_cursor))
            listed += page.tools
        allowed = {tool.name for tool in listed if tool.annotations and tool.annotations.read_only_hint}
        for call in calls:
            if call.tool not in allowed and not any(fnmatchcase(call.tool, pattern) for pattern in patterns):
                continue
            began = time.perf_counter()
            result, error = None, None
            try:
                answer = await client.call_tool(call.tool, call.arguments)
                result = answer.model_dump(mode="json", by_alias=True, exclude_none=True)
            except (MCPError, RuntimeError) as raised:  # the latter: a result that breaks the tool's own schema
                error = (ERROR, orjson.dumps(str(raised)).decode())
            before.append(call)
            now.append(Call(call.tool, call.arguments, result, error, time.perf_counter() - began))
    return before, now, {call.tool for call in calls} - {call.tool for call in before}


def _print(found: Sequence[Drift]) -> None:
    console = Console(highlight=False)
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("tool", "calls", "errors", "now", "latency", "now", "changed in results"):
        table.add_column(name, overflow="fold")
    for one in found:
        table.add_row(
            one.tool,
            str(one.calls),
            *(f"{share:.0%}" for share in one.errors),
            *(f"{seconds * 1000:.1f} ms" for seconds in one.seconds),
            "\n".join(one.changes) or "-",
        )
    if not console.is_terminal:
        console.width = 10_000  # a pipe has no edge to wrap at
    console.print(table)
