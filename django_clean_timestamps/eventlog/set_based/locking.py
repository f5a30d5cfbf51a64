"""Locking rows before anything is written of them, for databases that cannot do all of it in one statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db.models import Count, Max, Min

from django_clean_timestamps.eventlog.set_based.expressions import key_as_number
from django_clean_timestamps.stamping.rows import is_single_table, lock_rows

__all__ = ["lock_keys"]


def lock_keys(connection: Any, rows: Any) -> Sequence[Any]:
    """
    Lock the rows of a queryset and return their keys, ascending.

    Where the keys are whole numbers without a gap, their number and both ends are all that has to be fetched: ten
    thousand keys took Django ten times as long as MariaDB took to lock their rows.
    """
    if (
        is_single_table(rows)
        and not rows.model._meta.parents
        and not rows.query.is_sliced
        and key_as_number(rows.model)
    ):
        try:
            count, first, last = _lock_and_count(connection, rows)
        except EmptyResultSet:
            return ()
        if not count:
            return ()
        if last - first + 1 == count:
            return range(first, last + 1)
    return [key for (key,) in lock_rows(rows, ())]


def _lock_and_count(connection: Any, rows: Any) -> tuple[int, Any, Any]:
    query = rows.query.clone()
    query.clear_ordering(force=True)
    query.clear_select_clause()
    query.distinct, query.distinct_fields = False, ()
    key = rows.model._meta.pk.get_col(query.get_initial_alias())
    # Counting all makes InnoDB visit, and so lock, each row; for the ends alone it would look at two.
    query.select = (Count("*"), Min(key), Max(key))
    # Django's own aggregates drop the lock.
    query.select_for_update, query.select_for_update_of = True, ()
    query.select_for_update_nowait = query.select_for_update_skip_locked = query.select_for_no_key_update = False
    with connection.cursor() as cursor:
        cursor.execute(*query.get_compiler(rows.db).as_sql())
        count, first, last = cursor.fetchone()
    return count, first, last
