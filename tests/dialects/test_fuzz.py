"""Any attributes of any dialects on any tree of spans give trajectories or nothing, never an exception.

What it costs is counted, not timed: the lines of Python that run may grow no faster than the spans.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import otelscore
from bench.interpreted import interpreted
from otelscore.dialects import DIALECTS, ByName, ByPresence, ByValue, Context, EventField, Registry
from otelscore.dialects.logs import LOG_KEYS
from otelscore.dialects.table import COMMON_KEYS
from otelscore.dialects.table import SOURCES as SOURCE_FIELDS
from otelscore.model import AttributeValue, Origin, RawEvent, RawLog, RawSpan, Span, SpanFacts, Trajectory
from otelscore.trajectory.builder import build
from otelscore.trajectory.explanation import explain_trace
from otelscore.trajectory.facts import merge

HOUSE = str(Path(otelscore.__file__).parent)
TRACE = b"t" * 16
REGISTRY = Registry(Context(key=bytes(16)))
RULES = [rule for dialect in DIALECTS for rule in dialect.kinds]
SOURCES = [
    source
    for dialect in DIALECTS
    for field in (*SOURCE_FIELDS, "offered")
    for source in getattr(dialect, field)
    if isinstance(source, (str, EventField))
]
KEYS = sorted(
    {source for source in SOURCES if isinstance(source, str)}
    | {key for rule in RULES for key in rule.keys}
    | {key for dialect in DIALECTS for key in (*dialect.failed_if, *dialect.roles, *dialect.keys)}
    | {f"{prefix}{n}.message.role" for dialect in DIALECTS for prefix in dialect.prefixes for n in (0, 1)}
    | {f"{start}{n}.{end}" for dialect in DIALECTS for start, end in dialect.families for n in (0, 1)}
    | COMMON_KEYS
)
EVENTS = sorted({source.event for source in SOURCES if isinstance(source, EventField)} | {"exception"})
EVENT_KEYS = sorted({source.key for source in SOURCES if isinstance(source, EventField)} | {"exception.type", "id"})
NAMES = sorted({prefix for rule in RULES if isinstance(rule, ByName) for prefix, _ in rule.prefixes})
SCOPES = sorted({scope for rule in RULES for scope in rule.scopes} | {"test"})
WORDS = sorted(
    {value for rule in RULES if isinstance(rule, ByValue) for value in rule.kinds}
    | {value for dialect in DIALECTS for values in dialect.failed_if.values() for value in values}
)
MESSAGES: list[AttributeValue] = [
    [{"role": "assistant", "tool_calls": [{"id": "c1", "function": {"name": "search", "arguments": "{}"}}]}],
    [
        {"role": "assistant", "parts": [{"type": "tool_call", "id": "c1", "name": "search", "arguments": {"q": 1}}]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "Error: HTTP 503"}]},
    ],
    {"error": {"message": "no"}},
    {"args": [], "kwargs": {"q": [1, None, True, 1.5]}},
    "Error: timed out",
    "I could not do it.",
]

texts = st.sampled_from([*WORDS, *(json.dumps(value) for value in MESSAGES), "c1", "", '"tool"', "{", "a" * 300])
values: st.SearchStrategy[Any] = (
    texts
    | st.sampled_from(MESSAGES)
    | st.booleans()
    | st.integers(-1, 600)
    | st.floats(allow_nan=True)
    | st.binary(max_size=4)
    | st.none()
    | st.lists(texts, max_size=3)
    | st.dictionaries(st.sampled_from(["role", "content", "error", "id", "type", "name"]), texts, max_size=3)
)
attributes = st.dictionaries(st.sampled_from(KEYS), values, max_size=8)
events = st.lists(
    st.builds(
        RawEvent,
        st.sampled_from(EVENTS),
        st.integers(0, 9),
        st.dictionaries(st.sampled_from(EVENT_KEYS), values, max_size=4),
    ),
    max_size=2,
)


@st.composite
def traces(draw: st.DrawFn) -> list[RawSpan]:
    """Trees, forests and circles of spans."""
    count = draw(st.integers(1, 12))
    ids = [bytes([n] * 8) for n in range(1, count + 1)]
    found = []
    for span_id in ids:
        start = draw(st.integers(0, 50))
        found.append(
            RawSpan(
                trace_id=TRACE,
                span_id=span_id,
                parent_id=draw(st.sampled_from([b"", b"elsewher", *ids])),
                name=draw(st.sampled_from([*NAMES, "x"])) + draw(st.sampled_from(["", "search", "a.b"])),
                kind=draw(st.integers(0, 5)),
                flags=draw(st.sampled_from([0, 0x100, 0x300])),
                start=start,
                end=draw(st.sampled_from([0, start, start + draw(st.integers(0, 50))])),
                status=draw(st.integers(0, 2)),
                message=draw(st.sampled_from(["", "timed out"])),
                attributes=draw(attributes),
                events=draw(events),
                links=(),
                origin=Origin(draw(st.sampled_from(["a", "b"])), draw(st.sampled_from(SCOPES))),
            )
        )
    return found


logs = st.builds(
    RawLog,
    st.just(TRACE),
    st.integers(1, 12).map(lambda n: bytes([n] * 8)),
    st.integers(0, 9),
    st.sampled_from([*EVENTS, "gen_ai.user.message", "a.scope", ""]),
    values,
    st.dictionaries(st.sampled_from(sorted(LOG_KEYS)), values, max_size=3),
    st.just(Origin()),
)


def read(raw: RawSpan, registry: Registry = REGISTRY) -> Span:
    fields = (raw.trace_id, raw.span_id, raw.parent_id, raw.name, raw.kind, raw.flags, raw.start, raw.end, raw.status)
    return Span(*fields, raw.origin, registry.read(raw), raw.links)


@settings(max_examples=400)
@given(traces(), st.lists(logs, max_size=4))
def test_anything_gives_trajectories_or_nothing(raw: list[RawSpan], records: list[RawLog]) -> None:
    spans = [read(one) for one in raw]
    facts: dict[bytes, SpanFacts] = {}
    for found in filter(None, map(REGISTRY.read_log, records)):
        assert isinstance(found, SpanFacts)
        facts[found.span_id] = merge(facts.get(found.span_id, found), found)
    trajectories = build(spans, facts).trajectories
    assert all(isinstance(found, Trajectory) for found in trajectories)
    assert len(explain_trace(spans, facts, trajectories)) >= len(spans)
    for one, span in zip(raw, spans, strict=True):
        dialect, says = REGISTRY.explain(one)
        assert dialect == span.reading.dialect
        assert bool(dialect) == bool(says)


def test_every_key_is_wanted() -> None:
    assert [key for key in KEYS if not REGISTRY.wants(key) and not key.endswith(".role")] == []
    assert any(isinstance(rule, ByPresence) for rule in RULES)


def many(count: int, seed: int) -> list[RawSpan]:
    """Spans as `traces` has them, but as many as are asked for and without hypothesis."""
    dice = random.Random(seed)
    ids = [n.to_bytes(8, "big") for n in range(1, count + 1)]
    words: Sequence[AttributeValue] = [*WORDS, *MESSAGES, *(json.dumps(value) for value in MESSAGES), True, 500, "c1"]
    found = []
    for at, span_id in enumerate(ids):
        start = dice.randrange(10 * count)
        found.append(
            RawSpan(
                TRACE,
                span_id,
                dice.choice([b"", ids[0], ids[at // 2], ids[dice.randrange(count)]]),
                dice.choice([*NAMES, "x"]) + "search",
                1,
                dice.choice([0, 0x100, 0x300]),
                start,
                start + dice.randrange(100),
                dice.choice([0, 0, 1, 2]),
                "",
                {key: dice.choice(words) for key in dice.sample(KEYS, 5)},
                [RawEvent(dice.choice(EVENTS), start, {dice.choice(EVENT_KEYS): dice.choice(words)})],
                (),
                Origin("a", dice.choice(SCOPES)),
            )
        )
    return found


def lines_run(function: Callable[[], object]) -> int:
    """How many lines of otelscore's code run."""
    count = 0

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal count
        if not frame.f_code.co_filename.startswith(HOUSE):
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return count


