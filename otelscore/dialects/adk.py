"""Google's Agent Development Kit: scope `gcp.vertex.agent`, versions 0.1 to 2.x.

Sources: google/adk-python, src/google/adk/telemetry.py and src/google/adk/telemetry/. It has written the GenAI
conventions since 2.0 (its schema 2); before, content has names of its own and most spans have no operation, some no
attribute at all: then their names are all there is.
"""

from __future__ import annotations

import re

from otelscore.dialects.genai import GENAI, OPERATIONS
from otelscore.dialects.kinds import ByName, ByValue
from otelscore.dialects.table import Dialect
from otelscore.model import AttributeValue, Kind, RawSpan

SCOPE = "gcp.vertex.agent"

NAMES: tuple[tuple[str, Kind], ...] = (
    ("invoke_agent ", Kind.AGENT),
    ("agent_run [", Kind.AGENT),
    ("call_llm", Kind.MODEL),
    ("generate_content ", Kind.MODEL),
    ("execute_tool ", Kind.TOOL),
    ("tool_call [", Kind.TOOL),
    ("tool_response", Kind.WRAPPER),
    ("invocation", Kind.WRAPPER),
    ("invoke_workflow", Kind.WRAPPER),
    ("invoke_node", Kind.WRAPPER),
    ("send_data", Kind.WRAPPER),
)

_ARGUMENTS, _RESPONSE = "gcp.vertex.agent.tool_call_args", "gcp.vertex.agent.tool_response"
_HIDDEN = "{}"
"""What stands for content that is not to be captured; a response that is captured is never empty."""


def _arguments(span: RawSpan) -> AttributeValue:
    return None if span.attributes.get(_RESPONSE) == _HIDDEN else span.attributes.get(_ARGUMENTS)


def _response(span: RawSpan) -> AttributeValue:
    value = span.attributes.get(_RESPONSE)
    return None if value == _HIDDEN else value


ADK = Dialect(
    name="adk",
    kinds=(
        ByValue("gen_ai.operation.name", OPERATIONS, otherwise=Kind.WRAPPER, scopes=(SCOPE,)),
        ByName(NAMES, scopes=(SCOPE,)),
    ),
    tool_name=GENAI.tool_name,
    tool_in_name=re.compile(r"(?:execute_tool |tool_call \[)(.+?)\]?"),
    call_id=GENAI.call_id,
    arguments=(*GENAI.arguments, _arguments),
    result=(*GENAI.result, _response),
    output=(*GENAI.output, "gcp.vertex.agent.llm_response"),
    agent=GENAI.agent,
    agent_in_name=re.compile(r"(?:invoke_agent |agent_run \[)(.+?)\]?"),
    model=GENAI.model,
    session=(*GENAI.session, "gcp.vertex.agent.session_id"),
    retrieval_name=GENAI.retrieval_name,
    failed_if=GENAI.failed_if,
    keys=frozenset({_ARGUMENTS, _RESPONSE}),
    cannot_show="Arguments and results in its schema 1 where content is not captured.",
)
