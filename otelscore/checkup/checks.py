"""The checks of `otelscore doctor`, in the order in which spans take the way, and what each trouble means."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from otelscore.checkup import probe
from otelscore.checkup.figures import Figures, NoFiguresError, fetch, is_ready
from otelscore.checkup.probe import PATIENCE, Endpoint
from otelscore.checkup.runs import DIALECT, RUNS, SCOPE, SPANS, make_runs, send

CLOCKS = 5.0
"""Seconds that clocks may differ: what NTP does not keep together is further apart."""

_POLL = 0.5  # seconds

_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")  # what `requests` heeds first

_CLIENT = "OTEL_EXPORTER_OTLP_{}CLIENT_CERTIFICATE"

_REFUSALS = {
    r"UNAUTHENTICATED|code: 401": "it wants to know who sends: give the exporter its credentials, such as "
    "OTEL_EXPORTER_OTLP_HEADERS='authorization=Bearer%20...'",
    r"PERMISSION_DENIED|code: 403": "it refuses these credentials: look at OTEL_EXPORTER_OTLP_HEADERS",
    r"code: 40[45]": "it takes no OTLP traces at this path: the usual one is " + probe.TRACES_PATH,
    r"UNIMPLEMENTED": "it is a gRPC server, but takes no OTLP traces",
    r"RESOURCE_EXHAUSTED|UNAVAILABLE|Service Unavailable|Too Many Requests": "it takes nothing now: it is overloaded, "
    "at one of its limits, or its disk is full; its log says which",
    r"DEADLINE_EXCEEDED|due to timeout": f"it took the connection, but did not answer within {PATIENCE:g} s: "
    "it is overloaded, or no OTLP server",
}
"""What an exporter says -> what is wrong; the first that fits, since a refusal may end in a timeout."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    well: bool
    found: str
    remedy: str = ""  # with a check that is well, what to think of it


def examine(endpoint: Endpoint, metrics: str, wait: float, token: str = "") -> Iterator[Check]:
    """Every check as soon as it is done; it ends at the first that leaves nothing to look at behind it.

    Args:
        metrics: URL of the metrics address, without a path.
        wait: seconds that the runs may take to show up.
        token: for the metrics address; empty where it wants none.
    """
    before: Figures | None = None
    try:
        before = fetch(metrics, token)
        yield Check(True, f"otelscore {before.version} answers at {metrics}")
        yield _check_readiness(metrics)
        if before.ahead is not None:
            yield _check_clock(before.ahead)
    except NoFiguresError as error:
        yield Check(False, str(error), error.remedy)
    sent = _check_sending(endpoint)
    yield sent
    if before is not None:
        try:
            if sent.well:
                yield _check_arrival(endpoint, metrics, before, wait, token)
            now = fetch(metrics, token)
        except NoFiguresError as error:
            yield Check(False, str(error), "it went away while the runs were awaited; its log says why")
        else:
            yield from _check_others(now)


def _check_readiness(metrics: str) -> Check:
    if is_ready(metrics):
        return Check(True, "it is ready")
    return Check(
        False,
        "it is not ready",
        "it is stopping, or cannot write its state (the disk is full or gone, its files were moved); its log says "
        "which, and what to do",
    )


def _check_clock(ahead: float) -> Check:
    if abs(ahead) <= CLOCKS:
        return Check(True, "its clock agrees with the one here")
    return Check(
        False,
        f"its clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the one here",
        "set both by NTP: until then runs, their verdicts and exemplars bear wrong times",
    )


def _check_sending(endpoint: Endpoint) -> Check:
    goal = f"{endpoint.url} ({endpoint.way})"
    if endpoint.ca_file and not Path(endpoint.ca_file).is_file():
        return Check(False, f"there is no file {endpoint.ca_file}", "mend OTEL_EXPORTER_OTLP_CERTIFICATE")
    if why := probe.why_unreachable(endpoint):
        return Check(False, f"{goal} cannot be reached: {why}", "start what should listen there, or name another one")
    spans = make_runs()
    if not spans:
        return Check(False, "no span was made", "OTEL_SDK_DISABLED is set: nothing traces in this environment")
    said = send(spans, endpoint)
    if said is None:
        return Check(True, f"{goal} accepted {SPANS} spans of {sum(RUNS.values())} test runs")
    return Check(False, f"{goal} did not accept spans", _why_refused(endpoint, said))


def _why_refused(endpoint: Endpoint, said: str) -> str:
    """What is wrong with an endpoint that can be reached, judged by what listens there and what the exporter said."""
    if probe.speaks_tls(endpoint) is not endpoint.tls:
        if endpoint.tls:
            return "the exporter speaks TLS, the port does not: use http:// instead of https://"
        return "the port speaks TLS: use https:// instead of http://"
    if endpoint.tls:
        shown = os.environ.get(_CLIENT.format("TRACES_")) or os.environ.get(_CLIENT.format(""))
        mutual = probe.wants_certificate(endpoint)
        if mutual and not shown:
            return (
                f"it wants a certificate of who sends (mutual TLS): {_CLIENT.format('')}=FILE and "
                "OTEL_EXPORTER_OTLP_CLIENT_KEY=FILE name one and its key"
            )
        if untrusted := probe.why_untrusted(endpoint, endpoint.ca_file):
            return (
                f"its certificate is not trusted: {untrusted}; OTEL_EXPORTER_OTLP_CERTIFICATE=FILE names the authority "
                "that signed it"
            )
        bundle = next((name for name in _BUNDLES if os.environ.get(name)), None)
        if not endpoint.grpc and bundle and probe.why_untrusted(endpoint, os.environ[bundle]):
            return (
                f"{bundle} is set, and Python's exporter over HTTP goes by that instead of "
                "OTEL_EXPORTER_OTLP_CERTIFICATE: unset it, or use gRPC"
            )
        if mutual and "UNAUTHENTICATED" not in said and "code: 401" not in said:
            return f"it takes certificates of some authority alone (mutual TLS), and did not take {shown}"
    if endpoint.grpc and not probe.speaks_grpc(endpoint) and probe.speaks_http(endpoint):
        return (
            "the port speaks HTTP, not gRPC: use the port for gRPC (4317 as a rule), or set "
            "OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"
        )
    if not endpoint.grpc and not probe.speaks_http(endpoint) and probe.speaks_grpc(endpoint):
        return (
            "the port speaks gRPC, not HTTP: use the port for HTTP (4318 as a rule), or set "
            "OTEL_EXPORTER_OTLP_PROTOCOL=grpc and no path"
        )
    for words, meaning in _REFUSALS.items():
        if re.search(words, said):
            return meaning
    return f"the exporter says: {said}"


