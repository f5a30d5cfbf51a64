"""Which migrations of this package a database lacks."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from typing import Any, Final

from django.db import router
from django.db.migrations.loader import MigrationLoader

__all__ = ["APP_LABEL", "unapplied_migrations"]

APP_LABEL: Final = "clean_timestamps"

TABLE: Final = "django_migrations"


def unapplied_migrations(connection: Any) -> tuple[str, ...]:
    """
    Return the names of this package's migrations that are not applied, in order; none where no router wants them.

    Reads names alone, and only this package's: Django's loader imports the migrations of every app.

    Args:
        connection: Where; it need not be that of ``django.db.connections``.

    Raises:
        Error: The database cannot be asked.
    """
    module, _ = MigrationLoader.migrations_module(APP_LABEL)
    if module is None or not router.allow_migrate(connection.alias, APP_LABEL):
        return ()
    found = [name for _, name, is_package in pkgutil.iter_modules(import_module(module).__path__) if not is_package]
    applied = _applied(connection)
    return tuple(name for name in sorted(found) if name[0] not in "_~" and name not in applied)


def _applied(connection: Any) -> set[str]:
    # Not Django's recorder: that reads over the connection that the alias has in this thread.
    with connection.cursor() as cursor:
        if TABLE not in connection.introspection.table_names(cursor):
            return set()
        cursor.execute(f"SELECT name FROM {TABLE} WHERE app = %s", [APP_LABEL])  # noqa: S608 - no value
        return {name for (name,) in cursor.fetchall()}
