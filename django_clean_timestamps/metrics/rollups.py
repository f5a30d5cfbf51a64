"""
Summing up what all processes have seen, minute by minute, and these to longer times.

Always anew from the rows below, never added to what is there, so that a pass which is repeated changes nothing. Only
the totals grow, in the transaction that closes a minute, once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

from django.db import connections

from django_clean_timestamps.eventlog.transactions import own_transaction
from django_clean_timestamps.metrics.lease import MetricsLease
from django_clean_timestamps.metrics.minutes import MINUTE, Counted
from django_clean_timestamps.metrics.models import MetricMinute, MetricRollup, MetricTotal, Tier
from django_clean_timestamps.metrics.series import ALL, SUMS, sum_of
from django_clean_timestamps.metrics.sketch import Sketch
from django_clean_timestamps.metrics.store import SeriesIds, upsert
from django_clean_timestamps.probes import Series

__all__ = ["CLOSED_SECONDS", "FIGURES", "Rollups", "rollup_of"]

CLOSED_SECONDS: Final = 180
"""How long after its end a minute is closed; its writers stopped a minute before."""

PROVISIONAL: Final = 2
"""How many of the youngest minutes are summed up with each pass, before they are closed."""

QUANTILES: Final = (0.5, 0.95, 0.99)

_FINER: Final = {Tier.TEN_MINUTES: Tier.MINUTE, Tier.HOUR: Tier.TEN_MINUTES, Tier.DAY: Tier.HOUR}


class Rollups:
    """
    The rollups in one database.

    Args:
        using: Its alias.
    """

    def __init__(self, using: str) -> None:
        self.using = using
        self._ids = SeriesIds(using)

    def roll_up(self, lease: MetricsLease, now: int) -> None:
        """
        Sum up the youngest minutes, and close those that are due.

        Args:
            lease: The lease of this process.
            now: The database's time, in seconds since 1970.

        Raises:
            LeaseLost: Another process has it; nothing was done.
        """
        # Made beforehand: the numbers that are remembered must outlive a transaction that is rolled back.
        self._ids.of(SUMS)
        current = now - now % MINUTE
        closing = current - CLOSED_SECONDS
        starts = self._starts(lease.closed_before)
        for start in starts:
            if start < closing:
                self._close(lease, start)
            elif start > current - PROVISIONAL * MINUTE:
                with own_transaction(connections[self.using]):
                    self._sum_up(start)
                    self._pass_up(start)
                    lease.note()
        if closing > lease.closed_before:
            lease.note(closed_before=closing)

    def _starts(self, closed_before: int) -> list[int]:
        rows = MetricMinute.objects.using(self.using).filter(start__gte=closed_before)
        return sorted(rows.values_list("start", flat=True).distinct())

    def _close(self, lease: MetricsLease, start: int) -> None:
        with own_transaction(connections[self.using]):
            counted = self._sum_up(start)
            self._add_to_totals(counted)
            self._pass_up(start)
            lease.note(closed_before=start + MINUTE)

    def _sum_up(self, start: int) -> dict[int, Counted]:
        """Write what all processes have seen in a minute, and return it."""
        rows = MetricMinute.objects.using(self.using).filter(start=start)
        counted = _merged(rows.values_list("series_id", "row_count", "sketch"))
        self._write(Tier.MINUTE, start, {**counted, **self._all_of(counted)})
        return counted

    def _all_of(self, counted: Mapping[int, Counted]) -> dict[int, Counted]:
        """Return the sums of several series, by outcome, that every overview asks for."""
        names = self._ids.names(counted)
        sums: dict[Series, Counted] = {}
        for number, each in counted.items():
            _, operation, outcome, _ = names[number]
            summed = sum_of(operation)
            if summed is not None:
                series = (ALL, summed, outcome, "")
                if series in sums:
                    sums[series].plus(each)
                else:
                    sums[series] = each.copy()
        ids = self._ids.of(sums)
        return {ids[series]: each for series, each in sums.items()}

    def _pass_up(self, start: int) -> None:
        """Sum up the longer times that a minute is part of."""
        for tier, finer in _FINER.items():
            self._recompute(tier, finer, start - start % tier)

    def _recompute(self, tier: Tier, finer: Tier, start: int) -> None:
        rows = MetricRollup.objects.using(self.using).filter(tier=finer, start__gte=start, start__lt=start + tier)
        self._write(tier, start, _merged(rows.values_list("series_id", "row_count", "sketch")))

    def _write(self, tier: Tier, start: int, counted: Mapping[int, Counted]) -> None:
        rows = [rollup_of(tier, start, number, each) for number, each in sorted(counted.items())]
        upsert(self.using, rows, unique=["tier", "series_id", "start"], update=FIGURES)

    def _add_to_totals(self, counted: Mapping[int, Counted]) -> None:
        totals = {
            row.series_id: Counted(Sketch.from_bytes(row.sketch), row.row_count)
            for row in MetricTotal.objects.using(self.using).filter(series_id__in=list(counted))
        }
        for number, each in counted.items():
            if number in totals:
                totals[number].plus(each)
            else:
                totals[number] = each.copy()
        rows = [
            MetricTotal(series_id=number, row_count=each.rows, sketch=each.sketch.to_bytes())
            for number, each in sorted(totals.items())
        ]
        upsert(self.using, rows, unique=["series_id"], update=["row_count", "sketch"])


FIGURES: Final = (
    "count",
    "row_count",
    "total_seconds",
    "over_warning",
    "over_critical",
    "p50",
    "p95",
    "p99",
    "sketch",
)
"""The columns of a rollup that say what was counted."""


def rollup_of(tier: int, start: int, number: int, counted: Counted) -> MetricRollup:
    """Return the row of what was counted of one series in the period that begins then; it is not written."""
    sketch = counted.sketch
    p50, p95, p99 = sketch.quantiles(*QUANTILES)
    return MetricRollup(
        tier=tier,
        series_id=number,
        start=start,
        count=sketch.count,
        row_count=counted.rows,
        total_seconds=sketch.sum,
        over_warning=sketch.over_warning,
        over_critical=sketch.over_critical,
        p50=p50,
        p95=p95,
        p99=p99,
        sketch=sketch.to_bytes(),
    )


def _merged(rows: Iterable[tuple[int, int, bytes | memoryview]]) -> dict[int, Counted]:
    """Return the sum of some rows by series."""
    grouped: defaultdict[int, list[tuple[int, bytes | memoryview]]] = defaultdict(list)
    for number, row_count, data in rows:
        grouped[number].append((row_count, data))
    merged = {}
    for number, parts in grouped.items():
        counted = Counted(Sketch.from_bytes(parts[0][1]), parts[0][0])
        for row_count, data in parts[1:]:
            counted.sketch.merge_bytes(data)
            counted.rows += row_count
        merged[number] = counted
    return merged
