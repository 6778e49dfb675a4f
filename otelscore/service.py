"""The running service: the listeners, the pipeline and the exporter wired up; start, drain and stop."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import structlog

from otelscore import __version__
from otelscore.config import Address, Config
from otelscore.dialects import Context, Registry
from otelscore.durable import Durable
from otelscore.export.http import MetricsApp
from otelscore.export.prometheus import make_registry
from otelscore.ingest.decode import Decoder
from otelscore.ingest.grpc import GrpcServer
from otelscore.ingest.http import OtlpHttp
from otelscore.ingest.receiver import Receiver, Result, Signal
from otelscore.model import Clock
from otelscore.scoring.families import Family, service_family
from otelscore.serving import HttpServer, PortInUseError
from otelscore.store.errors import StoreError
from otelscore.store.store import Store

log = structlog.stdlib.get_logger(__name__)

DRAIN = 5
"""Seconds that requests under way are given to finish when the service stops."""

SENDERS, SCRAPERS = 10_000, 100
"""Connections to the OTLP/HTTP port and to the metrics port at once. Most are idle: senders keep theirs."""

TRANSPORTS = ("grpc", "http")

_TICK = 1.0  # seconds between two looks at the clock, less where the graces are shorter
_COMPLAINT = 60.0  # seconds between two log lines about the same trouble


class StartError(RuntimeError):
    """The service cannot start; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Ports:
    """What the listeners are bound to."""

    grpc: int
    http: int
    metrics: int


def steady_clock() -> Clock:
    """Unix seconds that never step back, whatever is done to the wall clock."""
    offset = time.time() - time.monotonic()
    return lambda: offset + time.monotonic()


def make_decoder(config: Config, key: bytes) -> Decoder:
    """The decoder with every dialect, as an installation is configured; `key` is the installation's, for hashes."""
    context = Context(
        key=key,
        soft_errors=config.soft_errors,
        cluster_by=config.cluster_by,
        labels=frozenset(config.labels),
        threshold=config.verdicts_threshold,
    )
    resource_keys = frozenset({*config.labels, *filter(None, (config.cluster_by,))})
    return Decoder(Registry(context), resource_keys)


