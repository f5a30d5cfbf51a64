"""
The columns of an event as SQL over ``r``, the rows of a set-based write.

``r`` has a key ``k``, the new stamp ``n`` and the old one ``o``. What all rows share comes as parameters.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple

from django.db.models import Model

from django_clean_timestamps.eventlog.encoding import KINDS, WRITTEN, Encoder, metadata_as_text
from django_clean_timestamps.eventlog.insertion import pending_table, quoted
from django_clean_timestamps.eventlog.slots import slot_of
from django_clean_timestamps.events.identity import new_event_id
from django_clean_timestamps.stamping.identity import KeyKind, sql_key_kind
from django_clean_timestamps.unit_of_work import SharedFacts

__all__ = ["OLD", "Statement", "event_insert", "key_as_number", "key_as_text", "time_parameter"]


class Statement(NamedTuple):
    """SQL and its parameters."""

    sql: str
    params: tuple[Any, ...]


NOTHING: Final = Statement("", ())
NEW: Final = Statement("r.n", ())
OLD: Final = Statement("r.o", ())

_LAST_BITS: Final = (1 << 60) - 1
_HAS_SLOT: Final = "_clean_timestamps_has_slot"


def event_insert(
    connection: Any,
    facts: SharedFacts,
    rows: Statement,
    *,
    entity_id: str,
    number: str | None = None,
    occurred_at: Statement = NEW,
    previous_at: Statement = OLD,
    with_: Statement = NOTHING,
) -> Statement:
    """
    Return the INSERT of an event for each row of ``r``.

    Args:
        connection: The rows' connection.
        facts: What the events share.
        rows: ``FROM … AS r`` and what comes after it.
        entity_id: The entity id as SQL over ``r``.
        number: A whole number that no other row of ``r`` has, as SQL over it, if there is one.
        occurred_at: The new stamp as SQL over ``r``.
        previous_at: The column of that name as SQL over ``r``.
        with_: The ``WITH`` that ``rows`` refers to.
    """
    vendor = connection.vendor
    cast = _PG_CASTS if vendor == "postgresql" else {}
    identifier, identifier_params = _IDENTIFIERS[vendor](facts, number)
    slot, slot_params = _SLOTS[vendor](connection, facts, entity_id)
    shared = {
        "kind": KINDS[facts.kind],
        "entity_type": facts.entity_type,
        "reason": facts.reason,
        "actor": facts.actor,
        "correlation_id": facts.correlation_id,
        "metadata": metadata_as_text(facts.metadata),
    }
    computed = {
        "event_id": (identifier, identifier_params),
        "slot": (slot, slot_params),
        "entity_id": (entity_id, ()),
        "occurred_at": occurred_at,
        "previous_at": previous_at,
    }
    columns: list[str] = []
    params: list[Any] = []
    for name in WRITTEN:
        if name in computed:
            sql, own = computed[name]
            columns.append(sql)
            params += own
        else:
            columns.append(f"%s{cast.get(name, '')}")
            params.append(shared[name])
    head = f"INSERT INTO {pending_table(connection)} ({quoted(connection, WRITTEN)})"
    # PostgreSQL takes an UPDATE in a WITH only before the INSERT, MySQL and MariaDB take a WITH only after it; and of
    # what does not begin with INSERT, Python's SQLite does not count the rows.
    head = f"{with_.sql} {head}" if vendor == "postgresql" else f"{head} {with_.sql}"
    return Statement(f"{head} SELECT {', '.join(columns)} {rows.sql}", (*with_.params, *params, *rows.params))


_PG_CASTS = {
    "kind": "::smallint",
    "entity_type": "::varchar",
    "reason": "::varchar",
    "actor": "::varchar",
    "correlation_id": "::varchar",
    "metadata": "::jsonb",
}


# The event's id: version 7 of the shared reading. Its last 60 bits are random in each row; or, where the rows have
# numbers, these, each XORed with the same random bits, which takes PostgreSQL and MariaDB a quarter of the time. Ids
# of two statements meet no more often so: it would take the same bits but for those in which the numbers differ.


def _postgresql_identifier(facts: SharedFacts, number: str | None) -> tuple[str, tuple[Any, ...]]:
    shared = new_event_id(facts.reading)
    if number is not None:
        tail = f"lpad(to_hex(({number}::bigint # %s) & {_LAST_BITS}), 15, '0')"
        return f"(%s || {tail})::uuid", (shared.hex[:17], shared.int & _LAST_BITS)
    # The last 64 bits of a random UUID have the variant at their head already.
    return "(%s || substr(gen_random_uuid()::text, 20))::uuid", (str(shared)[:19],)


def _mysql_identifier(facts: SharedFacts, number: str | None) -> tuple[str, tuple[Any, ...]]:
    shared = new_event_id(facts.reading)
    if number is not None:
        tail = f"LOWER(LPAD(HEX(({number} ^ %s) & {_LAST_BITS}), 15, '0'))"
        return f"CONCAT(%s, {tail})", (shared.hex[:17], shared.int & _LAST_BITS)
    # RANDOM_BYTES() came to MariaDB with 10.10 only. UUID() is never the same twice, but made of the time and the host.
    digits = "MD5(CONCAT(UUID(), RAND()))"
    text = f"CONCAT(%s, ELT(1 + FLOOR(RAND() * 4), '8', '9', 'a', 'b'), LEFT({digits}, 15))"
    return text, (shared.hex[:16],)


def _sqlite_identifier(facts: SharedFacts, number: str | None) -> tuple[str, tuple[Any, ...]]:
    text = "%s || substr('89ab', 1 + (random() & 3), 1) || substr(lower(hex(randomblob(8))), 2)"
    return text, (new_event_id(facts.reading).hex[:16],)


_IDENTIFIERS = {
    "postgresql": _postgresql_identifier,
    "mysql": _mysql_identifier,
    "sqlite": _sqlite_identifier,
}


# The slot, the same as ``slot_of()`` in Python.


def _postgresql_slot(connection: Any, facts: SharedFacts, entity_id: str) -> tuple[str, tuple[Any, ...]]:
    return f"get_byte(sha256(convert_to(%s || {entity_id}, 'UTF8')), 0)", (f"{facts.root_label}:",)


def _mysql_slot(connection: Any, facts: SharedFacts, entity_id: str) -> tuple[str, tuple[Any, ...]]:
    digest = f"SHA2(CONVERT(CONCAT(%s, {entity_id}) USING utf8mb4), 256)"
    return f"CONV(LEFT({digest}, 2), 16, 10)", (f"{facts.root_label}:",)


def _sqlite_slot(connection: Any, facts: SharedFacts, entity_id: str) -> tuple[str, tuple[Any, ...]]:
    # SQLite has no hash of its own. Django registers functions the same way. Once for each connection of the driver's:
    # it refuses to do so again while a statement is under way, as in a loop over iterator().
    connection.ensure_connection()
    driver = connection.connection
    if connection.__dict__.get(_HAS_SLOT) is not driver:
        driver.create_function("clean_timestamps_slot", 2, slot_of, deterministic=True)
        connection.__dict__[_HAS_SLOT] = driver
    return f"clean_timestamps_slot(%s, {entity_id})", (facts.root_label,)


_SLOTS = {"postgresql": _postgresql_slot, "mysql": _mysql_slot, "sqlite": _sqlite_slot}


def time_parameter(connection: Any, moment: datetime | None) -> Statement:
    """Return a time, or none, that is the same for all rows."""
    cast = "::timestamptz" if connection.vendor == "postgresql" else ""
    return Statement(f"%s{cast}", (None if moment is None else Encoder(connection).time(moment),))


def key_as_number(model: type[Model]) -> str | None:
    """Return the key as SQL over ``r`` where it is a whole number."""
    return "r.k" if sql_key_kind(model) is KeyKind.INTEGER else None  # type: ignore[arg-type]


def key_as_text(connection: Any, model: type[Model]) -> str:
    """Return ``str(pk)`` as SQL over ``r.k``, for a model of which that can be said."""
    kind = sql_key_kind(model)  # type: ignore[arg-type]
    if kind is KeyKind.UUID and not connection.features.has_native_uuid_field:
        parts = ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))
        texts = [f"substr(r.k, {start}, {length})" for start, length in parts]
        return f"CONCAT_WS('-', {', '.join(texts)})" if connection.vendor == "mysql" else " || '-' || ".join(texts)
    return {
        "postgresql": "r.k::text",
        "mysql": "CONVERT(r.k USING utf8mb4)",
        "sqlite": "CAST(r.k AS text)",
    }[connection.vendor]
