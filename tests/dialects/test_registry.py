from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bench.interpreted import interpreted
from otelscore.dialects import DIALECTS, GENAI, ByFunction, ByName, ByPresence, Context, Dialect, Registry
from otelscore.dialects.content import text_digest
from otelscore.model import (
    OTHER,
    AttributeValue,
    ErrorClass,
    Failure,
    Kind,
    Origin,
    RawEvent,
    RawLog,
    RawSpan,
    Reading,
    SpanFacts,
    Verdict,
)

KEY = bytes(16)
TRACE, SPAN = b"t" * 16, b"s" * 8
REGISTRY = Registry(Context(key=KEY, labels=frozenset({"team"}), cluster_by="task.id"))

KINDS = [
    ("gen_ai.operation.name", operation)
    for operation in ("chat", "execute_tool", "invoke_agent", "retrieval", "create_agent", "embeddings")
] + [("openinference.span.kind", kind) for kind in ("LLM", "TOOL", "AGENT", "RETRIEVER", "CHAIN", "EMBEDDING")]

CONTENT = [
    "gen_ai.tool.call.arguments",
    "gen_ai.tool.call.result",
    "gen_ai.output.messages",
    "gen_ai.completion",
    "gen_ai.completion.0.content",
    "gen_ai.tool.message",
    "gen_ai.choice",
    "gen_ai.event.content",
    "tool_arguments",
    "tool_response",
    "final_result",
    "message",
    "content",
    "input.value",
    "output.value",
    "tool.parameters",
    "llm.output_messages.0.message.content",
    "llm.output_messages.0.message.contents.0.message_content.text",
    "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments",
    "exception.message",
]
NAMES = [
    "gen_ai.tool.name",
    "gen_ai.tool.call.id",
    "gen_ai.agent.name",
    "gen_ai.request.model",
    "gen_ai.conversation.id",
    "gen_ai.data_source.id",
    "gen_ai.tool.status",
    "gen_ai.response.finish_reasons",
    "gen_ai.evaluation.name",
    "gen_ai.evaluation.score.label",
    "gen_ai.evaluation.score.value",
    "gen_ai.response.id",
    "agent_name",
    "agent.name",
    "graph.node.name",
    "tool.name",
    "tool.id",
    "llm.model_name",
    "metadata",
    "session.id",
    "error.type",
    "exception.type",
    "http.response.status_code",
    "rpc.response.status_code",
    "otelscore.fault.kind",
    "team",
    "task.id",
]
EVENTS = [
    "exception",
    "gen_ai.choice",
    "gen_ai.tool.message",
    "gen_ai.content.completion",
    "gen_ai.client.inference.operation.details",
    "gen_ai.evaluation.result",
]

WORDS = st.sampled_from(
    ["error", "isError", "status", "content", "text", "type", "tool", "tool_call", "role", "parts", "data", "kwargs",
     "message", "tool_calls", "function", "name", "id", "arguments", "output", "toolUse", "toolResult", "lc", "code",
     "lc_agent_name", "exit_code", "Error: x", "Exit code: 1", "Traceback (most recent call last)", "content='x' id="]
)  # fmt: skip
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=15,
)
nested = st.builds(
    lambda depth, pair: pair[0] * depth + pair[1] * depth,
    st.integers(0, 3000),
    st.sampled_from(
        [("[", "]"), ('{"content":[', "]}"), ('{"result":', "}"), ('{"error":[', "]}"), ('[{"parts":', "}]")]
    ),
)
json_texts = st.builds(json.dumps, plain)
values = st.one_of(
    plain,
    st.binary(max_size=20),
    json_texts,
    st.builds(json.dumps, json_texts),
    st.builds(lambda text, cut: text[: cut % (len(text) + 1)], json_texts, st.integers(0, 200)),
    nested,
)
keys = st.sampled_from([*CONTENT, *NAMES])
attributes = st.builds(
    lambda kind, given: {**dict([kind]), **given}, st.sampled_from(KINDS), st.dictionaries(keys, values, max_size=8)
)
events = st.lists(st.tuples(st.sampled_from(EVENTS), st.dictionaries(keys, values, max_size=4)), max_size=3)


