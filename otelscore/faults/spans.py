"""The span of a call, and the mark that it bears where a fault goes into the call.

A fault that no figure can see is worse than none: the run would count as the agent's own work. So none goes into a call
without a span that is recorded.
"""

from __future__ import annotations

import sys

from opentelemetry.trace import Span, get_current_span

from otelscore.faults.engine import Fault

FAULT_KIND, FAULT_ID = "otelscore.fault.kind", "otelscore.fault.id"
"""Attributes of the span of a call into which a fault was injected."""


def span_of_call() -> Span | None:
    """The innermost span around the caller that is recorded, if any."""
    around = [span for span in (get_current_span(), _langchain_span()) if span is not None]
    return max((span for span in around if span.is_recording()), key=_start, default=None)


def mark(fault: Fault, span: Span) -> None:
    """Writes on a span that a fault was injected into its call."""
    span.set_attributes({FAULT_KIND: fault.kind, FAULT_ID: fault.dice.fault_id})


def _langchain_span() -> Span | None:
    """OpenInference's spans of LangChain are never current in OpenTelemetry; it tells of them itself."""
    module = sys.modules.get("openinference.instrumentation.langchain")
    found = module.get_current_span() if module is not None and "langchain_core" in sys.modules else None
    return found if isinstance(found, Span) else None


def _start(span: Span) -> int:
    return getattr(span, "start_time", None) or 0
