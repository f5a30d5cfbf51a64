"""
DELETE of many rows, with an event for each.

SQLite: INSERT … SELECT of the keys, then the DELETE. PostgreSQL: one statement, of what the DELETE returns. MariaDB and
MySQL: the keys are locked first, then both go by key.
"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db.models.sql import DeleteQuery

from django_clean_timestamps.eventlog.set_based.expressions import (
    Statement,
    event_insert,
    key_as_number,
    key_as_text,
    time_parameter,
)
from django_clean_timestamps.eventlog.set_based.locking import lock_keys
from django_clean_timestamps.exceptions import UnitOfWorkError
from django_clean_timestamps.stamping.rows import chunks_for, keyed
from django_clean_timestamps.unit_of_work import SharedFacts

__all__ = ["delete_rows"]


def delete_rows(connection: Any, facts: SharedFacts, rows: Any) -> int:
    """Delete the rows and insert their events; see ``SetBasedWriter.delete``."""
    try:
        if connection.vendor == "sqlite":
            return _insert_then_delete(connection, facts, rows)
        if connection.vendor == "postgresql":
            return _delete_in_one(connection, facts, rows)
    except EmptyResultSet:
        # Django itself sees that no row can match.
        return 0
    keys = lock_keys(connection, rows)
    return sum(_insert_then_delete(connection, facts, keyed(rows, part)) for part in chunks_for(connection, keys))


def _insert_then_delete(connection: Any, facts: SharedFacts, rows: Any) -> int:
    selected, params = rows.order_by().values_list("pk").distinct().query.get_compiler(rows.db).as_sql()
    with_ = Statement(f"WITH clean_timestamps_rows (k) AS ({selected})", tuple(params))
    with connection.cursor() as cursor:
        cursor.execute(*_insert(connection, facts, rows.model, "FROM clean_timestamps_rows AS r", with_))
        written = cursor.rowcount
    deleted: int = rows._delete_raw(rows.db)
    if written != deleted:
        raise UnitOfWorkError(
            f"{rows.model._meta.label}: {deleted} rows were deleted and {written} had been selected; a condition that "
            "answers differently each time it is asked (a random number, the database's clock) cannot be deleted by"
        )
    return deleted


def _delete_in_one(connection: Any, facts: SharedFacts, rows: Any) -> int:
    quote = connection.ops.quote_name
    options = rows.model._meta
    query = rows.query.clone()
    query.__class__ = DeleteQuery
    delete, params = query.get_compiler(rows.db).as_sql()
    with_ = Statement(
        f"WITH clean_timestamps_rows (k) AS ({delete} RETURNING {quote(options.db_table)}.{quote(options.pk.column)})",
        tuple(params),
    )
    with connection.cursor() as cursor:
        source = "FROM clean_timestamps_rows AS r ORDER BY r.k"
        cursor.execute(*_insert(connection, facts, rows.model, source, with_))
        return int(cursor.rowcount)


def _insert(connection: Any, facts: SharedFacts, model: Any, source: str, with_: Statement) -> Statement:
    return event_insert(
        connection,
        facts,
        Statement(source, ()),
        entity_id=key_as_text(connection, model),
        number=key_as_number(model),
        occurred_at=time_parameter(connection, facts.reading),
        previous_at=time_parameter(connection, None),
        with_=with_,
    )