def span(
    name: str,
    given: dict[str, AttributeValue],
    happened: list[tuple[str, dict[str, AttributeValue]]] | None = None,
    status: int = 0,
    message: str = "",
    scope: str = "openinference.instrumentation.langchain",
) -> RawSpan:
    raw_events = [RawEvent(event, 7, fields) for event, fields in happened or []]
    return RawSpan(TRACE, SPAN, b"", name, 1, 0, 1, 2, status, message, given, raw_events, (), Origin("shop", scope))


@given(st.text(max_size=20), attributes, events, st.integers(0, 2), st.text(max_size=20))
def test_any_attributes_of_any_kind_give_a_reading(
    name: str, given: Any, happened: Any, status: int, message: str
) -> None:
    reading = REGISTRY.read(span(name, given, happened, status, message))
    assert isinstance(reading, Reading)
    assert all(len(text) <= 256 for text in texts_of(reading))


@given(
    st.sampled_from(KINDS),
    st.lists(st.sampled_from(CONTENT), min_size=1, max_size=6),
    st.sampled_from(EVENTS),
    st.data(),
)
def test_no_content_survives_in_a_reading(kind: tuple[str, str], marked: list[str], event: str, data: Any) -> None:
    marker = "Wherefore-art-thou"
    wrap = st.sampled_from(
        [
            lambda text: text,
            lambda text: f"Error: {text}",
            lambda text: f"{text * 100}\nExit code: 1",
            lambda text: json.dumps({"error": text}),
            lambda text: json.dumps({"error": {"message": text}})[:-8],
            lambda text: [{"role": "assistant", "parts": [{"type": "text", "content": text}]}],
            lambda text: json.dumps(
                [{"role": "assistant", "parts": [{"type": "tool_call", "arguments": {text: text}}]}]
            ),
            lambda text: {"content": [{"type": "text", "text": text}], "isError": True},
            lambda text: json.dumps(
                {"type": "tool", "data": {"content": text, "tool_call_id": "1", "status": "error"}}
            ),
        ]
    )
    given: dict[str, AttributeValue] = {key: data.draw(wrap)(marker) for key in marked}
    given[kind[0]] = kind[1]
    reading = REGISTRY.read(span("name", given, [(event, given)], 2, f"{marker} happened"))
    assert reading.kind != Kind.OTHER
    assert marker not in repr(reading)
    assert "Wherefore" not in repr(reading)


def texts_of(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (tuple, frozenset)):
        for item in value:
            yield from texts_of(item)
    elif isinstance(value, dict):
        yield from texts_of(tuple(value.values()))
    elif hasattr(value, "__slots__"):
        yield from texts_of(tuple(getattr(value, name) for name in type(value).__slots__))


class Watched(dict[str, AttributeValue]):
    """Remembers which attributes are asked for, one by one."""

    def __init__(self, given: dict[str, AttributeValue], asked: set[str]) -> None:
        super().__init__(given)
        self.asked = asked

    def get(self, key: str, default: Any = None) -> Any:
        self.asked.add(key)
        return super().get(key, default)

    def __getitem__(self, key: str) -> AttributeValue:
        self.asked.add(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self.asked.add(str(key))
        return super().__contains__(key)


def whole(dialect: Dialect, *_: object) -> Dialect:
    """In place of `narrowed`: everything that a dialect has is asked for."""
    return dialect


def test_every_attribute_that_is_read_is_wanted() -> None:
    with interpreted():  # where something else than a dict can stand for one
        from otelscore.dialects import Registry as Interpreted
        from otelscore.dialects import plan
    asked: set[str] = set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "narrowed", whole)
        registry = Interpreted(REGISTRY._context)
        for kind in [*KINDS, ("gen_ai.system", "x"), ("gen_ai.tool.name", "x")]:
            for name in ("chat x", "agent run", "x"):
                made = SimpleNamespace(
                    name=name,
                    status=2,
                    message="",
                    links=(),
                    end=2,
                    parent_id=b"",
                    attributes=Watched(dict([kind]), asked),
                    events=[SimpleNamespace(name=event, time=1, attributes=Watched({}, asked)) for event in EVENTS],
                    origin=Origin("shop", "openinference.instrumentation.langchain"),
                    trace_id=TRACE,
                    span_id=SPAN,
                )
                registry.read(made)  # type: ignore[arg-type]
    assert len(asked) > 40
    assert [key for key in asked if not REGISTRY.wants(key)] == []


