"""Handing events over anew: of a whole log, or of one entity."""

from __future__ import annotations

import logging
import time
from typing import Any, Final

from django.db import connections
from django.db.models import F, QuerySet, Value
from django.db.models.functions import Greatest

from django_clean_timestamps.delivery.handlers import Handler
from django_clean_timestamps.delivery.leases import Deaths, Lease, take_lease
from django_clean_timestamps.delivery.models import ParkedEvent, Subscription
from django_clean_timestamps.delivery.parking import parked_row, queue_up
from django_clean_timestamps.delivery.places import Place
from django_clean_timestamps.delivery.registry import get_handlers
from django_clean_timestamps.delivery.subscriptions import Shard, read_shards
from django_clean_timestamps.eventlog.bounds import log_bounds
from django_clean_timestamps.eventlog.decoding import decoder, selected_columns
from django_clean_timestamps.eventlog.models import Event
from django_clean_timestamps.eventlog.slots import root_label_of, slot_of
from django_clean_timestamps.eventlog.story import labels_of_entity
from django_clean_timestamps.eventlog.transactions import own_transaction
from django_clean_timestamps.events import TimestampEvent
from django_clean_timestamps.exceptions import DeliveryError

__all__ = ["replay", "replay_entity"]

State = ParkedEvent.State
SECONDS_BETWEEN_TRIES: Final = 0.05

logger = logging.getLogger("django_clean_timestamps.delivery")


def replay(handler: str, place: Place, *, from_position: int | None = None) -> int:
    """
    Let a handler hear the log again from a position on; return how many positions lie before it.

    What is under way is rolled back. What it has heard it hears as ``event.replayed``; what is parked from there on is
    heard in its turn.

    Args:
        handler: Its name.
        place: Where its subscription is.
        from_position: The first position; by default the oldest that is retained.

    Raises:
        DeliveryError: There is no subscription, it is being resharded, or the position is not in the log.
    """
    head, oldest = log_bounds(connections[place.log_alias])
    start = oldest if from_position is None else from_position
    if not oldest <= start <= head + 1:
        raise DeliveryError(
            f"Position {start} is not in the log of {place.log_alias!r}, which has {oldest} to {head}; nothing was "
            "changed"
        )
    with own_transaction(connections[place.using]):
        shards = Subscription.objects.using(place.using).filter(handler=handler, log_alias=place.log_alias)
        furthest = _refuse_replay(handler, place, list(shards.select_for_update()))
        shards.filter(cursor__gte=start).update(
            # In this order: MariaDB reads the values that were just written.
            replay_until=Greatest(F("replay_until"), F("cursor")),
            cursor=start - 1,
            epoch=F("epoch") + 1,
            owner="",
            lease_until=None,
            running=None,
            failures=0,
            alone_until=Value(0),
        )
        parked = ParkedEvent.objects.using(place.using).filter(handler=handler, log_alias=place.log_alias)
        parked.filter(position__gte=start).delete()
    count = max(0, furthest - start + 1)
    logger.info("%s hears the log of %r again from position %d, %d positions", handler, place.log_alias, start, count)
    return count


def replay_entity(
    handler: str, place: Place, entity_type: str, entity_id: str, *, from_position: int | None = None
) -> int:
    """
    Park an entity's events anew, in order, so that a handler hears them again; return how many there are.

    Those that it is still to hear in its turn are left out. Later events wait behind these.

    Args:
        handler: Its name.
        place: Where its subscription is.
        entity_type: The entity's label.
        entity_id: Its key as text.
        from_position: The first position; by default the oldest that is retained.

    Raises:
        DeliveryError: The handler is not in the code, or its subscription is not there or is not to be had.
    """
    found = get_handlers().get(handler)
    if found is None:
        raise DeliveryError(f"There is no handler {handler!r} in the code; nothing was changed")
    slot = slot_of(root_label_of(entity_type), entity_id)
    lease = _lease_of(found, place, slot)
    try:
        with own_transaction(lease.connection), lease.undone_on_error():
            events = _events(place.log_alias, entity_type, entity_id, from_position or 0, lease.cursor)
            count = _park_anew(found, place, [event for event in events if found.hears(event)])
            lease.leave()
    finally:
        if lease.is_held:
            lease.release()
    logger.info("%s hears %d events of %s %s again", handler, count, entity_type, entity_id)
    return count


def _refuse_replay(handler: str, place: Place, shards: list[Subscription]) -> int:
    if not shards:
        raise DeliveryError(
            f"{handler!r} has no subscription to the log of {place.log_alias!r}; it begins at its first drain"
        )
    if any(shard.until is not None for shard in shards):
        raise DeliveryError(f"{handler!r} is being resharded; let that come to its end first. Nothing was changed")
    return max(shard.cursor for shard in shards)


def _lease_of(handler: Handler, place: Place, slot: int) -> Lease:
    """Wait for the lease of the shard that has the slot: without it a new event could overtake those parked here."""
    deadline = time.monotonic() + handler.lease_length + 1
    while time.monotonic() < deadline:
        shard = _shard(handler, place, slot)
        if shard.state == Subscription.State.PAUSED:
            raise DeliveryError(f"{handler.name!r} is paused; resume it first. Nothing was changed")
        deaths = Deaths(shard.unfinished, shard.alone_until)
        if not shard.owner and (lease := take_lease(shard, place.using, seconds=handler.lease_length, deaths=deaths)):
            return lease
        time.sleep(SECONDS_BETWEEN_TRIES)
    raise DeliveryError(f"The subscription of {handler.name!r} was busy all the time; nothing was changed. Try again")


def _shard(handler: Handler, place: Place, slot: int) -> Shard:
    for shard in read_shards(place.using, place.log_alias):
        if shard.handler == handler.name and shard.slot_from <= slot <= shard.slot_to:
            return shard
    raise DeliveryError(
        f"{handler.name!r} has no subscription to the log of {place.log_alias!r}; it begins at its first drain"
    )


def _events(log_alias: str, entity_type: str, entity_id: str, start: int, end: int) -> list[TimestampEvent]:
    connection: Any = connections[log_alias]
    labels = labels_of_entity(entity_type)
    table, wanted = connection.ops.quote_name(Event._meta.db_table), ", ".join(["%s"] * len(labels))
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {selected_columns(connection, 'position')} FROM {table} WHERE entity_type IN ({wanted}) "
            "AND entity_id = %s AND position >= %s AND position <= %s ORDER BY position",
            [*labels, entity_id, start, end],
        )
        events = list(map(decoder(connection), cursor.fetchall()))
    # MariaDB may find "a" where "A" was asked for.
    return [event for event in events if event.entity_id == entity_id]


def _park_anew(handler: Handler, place: Place, events: list[TimestampEvent]) -> int:
    if not events:
        return 0
    parked: QuerySet[ParkedEvent, ParkedEvent] = ParkedEvent.objects.using(place.using)
    for event in events:
        # Frozen for everybody else; nobody else has it yet.
        object.__setattr__(event, "replayed", True)
    rows = [parked_row(handler.name, place.log_alias, event, State.WAITING) for event in events]
    mine = parked.filter(handler=handler.name, log_alias=place.log_alias)
    mine.filter(position__in=[row.position for row in rows]).delete()
    parked.bulk_create(rows)
    queue_up(place.using, handler.name, place.log_alias, rows[0].entity_key)
    return len(rows)
