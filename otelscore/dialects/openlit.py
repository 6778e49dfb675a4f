"""OpenLIT's SDK: the GenAI conventions, but `invoke_agent` for every node of a graph of LangGraph.

Source: openlit/openlit, sdk/python/src/openlit/instrumentation/langgraph, and what 1.45 sends. The root is a workflow,
of which a crash leaves nothing but the name; where its callbacks for LangChain know the agent, that is another span.
"""

from __future__ import annotations

import re
from dataclasses import replace

from otelscore.dialects.genai import GENAI
from otelscore.dialects.kinds import ByHabit, ByName
from otelscore.model import Kind

_GRAPHS = "openlit.instrumentation.langgraph"

OPENLIT = replace(
    GENAI,
    name="openlit",
    kinds=(
        ByHabit(_GRAPHS, "gen_ai.operation.name", "invoke_agent", re.compile("invoke_agent .+"), Kind.WRAPPER),
        ByName((("invoke_workflow ", Kind.LOOP),), scopes=(_GRAPHS,)),
    ),
    agent=("gen_ai.agent.name", "gen_ai.workflow.name"),
    cannot_show=(
        "Results of tools without spans where OpenAI's Responses API is called, and where the model call that was told "
        "them failed: their messages are not captured."
    ),
)
