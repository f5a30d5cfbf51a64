"""The story of one entity: its events, newest first, from the log and from what is pending."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, Final

from django.apps import apps
from django.db import connections, transaction
from django.db.models import F, QuerySet
from django.db.models.expressions import Subquery

from django_clean_timestamps.eventlog.insertion import naming_missing_tables
from django_clean_timestamps.eventlog.models import Event, Pending
from django_clean_timestamps.eventlog.slots import root_label_of
from django_clean_timestamps.stamping.entity import BaseTimestampEntity
from django_clean_timestamps.unit_of_work import write_pending

__all__ = [
    "PENDING_WINDOW",
    "entity_events",
    "entity_labels",
    "entity_story",
    "labels_of_entity",
    "newest_pending",
    "reading_log",
]

PENDING_WINDOW: Final = 10_000
"""How many of the newest pending events are looked through: they have no index but their number."""


def entity_story(labels: Sequence[str], entity_id: str, *, using: str, limit: int) -> list[Event | Pending]:
    """
    Return the newest events of an entity, newest first, by two statements; what is pending has no position yet.

    Args:
        labels: The entity's types, see :func:`labels_of_entity`.
        entity_id: Its key as text.
        using: The log's database alias.
        limit: How many events at most.
    """
    # In this order: what gets its position between the two reads is found twice. In the other it would be missed.
    waiting = list(newest_pending(using, labels).filter(entity_id=entity_id)[:limit])
    placed = entity_events(Event.objects.using(using), labels, entity_id, limit=limit)
    found_ids = {event.event_id for event in placed}
    story: list[Event | Pending] = [event for event in waiting if event.event_id not in found_ids]
    return [*story, *placed][:limit]


def entity_events(
    events: QuerySet[Event, Event],
    labels: Sequence[str],
    entity_id: str,
    *,
    limit: int,
    oldest_first: bool = False,
) -> list[Event]:
    """
    Return an entity's events, at most ``limit``, by one statement.

    However many events the log and the entity have, each label costs at most ``limit`` steps in the index
    ``(entity_type, entity_id, position)`` where ``events`` asks for nothing but positions.

    Args:
        events: Which events are considered, of which database.
        labels: The entity's types.
        entity_id: Its key as text.
        limit: How many events at most.
        oldest_first: Whether to begin at the oldest one.
    """
    if not labels:
        return []
    order = "position" if oldest_first else "-position"
    connection: Any = connections[events.db]
    write_pending(connection)
    statements, params = [], []
    for number, label in enumerate(labels):
        part = events.filter(entity_type=label, entity_id=entity_id).order_by(order)[:limit]
        sql, values = part.query.get_compiler(using=events.db).as_sql()
        statements.append(f"SELECT * FROM ({sql}) part{number}")
        params += values
    # A union of limited parts, which Django's own cannot be on SQLite: with IN, a planner that expects many matches
    # walks the whole log for the newest.
    direction = "ASC" if oldest_first else "DESC"
    union = f"{' UNION ALL '.join(statements)} ORDER BY position {direction} LIMIT {int(limit)}"
    return list(Event.objects.using(events.db).raw(union, params))


def newest_pending(using: str, labels: Iterable[str] | None = None) -> QuerySet[Pending, Pending]:
    """
    Return what of the newest 10,000 pending events is of these types (None for all), newest first.

    Args:
        using: The log's database alias.
        labels: The entity types.
    """
    pending = Pending.objects.using(using)
    newest = pending.order_by("-id").annotate(_from=F("id") - PENDING_WINDOW).values("_from")[:1]
    found = pending.filter(id__gt=Subquery(newest)).order_by("-id")
    return found if labels is None else found.filter(entity_type__in=list(labels))


def labels_of_entity(entity_type: str) -> tuple[str, ...]:
    """
    Return the entity types that one entity's events can have, in alphabetical order.

    A multi-table child, its parents and their other children share one identity. A model that is not installed (any
    more) stands alone.
    """
    root = root_label_of(entity_type)
    return tuple(sorted({entity_type, *(label for label in entity_labels() if root_label_of(label) == root)}))


def entity_labels() -> tuple[str, ...]:
    """Return the entity types of the installed models, in alphabetical order."""
    return tuple(
        sorted(
            model._meta.label_lower
            for model in apps.get_models()
            if issubclass(model, BaseTimestampEntity) and not model._meta.proxy
        )
    )


@contextmanager
def reading_log(using: str) -> Iterator[None]:
    """
    Let a block read the log; a transaction that is open stays usable where the tables are missing.

    Raises:
        EventLogMissingError: They are.
    """
    connection = connections[using]
    # After an error PostgreSQL takes nothing more but the way back to a savepoint.
    block = transaction.atomic(using=using) if connection.in_atomic_block else nullcontext()
    with naming_missing_tables(connection), block:
        yield
