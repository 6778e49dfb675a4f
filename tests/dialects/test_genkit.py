"""Spans of Genkit, as js/core/src/action.ts and tracing/instrumentation.ts write them."""

from __future__ import annotations

import pytest
from raw import Raw, raised, raw, run, steps

from otelscore.model import ERROR, Kind, Outcome

SCOPE = "genkit-tracer"


def action(subtype: str, name: str, start: float, end: float, *children: Raw, error: str = "", **more: str) -> Raw:
    attributes = {"genkit:type": "action", "genkit:metadata:subtype": subtype, "genkit:name": name}
    attributes |= {f"genkit:{key}": value for key, value in more.items()}
    failed = {"status": ERROR, "message": error, "events": raised("Error", error)} if error else {}
    return raw(name, start, end, attributes, *children, scope=SCOPE, **failed)


@pytest.mark.parametrize(
    ("subtype", "kind"),
    [
        ("tool", Kind.TOOL),
        ("tool.v2", Kind.TOOL),
        ("model", Kind.MODEL),
        ("background-model", Kind.MODEL),
        ("retriever", Kind.RETRIEVAL),
        ("embedder", Kind.RETRIEVAL),
        ("reranker", Kind.RETRIEVAL),
        ("agent", Kind.AGENT),
        ("flow", Kind.WRAPPER),
        ("executable-prompt", Kind.WRAPPER),
        ("indexer", Kind.WRAPPER),
    ],
)
def test_an_action_is_its_subtype(read, subtype: str, kind: Kind) -> None:
    reading = read("x", {"genkit:type": "action", "genkit:metadata:subtype": subtype, "genkit:name": "x"})
    assert (reading.kind, reading.dialect) == (kind, "genkit")


def test_its_other_spans_are_wrappers(read) -> None:
    assert read("generate", {"genkit:type": "util", "genkit:name": "generate"}).kind is Kind.WRAPPER


def test_a_tool_call_and_a_model_call(read) -> None:
    attributes = {"genkit:metadata:subtype": "tool", "genkit:name": "weather", "genkit:input": '{"city":"Oslo"}'}
    reading = read("weather", attributes | {"genkit:output": '{"error": "no such city"}', "genkit:sessionId": "s1"})
    assert (reading.name, reading.soft_error, reading.session) == ("weather", "error", "s1")
    output = '{"message":{"role":"model","content":[{"text":"I could not do it."}]},"finishReason":"stop"}'
    reading = read("gemini", {"genkit:metadata:subtype": "model", "genkit:name": "gemini", "genkit:output": output})
    assert (reading.name, reading.acknowledges) == ("gemini", True)


def test_a_flow_with_rounds_inside_rounds_is_one_run() -> None:
    util = {"genkit:type": "util", "genkit:name": "generate"}
    second = raw("generate", 4, 7, util, action("model", "gemini", 4.5, 5), action("tool", "weather", 5, 6))
    failing = action("tool", "weather", 3, 3.5, error="request timed out")
    first = raw("generate", 1, 8, util, action("model", "gemini", 2, 3), failing, second)
    found = run(action("flow", "trip", 0, 9, first))
    assert [status for _, _, status in steps(found)] == ["ok", "error", "ok", "ok"]
    assert [(step.response, step.error_class) for step in found.steps if step.failed] == [("retried", "timeout")]


def test_a_tool_that_waits_for_a_human_has_not_failed(read) -> None:
    attributes = {"genkit:metadata:subtype": "tool", "genkit:name": "confirm"}
    assert read("confirm", attributes, status=ERROR, events=raised("ToolInterruptError")).skipped


def test_a_flow_that_failed_is_a_failed_run() -> None:
    model = action("model", "gemini", 3, 4, error="overloaded")
    found = run(action("flow", "trip", 0, 9, action("tool", "weather", 1, 2), model, error="overloaded"))
    assert found.outcome is Outcome.FAILED
