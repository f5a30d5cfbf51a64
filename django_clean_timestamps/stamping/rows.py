"""Locking and updating rows by key, the ground that set-based writes stand on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any, Final

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model, QuerySet
from django.db.models.sql.where import AND

from django_clean_timestamps.stamping.key_ranges import KeyRanges, are_numbers

__all__ = [
    "all_updatable",
    "chunks",
    "chunks_for",
    "is_single_table",
    "keyed",
    "lock_few",
    "lock_rows",
    "locking",
    "updatable",
]

CHUNK: Final = 900
"""How many keys one statement names; older SQLite builds take 999 parameters."""


def chunks(keys: Sequence[Any], size: int = CHUNK) -> Iterator[Sequence[Any]]:
    """Yield the keys in parts that one statement can name."""
    for start in range(0, len(keys), size):
        yield keys[start : start + size]


def chunks_for(connection: BaseDatabaseWrapper, keys: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Yield the keys in one part where that can be: constraints are checked, and an order holds, for a statement."""
    return chunks(keys, CHUNK if connection.features.max_query_params else max(len(keys), 1))


def is_single_table(queryset: QuerySet[Any]) -> bool:
    """Say whether a queryset selects each row of one table once."""
    return queryset.query.group_by is None and queryset.query.count_active_tables() <= 1


def locking(queryset: Any) -> Any:
    """
    Return the queryset such that it locks what it reads as strongly as an UPDATE does, in a transaction.

    On PostgreSQL that is FOR NO KEY UPDATE. Under FOR UPDATE whoever gave the row a new child would wait, even at
    COMMIT, where Django's foreign keys are checked: seen to end in deadlocks that no plain UPDATE or DELETE meets.
    """
    no_key = connections[queryset.db].features.has_select_for_no_key_update
    return queryset.select_for_update(no_key=no_key)


def lock_rows(queryset: QuerySet[Any], names: Sequence[str]) -> list[tuple[Any, ...]]:
    """
    Lock the rows that a queryset selects, in the order of their keys, and return the named columns, the key first.

    Must run in a transaction. The predicate is evaluated once under the locks, on the latest state of the rows, so
    that whoever waited for another transaction sees what that one left. SQLite's writer is alone anyway.
    """
    columns = ("pk", *names)
    rows = queryset.order_by("pk")
    query = rows.query
    is_single = is_single_table(rows)
    if is_single:
        # Each row is selected once; Django, too, leaves DISTINCT out of an UPDATE of one table.
        query.distinct, query.distinct_fields = False, ()
    if is_single or connections[queryset.db].vendor != "postgresql":
        # A join may select a row several times.
        return list({row[0]: row for row in locking(rows).values_list(*columns)}.values())
    rows = queryset.order_by()
    # PostgreSQL refuses a lock beside DISTINCT, GROUP BY and the nullable side of a join: lock the rows by key,
    # then see which of them are still selected.
    keys = list(rows.values_list("pk", flat=True))
    found: dict[Any, tuple[Any, ...]] = {}
    for chunk in chunks(sorted(set(keys))):
        locked = queryset.model._base_manager.using(queryset.db).filter(pk__in=chunk).order_by("pk")
        # Of a multi-table row this locks all the tables that the columns are in.
        list(locking(locked).values_list(*columns))
        found.update((row[0], row) for row in rows.filter(pk__in=chunk).values_list(*columns))
    return [found[key] for key in sorted(found)]


def lock_few(queryset: QuerySet[Any], names: Sequence[str], most: int) -> list[tuple[Any, ...]] | None:
    """
    Return the same of a queryset over a single table that selects few rows, None where there are more.

    Of more, some are locked then.
    """
    rows = queryset.order_by()
    rows.query.distinct, rows.query.distinct_fields = False, ()
    found = list(locking(rows).values_list("pk", *names)[: most + 1])
    return None if len(found) > most else sorted(found, key=itemgetter(0))


def keyed(queryset: QuerySet[Any], keys: Sequence[Any]) -> Any:
    """
    Return a plain queryset over the rows with these keys.

    The predicate of the other one does not come along: it must not be evaluated again after the rows have been locked.
    """
    model: type[Model] = queryset.model
    rows = model._base_manager.using(queryset.db)
    if connections[queryset.db].vendor != "mysql" or not are_numbers(model, keys):
        return rows.filter(pk__in=keys)
    found = rows.all()
    column = model._meta.pk.get_col(found.query.get_initial_alias())
    found.query.where.add(KeyRanges(column, keys), AND)
    return found


def updatable(queryset: QuerySet[Any], keys: Sequence[Any]) -> Any:
    """Return the same, with what an UPDATE's values and order may refer to: the annotations of the row itself."""
    return _with_own_annotations(queryset, keyed(queryset, keys))


def all_updatable(queryset: QuerySet[Any]) -> Any:
    """Return the same over all rows of the table."""
    return _with_own_annotations(queryset, queryset.model._base_manager.using(queryset.db).all())


def _with_own_annotations(queryset: QuerySet[Any], rows: Any) -> Any:
    # A copy: base_table is cached where it is first asked for, and may still be unknown there.
    query: Any = queryset.query.clone()
    own, base = rows.query, query.base_table
    for name, annotation in query.annotations.items():
        aliases = set(query._gen_col_aliases([annotation]))
        if aliases <= {base} and not annotation.contains_aggregate:
            own.annotations[name] = annotation
    own.get_initial_alias()
    joined = query.annotations.keys() - own.annotations.keys()
    # Django leaves out of an UPDATE the order by other tables' columns, too.
    own.add_ordering(*(name for name in query.order_by if str(name).removeprefix("-") not in joined))
    return rows
