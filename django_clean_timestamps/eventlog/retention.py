"""
Retention: old events leave the log, oldest position first.

An event's age counts from when it was recorded, by the database's clock: when it is said to have occurred may lie
years back, as after an import. There is no index on that column, so the walk is along the primary key.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db import connections
from django.db.models import Max, Min

from django_clean_timestamps.conf import get_settings
from django_clean_timestamps.eventlog.cursors import lowest_cursor
from django_clean_timestamps.eventlog.fields import database_now
from django_clean_timestamps.eventlog.insertion import naming_missing_tables
from django_clean_timestamps.eventlog.models import Event
from django_clean_timestamps.eventlog.partitions import drop_partitions, extend_partitions
from django_clean_timestamps.eventlog.transactions import can_begin, own_transaction
from django_clean_timestamps.exceptions import RetentionError

__all__ = ["BATCH_SIZE", "prune", "prune_if_due", "retention"]

BATCH_SIZE: Final = 5_000
"""How many events one transaction deletes at most."""

GRACE: Final = timedelta(days=1)
"""How much longer than it is kept an event may stay before somebody prunes by himself."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def retention() -> timedelta:
    """Return how long an event is kept: ``RETENTION_DAYS``."""
    return timedelta(days=min(get_settings().retention_days, timedelta.max.days))


def prune(
    using: str = "default",
    *,
    older_than: timedelta | None = None,
    batch_size: int = BATCH_SIZE,
    progress: Callable[[int], None] | None = None,
    dry_run: bool = False,
) -> int:
    """
    Delete the events that were recorded longer ago than they are kept, and return how many there were.

    Only from the beginning of the log on, so that positions stay dense: it ends at the first event that is young
    enough, at one that a cursor still needs, and always before the last one, behind which positions go on. Each batch
    is a short transaction of its own, so what was deleted before an error stays deleted. Any number of processes may
    prune at once. Of a partitioned log whole partitions are dropped, and the next ones made.

    Args:
        using: The log's database alias.
        older_than: The age, by the database's clock, from which events go; ``RETENTION_DAYS`` by default.
        batch_size: How many events one transaction deletes at most, 1 or more.
        progress: Called between the transactions with the number of events deleted so far. What it raises ends the
            work there.
        dry_run: Count the events and change nothing.

    Raises:
        RetentionError: Inside a transaction (that of a ``TestCase`` excepted), where the locks would be held until its
            end.
        ValueError: ``older_than`` is negative or ``batch_size`` less than 1.
        EventLogMissingError: The tables are not there.
    """
    _refuse_transaction(using)
    age = retention() if older_than is None else older_than
    if age < timedelta(0):
        raise ValueError(f"older_than is {age}; a duration of 0 or more is wanted")
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; 1 or more is wanted")
    connection: Any = connections[using]
    report = progress or (lambda count: None)
    with naming_missing_tables(connection):
        now = database_now(using)
        before = now - min(age, now - _EPOCH)
        count = 0
        if not dry_run:
            extend_partitions(using)
            for dropped in drop_partitions(using, before=before, last=_last_prunable):
                count += dropped
                report(count)
        return _prune_batches(connection, before, batch_size, report, count, dry_run=dry_run)


def prune_if_due(using: str = "default", *, progress: Callable[[int], None] | None = None) -> int:
    """
    Prune where the oldest event has been due for a day, and return how many events there were.

    So it can be asked as often as one likes, by any number of processes, and prunes once a day without keeping a
    record of when it did. Partitions that are needed soon are made each time.

    Args:
        using: The log's database alias.
        progress: As for :func:`prune`.

    Raises:
        RetentionError: Inside a transaction.
        EventLogMissingError: The tables are not there.
    """
    connection: Any = connections[using]
    _refuse_transaction(using)
    with naming_missing_tables(connection):
        extend_partitions(using)
        oldest = Event.objects.using(using).order_by("position").values_list("position", "recorded_at").first()
        if oldest is None or oldest[0] > _last_prunable(using):
            return 0
        due = database_now(using) - oldest[1] - GRACE >= retention()
    return prune(using, progress=progress) if due else 0


def _refuse_transaction(using: str) -> None:
    if not can_begin(using):
        raise RetentionError(
            f"Inside a transaction on {using!r} the log cannot be pruned: its locks would be held until the end. Call "
            "it after COMMIT, as with transaction.on_commit()"
        )


def _prune_batches(
    connection: Any, before: datetime, batch_size: int, report: Callable[[int], None], count: int, *, dry_run: bool
) -> int:
    events = Event.objects.using(connection.alias)
    position = 0
    # From where the last batch ended: at the beginning of the index lie the entries of all the rows deleted before.
    while (start := _first(events, position)) is not None:
        last = min(start + batch_size - 1, _last_prunable(connection.alias))
        batch = events.filter(position__gte=start, position__lte=last)
        young = batch.filter(recorded_at__gte=before).aggregate(first=Min("position"))["first"]
        batch = batch if young is None else batch.filter(position__lt=young)
        found = batch.count() if dry_run else _delete(connection, batch)
        count += found
        if found:
            report(count)
        if young is not None or last < start + batch_size - 1:
            break
        position = last + 1
    return count


def _first(events: Any, position: int) -> int | None:
    found: int | None = (
        events.filter(position__gte=position).order_by("position").values_list("position", flat=True).first()
    )
    return found


def _delete(connection: Any, batch: Any) -> int:
    with own_transaction(connection):
        # Not delete(): a project that listens to the deletion of every model would have each row read.
        return batch._raw_delete(connection.alias)  # type: ignore[no-any-return]


def _last_prunable(using: str) -> int:
    """
    Return the last position that may go: none that a cursor still needs, and never the log's last.

    The last event stays, so that positions go on where the head's row is lost.
    """
    last = (Event.objects.using(using).aggregate(last=Max("position"))["last"] or 0) - 1
    lowest = lowest_cursor(using)
    return last if lowest is None else min(last, lowest)
