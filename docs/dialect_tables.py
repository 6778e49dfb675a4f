"""Writes the part of docs/dialects.md that is made of the dialects' tables. Run it from the project's root."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

from otelscore.dialects import (
    DIALECTS,
    ByFunction,
    ByName,
    ByPresence,
    ByValue,
    Context,
    Dialect,
    EventField,
    Registry,
)
from otelscore.dialects.table import Found, Source

PAGE = Path(__file__).with_name("dialects.md")
HEADING = "## What is read from where\n"
READER = Registry(Context(key=bytes(16)))

FIELDS = {
    "tool_name": "tool",
    "call_id": "call id",
    "arguments": "arguments",
    "result": "result",
    "input": "what a model was told",
    "output": "what was said",
    "agent": "agent",
    "model": "model",
    "retrieval_name": "retrieval",
    "session": "session",
    "skipped_if": "neither success nor failure",
    "error": "error",
}
"""Field of a dialect -> what it is called here, in this order."""


def render() -> str:
    """The whole part, with its heading."""
    return HEADING + "\n" + "\n".join(_dialect(dialect) for dialect in DIALECTS)


def _dialect(dialect: Dialect) -> str:
    about = inspect.getdoc(importlib.import_module(f"otelscore.dialects.{dialect.name}")) or ""
    lines = [f"### {dialect.name}", "", about, ""]
    lines += ["| what | where |", "| --- | --- |"]
    lines += [f"| what a span is | {'; '.join(_rule(rule) for rule in dialect.kinds)} |"]
    for field, name in FIELDS.items():
        sources = getattr(dialect, field)
        if sources:
            lines.append(f"| {name} | {'; '.join(_source(source) for source in sources)} |")
    if dialect.failed_if:
        flags = (f"`{key}` is {' or '.join(sorted(values))}" for key, values in dialect.failed_if.items())
        lines.append(f"| failed, whatever the status | {'; '.join(flags)} |")
    if dialect.cannot_show:
        lines.append(f"| cannot be seen | {dialect.cannot_show} |")
    return "\n".join(lines) + "\n"


def _rule(rule: object) -> str:
    if isinstance(rule, ByValue):
        by_kind: dict[str, list[str]] = {}
        for value, kind in rule.kinds.items():
            by_kind.setdefault(kind, []).append(value)
        said = ", ".join(f"{kind}: {' '.join(f'`{value}`' for value in values)}" for kind, values in by_kind.items())
        rest = f", any other: {rule.otherwise}" if rule.otherwise else ""
        return f"`{rule.key}`{_scopes(rule.scopes)} ({said}{rest})"
    if isinstance(rule, ByPresence):
        return f"{' or '.join(f'`{key}`' for key in sorted(rule.keys))}{_scopes(rule.scopes)} ({rule.kind})"
    if isinstance(rule, ByName):
        names: dict[str, list[str]] = {}
        for prefix, kind in rule.prefixes:
            names.setdefault(kind, []).append(prefix.strip() or "any")
        said = ", ".join(f"{kind}: {' '.join(f'`{name}`' for name in given)}" for kind, given in names.items())
        return f"how its name begins{_scopes(rule.scopes)} ({said})"
    says = getattr(rule, "says", "")
    scopes = rule.scopes if isinstance(rule, ByFunction) else ()
    return says + _scopes(scopes)


def _scopes(scopes: tuple[str, ...]) -> str:
    return f" in the scope {' or '.join(f'`{scope}`' for scope in scopes)}" if scopes else ""


def _source(source: Source) -> str:
    if isinstance(source, str):
        return f"`{source}`"
    if isinstance(source, EventField):
        return f"event `{source.event}`: `{source.key}`"
    source = source.find if isinstance(source, Found) else source
    read = sorted(key for key in _strings(source, 3) if READER.wants(key))
    keys = [key for key in read if "." in key] or read  # the others are mostly fields inside of these
    about = (inspect.getdoc(source) or "").partition("\n")[0].partition(": ")[0].rstrip(".")
    found = f"in {', '.join(f'`{key}`' for key in keys)}" if keys else "in the name of the span"
    return f"{found} ({about[0].lower()}{about[1:]})" if about else found


def _strings(function: object, levels: int) -> set[str]:
    """All texts in a function, in what it names and in the functions of ours that it calls."""
    if not inspect.isfunction(function) or levels == 0:
        return set()
    found: set[str] = set()
    for value in (*function.__code__.co_consts, *inspect.getclosurevars(function).globals.values()):
        if isinstance(value, (str, tuple, frozenset)):
            found |= {value} if isinstance(value, str) else {item for item in value if isinstance(item, str)}
        elif getattr(value, "__module__", "") == function.__module__:
            found |= _strings(value, levels - 1)
    return found


if __name__ == "__main__":
    text = PAGE.read_text("utf-8")
    PAGE.write_text(text[: text.index(HEADING)] + render() if HEADING in text else text + render(), "utf-8")
