"""What overload does: several times as many requests as otelscore takes, for a minute, and how it is afterwards.

    python bench/overload.py --times 4 --seconds 60

A real `otelscore serve` with its state on disk. First it is seen how many requests a second it takes from senders that
wait for each answer. Then many senders together send so many times as many, at fixed times, and what is refused is sent
again a second later. All the while `/metrics` is scraped once a second.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
from load import HOST, HttpConnection, drive
from payloads import SPANS, requests
from prometheus_client.parser import text_string_to_metric_families

SENDERS = 400
TIMEOUT = 10.0  # seconds, that of OpenTelemetry's exporters
HEADERS = {"content-type": "application/x-protobuf"}
QUICK = ["--root-grace", "1s", "--late-window", "2s"]  # so that what is accepted is counted soon


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--times", type=float, default=4.0)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        process, http_port, metrics_port = _serve(Path(folder))
        try:
            _measure(process.pid, http_port, metrics_port, options.times, options.seconds)
        finally:
            process.kill()
            process.wait()


def _measure(pid: int, port: int, metrics: int, factor: float, seconds: float) -> None:
    server, bodies = psutil.Process(pid), requests("content")
    taken = drive(lambda: HttpConnection(port, gzipped=False), bodies, 10.0)
    capacity = taken / 10.0
    idle = _scrapes(metrics, 5.0)
    before = server.memory_info().rss
    crowd = Crowd(port, bodies, factor * capacity, seconds)
    crowd.start()
    busy = _scrapes(metrics, seconds)
    crowd.join()
    peak = server.memory_info().rss
    began = time.perf_counter()
    _insist(port, next(bodies))
    recovered = time.perf_counter() - began
    wanted = SPANS * (taken + crowd.answers[200] + 1)
    while _value(metrics, "otelscore_open_spans") and time.perf_counter() - began < 60:
        time.sleep(0.5)
    received = _value(metrics, "otelscore_spans_total", fate="kept")
    duplicates = _value(metrics, "otelscore_spans_total", fate="duplicate")
    rate = sum(crowd.answers.values()) / seconds
    share = crowd.answers[200] / seconds / capacity
    print(f"capacity: {capacity:.0f} requests/s of {SPANS} spans; sent: {rate:.0f}/s, {rate / capacity:.1f} times that")
    print(f"answers: {dict(crowd.answers)}; taken meanwhile: {share:.2f} of the capacity")
    print(f"spans acknowledged: {wanted}, counted: {received:.0f}, sent again although taken: {duplicates:.0f}")
    for name, status in (("taken", 200), ("refused", 503)):
        print(f"answers, {name}: median {crowd.quantile(status, 0.5):.2f} s, 99% {crowd.quantile(status, 0.99):.2f} s")
    for name, times in (("idle", idle), ("in overload", busy)):
        print(f"scrape, {name}: median {times[len(times) // 2]:.2f} s, 99% {times[int(0.99 * (len(times) - 1))]:.2f} s")
    print(f"memory: {before / 1e6:.0f} MB before, {peak / 1e6:.0f} MB after; then one request: {recovered:.2f} s")


class Crowd:
    """Senders that send so many requests a second together, whatever becomes of them."""

    def __init__(self, port: int, bodies: Iterator[bytes], rate: float, seconds: float) -> None:
        self._port, self._bodies, self._pause, self._seconds = port, bodies, SENDERS / rate, seconds
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._send, args=(number,)) for number in range(SENDERS)]
        self.answers: Counter[int] = Counter()
        self._times: dict[int, list[float]] = {200: [], 503: []}

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def quantile(self, status: int, share: float) -> float:
        times = sorted(self._times[status]) or [0.0]
        return times[int(share * (len(times) - 1))]

    def _send(self, number: int) -> None:
        connection = http.client.HTTPConnection(HOST, self._port, timeout=TIMEOUT)
        begin = time.perf_counter()
        due = begin + self._pause * number / SENDERS
        again: list[tuple[float, bytes]] = []
        while due < begin + self._seconds:
            time.sleep(max(due - time.perf_counter(), 0))
            due = max(due + self._pause, time.perf_counter())  # an answer that came late is nothing to catch up with
            if again and again[0][0] <= time.perf_counter():
                body = again.pop(0)[1]
            else:
                with self._lock:
                    body = next(self._bodies)
            sent = time.perf_counter()
            try:
                connection.request("POST", "/v1/traces", body, HEADERS)
                answer = connection.getresponse()
                answer.read()
                status = answer.status
            except (OSError, http.client.HTTPException):
                connection.close()
                status = 0
            with self._lock:
                self.answers[status] += 1
                self._times.setdefault(status, []).append(time.perf_counter() - sent)
            if status != 200:
                again.append((time.perf_counter() + 1.0, body))
        connection.close()


def _insist(port: int, body: bytes) -> None:
    with closing(HttpConnection(port, gzipped=False)) as connection:
        while True:
            try:
                return connection.export(body)
            except ConnectionError:  # what was let in before is still at work
                time.sleep(0.1)


def _serve(folder: Path) -> tuple[subprocess.Popen[str], int, int]:
    addresses = [f"--{door}={HOST}:0" for door in ("grpc", "http", "metrics")]
    command = [sys.executable, "-m", "otelscore", "serve", *addresses, *QUICK, "--state", str(folder)]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env={**os.environ, "OTELSCORE_LOG_FORMAT": "json"}
    )
    assert process.stderr
    for line in process.stderr:
        if '"listening"' in line:
            said = json.loads(line)
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return process, int(said["http"].rpartition(":")[2]), int(said["metrics"].rpartition(":")[2])
    raise SystemExit("otelscore did not start")


def _scrapes(port: int, seconds: float) -> list[float]:
    """How long each of the scrapes took, one a second, rising."""
    times = []
    until = time.perf_counter() + seconds
    while (began := time.perf_counter()) < until:
        _scrape(port)
        times.append(time.perf_counter() - began)
        time.sleep(max(1.0 - times[-1], 0))
    return sorted(times)


def _scrape(port: int) -> str:
    with urllib.request.urlopen(f"http://{HOST}:{port}/metrics", timeout=60) as answer:
        text: str = answer.read().decode()
    return text


def _value(port: int, name: str, **labels: str) -> float:
    families = text_string_to_metric_families(_scrape(port))
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


if __name__ == "__main__":
    main()
