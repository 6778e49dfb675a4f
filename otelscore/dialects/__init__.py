"""Span -> Reading: what a span means in the convention that it is written in. One file per dialect.

What is exported here is what packages with dialects of their own build on (docs/dialects.md).
"""

from otelscore.dialects.genai import GENAI
from otelscore.dialects.kinds import ByFunction, ByName, ByPresence, ByValue
from otelscore.dialects.registry import DIALECTS, Registry
from otelscore.dialects.table import Context, Dialect, EventField
from otelscore.model import AttributeValue, Kind, RawEvent, RawSpan, Role

__all__ = [
    "DIALECTS",
    "GENAI",
    "AttributeValue",
    "ByFunction",
    "ByName",
    "ByPresence",
    "ByValue",
    "Context",
    "Dialect",
    "EventField",
    "Kind",
    "RawEvent",
    "RawSpan",
    "Registry",
    "Role",
]
