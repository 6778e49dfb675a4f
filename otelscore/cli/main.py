"""`otelscore`: the group of all commands. A command is imported only when it is asked for, so that each starts fast."""

from __future__ import annotations

import importlib
import signal
from typing import Any

import click

from otelscore import __version__

COMMANDS = (
    *("serve", "score", "compare", "explain", "project", "demo", "doctor"),
    *("trial", "fault-proxy", "cassette", "drift"),
)
"""Each is the attribute of that name, with _ for -, in the module of that name in this package."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        attribute = name.replace("-", "_")
        command: click.Command = getattr(importlib.import_module(f"otelscore.cli.{attribute}"), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            raise click.NoSuchCommand(error.command_name, possibilities=COMMANDS, ctx=ctx) from None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            ctx.exit(128 + signal.SIGINT)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
def main() -> None:
    """Scores AI-agent runs from their OpenTelemetry traces."""
