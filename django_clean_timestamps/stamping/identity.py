"""The entity ids of rows that are known by key."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from django.db.models import Field, ForeignKey

from django_clean_timestamps.events.validation import ENTITY_ID_LENGTH
from django_clean_timestamps.stamping.per_class import per_class
from django_clean_timestamps.stamping.rows import chunks

if TYPE_CHECKING:
    from django_clean_timestamps.stamping.entity import BaseTimestampEntity

__all__ = ["KeyKind", "entity_ids", "has_own_identity", "sql_key_kind"]


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


class KeyKind(Enum):
    """A primary key whose ``str()`` every database can write."""

    INTEGER = "integer"
    TEXT = "text"
    UUID = "uuid"


_KINDS: Final = {
    **dict.fromkeys(("AutoField", "BigAutoField", "SmallAutoField"), KeyKind.INTEGER),
    **dict.fromkeys(("IntegerField", "BigIntegerField", "SmallIntegerField"), KeyKind.INTEGER),
    **dict.fromkeys(("PositiveIntegerField", "PositiveBigIntegerField", "PositiveSmallIntegerField"), KeyKind.INTEGER),
    **dict.fromkeys(("CharField", "SlugField"), KeyKind.TEXT),
    "UUIDField": KeyKind.UUID,
}


@per_class
def sql_key_kind(model: type[BaseTimestampEntity]) -> KeyKind | None:
    """
    Return how the database writes the model's entity ids, None where only Python knows them.

    That is so for ids of the class's own, composite keys, fields with a form of their own in Python, and types that
    the databases write differently (decimals, times).
    """
    if has_own_identity(model) or len(model._meta.pk_fields) > 1:
        return None
    field: Field[Any, Any] = model._meta.pk
    while isinstance(field, ForeignKey):
        field = field.target_field
    kind = _KINDS.get(field.get_internal_type())
    is_short = kind is not KeyKind.TEXT or (field.max_length is not None and field.max_length <= ENTITY_ID_LENGTH)
    return kind if is_short and not hasattr(field, "from_db_value") else None
