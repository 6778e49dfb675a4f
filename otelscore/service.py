"""The running service: the listeners, the pipeline and the exporter wired up; start, drain and stop."""

from __future__ import annotations

import secrets
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import product

import structlog

from otelscore import __version__
from otelscore.clock import ArrivalClock
from otelscore.config import LIMITS, Address, Config
from otelscore.dialects import DIALECTS, Context, Registry
from otelscore.dialects.mapping import UserMapping, with_mapping
from otelscore.dialects.verdict_json import verdict_of_json
from otelscore.doors.guard import make_doors
from otelscore.doors.watched import DoorError
from otelscore.durable import Durable
from otelscore.export import verdicts
from otelscore.export.events import Events
from otelscore.export.forward import Forwarder
from otelscore.export.http import MetricsApp
from otelscore.export.prometheus import Exposition
from otelscore.ingest import otlp_protobuf
from otelscore.ingest.decode import Decoder
from otelscore.ingest.gate import Gate
from otelscore.ingest.grpc import GrpcServer
from otelscore.ingest.http import OtlpHttp
from otelscore.ingest.receiver import Receiver, Result, Signal
from otelscore.model import Batch, Clock, Kind, Reader, Score, Verdict
from otelscore.plugins import PluginError, load_dialects
from otelscore.scoring.families import Family, service_family
from otelscore.serving import HttpServer
from otelscore.starting import StartError, allow_files, make_backend, make_forwarder, open_door, open_store
from otelscore.store.errors import StoreError

log = structlog.stdlib.get_logger(__name__)

DRAIN = 5
"""Seconds that requests under way are given to finish when the service stops."""

SCRAPERS = 100
"""Connections to the metrics port at once."""

TRANSPORTS = ("grpc", "http")

_TICK = 1.0  # seconds between two looks at the clock, less where the graces are shorter
_COMPLAINT = 60.0  # seconds between two log lines about the same trouble


@dataclass(frozen=True, slots=True)
class Ports:
    """What the listeners are bound to."""

    grpc: int
    http: int
    metrics: int


def make_reader(config: Config, key: bytes) -> Registry:
    """Every dialect, as an installation is configured; `key` is the installation's, for hashes.

    The user's own attributes come first, then what other packages bring. Raises PluginError where these cannot be used.
    """
    context = Context(
        key=key,
        soft_errors=config.soft_errors,
        cluster_by=config.cluster_by,
        labels=frozenset(config.labels),
        threshold=config.verdicts_threshold,
        speakers=frozenset(config.verdicts_attributes),
    )
    return Registry(context, with_mapping(_mapping(config), (*load_dialects(), *DIALECTS)))


def _mapping(config: Config) -> UserMapping:
    failed_if: dict[str, frozenset[str]] = {}
    for attribute, value in config.mapping_failed_if:
        failed_if[attribute] = failed_if.get(attribute, frozenset()) | {value.lower()}
    values = {
        Kind.TOOL: config.mapping_tools,
        Kind.MODEL: config.mapping_models,
        Kind.AGENT: config.mapping_agents,
        Kind.RETRIEVAL: config.mapping_retrievals,
        Kind.WRAPPER: config.mapping_wrappers,
    }
    sources = {
        "tool_name": config.mapping_tool_name,
        "call_id": config.mapping_call_id,
        "arguments": config.mapping_arguments,
        "result": config.mapping_result,
        "input": config.mapping_input,
        "output": config.mapping_output,
        "agent": config.mapping_agent,
        "model": config.mapping_model,
        "session": config.mapping_session,
    }
    return UserMapping(
        kind=config.mapping_kind,
        kinds={name.lower(): kind for kind, names in values.items() for name in names},
        sources={field: attributes for field, attributes in sources.items() if attributes},
        failed_if=failed_if,
    )


def make_decoder(config: Config, reader: Reader) -> Decoder:
    """A decoder of files for that reader, which keeps of resources what an installation is configured to."""
    return Decoder(reader, _resource_keys(config))


def _resource_keys(config: Config) -> frozenset[str]:
    return frozenset({*config.labels, *filter(None, (config.cluster_by,))})


