"""`otelscore serve --forward`: nothing that was acknowledged is lost to the backend, nor to the figures."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from faults import senders
from faults.disks import Quota
from faults.proxy import Proxy
from faults.script import traces_body, verdict_body
from faults.site import Load, Site
from live import FREE, QUICK, Agent, Server, eventually, judge, known_runs, span_exporter, start
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from sink import GrpcSink, HttpSink, Sink

Serve = Callable[..., Server]


@pytest.fixture
def serve() -> Iterator[Serve]:
    servers: list[Server] = []

    def make(*args: str, **more: Any) -> Server:
        servers.append(start(*FREE, *QUICK, *args, **more))
        return servers[-1]

    yield make
    for server in servers:
        server.process.kill()
        server.process.wait()


@pytest.fixture(params=[HttpSink, GrpcSink])
def sink(request: pytest.FixtureRequest) -> Iterator[Sink]:
    sink = request.param().start()
    yield sink
    sink.stop()


def protocol(sink: Sink) -> dict[str, str]:
    return {"OTELSCORE_FORWARD_PROTOCOL": "grpc" if isinstance(sink, GrpcSink) else "http/protobuf"}


def send_runs(server: Server, transport: str) -> list[Any]:
    provider = TracerProvider(resource=Resource({"service.name": "shop"}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(span_exporter(server, transport)))
    contexts = known_runs(Agent(provider.get_tracer("shop.agents")))
    provider.shutdown()
    return list(contexts)


@pytest.mark.parametrize("transport", ["grpc", "http"])
def test_traces_and_logs_reach_the_backend_and_the_figures(serve: Serve, sink: Sink, transport: str) -> None:
    server = serve("--forward", sink.url, env=protocol(sink))
    contexts = send_runs(server, transport)
    judge(server, (contexts[0], "pass"))
    assert eventually(lambda: server.value("trajectories_total"), 4.0) == 4.0
    assert eventually(lambda: (len(sink.bodies("traces")), len(sink.bodies("logs"))), (1, 1)) == (1, 1)
    assert server.value("forwarded_requests_total") == 2.0
    assert server.value("verdicts_total") == 1.0


def test_the_same_bytes_arrive_that_were_sent(serve: Serve, sink: Sink) -> None:
    server = serve("--forward", sink.url, env=protocol(sink))
    bodies = [traces_body(batch) for batch in Load(1, 3).runs]
    channel = grpc.insecure_channel(server.grpc)
    export = channel.unary_unary("/opentelemetry.proto.collector.trace.v1.TraceService/Export", bytes, bytes)
    for body in bodies:
        export(body, compression=grpc.Compression.Gzip)
    channel.close()
    assert eventually(lambda: sorted(sink.bodies()), sorted(bodies)) == sorted(bodies)


def test_a_kill_loses_nothing_that_was_acknowledged(tmp_path: Path, sink: Sink) -> None:
    sink.stop()  # so that there is always something waiting when the process is killed
    site = Site(Quota(tmp_path / "disk"), "--forward", sink.url, graces=protocol(sink))
    load = Load(7, 15)
    try:
        with load.to(site) as progress:
            for number in range(4):
                progress.wait_for_acknowledged(load.requests // 6)
                site.restart()
                if number == 1:
                    sink.start()
                if number == 2:
                    sink.stop()
        sink.start()
        told = load.once.told
        assert told["acknowledged"]
        wanted = {traces_body(batch) for batches in (*load.streams, told["acknowledged"]) for batch in batches}
        assert eventually(lambda: len(wanted - set(sink.bodies())), 0) == 0
        judged = {verdict_body(one) for one in load.verdicts}
        assert eventually(lambda: len(judged - set(sink.bodies("logs"))), 0) == 0
        assert eventually(lambda: site.server.value("forward_spool_requests"), 0.0) == 0.0
        unanswered = {traces_body(batch) for batch in told["none"]}
        assert not set(sink.bodies()) - wanted - unanswered, "a request that was refused was passed on"
    finally:
        site.close()


@pytest.mark.parametrize("required", [False, True])
def test_a_full_spool(serve: Serve, required: bool) -> None:
    sink = HttpSink().start()
    sink.let_go.clear()
    limits = {"LIMITS_FORWARD_SPOOL": "16KiB", "LIMITS_REQUEST_SIZE": "15KiB"}
    settings = {**limits, "FORWARD_REQUIRED": str(required).lower()}
    env = {f"OTELSCORE_{name}": text for name, text in settings.items()}
    server = serve("--forward", sink.url, env={**protocol(sink), **env})
    load = Load(3, 20)
    answers = [senders.traces(server.http, run) for run in load.runs]
    waiting = server.value("forward_spool_requests")
    assert waiting
    assert 0 < waiting < 20
    if required:
        assert answers.count("refused") == 20 - waiting
        assert eventually(lambda: server.value("trajectories_total"), waiting) == waiting
    else:
        assert answers.count("refused") == 0
        assert server.value("forward_dropped_requests_total", reason="spool_full") == 20 - waiting
        assert eventually(lambda: server.value("trajectories_total"), 20.0) == 20.0
    assert server.value("limit_reached_total", limit="forward_spool") == 20 - waiting
    sink.let_go.set()
    assert eventually(lambda: len(sink.got), int(waiting)) == waiting
    sink.stop()


def test_figures_do_not_wait_for_a_hanging_backend(serve: Serve, sink: Sink) -> None:
    sink.let_go.clear()
    server = serve("--forward", sink.url, env=protocol(sink))
    send_runs(server, "grpc")
    assert eventually(lambda: server.value("trajectories_total"), 4.0) == 4.0
    assert server.value("forward_spool_requests") == 1.0
    assert server.stop() == 0


@pytest.mark.parametrize("setting", ["forward", "events"])
@pytest.mark.parametrize("door", ["grpc", "http", "metrics"])
def test_it_refuses_to_send_to_itself(setting: str, door: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    args = [*FREE, f"--{door}", f"127.0.0.1:{port}", "--state", "none"]
    env = {**os.environ, f"OTELSCORE_{setting.upper()}_ENDPOINT": f"localhost:{port}"}
    command = [sys.executable, "-m", "otelscore", "serve", *args]
    done = subprocess.run(command, check=False, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert f"http://localhost:{port} is where this otelscore listens; name another backend" in done.stderr


def test_what_comes_back_on_a_way_around_is_refused_and_ends_there(serve: Serve, sink: Sink) -> None:
    proxies = [Proxy(), Proxy()]
    grpc_sink = isinstance(sink, GrpcSink)
    names = ("FORWARD", "EVENTS")
    env = {f"OTELSCORE_{name}_ENDPOINT": proxy.address for name, proxy in zip(names, proxies, strict=True)}
    env |= {f"OTELSCORE_{name}_PROTOCOL": "grpc" if grpc_sink else "http/protobuf" for name in names}
    server = serve(env=env)
    for proxy in proxies:
        proxy.port = int((server.grpc if grpc_sink else server.http).rpartition(":")[2])
    send_runs(server, "http")
    assert eventually(lambda: server.value("forward_dropped_requests_total", reason="rejected"), 1.0) == 1.0
    assert eventually(lambda: server.value("score_events_total", result="failed"), 4.0) == 4.0
    assert server.value("forwarded_requests_total") == 0.0
    assert server.value("requests_total", result="accepted") == 1.0
    assert server.value("spans_total", fate="duplicate") == 0.0
    for proxy in proxies:
        proxy.close()


def test_each_final_run_is_told_of_once_as_an_event(serve: Serve, sink: Sink) -> None:
    kind = "grpc" if isinstance(sink, GrpcSink) else "http/protobuf"
    server = serve(env={"OTELSCORE_EVENTS_ENDPOINT": sink.url, "OTELSCORE_EVENTS_PROTOCOL": kind})
    contexts = send_runs(server, "grpc")
    judge(server, (contexts[1], "fail"))
    assert eventually(lambda: server.value("score_events_total", result="sent"), 4.0) == 4.0
    found = [
        {one.key: one.value for one in record.attributes} | {"trace": record.trace_id, "span": record.span_id}
        for body in sink.bodies("logs")
        for of_resource in ExportLogsServiceRequest.FromString(body).resource_logs
        for of_scope in of_resource.scope_logs
        for record in of_scope.log_records
    ]
    assert len(found) == 4
    (judged,) = (one for one in found if "otelscore.task_passed" in one)
    assert judged["trace"] == contexts[1].trace_id.to_bytes(16, "big")
    assert judged["span"] == contexts[1].span_id.to_bytes(8, "big")
    assert judged["otelscore.task_passed"].bool_value is False
    assert judged["otelscore.silent_failure"].bool_value is False  # its error was not recovered
    assert sorted(one["gen_ai.evaluation.score.label"].string_value for one in found) == ["completed"] * 3 + ["failed"]


def test_events_that_come_back_are_no_verdicts(serve: Serve) -> None:
    listener = serve("--state", "none", env={"OTELSCORE_VERDICTS_EVALUATORS": "otelscore.step_success"})
    settings = {"OTELSCORE_EVENTS_ENDPOINT": f"http://{listener.grpc}", "OTELSCORE_EVENTS_PROTOCOL": "grpc"}
    speaker = serve(env=settings)
    send_runs(speaker, "grpc")
    assert eventually(lambda: listener.value("log_records_total", fate="ignored"), 4.0) == 4.0
    assert not listener.value("verdicts_total")
    assert listener.value("verdicts_pending") == 0.0
