"""Where the agents of a trial send their telemetry, and what is read out of it.

Each attempt has an endpoint of its own, a path on one local port, so that its requests are known by where they were
sent. They are kept in memory as they came and read when the attempt is over.
"""

from __future__ import annotations

import secrets
import threading
import zlib
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from otelscore.config import Config
from otelscore.model import Batch, Trajectory
from otelscore.pipeline import Pipeline
from otelscore.service import make_decoder, make_reader
from otelscore.trajectory.life import Closed
from otelscore.trajectory.verdicts import targets_of

MAX_BODY = 64 << 20
"""Bytes of one request, unpacked."""


class Collector:
    """OTLP/HTTP on localhost; protobuf and JSON, plain and gzip."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._decoder = make_decoder(config, make_reader(config, secrets.token_bytes(32)))
        self._batches: dict[str, list[Batch]] = defaultdict(list)
        self._lock = threading.Lock()
        self.url = ""

    @contextmanager
    def listening(self) -> Iterator[None]:
        """While this is entered, requests are taken at `url`/ATTEMPT."""
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                status = 200
                try:
                    body = self.rfile.read(min(int(self.headers.get("Content-Length") or 0), MAX_BODY))
                    if self.headers.get("Content-Encoding") == "gzip":
                        body = zlib.decompressobj(31).decompress(body, MAX_BODY)
                    collector.take(self.path, body, "json" in (self.headers.get("Content-Type") or ""))
                except (ValueError, zlib.error):
                    status = 400
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            self.url = f"http://127.0.0.1:{server.server_port}"
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            try:
                yield
            finally:
                server.shutdown()

    def take(self, path: str, body: bytes, is_json: bool) -> None:
        """One request. Raises ValueError where it cannot be read; metrics are let go."""
        attempt, _, signal = path.strip("/").partition("/v1/")
        if signal not in ("traces", "logs"):
            return
        decode = {
            ("traces", False): self._decoder.traces,
            ("traces", True): self._decoder.traces_json,
            ("logs", False): self._decoder.logs,
            ("logs", True): self._decoder.logs_json,
        }[signal, is_json]
        with self._lock:
            self._batches[attempt].append(decode(body))

    def trajectories(self, attempt: str) -> list[Trajectory]:
        """The runs of an attempt, with the verdicts that came as events."""
        pipeline = Pipeline(replace(self._config, min_steps=0), "trial")
        with self._lock:
            batches = self._batches.pop(attempt, [])
        for batch in batches:
            pipeline.ingest(batch, 0.0)
        events = pipeline.assembler.close_all(0.0)
        found = [one for event in events if isinstance(event, Closed) for one in event.trajectories]
        for one in found:
            pipeline.verdicts.enter(one.trajectory_id, one.start, targets_of(one))
        for one in found:
            one.verdict = pipeline.verdicts.verdict_of(one.trajectory_id)
        return found
