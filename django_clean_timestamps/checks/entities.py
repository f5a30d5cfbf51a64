"""What is wrong with single entities."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.core import checks
from django.core.checks import CheckMessage
from django.db import models
from django.db.models import ForeignKey

from django_clean_timestamps.checks.names import NAMED
from django_clean_timestamps.eventlog.models import ENTITY_TYPE_LENGTH
from django_clean_timestamps.stamping.entity import BaseTimestampEntity
from django_clean_timestamps.stamping.fields import CREATED_AT, UPDATED_AT, CreatedAtField, UpdatedAtField
from django_clean_timestamps.stamping.querysets import StampingQuerySet

__all__ = ["ENTITY_CHECKS", "check_entities", "entities"]

Entity = type[BaseTimestampEntity]


def entities(app_configs: Sequence[AppConfig] | None) -> Iterator[Entity]:
    """Yield the entities of the given apps, None for all."""
    for config in apps.get_app_configs() if app_configs is None else app_configs:
        for model in config.get_models():
            if issubclass(model, BaseTimestampEntity):
                yield model


def check_entities(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Run the checks of single entities."""
    return [message for model in entities(app_configs) for check in ENTITY_CHECKS for message in check(model)]


def check_stamp_fields(model: Entity) -> Iterator[CheckMessage]:
    """Report a stamp whose field was replaced (E010), and fields that stamp themselves (W011)."""
    for name, kind in ((CREATED_AT, CreatedAtField), (UPDATED_AT, UpdatedAtField)):
        field = model._meta.get_field(name)
        if not isinstance(field, kind):
            yield checks.Error(
                f"{model._meta.label}.{name} is a {type(field).__name__}, which stamps by rules of its own or not at "
                "all.",
                hint=f"Remove the field from the class, or make it a {kind.__name__}.",
                obj=model,
                id=NAMED.format("E010"),
            )
    for field in model._meta.local_fields:
        if getattr(field, "auto_now", False) and field.name != UPDATED_AT:
            yield checks.Warning(
                f"{model._meta.label}.{field.name} has auto_now, which update(), bulk_update(), upserts and deferred "
                "saves skip.",
                hint="Use updated_at instead, or move the field with touch(fields=[...]).",
                obj=model,
                id=NAMED.format("W011"),
            )


def check_managers(model: Entity) -> Iterator[CheckMessage]:
    """Report a base manager (E012) or another manager (E013) whose querysets do not stamp."""
    if not _stamps(model._base_manager):
        yield checks.Error(
            f"{model._meta.label}: the base manager {model._base_manager!r} does not stamp, so cascades, SET_NULL and "
            "save() pass the stamps by.",
            hint="Remove base_manager_name from its Meta, or name a manager made from TimestampQuerySet.",
            obj=model,
            id=NAMED.format("E012"),
        )
    for manager in model._meta.managers:
        if manager.name != model._base_manager.name and not _stamps(manager):
            yield checks.Error(
                f"{model._meta.label}.{manager.name} does not stamp: its class was replaced after the model was made, "
                "or its get_queryset() returns something else than a QuerySet.",
                hint="Define the manager in the class body, or derive it from TimestampManager.",
                obj=model,
                id=NAMED.format("E013"),
            )


def _stamps(manager: Any) -> bool:
    with warnings.catch_warnings():
        # A check is no use: model-utils' SoftDeletableModel warns of its manager whenever that is asked.
        warnings.simplefilter("ignore", DeprecationWarning)
        return isinstance(manager.get_queryset(), StampingQuerySet)


def check_touches(model: Entity) -> Iterator[CheckMessage]:
    """Report names in ``touches`` that are no foreign key to an entity (E014)."""
    names = model.touches
    if isinstance(names, str):
        yield _bad_touches(model, f"touches is the text {names!r}", f"Write touches = ({names!r},).")
        return
    foreign_keys = {
        field.name
        for field in model._meta.get_fields()
        if isinstance(field, ForeignKey) and _is_entity(field.related_model)
    }
    known = ", ".join(sorted(foreign_keys)) or "none"
    for name in names:
        if name not in foreign_keys:
            hint = f"Name foreign keys whose target subclasses BaseTimestampEntity; {model._meta.label} has: {known}."
            yield _bad_touches(model, f"touches names {name!r}, which is no foreign key to an entity", hint)


def _bad_touches(model: Entity, found: str, hint: str) -> CheckMessage:
    return checks.Error(f"{model._meta.label}: {found}.", hint=hint, obj=model, id=NAMED.format("E014"))


def _is_entity(model: Any) -> bool:
    return isinstance(model, type) and issubclass(model, BaseTimestampEntity)


def check_on_delete(model: Entity) -> Iterator[CheckMessage]:
    """Report relations whose end Django never sees (E015), or handles row by row beside the queryset (W016)."""
    for field in model._meta.local_fields:
        on_delete = getattr(field.remote_field, "on_delete", None) if isinstance(field, ForeignKey) else None
        if on_delete is None:
            continue
        if hasattr(on_delete, "on_delete_sql"):  # pragma: no cover - came with Django 6.1, where a test runs it
            yield checks.Error(
                f"{model._meta.label}.{field.name} leaves on_delete={on_delete} to the database, which changes or "
                "deletes rows without a stamp and an event.",
                hint="Use a form that Django carries out: models.CASCADE, models.SET_NULL or models.SET(value).",
                obj=model,
                id=NAMED.format("E015"),
            )
        elif on_delete not in _KNOWN_ON_DELETE and not getattr(on_delete, "lazy_sub_objs", False):
            name = getattr(on_delete, "__qualname__", repr(on_delete))
            yield checks.Warning(
                f"{model._meta.label}.{field.name}: on_delete={name} is given rows that Django has evaluated, so it "
                "may change them without a stamp and an event.",
                hint="Set lazy_sub_objs = True on the function and change the rows with QuerySet.update(); of "
                "models.SET() give a value instead of a callable.",
                obj=model,
                id=NAMED.format("W016"),
            )


def check_label(model: Entity) -> Iterator[CheckMessage]:
    """Report a label that does not fit into the log (E023)."""
    label = (model._meta.concrete_model or model)._meta.label_lower
    if len(label) > ENTITY_TYPE_LENGTH:
        yield checks.Error(
            f"{model._meta.label}: the label has {len(label)} characters, and the log has room for "
            f"{ENTITY_TYPE_LENGTH}: every write of it would fail.",
            hint="Shorten the name of the class, and keep its table with Meta.db_table; or the label of its app.",
            obj=model,
            id=NAMED.format("E023"),
        )


_KNOWN_ON_DELETE = (models.CASCADE, models.PROTECT, models.RESTRICT, models.DO_NOTHING)

ENTITY_CHECKS: tuple[Callable[[Entity], Iterator[CheckMessage]], ...] = (
    check_stamp_fields,
    check_managers,
    check_touches,
    check_on_delete,
    check_label,
)
