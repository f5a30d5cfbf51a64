"""How latency, errors and rates went over time."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from django_clean_timestamps.metrics.alerts.judging import wilson_bounds
from django_clean_timestamps.metrics.models import MetricRollup, Tier
from django_clean_timestamps.metrics.queries.filters import Filters
from django_clean_timestamps.metrics.queries.rows import Figures, SeriesNames, matching, merge_by
from django_clean_timestamps.metrics.series import ALL, ALL_EVENTS, ALL_HANDLERS
from django_clean_timestamps.probes import FAILED, INVALID, OK

__all__ = ["Rates", "Trend", "read_rates", "read_trend"]

MERGES_AT_MOST: Final = 4_000
"""Past so many sketches to be merged a longer tier is read."""

QUANTILES: Final = (0.5, 0.95, 0.99)

_COLUMNS: Final = tuple(field.name for field in dataclasses.fields(Figures))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """
    Latency and outcomes by time; every tuple has an entry for each of ``times``.

    Attributes:
        times: When each period begins, aware, in UTC, one after the other without a gap.
        step_seconds: How long a period is.
        p50: Quantiles of the seconds that operations took which went well, None where there was none.
        p95: Likewise.
        p99: Likewise.
        ok: How many went well.
        invalid: How many were refused.
        failed: How many failed otherwise.
        error_rate: The share of those that were refused, 0 to 1, None where there was no operation.
        error_lower: What the true share is at least, by the counts.
        error_upper: What it is at most.
    """

    times: tuple[datetime, ...]
    step_seconds: int
    p50: tuple[float | None, ...]
    p95: tuple[float | None, ...]
    p99: tuple[float | None, ...]
    ok: tuple[int, ...]
    invalid: tuple[int, ...]
    failed: tuple[int, ...]
    error_rate: tuple[float | None, ...]
    error_lower: tuple[float | None, ...]
    error_upper: tuple[float | None, ...]

    @property
    def total(self) -> tuple[int, ...]:
        """How many operations there were in each period."""
        return tuple(map(sum, zip(self.ok, self.invalid, self.failed, strict=True)))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """
    Events a second by time; None where nothing was recorded.

    Attributes:
        times: As of a :class:`Trend`.
        step_seconds: Likewise.
        written: Written into logs.
        delivered: Handled; an event that three handlers heard counts three times.
        failed: Runs of handlers that failed.
    """

    times: tuple[datetime, ...]
    step_seconds: int
    written: tuple[float | None, ...]
    delivered: tuple[float | None, ...]
    failed: tuple[float | None, ...]


def read_trend(using: str, filters: Filters, series: SeriesNames) -> Trend:
    """
    Return how the operations that filters ask for went. One statement.

    Args:
        using: The metrics' database.
        filters: What is asked for.
        series: What :func:`read_series` returned.
    """
    # Whichever outcome's latency is asked for, the shares are those of all.
    numbers = matching(series, dataclasses.replace(filters, outcome=""))
    timed = {number for number in numbers if series[number][2] == (filters.outcome or OK)}
    tier = _affordable(filters, len(timed))
    starts = _starts(filters, tier)
    rows = _merged(using, filters, tier, numbers, series) if len(timed) > 1 else _read(using, filters, tier, numbers)
    quantiles: dict[int, Figures] = {}
    counts: dict[str, dict[int, int]] = {OK: {}, INVALID: {}, FAILED: {}}
    for row in rows:
        of_outcome = counts[series[row.series_id][2]]
        of_outcome[row.start] = of_outcome.get(row.start, 0) + row.count
        if row.series_id in timed:
            quantiles[row.start] = row
    ok, invalid, failed = (tuple(counts[name].get(start, 0) for start in starts) for name in (OK, INVALID, FAILED))
    bounds = [_bounds(bad, good + bad + other) for good, bad, other in zip(ok, invalid, failed, strict=True)]
    found = [quantiles.get(start) for start in starts]
    return Trend(
        times=tuple(datetime.fromtimestamp(start, UTC) for start in starts),
        step_seconds=tier,
        p50=tuple(None if row is None else row.p50 for row in found),
        p95=tuple(None if row is None else row.p95 for row in found),
        p99=tuple(None if row is None else row.p99 for row in found),
        ok=ok,
        invalid=invalid,
        failed=failed,
        error_rate=tuple(each and each[0] for each in bounds),
        error_lower=tuple(each and each[1] for each in bounds),
        error_upper=tuple(each and each[2] for each in bounds),
    )


def read_rates(using: str, filters: Filters, series: SeriesNames) -> Rates:
    """Return how many events a second were written, delivered and failed, of all models. One statement."""
    tier = filters.tier
    starts = _starts(filters, tier)
    shown = ((ALL_EVENTS, OK), (ALL_HANDLERS, OK), (ALL_HANDLERS, FAILED))
    wanted = {
        number: (operation, outcome)
        for number, (model, operation, outcome, _) in series.items()
        if model == ALL and (operation, outcome) in shown
    }
    found: dict[tuple[str, str], dict[int, float]] = {each: {} for each in shown}
    for row in _read(using, filters, tier, wanted):
        found[wanted[row.series_id]][row.start] = row.row_count / tier
    written, delivered, failed = (found[each] for each in shown)
    return Rates(
        times=tuple(datetime.fromtimestamp(start, UTC) for start in starts),
        step_seconds=tier,
        written=tuple(written.get(start) for start in starts),
        delivered=tuple(delivered.get(start) for start in starts),
        # Where handlers ran and none failed, that is a figure too.
        failed=tuple(failed.get(start, 0.0 if start in delivered else None) for start in starts),
    )


def _starts(filters: Filters, tier: int) -> list[int]:
    return list(range(filters.start - filters.start % tier, filters.end, tier))


def _affordable(filters: Filters, series_count: int) -> int:
    tier = filters.tier
    longer = [each for each in Tier if each > tier]
    while series_count > 1 and longer and filters.seconds // tier * series_count > MERGES_AT_MOST:
        tier = int(longer.pop(0))
    return tier


def _read(using: str, filters: Filters, tier: int, numbers: Iterable[int]) -> list[Figures]:
    rows = MetricRollup.objects.using(using).filter(
        tier=tier, series_id__in=list(numbers), start__gte=filters.start - filters.start % tier, start__lt=filters.end
    )
    return [Figures(*row) for row in rows.values_list(*_COLUMNS)]


def _merged(using: str, filters: Filters, tier: int, numbers: Iterable[int], series: SeriesNames) -> list[Figures]:
    """Return one row for each outcome and period."""
    merged = merge_by(
        using, tier, numbers, filters.start, filters.end, key=lambda number, start: (series[number][2], start)
    )
    any_of = {series[number][2]: number for number in numbers}
    timed = [number for number in numbers if series[number][2] == (filters.outcome or OK)]
    rows = []
    for (outcome, start), (sketch, row_count) in merged.items():
        quantiles = sketch.quantiles(*QUANTILES)
        number = any_of[outcome] if outcome != (filters.outcome or OK) else timed[0]
        rows.append(Figures(number, start, sketch.count, row_count, *quantiles))
    return rows


def _bounds(bad: int, total: int) -> tuple[float, float, float] | None:
    return None if not total else (bad / total, *wilson_bounds(bad, total))