def _check_arrival(endpoint: Endpoint, metrics: str, before: Figures, wait: float, token: str) -> Check:
    """Raises NoFiguresError."""
    until = time.monotonic() + wait
    while True:
        now = fetch(metrics, token)
        came = {outcome: now.runs.get(outcome, 0) - before.runs.get(outcome, 0) for outcome in RUNS}
        if all(came[outcome] >= count for outcome, count in RUNS.items()):
            return Check(True, f"all {sum(RUNS.values())} test runs were rebuilt and counted")
        if time.monotonic() >= until:
            break
        time.sleep(min(_POLL, wait))
    return _missing(endpoint, came, before, now, wait)


def _missing(endpoint: Endpoint, came: dict[str, float], before: Figures, now: Figures, wait: float) -> Check:
    """Why runs that were accepted did not all show up.

    Spans that came meanwhile may be of others, so they excuse nobody unless there are as many as were sent.
    """
    found = (
        f"{came['ok']:.0f} of {RUNS['ok']} runs without an error and {came['error']:.0f} of {RUNS['error']} with one "
        f"showed up within {wait:g} s"
    )
    kept, ignored = (now.spans.get(fate, 0) - before.spans.get(fate, 0) for fate in ("kept", "ignored"))
    alike = now.read.get(DIALECT, 0) - before.read.get(DIALECT, 0)
    if came["error"] >= RUNS["error"]:
        remedy = (
            "a sampler on the way prefers runs with errors, which makes every ratio wrong: copy the traces to "
            "otelscore before it (deploy/collector/collector.yaml)"
        )
    elif any(came.values()):
        remedy = (
            "something on the way samples, or shares the runs out among several otelscores: send all traces of a "
            "service to one (deploy/collector), or wait longer with --wait"
        )
    elif ignored >= SPANS:
        remedy = (
            f"{ignored:.0f} spans came and were left out by their scope: `include.scope` or `exclude.scope` keep the "
            f"scope of the test runs, {SCOPE}, out; do they let your agents' scopes through?"
        )
    elif alike >= SPANS:
        remedy = (
            f"the test runs were lost between {endpoint.url} and otelscore, most likely: see what filters or samples "
            f"there. {alike:.0f} spans came that are written like theirs, but they are among these only where "
            "`root_grace` is longer than the wait: then wait longer with --wait"
        )
    else:
        others = f"{kept:.0f} spans of others came in that time, but none" if kept else "no span"
        remedy = (
            f"{others} of the test runs came to this otelscore. Where {endpoint.url} is a Collector: does its traces "
            "pipeline have an exporter to otelscore, does its log say that this one fails, does a processor filter or "
            "sample? Where it is another otelscore, name that one's metrics address with --metrics"
        )
    return Check(False, found, remedy)


_TURNED_AWAY = {
    "refused": "a limit was reached, or the disk was full; their senders send them again: its log says which",
    "rejected": "they could not be read, and are lost: its log says what is wrong with them",
    "failed": "by a fault of its own: its log has it",
    "unauthenticated": "they brought no token that it knows, and are lost: give their senders one (`auth.tokens_file`)",
}


def _check_others(now: Figures) -> Iterator[Check]:
    """What it has made so far of all that came, whoever sent it: the test runs say nothing about the user's dialect."""
    test_spans = SPANS / sum(RUNS.values()) * sum(now.runs.values())
    read = sum(now.read.values())
    unknown = now.spans.get("kept", 0) - read
    if read > test_spans:
        by_dialect = ", ".join(f"{number:,.0f} as {dialect}" for dialect, number in sorted(now.read.items()) if number)
        rest = f", and {unknown:,.0f} as no agent's work, such as those of databases" if unknown else ""
        yield Check(True, f"so far it has read {by_dialect}{rest}; the test runs are written as {DIALECT}")
    elif unknown:
        yield Check(
            False,
            f"so far it has got {unknown:,.0f} spans of others, and to it none is an agent's, a model's or a tool's",
            "it does not know their dialect, or nothing traces the agents: `otelscore explain` shows what each span is "
            "read as, docs/dialects.md what there is and how to add one",
        )
    else:
        yield Check(True, "so far it has got nothing but test runs" if read else "so far it has got no span at all")
    for result, why in _TURNED_AWAY.items():
        if number := now.requests.get(result, 0):
            yield Check(True, f"{number:,.0f} requests so far were {result}", why)
