"""Options that several commands share."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from otelscore.config import ConfigError, Setting, load
from otelscore.config.forms import BOOL


def _token_of(_context: click.Context, _option: click.Parameter, file: Path | None) -> str:
    try:
        token = file.read_text("ascii").strip() if file else ""
    except (OSError, UnicodeDecodeError):
        raise click.BadParameter(f"{file} cannot be read as a text in ASCII") from None
    if not token.isprintable() or " " in token:
        raise click.BadParameter(f"{file} must hold one token, and nothing else")
    return token


token_file = click.option(
    "--token-file",
    "token",
    type=click.Path(path_type=Path, dir_okay=False),
    callback=_token_of,
    help="File that holds the token for the metrics address alone, where that wants one (metrics.auth.tokens_file).",
)
"""A file, since what is on a command line is seen by everybody on the machine. The command gets the token."""


def with_config(settings: Iterable[Setting] = ()) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorates a command that takes a Config as its first argument.

    It gets the option `--config FILE`, and the flag of every one of `settings` that has one. A wrong or unknown setting
    ends the command as wrong usage, with exit code 2.
    """
    flagged = {setting.field: setting for setting in settings if setting.flag}

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def wrapper(*args: Any, config: Path | None, **options: Any) -> Any:
            given = {setting.name: options.pop(field) for field, setting in flagged.items()}
            try:
                loaded = load(config, os.environ, {name: text for name, text in given.items() if text is not None})
            except ConfigError as error:
                raise click.UsageError(str(error)) from None
            return command(loaded, *args, **options)

        wrapped: Callable[..., Any] = wrapper
        for field, setting in reversed(flagged.items()):
            help_text = f"{setting.doc}  [default: {setting.default}]"
            without_value: dict[str, Any] = {"is_flag": True, "flag_value": "true"} if setting.form is BOOL else {}
            wrapped = click.option(setting.flag, field, help=help_text, **without_value)(wrapped)
        return click.option(
            "--config",
            type=click.Path(path_type=Path, dir_okay=False),
            help="YAML file with settings; OTELSCORE_* environment variables and flags beat it.",
        )(wrapped)

    return decorate
