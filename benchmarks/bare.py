"""
``update()`` and ``touch()`` with their events as one would write them by hand for each database.

Two statements in the open transaction: the events are selected from the rows as they are, then the rows are updated.
All columns of the log are filled with what they should hold, but the id is any random UUID and no version 7.

What it leaves out, and the package does: rows that a competing transaction changes between the two statements (they
would have to be locked first), a new stamp that is later than each row's old one (all rows get the same), the texts of
an open context, JSON of metadata, and the rules.
"""

from collections.abc import Callable
from typing import Any

from django.db import connection
from django.db.models import Model
from django.utils import timezone

from benchmarks.models import Entity
from django_clean_timestamps.eventlog.models import Pending
from django_clean_timestamps.eventlog.slots import slot_of

LABEL = "benchmarks.entity"
UPDATED = 2
SCATTERED = "WHERE name LIKE '%%0' OR name LIKE '%%3' OR name LIKE '%%7'"
"""Three of ten rows, scattered over the keys, of rows that are named with their numbers."""

COLUMNS = (
    "event_id, slot, kind, entity_type, entity_id, occurred_at, previous_at, reason, actor, correlation_id, metadata"
)
EXPRESSIONS = {
    "postgresql": (
        "gen_random_uuid(), get_byte(sha256(convert_to('{label}:' || id, 'UTF8')), 0), {kind}, '{label}', id::text, "
        "%s::timestamptz, updated_at, %s, '', '', NULL"
    ),
    "mysql": (
        "UUID(), CONV(LEFT(SHA2(CONCAT('{label}:', id), 256), 2), 16, 10), {kind}, '{label}', id, %s, updated_at, %s, "
        "'', '', NULL"
    ),
    # SQLite has no hash, so it must be lent one.
    "sqlite": (
        "lower(hex(randomblob(16))), benchmarks_slot(id), {kind}, '{label}', id, %s, updated_at, %s, '', '', NULL"
    ),
}


def update(_model: type[Model], _rows: Any) -> None:
    _update("name = %s, updated_at = %s", "another name", _now())


def update_with_events(_model: type[Model], _rows: Any) -> None:
    now = _now()
    _insert_events(now, "entity_updated")
    _update("name = %s, updated_at = %s", "another name", now)


def update_scattered(_model: type[Model], _rows: Any) -> None:
    _update("name = %s, updated_at = %s", "another name", _now(), where=SCATTERED)


def update_scattered_with_events(_model: type[Model], _rows: Any) -> None:
    now = _now()
    _insert_events(now, "entity_updated", where=SCATTERED)
    _update("name = %s, updated_at = %s", "another name", now, where=SCATTERED)


def touch(_model: type[Model], _rows: Any) -> None:
    _update("updated_at = %s", _now())


def touch_with_events(_model: type[Model], _rows: Any) -> None:
    now = _now()
    _insert_events(now, "reviewed")
    _update("updated_at = %s", now)


def _now() -> Any:
    return connection.ops.adapt_datetimefield_value(timezone.now())


def _update(assignments: str, *values: Any, where: str = "") -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {Entity._meta.db_table} SET {assignments} {where}", values)


def _insert_events(now: Any, reason: str, where: str = "") -> None:
    expressions = EXPRESSIONS[connection.vendor].format(label=LABEL, kind=UPDATED)
    if connection.vendor == "sqlite":
        connection.connection.create_function("benchmarks_slot", 1, _slot, deterministic=True)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {Pending._meta.db_table} ({COLUMNS}) "
            f"SELECT {expressions} FROM {Entity._meta.db_table} {where}",
            [now, reason],
        )


_slot: Callable[[int], int] = lambda key: slot_of(LABEL, str(key))  # noqa: E731
