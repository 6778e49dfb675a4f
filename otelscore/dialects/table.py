"""A dialect as a table of keys, and how a value is found by it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field, replace
from typing import Any

from otelscore.dialects import content
from otelscore.dialects.kinds import Rule
from otelscore.model import AttributeValue, RawSpan, Role


@dataclass(frozen=True, slots=True)
class EventField:
    """An attribute of a span event; of several events of that name the last counts."""

    event: str
    key: str


@dataclass(frozen=True, slots=True)
class Found:
    """A function that finds a value, asked only of spans that have what it looks at."""

    find: Callable[[RawSpan], AttributeValue]
    keys: frozenset[str] = frozenset()  # attributes of which the span has one
    prefixes: tuple[str, ...] = ()  # or how one begins
    events: bool = False  # or has an event

    def __call__(self, span: RawSpan) -> AttributeValue:
        return self.find(span)


Source = str | EventField | Callable[[RawSpan], AttributeValue]
"""Where a value is: a span attribute, an attribute of an event, or a function that finds it."""

Sources = tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class Dialect:
    """One convention for writing agent work into spans. Of several sources the first that has a value counts."""

    name: str
    kinds: tuple[Rule, ...]
    """What a span is; where none of them knows it, it does not speak this dialect."""
    tool_name: Sources
    call_id: Sources
    arguments: Sources
    result: Sources
    output: Sources
    """What a model or an agent said: text or messages."""
    agent: Sources
    model: Sources
    session: Sources
    offered: tuple[str, ...] = ()
    """Attributes whose presence says that a model call was offered tools."""
    input: Sources = ()
    """The messages that a model was given: their end tells the results of the calls that it had asked for."""
    retrieval_name: Sources = ()
    agent_in_name: re.Pattern[str] | None = None
    """What the whole name of an agent span looks like; group 1 is the agent's own name. None: it never tells."""
    tool_in_name: re.Pattern[str] | None = None
    """Likewise of a tool span; where it does not match, the whole name is the tool's. A group 1 that is empty says that
    the span is only a part of the call above it."""
    failed_if: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Attributes that say by one of these values that the span failed."""
    failed_not_in: tuple[str, ...] = ()
    """How the scopes begin in which these attributes say nothing."""
    skipped_if: Sources = ()
    """Any value of these says that the call was cancelled, denied or deferred, or waits for a human."""
    error: Sources = ()
    """The words of an error that is in no status, exception or result; where there are any, the span failed."""
    roles: Mapping[str, Mapping[str, Role]] = field(default_factory=dict)
    """Attributes by whose value a tool is more than its name tells."""
    keys: frozenset[str] = frozenset()
    """Attributes that only a function among the sources reads."""
    prefixes: tuple[str, ...] = ()
    """Likewise, by how they begin."""
    families: tuple[tuple[str, str], ...] = ()
    """Likewise, by how they begin and end."""
    cannot_show: str = ""
    """What nobody can read in its spans; for the documentation."""


@dataclass(frozen=True, slots=True)
class Context:
    """What an installation adds to reading."""

    key: bytes
    """Keys the hashes of arguments and messages; at least 16 random bytes."""
    soft_errors: tuple[re.Pattern[str], ...] = ()
    cluster_by: str = ""
    labels: frozenset[str] = frozenset()
    """Attributes that become labels of a run's metrics, where its agent span has them."""
    threshold: float = 0.5
    """The score from which an evaluation without a readable label passes."""
    speakers: frozenset[str] = frozenset()
    """Attributes that say on any span of a run whether its task was done."""


COMMON_KEYS = frozenset(
    {
        "error.type",
        "exception.type",
        "exception.message",
        "http.response.status_code",
        "http.status_code",
        "rpc.response.status_code",
        "otelscore.fault.kind",
        "otelscore.fault.noticed",
    }
)
"""Attributes of spans and events that are read in every dialect."""


SOURCES = (
    *("tool_name", "call_id", "arguments", "result", "input", "output", "agent", "model", "session"),
    *("retrieval_name", "error", "skipped_if"),
)
"""Fields of a `Dialect` that hold sources."""


def narrowed(dialect: Dialect, keys: Set[str], events: bool) -> Dialect:
    """The dialect less all that spans with these attributes, and with or without events, have nothing of."""

    def has(source: Source) -> bool:
        if isinstance(source, str):
            return source in keys
        if isinstance(source, EventField):
            return events
        if isinstance(source, Found):
            begun = bool(source.prefixes) and any(key.startswith(source.prefixes) for key in keys)
            return begun or not source.keys.isdisjoint(keys) or (source.events and events)
        return True

    changes: dict[str, Any] = {
        name: tuple(
            source.find if isinstance(source, Found) else source for source in getattr(dialect, name) if has(source)
        )
        for name in SOURCES
    }
    for name in ("failed_if", "roles"):
        changes[name] = {key: values for key, values in getattr(dialect, name).items() if key in keys}
    return replace(dialect, offered=tuple(key for key in dialect.offered if key in keys), **changes)


def first(span: RawSpan, sources: Sources) -> AttributeValue:
    """The value of the first source that has one, else None."""
    for source in sources:
        value: AttributeValue = None
        if isinstance(source, str):
            value = span.attributes.get(source)
        elif isinstance(source, EventField):
            if not span.events:
                continue
            for event in reversed(span.events):
                if event.name == source.event and source.key in event.attributes:
                    value = event.attributes[source.key]
                    break
        else:
            value = source(span)
        if value is not None:
            return value
    return None


def text(span: RawSpan, sources: Sources) -> str:
    """The same as text, "" where it is empty, hidden or not text; cut to 256 characters."""
    for source in sources:
        value = span.attributes.get(source) if isinstance(source, str) else first(span, (source,))
        if value is not None:
            return content.word(value)
    return ""
