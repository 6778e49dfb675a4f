"""The senders: real exporters that insist, and one that asks once and remembers every answer."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from faults.script import Batch, Verdict, traces_body, verdict_body
from live import PATIENCE
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

TIMEOUT = 2  # seconds for which an exporter tries one batch again and again before it gives it up
PACE = 0.01  # seconds between two requests of a sender, so that something can happen meanwhile

Answer = Literal["acknowledged", "refused", "none"]


def post(address: str, path: str, body: bytes, timeout: float = PATIENCE) -> Answer:
    """Sends one OTLP/HTTP request, once. Raises AssertionError where it is answered as if it were wrong."""
    connection = http.client.HTTPConnection(address, timeout=timeout)
    try:
        connection.request("POST", path, body, {"content-type": "application/x-protobuf"})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return "none"
    finally:
        connection.close()
    assert status in (200, 503), status
    return "acknowledged" if status == 200 else "refused"


def traces(address: str, batch: Batch, timeout: float = PATIENCE) -> Answer:
    return post(address, "/v1/traces", traces_body(batch), timeout)


def verdict(address: str, one: Verdict, timeout: float = PATIENCE) -> Answer:
    return post(address, "/v1/logs", verdict_body(one), timeout)


@dataclass
class Progress:
    """What the senders of one load have got done, for others to wait on."""

    acknowledged: int = 0
    attempts: int = 0  # that failed
    over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._changed = threading.Condition()

    def count(self, acknowledged: bool) -> None:
        with self._changed:
            self.acknowledged += acknowledged
            self.attempts += not acknowledged
            self._changed.notify_all()

    def wait_for_acknowledged(self, more: int) -> None:
        """Until so many more requests are acknowledged, or there are no more to send."""
        with self._changed:
            wanted = self.acknowledged + more
            self._wait(lambda: self.acknowledged >= wanted)

    def wait_for_failures(self, more: int = 1) -> None:
        """The same for attempts that failed."""
        with self._changed:
            wanted = self.attempts + more
            self._wait(lambda: self.attempts >= wanted)

    def finish(self) -> None:
        self.over.set()
        with self._changed:
            self._changed.notify_all()

    def _wait(self, enough: Callable[[], bool]) -> None:
        assert self._changed.wait_for(lambda: enough() or self.over.is_set(), PATIENCE)


def export(exporter: SpanExporter, batches: Sequence[Batch], progress: Progress) -> None:
    """Sends every batch until it is acknowledged, as an application with a queue before its exporter does."""
    pause = threading.Event()
    for batch in batches:
        done = False
        while not done:
            done = exporter.export(batch) is SpanExportResult.SUCCESS
            progress.count(done)
        pause.wait(PACE)
    exporter.shutdown()


def judge(address: str, verdicts: Sequence[Verdict], progress: Progress) -> None:
    """The same for verdicts."""
    pause = threading.Event()
    for one in verdicts:
        while verdict(address, one, TIMEOUT) != "acknowledged":
            progress.count(False)
            pause.wait(10 * PACE)
        progress.count(True)
        pause.wait(PACE)


@dataclass
class Once:
    """Sends whole runs, each once, and remembers what it was told of each."""

    address: str
    told: dict[Answer, list[Batch]] = field(default_factory=lambda: {"acknowledged": [], "refused": [], "none": []})

    def send(self, runs: Sequence[Batch], progress: Progress) -> None:
        pause = threading.Event()
        for run in runs:
            answer = traces(self.address, run, TIMEOUT)
            self.told[answer].append(run)
            progress.count(answer == "acknowledged")
            pause.wait(2 * PACE)


@contextmanager
def under_load(grpc: str, http: str, streams: Sequence[Sequence[Batch]], verdicts: Sequence[Verdict],
               once: Once, runs: Sequence[Batch]) -> Iterator[Progress]:  # fmt: skip
    """Sends all of it at once, every second stream by gRPC; waits at the end until the senders are through."""
    progress = Progress()
    senders = [threading.Thread(target=judge, args=(http, verdicts, progress)),
               threading.Thread(target=once.send, args=(runs, progress))]  # fmt: skip
    for number, stream in enumerate(streams):
        exporter: SpanExporter
        if number % 2:
            exporter = HttpExporter(f"http://{http}/v1/traces", timeout=TIMEOUT)
        else:
            exporter = GrpcExporter(grpc, insecure=True, timeout=TIMEOUT)
        senders.append(threading.Thread(target=export, args=(exporter, stream, progress)))

    def watch() -> None:
        for sender in senders:
            sender.join()
        progress.finish()

    for sender in senders:
        sender.daemon = True
        sender.start()
    threading.Thread(target=watch, daemon=True).start()
    yield progress
    assert progress.over.wait(PATIENCE)
