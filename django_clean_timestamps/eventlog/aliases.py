"""Which databases have a log: those that entities are written to."""

from __future__ import annotations

from typing import Any, Final

from django.apps import apps
from django.db import connections, router
from django.db.models import Model

from django_clean_timestamps.eventlog.models import Event, LogHead, Pending
from django_clean_timestamps.stamping.entity import BaseTimestampEntity

__all__ = ["LOG_MODELS", "entity_aliases", "has_log", "holds_entities", "is_read_only", "missing_tables"]

LOG_MODELS: Final[tuple[type[Model], ...]] = (Pending, Event, LogHead)


def entity_aliases() -> tuple[str, ...]:
    """Return the aliases that the routers let entities be migrated to, without asking the databases."""
    return tuple(alias for alias in connections if _entities_of(alias))


def holds_entities(using: str) -> bool:
    """Say whether the table of an entity is there, of one that the routers let be there."""
    return bool(_entities_of(using) & _tables(using))


def has_log(using: str) -> bool:
    """Say whether the database has a log, or ought to because it holds entities."""
    return not missing_tables(using) or holds_entities(using)


def missing_tables(using: str) -> tuple[str, ...]:
    """Return the names of the log's tables that are not there, in the order of ``LOG_MODELS``."""
    found = _tables(using)
    return tuple(model._meta.db_table for model in LOG_MODELS if model._meta.db_table not in found)


def is_read_only(using: str) -> bool:
    """Say whether the database refuses writes, as a replica does; of SQLite never."""
    connection = connections[using]
    statements = {"postgresql": "SHOW transaction_read_only", "mysql": "SELECT @@global.read_only"}
    if connection.vendor not in statements:
        return False
    with connection.cursor() as cursor:
        cursor.execute(statements[connection.vendor])
        return str(cursor.fetchone()[0]).lower() in {"on", "1"}


def _entities_of(alias: str) -> set[str]:
    entities: list[Any] = [model for model in apps.get_models() if issubclass(model, BaseTimestampEntity)]
    return {model._meta.db_table for model in entities if router.allow_migrate_model(alias, model)}


def _tables(using: str) -> set[str]:
    connection = connections[using]
    with connection.cursor() as cursor:
        return set(connection.introspection.table_names(cursor))
