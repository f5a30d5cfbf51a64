"""What was ever counted, as scrapers want it."""

from __future__ import annotations

import dataclasses

from django_clean_timestamps.metrics.models import LEASE_KEY, MetricLease, MetricTotal
from django_clean_timestamps.metrics.queries.rows import read_series
from django_clean_timestamps.metrics.sketch import Sketch

__all__ = ["Total", "Totals", "read_totals"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """
    All that was ever counted of one series.

    Attributes:
        model: The model's label, ``""`` for none.
        operation: As the series have it.
        outcome: Likewise.
        database: The alias.
        row_count: How many rows or events they wrote or handled.
        sketch: How many there were, and how long they took.
    """

    model: str
    operation: str
    outcome: str
    database: str
    row_count: int
    sketch: Sketch


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """
    The totals of every series; sums of several series are not among them, so that nothing is in here twice.

    Attributes:
        counted_until: All minutes before this one are in them, in seconds since 1970; 0 where none is.
        series: Ordered by model, operation, outcome and database.
    """

    counted_until: int
    series: tuple[Total, ...]


def read_totals(using: str) -> Totals:
    """
    Return what was ever counted, of the minutes that are closed. Three statements.

    Args:
        using: The metrics' database.

    Raises:
        Error: It cannot be read.
        ValueError: A sketch was written by a newer release.
    """
    # In this order: what is told of is in the totals, and every total has its series.
    counted_until = (
        MetricLease.objects.using(using).filter(pk=LEASE_KEY).values_list("closed_before", flat=True).first()
    )
    rows = list(MetricTotal.objects.using(using).values_list("series_id", "row_count", "sketch"))
    names = read_series(using)
    found = sorted((names[number], row_count, data) for number, row_count, data in rows)
    return Totals(
        counted_until=counted_until or 0,
        series=tuple(
            Total(
                model=model,
                operation=operation,
                outcome=outcome,
                database=database,
                row_count=row_count,
                sketch=Sketch.from_bytes(data),
            )
            for (model, operation, outcome, database), row_count, data in found
        ),
    )