CHAT, RUN = ("gen_ai.operation.name", "chat"), ("openinference.span.kind", "AGENT")


@example(CHAT, {"gen_ai.prompt.0.tool_call_id": "c", "gen_ai.prompt.0.content": "no"}, [])
@example(CHAT, {"gen_ai.completion.0.content": "no"}, [])
@example(CHAT, {}, [("gen_ai.tool.message", {"content": "no", "id": "c"})])
@example(CHAT, {"gen_ai.tool.definitions": "[]"}, [])
@example(("gen_ai.tool.name", "x"), {"code.args.keyword.count": 1, "code.function.parameters.a.value": "b"}, [])
@example(("openinference.span.kind", "LLM"), {"llm.output_messages.0.message.content": "no"}, [])
@example(RUN, {"metadata": '{"lc_agent_name": "planner"}'}, [])
@example(("traceloop.span.kind", "agent"), {"gen_ai.completion.0.content": "no"}, [])
@given(st.sampled_from(KINDS), st.dictionaries(keys, values, max_size=8), events)
def test_what_a_span_has_nothing_of_changes_nothing_where_it_is_not_asked_for(
    kind: tuple[str, str], given: Any, happened: Any
) -> None:
    made = span("execute_tool x", {**given, **dict([kind])}, happened)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("otelscore.dialects.plan.narrowed", whole)
        asked_all = Registry(REGISTRY._context).read(made)
    assert REGISTRY.read(made) == asked_all


def test_content_that_nobody_reads_is_not_wanted() -> None:
    for key in (
        "gen_ai.system_instructions",
        "gen_ai.prompt.0.finish_reason",
        "exception.stacktrace",
        "llm.input_messages.0.message.tool_calls.0.tool_call.function.arguments",
        "gen_ai.evaluation.explanation",
        "x",
    ):
        assert not REGISTRY.wants(key)


def test_prefixed_attributes_are_wanted() -> None:
    assert REGISTRY.wants("llm.output_messages.0.message.content")
    assert REGISTRY.wants("gen_ai.completion.0.content")


def test_a_span_of_no_dialect_is_other() -> None:
    assert REGISTRY.read(span("GET /", {})) is OTHER
    assert REGISTRY.read(span("GET /", {"http.response.status_code": 500, "error.type": "500"})) is OTHER


def log(event_name: str = "", *, trace_id: bytes = TRACE, span_id: bytes = SPAN, **said: AttributeValue) -> RawLog:
    fields = {name.replace("__", "."): value for name, value in said.items()}
    return RawLog(trace_id, span_id, 9, event_name, "the body", fields, Origin())


def test_an_evaluation_as_a_log_is_a_verdict() -> None:
    said: dict[str, AttributeValue] = {
        "gen_ai__evaluation__name": "task_success",
        "gen_ai__evaluation__score__value": 0.4,
    }
    assert REGISTRY.read_log(log("gen_ai.evaluation.result", **said)) == Verdict("task_success", False, 9, TRACE, SPAN)
    lenient = Registry(Context(key=KEY, threshold=0.3))
    assert lenient.read_log(log("gen_ai.evaluation.result", **said)) == Verdict("task_success", True, 9, TRACE, SPAN)
    unreadable = REGISTRY.read_log(log("gen_ai.evaluation.result", gen_ai__evaluation__name="x"))
    assert unreadable == Verdict("x", None, 9, TRACE, SPAN)


@pytest.mark.parametrize("event_name", ["exception", "gen_ai.client.operation.exception", ""])
def test_an_exception_as_a_log_is_evidence_about_its_span(event_name: str) -> None:
    found = REGISTRY.read_log(log(event_name, exception__type="builtins.TimeoutError", exception__message="slow"))
    failure = Failure(
        "TimeoutError", ErrorClass.TIMEOUT, exception=True, messages=frozenset({text_digest("slow", KEY)})
    )
    assert found == SpanFacts(TRACE, SPAN, failure)


