"""Locking and updating rows by key, the ground that set-based writes stand on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from django.db import connections
from django.db.models import Model, QuerySet

__all__ = ["chunks", "keyed", "lock_rows", "updatable"]

CHUNK: Final = 900
"""How many keys one statement names; older SQLite builds take 999 parameters."""


def chunks(keys: Sequence[Any], size: int = CHUNK) -> Iterator[Sequence[Any]]:
    """Yield the keys in parts that one statement can name."""
    for start in range(0, len(keys), size):
        yield keys[start : start + size]


def lock_rows(queryset: QuerySet[Any], names: Sequence[str]) -> list[tuple[Any, ...]]:
    """
    Lock the rows that a queryset selects, in the order of their keys, and return the named columns, the key first.

    Must run in a transaction. The predicate is evaluated once under the locks, on the latest state of the rows, so
    that whoever waited for another transaction sees what that one left. SQLite's writer is alone anyway.
    """
    columns = ("pk", *names)
    rows = queryset.order_by("pk")
    query = rows.query
    is_single = query.group_by is None and query.count_active_tables() <= 1
    if is_single:
        # Each row is selected once; Django, too, leaves DISTINCT out of an UPDATE of one table.
        query.distinct, query.distinct_fields = False, ()
    if is_single or connections[queryset.db].vendor != "postgresql":
        # A join may select a row several times.
        return list({row[0]: row for row in rows.select_for_update().values_list(*columns)}.values())
    rows = queryset.order_by()
    # PostgreSQL refuses FOR UPDATE beside DISTINCT, GROUP BY and the nullable side of a join: lock the rows by key,
    # then see which of them are still selected.
    keys = list(rows.values_list("pk", flat=True))
    found: dict[Any, tuple[Any, ...]] = {}
    for chunk in chunks(sorted(set(keys))):
        locked = queryset.model._base_manager.using(queryset.db).filter(pk__in=chunk).order_by("pk")
        # Of a multi-table row this locks all the tables that the columns are in.
        list(locked.select_for_update().values_list(*columns))
        found.update((row[0], row) for row in rows.filter(pk__in=chunk).values_list(*columns))
    return [found[key] for key in sorted(found)]


def keyed(queryset: QuerySet[Any], keys: Sequence[Any]) -> Any:
    """
    Return a plain queryset over the rows with these keys.

    The predicate of the other one does not come along: it must not be evaluated again after the rows have been locked.
    """
    model: type[Model] = queryset.model
    return model._base_manager.using(queryset.db).filter(pk__in=keys)


def updatable(queryset: QuerySet[Any], keys: Sequence[Any]) -> Any:
    """Return the same, with what an UPDATE's values and order may refer to: the annotations of the row itself."""
    rows = keyed(queryset, keys)
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
