"""What would break the event log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.core import checks
from django.core.checks import CheckMessage
from django.db import connections, router

from django_clean_timestamps.checks.entities import entities
from django_clean_timestamps.checks.names import NAMED
from django_clean_timestamps.conf import get_settings
from django_clean_timestamps.eventlog.aliases import LOG_MODELS, entity_aliases, holds_entities, missing_tables
from django_clean_timestamps.eventlog.models import Pending
from django_clean_timestamps.exceptions import InvalidSettingError

__all__ = ["check_log_database", "check_routers"]


def check_routers(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Report routers that keep the log's tables from a database which entities are in (E020)."""
    found: list[CheckMessage] = []
    for alias in entity_aliases() if _writes_events() else ():
        refused = [model._meta.label for model in LOG_MODELS if not router.allow_migrate_model(alias, model)]
        if refused:
            labels = sorted(model._meta.label for model in entities(None) if router.allow_migrate_model(alias, model))
            found.append(
                checks.Error(
                    f"DATABASE_ROUTERS let entities ({_shortened(labels)}) be in the database {alias!r}, but not the "
                    f"log that their events are written to ({', '.join(refused)}): every write would fail.",
                    hint=f"Let allow_migrate({alias!r}, 'clean_timestamps') return True or None, or keep the entities "
                    "from that database.",
                    id=NAMED.format("E020"),
                )
            )
    return found


def check_log_database(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """Look into databases: for missing tables (W021), and for ids that are not given in order (E022, W024)."""
    found: list[CheckMessage] = []
    logs = set(entity_aliases()) if _writes_events() else ()
    for alias in databases or ():
        if alias not in logs or not all(router.allow_migrate_model(alias, model) for model in LOG_MODELS):
            continue
        missing = missing_tables(alias)
        if missing:
            found += _report_missing(alias, missing)
        else:
            found += _check_ids(alias)
    return found


def _report_missing(alias: str, missing: Sequence[str]) -> Iterator[CheckMessage]:
    # No error: migrate, which makes them, runs this check first.
    if holds_entities(alias):
        yield checks.Warning(
            f"The database {alias!r} holds entities, but the log that their events are written to is missing "
            f"({', '.join(missing)}): every write fails.",
            hint=f"Run 'manage.py migrate clean_timestamps --database {alias}', or set CLEAN_TIMESTAMPS = "
            "{'EVENTS': False} to write no events.",
            id=NAMED.format("W021"),
        )


def _check_ids(alias: str) -> Iterator[CheckMessage]:
    connection = connections[alias]
    table = Pending._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT seqrelid::regclass::text, seqcache FROM pg_sequence "
                "WHERE seqrelid = pg_get_serial_sequence(%s, 'id')::regclass AND seqcache > 1",
                [table],
            )
            for sequence, cache in cursor.fetchall():
                yield checks.Error(
                    f"The sequence {sequence} in {alias!r} has a cache of {cache}, so each connection gives ids from a "
                    "stock of its own, and the events of an entity lose their order.",
                    hint=f"Run 'ALTER SEQUENCE {sequence} CACHE 1' on it.",
                    id=NAMED.format("E022"),
                )
        elif connection.vendor == "mysql":
            cursor.execute("SELECT @@auto_increment_increment")
            (increment,) = cursor.fetchone()
            if increment > 1:
                yield checks.Warning(
                    f"auto_increment_increment is {increment} in {alias!r}, as in a cluster whose nodes each give "
                    "ids of their own. Where several are written to, the events of an entity lose their order.",
                    hint=f"Write to one node of the cluster, and silence {NAMED.format('W024')}; or set "
                    "auto_increment_increment to 1.",
                    id=NAMED.format("W024"),
                )


def _writes_events() -> bool:
    try:
        return get_settings().events
    except InvalidSettingError:
        # E001 or E002 has told.
        return False


def _shortened(labels: Sequence[str]) -> str:
    return ", ".join(labels[:3]) + (f" and {len(labels) - 3} more" if len(labels) > 3 else "")
