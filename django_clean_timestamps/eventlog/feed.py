"""The feed: what changed since a cursor, in order of position."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Final

from django.apps import apps
from django.db import connections, router
from django.db.models import Model

from django_clean_timestamps.eventlog.bounds import log_bounds
from django_clean_timestamps.eventlog.cursor import Cursor, read_cursor, write_cursor
from django_clean_timestamps.eventlog.decoding import decoder, selected_columns
from django_clean_timestamps.eventlog.insertion import naming_missing_tables
from django_clean_timestamps.eventlog.lasting import make_last
from django_clean_timestamps.eventlog.models import Event
from django_clean_timestamps.eventlog.sequencer import sequence
from django_clean_timestamps.eventlog.transactions import can_begin
from django_clean_timestamps.events import TimestampEvent
from django_clean_timestamps.exceptions import BadCursor, CursorExpired
from django_clean_timestamps.unit_of_work import write_pending

__all__ = ["MAX_LIMIT", "Page", "changed_since", "labels_of"]

MAX_LIMIT: Final = 10_000
WINDOW: Final = 20
"""How many times its limit in positions a page by model looks through at most."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """
    One page of the feed.

    Attributes:
        changes: The events, in order of position; possibly none although there are more, where none of those that
            were looked through is of the models asked for.
        cursor: What to ask for next; to be kept once the changes have been dealt with.
        has_more: Whether there was more when the page was read.
    """

    changes: tuple[TimestampEvent, ...]
    cursor: str
    has_more: bool


def changed_since(
    cursor: str | None = None,
    *,
    models: Sequence[type[Model] | str] | None = None,
    limit: int = 500,
    using: str | None = None,
) -> Page:
    """
    Return the events that came after a cursor.

    What is committed gets its positions first, so that a page misses nothing and an entity's events are in order.
    Inside an open transaction it only reads what has positions already (a ``TestCase``'s own excepted). Reads the
    database that entities are written to, never a replica. On MySQL and MariaDB it commits a change of one row before
    it gives what another process has sequenced, so that no crash of the server takes back what was given.

    Args:
        cursor: The last page's cursor; None for the oldest event that is retained.
        models: Classes or labels (``"app.model"``) whose events are wanted, None for all. A proxy's are its concrete
            model's. Labels of models that are gone will do.
        limit: How many events at most, from 1 to 10,000.
        using: The log's database alias; by default the cursor's, or where the models (all the same) are written.

    Raises:
        BadCursor: The cursor was changed, or is of another log.
        CursorExpired: Events behind the cursor were pruned; take what is there now and start anew.
        ValueError: ``limit`` is out of bounds, a text is no label, or the models are written to several databases.
        TypeError: ``models`` holds something else than models and labels.
        EventLogMissingError: The tables are not there.

    Example:
        ::

            page = changed_since(stored_cursor)
            for event in page.changes:
                search_index.refresh(event.entity_type, event.entity_id)
            store(page.cursor)
    """
    if isinstance(limit, bool) or not isinstance(limit, int) or not 1 <= limit <= MAX_LIMIT:
        raise ValueError(f"limit is {limit!r}; a whole number from 1 to {MAX_LIMIT} is wanted")
    labels = None if models is None else labels_of(models)
    start = None if cursor is None else read_cursor(cursor, using)
    alias = using or (start.using if start is not None else _alias_of(models))
    if alias not in connections:
        raise BadCursor(f"The log of {alias!r} is no database of this site; it has {', '.join(connections)}")
    connection: Any = connections[alias]
    if can_begin(alias):
        sequence(alias)
    else:
        write_pending(connection)
    with naming_missing_tables(connection):
        return _read(connection, start, labels, limit)


def labels_of(models: Sequence[type[Model] | str]) -> tuple[str, ...]:
    """
    Return the entity types that classes and labels stand for.

    Raises:
        TypeError: One is neither.
        ValueError: A text is no label.
    """
    if isinstance(models, str) or not isinstance(models, Sequence):
        raise TypeError(f"models takes a sequence of classes or labels, not {models!r}")
    return tuple(dict.fromkeys(map(_label_of, models)))


def _label_of(model: type[Model] | str) -> str:
    found: Any = _model_of(model)
    return str(model).lower() if found is None else (found._meta.concrete_model or found)._meta.label_lower


def _model_of(model: type[Model] | str) -> type[Model] | None:
    """Return the class, None of the label of a model that is gone."""
    found: Any = model
    if isinstance(model, str):
        if model.count(".") != 1:
            raise ValueError(f"{model!r} is no label of a model; one looks like 'app_label.model'")
        try:
            found = apps.get_model(model)
        except LookupError:
            return None
    if not (isinstance(found, type) and issubclass(found, Model)):
        raise TypeError(f"{model!r} is neither a model nor the label of one")
    return found


def _alias_of(models: Sequence[type[Model] | str] | None) -> str:
    aliases = {router.db_for_write(found) for model in models or () if (found := _model_of(model)) is not None}
    aliases = aliases or {router.db_for_write(Event)}
    if len(aliases) > 1:
        raise ValueError(
            f"The models are written to {', '.join(sorted(aliases))}, each of which has a log of its own; name one "
            "with using= and read one after the other"
        )
    return aliases.pop()


def _read(connection: Any, start: Cursor | None, labels: tuple[str, ...] | None, limit: int) -> Page:
    head, oldest = log_bounds(connection)
    position = oldest - 1 if start is None else start.position
    _refuse_gap(connection, position, head, oldest)
    if start is None or head > position:
        make_last(connection, head)
    end = min(head, position + (limit if labels is None else limit * WINDOW))
    rows = _rows(connection, position, end, labels, limit) if end > position else ()
    if end > position and not (labels is None and rows and rows[0][0] == position + 1):
        # Positions are dense, so something was pruned since the first look, or only the models' rows were asked for.
        _refuse_gap(connection, position, *log_bounds(connection))
    if len(rows) == limit:
        end = rows[-1][0]
    decode = decoder(connection)
    changes = tuple([decode(row) for row in rows])
    cursor = write_cursor(Cursor(connection.alias, max(position, end)))
    return Page(changes=changes, cursor=cursor, has_more=end < head)


def _refuse_gap(connection: Any, position: int, head: int, oldest: int) -> None:
    # In an open transaction an old snapshot may be read, which ends before the cursor.
    if position > head and can_begin(connection.alias):
        raise BadCursor(
            f"The cursor is at position {position} and the log of {connection.alias!r} ends at {head}: it was emptied "
            "or restored from a backup. Start anew with cursor=None"
        )
    if position < oldest - 1:
        raise CursorExpired(
            f"The cursor is at position {position} and the log of {connection.alias!r} begins at {oldest}: what lay "
            "between was pruned. Read the rows themselves, then go on with cursor=None"
        )


def _rows(
    connection: Any, position: int, end: int, labels: tuple[str, ...] | None, limit: int
) -> Sequence[tuple[Any, ...]]:
    columns, events = selected_columns(connection, "position"), connection.ops.quote_name(Event._meta.db_table)
    params: list[Any] = [position, end]
    chosen = ""
    if labels is not None:
        # SQLite, which knows nothing of how the rows are spread, would read all of a model's events by their index.
        column = "+entity_type" if connection.vendor == "sqlite" else "entity_type"
        chosen = f"AND {column} IN ({', '.join(['%s'] * len(labels))}) " if labels else "AND 1 = 0 "
        params += labels
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {columns} FROM {events} WHERE position > %s AND position <= %s {chosen}"
            f"ORDER BY position LIMIT {int(limit)}",
            params,
        )
        return cursor.fetchall()  # type: ignore[no-any-return]
