"""Haystack's own tracing, 2.x and 3.x: spans told apart by their names alone, in a scope that the user names.

Sources: deepset-ai/haystack, haystack/components/agents, haystack/core/pipeline, haystack/tracing, as of 2.12 to 3.4.
Up to 2.31 an agent called its generator and its tools as components: `ToolInvoker` is one span for all calls of a turn,
so they are known only from the messages of the next model call. Content is off by default.
"""

from __future__ import annotations

import re

from otelscore.dialects.kinds import ByFunction, ByName
from otelscore.dialects.table import Dialect
from otelscore.model import AttributeValue, Kind, RawSpan

_TYPE = "haystack.component.type"
_COMPONENTS: tuple[tuple[tuple[str, ...], Kind], ...] = (
    (("Generator",), Kind.MODEL),
    (("DocumentEmbedder",), Kind.WRAPPER),  # of indexing
    (("Retriever", "WebSearch", "Embedder", "Ranker"), Kind.RETRIEVAL),
    (("Agent",), Kind.AGENT),
)
"""How the class of a component ends; every other one is a wrapper."""

_NAMES: tuple[tuple[str, Kind], ...] = (
    ("haystack.agent.run", Kind.AGENT),
    ("haystack.agent.step.llm", Kind.MODEL),
    ("haystack.agent.step.tool", Kind.TOOL),
    ("haystack.", Kind.WRAPPER),  # pipelines, the steps of an agent, its hooks
)
_MODEL = re.compile(r'"model": ?"([^"\\]+)"')


def _component(span: RawSpan) -> Kind | None:
    given = span.attributes.get(_TYPE)
    if not isinstance(given, str) or not span.name.startswith("haystack."):
        return None
    return next((kind for ends, kind in _COMPONENTS if given.endswith(ends)), Kind.WRAPPER)


def _model(span: RawSpan) -> AttributeValue:
    """The model is named only in the metadata of what it replied."""
    for key in ("haystack.agent.step.llm.output", "haystack.component.output"):
        output = span.attributes.get(key)
        found = _MODEL.search(output) if isinstance(output, str) else None
        if found:
            return found[1]
    return None


HAYSTACK = Dialect(
    name="haystack",
    kinds=(ByFunction(_component, f"the value of {_TYPE}", keys=frozenset({_TYPE})), ByName(_NAMES)),
    tool_name=("haystack.tool.name",),
    call_id=(),
    arguments=("haystack.agent.step.tool.input",),
    result=("haystack.agent.step.tool.output",),
    input=("haystack.agent.step.llm.input", "haystack.component.input"),
    output=("haystack.agent.step.llm.output", "haystack.agent.output", "haystack.component.output"),
    agent=("haystack.component.name",),
    model=(_model,),
    session=(),
    retrieval_name=("haystack.component.name",),
    failed_if={"haystack.tool.error": frozenset({"true"})},
    cannot_show="Ids of calls. Up to 2.31 a tool call's own time and arguments, but for what messages tell.",
)
