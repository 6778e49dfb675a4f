from __future__ import annotations

import asyncio
import sys
from types import SimpleNamespace

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider, sampling
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otelscore.faults import Cassette, FaultPlan, MissError, Player, Recorder, Rule, inject
from otelscore.faults.engine import PLAN, RUN, SWITCH

EMPTY = FaultPlan((Rule("empty"),), budget=100)


@pytest.fixture
def switch_alone(monkeypatch):
    monkeypatch.setenv(SWITCH, "1")


@pytest.fixture
def switch(switch_alone):
    """With it a call's span, as a framework makes one."""
    with TracerProvider().get_tracer("framework").start_as_current_span("call"):
        yield


@pytest.fixture
def spans():
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    exporter.tracer = provider.get_tracer("test")
    return exporter


def search(query: str, limit: int = 3) -> list[str]:
    """Search."""
    return [query] * limit


async def search_async(query: str, limit: int = 3) -> list[str]:
    return search(query, limit)


@pytest.fixture(params=[search, search_async], ids=["sync", "async"])
def tool(request):
    return request.param


def call(tool, *args, **kwargs):
    given = tool(*args, **kwargs)
    return asyncio.run(given) if asyncio.iscoroutine(given) else given


def test_a_plan_without_the_switch_does_nothing(tool, monkeypatch):
    monkeypatch.delenv(SWITCH, raising=False)
    assert call(inject(tool, EMPTY), "a") == ["a"] * 3


def test_the_switch_without_a_plan_does_nothing(tool, switch):
    assert inject(tool) is tool


def test_both_switches_inject(tool, switch):
    assert call(inject(tool, EMPTY), "a") == []


def test_the_environment_may_name_the_plan(tool, switch, monkeypatch, tmp_path):
    path = tmp_path / "plan.yaml"
    path.write_text("faults: [{kind: empty, tools: search*}]")
    monkeypatch.setenv(PLAN, str(path))
    assert call(inject(tool), "a") == []


def test_a_fault_that_raises_spares_the_tool(switch):
    asked = []
    wrapped = inject(asked.append, FaultPlan((Rule("auth"),)), name="mail")
    with pytest.raises(Exception, match="HTTP 401"):
        wrapped("x")
    assert asked == []
    wrapped("y")  # the budget is used up
    assert asked == ["y"]


def test_an_async_call_waits_without_blocking(switch):
    slow = inject(search_async, FaultPlan((Rule("delay", parameters={"seconds": 0.2}),)))

    async def both():
        ticks = 0
        task = asyncio.create_task(slow("a"))
        while not task.done():
            await asyncio.sleep(0.01)
            ticks += 1
        return ticks, task.result()

    ticks, result = asyncio.run(both())
    assert ticks > 2
    assert result == ["a"] * 3


def test_the_innermost_span_is_marked(tool, switch, spans):
    with spans.tracer.start_as_current_span("execute_tool"):
        call(inject(tool, EMPTY), "a")
    (span,) = spans.get_finished_spans()
    assert span.attributes["otelscore.fault.kind"] == "empty"
    assert len(span.attributes["otelscore.fault.id"]) == 16


def test_a_fault_without_effect_is_not_marked(switch, spans):
    with spans.tracer.start_as_current_span("execute_tool"):
        assert inject(list, EMPTY)() == []
    assert not spans.get_finished_spans()[0].attributes


def test_a_call_that_no_figure_would_show_gets_no_fault(tool, switch_alone, caplog):
    wrapped = inject(tool, FaultPlan((Rule("empty"),), budget=100))
    unsampled = TracerProvider(sampler=sampling.ALWAYS_OFF).get_tracer("framework")
    with unsampled.start_as_current_span("call"):
        assert call(wrapped, "a") == ["a"] * 3
    assert call(wrapped, "a") == ["a"] * 3
    assert [record.message for record in caplog.records] == [
        f"no fault goes into a call without a span that is recorded, such as this one of {tool.__name__}"
    ]


