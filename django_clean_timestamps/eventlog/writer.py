"""What the unit of work hands over, written into the pending table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django_clean_timestamps.eventlog.encoding import Encoder
from django_clean_timestamps.eventlog.insertion import insert_pending, naming_missing_tables
from django_clean_timestamps.eventlog.pressure import admit
from django_clean_timestamps.eventlog.set_based.deleting import delete_rows
from django_clean_timestamps.eventlog.set_based.known import insert_known
from django_clean_timestamps.eventlog.set_based.updating import update_rows
from django_clean_timestamps.events import TimestampEvent
from django_clean_timestamps.probes import Observed
from django_clean_timestamps.unit_of_work import KnownRow, SharedFacts, get_unit

__all__ = ["LogWriter"]


class LogWriter:
    """
    Writes events into the log of their connection, in its open transaction.

    Raises (each of the methods):
        EventLogMissingError: The tables are not there.
        BackPressureError: More events wait than ``MAX_UNDELIVERED``.
    """

    def write(self, connection: Any, events: Sequence[TimestampEvent]) -> None:
        """Write the events, in order."""
        with _observed(connection, len(events)):
            encode = Encoder(connection)
            admit(connection, len(events))
            insert_pending(connection, [encode(event) for event in events])
            get_unit(connection).note_written()

    def write_known(self, connection: Any, facts: SharedFacts, rows: Sequence[KnownRow]) -> None:
        """Write an event for each row, in order."""
        with _observed(connection, len(rows)):
            admit(connection, len(rows))
            with naming_missing_tables(connection):
                insert_known(connection, facts, rows)
            get_unit(connection).note_written()

    def update(
        self, connection: Any, facts: SharedFacts, rows: Any, values: Mapping[str, Any], stamp: Any, *, locked: bool
    ) -> int:
        """Update the rows and write their events; return how many there were."""
        with _observed(connection) as observed:
            admit(connection)
            with naming_missing_tables(connection):
                count = update_rows(connection, facts, rows, values, stamp, locked=locked)
            return _noting(connection, observed, count)

    def delete(self, connection: Any, facts: SharedFacts, rows: Any) -> int:
        """Delete the rows and write their events; return how many there were."""
        with _observed(connection) as observed:
            admit(connection)
            with naming_missing_tables(connection):
                count = delete_rows(connection, facts, rows)
            return _noting(connection, observed, count)


def _observed(connection: Any, count: int = 1) -> Observed:
    """Return what times one write of events; of a set-based one it times the rows' own statement too."""
    observed = Observed("write_events", "", connection.alias)
    observed.rows = count
    return observed


def _noting(connection: Any, observed: Observed, count: int) -> int:
    observed.rows = count
    if count:
        get_unit(connection).note_written()
    else:
        observed.operation = None
    return count
