"""Dialects from other packages: the worked example of the documentation, installed; and such as cannot be used."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from otelscore import plugins
from otelscore.config import Config
from otelscore.dialects import GENAI, ByFunction, Dialect, Kind, RawSpan
from otelscore.model import Origin
from otelscore.plugins import PluginError, load_dialects
from otelscore.service import Service, make_reader
from otelscore.starting import StartError

DOCS = Path(__file__).parents[1] / "docs" / "dialects.md"


def example() -> dict[str, str]:
    """File name -> text, of the files in the documentation."""
    blocks = re.findall(r"```\w+\n# (\S+)\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    return dict(blocks)


def span(span_id: int, parent: int, name: str, start: int, end: int, **attributes: Any) -> dict[str, Any]:
    values = {
        list: lambda value: {"arrayValue": {"values": [{"stringValue": item} for item in value]}},
        str: lambda value: {"stringValue": value},
    }
    return {
        "traceId": f"{7:032x}",
        "spanId": f"{span_id:016x}",
        "parentSpanId": f"{parent:016x}" if parent else "",
        "name": name,
        "startTimeUnixNano": str(start * 10**9),
        "endTimeUnixNano": str(end * 10**9),
        "attributes": [
            {"key": key.replace("__", "."), "value": values[type(value)](value)} for key, value in attributes.items()
        ],
    }


def request() -> dict[str, Any]:
    called = {"acme__function": "mail", "acme__exit_code": "2"}
    spans = [
        span(1, 0, "job", 1, 20, acme__job__owner="postman"),
        span(2, 1, "ask model", 2, 3, acme__model="m"),
        span(3, 1, "call it", 4, 5, acme__call=["mail", "a"], **called),
        span(4, 1, "ask model", 6, 7),
        span(5, 1, "call it", 8, 9, acme__call=["mail", "b"], acme__function="mail"),
    ]
    scope = {"scope": {"name": "acme"}, "spans": spans}
    return {"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [scope]}]}


def test_the_package_of_the_documentation_is_installed_and_reads_its_spans(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    files = example()
    assert files.keys() == {"pyproject.toml", "otelscore_acme.py"}
    for name, text in files.items():
        (source / name).write_text(text)
    options = ["--quiet", "--no-index", "--no-build-isolation", "--no-deps", "--target", str(target)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(source)], check=True)
    (tmp_path / "traces.json").write_text(json.dumps(request()))
    command = [sys.executable, "-m", "otelscore", "score", "--json", str(tmp_path / "traces.json")]
    environment = {**os.environ, "PYTHONPATH": str(target)}
    result = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    score = json.loads(result.stdout)
    assert score["agent"] == "postman"
    assert score["model"] == "m"
    assert [(step["kind"], step["name"], step["status"]) for step in score["steps"]] == [
        ("model", "m", "ok"),
        ("tool", "mail", "error"),
        ("model", "", "ok"),
        ("tool", "mail", "ok"),
    ]
    assert score["steps"][1]["response"] == "revised"


class Entry:
    """An entry point of an installed package."""

    name, value, dist = "acme", "otelscore_acme:ACME", None

    def __init__(self, found: object) -> None:
        self._found = found

    def load(self) -> object:
        if isinstance(self._found, Exception):
            raise self._found
        return self._found


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Any:
    def installed(*found: object) -> None:
        monkeypatch.setattr(plugins, "entry_points", lambda group: [Entry(one) for one in found])

    return installed


def dialect(**changes: Any) -> Dialect:
    empty: dict[str, Any] = dict.fromkeys(
        ("tool_name", "call_id", "arguments", "result", "output", "agent", "model", "session"), ()
    )
    return Dialect(**{"name": "acme", "kinds": GENAI.kinds, **empty, **changes})


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (ImportError("no module named x"), "cannot be loaded: ImportError: no module named x"),
        ("a text", "is a str, expected an otelscore.dialects.Dialect"),
        (dialect(kinds=("a text",)), "is not well-formed"),
        (dialect(tool_name=3), "is not well-formed"),
    ],
)
def test_a_package_that_cannot_be_used_is_named(install: Any, found: object, said: str) -> None:
    install(found)
    with pytest.raises(
        PluginError, match=re.escape("dialect acme (otelscore_acme:ACME) of the package unknown")
    ) as error:
        load_dialects()
    assert said in str(error.value)


def test_it_stops_the_start_of_the_service(install: Any) -> None:
    install("a text")
    with pytest.raises(StartError, match="dialect acme"):
        Service(Config(state="none"))


def test_a_function_that_fails_has_found_nothing_and_is_logged_once(install: Any) -> None:
    def fail(span: RawSpan) -> Any:
        raise ValueError("secret content")

    install(dialect(kinds=(ByFunction(fail, "x"), *GENAI.kinds), tool_name=(fail, "gen_ai.tool.name")))
    reader = make_reader(Config(), bytes(16))
    attributes: Any = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}
    raw = RawSpan(b"t" * 16, b"s" * 8, b"", "x", 1, 0, 1, 2, 0, "", attributes, [], (), Origin())
    with capture_logs() as lines:
        readings = [reader.read(raw), reader.read(raw)]
    assert {(reading.kind, reading.name, reading.dialect) for reading in readings} == {(Kind.TOOL, "search", "acme")}
    assert [line["function"] for line in lines] == ["fail", "fail"]  # as a rule and as a source
    assert "secret" not in str(lines)


def test_a_function_may_find_a_dict_of_any_kind(install: Any) -> None:
    def told(span: RawSpan) -> Any:
        return OrderedDict(content=[OrderedDict(type="text", text="Error: HTTP 503")])

    install(dialect(result=(told,)))
    attributes: Any = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}
    raw = RawSpan(b"t" * 16, b"s" * 8, b"", "x", 1, 0, 1, 2, 0, "", attributes, [], (), Origin())
    assert make_reader(Config(), bytes(16)).read(raw).soft_error
