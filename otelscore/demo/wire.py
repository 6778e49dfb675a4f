"""How agent work is written into spans: one class for each convention that the demo's agents use."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from opentelemetry.trace import SpanKind

from otelscore.demo.agents import Agent
from otelscore.demo.plan import Call, Turn
from otelscore.model import Kind

Attributes = Mapping[str, str | int | Sequence[str]]


@dataclass(frozen=True, slots=True)
class Written:
    """A span as a convention writes it, but for its times and errors."""

    name: str
    kind: SpanKind
    attributes: Attributes


class Convention(Protocol):
    """The ids are those that the model gave its calls, in the order of `turn.calls`."""

    scope: str

    def agent(self, agent: Agent, session: str) -> Written: ...

    def model(self, agent: Agent, turn: Turn, ids: Sequence[str]) -> Written: ...

    def tool(self, agent: Agent, call: Call, call_id: str) -> Written: ...


def _result(call: Call) -> str | None:
    """What the call returned; None where it raised."""
    if call.helper_turns:
        return call.helper_turns[-1].text
    if call.fault:
        return call.fault.result or None
    return '{"ok": true, "items": 3}'


class GenAI:
    """OpenTelemetry GenAI semantic conventions 1.38 and later, with content."""

    scope = "acme.agents"

    def agent(self, agent: Agent, session: str) -> Written:
        attributes = {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": agent.name,
            "gen_ai.agent.version": agent.version,
            "gen_ai.request.model": agent.model,
            "gen_ai.conversation.id": session,
        }
        return Written(f"invoke_agent {agent.name}", SpanKind.INTERNAL, attributes)

    def model(self, agent: Agent, turn: Turn, ids: Sequence[str]) -> Written:
        attributes: dict[str, str | int | Sequence[str]] = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "acme",
            "gen_ai.agent.name": agent.name,
            "gen_ai.request.model": agent.model,
        }
        if not turn.fault:
            parts: list[dict[str, object]] = [
                {"type": "tool_call", "id": call_id, "name": call.tool, "arguments": json.loads(call.arguments)}
                for call, call_id in zip(turn.calls, ids, strict=True)
            ]
            finish = "tool_calls" if parts else "stop"
            message = {
                "role": "assistant",
                "parts": parts or [{"type": "text", "content": turn.text}],
                "finish_reason": finish,
            }
            attributes["gen_ai.output.messages"] = json.dumps([message])
            attributes["gen_ai.response.finish_reasons"] = [finish]
            attributes["gen_ai.usage.output_tokens"] = 40 + 10 * len(parts)
        return Written(f"chat {agent.model}", SpanKind.CLIENT, attributes)

    def tool(self, agent: Agent, call: Call, call_id: str) -> Written:
        if call.kind is Kind.RETRIEVAL:
            retrieval = {"gen_ai.operation.name": "retrieval", "gen_ai.data_source.id": call.tool}
            return Written(f"retrieval {call.tool}", SpanKind.CLIENT, retrieval)
        attributes = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.agent.name": agent.name,
            "gen_ai.tool.name": call.tool,
            "gen_ai.tool.type": "function",
            "gen_ai.tool.call.id": call_id,
            "gen_ai.tool.call.arguments": call.arguments,
        }
        if (result := _result(call)) is not None:
            attributes["gen_ai.tool.call.result"] = result
        return Written(f"execute_tool {call.tool}", SpanKind.INTERNAL, attributes)


class OpenInference:
    """OpenInference semantic conventions, as Arize's instrumentations write them."""

    scope = "openinference.instrumentation.acme"

    def agent(self, agent: Agent, session: str) -> Written:
        attributes = {"openinference.span.kind": "AGENT", "agent.name": agent.name, "session.id": session}
        return Written(agent.name, SpanKind.INTERNAL, attributes)

    def model(self, agent: Agent, turn: Turn, ids: Sequence[str]) -> Written:
        attributes: dict[str, str] = {"openinference.span.kind": "LLM", "llm.model_name": agent.model}
        message = "llm.output_messages.0.message."
        if not turn.fault:
            attributes[message + "role"] = "assistant"
        if turn.text:
            attributes[message + "content"] = turn.text
        for i, (call, call_id) in enumerate(zip(turn.calls, ids, strict=True)):
            tool_call = f"{message}tool_calls.{i}.tool_call."
            attributes[tool_call + "id"] = call_id
            attributes[tool_call + "function.name"] = call.tool
            attributes[tool_call + "function.arguments"] = call.arguments
        return Written("ChatCompletion", SpanKind.INTERNAL, attributes)

    def tool(self, agent: Agent, call: Call, call_id: str) -> Written:
        attributes = {
            "openinference.span.kind": "TOOL",
            "tool.name": call.tool,
            "tool.id": call_id,
            "input.value": call.arguments,
            "input.mime_type": "application/json",
        }
        if (result := _result(call)) is not None:
            attributes["output.value"] = result
        return Written(call.tool, SpanKind.INTERNAL, attributes)


CONVENTIONS: Mapping[str, Convention] = {"genai": GenAI(), "openinference": OpenInference()}
