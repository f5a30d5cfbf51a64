"""Writing what this process has counted, and reading it back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from django.db import connections
from django.db.models import Model

from django_clean_timestamps.eventlog.fields import DatabaseNow, database_now
from django_clean_timestamps.eventlog.transactions import own_transaction
from django_clean_timestamps.metrics.minutes import MINUTE, WRITABLE_SECONDS, Counted, MinuteRow
from django_clean_timestamps.metrics.models import (
    MetricExample,
    MetricMinute,
    MetricReason,
    MetricSeries,
    MetricWriter,
)
from django_clean_timestamps.metrics.process import ProcessFacts
from django_clean_timestamps.metrics.recorder import OTHER, Recorder
from django_clean_timestamps.metrics.sketch import Sketch
from django_clean_timestamps.probes import Series

__all__ = ["SeriesIds", "Store", "TooLate", "upsert"]

SERIES_IN_ALL: Final = 1_000
"""How many series there may be; what comes later is counted as another one."""

IDLE_SECONDS: Final = 30.0
"""How long the server lets one of our transactions sit idle; well before a minute is closed."""

SLOW_SECONDS: Final = 20.0
"""How long a flush may take after a minute was writable for the last time, in addition to an idle transaction."""


class TooLate(Exception):  # noqa: N818 - a state
    """The process stood still, and a minute may be closed before it is written; nothing was."""


class SeriesIds:
    """
    The numbers of the series in one database.

    Args:
        using: Its alias.
    """

    def __init__(self, using: str) -> None:
        self.using = using
        self._ids: dict[Series, int] = {}
        self._names: dict[int, Series] = {}

    def of(self, wanted: Iterable[Series]) -> Mapping[Series, int]:
        """
        Return the number of each series; those that are new are made, outside any other transaction of ours.

        Past a thousand in all they get that of ``__other__``.
        """
        missing = sorted(set(wanted) - self._ids.keys())
        if missing:
            self._read()
            for series in missing:
                if series not in self._ids:
                    self._make(series)
        return self._ids

    def names(self, numbers: Iterable[int]) -> Mapping[int, Series]:
        """Return the series of each number."""
        if not self._names.keys() >= set(numbers):
            self._read()
        return self._names

    def _read(self) -> None:
        rows = MetricSeries.objects.using(self.using).values_list("model", "operation", "outcome", "database", "id")
        for *names, number in rows:
            series: Any = tuple(names)
            self._ids[series] = number
            self._names[number] = series

    def _make(self, series: Series) -> None:
        """Make one row by a statement of its own: several in one could meet those of another process crosswise."""
        other = (OTHER, OTHER, series[2], "")
        is_full = len(self._ids) >= SERIES_IN_ALL and series != other
        names = other if is_full else series
        if names not in self._ids:
            row = MetricSeries(**dict(zip(("model", "operation", "outcome", "database"), names, strict=True)))
            # Under the isolation level of the project, PostgreSQL may refuse what somebody else has just made.
            with own_transaction(connections[self.using], idle_seconds=IDLE_SECONDS):
                MetricSeries.objects.using(self.using).bulk_create([row], ignore_conflicts=True)
            self._read()
        self._ids[series] = self._ids[names]


class Store:
    """
    The rows of one recorder in the metrics' database. One flush at a time.

    Args:
        recorder: The recorder.
        using: The alias of the database.
        process: What the recorder's process is.
    """

    def __init__(self, recorder: Recorder, using: str, process: ProcessFacts) -> None:
        self.recorder = recorder
        self.using = using
        self.process = process
        self._ids = SeriesIds(using)

    def flush(self) -> int:
        """
        Write what is new, and return how many rows that were.

        Raises:
            Error: The database could not do it now. Nothing is lost: the next flush writes it.
            TooLate: It took so long that a minute may be closed. Likewise.
        """
        recorder = self.recorder
        recorder.fold()
        now = self._read_clock()
        with recorder.lock:
            rows = recorder.minutes.due(now, self._read_back)
            recorder.minutes.trying(rows)
            details = recorder.details.due(now)
            # What comes while they are written has news again.
            recorder.details.confirm(details)
            shown = [(hour, series, detail.top_reasons, list(detail.examples)) for hour, series, detail in details]
        try:
            if rows or shown:
                ids = self._ids.of([row.series for row in rows] + [series for _, series, _, _ in shown])
                with own_transaction(connections[self.using], idle_seconds=IDLE_SECONDS):
                    self._write_minutes(rows, ids)
                    self._write_details(shown, ids)
                    self._look_at_clock(rows)
        except BaseException:
            with recorder.lock:
                for _, _, detail in details:
                    detail.has_news = True
            raise
        with recorder.lock:
            recorder.minutes.confirm(rows)
        return len(rows)

    def beat(self) -> None:
        """Write that this process is alive."""
        writer = MetricWriter(
            id=self.recorder.writer,
            kind=self.process.kind,
            host=self.process.host,
            version=self.process.version,
            seen_at=DatabaseNow(),  # type: ignore[misc]
            skew_seconds=self.recorder.skew,
            dropped=self.recorder.dropped,
        )
        upsert(self.using, [writer], unique=["id"], update=["kind", "seen_at", "skew_seconds", "dropped"])

    def _read_clock(self) -> int:
        before = self.recorder.local_time()
        now = database_now(self.using).timestamp()
        self.recorder.skew = (before + self.recorder.local_time()) / 2 - now
        return int(now)

    def _look_at_clock(self, rows: Sequence[MinuteRow]) -> None:
        """
        See that the first minute is still open: the last statement of the transaction.

        A process may be stopped at any moment, in here for no longer than the transaction may sit idle.
        """
        if rows:
            closes_at = rows[0].start + MINUTE + WRITABLE_SECONDS + SLOW_SECONDS
            now = database_now(self.using).timestamp()
            if now >= closes_at:
                raise TooLate(f"the flush ended {now - closes_at:.0f} s after the minute from {rows[0].start}")

    def _write_minutes(self, rows: Sequence[MinuteRow], ids: Mapping[Series, int]) -> None:
        # Several series may share the number of ``__other__``.
        counted: dict[tuple[int, int], Counted] = {}
        for row in rows:
            key = (row.start, ids[row.series])
            if key in counted:
                counted[key].plus(row.counted)
            else:
                counted[key] = row.counted.copy()
        minutes = [
            MetricMinute(
                start=start,
                writer_id=self.recorder.writer,
                series_id=number,
                row_count=each.rows,
                sketch=each.sketch.to_bytes(),
            )
            for (start, number), each in sorted(counted.items(), key=lambda item: item[0])
        ]
        upsert(self.using, minutes, unique=["start", "writer_id", "series_id"], update=["row_count", "sketch"])

    def _write_details(self, details: Any, ids: Mapping[Series, int]) -> None:
        reasons: dict[tuple[int, int, str], int] = {}
        examples = {}
        for hour, series, top_reasons, slowest in details:
            number = ids[series]
            for reason, count in top_reasons:
                key = (hour, number, reason)
                reasons[key] = reasons.get(key, 0) + count
            for rank, example in enumerate(slowest):
                examples[hour, number, rank] = example
        writer = self.recorder.writer
        upsert(
            self.using,
            [
                MetricReason(hour=hour, series_id=number, writer_id=writer, reason=reason, count=count)
                for (hour, number, reason), count in sorted(reasons.items())
            ],
            unique=["hour", "series_id", "writer_id", "reason"],
            update=["count"],
        )
        upsert(
            self.using,
            [
                MetricExample(hour=hour, series_id=number, writer_id=writer, rank=rank, **example._asdict())
                for (hour, number, rank), example in sorted(examples.items(), key=lambda item: item[0])
            ],
            unique=["hour", "series_id", "writer_id", "rank"],
            update=["seconds", "occurred_at", "entity_id", "reason"],
        )

    def _read_back(self, keys: Sequence[tuple[int, Series]]) -> dict[tuple[int, Series], Counted]:
        ids = self._ids.of(series for _, series in keys)
        found = MetricMinute.objects.using(self.using).filter(
            writer_id=self.recorder.writer, start__in={start for start, _ in keys}
        )
        stored = {(row.start, row.series_id): Counted(Sketch.from_bytes(row.sketch), row.row_count) for row in found}
        return {key: stored[key[0], ids[key[1]]] for key in keys if (key[0], ids[key[1]]) in stored}


def upsert(using: str, rows: Sequence[Model], *, unique: Sequence[str], update: Sequence[str]) -> None:
    """Insert rows, or update those that are there, by one statement for each batch that the database can take."""
    if rows:
        takes_target = connections[using].features.supports_update_conflicts_with_target
        type(rows[0])._base_manager.using(using).bulk_create(
            rows, update_conflicts=True, update_fields=update, unique_fields=unique if takes_target else None
        )
