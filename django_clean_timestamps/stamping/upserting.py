"""INSERT with a conflict clause: keeping the strict increase in SQL, and learning what became of the rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from django.db import connections
from django.db.models import Q, UniqueConstraint
from django.db.models.sql import InsertQuery

from django_clean_timestamps.stamping.fields import CREATED_AT, UPDATED_AT

if TYPE_CHECKING:
    from django.db.models import Field

    from django_clean_timestamps.stamping.entity import BaseTimestampEntity

__all__ = ["InsertedRow", "execute_upsert", "unique_rows"]


class InsertedRow(NamedTuple):
    """What became of one row of a bulk insert."""

    key: Any
    created_at: datetime
    updated_at: datetime
    inserted: bool


# The next microsecond after a column, in each database's words; SQLite's is the function that Django registers.
_NEXT: Final = {
    "postgresql": "{column} + interval '1 microsecond'",
    "mysql": "{column} + INTERVAL 1 MICROSECOND",
    "sqlite": "django_format_dtdelta('+', {column}, 1)",
}


def execute_upsert(
    model: type[BaseTimestampEntity],
    objs: Sequence[Any],
    fields: Sequence[Field[Any, Any]],
    returning: Sequence[Field[Any, Any]],
    *,
    guarded: bool,
    using: str,
    raw: bool = False,
    **conflict: Any,
) -> list[tuple[Any, ...]]:
    """
    Run the INSERT that Django compiles and return the named columns of the rows it wrote.

    Args:
        model: The rows' model.
        objs: The instances.
        fields: The columns to insert.
        returning: The columns to return, of inserted and updated rows; ignored rows return nothing.
        guarded: Whether an existing row's ``updated_at`` must strictly increase. Django can only write
            ``updated_at = EXCLUDED.updated_at``, so that assignment is rewritten.
        using: The database alias.
        raw: As Django's ``_insert``.
        conflict: ``on_conflict``, ``update_fields`` and ``unique_fields``, as Django's ``_insert``.
    """
    query = InsertQuery(model, **conflict)
    query.insert_values(fields, objs, raw=raw)
    compiler: Any = query.get_compiler(using=using)
    compiler.returning_fields = returning
    rows: list[tuple[Any, ...]] = []
    with connections[using].cursor() as cursor:
        for sql, params in compiler.as_sql():
            cursor.execute(_guard(sql, model, using) if guarded else sql, params)
            rows += cursor.fetchall()
    columns = [field.get_col(model._meta.db_table) for field in returning]
    converters = compiler.get_converters(columns)
    return [tuple(row) for row in (compiler.apply_converters(rows, converters) if converters else rows)]


def _guard(sql: str, model: type[BaseTimestampEntity], using: str) -> str:
    connection = connections[using]
    quote = connection.ops.quote_name
    updated_at = quote(model._meta.get_field(UPDATED_AT).column)
    column = f"{quote(model._meta.db_table)}.{updated_at}"
    assignment = re.compile(re.escape(updated_at) + r" = ((?:EXCLUDED|new)\.\S+?|VALUES?\(\S+?\))(?=,|\s|$)")
    following = _NEXT[connection.vendor].format(column=column)
    guarded = rf"{updated_at} = CASE WHEN {column} >= \1 THEN {following} ELSE \1 END"
    return assignment.sub(lambda match: match.expand(guarded), sql)


def unique_rows(
    model: type[BaseTimestampEntity], using: str, entities: Sequence[Any], *, lock: bool
) -> dict[Any, tuple[datetime, datetime]]:
    """
    Return the stamps of the rows that share a unique key with one of the instances, by primary key.

    For a database without RETURNING. Locks the rows where asked to.
    """
    found: dict[Any, tuple[datetime, datetime]] = {}
    rows_of = model._base_manager.using(using).order_by("pk")
    rows_of = rows_of.select_for_update() if lock else rows_of
    for names in _unique_sets(model):
        conditions = [
            Q(**values)
            for entity in entities
            if None not in (values := {name: getattr(entity, name) for name in names}).values()
        ]
        for start in range(0, len(conditions), 200):
            matching = rows_of.filter(reduce(or_, conditions[start : start + 200]))
            for key, created_at, updated_at in matching.values_list("pk", CREATED_AT, UPDATED_AT):
                found[key] = (created_at, updated_at)
    return found


def _unique_sets(model: type[BaseTimestampEntity]) -> list[tuple[str, ...]]:
    options = model._meta
    sets: list[tuple[str, ...]] = [tuple(field.attname for field in options.pk_fields)]
    sets += [(field.attname,) for field in options.concrete_fields if field.unique and not field.primary_key]
    named = [*options.unique_together]
    named += [c.fields for c in options.constraints if isinstance(c, UniqueConstraint) and c.condition is None]
    sets += [tuple(options.get_field(name).attname for name in names) for names in named if names]  # type: ignore[union-attr]
    return sets
