"""Genkit (JavaScript, Go, Python): every action is a span that says what it is as `genkit:metadata:subtype`.

Source: firebase/genkit, js/core/src/{action,tracing/instrumentation}.ts, py/packages/genkit/src/genkit/_core. Each
round of `generate` lies inside the one before. An agent is no action of its own, so a run is a flow.
"""

from __future__ import annotations

from otelscore.dialects.kinds import ByPresence, ByValue
from otelscore.dialects.table import Dialect
from otelscore.model import Kind

_SUBTYPES: dict[str, Kind] = {
    "tool": Kind.TOOL,
    "tool.v2": Kind.TOOL,
    "model": Kind.MODEL,
    "background-model": Kind.MODEL,
    "retriever": Kind.RETRIEVAL,
    "reranker": Kind.RETRIEVAL,
    "embedder": Kind.RETRIEVAL,
    "agent": Kind.AGENT,
}
"""genkit:metadata:subtype; every other one (flow, prompt, util, ...) is a wrapper."""

GENKIT = Dialect(
    name="genkit",
    kinds=(
        ByValue("genkit:metadata:subtype", _SUBTYPES, otherwise=Kind.WRAPPER),
        ByPresence(frozenset({"genkit:type"}), Kind.WRAPPER),
    ),
    tool_name=("genkit:name",),
    call_id=(),
    arguments=("genkit:input",),
    result=("genkit:output",),
    output=("genkit:output",),
    agent=(),
    model=("genkit:name",),
    session=("genkit:sessionId", "genkit:metadata:agent:sessionId"),
    retrieval_name=("genkit:name",),
    cannot_show="Ids of calls, and agents: a run is a flow.",
)
