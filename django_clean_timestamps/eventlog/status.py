"""How a log stands, in one value: for the command, health and the admin."""

from __future__ import annotations

import dataclasses
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import DatabaseError, connections

from django_clean_timestamps.eventlog.aliases import missing_tables
from django_clean_timestamps.eventlog.fields import database_now
from django_clean_timestamps.eventlog.models import HEAD_KEY, Event, LogHead, Pending

__all__ = ["COUNT_LIMIT", "LogStatus", "read_status"]

COUNT_LIMIT: Final = 10_000
"""Up to how many pending events are counted, so that millions of them cost no more."""

STALLED_AFTER: Final = timedelta(days=1)

_PROCESS_DENIED: Final = 1227


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class LogStatus:
    """
    How the log of one database stands. Ages are by the database's clock.

    Attributes:
        using: The database alias.
        missing_tables: The names of the log's tables that are not there. Where one is missing, nothing else was read.
        pending_count: How many committed events have no position yet, at most 10,000.
        oldest_pending_age_seconds: The age of the one that has waited longest, None where none waits.
        head: The last position given, 0 in a log that was never sequenced.
        sequenced_at: When the last pass moved something, aware, in UTC; None where none has.
        sequenced_age_seconds: How long ago that was.
        oldest_position: The oldest position that is retained, None in an empty log.
        oldest_age_seconds: How long ago that event was recorded.
        oldest_transaction_age_seconds: The age of the oldest transaction that others have open, None where there is
            none or it is not known. It keeps dead rows from being removed, which slows the sequencer.
        is_oldest_transaction_known: Whether all transactions could be seen. Not on SQLite, nor where the user of the
            connection may not look at the sessions of others.
    """

    using: str
    missing_tables: tuple[str, ...] = ()
    pending_count: int = 0
    oldest_pending_age_seconds: float | None = None
    head: int = 0
    sequenced_at: datetime | None = None
    sequenced_age_seconds: float | None = None
    oldest_position: int | None = None
    oldest_age_seconds: float | None = None
    oldest_transaction_age_seconds: float | None = None
    is_oldest_transaction_known: bool = False

    @property
    def has_more_pending(self) -> bool:
        """Whether the pending events were not all counted."""
        return self.pending_count >= COUNT_LIMIT

    @property
    def is_stalled(self) -> bool:
        """Whether events have waited for a position for a day, in which nobody has sequenced."""
        day = STALLED_AFTER.total_seconds()
        waits = (self.oldest_pending_age_seconds or 0) >= day
        return waits and (self.sequenced_age_seconds is None or self.sequenced_age_seconds >= day)

    @property
    def is_well(self) -> bool:
        """Whether the tables are there and somebody sequences what is written."""
        return not self.missing_tables and not self.is_stalled


def read_status(using: str = "default") -> LogStatus:
    """
    Return how the log of a database stands, by a few statements whose cost does not grow with the log.

    Changes nothing. What a transaction of its own has not committed yet is counted too.

    Args:
        using: The log's database alias.

    Raises:
        DatabaseError: The database cannot be reached.
    """
    missing = missing_tables(using)
    if missing:
        return LogStatus(using=using, missing_tables=missing)
    # The clock last, so that no age is negative.
    pending = Pending.objects.using(using)
    pending_count = pending.all()[:COUNT_LIMIT].count()
    waiting = pending.order_by("id").values_list("recorded_at", flat=True).first()
    oldest = Event.objects.using(using).order_by("position").values_list("position", "recorded_at").first()
    head, sequenced_at = _read_head(using)
    transaction_age, is_known = _oldest_transaction(connections[using])
    now = database_now(using)

    def age(moment: datetime | None) -> float | None:
        return None if moment is None else (now - moment).total_seconds()

    return LogStatus(
        using=using,
        pending_count=pending_count,
        oldest_pending_age_seconds=age(waiting),
        head=head,
        sequenced_at=sequenced_at,
        sequenced_age_seconds=age(sequenced_at),
        oldest_position=oldest[0] if oldest else None,
        oldest_age_seconds=age(oldest[1]) if oldest else None,
        oldest_transaction_age_seconds=transaction_age,
        is_oldest_transaction_known=is_known,
    )


def _read_head(using: str) -> tuple[int, datetime | None]:
    found = LogHead.objects.using(using).filter(pk=HEAD_KEY).values_list("position", "sequenced_at").first()
    if found is None:
        # The row is made again by the next pass.
        last = Event.objects.using(using).order_by("-position").values_list("position", flat=True).first()
        return last or 0, None
    return found


def _oldest_transaction(connection: Any) -> tuple[float | None, bool]:
    """Return the age of the oldest transaction of others in seconds, and whether all of them could be seen."""
    if connection.vendor == "postgresql":
        return _oldest_of_postgresql(connection)
    if connection.vendor == "mysql":
        return _oldest_of_mysql(connection)
    return None, False


def _oldest_of_postgresql(connection: Any) -> tuple[float | None, bool]:
    with connection.cursor() as cursor:
        # Of a session of another user, all but its existence is hidden from whoever has no right to see it.
        cursor.execute(
            "SELECT extract(epoch FROM max(clock_timestamp() - xact_start))::float8, "
            "count(*) FILTER (WHERE query = '<insufficient privilege>') FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND coalesce(backend_type, 'client backend') = 'client backend'"
        )
        age, hidden_count = cursor.fetchone()
    return age, not hidden_count


def _oldest_of_mysql(connection: Any) -> tuple[float | None, bool]:
    try:
        with connection.cursor() as cursor:
            # trx_started is in the time zone of the server, whatever that of the session is.
            cursor.execute(
                "SELECT MAX(TIMESTAMPDIFF(SECOND, trx_started, CONVERT_TZ(UTC_TIMESTAMP(), '+00:00', 'SYSTEM'))) "
                "FROM information_schema.innodb_trx WHERE trx_mysql_thread_id <> CONNECTION_ID()"
            )
            (age,) = cursor.fetchone()
    except DatabaseError as error:
        if error.args[:1] != (_PROCESS_DENIED,):
            raise
        return None, False
    return None if age is None else max(0.0, float(age)), True
