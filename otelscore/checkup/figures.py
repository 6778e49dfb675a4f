"""What a running otelscore says about itself on its metrics address, as far as the doctor asks."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import urlencode

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from otelscore.checkup.probe import PATIENCE

_SPANS, _READ = "otelscore_spans_total", "otelscore_spans_read_total"
_RUNS, _BUILD = "otelscore_doctor_trajectories_total", "otelscore_build_info"
_ALWAYS = "otelscore_requests_total"  # there even while the state cannot be written, when all others may be missing


class NoFiguresError(Exception):
    """There are none; the message says why, and `remedy` what to do."""

    def __init__(self, why: str, remedy: str) -> None:
        super().__init__(why)
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Figures:
    """Counters at one moment."""

    version: str
    runs: dict[str, float] = field(default_factory=dict)  # the doctor's, by outcome
    spans: dict[str, float] = field(default_factory=dict)  # by fate
    read: dict[str, float] = field(default_factory=dict)  # spans by dialect
    requests: dict[str, float] = field(default_factory=dict)  # by result
    ahead: float | None = None  # seconds by which its clock is ahead of ours; None: it does not say


def fetch(address: str, token: str = "") -> Figures:
    """The figures as they are now, asked for with a token where there is one. Raises NoFiguresError."""
    url = f"{address}/metrics?{urlencode([('name[]', name) for name in (_SPANS, _READ, _RUNS, _BUILD, _ALWAYS)])}"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})  # noqa: S310
    asked = time.time()
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310 - the user's own address
            text, date = answer.read().decode(), answer.headers.get("Date")
    except urllib.error.HTTPError as error:
        remedy = "is that the metrics address of otelscore?"
        if error.code == HTTPStatus.UNAUTHORIZED:
            remedy = "give a token of its `metrics.auth.tokens_file` with --token-file"
        raise NoFiguresError(f"{address}/metrics answers {error.code} {error.reason}", remedy) from None
    except (OSError, ValueError) as error:
        raise NoFiguresError(
            f"{address} gives no metrics: {getattr(error, 'reason', error)}",
            "start `otelscore serve`, or name the metrics address of the running one with --metrics",
        ) from None
    answered = time.time()
    try:
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    except ValueError:
        samples = []
    if not any(sample.name == _ALWAYS for sample in samples):
        raise NoFiguresError(f"what answers at {address}/metrics is not otelscore", "name its address with --metrics")
    return Figures(
        next((sample.labels["version"] for sample in samples if sample.name == _BUILD), "of an unknown version"),
        _sums(samples, _RUNS, "outcome"),
        _sums(samples, _SPANS, "fate"),
        _sums(samples, _READ, "dialect"),
        _sums(samples, _ALWAYS, "result"),
        _ahead(date, asked, answered),
    )


def _sums(samples: Sequence[Sample], name: str, label: str) -> dict[str, float]:
    """A counter by one of its labels."""
    found: defaultdict[str, float] = defaultdict(float)
    for sample in samples:
        if sample.name == name:
            found[sample.labels[label]] += sample.value
    return dict(found)


def _ahead(date: str | None, asked: float, answered: float) -> float | None:
    """A date is cut to whole seconds: 0 where that explains the difference."""
    try:
        theirs = parsedate_to_datetime(date or "").timestamp()
    except ValueError:
        return None
    if theirs > answered:
        return theirs - answered
    return min(theirs + 1 - asked, 0.0)


def is_ready(address: str) -> bool:
    """Whether it takes spans now and can keep what comes of them."""
    try:
        with urllib.request.urlopen(f"{address}/readyz", timeout=PATIENCE):  # noqa: S310 - the user's own address
            return True
    except OSError:
        return False
