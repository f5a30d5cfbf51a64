"""The entity ids of rows that are known by key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django_clean_timestamps.stamping.rows import chunks

if TYPE_CHECKING:
    from django_clean_timestamps.stamping.entity import BaseTimestampEntity

__all__ = ["entity_ids", "has_own_identity"]


def has_own_identity(model: type[BaseTimestampEntity]) -> bool:
    """Say whether the class overrides ``_get_entity_id()``, so that an id takes a whole instance."""
    from django_clean_timestamps.stamping.entity import BaseTimestampEntity

    return model._get_entity_id is not BaseTimestampEntity._get_entity_id


def entity_ids(model: type[BaseTimestampEntity], using: str, keys: Sequence[Any]) -> dict[Any, str]:
    """Return the entity id of each row that exists, by key; reads the rows only where the class has ids of its own."""
    if not has_own_identity(model):
        return {key: str(key) for key in keys}
    rows_of = model._base_manager.using(using)
    found = (entity for chunk in chunks(keys) for entity in rows_of.filter(pk__in=chunk))
    ids = {entity.pk: entity._get_entity_id() for entity in found}
    return {key: ids[key] for key in keys if key in ids}
