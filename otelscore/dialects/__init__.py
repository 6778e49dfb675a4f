"""Span -> Reading: what a span means in the convention that it is written in. One file per dialect."""

from otelscore.dialects.registry import DIALECTS, Registry
from otelscore.dialects.table import Context, Dialect, EventField

__all__ = ["DIALECTS", "Context", "Dialect", "EventField", "Registry"]
