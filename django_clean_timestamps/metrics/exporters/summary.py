"""How things stand in a few figures, as an overview's first line and a watcher's script tell it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from django_clean_timestamps.metrics.alerts.judging import wilson_bounds
from django_clean_timestamps.metrics.models import Tier
from django_clean_timestamps.metrics.queries.backlog import Standing, read_standings
from django_clean_timestamps.metrics.queries.processes import Freshness, count_living
from django_clean_timestamps.metrics.queries.rows import SeriesNames, merge_by
from django_clean_timestamps.metrics.series import ALL, ALL_ROWS
from django_clean_timestamps.metrics.sketch import Sketch
from django_clean_timestamps.probes import FAILED, INVALID, OK

__all__ = ["LatestOperations", "Summary", "read_summary"]

WINDOW_SECONDS: Final = 600
WIDE_WINDOW_SECONDS: Final = 3_600

OPERATIONS_AT_LEAST: Final = 20
"""With fewer in ten minutes the hour is told of: a p95 of less is the longest of them."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LatestOperations:
    """
    The single-row operations of the last ten minutes, or of the last hour where there were fewer than 20.

    Attributes:
        since: When the window begins, at a minute, aware, in UTC.
        until: When it ends.
        ok: How many went well.
        invalid: How many were refused.
        failed: How many failed otherwise.
        p50: Quantiles of the seconds that those took which went well, None where there was none.
        p95: Likewise.
        p99: Likewise.
        error_rate: The share of those that were refused, 0 to 1, None where there was no operation.
        error_lower: What the true share is at least, by the counts.
        error_upper: What it is at most.
    """

    since: datetime
    until: datetime
    ok: int
    invalid: int
    failed: int
    p50: float | None
    p95: float | None
    p99: float | None
    error_rate: float | None
    error_lower: float | None
    error_upper: float | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """
    How things stand.

    Attributes:
        freshness: How old this is.
        operations: How the latest operations went.
        standings: The last sample of every log and subscription.
        living_count: How many processes record.
    """

    freshness: Freshness
    operations: LatestOperations
    standings: Sequence[Standing]
    living_count: int

    @property
    def waiting_count(self) -> int | None:
        """How many events wait for the log or handler that is furthest behind unexplained; None without a sample."""
        return max((each.waiting for each in self.standings if each.raises_alarm), default=None)

    @property
    def oldest_seconds(self) -> float | None:
        """How long the oldest event waits that does so unexplained, 0 where none does; None without a sample."""
        return max((each.oldest_seconds or 0.0 for each in self.standings if each.raises_alarm), default=None)

    @property
    def parked_count(self) -> int:
        """How many events are parked, dead ones left out."""
        return sum(each.parked for each in self.standings)

    @property
    def dead_count(self) -> int:
        """How many events are dead."""
        return sum(each.dead for each in self.standings)


def read_summary(using: str, freshness: Freshness, series: SeriesNames) -> Summary:
    """
    Return how things stand. Four statements.

    Args:
        using: The metrics' database.
        freshness: What :func:`read_freshness` returned.
        series: What :func:`read_series` returned.

    Raises:
        Error: The database cannot be read.
        ValueError: A sketch was written by a newer release.
    """
    return Summary(
        freshness=freshness,
        operations=_latest(using, freshness.now, series),
        standings=read_standings(using, freshness.sampled_at),
        living_count=count_living(using),
    )


def _latest(using: str, now: datetime, series: SeriesNames) -> LatestOperations:
    end = int(now.timestamp()) + 1
    wide, narrow = (_first(end, seconds) for seconds in (WIDE_WINDOW_SECONDS, WINDOW_SECONDS))
    numbers = [number for number, names in series.items() if names[:2] == (ALL, ALL_ROWS)]
    merged = merge_by(
        using, Tier.MINUTE, numbers, wide, end, key=lambda number, start: (series[number][2], start >= narrow)
    )

    def of(outcome: str, *, is_late: bool) -> Sketch:
        found = merged.get((outcome, is_late))
        return Sketch() if found is None else found[0]

    latest = {outcome: of(outcome, is_late=True) for outcome in (OK, INVALID, FAILED)}
    since = narrow
    if sum(sketch.count for sketch in latest.values()) < OPERATIONS_AT_LEAST:
        since = wide
        for outcome, sketch in latest.items():
            sketch.merge(of(outcome, is_late=False))
    return _figures(since, end, latest[OK], latest[INVALID].count, latest[FAILED].count)


def _figures(since: int, until: int, timed: Sketch, invalid: int, failed: int) -> LatestOperations:
    total = timed.count + invalid + failed
    p50, p95, p99 = timed.quantiles(0.5, 0.95, 0.99)
    lower, upper = wilson_bounds(invalid, total) if total else (None, None)
    return LatestOperations(
        since=datetime.fromtimestamp(since, UTC),
        until=datetime.fromtimestamp(until, UTC),
        ok=timed.count,
        invalid=invalid,
        failed=failed,
        p50=p50,
        p95=p95,
        p99=p99,
        error_rate=invalid / total if total else None,
        error_lower=lower,
        error_upper=upper,
    )


def _first(end: int, seconds: int) -> int:
    """Return where the first minute of a window begins."""
    start = end - seconds
    return start - start % Tier.MINUTE
