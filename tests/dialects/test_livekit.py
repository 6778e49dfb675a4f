"""Spans of LiveKit Agents, as livekit/agents/{voice,llm,telemetry} write them."""

from __future__ import annotations

import pytest
from raw import Raw, raw, run, runs, steps

from otelscore.model import AttributeValue, Kind

SCOPE = "livekit-agents"


def tool(name: str, start: float, *, is_error: bool = False, **more: AttributeValue) -> Raw:
    attributes = {
        "lk.function_tool.id": f"c{start}",
        "lk.function_tool.name": name,
        "lk.function_tool.is_error": is_error,
    }
    return raw("function_tool", start, start + 0.5, attributes | {k.replace("__", "."): v for k, v in more.items()})


def turn(start: float, end: float, *spans: Raw) -> Raw:
    asked = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt"}
    attempt = raw("llm_request_run", start + 0.2, start + 0.3, {"lk.retry_count": 0})
    request = raw("llm_request", start + 0.2, start + 0.4, asked, attempt)
    return raw(
        "agent_turn",
        start,
        end,
        {"lk.generation_id": "g"},
        raw("llm_node", start + 0.1, start + 0.5, {}, request),
        *spans,
    )


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("function_tool", Kind.TOOL),
        ("llm_request", Kind.MODEL),
        ("llm_request_run", Kind.WRAPPER),
        ("agent_session", Kind.AGENT),
        ("agent_turn", Kind.WRAPPER),
        ("tts_node", Kind.OTHER),
        ("user_speaking", Kind.OTHER),
    ],
)
def test_spans_are_told_by_their_names_in_its_scope(read, name: str, kind: Kind) -> None:
    assert read(name, scope=SCOPE).kind is kind
    assert read(name, scope="another").kind is Kind.OTHER


@pytest.mark.parametrize("pii", ["lk.pii.", "lk."])
def test_a_tool_call_with_content_under_old_and_new_keys(read, pii: str) -> None:
    attributes = {"lk.function_tool.id": "c1", "lk.function_tool.name": "weather", "lk.function_tool.is_error": True}
    attributes |= {f"{pii}function_tool.arguments": '{"city": "Oslo"}', f"{pii}function_tool.output": "it timed out"}
    reading = read("function_tool", attributes, scope=SCOPE)
    assert (reading.name, reading.call_id, reading.flagged) == ("weather", "c1", True)
    assert reading.arguments is not None
    assert reading.has_result


def test_a_session_is_one_run_since_the_answer_to_a_tool_is_a_turn_of_its_own() -> None:
    turns = turn(1, 3, tool("weather", 2, is_error=True)), turn(4, 6, tool("weather", 5)), turn(7, 8)
    found = run(raw("agent_session", 0, 9, {"lk.agent_label": "app.Helper"}, *turns, scope=SCOPE))
    assert found.agent == "app.Helper"
    assert [kind for kind, _, _ in steps(found)] == ["model", "tool", "model", "tool", "model"]
    assert [step.response for step in found.steps if step.failed] == ["retried"]


def test_a_session_that_says_nothing_is_not_made_of_speech() -> None:
    assert runs(raw("user_turn", 0, 1, {}, scope=SCOPE)) == []