class Service:
    """One otelscore, from `start` to `stop`. Raises StartError where the settings cannot be."""

    def __init__(self, config: Config, clock: Clock | None = None) -> None:
        self._config = config
        self._clock = clock or ArrivalClock()
        self._lock = threading.Lock()
        try:
            doors = make_doors(config)
        except DoorError as error:
            raise StartError(str(error)) from None
        instance = secrets.token_hex(8)
        forward_to, tell_to = make_backend(config, "forward", instance), make_backend(config, "events", instance)
        self._backends = [backend for backend in (forward_to, tell_to) if backend]
        events = Events(tell_to, __version__) if tell_to else None
        store = open_store(config)
        try:
            tell = events.emit if events else _tell_nobody
            self._durable = Durable(config, __version__, self._clock, store, tell)
        except ValueError as error:
            raise StartError(f"labels: {error}") from None
        except StoreError as error:
            raise StartError(f"{error}; see --state") from None
        forwarder = make_forwarder(config, forward_to, self._durable.reach)
        self._exporters: list[Forwarder | Events] = [exporter for exporter in (forwarder, events) if exporter]
        self._requests = Counter(dict.fromkeys(product(TRANSPORTS, Signal, Result), 0))
        self._complained: dict[tuple[str, ...], float] = {}
        self._reached = self._durable.reached()
        self._stopping = threading.Event()
        self._started = self._stumbled = False
        self._ticker = threading.Thread(target=self._tick, name="ticker", daemon=True)
        try:
            reader = make_reader(config, self._durable.key)
        except PluginError as error:
            raise StartError(str(error)) from None
        receiver = Receiver(
            Decoder(reader, _resource_keys(config), config.limits_request_records, config.limits_attributes),
            self._durable.accept,
            self._count,
            self._durable.reach,
            config.limits_request_size,
            forwarder.passing_on if forwarder else lambda *_: nullcontext(),
            instance,
            doors.grpc.authenticate,
        )
        concurrency, patience = config.limits_concurrent_requests, config.limits_request_time
        grpc, http, metrics = config.grpc_endpoint, config.http_endpoint, config.metrics_endpoint
        gate = Gate(time.monotonic, concurrency, config.limits_requests_size, config.limits_request_wait)
        senders, reach = config.limits_connections, self._durable.reach
        self._grpc = GrpcServer(receiver, gate, grpc.host, grpc.port, patience, senders, doors.grpc.credentials())
        otlp = OtlpHttp(receiver, gate, patience)
        self._http = HttpServer(otlp, http.host, http.port, senders, patience, reach, doors.http.context())
        app = MetricsApp(
            Exposition(self.families),
            self._is_ready,
            self._durable.find,
            self._durable.look,
            lambda body: verdicts.answer(body, self._read_verdict, self._hear),
            patience,
            doors.metrics.authenticate,
        )
        context = doors.metrics.context()
        self._metrics = HttpServer(app, metrics.host, metrics.port, SCRAPERS, patience, reach, context)

    def start(self) -> Ports:
        """Opens the doors.

        Raises:
            StartError: an address is taken or not ours.
        """
        allow_files(2 * self._config.limits_connections)
        opened: list[Callable[[], None]] = []
        try:
            metrics = open_door("metrics", "--metrics", self._config.metrics_endpoint, self._metrics.start)
            opened.append(lambda: self._metrics.stop(DRAIN))
            grpc = open_door("OTLP/gRPC", "--grpc", self._config.grpc_endpoint, self._grpc.start)
            opened.append(lambda: self._grpc.stop(DRAIN))
            http = open_door("OTLP/HTTP", "--http", self._config.http_endpoint, self._http.start)
            opened.append(lambda: self._http.stop(DRAIN))
            self._check_backends(grpc, http, metrics)
        except StartError:
            for close in reversed(opened):
                close()
            raise
        self._ticker.start()
        for exporter in self._exporters:
            exporter.start()
        self._started = True
        ports = Ports(grpc, http, metrics)
        log.info(
            "listening",
            version=__version__,
            decoder="compiled" if otlp_protobuf.__file__.endswith(".so") else "interpreted",
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
        for exporter in self._exporters:
            exporter.stop(DRAIN)
        log.info("stopped")

    def _is_ready(self) -> bool:
        """Whether requests are taken, and what comes of them is."""
        able = self._durable.is_writable and not self._stumbled
        return self._started and able and not self._stopping.is_set()

    def families(self) -> list[Family]:
        """Every metric as it is now."""
        families = list(self._durable.families())
        for exporter in self._exporters:
            families += exporter.families()
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

    def _check_backends(self, grpc: int, http: int, metrics: int) -> None:
        config = self._config
        listeners = [
            (config.grpc_endpoint.host, grpc),
            (config.http_endpoint.host, http),
            (config.metrics_endpoint.host, metrics),
        ]
        for backend in self._backends:
            if backend.is_one_of(listeners):
                raise StartError(f"{backend.url} is where this otelscore listens; name another backend")

    def _read_verdict(self, given: object) -> Verdict:
        config = self._config
        evaluator = next(iter(config.verdicts_evaluators), "")
        return verdict_of_json(given, int(self._clock() * 1e9), config.verdicts_threshold, evaluator)

    def _hear(self, heard: Sequence[Verdict]) -> Sequence[str]:
        return self._durable.accept(Batch(verdicts=list(heard)))

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

    def _tell_of_limits(self) -> None:
        now = self._clock()
        for limit, count in self._durable.reached().items():
            times = count - self._reached[limit]
            if times and now - self._complained.get((limit,), -_COMPLAINT) >= _COMPLAINT:
                self._complained[limit,] = now
                self._reached[limit] = count
                setting = LIMITS[limit]
                value = str(getattr(self._config, setting.field))
                log.warning("a limit was reached", setting=setting.name, value=value, times=times, meaning=setting.doc)

    def _tick(self) -> None:
        pause = min(_TICK, max(0.02, self._config.root_grace / 4))
        while not self._stopping.wait(pause):
            try:
                self._look_at_clock()
            except Exception as error:
                self._stumbled = True
                self._tell_of_stumble(error)
            else:
                self._stumbled = False

    def _look_at_clock(self) -> None:
        self._tell_of_limits()
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

    def _tell_of_stumble(self, error: Exception) -> None:
        """Logs a bug of ours: where it is, but not its own words, which may quote content."""
        now = self._clock()
        if now - self._complained.get(("tick",), -_COMPLAINT) >= _COMPLAINT:
            self._complained["tick",] = now
            where = "".join(traceback.format_tb(error.__traceback__))
            log.error(
                "internal error while runs were closed; one may stay open until a restart, the others go on",
                error=type(error).__name__,
                where=where,
            )


def _tell_nobody(_: Sequence[Score]) -> None:
    """Where scores are not sent as events."""
