"""What single instrumentations of OpenInference mean by a kind, where it is not what the convention means.

Source: Arize-ai/openinference, python/instrumentation and js/packages, each as it writes now and wrote before.
"""

from __future__ import annotations

import re

from otelscore.dialects.kinds import ByFunction, ByHabit, Rule
from otelscore.model import Kind, RawSpan

CLASS_NAME = "metadata.class_name"
_BEEAI = ("openinference.instrumentation.beeai", "@arizeai/openinference-instrumentation-beeai")


def _habit(scope: str, value: str, names: str, kind: Kind) -> ByHabit:
    return ByHabit(f"openinference.instrumentation.{scope}", "openinference.span.kind", value, re.compile(names), kind)


def _beeai_event(span: RawSpan) -> Kind | None:
    """BeeAI makes a span of every event of an agent, tool or model, with the kind of the span it belongs to.

    In Python the real ones bear the name of their class; in JavaScript only the outermost one is real.
    """
    if not span.origin.scope.startswith(_BEEAI):
        return None
    real = CLASS_NAME in span.attributes or span.name == "beeai-framework-main"
    return None if real else Kind.WRAPPER


HABITS: tuple[Rule, ...] = (
    # The methods around and beside a model call: _prepare_chat_with_tools, get_tool_calls_from_response.
    _habit("llama_index", "llm", r".*\.(?:_|get_)\w+", Kind.WRAPPER),
    _habit("llama_index", "chain", r"\w*Agent(?:Workflow)?\.run", Kind.AGENT),
    # Before its workflows, every method of an agent and of its worker was a span of the kind AGENT.
    _habit("llama_index", "agent", r".*\.(?!a?(?:stream_)?chat$|a?query$)\w+", Kind.WRAPPER),
    _habit("haystack", "chain", r"Agent\.run(?:_async)?", Kind.AGENT),
    _habit("haystack", "llm", r"\w*PromptBuilder\.run(?:_async)?", Kind.WRAPPER),
    _habit("dspy", "chain", r"(?:ReAct|CodeAct)\.a?forward", Kind.AGENT),
    _habit("dspy", "tool", r"finish\.(?:__call__|acall)", Kind.WRAPPER),  # ReAct's own: it ends the loop
    _habit("instructor", "tool", r"instructor\.(?:async_)?patch", Kind.MODEL),
    _habit("instructor", "tool", r".*", Kind.WRAPPER),
    _habit("pipecat", "llm", r"(?!pipecat\.llm$).*", Kind.WRAPPER),  # speech to text and text to speech
    ByFunction(_beeai_event, "the events that BeeAI makes spans of", scopes=_BEEAI),
)
