"""
System checks: every trap that can be seen at start, each with an id, what was found and the way out.

Ids are never reused. ``E`` stops, ``W`` warns, ``I`` informs.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage
from django.db import models
from django.db.models import ForeignKey

from django_clean_timestamps.conf import SETTING_NAME, find_problems, get_settings
from django_clean_timestamps.exceptions import InvalidSettingError
from django_clean_timestamps.stamping.entity import BaseTimestampEntity
from django_clean_timestamps.stamping.fields import CREATED_AT, UPDATED_AT, CreatedAtField, UpdatedAtField
from django_clean_timestamps.stamping.querysets import StampingQuerySet

__all__ = ["register"]

Entity = type[BaseTimestampEntity]

NAMED = "clean_timestamps.{}"


def register() -> None:
    """Register all checks with Django."""
    checks.register(check_settings, "clean_timestamps")
    checks.register(check_databases, "clean_timestamps")
    checks.register(_for_each_entity, checks.Tags.models)


def check_settings(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Report unknown and unusable keys (E001) and dotted paths that lead nowhere (E002)."""
    problems = find_problems(getattr(settings, SETTING_NAME, None))
    found: list[CheckMessage] = [
        checks.Error(f"{problem.message}.", hint=problem.hint, id=NAMED.format("E001")) for problem in problems
    ]
    if not found:
        for attribute, key in (("read_clock", "CLOCK"), ("rule_objects", "RULES")):
            try:
                getattr(get_settings(), attribute)
            except InvalidSettingError as error:
                hint = f"Correct the dotted path in {SETTING_NAME}[{key!r}], or leave the key out."
                found.append(checks.Error(f"{error}.", hint=hint, id=NAMED.format("E002")))
    return found


def check_databases(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Report what the project's time zone and database settings do to stamps (W003, I001)."""
    if not any(True for _ in _entities(None)):
        return []
    found: list[CheckMessage] = []
    if not settings.USE_TZ:
        found.append(
            checks.Warning(
                "USE_TZ is False: stamps are stored as naive UTC and given to you as aware UTC.",
                hint="Set USE_TZ = True. Until then compare stamps with aware times only, and on PostgreSQL set "
                'TIME_ZONE = "UTC": the hours around a change of daylight saving time are stored wrongly otherwise.',
                id=NAMED.format("W003"),
            )
        )
    databases: dict[str, dict[str, Any]] = settings.DATABASES
    for alias, database in databases.items():
        mode = str(database.get("OPTIONS", {}).get("transaction_mode") or "")
        if database.get("ENGINE") == "django.db.backends.sqlite3" and mode.upper() not in ("IMMEDIATE", "EXCLUSIVE"):
            found.append(
                checks.Info(
                    f"The SQLite database {alias!r} begins transactions without the write lock, so inside an atomic "
                    "block a stamp can be older than one that is already visible.",
                    hint=f'Set DATABASES[{alias!r}]["OPTIONS"]["transaction_mode"] = "IMMEDIATE".',
                    id=NAMED.format("I001"),
                )
            )
    return found


def _entities(app_configs: Sequence[AppConfig] | None) -> Iterator[Entity]:
    for config in apps.get_app_configs() if app_configs is None else app_configs:
        for model in config.get_models():
            if issubclass(model, BaseTimestampEntity):
                yield model


def _for_each_entity(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Run the checks of single entities."""
    return [message for model in _entities(app_configs) for check in ENTITY_CHECKS for message in check(model)]


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


_KNOWN_ON_DELETE = (models.CASCADE, models.PROTECT, models.RESTRICT, models.DO_NOTHING)

ENTITY_CHECKS: tuple[Callable[[Entity], Iterator[CheckMessage]], ...] = (
    check_stamp_fields,
    check_managers,
    check_touches,
    check_on_delete,
)
