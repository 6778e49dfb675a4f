from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from otelscore.cli.main import main
from otelscore.faults.cassette import Call, Cassette


def span(number, name="search", parent="", **attributes):
    shown = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name, **attributes}
    return {
        "traceId": "0" * 31 + "1",
        "spanId": f"{number:016x}",
        "parentSpanId": parent,
        "name": f"execute_tool {name}",
        "startTimeUnixNano": str(number * 10**9),
        "endTimeUnixNano": str(number * 10**9 + 500_000_000),
        "attributes": [{"key": key, "value": {"stringValue": value}} for key, value in shown.items()],
    }


ASKED, GAVE = "gen_ai.tool.call.arguments", "gen_ai.tool.call.result"


@pytest.fixture
def make(tmp_path):
    def made(*spans):
        traces, path = tmp_path / "traces.json", tmp_path / "cassette"
        scoped = [{"scopeSpans": [{"scope": {"name": "x"}, "spans": list(spans)}]}]
        traces.write_text(json.dumps({"resourceSpans": scoped}))
        done = CliRunner().invoke(main, ["cassette", str(traces), "--output", str(path)])
        assert done.exit_code == 0, done.output
        return Cassette.load(path).calls

    return made


def test_calls_with_content_become_a_cassette_in_order(make):
    second = span(2, **{ASKED: '{"q": "b"}', GAVE: "text"})
    first = span(1, **{ASKED: '{"q": "a"}', GAVE: '[{"id": 1}]'})
    assert make(second, first) == (
        Call("search", {"q": "a"}, [{"id": 1}], None, 0.5),
        Call("search", {"q": "b"}, "text", None, 0.5),
    )


def test_errors_are_errors(make):
    failed = span(1, **{ASKED: "{}"}) | {
        "status": {"code": 2, "message": "no"},
        "events": [
            {
                "name": "exception",
                "timeUnixNano": "1500000000",
                "attributes": [
                    {"key": "exception.type", "value": {"stringValue": "ValueError"}},
                    {"key": "exception.message", "value": {"stringValue": "bad query"}},
                ],
            }
        ],
    }
    assert make(failed) == (Call("search", {}, None, ("ValueError", "bad query"), 0.5),)


def test_what_was_not_captured_or_injected_or_a_part_is_left_out(make):
    whole = {ASKED: "{}", GAVE: "1"}
    outer = span(1, **whole)
    assert make(
        outer,
        span(2, parent=outer["spanId"], **whole),
        span(3),
        span(4, **whole, **{"otelscore.fault.kind": "stale"}),
    ) == (Call("search", {}, "1", None, 0.5),)
