"""Where a log begins and ends."""

from __future__ import annotations

from typing import Any

from django_clean_timestamps.eventlog.models import HEAD_KEY, Event, LogHead

__all__ = ["log_bounds", "read_head"]


def log_bounds(connection: Any) -> tuple[int, int]:
    """Return the last position given, and the oldest one that is retained; in an empty log the next one."""
    quote = connection.ops.quote_name
    heads, events = quote(LogHead._meta.db_table), quote(Event._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT (SELECT position FROM {heads} WHERE id = {HEAD_KEY}), (SELECT MAX(position) FROM {events}), "
            f"(SELECT MIN(position) FROM {events})"
        )
        given, last, oldest = cursor.fetchone()
    head = max(given or 0, last or 0)
    return head, (head + 1 if oldest is None else oldest)


def read_head(connection: Any) -> int:
    """Return the last position given; 0 where none was, or where the row is missing and the next pass makes it."""
    heads = connection.ops.quote_name(LogHead._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT position FROM {heads} WHERE id = {HEAD_KEY}")
        found = cursor.fetchone()
    return int(found[0]) if found else 0