def test_an_exception_without_attributes_is_known_by_its_name() -> None:
    assert REGISTRY.read_log(log("exception")) == SpanFacts(TRACE, SPAN, Failure(exception=True))


@pytest.mark.parametrize(
    "record",
    [
        log("exception", span_id=b"", exception__type="TimeoutError"),
        log("exception", trace_id=b"", exception__type="TimeoutError"),
        log("app.message", message="x"),
        log("", exception__message="no type"),
        log(),
    ],
)
def test_every_other_record_is_ignored(record: RawLog) -> None:
    assert REGISTRY.read_log(record) is None


@given(st.sampled_from(["exception", "gen_ai.evaluation.result", ""]), st.dictionaries(keys, values, max_size=6))
def test_any_log_record_is_read(event_name: str, given: Any) -> None:
    found = REGISTRY.read_log(RawLog(TRACE, SPAN, 9, event_name, None, given, Origin()))
    assert found is None or isinstance(found, (Verdict, SpanFacts))


@pytest.mark.parametrize(
    ("attributes", "explained"),
    [
        ({"gen_ai.operation.name": "chat"}, ("genai", "the value of gen_ai.operation.name")),
        ({"openinference.span.kind": "TOOL"}, ("openinference", "the value of openinference.span.kind")),
        ({"http.route": "/"}, ("", "")),
    ],
)
def test_a_reading_is_explained_by_its_dialect_and_rule(
    attributes: dict[str, AttributeValue], explained: tuple[str, str]
) -> None:
    assert REGISTRY.explain(span("x", attributes)) == explained
    assert REGISTRY.read(span("x", attributes)).dialect == explained[0]


def counted(asked: list[str], name: str, **where: Any) -> Dialect:
    """A dialect that knows no span, and remembers whether it was asked."""

    def find(_: RawSpan) -> None:
        asked.append(name)

    return replace(GENAI, name=name, kinds=(ByFunction(find, "x", **where),))


def test_only_rules_that_can_apply_are_asked() -> None:
    asked: list[str] = []
    registry = Registry(
        Context(key=KEY),
        (
            counted(asked, "by key", keys=frozenset({"a.kind"})),
            counted(asked, "by scope", scopes=("a.scope",)),
            counted(asked, "any"),
        ),
    )
    for _ in range(2):
        asked.clear()
        registry.read(span("x", {"b.kind": "1"}))
        assert asked == ["any"]
        asked.clear()
        registry.read(span("x", {"a.kind": "1"}))
        assert asked == ["by key", "any"]


def test_what_is_remembered_of_shapes_is_bounded_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otelscore.dialects.plan.MAX_SHAPES", 3)
    registry = Registry(Context(key=KEY))
    for key in sorted({key for dialect in DIALECTS for rule in dialect.kinds for key in rule.keys})[:20] * 2:
        made = span("x", {key: "chat", "gen_ai.operation.name": "chat"})
        assert registry.explain(made) == REGISTRY.explain(made)
        registry.read(made)
        assert max(len(registry._plans.applicable), len(registry._plans.remembered)) <= 3


def test_lists_do_where_tuples_are_meant() -> None:
    """Whoever writes a dialect outside need not have a type checker."""
    sources: dict[str, Any] = {"retrieval_name": [], "agent": ["agent"], "result": ["said"]}
    rules: Any = [ByPresence({"thing"}, Kind.RETRIEVAL), ByName([("x ", Kind.TOOL)], {"tool"})]  # type: ignore[arg-type]
    registry = Registry(Context(key=KEY), [replace(GENAI, kinds=rules, **sources)])
    reading = registry.read(span("y", {"thing": 1, "agent": "planner", "said": '{"error": "timed out"}'}))
    assert (reading.kind, reading.agent, reading.soft_error) == (Kind.RETRIEVAL, "planner", "error")
    assert registry.read(span("x y", {"tool": 1})).kind is Kind.TOOL
