"""The processes that record, and how old the data is."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from typing import Any, Final

from django_clean_timestamps.eventlog.fields import DatabaseNow, DatabaseTimeField, database_now
from django_clean_timestamps.metrics.models import LEASE_KEY, MetricLease, MetricWriter

__all__ = ["LIVING_SECONDS", "Freshness", "Process", "count_living", "read_freshness", "read_processes"]

LIVING_SECONDS: Final = 150
"""How long after its last sign a process is taken for alive; each gives one every minute at least."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process that records; see ``MetricWriter``. Ages by the database's clock."""

    id: int
    kind: str
    host: str
    version: str
    started_at: datetime
    seen_at: datetime
    age_seconds: float
    skew_seconds: float
    dropped: int

    @property
    def is_living(self) -> bool:
        """Whether it gave a sign of life just now."""
        return self.age_seconds <= LIVING_SECONDS


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """
    How old what is shown is.

    Attributes:
        now: The database's time, aware, in UTC.
        sampled_at: When a process last kept house, in seconds since 1970, 0 for never.
        evaluated_at: When alerts were last evaluated, likewise.
        age_seconds: How long ago a process last kept house, None for never.
    """

    now: datetime
    sampled_at: int
    evaluated_at: int
    age_seconds: float | None

    @property
    def is_silent(self) -> bool:
        """Whether nobody collects any more."""
        return self.age_seconds is not None and self.age_seconds > LIVING_SECONDS

    @property
    def evaluation_age_seconds(self) -> float | None:
        """How long ago alerts were evaluated, None for never."""
        return max(0.0, self.now.timestamp() - self.evaluated_at) if self.evaluated_at else None


def count_living(using: str) -> int:
    """Return how many processes are alive."""
    since = database_now(using) - timedelta(seconds=LIVING_SECONDS)
    return MetricWriter.objects.using(using).filter(seen_at__gte=since).count()


def read_processes(using: str) -> list[Process]:
    """Return every process of the last day, those seen last first. Two statements."""
    now = database_now(using)
    return [
        Process(
            id=row.pk,
            kind=row.kind,
            host=row.host,
            version=row.version,
            started_at=row.started_at,
            seen_at=row.seen_at,
            age_seconds=max(0.0, (now - row.seen_at).total_seconds()),
            skew_seconds=row.skew_seconds,
            dropped=row.dropped,
        )
        for row in MetricWriter.objects.using(using).order_by("-seen_at", "id")
    ]


def read_freshness(using: str) -> Freshness:
    """Return how old the data is. One statement, and another before the first pass."""
    rows: Any = MetricLease.objects.using(using).filter(pk=LEASE_KEY)
    times = rows.annotate(now=DatabaseNow(output_field=DatabaseTimeField()))
    found = times.values_list("sampled_at", "evaluated_at", "now").first()
    sampled_at, evaluated_at, now = found or (0, 0, database_now(using))
    age = max(0.0, now.timestamp() - sampled_at) if sampled_at else None
    return Freshness(now=now, sampled_at=sampled_at, evaluated_at=evaluated_at, age_seconds=age)
