"""Laminar's SDKs: `lmnr.span.type`, on spans that say nothing else about themselves.

Source: lmnr-ai/lmnr-python and lmnr-ai/lmnr-ts. What their instrumentations of model clients write is OpenLLMetry's or
the GenAI conventions', which come first.
"""

from __future__ import annotations

from otelscore.dialects.kinds import ByFunction, ByValue
from otelscore.dialects.patterns import AGENT_NAME
from otelscore.dialects.table import Dialect
from otelscore.model import Kind, RawSpan

TYPES: dict[str, Kind] = {"llm": Kind.MODEL, "cached": Kind.MODEL, "tool": Kind.TOOL}
"""lmnr.span.type in lower case; every other one (DEFAULT, EXECUTOR, EVALUATOR, ...) is a wrapper."""

_TYPE = "lmnr.span.type"


def _root(span: RawSpan) -> Kind | None:
    return Kind.LOOP if not span.parent_id and span.attributes.get(_TYPE) == "DEFAULT" else None


LAMINAR = Dialect(
    name="laminar",
    kinds=(
        ByFunction(_root, "a plain span at the root", frozenset({_TYPE})),
        ByValue(_TYPE, TYPES, otherwise=Kind.WRAPPER),
    ),
    tool_name=(),
    call_id=(),
    arguments=("lmnr.span.input",),
    result=("lmnr.span.output",),
    input=("lmnr.span.input",),
    output=("lmnr.span.output",),
    agent=(),
    agent_in_name=AGENT_NAME,
    model=("gen_ai.request.model", "gen_ai.response.model"),
    session=("lmnr.association.properties.session_id",),
    cannot_show="Ids of calls.",
)
