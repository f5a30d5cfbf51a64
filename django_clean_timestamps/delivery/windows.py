"""Windows: the ranges of positions that batches are read from."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from django.db import connections

from django_clean_timestamps.conf import get_settings
from django_clean_timestamps.delivery.handlers import Handler
from django_clean_timestamps.delivery.subscriptions import Shard
from django_clean_timestamps.eventlog.decoding import decoder, selected_columns
from django_clean_timestamps.eventlog.models import Event
from django_clean_timestamps.eventlog.slots import root_label_of
from django_clean_timestamps.events import TimestampEvent
from django_clean_timestamps.exceptions import UnreadableEventError

__all__ = ["Window", "entity_key", "read_window"]

POSITIONS_A_ROW: Final = 20
"""How many positions a window may be long for each event that a batch takes, where a handler hears some of them."""


class Window(NamedTuple):
    """
    What was read.

    Attributes:
        events: Those that the handler hears, in order, at most ``BATCH_SIZE``.
        end: The position that is done with once they are.
        problem: What keeps the subscription from going further, "" for nothing.
    """

    events: tuple[TimestampEvent, ...]
    end: int
    problem: str = ""


def entity_key(event: TimestampEvent) -> str:
    """Return what tells one entity from another: a multi-table child and its parent are one."""
    return f"{root_label_of(event.entity_type)}:{event.entity_id}"


def read_window(handler: Handler, shard: Shard, log_alias: str, head: int) -> Window:
    """
    Return the events that come after a subscription's cursor.

    An event that a newer release wrote ends the window before it, and is its ``problem``.

    Args:
        handler: The subscription's handler.
        shard: The subscription.
        log_alias: The log's database alias.
        head: The last position given.
    """
    size = get_settings().batch_size
    is_partial = handler.is_filtered or not shard.is_whole
    end = min(shard.end(head), shard.cursor + size * (POSITIONS_A_ROW if is_partial else 1))
    if end <= shard.cursor:
        return Window(events=(), end=shard.cursor)
    connection: Any = connections[log_alias]
    rows = _read(connection, handler, shard, end, size)
    if len(rows) == size:
        end = rows[-1][0]
    return _decode(connection, shard, rows, end)


def _read(connection: Any, handler: Handler, shard: Shard, end: int, size: int) -> list[tuple[Any, ...]]:
    wanted = ""
    params: list[Any] = [shard.cursor, end]
    if not shard.is_whole:
        wanted += f" AND slot BETWEEN {int(shard.slot_from)} AND {int(shard.slot_to)}"
    if handler.event_types:
        wanted += f" AND kind IN ({', '.join(str(kind) for kind in handler.kinds)})"
    if handler.labels is not None:
        # SQLite, which knows nothing of how the rows are spread, would read all of a model's events by their index.
        column = "+entity_type" if connection.vendor == "sqlite" else "entity_type"
        wanted += f" AND {column} IN ({', '.join(['%s'] * len(handler.labels))})"
        params += handler.labels
    events = connection.ops.quote_name(Event._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {selected_columns(connection, 'position')} FROM {events} "
            f"WHERE position > %s AND position <= %s{wanted} ORDER BY position LIMIT {int(size)}",
            params,
        )
        return list(cursor.fetchall())


def _decode(connection: Any, shard: Shard, rows: list[tuple[Any, ...]], end: int) -> Window:
    decode = decoder(connection)
    events: list[TimestampEvent] = []
    problem = ""
    for row in rows:
        try:
            event = decode(row)
        except UnreadableEventError as error:
            end, problem = row[0] - 1, str(error)
            break
        if row[0] <= shard.replay_until:
            # Frozen for everybody else; nobody else has it yet.
            object.__setattr__(event, "replayed", True)
        events.append(event)
    return Window(events=tuple(events), end=end, problem=problem)
