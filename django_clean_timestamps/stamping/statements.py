"""The UPDATE behind ``touch()``: put together once for each model and set of columns, and kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model

from django_clean_timestamps.conf import get_settings
from django_clean_timestamps.stamping.fields import UPDATED_AT

if TYPE_CHECKING:
    from django_clean_timestamps.stamping.entity import BaseTimestampEntity

__all__ = ["stamp_row"]

_statements: WeakKeyDictionary[type[Model], dict[tuple[str, tuple[str, ...], bool], str]] = WeakKeyDictionary()


def stamp_row(
    entity: BaseTimestampEntity,
    connection: BaseDatabaseWrapper,
    names: tuple[str, ...],
    stamp: datetime,
    *,
    guarded: bool,
) -> int:
    """
    Set ``updated_at`` and the named columns of one row to a stamp; return how many rows matched, 0 or 1.

    Args:
        entity: Whose row.
        connection: Where.
        names: Other datetime fields.
        stamp: The new value of all of them.
        guarded: Whether a row that already holds this stamp or a later one is left alone.
    """
    model: Any = entity._meta.concrete_model
    options = model._meta
    fields = [options.get_field(name) for name in (UPDATED_AT, *names)]
    plain = len(options.pk_fields) == 1 and all(field.model is model for field in fields)
    if not plain or not get_settings().compiled_writes:
        return _by_orm(entity, connection, names, stamp, guarded=guarded)
    values = [field.get_db_prep_save(stamp, connection) for field in fields]
    values.append(options.pk.get_db_prep_value(entity.pk, connection))
    if guarded:
        values.append(values[0])
    with connection.cursor() as cursor:
        cursor.execute(_statement(model, connection, names, guarded=guarded), values)
        return cursor.rowcount


def _statement(model: type[Model], connection: BaseDatabaseWrapper, names: tuple[str, ...], *, guarded: bool) -> str:
    kept = _statements.setdefault(model, {})
    key = (connection.vendor, names, guarded)
    sql = kept.get(key)
    if sql is None:
        options, quote = model._meta, connection.ops.quote_name
        columns = [quote(options.get_field(name).column) for name in (UPDATED_AT, *names)]  # type: ignore[union-attr]
        sql = "UPDATE {} SET {} WHERE {} = %s".format(
            quote(options.db_table),
            ", ".join(f"{column} = %s" for column in columns),
            quote(options.pk.column),
        )
        sql = kept[key] = sql + f" AND {columns[0]} < %s" * guarded
    return sql


def _by_orm(
    entity: BaseTimestampEntity,
    connection: BaseDatabaseWrapper,
    names: Sequence[str],
    stamp: datetime,
    *,
    guarded: bool,
) -> int:
    """For keys and stamps that one plain statement does not reach: several tables, several key columns."""
    rows = type(entity)._base_manager.using(connection.alias).filter(pk=entity.pk)
    if guarded:
        rows = rows.filter(**{f"{UPDATED_AT}__lt": stamp})
    return rows._update_rows(dict.fromkeys((UPDATED_AT, *names), stamp))  # type: ignore[attr-defined, no-any-return]
