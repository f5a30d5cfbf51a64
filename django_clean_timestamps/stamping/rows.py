"""Locking and updating rows by key, the ground that set-based writes stand on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from django.db import connections
from django.db.models import Case, DateTimeField, F, Model, QuerySet, Value, When
from django.db.models.sql.where import WhereNode

from django_clean_timestamps.clocks import TICK
from django_clean_timestamps.stamping.fields import UPDATED_AT

__all__ = ["chunks", "keyed", "lock_rows", "never_back", "strictly_later"]

CHUNK: Final = 900
"""How many keys one statement names; older SQLite builds take 999 parameters."""


def chunks(keys: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Yield the keys in parts that one statement can name."""
    for start in range(0, len(keys), CHUNK):
        yield keys[start : start + CHUNK]


def strictly_later(reading: datetime) -> Case:
    """Return the SQL form of the strict increase: the reading, or a microsecond more than the row holds."""
    stamp = Value(reading, output_field=DateTimeField())
    return Case(When(**{f"{UPDATED_AT}__gte": stamp}, then=F(UPDATED_AT) + TICK), default=stamp)


def never_back(moment: datetime) -> Case:
    """Return the SQL form of a parent's given stamp: the moment, or what the row holds where that is later."""
    stamp = Value(moment, output_field=DateTimeField())
    return Case(When(**{f"{UPDATED_AT}__gte": stamp}, then=F(UPDATED_AT)), default=stamp)


def lock_rows(queryset: QuerySet[Any], names: Sequence[str]) -> list[tuple[Any, ...]]:
    """
    Lock the rows that a queryset selects, in the order of their keys, and return the named columns, the key first.

    Must run in a transaction. The predicate is evaluated once under the locks, on the latest state of the rows, so
    that whoever waited for another transaction sees what that one left. SQLite's writer is alone anyway.
    """
    columns = ("pk", *names)
    rows = queryset.order_by("pk")
    query = queryset.query
    is_plain = not query.distinct and query.group_by is None and query.count_active_tables() <= 1
    if is_plain or connections[queryset.db].vendor != "postgresql":
        return list(rows.select_for_update().values_list(*columns))
    # PostgreSQL refuses FOR UPDATE beside DISTINCT, GROUP BY and the nullable side of a join: lock the rows by key,
    # then see which of them are still selected.
    keys = list(rows.values_list("pk", flat=True))
    found: dict[Any, tuple[Any, ...]] = {}
    for chunk in chunks(sorted(set(keys))):
        locked = queryset.model._base_manager.using(queryset.db).filter(pk__in=chunk).order_by("pk")
        list(locked.select_for_update().values_list("pk", flat=True))
        found.update((row[0], row) for row in rows.filter(pk__in=chunk).values_list(*columns))
    return list(found.values())


def keyed(queryset: QuerySet[Any], keys: Sequence[Any]) -> Any:
    """
    Return a queryset over the rows with these keys, with the annotations and the order of another one.

    Its predicate does not come along: it must not be evaluated again after the rows have been locked.
    """
    model: type[Model] = queryset.model
    if not queryset.query.annotations:
        plain = model._base_manager.using(queryset.db).filter(pk__in=keys)
        return plain.order_by(*queryset.query.order_by) if queryset.query.order_by else plain
    again = queryset._chain()  # type: ignore[attr-defined]
    again.query.where = WhereNode()
    again.query.distinct, again.query.distinct_fields = False, ()
    return again.filter(pk__in=keys)
