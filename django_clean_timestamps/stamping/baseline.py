"""
What an instance loaded, which tells a given stamp from one that is merely there.

A stamp on an instance is *given* when it is another object than the one that was loaded or written last. Identity
decides, not equality: a caller may give the same time twice. Two plain attributes cost 16 bytes an instance; a tuple,
or going through ``instance.__dict__`` while loading, would cost 64 and more.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from django.conf import settings
from django.db.models import Model

from django_clean_timestamps.stamping.per_class import per_class

__all__ = [
    "given_stamp",
    "is_aware",
    "loaded_parents",
    "loaded_stamp",
    "normalised",
    "remember",
    "remember_row",
    "remember_stamp",
]

LOADED: Final = {"created_at": "_loaded_created_at", "updated_at": "_loaded_updated_at"}
LOADED_PARENTS: Final = "_loaded_parents"


def given_stamp(instance: Model, name: str) -> Any:
    """
    Return the stamp that the caller set on the instance, None where nobody did.

    Aware times come back in UTC; without time zone support a naive one is UTC. What is no datetime comes back as it
    is, for the rules to refuse.
    """
    value = instance.__dict__.get(name)
    if value is None or value is instance.__dict__.get(LOADED[name]):
        return None
    return normalised(value)


def normalised(value: Any) -> Any:
    """Return an aware datetime in UTC; anything else unchanged. Naive ones are UTC without time zone support."""
    if not isinstance(value, datetime) or value.tzinfo is UTC:
        return value
    if value.utcoffset() is not None:
        return value.astimezone(UTC)
    return value if settings.USE_TZ else value.replace(tzinfo=UTC)


def is_aware(value: object) -> bool:
    """Say whether the value is a datetime that knows its offset."""
    return isinstance(value, datetime) and value.utcoffset() is not None


def loaded_stamp(instance: Model, name: str) -> datetime | None:
    """Return the stamp that was loaded or written last, None where none was."""
    return instance.__dict__.get(LOADED[name])


def loaded_parents(instance: Model) -> tuple[Any, ...] | None:
    """Return the keys of the touched parents as they were loaded, None where not all of them were."""
    return instance.__dict__.get(LOADED_PARENTS)


def remember(instance: Any, names: Collection[str] | None = None) -> None:
    """
    Take the stamps and parents' keys that stand on the instance for those of its row.

    Args:
        instance: The entity.
        names: The fields that were loaded; None for all of them.
    """
    state = instance.__dict__
    for name, loaded in LOADED.items():
        if name in state and (names is None or name in names):
            setattr(instance, loaded, state[name])
    parents = instance._parent_attnames()
    if not parents:
        return
    if names is None:
        known = all(name in state for name in parents)
        setattr(instance, LOADED_PARENTS, tuple(state[name] for name in parents) if known else None)
    elif any(name in names for name in instance._parent_names()):
        # Of the others nobody knows whether they still are what the row has: ask it when the time comes.
        setattr(instance, LOADED_PARENTS, None)


def remember_stamp(instance: Model, name: str) -> None:
    """Take one stamp that stands on the instance for that of its row."""
    setattr(instance, LOADED[name], instance.__dict__[name])


def remember_row(instance: Any, field_names: Sequence[str], values: Sequence[Any]) -> None:
    """Do the same for an instance made from a row, without a look at its ``__dict__``."""
    positions = _row_positions(type(instance))
    if len(values) == positions.total:
        instance._loaded_created_at = values[positions.created_at]
        instance._loaded_updated_at = values[positions.updated_at]
        if positions.parents:
            instance._loaded_parents = tuple(values[position] for position in positions.parents)
        return
    row = dict(zip(field_names, values, strict=False))
    for name, loaded in LOADED.items():
        if name in row:
            setattr(instance, loaded, row[name])
    parents = instance._parent_attnames()
    if parents and all(name in row for name in parents):
        instance._loaded_parents = tuple(row[name] for name in parents)


class _RowPositions(NamedTuple):
    total: int
    created_at: int
    updated_at: int
    parents: tuple[int, ...]


@per_class
def _row_positions(model: Any) -> _RowPositions:
    names = [field.attname for field in model._meta.concrete_fields]
    return _RowPositions(
        total=len(names),
        created_at=names.index("created_at"),
        updated_at=names.index("updated_at"),
        parents=tuple(names.index(name) for name in model._parent_attnames()),
    )
