"""A reader that writes down what it is shown, and requests to show it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from otelscore.ingest.decode import Decoder
from otelscore.model import Failure, Kind, RawLog, RawSpan, Reading, SpanFacts, Verdict

TRACE, SPAN = bytes(range(1, 17)), bytes(range(1, 9))


class Recorder:
    """A Reader whose facts are what it was shown, so that equal batches mean equal raw records."""

    def __init__(self, wants: Callable[[str], bool] = lambda _: True) -> None:
        self.wants = wants
        self.spans: list[RawSpan] = []
        self.logs: list[RawLog] = []

    def read(self, span: RawSpan) -> Reading:
        self.spans.append(span)
        facts = (span.message, span.flags, sorted(span.attributes.items(), key=str), span.events)
        return Reading(Kind.OTHER, name=repr(facts))

    def read_log(self, log: RawLog) -> Verdict | SpanFacts | None:
        self.logs.append(log)
        if log.event_name == "gen_ai.evaluation.result":
            return Verdict(repr(log.attributes), True, log.time, log.trace_id, log.span_id)
        if "exception.type" in log.attributes:
            return SpanFacts(log.trace_id, log.span_id, Failure(repr(log.attributes["exception.type"])))
        return None


@pytest.fixture(scope="session")
def make_recorder() -> type[Recorder]:
    return Recorder


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def decoder(recorder: Recorder) -> Decoder:
    return Decoder(recorder)


@pytest.fixture
def request_of() -> Callable[..., ExportTraceServiceRequest]:
    """Makes a request of one good span a call of `request_of`, each with other fields changed."""

    def make(*changes: dict[str, object]) -> ExportTraceServiceRequest:
        request = ExportTraceServiceRequest()
        of_resource = request.resource_spans.add()
        service = of_resource.resource.attributes.add(key="service.name")
        service.value.string_value = "shop"
        of_scope = of_resource.scope_spans.add()
        of_scope.scope.name = "tests"
        for change in changes:
            fields = {"trace_id": TRACE, "span_id": SPAN, "name": "chat", **change}
            of_scope.spans.add(**fields)
        return request

    return make
