"""What of the metrics is let go, and when."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from django.db import connections
from django.db.models import Model, QuerySet, Sum

from django_clean_timestamps.eventlog.fields import database_now
from django_clean_timestamps.eventlog.transactions import own_transaction
from django_clean_timestamps.metrics.details import EXAMPLES, HOUR, REASONS
from django_clean_timestamps.metrics.details import WRITABLE_SECONDS as HOUR_WRITABLE_SECONDS
from django_clean_timestamps.metrics.lease import MetricsLease
from django_clean_timestamps.metrics.models import (
    MetricExample,
    MetricMinute,
    MetricReason,
    MetricRollup,
    MetricSample,
    MetricWriter,
    Tier,
)

__all__ = ["KEPT_SECONDS", "Pruning"]

DAY: Final = 86_400

MINUTES_KEPT_SECONDS: Final = 900
KEPT_SECONDS: Final = {0: DAY, Tier.MINUTE: DAY, Tier.TEN_MINUTES: 7 * DAY, Tier.HOUR: 90 * DAY, Tier.DAY: 400 * DAY}
"""How long the rows of each tier are kept; 0 are single samples."""
REASONS_KEPT_SECONDS: Final = 7 * DAY
EXAMPLES_KEPT_SECONDS: Final = DAY
WRITERS_KEPT: Final = timedelta(days=1)
"""How long a process that ended is shown."""

EVERY_SECONDS: Final = 600

ROWS_AT_ONCE: Final = 2_000

SLACK_SECONDS: Final = 60
"""How long a process may need between its look at the clock and the end of its write."""


class Pruning:
    """
    Deletes what is old, in short transactions.

    Args:
        using: The metrics' database.
    """

    def __init__(self, using: str) -> None:
        self.using = using

    def prune(self, lease: MetricsLease, now: int) -> None:
        """
        Delete what is old, if ten minutes have passed since the last time.

        Raises:
            LeaseLost: Another process does it.
        """
        if now - lease.pruned_at < EVERY_SECONDS:
            return
        self._sum_up_details(lease, now)
        for rows in self._old(now):
            while self._delete_some(lease, rows):
                pass
        lease.note(pruned_at=now)

    def _old(self, now: int) -> Iterator[QuerySet[Any]]:
        using = self.using
        # Never of a minute that is not closed.
        yield MetricMinute.objects.using(using).filter(start__lt=now - MINUTES_KEPT_SECONDS)
        for tier, seconds in KEPT_SECONDS.items():
            yield MetricSample.objects.using(using).filter(tier=tier, start__lt=now - seconds)
            yield MetricRollup.objects.using(using).filter(tier=tier, start__lt=now - seconds)
        yield MetricReason.objects.using(using).filter(hour__lt=now - REASONS_KEPT_SECONDS)
        yield MetricExample.objects.using(using).filter(hour__lt=now - EXAMPLES_KEPT_SECONDS)
        yield MetricWriter.objects.using(using).filter(seen_at__lt=database_now(using) - WRITERS_KEPT)

    def _delete_some(self, lease: MetricsLease, rows: QuerySet[Any]) -> bool:
        """Delete some of the rows, and say whether there may be more."""
        keys = list(rows.order_by("pk").values_list("pk", flat=True)[:ROWS_AT_ONCE])
        if keys:
            with own_transaction(connections[self.using]):
                rows.model.objects.using(self.using).filter(pk__in=keys).delete()
                lease.note()
        return len(keys) == ROWS_AT_ONCE

    # The details of an hour, by process, become those of all.

    def _sum_up_details(self, lease: MetricsLease, now: int) -> None:
        past = now - HOUR - HOUR_WRITABLE_SECONDS - SLACK_SECONDS
        for model in (MetricReason, MetricExample):
            rows: Any = model.objects.using(self.using)
            due = rows.filter(hour__lte=past).exclude(writer_id=0).order_by("hour", "series_id")
            for hour, series_id in list(due.values_list("hour", "series_id").distinct()):
                with own_transaction(connections[self.using]):
                    found = rows.filter(hour=hour, series_id=series_id)
                    summed = _SUMMED[model](hour, series_id, found)
                    found.delete()
                    rows.bulk_create(summed)
                    lease.note()


def _sum_of_reasons(hour: int, series_id: int, rows: Any) -> list[Model]:
    counts = rows.values("reason").annotate(sum=Sum("count")).order_by("-sum", "reason")[:REASONS]
    return [
        MetricReason(hour=hour, series_id=series_id, writer_id=0, reason=row["reason"], count=row["sum"])
        for row in counts
    ]


def _slowest_examples(hour: int, series_id: int, rows: Any) -> list[Model]:
    return [
        MetricExample(
            hour=hour,
            series_id=series_id,
            writer_id=0,
            rank=rank,
            seconds=row.seconds,
            occurred_at=row.occurred_at,
            entity_id=row.entity_id,
            reason=row.reason,
        )
        for rank, row in enumerate(rows.order_by("-seconds", "id")[:EXAMPLES])
    ]


_SUMMED: Final[dict[type[Model], Any]] = {MetricReason: _sum_of_reasons, MetricExample: _slowest_examples}
