"""AG2's own tracing, 0.10 to 1.x: GenAI attributes, and what a span is as `ag2.span.type`.

Sources: ag2ai/ag2, autogen/opentelemetry until 0.12, ag2/middleware/builtin/telemetry.py since 1.0. A conversation is
a wrapper around the replies of its agents; a usage span names a model although it is no call.
"""

from __future__ import annotations

from dataclasses import replace

from otelscore.dialects.genai import GENAI
from otelscore.dialects.kinds import ByValue
from otelscore.model import Kind

AG2 = replace(
    GENAI,
    name="ag2",
    kinds=(
        ByValue(
            "ag2.span.type",
            {"agent": Kind.AGENT, "llm": Kind.MODEL, "tool": Kind.TOOL, "code_execution": Kind.TOOL},
            otherwise=Kind.WRAPPER,
        ),
    ),
    cannot_show="Arguments, results and messages where content is not captured.",
)
