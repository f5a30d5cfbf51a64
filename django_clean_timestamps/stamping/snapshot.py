"""An instance's key, state and stamps, to be put back when its write fails."""

from __future__ import annotations

from typing import Any, Final

from django.db.models import Model

from django_clean_timestamps.stamping.baseline import LOADED, LOADED_PARENTS
from django_clean_timestamps.stamping.fields import CREATED_AT, UPDATED_AT
from django_clean_timestamps.stamping.per_class import per_class

__all__ = ["Attributes", "Snapshot"]

_MISSING: Final = object()


class Attributes:
    """Some attributes of an instance, with their values, to be put back."""

    __slots__ = ("_instance", "_names", "_values")

    def __init__(self, instance: Model, names: tuple[str, ...]) -> None:
        state = instance.__dict__
        self._instance = instance
        self._names = names
        self._values = [state.get(name, _MISSING) for name in names]

    def restore(self) -> None:
        """Put everything back, what was not there too."""
        state = self._instance.__dict__
        for name, value in zip(self._names, self._values, strict=True):
            if value is _MISSING:
                state.pop(name, None)
            else:
                state[name] = value


class Snapshot(Attributes):
    """What a failed write takes back; a later rollback of the caller's transaction does not, as in Django."""

    __slots__ = ("_adding", "_db")

    def __init__(self, instance: Model) -> None:
        super().__init__(instance, _names(type(instance)))
        self._adding = instance._state.adding
        self._db = instance._state.db

    def restore(self) -> None:
        """Put back the key, the stamps and the state."""
        super().restore()
        self._instance._state.adding = self._adding
        self._instance._state.db = self._db


@per_class
def _names(model: type[Model]) -> tuple[str, ...]:
    keys: list[Any] = [*model._meta.pk_fields]
    for parent, link in model._meta.parents.items():
        keys += parent._meta.pk_fields
        if link is not None:
            keys.append(link)
    for ancestor in model._meta.all_parents:
        keys += ancestor._meta.pk_fields
    names = dict.fromkeys(field.attname for field in keys)
    return (*names, CREATED_AT, UPDATED_AT, *LOADED.values(), LOADED_PARENTS)
