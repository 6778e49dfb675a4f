"""Model Context Protocol: one span for each request, of the client and of the server.

Sources: open-telemetry/semantic-conventions v1.41.1 docs/gen-ai/mcp.md and its successor in semantic-conventions-genai;
modelcontextprotocol/python-sdk from 2.0, modelcontextprotocol/csharp-sdk, jlowin/fastmcp, microsoft/agent-framework,
all of which write `mcp.method.name`. Logfire's own spans of MCP are in logfire.py, OpenLLMetry's in traceloop.py.
A tool call is a step only where no other span of the same call lies above it.
"""

from __future__ import annotations

import re

from otelscore.dialects.genai import GENAI
from otelscore.dialects.kinds import ByValue
from otelscore.dialects.table import Dialect
from otelscore.model import Kind

MCP = Dialect(
    name="mcp",
    # Handshakes, lists, prompts and resources are what a client needs to run, nothing that an agent does.
    kinds=(ByValue("mcp.method.name", {"tools/call": Kind.TOOL}, otherwise=Kind.WRAPPER),),
    tool_name=GENAI.tool_name,
    call_id=GENAI.call_id,
    arguments=GENAI.arguments,
    result=GENAI.result,
    output=(),
    agent=GENAI.agent,
    model=(),
    session=GENAI.session,  # `mcp.session.id` is the connection's
    tool_in_name=re.compile(r"(?:MCP send )?tools/call (.+)"),
    cannot_show="Agents and models: alone, its calls count in the figures of tools and steps only.",
)