def test_spans_of_langchain_are_found_though_they_are_never_current(switch, spans, monkeypatch):
    """As `get_current_span` of openinference.instrumentation.langchain tells of them."""
    span = spans.tracer.start_span("list_orders")
    told = SimpleNamespace(get_current_span=lambda: span)
    monkeypatch.setitem(sys.modules, "openinference.instrumentation.langchain", told)
    monkeypatch.setitem(sys.modules, "langchain_core", SimpleNamespace())
    assert inject(search, EMPTY)("a") == []
    with spans.tracer.start_as_current_span("inside the tool"):
        assert inject(search, EMPTY)("a") == []
    span.end()
    inside, outside = spans.get_finished_spans()
    for one in (inside, outside):
        assert one.attributes["otelscore.fault.kind"] == "empty"


def test_a_run_is_named_or_the_trace(switch, spans, monkeypatch):
    once = FaultPlan((Rule("empty"),), budget=1)
    wrapped = inject(search, once)
    found = []
    for _ in range(2):
        with spans.tracer.start_as_current_span("run", Context()):
            found += [wrapped("a"), wrapped("a")]
    assert found == [[], ["a"] * 3] * 2
    monkeypatch.setenv(RUN, "one for all")
    found = [wrapped("a"), wrapped("a")]
    assert found == [[], ["a"] * 3]
    assert inject(search, once, run="another")("a") == []


def test_tools_of_one_plan_share_its_budget(switch):
    once = FaultPlan((Rule("empty"),), budget=1)
    one, other = inject(search, once, name="one"), inject(search, once, name="other")
    assert (one("a", 1), other("a", 1)) == ([], ["a"])


def test_stale_is_what_the_tool_gave_before_in_the_same_run(switch):
    plan = FaultPlan((Rule("stale"),), budget=9)
    wrapped = inject(search, plan)
    assert [wrapped("a", 1), wrapped("b", 1), wrapped("c", 1)] == [["a"], ["a"], ["b"]]
    assert inject(search, plan, run="another")("d", 1) == ["d"]


def test_a_wrapped_tool_looks_like_the_tool(tool):
    wrapped = inject(tool, EMPTY)
    assert wrapped.__name__ == tool.__name__
    assert asyncio.iscoroutinefunction(wrapped) == asyncio.iscoroutinefunction(tool)


def flaky(query):
    if query == "bad":
        raise ValueError("no such query")
    return {"query": query}


async def flaky_async(query):
    return flaky(query)


@pytest.mark.parametrize("tool", [flaky, flaky_async])
def test_a_recording_plays_again_with_its_errors_and_latencies(tool, tmp_path):
    path = tmp_path / "cassette.jsonl"
    recorder = Recorder(path)
    recording = inject(tool, record=recorder, name="flaky")
    assert call(recording, "a") == {"query": "a"}
    with pytest.raises(ValueError, match="no such query"):
        call(recording, query="bad")
    recorder.close()
    cassette = Cassette.load(path)
    assert [one.error for one in cassette] == [None, ("ValueError", "no such query")]
    assert all(0 <= one.seconds < 10 for one in cassette)
    playing = inject(tool, replay=Player(cassette), name="flaky")
    with pytest.raises(ValueError, match="no such query"):
        call(playing, "bad")
    assert call(playing, query="a") == {"query": "a"}
    with pytest.raises(MissError, match="flaky"):
        call(playing, "a")


def test_a_miss_may_ask_the_real_tool():
    assert inject(search, replay=Player(()), on_miss="real")("a", 1) == ["a"]


def test_a_plan_works_on_top_of_a_recording(switch, tmp_path):
    recorder = Recorder(tmp_path / "c")
    inject(search, EMPTY, record=recorder)("a", 2)
    (recorded,) = Cassette.load(tmp_path / "c")
    assert recorded.result == ["a", "a"]  # as the real tool said it
    assert inject(search, EMPTY, replay=Player([recorded]))("a", 2) == []
