"""Options that several commands share."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from otelscore.config import ConfigError, Setting, load


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
            wrapped = click.option(setting.flag, field, help=help_text)(wrapped)
        return click.option(
            "--config",
            type=click.Path(path_type=Path, dir_okay=False),
            help="YAML file with settings; OTELSCORE_* environment variables and flags beat it.",
        )(wrapped)

    return decorate
