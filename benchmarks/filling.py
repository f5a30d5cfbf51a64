"""Tables of the log filled by the database itself, with rows as a busy project has them."""

from django.db import connection, transaction

from benchmarks.database import empty
from django_clean_timestamps.eventlog.models import HEAD_KEY, Event, LogHead, Pending

MODELS = ("benchmarks.entity", "benchmarks.parent")
"""The entity types, in turn."""

EVENTS_OF_AN_ENTITY = 10
STEP = 7919
"""Between the keys of two events that follow each other; a prime, so that all keys come."""

PART = 500_000
"""How many rows one transaction inserts."""

COLUMNS = (
    "event_id, schema, slot, kind, entity_type, entity_id, occurred_at, recorded_at, previous_at, reason, actor, "
    "correlation_id, metadata"
)

# The events of an entity are scattered over the log. An actor on each, a request's id on every other.
EXPRESSIONS = {
    "postgresql": (
        "gen_random_uuid(), 1, n %% 256, 2, CASE n %% 2 WHEN 0 THEN '{0}' ELSE '{1}' END, "
        "(n * {step} %% {entities})::text, now(), now(), now(), 'entity_updated', 'user-' || (n %% 997), "
        "CASE n / 2 %% 2 WHEN 0 THEN md5(n::text) ELSE '' END, NULL"
    ),
    "mysql": (
        "UUID(), 1, n %% 256, 2, IF(n %% 2 = 0, '{0}', '{1}'), CONVERT(n * {step} %% {entities} USING utf8mb4), "
        "UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), 'entity_updated', CONCAT('user-', n %% 997), "
        "IF(n DIV 2 %% 2 = 0, MD5(n), ''), NULL"
    ),
    "sqlite": (
        "lower(hex(randomblob(16))), 1, n %% 256, 2, CASE n %% 2 WHEN 0 THEN '{0}' ELSE '{1}' END, "
        "CAST(n * {step} %% {entities} AS text), '2026-01-01 00:00:00.123456', '2026-01-01 00:00:00.123456', "
        "'2026-01-01 00:00:00.123456', 'entity_updated', 'user-' || (n %% 997), "
        "CASE n / 2 %% 2 WHEN 0 THEN lower(hex(randomblob(16))) ELSE '' END, NULL"
    ),
}
NUMBERS = {
    "postgresql": "FROM generate_series({first}::bigint, {last}) AS n",
    "mysql": "FROM (SELECT seq AS n FROM seq_{first}_to_{last}) AS numbers",
    "sqlite": (
        "FROM (WITH RECURSIVE numbers(n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM numbers WHERE n < {last}) "
        "SELECT n FROM numbers)"
    ),
}


def fill_pending(count: int, *, first: int = 1, step: int = STEP, entities: int | None = None) -> None:
    """
    Insert so many pending events.

    Args:
        count: How many.
        first: The number of the first, from which its key is computed.
        step: How far the keys of two that follow each other are apart.
        entities: How many entities there are.
    """
    _fill(Pending._meta.db_table, COLUMNS, "", first, count, step=step, entities=entities)


def fill_events(count: int, table: str = Event._meta.db_table) -> None:
    """Insert so many events under the positions from 1 on."""
    _fill(table, f"position, {COLUMNS}", "n, ", 1, count)


def set_head(position: int) -> None:
    """Let the log end at a position."""
    LogHead.objects.update_or_create(pk=HEAD_KEY, defaults={"position": position})


def empty_log() -> None:
    """Remove all of it."""
    empty(Pending, Event, LogHead)


def _fill(
    table: str, columns: str, number: str, first: int, count: int, *, step: int = STEP, entities: int | None = None
) -> None:
    vendor = connection.vendor
    known = max(entities or count // EVENTS_OF_AN_ENTITY, 1)
    expressions = EXPRESSIONS[vendor].format(*MODELS, step=step, entities=known)
    end = first + count
    for start in range(first, end, PART):
        numbers = NUMBERS[vendor].format(first=start, last=min(end, start + PART) - 1)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"INSERT INTO {table} ({columns}) SELECT {number}{expressions} {numbers}", [])
