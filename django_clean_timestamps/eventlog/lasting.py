"""
What was read of a log is there after a crash.

InnoDB lets everybody see a commit before it has reached the disk; only the one who committed waits for that. A server
that dies in between takes back what others have read: 5 of 25 times, killed while seven sessions wrote. Whoever keeps a
cursor elsewhere would then be past positions that are given anew, and miss those events. InnoDB's log is written in
order, so a commit of one's own that has returned makes last whatever was read before it.
"""

from __future__ import annotations

from typing import Any

from django_clean_timestamps.eventlog.models import HEAD_KEY, LogHead

__all__ = ["make_last", "note_lasting"]

_known: dict[str, int] = {}
"""Of each alias, the position up to which this process knows that the log lasts."""


def make_last(connection: Any, position: int) -> None:
    """
    Return once the log up to a position that was read will be there after a crash.

    On MySQL and MariaDB this takes a commit where another process has sequenced. Elsewhere nothing is to be done, nor
    can it be inside a transaction.

    Raises:
        DatabaseError: The database did not take the commit; nothing may be handed out.
    """
    if not _can_be_taken_back(connection) or _known.get(connection.alias, 0) == position:
        return
    heads = connection.ops.quote_name(LogHead._meta.db_table)
    with connection.cursor() as cursor:
        # A commit that changes nothing is not written: hence the microsecond.
        cursor.execute(f"UPDATE {heads} SET sequenced_at = sequenced_at + INTERVAL 1 MICROSECOND WHERE id = {HEAD_KEY}")
    note_lasting(connection, position)


def note_lasting(connection: Any, position: int) -> None:
    """Take note that the log lasts up to a position, which this session has committed."""
    if _can_be_taken_back(connection):
        _known[connection.alias] = position


def _can_be_taken_back(connection: Any) -> bool:
    return connection.vendor == "mysql" and connection.get_autocommit() and not connection.in_atomic_block
