"""What a span is, by rules that each look at one thing.

A rule is asked only where it can apply: where the span has one of its `keys`, or comes from one of its `scopes`; one
that has neither is asked of every span. Of a dialect's rules the first that knows the span decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from otelscore.model import Kind, RawSpan


@dataclass(frozen=True)
class ByValue:
    """By the value of an attribute, in lower case and without JSON's quotes."""

    key: str
    kinds: Mapping[str, Kind]
    otherwise: Kind | None = None  # what any other value says
    scopes: tuple[str, ...] = ()  # how the scope must begin; (): any

    @property
    def keys(self) -> frozenset[str]:
        return frozenset({self.key})

    @property
    def says(self) -> str:
        return f"the value of {self.key}"

    def find(self, span: RawSpan) -> Kind | None:
        value = span.attributes.get(self.key)
        if not isinstance(value, str) or not value or not span.origin.scope.startswith(self.scopes or ""):
            return None
        return self.kinds.get(value) or self.kinds.get(value.strip('"').lower(), self.otherwise)


@dataclass(frozen=True)
class ByPresence:
    """By an attribute that only one kind has."""

    keys: frozenset[str]
    kind: Kind
    scopes: tuple[str, ...] = ()

    @property
    def says(self) -> str:
        return f"the presence of {' or '.join(sorted(self.keys))}"

    def find(self, span: RawSpan) -> Kind | None:
        found = not self.keys.isdisjoint(span.attributes) and span.origin.scope.startswith(self.scopes or "")
        return self.kind if found else None


@dataclass(frozen=True)
class ByName:
    """By how the span's name begins, where it has one of `keys` or comes from one of `scopes` (neither: anywhere)."""

    prefixes: tuple[tuple[str, Kind], ...]
    keys: frozenset[str] = frozenset()
    scopes: tuple[str, ...] = ()

    @property
    def says(self) -> str:
        return "the name of the span"

    def find(self, span: RawSpan) -> Kind | None:
        for prefix, kind in self.prefixes:
            if span.name.startswith(prefix):
                return kind if self._is_here(span) else None
        return None

    def _is_here(self, span: RawSpan) -> bool:
        if not (self.keys or self.scopes):
            return True
        inside = bool(self.scopes) and span.origin.scope.startswith(self.scopes)
        return inside or not self.keys.isdisjoint(span.attributes)


@dataclass(frozen=True, slots=True)
class ByHabit:
    """By a value that one instrumentation gives to spans of such names, where it means another kind than others do."""

    scope: str  # how the scope begins
    key: str
    value: str  # in lower case
    names: re.Pattern[str]  # what the whole name of the span looks like
    kind: Kind
    keys: frozenset[str] = frozenset()

    @property
    def scopes(self) -> tuple[str, ...]:
        return (self.scope,)

    @property
    def says(self) -> str:
        return f"the name of the span beside {self.key}"

    def find(self, span: RawSpan) -> Kind | None:
        given = str(span.attributes.get(self.key, "")).lower() == self.value
        return self.kind if given and self.names.fullmatch(span.name) else None


@dataclass(frozen=True, slots=True)
class ByFunction:
    """By a function, where one look is not enough."""

    find: Callable[[RawSpan], Kind | None]
    says: str
    keys: frozenset[str] = frozenset()
    scopes: tuple[str, ...] = ()


Rule = ByValue | ByPresence | ByName | ByHabit | ByFunction
