"""Operations one by one: all of them in a table, or everything about one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from django.db.models import Sum

from django_clean_timestamps.metrics.details import HOUR
from django_clean_timestamps.metrics.models import MetricExample, MetricReason
from django_clean_timestamps.metrics.queries.filters import Filters, tier_for
from django_clean_timestamps.metrics.queries.rows import SeriesNames, matching, merge_by
from django_clean_timestamps.metrics.series import ALL
from django_clean_timestamps.metrics.sketch import Sketch
from django_clean_timestamps.probes import OK

__all__ = [
    "Heat",
    "OperationFigures",
    "Reason",
    "SlowExample",
    "read_distribution",
    "read_examples",
    "read_heat",
    "read_operations",
    "read_reasons",
]

TABLE_POINTS: Final = 6
"""Of how many rollups at least a whole range is summed up: the edges are at most so much off."""

HEAT_COLUMNS: Final = 24
HEAT_SCALE: Final = 1
"""Two rows of cells an octave."""
HISTOGRAM_SCALE: Final = 2

REASONS_SHOWN: Final = 20
EXAMPLES_SHOWN: Final = 20


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OperationFigures:
    """
    One operation on one model in a range.

    Attributes:
        model: The model's label, ``""`` for none.
        operation: As the series have it.
        database: The alias.
        count: How many there were, of every outcome.
        row_count: How many rows or events they wrote or handled.
        invalid: How many were refused.
        failed: How many failed otherwise.
        p50: Quantiles of the seconds that those took which went well, None where there was none.
        p95: Likewise.
        p99: Likewise.
        longest_seconds: The longest.
    """

    model: str
    operation: str
    database: str
    count: int
    row_count: int
    invalid: int
    failed: int
    p50: float | None
    p95: float | None
    p99: float | None
    longest_seconds: float | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Heat:
    """
    How many operations took how long, by time.

    Attributes:
        times: When each column begins, aware, in UTC.
        step_seconds: How long a column is.
        bounds: The rows' bounds in seconds, rising; one more than there are rows.
        counts: A tuple for each column, of a count for each row.
    """

    times: tuple[datetime, ...]
    step_seconds: int
    bounds: tuple[float, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Reason:
    """A reason and how often it was given."""

    model: str
    reason: str
    count: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SlowExample:
    """One of the slowest operations of the last day."""

    model: str
    operation: str
    outcome: str
    database: str
    seconds: float
    occurred_at: datetime
    entity_id: str
    reason: str


MaySee = Callable[[str], bool]
"""Whether reasons and keys of a model, by its label, may be shown."""


def read_operations(using: str, filters: Filters, series: SeriesNames) -> list[OperationFigures]:
    """Return the figures of every operation that filters ask for, most frequent first. One statement."""
    tier = tier_for(filters.seconds, TABLE_POINTS)
    numbers = [number for number, names in series.items() if names[0] != ALL and _is_asked(names, filters)]
    merged = merge_by(using, tier, numbers, filters.start, filters.end, key=lambda number, start: series[number])
    grouped: dict[tuple[str, str, str], dict[str, tuple[Sketch, int]]] = {}
    for (model, operation, outcome, database), found in merged.items():
        grouped.setdefault((model, operation, database), {})[outcome] = found
    figures = [_figures(*key, outcomes) for key, outcomes in grouped.items()]
    return sorted(figures, key=lambda each: (-each.count, each.model, each.operation, each.database))


def _is_asked(names: tuple[str, str, str, str], filters: Filters) -> bool:
    model, operation, outcome, database = names
    pairs = (
        (filters.model, model),
        (filters.operation, operation),
        (filters.outcome, outcome),
        (filters.database, database),
    )
    return all(not wanted or wanted == found for wanted, found in pairs)


def _figures(model: str, operation: str, database: str, outcomes: dict[str, tuple[Sketch, int]]) -> OperationFigures:
    counts = {outcome: sketch.count for outcome, (sketch, _) in outcomes.items()}
    timed = outcomes[OK][0] if OK in outcomes else Sketch()
    p50, p95, p99 = timed.quantiles(0.5, 0.95, 0.99)
    return OperationFigures(
        model=model,
        operation=operation,
        database=database,
        count=sum(counts.values()),
        row_count=sum(rows for _, rows in outcomes.values()),
        invalid=counts.get("invalid", 0),
        failed=counts.get("failed", 0),
        p50=p50,
        p95=p95,
        p99=p99,
        longest_seconds=timed.max,
    )


def read_distribution(using: str, filters: Filters, series: SeriesNames) -> Sketch:
    """Return how long everything took that filters ask for, in one sketch. One statement."""
    tier = tier_for(filters.seconds, TABLE_POINTS)
    numbers = matching(series, filters)
    merged = merge_by(using, tier, numbers, filters.start, filters.end, key=lambda number, start: None)
    return merged[None][0] if merged else Sketch()


def read_heat(using: str, filters: Filters, series: SeriesNames) -> Heat:
    """Return how many operations took how long, by time. One statement."""
    tier = tier_for(filters.seconds, HEAT_COLUMNS)
    first = filters.start - filters.start % tier
    # A whole number of rollups for each column, and not many more columns than can be told apart.
    step = tier * max(1, round((filters.end - first) / tier / (2 * HEAT_COLUMNS)))
    first = filters.start - filters.start % step
    merged = merge_by(
        using,
        tier,
        matching(series, filters),
        first,
        filters.end,
        key=lambda number, start: start - start % step,
    )
    columns = {
        start: {upper: count for _, upper, count in sketch.downscaled(HEAT_SCALE).buckets() if count}
        for start, (sketch, _) in merged.items()
    }
    used = [upper for column in columns.values() for upper in column]
    if not used:
        return Heat(times=(), step_seconds=step, bounds=(), counts=())
    ratio = 2 ** (1 / 2**HEAT_SCALE)
    uppers = [min(used)]
    while uppers[-1] < max(used) * 0.999:
        uppers.append(uppers[-1] * ratio)
    starts = range(first, filters.end, step)
    return Heat(
        times=tuple(datetime.fromtimestamp(start, UTC) for start in starts),
        step_seconds=step,
        bounds=(uppers[0] / ratio, *uppers),
        counts=tuple(_column(columns.get(start, {}), uppers) for start in starts),
    )


def _column(counts: dict[float, int], uppers: Sequence[float]) -> tuple[int, ...]:
    """Return a count for each row; bounds that were computed one from the other are not exactly those of buckets."""
    return tuple(sum(count for bound, count in counts.items() if abs(bound / upper - 1) < 0.01) for upper in uppers)


def read_reasons(using: str, filters: Filters, series: SeriesNames, *, may_see: MaySee) -> list[Reason]:
    """Return the most frequent reasons, of models that may be seen; in whole hours. One statement."""
    numbers = _visible(series, filters, may_see)
    rows: Any = MetricReason.objects.using(using).filter(
        series_id__in=numbers, hour__gte=filters.start - filters.start % HOUR, hour__lt=filters.end
    )
    counts: dict[tuple[str, str], int] = {}
    for number, reason, count in rows.values_list("series_id", "reason").annotate(sum=Sum("count")).order_by():
        key = (series[number][0], reason)
        counts[key] = counts.get(key, 0) + count
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [Reason(*key, count) for key, count in ordered[:REASONS_SHOWN]]


def read_examples(using: str, filters: Filters, series: SeriesNames, *, may_see: MaySee) -> list[SlowExample]:
    """Return the slowest operations, of models that may be seen, of the last day at most. One statement."""
    rows = MetricExample.objects.using(using).filter(
        series_id__in=_visible(series, filters, may_see),
        occurred_at__gte=filters.start_at,
        occurred_at__lt=filters.end_at,
    )
    found = []
    for row in rows.order_by("-seconds", "id")[:EXAMPLES_SHOWN]:
        model, operation, outcome, database = series[row.series_id]
        found.append(
            SlowExample(
                model=model,
                operation=operation,
                outcome=outcome,
                database=database,
                seconds=row.seconds,
                occurred_at=row.occurred_at,
                entity_id=row.entity_id,
                reason=row.reason,
            )
        )
    return found


def _visible(series: SeriesNames, filters: Filters, may_see: MaySee) -> list[int]:
    seen: dict[str, bool] = {}
    numbers = []
    for number, names in series.items():
        model = names[0]
        if model and model != ALL and _is_asked(names, filters):
            if model not in seen:
                seen[model] = may_see(model)
            if seen[model]:
                numbers.append(number)
    return numbers
