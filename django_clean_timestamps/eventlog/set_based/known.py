"""Events of rows whose keys and stamps are at hand, as after ``bulk_create()``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from django_clean_timestamps.eventlog.encoding import KINDS, Encoder, metadata_as_text
from django_clean_timestamps.eventlog.insertion import insert_pending
from django_clean_timestamps.eventlog.set_based.expressions import Statement, event_insert, time_parameter
from django_clean_timestamps.eventlog.slots import slot_of
from django_clean_timestamps.events.identity import new_event_id
from django_clean_timestamps.stamping.rows import chunks
from django_clean_timestamps.unit_of_work import KnownRow, SharedFacts

__all__ = ["insert_known"]

ROWS_A_STATEMENT: Final = 5_000


def insert_known(connection: Any, facts: SharedFacts, rows: Sequence[KnownRow]) -> None:
    """
    Insert an event for each row, in order.

    The rows travel as one JSON text, which every database unpacks faster than it reads as many parameters.
    """
    if connection.vendor == "mysql" and not _has_json_table(connection):
        insert_pending(connection, _encoded(connection, facts, rows))
        return
    with connection.cursor() as cursor:
        for part in chunks(rows, ROWS_A_STATEMENT):
            cursor.execute(*_statement(connection, facts, part))


def _statement(connection: Any, facts: SharedFacts, rows: Sequence[KnownRow]) -> Statement:
    time = Encoder(connection).time
    first = rows[0]
    if all(row.occurred_at == first.occurred_at and row.previous_at == first.previous_at for row in rows):
        source = Statement(_UNIFORM[connection.vendor], (json.dumps([row.entity_id for row in rows]),))
        insert = event_insert(
            connection,
            facts,
            source,
            entity_id="r.k",
            number="r.i",
            occurred_at=time_parameter(connection, first.occurred_at),
            previous_at=time_parameter(connection, first.previous_at),
        )
    else:
        values = [
            (row.entity_id, str(time(row.occurred_at)), None if row.previous_at is None else str(time(row.previous_at)))
            for row in rows
        ]
        source = Statement(_EACH[connection.vendor], (json.dumps(values),))
        insert = event_insert(connection, facts, source, entity_id="r.k", number="r.i")
    return insert


_UNIFORM: Final = {
    "postgresql": "FROM json_array_elements_text(%s::json) WITH ORDINALITY AS r(k, i) ORDER BY r.i",
    "mysql": "FROM JSON_TABLE(%s, '$[*]' COLUMNS (i FOR ORDINALITY, k VARCHAR(200) PATH '$')) AS r ORDER BY r.i",
    "sqlite": "FROM (SELECT value AS k FROM json_each(%s)) AS r",
}
_EACH: Final = {
    "postgresql": (
        "FROM (SELECT e->>0 AS k, (e->>1)::timestamptz AS n, (e->>2)::timestamptz AS o, i "
        "FROM json_array_elements(%s::json) WITH ORDINALITY AS t(e, i)) AS r ORDER BY r.i"
    ),
    "mysql": (
        "FROM JSON_TABLE(%s, '$[*]' COLUMNS (i FOR ORDINALITY, k VARCHAR(200) PATH '$[0]', "
        "n DATETIME(6) PATH '$[1]', o DATETIME(6) PATH '$[2]')) AS r ORDER BY r.i"
    ),
    "sqlite": (
        "FROM (SELECT json_extract(value, '$[0]') AS k, json_extract(value, '$[1]') AS n, "
        "json_extract(value, '$[2]') AS o FROM json_each(%s)) AS r"
    ),
}


def _has_json_table(connection: Any) -> bool:
    """MariaDB has JSON_TABLE() from 10.6 on, MySQL in every release that Django supports."""
    return not connection.mysql_is_mariadb or connection.mysql_version >= (10, 6)


def _encoded(connection: Any, facts: SharedFacts, rows: Sequence[KnownRow]) -> list[tuple[Any, ...]]:
    encoder = Encoder(connection)
    return [
        (
            encoder.identifier(new_event_id(facts.reading)),
            slot_of(facts.root_label, row.entity_id),
            KINDS[facts.kind],
            facts.entity_type,
            row.entity_id,
            encoder.time(row.occurred_at),
            None if row.previous_at is None else encoder.time(row.previous_at),
            facts.reason,
            facts.actor,
            facts.correlation_id,
            metadata_as_text(facts.metadata),
        )
        for row in rows
    ]
