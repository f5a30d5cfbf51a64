"""The statements of one row: of a ``save()``, straight to Django's compiler; of a ``touch()``, made once and kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model
from django.db.models.sql import InsertQuery, UpdateQuery
from django.db.models.sql.constants import ROW_COUNT
from django.db.models.sql.where import AND

from django_clean_timestamps.conf import get_settings
from django_clean_timestamps.stamping.fields import UPDATED_AT, as_value_of
from django_clean_timestamps.stamping.keys import stamped_table

if TYPE_CHECKING:
    from django_clean_timestamps.stamping.entity import BaseTimestampEntity

__all__ = ["insert_row", "is_plain_update", "stamp_row", "update_by_key"]


def insert_row(
    model: type[Model], using: str, entity: Model, fields: Sequence[Any], returning: Sequence[Any], *, raw: bool
) -> Any:
    """
    Insert one row and return what the database made of the ``returning`` fields, as Django's ``_do_insert()`` does.

    Without the way over the base manager, whose queryset would be made for this alone.
    """
    query = InsertQuery(model)
    query.insert_values(fields, [entity], raw=raw)
    return query.get_compiler(using).execute_sql(returning)


def is_plain_update(model: type[Model], values: Sequence[Any], args: Sequence[Any]) -> bool:
    """
    Say whether one UPDATE by one key column does what Django's ``_do_update()`` would do.

    Args:
        model: Whose table.
        values: What is to be written.
        args: ``update_fields``, ``forced_update`` and, from Django 6.0 on, the fields that RETURNING is to bring.
    """
    options = model._meta
    returning = len(args) > 2 and args[2]
    return bool(values) and not returning and not options.select_on_save and len(options.pk_fields) == 1


def update_by_key(
    model: type[Model], using: str, key: Any, values: Sequence[Any], *, older_than: datetime | None
) -> int:
    """
    Update one row and return how many matched, 0 or 1.

    A queryset's ``filter()`` would do the same, but its way to these two comparisons costs as much as a touch.

    Args:
        model: Whose table.
        using: The database alias.
        key: The row's primary key.
        values: Field, model and value of each column, as Django's ``_do_update()`` is given them.
        older_than: The row is left alone unless its ``updated_at`` is earlier than this; None leaves that out.
    """
    query = UpdateQuery(model)
    query.add_update_fields(list(values))
    alias = query.get_initial_alias()
    pk: Any = model._meta.pk
    query.where.add(pk.get_lookup("exact")(pk.get_col(alias), key), AND)
    if older_than is not None:
        updated_at: Any = model._meta.get_field(UPDATED_AT)
        query.where.add(updated_at.get_lookup("lt")(updated_at.get_col(alias), older_than), AND)
    return query.get_compiler(using).execute_sql(ROW_COUNT)  # type: ignore[no-any-return]


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
    root = stamped_table(model)
    if root is model and not any(model._meta.get_field(name).model is not model for name in names):
        return _stamp_table(model, connection, entity.pk, (UPDATED_AT, *names), stamp, guarded=guarded)
    # Of several inherited tables the one with the guard comes first; nobody else can change the others meanwhile.
    by_table: dict[type[Model], list[str]] = {root: [UPDATED_AT]}
    for name in names:
        by_table.setdefault(model._meta.get_field(name).model, []).append(name)
    return min(
        _stamp_table(table, connection, _key_of(entity, table), tuple(own), stamp, guarded=guarded and table is root)
        for table, own in by_table.items()
    )


def _key_of(entity: BaseTimestampEntity, table: type[Model]) -> Any:
    return entity.pk if table is entity._meta.concrete_model else getattr(entity, table._meta.pk.attname)


def _stamp_table(
    table: type[Model],
    connection: BaseDatabaseWrapper,
    key: Any,
    names: tuple[str, ...],
    stamp: datetime,
    *,
    guarded: bool,
) -> int:
    options: Any = table._meta
    fields = [options.get_field(name) for name in names]
    if len(options.pk_fields) > 1 or not get_settings().compiled_writes:
        changes = [(field, None, as_value_of(field, stamp)) for field in fields]
        return update_by_key(table, connection.alias, key, changes, older_than=stamp if guarded else None)
    values = [field.get_db_prep_save(as_value_of(field, stamp), connection) for field in fields]
    values.append(options.pk.get_db_prep_value(key, connection))
    if guarded:
        values.append(values[0])
    with connection.cursor() as cursor:
        cursor.execute(_statement(table, connection, names, guarded=guarded), values)
        return int(cursor.rowcount)


def _statement(table: type[Model], connection: BaseDatabaseWrapper, names: tuple[str, ...], *, guarded: bool) -> str:
    kept = _statements.setdefault(table, {})
    key = (connection.vendor, names, guarded)
    sql = kept.get(key)
    if sql is None:
        options: Any = table._meta
        quote = connection.ops.quote_name
        columns = [quote(options.get_field(name).column) for name in names]
        assignments = ", ".join(f"{column} = %s" for column in columns)
        guard = f" AND {columns[0]} < %s" if guarded else ""
        table_name, key_name = quote(options.db_table), quote(options.pk.column)
        sql = kept[key] = f"UPDATE {table_name} SET {assignments} WHERE {key_name} = %s{guard}"  # noqa: S608 - names only
    return sql
