"""The user's own attributes, from the settings `mapping.*`: looked at before those of any convention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from otelscore.dialects.genai import GENAI
from otelscore.dialects.kinds import ByValue
from otelscore.dialects.table import Dialect
from otelscore.model import Kind


@dataclass(frozen=True, slots=True)
class UserMapping:
    """What somebody calls things. Everything is optional."""

    kind: str = ""
    """The attribute that says what a span is."""
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    """Its values, in lower case; a span with any other value is read as if it had no such attribute."""
    sources: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Field of a `Dialect` -> attributes."""
    failed_if: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Attribute -> values, in lower case, that say that the span failed."""


def with_mapping(mapping: UserMapping, dialects: Sequence[Dialect]) -> tuple[Dialect, ...]:
    """The dialects with the user's attributes in front of their own.

    Where the user says what a span is, a dialect of the user's comes first, which looks further as GenAI does.
    """
    if mapping.kind and mapping.kinds:
        own = replace(GENAI, name="mapping", kinds=(ByValue(mapping.kind, mapping.kinds),))
        dialects = (own, *dialects)
    if not (mapping.sources or mapping.failed_if):
        return tuple(dialects)
    return tuple(_extended(mapping, dialect) for dialect in dialects)


def _extended(mapping: UserMapping, dialect: Dialect) -> Dialect:
    changes: dict[str, Any] = {name: (*own, *getattr(dialect, name)) for name, own in mapping.sources.items()}
    failed_if = dict(dialect.failed_if)
    for attribute, values in mapping.failed_if.items():
        failed_if[attribute] = failed_if.get(attribute, frozenset()) | values
    return replace(dialect, failed_if=failed_if, **changes)
