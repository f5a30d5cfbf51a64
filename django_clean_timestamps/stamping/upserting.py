"""INSERT with a conflict clause: keeping the strict increase in SQL, and learning what became of the rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import connections
from django.db.models import Q, UniqueConstraint
from django.db.models.sql import InsertQuery

from django_clean_timestamps.stamping.expressions import following
from django_clean_timestamps.stamping.fields import CREATED_AT, UPDATED_AT
from django_clean_timestamps.stamping.rows import locking

if TYPE_CHECKING:
    from django.db.models import Field

    from django_clean_timestamps.stamping.entity import BaseTimestampEntity

__all__ = ["ConflictStamp", "InsertedRow", "execute_upsert", "has_unique_key", "unique_rows"]


class InsertedRow(NamedTuple):
    """What became of one row of a bulk insert."""

    key: Any
    created_at: datetime
    updated_at: datetime
    inserted: bool


class ConflictStamp(NamedTuple):
    """
    The ``updated_at`` of the rows that an upsert updates, another one than that of the rows it inserts.

    Attributes:
        reading: The statement's reading.
        guarded: Whether an existing row's stamp must strictly increase.
        sent_wins: Whether the stamp that was sent is written where it is not the reading itself.
    """

    reading: datetime
    guarded: bool
    sent_wins: bool


def execute_upsert(
    model: type[BaseTimestampEntity],
    objs: Sequence[Any],
    fields: Sequence[Field[Any, Any]],
    returning: Sequence[Field[Any, Any]],
    *,
    stamp: ConflictStamp | None,
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
        returning: The columns to return, of inserted and updated rows, the primary key first; ignored rows return
            nothing.
        stamp: What existing rows get. Django can only write ``updated_at = EXCLUDED.updated_at``, so that assignment
            is rewritten.
        using: The database alias.
        raw: As Django's ``_insert``.
        conflict: ``on_conflict``, ``update_fields`` and ``unique_fields``, as Django's ``_insert``.
    """
    query: Any = InsertQuery(model, **conflict)
    query.insert_values(fields, objs, raw=raw)
    compiler = query.get_compiler(using=using)
    compiler.returning_fields = returning
    rows: list[tuple[Any, ...]] = []
    with connections[using].cursor() as cursor:
        for plain, sent in compiler.as_sql():
            sql, params = (plain, sent) if stamp is None else _restamp(plain, sent, stamp, model, using)
            cursor.execute(sql, params)
            rows += cursor.fetchall() if returning else []
    columns = [field.get_col(model._meta.db_table) for field in returning]
    converters = compiler.get_converters(columns)
    size = len(model._meta.pk_fields)
    found = (tuple(row) for row in (compiler.apply_converters(rows, converters) if converters else rows))
    return [(row[0] if size == 1 else row[:size], *row[size:]) for row in found]


def _restamp(
    sql: str, params: Sequence[Any], stamp: ConflictStamp, model: type[BaseTimestampEntity], using: str
) -> tuple[str, Sequence[Any]]:
    """Let the conflict clause assign the stamp; nothing that comes after it has parameters."""
    connection = connections[using]
    quote = connection.ops.quote_name
    field: Any = model._meta.get_field(UPDATED_AT)
    column = f"{quote(model._meta.db_table)}.{quote(field.column)}"
    assignment = re.compile(
        rf"{re.escape(quote(field.column))} = (?P<sent>(?:EXCLUDED|new)\.\S+?|VALUES?\(\S+?\))(?=,|\s|$)"
    )

    def assign(match: re.Match[str]) -> str:
        otherwise = match["sent"] if stamp.sent_wins else "%s"
        if not stamp.guarded:
            return f"{quote(field.column)} = {otherwise}"
        limits = f"{match['sent']} = %s AND " if stamp.sent_wins else ""
        following_stamp = following(column, connection)
        return f"{quote(field.column)} = CASE WHEN {limits}{column} >= %s THEN {following_stamp} ELSE {otherwise} END"

    restamped = assignment.sub(assign, sql)
    added = restamped.count("%s") - sql.count("%s")
    return restamped, (*params, *[field.get_db_prep_save(stamp.reading, connection)] * added)


def unique_rows(
    model: type[BaseTimestampEntity], using: str, entities: Sequence[Any], *, lock: bool
) -> dict[Any, tuple[datetime, datetime]]:
    """
    Return the stamps of the rows that share a unique key with one of the instances, by primary key.

    Locks the rows where asked to.
    """
    found: dict[Any, tuple[datetime, datetime]] = {}
    rows_of = model._base_manager.using(using).order_by("pk")
    rows_of = locking(rows_of) if lock else rows_of
    for names in _unique_sets(model):
        conditions = [Q(**values) for entity in entities if None not in (values := _values(entity, names)).values()]
        for start in range(0, len(conditions), 200):
            matching = rows_of.filter(reduce(or_, conditions[start : start + 200]))
            for key, created_at, updated_at in matching.values_list("pk", CREATED_AT, UPDATED_AT):
                found[key] = (created_at, updated_at)
    return found


def has_unique_key(model: type[BaseTimestampEntity], entity: Any) -> bool:
    """Say whether one of the row's unique keys is known before it is inserted."""
    return any(None not in _values(entity, names).values() for names in _unique_sets(model))


def _values(entity: Any, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(entity, name) for name in names}


def _unique_sets(model: type[BaseTimestampEntity]) -> list[tuple[str, ...]]:
    options = model._meta
    sets: list[tuple[str, ...]] = [tuple(field.attname for field in options.pk_fields)]
    sets += [(field.attname,) for field in options.concrete_fields if field.unique and not field.primary_key]
    named: list[Sequence[str]] = [*options.unique_together]
    named += [c.fields for c in options.constraints if isinstance(c, UniqueConstraint) and c.condition is None]
    fields: dict[str, Any] = {field.name: field for field in options.concrete_fields}
    sets += [tuple(fields[name].attname for name in names) for names in named if names]
    return sets
