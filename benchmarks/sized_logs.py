"""Logs of several sizes, each a table that takes the place of the log's own for a while."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.db import connection

from benchmarks.filling import empty_log, fill_events
from django_clean_timestamps.eventlog.models import Event

BYTES_A_ROW = 1_200
"""Of disk, with index, write-ahead log and what is left over; generously."""

TABLE = Event._meta.db_table


@contextmanager
def logs_of(sizes: Sequence[int]) -> Iterator[None]:
    """
    Make a table of events for each size, filled by the database, and drop them afterwards.

    Raises:
        SystemExit: The disk has no room for them.
    """
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if free < (needed := sum(sizes) * BYTES_A_ROW):
        raise SystemExit(f"Such logs need {needed / 1e9:.0f} GB of disk, and {free / 1e9:.0f} GB are free")
    try:
        empty_log()
        for size in sizes:
            _make_table(size)
        yield
    finally:
        for size in sizes:
            _execute(f"DROP TABLE IF EXISTS {_table_of(size)}")


@contextmanager
def in_place(size: int) -> Iterator[None]:
    """Let the table of that size be the log's for a while."""
    _rename(TABLE, "benchmarks_event_own")
    _rename(_table_of(size), TABLE)
    try:
        yield
    finally:
        _rename(TABLE, _table_of(size))
        _rename("benchmarks_event_own", TABLE)


def _table_of(size: int) -> str:
    return f"benchmarks_event_{size}"


def _make_table(size: int) -> None:
    """Make another table like the log's and fill it; its index comes last, which takes a fraction of the time."""
    table = _table_of(size)
    if connection.vendor == "postgresql":
        _execute(f"CREATE TABLE {table} (LIKE {TABLE} INCLUDING DEFAULTS, PRIMARY KEY (position))")
    elif connection.vendor == "mysql":
        _execute(f"CREATE TABLE {table} LIKE {TABLE}")
        for index in Event._meta.indexes:
            _execute(f"DROP INDEX {index.name} ON {table}")
    else:
        [(statement,)] = _execute(f"SELECT sql FROM sqlite_master WHERE type = 'table' AND name = '{TABLE}'")
        _execute(statement.replace(TABLE, table))
    fill_events(size, table)
    for index in Event._meta.indexes:
        _execute(f"CREATE INDEX {index.name}_{size} ON {table} ({', '.join(index.fields)})")
    if connection.vendor == "postgresql":
        _execute(f"VACUUM ANALYZE {table}")


def _rename(name: str, other: str) -> None:
    _execute(f"ALTER TABLE {name} RENAME TO {other}")


def _execute(statement: str) -> list[tuple[str, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []
