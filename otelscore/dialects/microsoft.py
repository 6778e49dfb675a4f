"""Semantic Kernel, Microsoft.Extensions.AI and Agent Framework: what they write beside OTel's GenAI convention.

Sources: microsoft/semantic-kernel (python/semantic_kernel/functions and connectors/ai; dotnet KernelFunction.cs),
dotnet/extensions (Microsoft.Extensions.AI, FunctionInvokingChatClient.cs), microsoft/agent-framework (python core
observability.py; dotnet Microsoft.Agents.AI.Workflows). Agents, models and tools of all of them are GenAI spans today.
"""

from __future__ import annotations

import re
from dataclasses import replace

from otelscore.dialects.genai import GENAI
from otelscore.dialects.kinds import ByFunction, ByName
from otelscore.model import Kind, RawSpan

_PROMPTS = {
    "Microsoft.SemanticKernel": re.compile(r"(?:execute_tool )?(?:InvokePrompt\w*|Function_[0-9a-f]{32})"),
    "semantic_kernel.functions.kernel_function": re.compile(r"(?:execute_tool )?[A-Za-z]{16}"),
}
"""Scopes in which every span is one of a function, until 2025 without any attribute; and the made up names of prompts
that the application ran as functions, which no model asked for."""

_LOOPS: tuple[tuple[str, Kind], ...] = (
    ("AutoFunctionInvocationLoop", Kind.LOOP),
    ("orchestrate_tools", Kind.LOOP),
    ("FunctionInvokingChatClient", Kind.LOOP),
)
_WORKFLOW: tuple[tuple[str, Kind], ...] = (
    ("workflow", Kind.WRAPPER),
    ("executor.process", Kind.WRAPPER),
    ("edge_group.process", Kind.WRAPPER),
    ("message.send", Kind.WRAPPER),
)


def _function(span: RawSpan) -> Kind | None:
    prompts = _PROMPTS.get(span.origin.scope)
    if prompts is None:
        return None
    return Kind.WRAPPER if prompts.fullmatch(span.name) else Kind.TOOL


MICROSOFT = replace(
    GENAI,
    name="microsoft",
    kinds=(
        ByFunction(_function, "the scope of Semantic Kernel's functions", scopes=tuple(_PROMPTS)),
        ByName(_LOOPS, scopes=("semantic_kernel", "Microsoft.", "Experimental.Microsoft.")),
        ByName(
            _WORKFLOW,
            keys=frozenset({"workflow.id", "executor.id", "edge_group.id", "edge_group.type"}),
            scopes=("agent_framework", "Microsoft.Agents.AI.Workflows"),
        ),
    ),
    cannot_show="Arguments, results and messages where sensitive data are not enabled.",
)
