"""``skip_unchanged``: whether a save would change the row as it is stored."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db.models import Field, FileField, JSONField

from django_clean_timestamps.stamping.fields import CREATED_AT, UPDATED_AT

if TYPE_CHECKING:
    from django_clean_timestamps.stamping.saving import Save

__all__ = ["is_unchanged"]


def is_unchanged(save: Save) -> bool:
    """
    Compare the instance with its row, in one query; a new row, a given stamp or an expression is a change.

    Fields that stamp themselves at each save (``auto_now``) are left out: they change because the row does.
    """
    entity = save.entity
    if save.certain_insert or save.given_created is not None or save.given_updated is not None:
        return False
    fields = [field for field in entity._meta.concrete_fields if _is_compared(field, save)]
    rows_of = type(entity)._base_manager.using(save.using)
    stored = rows_of.filter(pk=entity.pk).values_list(*(field.attname for field in fields)).first()
    if stored is None:
        return False
    return all(_is_same(entity, field, value) for field, value in zip(fields, stored, strict=True))


def _is_compared(field: Any, save: Save) -> bool:
    if field.name in (CREATED_AT, UPDATED_AT) or field.generated or getattr(field, "auto_now", False):
        return False
    if field.attname not in save.entity.__dict__:
        return False
    named = save.update_fields
    return named is None or field.name in named or field.attname in named or field.primary_key


def _is_same(entity: Any, field: Field[Any, Any], stored: Any) -> bool:
    value = entity.__dict__[field.attname]
    if hasattr(value, "resolve_expression"):
        return False
    if isinstance(field, FileField):
        file = getattr(entity, field.attname)
        return getattr(file, "_committed", True) and (file.name or "") == (stored or "")
    if isinstance(field, JSONField):
        return _as_json(field, value) == _as_json(field, stored)
    try:
        return bool(field.to_python(value) == stored)
    except ValidationError:
        # Django's own error about it is for the write to raise.
        return False


def _as_json(field: JSONField[Any, Any], value: Any) -> str | None:
    """Return the text of a value: to Python, 1, 1.0 and True are equal."""
    return None if value is None else json.dumps(value, cls=field.encoder, sort_keys=True)
