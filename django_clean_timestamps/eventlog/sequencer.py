"""
The sequencer: moves committed events from ``Pending`` into ``Event`` under dense positions.

Ids become visible in another order than they are given, so whoever reads ``id > last`` misses rows. Here a short
transaction of its own locks the one row of ``LogHead``, reads the ids of some pending rows, and moves exactly those.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django.db import connections
from django.db.models import Max

from django_clean_timestamps.eventlog.cursors import highest_cursor
from django_clean_timestamps.eventlog.encoding import COLUMNS
from django_clean_timestamps.eventlog.fields import DatabaseNow
from django_clean_timestamps.eventlog.insertion import naming_missing_tables, pending_table, quoted
from django_clean_timestamps.eventlog.lasting import note_lasting
from django_clean_timestamps.eventlog.models import HEAD_KEY, Event, LogHead
from django_clean_timestamps.eventlog.transactions import can_begin, own_transaction
from django_clean_timestamps.exceptions import SequencingError
from django_clean_timestamps.unit_of_work import write_pending

__all__ = ["PASS_SIZE", "sequence", "sequence_once"]

PASS_SIZE: Final = 5_000
"""How many events one pass moves at most, so that its transaction stays short."""


def sequence(using: str = "default", *, limit: int | None = None) -> int:
    """
    Give positions to what is pending, pass by pass, and return how many events there were.

    Any number of processes may do so at once. Ends when a pass finds less than it could take, so that a stream of
    writes cannot hold it for ever.

    Args:
        using: The log's database alias.
        limit: How many events at most.

    Raises:
        SequencingError: Inside a transaction, where the head would stay locked until COMMIT; or a pass did not add up
            and was rolled back.
        EventLogMissingError: The tables are not there.
    """
    moved = 0
    while limit is None or moved < limit:
        size = PASS_SIZE if limit is None else min(PASS_SIZE, limit - moved)
        count = sequence_once(using, size=size)
        moved += count
        if count < size:
            break
    return moved


def sequence_once(using: str = "default", *, size: int = PASS_SIZE) -> int:
    """
    Make one pass, in a transaction of its own, and return how many events it moved, at most ``size``.

    Raises:
        SequencingError: As :func:`sequence`.
    """
    connection: Any = connections[using]
    if not can_begin(using):
        raise SequencingError(
            f"Inside a transaction on {using!r} nothing can be sequenced: the log's head would stay locked until its "
            "end. Call it after COMMIT, as with transaction.on_commit()"
        )
    write_pending(connection)
    with naming_missing_tables(connection):
        if not _has_pending(connection):
            return 0
        with own_transaction(connection):
            count, head = _pass(connection, size)
    if count:
        note_lasting(connection, head)
    return count


def _has_pending(connection: Any) -> bool:
    """Ask without a lock first: a pass that finds nothing should cost nobody anything."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT 1 FROM {pending_table(connection)} ORDER BY id LIMIT 1")
        return cursor.fetchone() is not None


def _pass(connection: Any, size: int) -> tuple[int, int]:
    """Return how many events were moved, and the last position given."""
    head = _lock_head(connection)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT id FROM {pending_table(connection)} ORDER BY id LIMIT {int(size)}")
        ids = [key for (key,) in cursor.fetchall()]
        if not ids:
            return 0, head
        inserted, deleted = _move(connection, cursor, ids, head)
    if not inserted == deleted == len(ids):
        raise SequencingError(
            f"The sequencer read {len(ids)} pending events of {connection.alias!r}, inserted {inserted} and deleted "
            f"{deleted}; the pass was rolled back. Something else changes {pending_table(connection)}"
        )
    moved_to = head + len(ids)
    LogHead.objects.using(connection.alias).filter(pk=HEAD_KEY).update(position=moved_to, sequenced_at=DatabaseNow())
    return len(ids), moved_to


def _lock_head(connection: Any) -> int:
    """Lock the head and return the last position given; a missing row is made again."""
    using = connection.alias
    heads = LogHead.objects.using(using).select_for_update().filter(pk=HEAD_KEY).values_list("position", flat=True)
    position = heads.first()
    if position is None:
        # A test's flush deletes it. No position may be given twice, and none that a reader is already past.
        last = Event.objects.using(using).aggregate(last=Max("position"))["last"] or 0
        _make_head(connection, max(last, highest_cursor(using) or 0))
        position = heads.get()
    return position


def _make_head(connection: Any, position: int) -> None:
    """Insert the head's row, unless somebody else just has."""
    if connection.vendor == "mysql":
        # INSERT IGNORE leaves a shared lock on the row that is there: two that hold one and both go on to lock the row
        # are a deadlock. This form locks it exclusively at once.
        table = connection.ops.quote_name(LogHead._meta.db_table)
        with connection.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO {table} (id, position) VALUES ({HEAD_KEY}, {int(position)}) "
                "ON DUPLICATE KEY UPDATE id = id"
            )
    else:
        LogHead.objects.using(connection.alias).bulk_create(
            [LogHead(pk=HEAD_KEY, position=position)], ignore_conflicts=True
        )


def _move(connection: Any, cursor: Any, ids: Sequence[int], head: int) -> tuple[int, int]:
    """
    Move the rows with these ids behind the head; return how many were inserted and deleted.

    By ids and not by a range of them: under REPEATABLE READ a range blocked MariaDB's writers, and under READ COMMITTED
    it lost the row that committed between the two statements. SQLite has one writer, so there a range is the same.
    """
    pending, event = pending_table(connection), connection.ops.quote_name(Event._meta.db_table)
    columns = quoted(connection, COLUMNS)
    into = f"INSERT INTO {event} (position, {columns})"
    numbered = f"SELECT {int(head)} + row_number() OVER (ORDER BY id), {columns}"
    if connection.vendor == "postgresql":
        cursor.execute(
            f"WITH moved AS (DELETE FROM {pending} WHERE id = ANY(%s) RETURNING id, {columns}) "
            f"{into} {numbered} FROM moved",
            [list(ids)],
        )
        return cursor.rowcount, cursor.rowcount
    if connection.vendor == "sqlite":
        where = f"id BETWEEN {int(ids[0])} AND {int(ids[-1])}"
    else:
        where = f"id IN ({', '.join(str(int(key)) for key in ids)})"
    cursor.execute(f"{into} {numbered} FROM {pending} WHERE {where}")
    inserted = cursor.rowcount
    cursor.execute(f"DELETE FROM {pending} WHERE {where}")
    return inserted, cursor.rowcount
