"""Dialects that other packages bring: entry points of the group `otelscore.dialects`, each a `Dialect`.

docs/dialects.md has an example. A package that cannot be used stops the start with an error that names it; a function
of a dialect that fails on a span is as if it had found nothing, and that is logged once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from functools import wraps
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import structlog

from otelscore.dialects import ByFunction, Context, Dialect, Registry
from otelscore.model import RawSpan

GROUP = "otelscore.dialects"

log = structlog.stdlib.get_logger(__name__)


class PluginError(RuntimeError):
    """A package brings a dialect that cannot be used; the message names both and says why."""


def load_dialects() -> tuple[Dialect, ...]:
    """The dialects of all installed packages, by name of the entry point. Raises PluginError."""
    return tuple(_load(entry) for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name))


def _load(entry: EntryPoint) -> Dialect:
    package = entry.dist.name if entry.dist is not None else "unknown"
    where = f"dialect {entry.name} ({entry.value}) of the package {package}"
    try:
        found = entry.load()
    except Exception as error:  # whatever a foreign module does when it is imported
        raise PluginError(f"{where} cannot be loaded: {type(error).__name__}: {error}") from None
    if not isinstance(found, Dialect):
        raise PluginError(f"{where} is a {type(found).__name__}, expected an otelscore.dialects.Dialect")
    try:
        guarded = _guarded(found)
        Registry(Context(key=bytes(16)), (guarded,))
    except Exception as error:  # a field that holds something else than its type says
        raise PluginError(f"{where} is not well-formed: {type(error).__name__}: {error}") from None
    return guarded


def _guarded(dialect: Dialect) -> Dialect:
    """The dialect with every function among its rules and sources kept from failing."""
    changes: dict[str, Any] = {
        "kinds": tuple(
            replace(rule, find=_guard(rule.find, dialect.name)) if isinstance(rule, ByFunction) else rule
            for rule in dialect.kinds
        )
    }
    for field in fields(Dialect):
        value = getattr(dialect, field.name)
        if isinstance(value, tuple) and any(map(callable, value)):
            changes[field.name] = tuple(_guard(one, dialect.name) if callable(one) else one for one in value)
    return replace(dialect, **changes)


def _guard(function: Callable[[RawSpan], Any], dialect: str) -> Callable[[RawSpan], Any]:
    failed = False

    @wraps(function)
    def guarded(span: RawSpan) -> Any:
        nonlocal failed
        try:
            return _plain(function(span))
        except Exception as error:  # its message may hold content
            if not failed:
                failed = True
                name = getattr(function, "__name__", "?")
                log.error("a dialect failed on a span", dialect=dialect, function=name, error=type(error).__name__)
            return None

    return guarded


def _plain(found: Any) -> Any:
    """The same of dicts and lists alone: what is compiled takes no other kinds of them."""
    if isinstance(found, dict):
        return {key: _plain(value) for key, value in found.items()}
    return [_plain(value) for value in found] if isinstance(found, list) else found
