"""Realistic agent traffic as OTLP trace requests.

A request holds 200 spans: 10 agent runs of 2 services, each run 20 spans below one another: the agent, 5 model calls
with an HTTP call each, 5 tool calls and 4 steps of the framework. 5% of the spans failed with an exception. The profile
`content` (1.4 kB a span) carries messages, arguments and results; `lean` (0.4 kB a span) is the same without them.
The text is random words and JSON, which gzip makes about 4 times smaller.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

PROFILES = ("content", "lean")
SPANS = 200  # in a request

SERVICES = ("support-agent", "coding-agent", "research-agent", "ops-agent")
TOOLS = ("search_orders", "read_file", "run_tests", "http_get", "sql_query")
VOCABULARY = """
the agent should open file read result check order customer refund policy tool call search index document query
error retry success step plan answer user request shipping status update database table column value number date
config deploy service region latency budget token model message system assistant function parameter return output
verify summary context branch commit test failing passing module import stack trace
"""

_WORDS = VOCABULARY.split()
_RUN = 20  # spans
_TEMPLATES = 16
_SECOND = 1_000_000_000

Attributes = dict[str, str | int | float | list[str]]


def requests(profile: str, spans: int = SPANS) -> Iterator[bytes]:
    """Request bodies without end, of so many spans: 200, or 20, a run. No two hold the same trace id."""
    rng = random.Random(1)
    services, runs = (2, spans // 2 // _RUN) if spans > _RUN else (1, 1)
    templates = [_template(rng, profile == "content", services, runs) for _ in range(_TEMPLATES)]
    serial = 0
    while True:
        for body, places in templates:
            tag = serial.to_bytes(4, "little")
            for place in places:
                body[place : place + 4] = tag
            yield bytes(body)
            serial += 1


def _template(rng: random.Random, content: bool, services: int, runs: int) -> tuple[bytearray, list[int]]:
    """A request and the places of its trace ids in it."""
    sent = {service: [_run(rng, service, content) for _ in range(runs)] for service in rng.sample(SERVICES, services)}
    request = ExportTraceServiceRequest(
        resource_spans=[
            ResourceSpans(
                resource=Resource(attributes=_attributes(_resource(rng, service))),
                scope_spans=[ScopeSpans(spans=[span for run in spans for span in run])],
            )
            for service, spans in sent.items()
        ]
    )
    for of_resource in request.resource_spans:
        of_resource.scope_spans[0].scope.name = "opentelemetry.instrumentation.agents"
    body = request.SerializeToString()
    places = []
    for trace_id in {run[0].trace_id for spans in sent.values() for run in spans}:
        place = body.find(trace_id)
        while place >= 0:
            places.append(place)
            place = body.find(trace_id, place + 16)
    return bytearray(body), places


def _run(rng: random.Random, service: str, content: bool) -> list[Span]:
    trace_id = rng.randbytes(16)
    conversation = f"conv_{rng.getrandbits(64):016x}"
    start = now = time.time_ns() - 3600 * _SECOND + rng.randrange(_SECOND)
    root = Span(trace_id=trace_id, span_id=rng.randbytes(8), name=f"invoke_agent {service}", start_time_unix_nano=start)
    of_root: Attributes = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": service,
        "gen_ai.agent.id": f"agt_{rng.getrandbits(32):08x}",
        "gen_ai.conversation.id": conversation,
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": rng.randrange(5_000, 90_000),
        "gen_ai.usage.output_tokens": rng.randrange(500, 9_000),
    }
    root.attributes.extend(_attributes(of_root))
    spans = [root]
    for i in range(19):
        kind, name, attributes = _child(rng, i, service, conversation, content)
        below_model = i % 4 == 1
        span = Span(
            trace_id=trace_id,
            span_id=rng.randbytes(8),
            parent_span_id=(spans[-1] if below_model else root).span_id,
            name=name,
            kind=kind,
            start_time_unix_nano=now,
            attributes=_attributes(attributes),
        )
        now += rng.randrange(_SECOND // 1_000, 2 * _SECOND)
        span.end_time_unix_nano = now
        if rng.random() < 0.05:
            _fail(rng, span)
        spans.append(span)
    root.kind = Span.SPAN_KIND_INTERNAL
    root.end_time_unix_nano = now
    return spans


def _child(
    rng: random.Random, i: int, service: str, conversation: str, content: bool
) -> tuple[Span.SpanKind.ValueType, str, Attributes]:
    """Kind, name and attributes of an agent's i-th span: model call, HTTP call, tool call, step and again."""
    attributes: Attributes
    if i % 4 == 0:
        attributes = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.response.model": "gpt-4o-2024-08-06",
            "gen_ai.response.id": f"chatcmpl-{rng.getrandbits(80):020x}",
            "gen_ai.response.finish_reasons": ["tool_calls" if i < 16 else "stop"],
            "gen_ai.usage.input_tokens": rng.randrange(200, 9_000),
            "gen_ai.usage.output_tokens": rng.randrange(5, 900),
            "gen_ai.conversation.id": conversation,
            "server.address": "api.openai.com",
        }
        if content:
            attributes["gen_ai.request.temperature"] = 0.2
            attributes["gen_ai.request.max_tokens"] = 4096
            attributes["server.port"] = 443
            attributes["gen_ai.input.messages"] = _messages(rng, 2_048, ("system", "user", "assistant", "tool"))
            attributes["gen_ai.output.messages"] = _messages(rng, 500, ("assistant",))
        return Span.SPAN_KIND_CLIENT, "chat gpt-4o", attributes
    if i % 4 == 1:
        attributes = {
            "http.request.method": "POST",
            "http.response.status_code": 200,
            "server.address": "api.openai.com",
            "server.port": 443,
            "url.full": "https://api.openai.com/v1/chat/completions",
        }
        return Span.SPAN_KIND_CLIENT, "POST", attributes
    if i % 4 == 3:
        attributes = {
            "gen_ai.agent.name": service,
            "gen_ai.conversation.id": conversation,
            "agent.step.index": i,
            "code.function.name": "AgentExecutor.step",
        }
        return Span.SPAN_KIND_INTERNAL, "agent.step", attributes
    tool = rng.choice(TOOLS)
    attributes = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": tool,
        "gen_ai.tool.call.id": f"call_{rng.getrandbits(80):020x}",
        "gen_ai.tool.type": "function",
        "gen_ai.agent.name": service,
        "gen_ai.conversation.id": conversation,
        "retry.count": rng.randrange(3),
    }
    if content:
        attributes["gen_ai.tool.description"] = f"Calls {tool} with validated arguments"
        attributes["gen_ai.tool.call.arguments"] = json.dumps({"q": _text(rng, 285)})
        attributes["gen_ai.tool.call.result"] = json.dumps({"ok": True, "data": _text(rng, 1_000)})
    return Span.SPAN_KIND_INTERNAL, f"execute_tool {tool}", attributes


