"""What a server shows: the figures that must not depend on what was done to it, and what may never be seen at all."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError

from live import Server

PATH = "/api/v1/trajectories"
MOST = 1000  # runs in one answer

Series = tuple[str, frozenset[tuple[str, str]]]

OF_PROCESS = ("otelscore_requests_total", "otelscore_decode_errors_total")
"""Counters that begin anew with every process."""

OF_TRANSPORT = (
    *OF_PROCESS,
    "otelscore_spans_received_total",  # a sender whose answer was lost sends again
    "otelscore_log_records_received_total",
    "otelscore_log_records_total",
    "otelscore_limit_reached_total",
)
"""Counters that say how the data came, not what it was."""

WINDOWED = ("_ratio", "_lower", "_upper", "otelscore_window_trajectories", "otelscore_window_steps",
            "otelscore_window_verdicts", "otelscore_half_life_steps")  # fmt: skip


def is_counter(name: str) -> bool:
    return name.startswith("otelscore_") and name.endswith(("_total", "_bucket", "_count", "_sum"))


def counters(scraped: dict[str, dict[frozenset[tuple[str, str]], float]]) -> dict[Series, float]:
    return {
        (name, labels): value
        for name, series in scraped.items()
        if is_counter(name) and name not in OF_PROCESS
        for labels, value in series.items()
    }


def figures(server: Server) -> dict[Series, float]:
    """Counters and gauges of the windows. Without the shortest window, which runs leave while a test takes its time."""
    scraped = server.scrape()
    found = {
        (name, labels): value
        for (name, labels), value in counters(scraped).items()
        if value  # an outcome that was announced and never came
        and name not in OF_TRANSPORT
        and not (name == "otelscore_spans_total" and ("fate", "kept") not in labels and ("fate", "late") not in labels)
    }
    found |= {
        (name, labels): value
        for name, series in scraped.items()
        if name.endswith(WINDOWED)
        for labels, value in series.items()
        if ("window", "5m") not in labels
    }
    found |= {(name, frozenset()): server_value(scraped, name) for name in ("open_trajectories", "open_spans")}
    return found


def server_value(scraped: dict[str, dict[frozenset[tuple[str, str]], float]], name: str) -> float:
    return scraped[f"otelscore_{name}"][frozenset()]


def ask(server: Server, path: str) -> Any:
    """The answer below /api/v1/trajectories; None where there is no such run."""
    try:
        with urllib.request.urlopen(f"http://{server.metrics}{PATH}{path}") as answer:
            return json.load(answer)
    except HTTPError as error:
        if error.code == 404:
            return None
        raise


def scores(server: Server, since: float = 0.0) -> dict[str, dict[str, object]]:
    """By trajectory id, of the runs that closed since that time."""
    found: list[dict[str, object]] = ask(server, f"?limit={MOST}&since={since}")["trajectories"]
    assert len(found) < MOST
    return {str(score["trajectory_id"]): score for score in found}


def scores_of(server: Server, ids: Iterable[str]) -> dict[str, dict[str, object] | None]:
    return {run_id: ask(server, f"/{run_id}") for run_id in ids}


@dataclass
class Watch:
    """Scrapes a server all the time, across its restarts; `wrong` says what should never be seen."""

    wrong: list[str] = field(default_factory=list)
    scrapes: int = 0
    shown: dict[Series, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._server: Server | None = None
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def look_at(self, server: Server | None) -> None:
        """Which server is to be scraped from now on; returns when no scrape of the one before is under way."""
        with self._lock:
            self._server = server

    def forget(self) -> None:
        """What is shown from now on has nothing to do with what was shown."""
        with self._lock:
            self.shown.clear()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(0.05):
            with self._lock:
                if self._server is not None:
                    self._scrape(self._server)

    def _scrape(self, server: Server) -> None:
        try:
            scraped = server.scrape(timeout=2)
        except (OSError, HTTPException):  # it is down, or stands still
            return
        self.scrapes += 1
        now = counters(scraped)
        for series, before in self.shown.items():
            if now.get(series, -1) < before:
                self.wrong.append(f"{series} went from {before} to {now.get(series)}")
        self.shown = now
        fates = sum(scraped["otelscore_spans_total"].values())
        received = server_value(scraped, "spans_received_total")
        if fates != received:
            self.wrong.append(f"{received} spans received, {fates} have a fate")
