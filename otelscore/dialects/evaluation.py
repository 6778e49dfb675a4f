"""Evaluations in telemetry: what somebody outside, or the agent itself, says about a run, as `Verdict`s.

One that cannot be read is a verdict too, with `passed` None, so that it can be counted. Explanations are content and
are not read.

Sources: OpenTelemetry GenAI semantic conventions 1.38 and later, event `gen_ai.evaluation.result`; Bedrock AgentCore
Evaluations, which writes that event as log records; Arize-ai/openinference, spec/annotations.md.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Set
from itertools import product
from math import isfinite

from otelscore.dialects.content import MAX_WORD, word
from otelscore.dialects.patterns import VERDICT_LABELS
from otelscore.model import Attributes, AttributeValue, Kind, RawSpan, Verdict

EVALUATION_EVENT = "gen_ai.evaluation.result"

_LEVEL = "aws.bedrock_agentcore.evaluation_level"
_SPAN_KIND = "openinference.span.kind"
_SESSION = "session.id"

_KEYS = frozenset(
    {
        "gen_ai.evaluation.name",
        "gen_ai.evaluation.score.label",
        "gen_ai.evaluation.score.value",
        "gen_ai.response.id",
        _LEVEL,
        _SPAN_KIND,
        _SESSION,
    }
)

_SCOPES, _TERMS = ("", "trace.", "session."), ("annotation", "evaluation")
_FLATTENED = re.compile(r"(trace\.|session\.|)(annotation|evaluation)s\.(\d{1,6})\.\2\.(name|label|score)", re.ASCII)
"""OpenInference: scope, term, index and field."""

FLATTENED = frozenset(f"{scope}{term}s.0.{term}.name" for scope, term in product(_SCOPES, _TERMS))
"""Attributes of which a span has one where it has flattened evaluations: indices begin with 0, names are required."""


def is_read(key: str) -> bool:
    """Whether an attribute, of a span, an event or a log record, tells of an evaluation."""
    return key in _KEYS or _FLATTENED.fullmatch(key) is not None


def verdict_of_event(attributes: Attributes, time: int, trace_id: bytes, span_id: bytes, threshold: float) -> Verdict:
    """What an evaluation event says of the span whose id it carries, or of what its attributes name.

    AgentCore's records say by their level whether they judge a session, a trace or something smaller, whatever else
    they name. `gen_ai.response.id` may be the id of the trace.
    """
    session, level = word(attributes.get(_SESSION)), str(attributes.get(_LEVEL) or "").lower()
    at_span = bool(trace_id and span_id)
    if level == "session" and session:
        trace_id = span_id = b""
    elif level in ("trace", "session") or not (level or at_span):
        trace_id, span_id = _trace_id(attributes.get("gen_ai.response.id")) or trace_id, b""
    elif not at_span:  # one of the tool calls there, nobody knows which
        trace_id, session = b"", ""
    label, score = attributes.get("gen_ai.evaluation.score.label"), attributes.get("gen_ai.evaluation.score.value")
    name = str(attributes.get("gen_ai.evaluation.name") or "")[:MAX_WORD]
    return Verdict(name, passes(label, score, threshold), time, trace_id, span_id, session)


def verdicts_of_span(span: RawSpan, kind: Kind, threshold: float, speakers: Set[str]) -> Iterator[Verdict]:
    """All verdicts that a span bears, as events, flattened or in the attributes that `speakers` names.

    An event is of its own time, all others are of the end of the span.
    """
    trace_id, span_id = _judged(span, kind)
    for event in span.events:
        if event.name == EVALUATION_EVENT:
            yield verdict_of_event(event.attributes, event.time, trace_id, span_id, threshold)
    time = span.end or span.start
    if not FLATTENED.isdisjoint(span.attributes):
        for scope, said in _flattened(span.attributes):
            name = str(said.get("name") or "")[:MAX_WORD]
            passed = passes(said.get("label"), said.get("score"), threshold)
            if scope == "session.":
                yield Verdict(name, passed, time, session=word(span.attributes.get(_SESSION)))
            else:
                yield Verdict(name, passed, time, trace_id, b"" if scope else span_id)
    for name in sorted(speakers & span.attributes.keys()):
        value = span.attributes[name]
        yield Verdict(name, passes(value, value, threshold), time, span.trace_id, span.span_id)


def passes(label: object, score: object, threshold: float) -> bool | None:
    """The label where it is a known word, or a boolean, else whether the score reaches the threshold; None: neither."""
    passed = VERDICT_LABELS.get(str(label).strip().lower()) if label is not None else None
    if passed is None:
        number = _number(score)
        passed = None if number is None else number >= threshold
    return passed


def _judged(span: RawSpan, kind: Kind) -> tuple[bytes, bytes]:
    """Trace and span id of what a span's evaluations are about; empty where nobody can tell.

    A span that was made to carry evaluations of another one links to that one, and to no other. Below which span it was
    made says nothing. OpenInference marks most of them as evaluators.
    """
    given = str(span.attributes.get(_SPAN_KIND, "")).upper()
    if span.links and (given == "EVALUATOR" or (kind is Kind.OTHER and len(span.links) == 1)):
        return span.links[0] if len(span.links) == 1 else (b"", b"")
    return span.trace_id, span.span_id


def _flattened(attributes: Attributes) -> Iterator[tuple[str, dict[str, AttributeValue]]]:
    """(scope, field -> value) of each evaluation."""
    found: dict[tuple[str, ...], dict[str, AttributeValue]] = defaultdict(dict)
    for key, value in attributes.items():
        parts = _FLATTENED.fullmatch(key)
        if parts is not None:
            scope, term, index, name = parts.groups()
            found[scope, term, index][name] = value
    return ((scope, said) for (scope, _, _), said in found.items())


def _number(value: object) -> float | None:
    if not isinstance(value, (int, float, str)):  # a bool is a score of 0 or 1
        return None
    try:
        score = float(value)
    except (ValueError, OverflowError):
        return None
    return score if isfinite(score) else None


def _trace_id(value: AttributeValue) -> bytes:
    if isinstance(value, str) and re.fullmatch(r"(?!0{32})[0-9a-fA-F]{32}", value):
        return bytes.fromhex(value)
    return b""
