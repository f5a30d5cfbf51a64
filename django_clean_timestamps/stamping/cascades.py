"""
Which rows of a cascade are still there when they are deleted as instances.

Django's collector reads the rows and deletes them later, by key, and then tells of every one of them, of those too that
another transaction deleted in between. So the rows that were read together are locked together before the first of
them is deleted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from django.db import connections
from django.db.models import Model

from django_clean_timestamps.stamping.rows import chunks, locking

__all__ = ["FETCHED", "is_gone", "lock_what_was_fetched", "remember_fetched"]

FETCHED: Final = "_timestamp_fetched"
"""On an instance, with which others it was read."""


class _Fetched:
    """The rows that one query of the base manager brought, and, once they are locked, which are there."""

    __slots__ = ("keys", "model", "there")

    def __init__(self, model: type[Model], keys: list[Any], there: frozenset[Any] | None) -> None:
        self.model = model
        self.keys = keys
        self.there = there

    def lock(self, using: str) -> None:
        """Lock the rows, in the order of their keys."""
        connection = connections[using]
        if connection.vendor == "sqlite":
            # Changes nothing, and takes the write lock: a block that begins by reading may not write when others have.
            table = connection.ops.quote_name(self.model._meta.db_table)
            with connection.cursor() as cursor:
                cursor.execute(f"DELETE FROM {table} WHERE 0")  # noqa: S608
        rows_of = self.model._base_manager.using(using).order_by("pk")
        self.there = frozenset(
            key
            for chunk in chunks(sorted(self.keys))
            for key in locking(rows_of.filter(pk__in=chunk)).values_list("pk", flat=True)
        )


def remember_fetched(model: type[Model], entities: Sequence[Model], *, there: frozenset[Any] | None = None) -> None:
    """Note on the instances that they were read together, and which rows are there where these are locked already."""
    fetched = _Fetched(model, [entity.pk for entity in entities], there)
    for entity in entities:
        entity.__dict__[FETCHED] = fetched


def lock_what_was_fetched(instance: Any, using: str, origin: Any = None, **_: Any) -> None:
    """Receive ``pre_delete``: lock the instance's row and those that were read with it."""
    if instance is origin:
        # Its own delete() has locked it, and it alone goes of those that a prefetch read with it.
        instance.__dict__.pop(FETCHED, None)
        return
    fetched = instance.__dict__.get(FETCHED)
    if fetched is not None and fetched.there is None:
        fetched.lock(using)


def is_gone(instance: Any) -> bool:
    """Say whether the row was gone before its deletion began."""
    fetched = instance.__dict__.get(FETCHED)
    return fetched is not None and fetched.there is not None and instance.pk not in fetched.there