def run_of(count: int, seed: int) -> list[RawSpan]:
    """One agent that calls its model and tools, all of which fail: at odd seeds they have spans, else messages tell."""
    found = [_span(0, "invoke_agent a", 10 * count, {"gen_ai.operation.name": "invoke_agent"})]
    for n in range(1, count):
        if seed % 2 and n % 3:
            called = {"gen_ai.tool.name": f"t{n % 5}", "gen_ai.tool.call.id": f"c{n - n % 3}", "error.type": "X"}
            found.append(_span(n, "execute_tool t", 10, {"gen_ai.operation.name": "execute_tool", **called}))
            continue
        asked = [{"type": "tool_call", "id": f"c{n}", "name": f"t{n % 5}", "arguments": {}}]
        told = [{"type": "tool_call_response", "id": f"c{n - 1}", "response": "Error: HTTP 503"}]
        messages = {
            "gen_ai.input.messages": json.dumps([{"role": "assistant", "parts": []}, {"role": "tool", "parts": told}]),
            "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": asked}]),
        }
        found.append(_span(n, "chat m", 5, {"gen_ai.operation.name": "chat", **messages}))
    return found


def _span(at: int, name: str, lasts: int, said: dict[str, AttributeValue]) -> RawSpan:
    ids = [(at + 1).to_bytes(8, "big"), (1).to_bytes(8, "big") if at else b""]
    return RawSpan(TRACE, *ids, name, 1, 0x100, 10 * at, 10 * at + lasts, 0, "", said, [], (), Origin("a", "test"))


@pytest.mark.parametrize("make", [many, run_of])
@pytest.mark.parametrize("seed", [0, 1])
def test_work_grows_linearly_with_the_spans(make: Callable[[int, int], list[RawSpan]], seed: int) -> None:
    with interpreted():  # of what is compiled no lines are seen to run
        from otelscore.dialects import Context, Registry
        from otelscore.trajectory.builder import build

    def work(count: int) -> int:
        raw, registry = make(count, seed), Registry(Context(key=bytes(16)))
        return lines_run(lambda: build([read(one, registry) for one in raw]))

    assert work(1000) < 13 * work(100)
