"""One INSERT of many events into the pending table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from django.db import DatabaseError

from django_clean_timestamps.eventlog.encoding import WRITTEN
from django_clean_timestamps.eventlog.models import Event, LogHead, Pending
from django_clean_timestamps.exceptions import EventLogMissingError

__all__ = ["insert_pending", "naming_missing_tables", "pending_table", "quoted"]

ROWS_A_STATEMENT: Final = 2_000
"""Bounds what a server must parse at once; MariaDB refuses statements longer than ``max_allowed_packet``."""


def quoted(connection: Any, names: Sequence[str]) -> str:
    """Return column names, quoted, separated by commas."""
    return ", ".join(map(connection.ops.quote_name, names))


def pending_table(connection: Any) -> str:
    """Return the quoted name of the pending table."""
    return connection.ops.quote_name(Pending._meta.db_table)  # type: ignore[no-any-return]


def insert_pending(connection: Any, rows: Sequence[tuple[Any, ...]]) -> None:
    """
    Insert rows of ``WRITTEN`` columns, in order.

    Raises:
        EventLogMissingError: The table is not there.
    """
    with naming_missing_tables(connection), connection.cursor() as cursor:
        _INSERTS[connection.vendor](connection, cursor, rows)


def _insert_prepared(connection: Any, cursor: Any, rows: Sequence[tuple[Any, ...]]) -> None:
    """SQLite runs one prepared statement for each row, faster than one long one."""
    row = ", ".join(["%s"] * len(WRITTEN))
    cursor.executemany(f"{_head(connection)} VALUES ({row})", rows)


def _insert_values(connection: Any, cursor: Any, rows: Sequence[tuple[Any, ...]]) -> None:
    row = f"({', '.join(['%s'] * len(WRITTEN))})"
    for start in range(0, len(rows), ROWS_A_STATEMENT):
        part = rows[start : start + ROWS_A_STATEMENT]
        cursor.execute(
            f"{_head(connection)} VALUES {', '.join([row] * len(part))}", [value for each in part for value in each]
        )


_INSERTS: Final[dict[str, Callable[[Any, Any, Sequence[tuple[Any, ...]]], None]]] = {
    "sqlite": _insert_prepared,
    "postgresql": _insert_values,
    "mysql": _insert_values,
}


def _head(connection: Any) -> str:
    return f"INSERT INTO {pending_table(connection)} ({quoted(connection, WRITTEN)})"


@contextmanager
def naming_missing_tables(connection: Any) -> Iterator[None]:
    """
    Say what to do about a table of this package that is not there.

    Raises:
        EventLogMissingError: In place of the database's own error.
    """
    try:
        yield
    except DatabaseError as error:
        table = _missing_table(connection.vendor, error)
        if table is None:
            raise
        way_out = f"run 'manage.py migrate clean_timestamps --database {connection.alias}'"
        if table not in _LOG_TABLES:
            raise EventLogMissingError(
                f"The table {table} is missing in the database {connection.alias!r}, where handlers of events need it; "
                f"{way_out}"
            ) from error
        raise EventLogMissingError(
            f"The tables of the event log ({Pending._meta.db_table}, {Event._meta.db_table}) are missing in the "
            f"database {connection.alias!r}, which holds entities; {way_out}, or set CLEAN_TIMESTAMPS = "
            "{'EVENTS': False} to write no events"
        ) from error


_LOG_TABLES: Final = frozenset(model._meta.db_table for model in (Pending, Event, LogHead))

_NAMED: Final = {
    "postgresql": re.compile(r"(clean_timestamps_\w+)"),
    # "Table 'DATABASE.TABLE' doesn't exist": the database may well be named after this package.
    "mysql": re.compile(r"\.(clean_timestamps_\w+)"),
    "sqlite": re.compile(r"no such table: (clean_timestamps_\w+)"),
}


def _missing_table(vendor: str, error: DatabaseError) -> str | None:
    """Return the name of the table that is missing, None where something else is wrong, or the table is another's."""
    if vendor == "postgresql" and getattr(error.__cause__, "sqlstate", None) != "42P01":
        return None
    if vendor == "mysql" and error.args[:1] != (1146,):
        return None
    found = _NAMED[vendor].search(str(error))
    return found and found[1]
