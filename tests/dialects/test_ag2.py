"""AG2's own spans, as autogen/opentelemetry and ag2/middleware/builtin/telemetry.py write them."""

from __future__ import annotations

import pytest
from raw import Raw, raw, run, steps

from otelscore.model import AttributeValue, Kind


def ag2(kind: str, name: str, start: float, end: float, *children: Raw, **more: AttributeValue) -> Raw:
    attributes = {"ag2.span.type": kind} | {key.replace("__", "."): value for key, value in more.items()}
    return raw(name, start, end, attributes, *children, scope="opentelemetry.instrumentation.ag2")


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ("agent", Kind.AGENT),
        ("llm", Kind.MODEL),
        ("tool", Kind.TOOL),
        ("code_execution", Kind.TOOL),
        ("conversation", Kind.WRAPPER),
        ("multi_conversation", Kind.WRAPPER),
        ("speaker_selection", Kind.WRAPPER),
        ("human_input", Kind.WRAPPER),
        ("usage", Kind.WRAPPER),
        ("envelope", Kind.WRAPPER),
    ],
)
def test_a_span_is_its_type(read, given: str, kind: Kind) -> None:
    attributes = {"ag2.span.type": given, "gen_ai.response.model": "gpt", "gen_ai.tool.name": "x"}
    assert (read("x", attributes).kind, read("x", attributes).dialect) == (kind, "ag2")


def test_the_replies_of_a_conversation_are_one_run() -> None:
    def reply(agent: str, at: float, *spans: Raw) -> Raw:
        named = {"gen_ai__operation__name": "invoke_agent", "gen_ai__agent__name": agent}
        return ag2("agent", f"invoke_agent {agent}", at, at + 1, *spans, **named)

    def call(at: float, **error: str) -> Raw:
        return ag2("tool", "execute_tool weather", at, at + 0.5, gen_ai__tool__name="weather", **error)

    def asked(at: float) -> Raw:
        usage = ag2("usage", "record_usage model_call", at + 0.6, at + 0.6, gen_ai__response__model="gpt")
        return reply("assistant", at, ag2("llm", "chat gpt", at, at + 0.5, gen_ai__request__model="gpt"), usage)

    failing = reply("user", 2, call(2, error__type="ExecutionError"))
    spans = asked(1), failing, asked(3), reply("user", 4, call(4)), asked(5)
    found = run(ag2("conversation", "conversation user", 0, 9, *spans, gen_ai__agent__name="user"))
    assert [status for _, _, status in steps(found)] == ["ok", "error", "ok", "ok", "ok"]
    assert [step.response for step in found.steps if step.failed] == ["retried"]
