"""The figures for Prometheus: the same from every process, so that one of them is scraped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from django_clean_timestamps.metrics.exporters.extras import ExtraMissing
from django_clean_timestamps.metrics.exporters.gauges import GAUGES, Gauge
from django_clean_timestamps.metrics.exporters.snapshot import Snapshot, read_snapshot_or_log
from django_clean_timestamps.metrics.queries.totals import Total
from django_clean_timestamps.metrics.sketch import LE_BOUNDS

try:
    from prometheus_client import REGISTRY, CollectorRegistry
    from prometheus_client.exposition import choose_encoder, gzip_accepted
    from prometheus_client.metrics_core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
        Metric,
    )
    from prometheus_client.utils import floatToGoString
except ImportError as error:
    raise ExtraMissing("prometheus-client", "prometheus") from error

__all__ = ["Collector", "exposition", "gzip_accepted", "register_collector"]

PREFIX: Final = "clean_timestamps_"

SERIES: Final = ("model", "operation", "outcome", "database")


class Collector:
    """Reads the metrics' tables at each scrape; a fault of theirs is told of by a figure, and never raised."""

    def collect(self) -> Iterator[Metric]:
        """Yield every metric, or only that there is none to be had."""
        snapshot = read_snapshot_or_log()
        yield _up(snapshot is not None)
        if snapshot is not None:
            yield from _families(snapshot)

    def describe(self) -> Iterator[Metric]:
        """Yield every metric without a figure, so that registering one asks no database."""
        yield _up(None)
        yield from _families(None)


class _Collected:
    """A collector of what was read already."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        yield _up(True)
        yield from _families(self.snapshot)


def register_collector(registry: CollectorRegistry = REGISTRY) -> Collector:
    """
    Have a registry of the project's own serve the figures too, and return the collector.

    Call it once a process, in an ``AppConfig.ready()``; nothing is read before the first scrape. A scrape reads the
    metrics' tables on its own thread by eight statements. Where they cannot be read ``clean_timestamps_up`` is 0, and
    the project's other metrics are served as ever.

    Args:
        registry: By default the one that prometheus_client's own views serve.

    Raises:
        ValueError: The registry has one already.
    """
    collector = Collector()
    registry.register(collector)
    return collector


def exposition(snapshot: Snapshot, accept: str) -> tuple[bytes, str]:
    """
    Return the figures as text, and its content type.

    Args:
        snapshot: What was read.
        accept: The scraper's ``Accept`` header: OpenMetrics where it is asked for, else Prometheus' own format.
    """
    encode, content_type = choose_encoder(accept)
    registry = CollectorRegistry()
    registry.register(_Collected(snapshot))
    return encode(registry), content_type


def _up(value: bool | None) -> Metric:
    family = GaugeMetricFamily(f"{PREFIX}up", "1 where the metrics' tables could be read, else 0.", labels=())
    if value is not None:
        family.add_metric((), float(value))
    return family


def _families(snapshot: Snapshot | None) -> Iterator[Metric]:
    totals = snapshot.totals.series if snapshot is not None else ()
    yield _durations(totals)
    yield _rows(totals)
    for gauge in GAUGES:
        yield _gauge(gauge, gauge.read(snapshot) if snapshot is not None else ())


def _durations(totals: Sequence[Total]) -> Metric:
    family = HistogramMetricFamily(
        f"{PREFIX}operation_duration_seconds",
        "How long operations took.",
        labels=SERIES,
        unit="seconds",
    )
    for total in totals:
        counts = [*total.sketch.cumulative(LE_BOUNDS), total.sketch.count]
        family.add_metric(_labels(total), list(zip(_LE_LABELS, counts, strict=True)), total.sketch.sum)
    return family


def _rows(totals: Sequence[Total]) -> Metric:
    family = CounterMetricFamily(
        f"{PREFIX}operation_rows", "Rows or events that operations wrote or handled.", labels=SERIES, unit="rows"
    )
    for total in totals:
        family.add_metric(_labels(total), total.row_count)
    return family


def _gauge(gauge: Gauge, samples: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    name = PREFIX + gauge.name.replace(".", "_")
    family = GaugeMetricFamily(name, gauge.text, labels=gauge.labels, unit=gauge.unit)
    for labels, value in samples:
        family.add_metric(labels, value)
    return family


def _labels(total: Total) -> tuple[str, ...]:
    return total.model, total.operation, total.outcome, total.database


_LE_LABELS: Final = (*map(floatToGoString, LE_BOUNDS), "+Inf")
