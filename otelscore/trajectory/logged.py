"""What log records said about spans, held until the trace is final, or until nobody has come for it for a while."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Container, Mapping
from types import MappingProxyType

from otelscore.model import SpanFacts
from otelscore.trajectory.facts import merge

_NOTHING: Mapping[bytes, SpanFacts] = MappingProxyType({})


class Logged:
    """The facts of each trace by span id, in the order in which they are forgotten."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._traces: OrderedDict[bytes, tuple[float, dict[bytes, SpanFacts]]] = OrderedDict()
        self.spans = 0
        """Spans of which something is held."""

    def __contains__(self, trace_id: object) -> bool:
        return trace_id in self._traces

    def add(self, facts: SpanFacts, now: float) -> None:
        _, known = self._traces.pop(facts.trace_id, (0.0, {}))
        self.spans += facts.span_id not in known
        known[facts.span_id] = merge(known.get(facts.span_id, facts), facts)
        self._traces[facts.trace_id] = (now + self._patience, known)

    def of(self, trace_id: bytes) -> Mapping[bytes, SpanFacts]:
        """The facts of a trace."""
        _, known = self._traces.get(trace_id, (0.0, _NOTHING))
        return known

    def forget(self, trace_id: bytes) -> None:
        _, known = self._traces.pop(trace_id, (0.0, _NOTHING))
        self.spans -= len(known)

    def expire(self, now: float, awaited: Container[bytes]) -> None:
        """Forgets what nobody has come for, but for `awaited` traces."""
        for _ in range(len(self._traces)):  # each once, also where there is no patience
            trace_id, (until, known) = next(iter(self._traces.items()))
            if until > now:
                break
            if trace_id in awaited:
                self._traces[trace_id] = (now + self._patience, known)
                self._traces.move_to_end(trace_id)
            else:
                self.forget(trace_id)
