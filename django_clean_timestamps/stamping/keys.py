"""The keys of one instance, which may be spread over several inherited tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Model

from django_clean_timestamps.stamping.fields import CREATED_AT
from django_clean_timestamps.stamping.per_class import per_class

if TYPE_CHECKING:
    from django_clean_timestamps.stamping.entity import BaseTimestampEntity

__all__ = ["is_key_set", "is_new", "read_stamps", "stamped_table", "subject_of"]


@per_class
def stamped_table(model: type[Model]) -> type[Model]:
    """Return the concrete model whose table holds the stamps: of several inherited tables, the root's."""
    return model._meta.get_field(CREATED_AT).model


def is_key_set(instance: Any, table: type[Model] | None = None) -> bool:
    """Say whether the instance has a primary key, of the named one of its tables where one is named."""
    return instance._is_pk_set(None if table is None else table._meta)  # type: ignore[no-any-return]


def is_new(entity: BaseTimestampEntity, force_insert: Any) -> bool:
    """
    Say whether Django will insert the row that holds the stamps without trying an UPDATE first.

    ``force_insert=True`` is about the last of several inherited tables alone.
    """
    table = stamped_table(type(entity))
    others = _other_tables(type(entity))
    if not is_key_set(entity) and not any(is_key_set(entity, each) for each in others):
        return True
    if force_insert:
        forced = force_insert if isinstance(force_insert, tuple) else (entity._meta.concrete_model,)
        return issubclass(table, forced)
    fields: Any = table._meta.pk_fields
    return entity._state.adding and all(field.has_default() or field.has_db_default() for field in fields)


def read_stamps(entity: BaseTimestampEntity, using: str) -> tuple[Any, Any]:
    """Return ``created_at`` and ``updated_at`` of the entity's row, both None where there is none."""
    table = stamped_table(type(entity))
    key = entity.pk if is_key_set(entity) else entity.__dict__.get(table._meta.pk.attname)
    rows = table._base_manager.using(using).filter(pk=key)
    return rows.values_list(CREATED_AT, "updated_at").first() or (None, None)


def subject_of(entity: BaseTimestampEntity) -> str:
    """Return what an error about the entity begins with."""
    return f"{entity._meta.label} {entity.pk}" if is_key_set(entity) else f"{entity._meta.label} (unsaved)"


@per_class
def _other_tables(model: type[Model]) -> tuple[type[Model], ...]:
    return tuple((model._meta.concrete_model or model)._meta.all_parents)
