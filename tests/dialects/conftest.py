"""Spans by hand, and what the registry reads in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pytest

from otelscore.dialects import Context, Registry
from otelscore.model import UNSET, AttributeValue, Origin, RawEvent, RawSpan, Reading

KEY = bytes(range(16))

MakeSpan = Callable[..., RawSpan]
Read = Callable[..., Reading]


@pytest.fixture
def make_span() -> MakeSpan:
    def make(
        name: str = "span",
        attributes: Mapping[str, AttributeValue] | None = None,
        *,
        events: Sequence[tuple[str, Mapping[str, AttributeValue]]] = (),
        status: int = UNSET,
        message: str = "",
        scope: str = "test",
        parent: bytes = b"",
        resource: Mapping[str, str] | None = None,
        links: tuple[tuple[bytes, bytes], ...] = (),
    ) -> RawSpan:
        return RawSpan(
            trace_id=b"t" * 16,
            span_id=b"s" * 8,
            parent_id=parent,
            name=name,
            kind=1,
            flags=0x100,
            start=1,
            end=2,
            status=status,
            message=message,
            attributes=dict(attributes or {}),
            events=[RawEvent(event, 7, dict(fields)) for event, fields in events],
            links=links,
            origin=Origin("shop", scope, dict(resource or {})),
        )

    return make


@pytest.fixture
def read(make_span: MakeSpan) -> Read:
    """What the registry reads in the span that `make_span` makes of the same arguments, as the decoder hands it on."""
    registry = Registry(Context(key=KEY))

    def read_span(*args: object, **kwargs: object) -> Reading:
        span = make_span(*args, **kwargs)
        for holder in (span, *span.events):
            holder.attributes = {key: value for key, value in holder.attributes.items() if registry.wants(key)}
        return registry.read(span)

    return read_span
