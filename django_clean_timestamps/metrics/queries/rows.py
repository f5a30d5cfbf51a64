"""Rollups and series as the queries read them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import TypeVar

from django_clean_timestamps.metrics.models import MetricRollup, MetricSeries
from django_clean_timestamps.metrics.queries.filters import Filters
from django_clean_timestamps.metrics.series import ALL, ALL_ROWS, SINGLE_ROW_OPERATIONS
from django_clean_timestamps.metrics.sketch import Sketch
from django_clean_timestamps.probes import Series

__all__ = ["Figures", "SeriesNames", "matching", "merge_by", "read_series"]

SeriesNames = Mapping[int, Series]

KeyT = TypeVar("KeyT", bound=Hashable)


@dataclasses.dataclass(frozen=True, slots=True)
class Figures:
    """One row of a rollup without its sketch."""

    series_id: int
    start: int
    count: int
    row_count: int
    p50: float | None
    p95: float | None
    p99: float | None


def read_series(using: str) -> SeriesNames:
    """Return every series by its number, the sums among them; a thousand at most."""
    rows = MetricSeries.objects.using(using).values_list("id", "model", "operation", "outcome", "database")
    return {number: (model, operation, outcome, database) for number, model, operation, outcome, database in rows}


def matching(series: SeriesNames, filters: Filters) -> set[int]:
    """Return the numbers of the series that filters ask for; without a narrower one those of the sum."""
    return {number for number, names in series.items() if _matches(names, filters)}


def _matches(names: Series, filters: Filters) -> bool:
    model, operation, outcome, database = names
    if filters.outcome and outcome != filters.outcome:
        return False
    if not filters.is_narrowed:
        return (model, operation) == (ALL, ALL_ROWS)
    wanted = operation == filters.operation if filters.operation else operation in SINGLE_ROW_OPERATIONS
    return wanted and model != ALL and filters.model in ("", model) and filters.database in ("", database)


def merge_by(
    using: str, tier: int, numbers: Iterable[int], start: int, end: int, key: Callable[[int, int], KeyT]
) -> dict[KeyT, tuple[Sketch, int]]:
    """
    Return sketches and row counts of rollups, merged by a key of series and start.

    Args:
        using: The metrics' database.
        tier: Of the rollups.
        numbers: Of the series.
        start: Where the range begins.
        end: Where it ends.
        key: What rows have in common that are merged.
    """
    rows = MetricRollup.objects.using(using).filter(
        tier=tier, series_id__in=list(numbers), start__gte=start - start % tier, start__lt=end
    )
    merged: dict[KeyT, tuple[Sketch, int]] = {}
    for number, begin, row_count, data in rows.values_list("series_id", "start", "row_count", "sketch"):
        place = key(number, begin)
        if place in merged:
            sketch, rows_before = merged[place]
            sketch.merge_bytes(data)
            merged[place] = (sketch, rows_before + row_count)
        else:
            merged[place] = (Sketch.from_bytes(data), row_count)
    return merged
