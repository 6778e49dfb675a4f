"""Braintrust's OpenTelemetry SDKs (Go, Java, Ruby, C#): the type in `braintrust.span_attributes`, which is JSON.

Source: braintrustdata/braintrust-sdk-go, -java and -ruby; others flatten it to `braintrust.span_attributes.type`.
"""

from __future__ import annotations

from otelscore.dialects.content import parse
from otelscore.dialects.kinds import ByFunction
from otelscore.dialects.patterns import AGENT_NAME
from otelscore.dialects.table import Dialect
from otelscore.model import AttributeValue, Kind, RawSpan

TYPES: dict[str, Kind] = {"llm": Kind.MODEL, "tool": Kind.TOOL}
"""The type; every other one (task, function, eval, score, ...) is a wrapper."""

_ATTRIBUTES, _FLAT, _METADATA = "braintrust.span_attributes", "braintrust.span_attributes.type", "braintrust.metadata"


def _field(span: RawSpan, key: str, name: str) -> AttributeValue:
    value = parse(span.attributes.get(key))
    return value.get(name) if isinstance(value, dict) else None


def _kind(span: RawSpan) -> Kind | None:
    given = span.attributes.get(_FLAT) or _field(span, _ATTRIBUTES, "type")
    if not isinstance(given, str):
        return None
    return Kind.LOOP if given == "task" and not span.parent_id else TYPES.get(given, Kind.WRAPPER)


BRAINTRUST = Dialect(
    name="braintrust",
    kinds=(ByFunction(_kind, f"the type in {_ATTRIBUTES}", frozenset({_ATTRIBUTES, _FLAT})),),
    tool_name=("gen_ai.tool.name",),
    call_id=("gen_ai.tool.call.id",),
    arguments=("braintrust.input_json", "braintrust.input"),
    result=("braintrust.output_json", "braintrust.output"),
    input=("braintrust.input_json", "braintrust.input"),
    output=("braintrust.output_json", "braintrust.output"),
    agent=("gen_ai.agent.name",),
    agent_in_name=AGENT_NAME,
    model=("gen_ai.request.model", lambda span: _field(span, _METADATA, "model")),
    session=("session.id", "gen_ai.conversation.id"),
    keys=frozenset({_METADATA}),
    cannot_show="Agents: a topmost task counts as one where tools work in it.",
)