def _fail(rng: random.Random, span: Span) -> None:
    span.status.code = Status.STATUS_CODE_ERROR
    span.status.message = "tool call failed: timeout"
    span.attributes.extend(_attributes({"error.type": "TimeoutError"}))
    exception: Attributes = {
        "exception.type": "TimeoutError",
        "exception.message": "timed out after 30s",
        "exception.stacktrace": "Traceback (most recent call last):\n" + _text(rng, 400),
    }
    span.events.add(name="exception", time_unix_nano=span.end_time_unix_nano, attributes=_attributes(exception))


def _resource(rng: random.Random, service: str) -> Attributes:
    return {
        "service.name": service,
        "service.version": f"1.{rng.randrange(9)}.0",
        "service.instance.id": f"{rng.getrandbits(128):032x}",
        "deployment.environment.name": "production",
        "telemetry.sdk.language": "python",
        "telemetry.sdk.name": "opentelemetry",
        "telemetry.sdk.version": "1.45.2",
        "host.name": f"node-{rng.randrange(40):02}",
    }


def _messages(rng: random.Random, size: int, roles: tuple[str, ...]) -> str:
    """A JSON list of messages with parts, about `size` characters."""
    messages = []
    while size > 80:
        length = min(size - 60, rng.randrange(150, 700))
        part = {"type": "text", "content": _text(rng, length)}
        messages.append({"role": rng.choice(roles), "parts": [part]})
        size -= length + 60
    return json.dumps(messages)


def _text(rng: random.Random, size: int) -> str:
    words: list[str] = []
    length = 0
    while length < size:
        word = rng.choice(_WORDS) if rng.random() < 0.85 else str(rng.randrange(10**6))
        words.append(word)
        length += len(word) + 1
    return " ".join(words)[:size]


def _attributes(values: Attributes) -> list[KeyValue]:
    return [KeyValue(key=key, value=_value(value)) for key, value in values.items()]


def _value(value: str | float | list[str]) -> AnyValue:
    if isinstance(value, str):
        return AnyValue(string_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    return AnyValue(array_value=ArrayValue(values=[AnyValue(string_value=text) for text in value]))
