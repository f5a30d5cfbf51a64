"""
Parked events: those that a handler failed on, and those of the same entity that wait behind them.

Everything here is called by whoever has the lease of the subscription that the entity belongs to.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import timedelta
from typing import Final

from django.db.models import QuerySet

from django_clean_timestamps.conf import get_settings
from django_clean_timestamps.delivery.failures import full_jitter
from django_clean_timestamps.delivery.handlers import Handler, OnDead
from django_clean_timestamps.delivery.models import ParkedEvent
from django_clean_timestamps.delivery.registry import get_handlers
from django_clean_timestamps.delivery.subscriptions import Shard
from django_clean_timestamps.delivery.windows import entity_key
from django_clean_timestamps.eventlog.fields import DatabaseNow, database_now
from django_clean_timestamps.eventlog.slots import root_label_of, slot_of
from django_clean_timestamps.events import TimestampEvent

__all__ = ["Parking", "let_go", "parked_row", "queue_up"]

State = ParkedEvent.State

KEYS_ALIKE: Final = 50
"""How many rows are looked through for one of an entity, whose keys another's may differ from by case alone."""


class Parking:
    """
    The parked events of one handler and one log.

    Args:
        handler: The handler.
        log_alias: The log's database alias.
    """

    def __init__(self, handler: Handler, log_alias: str) -> None:
        self.handler = handler
        self.log_alias = log_alias
        self.using = handler.alias_for(log_alias)

    def rows(self) -> QuerySet[ParkedEvent, ParkedEvent]:
        """Return all of them."""
        return ParkedEvent.objects.using(self.using).filter(handler=self.handler.name, log_alias=self.log_alias)

    def held_keys(self, keys: Collection[str]) -> set[str]:
        """Return those entities whose events must wait behind a parked one."""
        holding = _holding(self.handler.on_dead)
        found = self.rows().filter(entity_key__in=keys, state__in=holding).values_list("entity_key", flat=True)
        # MariaDB may find "a" where "A" was asked for.
        return set(found) & set(keys)

    def due(self, shard: Shard, limit: int) -> list[ParkedEvent]:
        """Return the events of a shard that are due, those that have waited longest first."""
        due = self.rows().filter(state=State.RETRY, available_at__lte=DatabaseNow())
        return list(due.filter(slot__range=(shard.slot_from, shard.slot_to)).order_by("available_at", "id")[:limit])

    def park(self, event: TimestampEvent, *, state: str, attempts: int, seconds: float, error: str) -> None:
        """Park an event that failed, to be tried again in so many seconds, or dead."""
        row = self._row(event, state)
        row.attempts, row.last_error = attempts, error
        row.available_at = database_now(self.using) + timedelta(seconds=seconds)
        row.save(using=self.using, force_insert=True)

    def park_behind(self, events: Iterable[TimestampEvent]) -> None:
        """
        Park events that wait behind earlier ones of their entities; one that is parked already stays as it is.

        The earlier one may have been skipped since it was looked for: then the first of these is due.
        """
        rows = [self._row(event, State.WAITING) for event in events]
        ParkedEvent.objects.using(self.using).bulk_create(rows, ignore_conflicts=True)
        for key in dict.fromkeys(row.entity_key for row in rows):
            self.let_go(key)

    def claim(self, parked: ParkedEvent) -> bool:
        """
        Count an attempt before it is made, so that one which ends its process counts too; say if it may be made.

        Should the process die, it is due again after its backoff.
        """
        later = database_now(self.using) + timedelta(seconds=self.backoff_seconds(parked.attempts))
        claimed = self._as_seen(parked).update(attempts=parked.attempts + 1, available_at=later)
        parked.attempts += 1
        parked.available_at = later
        return bool(claimed)

    def settle(self, parked: ParkedEvent) -> bool:
        """Let go of an event that was handled; say if it was still to be handled."""
        count, _ = self._as_seen(parked).delete()
        return bool(count)

    def postpone(self, parked: ParkedEvent, *, state: str, attempts: int, seconds: float, error: str) -> None:
        """Put an event that failed again to its next attempt, or to the dead, unless somebody has skipped it."""
        later = database_now(self.using) + timedelta(seconds=seconds)
        self._as_seen(parked).update(state=state, attempts=attempts, available_at=later, last_error=error)

    def let_go(self, key: str) -> None:
        """Make the first event that waits of an entity due, where none is to be retried before it."""
        let_go(self.using, self.handler.name, self.log_alias, key)

    def backoff_seconds(self, attempts: int) -> float:
        """Return how long to wait after so many failed attempts, by chance."""
        base, cap = get_settings().backoff_seconds
        return full_jitter(attempts, base=timedelta(seconds=base), cap=timedelta(seconds=cap)).total_seconds()

    def _as_seen(self, parked: ParkedEvent) -> QuerySet[ParkedEvent, ParkedEvent]:
        return self.rows().filter(id=parked.id, state=State.RETRY, attempts=parked.attempts)

    def _row(self, event: TimestampEvent, state: str) -> ParkedEvent:
        return parked_row(self.handler.name, self.log_alias, event, state)


def parked_row(handler: str, log_alias: str, event: TimestampEvent, state: str) -> ParkedEvent:
    """Return the row of an event that is to be parked, not saved yet."""
    return ParkedEvent(
        handler=handler,
        log_alias=log_alias,
        slot=slot_of(root_label_of(event.entity_type), event.entity_id),
        position=event.position or 0,
        entity_key=entity_key(event),
        event=event.to_dict(),
        state=state,
    )


def let_go(using: str, handler: str, log_alias: str, key: str) -> None:
    """
    Make the first event that waits of an entity due, where nothing is before it.

    Locks what is before it until COMMIT, so that of one who parks and one who skips the later sees what the other did.
    """
    found = get_handlers().get(handler)
    rows = ParkedEvent.objects.using(using).filter(handler=handler, log_alias=log_alias, entity_key=key)
    queued = rows.filter(state__in=_holding(found.on_dead if found else "skip")).order_by("position")
    # Not simply the first row: MariaDB may find another entity's.
    first = next((row for row in queued.select_for_update()[:KEYS_ALIKE] if row.entity_key == key), None)
    if first is not None and first.state == State.WAITING:
        rows.filter(id=first.id).update(state=State.RETRY, attempts=0, available_at=DatabaseNow())


def _holding(on_dead: OnDead) -> list[str]:
    return [State.RETRY, State.WAITING, *([State.DEAD] if on_dead == "block" else [])]


def queue_up(using: str, handler: str, log_alias: str, key: str) -> None:
    """Make the first of an entity's events that wait or are to be retried due, and let the others wait behind it."""
    rows = ParkedEvent.objects.using(using).filter(handler=handler, log_alias=log_alias, entity_key=key)
    queued = rows.filter(state__in=[State.RETRY, State.WAITING]).order_by("position").select_for_update()
    ids = [row.id for row in queued if row.entity_key == key]
    rows.filter(id__in=ids[1:], state=State.RETRY).update(state=State.WAITING)
    rows.filter(id__in=ids[:1]).update(state=State.RETRY, available_at=DatabaseNow())
