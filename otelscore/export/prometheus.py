"""Families of figures as Prometheus or OpenMetrics text; `prometheus_client` writes it, when it is scraped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import inf

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client import Metric as TextFamily
from prometheus_client.exposition import choose_encoder, generate_latest
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar as TextExemplar
from prometheus_client.samples import Sample as TextSample
from prometheus_client.utils import floatToGoString

from otelscore.scoring.families import Distribution, Exemplar, Family
from otelscore.scoring.metrics import METRICS, PREFIX


class FamilyCollector(Collector):
    """Shows prometheus_client what `collect` gives at each scrape."""

    def __init__(self, collect: Callable[[], Iterable[Family]]) -> None:
        self._collect = collect

    def collect(self) -> Iterable[TextFamily]:
        return [_text_family(family) for family in self._collect()]

    def describe(self) -> Iterable[TextFamily]:
        """Every name that may come; the `name[]` filter looks them up here."""
        return [_text_family(Family(metric, metric.labels, ())) for metric in METRICS.values()]


def make_registry(collect: Callable[[], Iterable[Family]]) -> CollectorRegistry:
    """A registry of otelscore's families and of what prometheus_client says about this process.

    `collect` is called in the scrape's thread and gives a snapshot that nobody changes any more.
    """
    registry = CollectorRegistry(auto_describe=True)
    registry.register(FamilyCollector(collect))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def text_of(families: Iterable[Family]) -> bytes:
    """These families alone as Prometheus text; those without samples are left out."""
    shown = [family for family in families if family.samples]
    registry = CollectorRegistry()
    registry.register(FamilyCollector(lambda: shown))
    return generate_latest(registry)


def render(registry: CollectorRegistry, accept: str, names: Sequence[str] = ()) -> tuple[bytes, str]:
    """The text and its content type, in the format that the `Accept` header asks for; only `names` if there are any."""
    try:
        encode, content_type = choose_encoder(accept)
    except TypeError:  # prometheus_client compares a version that is no number with numbers
        encode, content_type = choose_encoder("")
    return encode(registry.restricted_registry(names) if names else registry), content_type


def _text_family(family: Family) -> TextFamily:
    name = PREFIX + family.metric.name
    # OpenMetrics names a counter or info family without the suffix of its samples.
    text = TextFamily(name.removesuffix("_total").removesuffix("_info"), family.metric.help, family.metric.type.value)
    for sample in family.samples:
        labels = dict(zip(family.label_names, sample.labels, strict=True))
        if isinstance(sample.value, Distribution):
            text.samples += _histogram(name, labels, family.metric.buckets, sample.value)
        else:
            text.samples.append(TextSample(name, labels, sample.value, None, _exemplar(sample.exemplar)))
    return text


def _histogram(
    name: str, labels: dict[str, str], bounds: tuple[float, ...], value: Distribution
) -> Iterator[TextSample]:
    below = 0
    for bound, count, exemplar in zip((*bounds, inf), value.counts, value.exemplars, strict=True):
        below += count
        bucket = labels | {"le": floatToGoString(bound)}  # type: ignore[no-untyped-call]
        yield TextSample(f"{name}_bucket", bucket, below, None, _exemplar(exemplar))
    yield TextSample(f"{name}_count", labels, below)
    yield TextSample(f"{name}_sum", labels, value.sum)


def _exemplar(exemplar: Exemplar | None) -> TextExemplar | None:
    return None if exemplar is None else TextExemplar({"trace_id": exemplar.trace_id}, exemplar.value, exemplar.time)
