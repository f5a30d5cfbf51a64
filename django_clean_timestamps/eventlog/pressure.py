"""The cap on events that wait to be delivered: past ``MAX_UNDELIVERED`` a write fails, and nothing is dropped."""

from __future__ import annotations

import time
from typing import Any, Final

from django_clean_timestamps.conf import get_settings
from django_clean_timestamps.eventlog.cursors import lowest_cursor
from django_clean_timestamps.eventlog.insertion import naming_missing_tables
from django_clean_timestamps.eventlog.models import HEAD_KEY, LogHead, Pending
from django_clean_timestamps.exceptions import BackPressureError

__all__ = ["admit", "count_undelivered"]

SECONDS_BETWEEN_COUNTS: Final = 1.0
_ATTRIBUTE: Final = "_clean_timestamps_pressure"


def admit(connection: Any, count: int = 1) -> None:
    """
    Refuse events while more than ``MAX_UNDELIVERED`` wait.

    Counted at most once a second for a connection, and its own writes are added until then: so what other processes
    write within a second can pass the cap. A connection that was refused counts anew each time.

    Args:
        connection: Whose log.
        count: How many events are about to be written, as far as that is known.

    Raises:
        BackPressureError: Too many wait. Raised inside the transaction, which is rolled back.
        EventLogMissingError: The tables are not there.
    """
    cap = get_settings().max_undelivered
    if cap is None:
        return
    counted_at, undelivered = connection.__dict__.get(_ATTRIBUTE, (0.0, cap))
    now = time.monotonic()
    if undelivered >= cap or now - counted_at > SECONDS_BETWEEN_COUNTS:
        with naming_missing_tables(connection):
            counted_at, undelivered = now, count_undelivered(connection, cap + 1)
    if undelivered >= cap:
        raise BackPressureError(
            f"{undelivered} events or more wait to be delivered in the log of {connection.alias!r}, and "
            f"CLEAN_TIMESTAMPS['MAX_UNDELIVERED'] is {cap}; nothing was written. Run 'manage.py timestamps_relay' or "
            "more workers, see what holds them back with 'manage.py timestamps_status', or raise the cap"
        )
    connection.__dict__[_ATTRIBUTE] = (counted_at, undelivered + count)


def count_undelivered(connection: Any, limit: int) -> int:
    """Return how many committed events wait for a position or for the slowest subscription, at most ``limit``."""
    using = connection.alias
    # Not through the manager: that would write what is pending, which is what asks here.
    pending = Pending._base_manager.using(using).all()[:limit].count()
    if pending >= limit:
        return pending
    lowest = lowest_cursor(using)
    if lowest is None:
        return pending
    head = LogHead._base_manager.using(using).filter(pk=HEAD_KEY).values_list("position", flat=True).first() or 0
    return min(limit, pending + max(0, head - lowest))
