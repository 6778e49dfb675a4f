"""What a scrape shows: the families of figures, and what prometheus_client tells of this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import inf

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client import Metric as TextFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, choose_encoder, generate_latest
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar as TextExemplar
from prometheus_client.samples import Sample as TextSample
from prometheus_client.utils import floatToGoString

from otelscore.export.text import TextWriter, family_of
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


class Exposition:
    """Everything that `/metrics` shows. `collect` is called at each scrape, in its thread, and gives a snapshot."""

    def __init__(self, collect: Callable[[], Iterable[Family]]) -> None:
        self._collect = collect
        self._writer = TextWriter()
        self._process = CollectorRegistry()
        ProcessCollector(registry=self._process)
        PlatformCollector(registry=self._process)
        GCCollector(registry=self._process)
        self._whole = CollectorRegistry(auto_describe=True)  # for those who ask for some names only
        self._whole.register(FamilyCollector(collect))
        self._whole.register(self._process)

    def render(self, accept: str, names: Sequence[str] = ()) -> tuple[bytes, str]:
        """The text and its content type, in the format that the `Accept` header asks for; only `names` if any."""
        # Dots in names are the one escape that would change names without one.
        accept = accept.replace("escaping=dots", "escaping=underscores")
        try:
            encode, content_type = choose_encoder(accept)
        except TypeError:  # prometheus_client compares a version that is no number with numbers
            encode, content_type = choose_encoder("")
        if names:
            return encode(self._whole.restricted_registry(names)), content_type
        return self._writer.write(self._collect(), encode, content_type) + encode(self._process), content_type


def text_of(families: Iterable[Family]) -> bytes:
    """These families alone as Prometheus text; those without samples are left out."""
    shown = [family for family in families if family.samples]
    return TextWriter().write(shown, generate_latest, CONTENT_TYPE_PLAIN_0_0_4)


def _text_family(family: Family) -> TextFamily:
    name, text = PREFIX + family.metric.name, family_of(family.metric)
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
