"""Spans as Laminar's `observe` and `start_as_current_span` write them."""

from __future__ import annotations

import pytest
from raw import raised, raw, run, steps
from support import responses

from otelscore.model import ERROR, Kind


def typed(kind: str, **more: object) -> dict[str, object]:
    return {"lmnr.span.type": kind, "lmnr.span.instrumentation_source": "python", **more}


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ("LLM", Kind.MODEL),
        ("CACHED", Kind.MODEL),
        ("TOOL", Kind.TOOL),
        ("DEFAULT", Kind.WRAPPER),
        ("EXECUTOR", Kind.WRAPPER),
        ("EVALUATOR", Kind.WRAPPER),
        ("EVALUATION", Kind.WRAPPER),
    ],
)
def test_the_type_says_what_a_span_is(read, given: str, kind: Kind) -> None:
    reading = read("x", typed(given), parent=b"p" * 8)
    assert (reading.kind, reading.dialect) == (kind, "laminar")


def test_what_a_span_says_by_another_convention_comes_first(read) -> None:
    reading = read("chat gpt", typed("DEFAULT", **{"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt"}))
    assert (reading.kind, reading.dialect) == (Kind.MODEL, "genai")


def test_an_observed_function(read) -> None:
    observed = {"lmnr.span.input": '{"q":1}', "lmnr.span.output": '"Error: no such city"'}
    reading = read("search", typed("TOOL", **observed, **{"lmnr.association.properties.session_id": "s1"}))
    assert (reading.name, reading.session, reading.soft_error) == ("search", "s1", "error_prefix")


def test_a_plain_root_in_which_models_and_tools_work_is_the_agent() -> None:
    broken = raw("search", 2, 3, typed("TOOL"), status=ERROR, events=raised("TimeoutError"))
    again = raw("search", 5, 6, typed("TOOL"))
    inside = (raw("llm", 1, 2, typed("LLM")), broken, raw("llm", 4, 5, typed("LLM")), again)
    found = run(raw("assistant", 0, 9, typed("DEFAULT"), *inside))
    assert (found.agent, responses(found)) == ("assistant", ["retried"])
    assert len(steps(found)) == 4