class Service:
    """One otelscore, from `start` to `stop`. Raises StartError where the settings cannot be."""

    def __init__(self, config: Config, clock: Clock | None = None) -> None:
        self._config = config
        self._clock = clock or steady_clock()
        self._lock = threading.Lock()
        store = _open_store(config)
        try:
            self._durable = Durable(config, __version__, self._clock, store)
        except ValueError as error:
            raise StartError(f"labels: {error}") from None
        except StoreError as error:
            raise StartError(f"{error}; see --state") from None
        self._requests = Counter(dict.fromkeys(product(TRANSPORTS, Signal, Result), 0))
        self._complained: dict[tuple[str, ...], float] = {}
        self._stopping = threading.Event()
        self._started = False
        self._ticker = threading.Thread(target=self._tick, name="ticker", daemon=True)
        receiver = Receiver(
            make_decoder(config, self._durable.key), self._durable.accept, self._count, config.limits_request_size
        )
        concurrency, patience = config.limits_concurrent_requests, config.limits_request_time
        grpc, http, metrics = config.grpc_endpoint, config.http_endpoint, config.metrics_endpoint
        self._grpc = GrpcServer(receiver, grpc.host, grpc.port, patience, concurrency)
        self._http = HttpServer(OtlpHttp(receiver, patience, concurrency), http.host, http.port, SENDERS)
        app = MetricsApp(make_registry(self.families), self._is_ready, self._durable.find, self._durable.look)
        self._metrics = HttpServer(app, metrics.host, metrics.port, SCRAPERS)

    def start(self) -> Ports:
        """Opens the doors.

        Raises:
            StartError: an address is taken or not ours.
        """
        opened: list[Callable[[], None]] = []
        try:
            metrics = _open("metrics", "--metrics", self._config.metrics_endpoint, self._metrics.start)
            opened.append(lambda: self._metrics.stop(DRAIN))
            grpc = _open("OTLP/gRPC", "--grpc", self._config.grpc_endpoint, self._grpc.start)
            opened.append(lambda: self._grpc.stop(DRAIN))
            http = _open("OTLP/HTTP", "--http", self._config.http_endpoint, self._http.start)
        except StartError:
            for close in reversed(opened):
                close()
            raise
        self._ticker.start()
        self._started = True
        ports = Ports(grpc, http, metrics)
        log.info(
            "listening",
            version=__version__,
            grpc=str(Address(self._config.grpc_endpoint.host, grpc)),
            http=str(Address(self._config.http_endpoint.host, http)),
            metrics=str(Address(self._config.metrics_endpoint.host, metrics)),
        )
        return ports

    def stop(self) -> None:
        """Stops listening and finishes what was accepted; what is open stays open, nothing is closed early."""
        log.info("stopping", drain_seconds=DRAIN)
        self._stopping.set()
        closing = threading.Thread(target=self._grpc.stop, args=(DRAIN,))
        closing.start()
        self._http.stop(DRAIN)
        closing.join()
        self._ticker.join()
        self._metrics.stop(DRAIN)
        self._durable.close()
        log.info("stopped")

    def _is_ready(self) -> bool:
        return self._started and not self._stopping.is_set()

    def families(self) -> list[Family]:
        """Every metric as it is now."""
        families = list(self._durable.families())
        with self._lock:
            requests: dict[tuple[str, ...], float] = {key: float(n) for key, n in self._requests.items()}
        unreadable: dict[tuple[str, ...], float] = {
            (transport, signal): count
            for (transport, signal, result), count in requests.items()
            if result == Result.REJECTED
        }
        families.append(service_family("requests_total", requests))
        families.append(service_family("decode_errors_total", unreadable))
        return families

    def _count(self, signal: Signal, transport: str, result: Result) -> None:
        with self._lock:
            self._requests[transport, signal, result] += 1
            if result is Result.ACCEPTED:
                return
            now = self._clock()
            trouble = (transport, signal, result)
            if now - self._complained.get(trouble, -_COMPLAINT) < _COMPLAINT:
                return
            self._complained[trouble] = now
            count = self._requests[trouble]
        log.warning("requests " + result, transport=transport, signal=str(signal), total=count)

    def _tick(self) -> None:
        pause = min(_TICK, max(0.02, self._config.root_grace / 4))
        while not self._stopping.wait(pause):
            for score in self._durable.tick():
                log.debug(
                    "trajectory closed",
                    trajectory_id=score.trajectory_id,
                    service=score.service,
                    agent=score.agent,
                    outcome=score.outcome,
                    steps=score.trajectory_length,
                    failed=score.tool_errors,
                )


def _open_store(config: Config) -> Store | None:
    if config.state == "none":
        return None
    folder = Path(config.state).expanduser()
    try:
        store = Store.open(folder, "power" if config.durability == "power" else "process", config.limits_state)
    except StoreError as error:
        raise StartError(f"{error}; see --state") from None
    if store.set_aside is not None:
        log.error("the state was damaged and is set aside; beginning anew", set_aside=str(store.set_aside))
    return store


def _open(what: str, flag: str, address: Address, start: Callable[[], int]) -> int:
    try:
        return start()
    except PortInUseError:
        owner = _owner(address.port)
        raise StartError(
            f"{address}, the address for {what}, is in use{owner}; "
            f"choose another one with {flag} HOST:PORT (port 0 takes a free one)"
        ) from None
    except OSError as error:
        raise StartError(f"cannot listen on {address} for {what}: {error.strerror or error}; see {flag}") from None


def _owner(port: int) -> str:
    """Who listens there, as far as this user may know."""
    import psutil  # noqa: PLC0415 - only when a start fails

    try:
        pids = {
            found.pid
            for found in psutil.net_connections("tcp")
            if found.status == psutil.CONN_LISTEN and found.laddr and found.laddr.port == port and found.pid
        }
        names = [f"{psutil.Process(pid).name()} (pid {pid})" for pid in sorted(pids)]
    except (psutil.Error, OSError):
        return ""
    return " by " + ", ".join(names) if names else " by another program"
