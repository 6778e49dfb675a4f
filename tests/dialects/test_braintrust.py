"""Spans as Braintrust's OTel SDKs write them (trace/ in braintrust-sdk-go, Braintrust*Instrumentation in Java)."""

from __future__ import annotations

import json

import pytest
from raw import raw, run, steps

from otelscore.model import Kind


def typed(kind: str, **more: object) -> dict[str, object]:
    return {"braintrust.span_attributes": json.dumps({"type": kind}), **more}


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ("llm", Kind.MODEL),
        ("tool", Kind.TOOL),
        ("task", Kind.WRAPPER),
        ("function", Kind.WRAPPER),
        ("eval", Kind.WRAPPER),
    ],
)
def test_the_type_says_what_a_span_is(read, given: str, kind: Kind) -> None:
    for attributes in (typed(given), {"braintrust.span_attributes.type": given}):
        reading = read("x", attributes, parent=b"p" * 8)
        assert (reading.kind, reading.dialect) == (kind, "braintrust")


@pytest.mark.parametrize("value", ["", "?", "[]", '{"name": "x"}', '{"type": 7}'])
def test_without_a_type_it_says_nothing(read, value: str) -> None:
    assert read("x", {"braintrust.span_attributes": value}).kind is Kind.OTHER


def test_a_tool_and_a_model_call(read) -> None:
    tool = read(
        "search", typed("tool", **{"braintrust.input_json": '{"q":1}', "braintrust.output_json": '{"error":"x"}'})
    )
    assert (tool.name, tool.soft_error) == ("search", "error")
    assert tool.arguments is not None
    said = [{"role": "assistant", "content": "I could not."}]
    model = read(
        "Chat", typed("llm", **{"braintrust.output_json": json.dumps(said), "braintrust.metadata": '{"model":"gpt"}'})
    )
    assert (model.name, model.acknowledges) == ("gpt", True)


def test_a_task_at_the_root_in_which_models_and_tools_work_is_the_agent() -> None:
    found = run(
        raw("assistant", 0, 9, typed("task"), raw("Chat", 1, 2, typed("llm")), raw("search", 2, 3, typed("tool")))
    )
    assert found.agent == "assistant"
    assert steps(found) == [("model", "", "ok"), ("tool", "search", "ok")]
