"""The figures for OpenTelemetry, from whichever process holds the metrics' lease: from every one they would add up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from django_clean_timestamps.eventlog.fields import database_now
from django_clean_timestamps.metrics.exporters.extras import ExtraMissing
from django_clean_timestamps.metrics.exporters.gauges import GAUGES, Gauge
from django_clean_timestamps.metrics.exporters.snapshot import Snapshot, read_snapshot_or_log
from django_clean_timestamps.metrics.models import LEASE_KEY, MetricLease
from django_clean_timestamps.metrics.process import describe_process
from django_clean_timestamps.metrics.queries.totals import Total
from django_clean_timestamps.metrics.recording import RECORDER
from django_clean_timestamps.metrics.sketch import LE_BOUNDS

try:
    from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider, Observation, get_meter_provider
except ImportError as error:
    raise ExtraMissing("opentelemetry-api", "opentelemetry") from error

__all__ = ["export_to_opentelemetry"]

PREFIX: Final = "clean_timestamps."

FRESH_SECONDS: Final = 2.0
"""For how long what was read serves: one collection asks every instrument, one after the other."""

UNITS: Final = {"": "1", "seconds": "s", "events": "{event}"}

Callback = Callable[[CallbackOptions], Iterable[Observation]]


def export_to_opentelemetry(meter_provider: MeterProvider | None = None) -> None:
    """
    Make observable counters and gauges of the figures, under the names that the reference lists.

    Call it once a process, in an ``AppConfig.ready()``; nothing is read before the first collection. A collection reads
    the metrics' tables, on the thread and connection of the reader, in the process that holds the metrics' lease; in
    all others the instruments tell nothing. Where the tables cannot be read they tell nothing either, and the log says
    why. Counters begin at what was ever counted, so let the reader export cumulative values, which is the default.

    Args:
        meter_provider: By default the global one, which may be set later.

    Raises:
        ExtraMissing: When this module is imported without opentelemetry-api.
    """
    provider = get_meter_provider() if meter_provider is None else meter_provider
    meter = provider.get_meter("django_clean_timestamps", describe_process().version or None)
    source = Source()
    _make_counters(meter, source)
    for gauge in GAUGES:
        meter.create_observable_gauge(
            PREFIX + gauge.name, [_told_by(gauge, source)], unit=UNITS[gauge.unit], description=gauge.text
        )


class Source:
    """
    What all instruments of a process read: once a collection, and only while this process holds the lease.

    Args:
        clock: Returns seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._snapshot: Snapshot | None = None

    def snapshot(self) -> Snapshot | None:
        """Return what is to be told of now, None for nothing."""
        with self._lock:
            now = self._clock()
            if now - self._read_at > FRESH_SECONDS:
                self._snapshot = read_snapshot_or_log(only_if=_holds_lease)
                self._read_at = now
            return self._snapshot


def _holds_lease(using: str) -> bool:
    row = MetricLease.objects.using(using).filter(pk=LEASE_KEY, owner=RECORDER.writer).first()
    return row is not None and row.lease_until is not None and row.lease_until > database_now(using)


def _make_counters(meter: Meter, source: Source) -> None:
    for name, unit, text, values in (
        ("operations", "{operation}", "Operations.", _counts),
        ("operation.rows", "{row}", "Rows or events that operations wrote or handled.", _rows),
        ("operation.time", "s", "Seconds that operations took, all together.", _seconds),
        (
            "operation.buckets",
            "{operation}",
            "Operations that took at most the seconds of their attribute le, as a histogram of Prometheus counts them.",
            _buckets,
        ),
    ):
        meter.create_observable_counter(PREFIX + name, [_summed(values, source)], unit=unit, description=text)


def _summed(values: Callable[[Total], Sequence[Observation]], source: Source) -> Callback:
    def tell(_options: CallbackOptions) -> Iterable[Observation]:
        snapshot = source.snapshot()
        totals = () if snapshot is None else snapshot.totals.series
        return [observation for total in totals for observation in values(total)]

    return tell


def _told_by(gauge: Gauge, source: Source) -> Callback:
    def tell(_options: CallbackOptions) -> Iterable[Observation]:
        snapshot = source.snapshot()
        samples = () if snapshot is None else gauge.read(snapshot)
        return [Observation(value, dict(zip(gauge.labels, labels, strict=True))) for labels, value in samples]

    return tell


def _counts(total: Total) -> Sequence[Observation]:
    return [Observation(total.sketch.count, _attributes(total))]


def _rows(total: Total) -> Sequence[Observation]:
    return [Observation(total.row_count, _attributes(total))]


def _seconds(total: Total) -> Sequence[Observation]:
    return [Observation(total.sketch.sum, _attributes(total))]


def _buckets(total: Total) -> Sequence[Observation]:
    counts = total.sketch.cumulative(LE_BOUNDS)
    attributes = _attributes(total)
    return [Observation(count, {**attributes, "le": bound}) for bound, count in zip(LE_BOUNDS, counts, strict=True)]


def _attributes(total: Total) -> dict[str, str]:
    return {
        "model": total.model,
        "operation": total.operation,
        "outcome": total.outcome,
        "database": total.database,
    }
