"""The user's own attributes come before those of any convention."""

from __future__ import annotations

from typing import Any

import pytest

from otelscore.config import Config, load
from otelscore.dialects import DIALECTS
from otelscore.dialects.mapping import UserMapping, with_mapping
from otelscore.model import Kind, Origin, RawSpan, Reading
from otelscore.service import make_reader

SETTINGS = """
mapping:
  kind: acme.span.type
  tools: [function, Action]
  models: [completion]
  agents: [worker]
  retrievals: [lookup]
  wrappers: [flow]
  tool_name: [acme.function]
  call_id: [acme.id]
  arguments: [acme.input]
  result: [acme.output]
  output: [acme.answer]
  agent: [acme.worker]
  model: [acme.model]
  session: [acme.conversation]
  failed_if: [acme.state=crashed, acme.state=Lost]
"""


@pytest.fixture
def config(tmp_path: Any) -> Config:
    file = tmp_path / "otelscore.yaml"
    file.write_text(SETTINGS)
    return load(file, {}, {})


def read(config: Config, name: str, **attributes: Any) -> Reading:
    fields = {key.replace("__", "."): value for key, value in attributes.items()}
    reader = make_reader(config, bytes(16))
    assert all(reader.wants(key) for key in fields)
    return reader.read(RawSpan(b"t" * 16, b"s" * 8, b"", name, 1, 0, 1, 2, 0, "", fields, [], (), Origin()))


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("function", Kind.TOOL),
        ("ACTION", Kind.TOOL),
        ("completion", Kind.MODEL),
        ("worker", Kind.AGENT),
        ("lookup", Kind.RETRIEVAL),
        ("flow", Kind.WRAPPER),
    ],
)
def test_a_span_is_what_the_users_attribute_says(config: Config, value: str, kind: Kind) -> None:
    reading = read(config, "x", acme__span__type=value, gen_ai__operation__name="chat")
    assert (reading.kind, reading.dialect) == (kind, "mapping")


def test_another_value_says_nothing(config: Config) -> None:
    assert read(config, "x", acme__span__type="y", gen_ai__operation__name="chat").dialect == "genai"
    assert read(config, "x", acme__span__type="y").kind is Kind.OTHER


def test_the_users_attributes_are_read(config: Config) -> None:
    said = {
        "acme__function": "search",
        "acme__id": "c1",
        "acme__input": '{"q": 1}',
        "acme__output": "Error: broken",
        "acme__conversation": "s1",
    }
    reading = read(config, "x", acme__span__type="function", **said)
    plain = read(Config(), "x", gen_ai__tool__call__arguments='{"q": 1}', gen_ai__tool__name="y")
    assert (reading.name, reading.call_id, reading.session) == ("search", "c1", "s1")
    assert (reading.soft_error, reading.has_result) == ("error_prefix", True)
    assert read(config, "x", acme__span__type="worker", acme__worker="bob").name == "bob"
    assert read(config, "x", acme__span__type="completion", acme__model="m").name == "m"
    assert reading.arguments == plain.arguments is not None


@pytest.mark.parametrize(("state", "flagged"), [("crashed", True), ("LOST", True), ("done", False)])
def test_a_span_failed_where_the_users_attribute_says_so(config: Config, state: str, flagged: bool) -> None:
    assert read(config, "x", acme__span__type="function", acme__state=state).flagged is flagged


def test_they_come_first_on_the_spans_of_every_convention_too(config: Config) -> None:
    reading = read(
        config, "x", gen_ai__operation__name="execute_tool", gen_ai__tool__name="theirs", acme__function="ours"
    )
    assert (reading.dialect, reading.name) == ("genai", "ours")
    assert read(config, "x", gen_ai__operation__name="execute_tool", gen_ai__tool__name="theirs").name == "theirs"


def test_without_settings_the_dialects_are_as_they_are() -> None:
    assert with_mapping(UserMapping(), DIALECTS) == DIALECTS
    assert all(new is old for new, old in zip(with_mapping(UserMapping(), DIALECTS), DIALECTS, strict=True))
