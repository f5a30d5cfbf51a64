"""What became of events: which handlers have heard them, which have not yet, and why."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from django_clean_timestamps.delivery.handlers import Handler
from django_clean_timestamps.delivery.models import ParkedEvent, Subscription
from django_clean_timestamps.delivery.registry import get_handlers
from django_clean_timestamps.eventlog.models import Event, Pending

__all__ = ["Fate", "Outcome", "outcomes_of"]


class Fate(StrEnum):
    """What became of one event for one handler."""

    PENDING = "pending"
    """It has no position yet: nobody has sequenced since it was committed."""
    UNBORN = "unborn"
    """The handler has no subscription yet: no drain has run since it came into the code."""
    BEFORE = "before"
    """It came before the handler's subscription began."""
    DUE = "due"
    """The handler is still to hear it in its turn."""
    DELIVERED = "delivered"
    """The handler has heard it, or of a coalescing one a later one of the entity."""
    SENT = "sent"
    """It was published to the handler's own queue; what became of it there is Celery's affair."""
    RETRY = "retry"
    """The handler failed on it, and it is tried again."""
    WAITING = "waiting"
    """It waits behind an earlier one of the entity."""
    DEAD = "dead"
    """The handler failed on it too often."""
    SKIPPED = "skipped"
    """Somebody has given it up."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """
    What became of one event for one handler.

    Attributes:
        handler: The handler's name.
        fate: What became of it.
        attempts: How many attempts have failed.
        available_at: When the next one is due at the earliest, aware, in UTC; None where none is to come.
        error: What the last one failed of, or why it was skipped, "" for nothing.
        lag_count: How many positions lie before it, of one that is due.
        state: That of the subscription: ``active``, ``paused``, ``backing_off``; "" where there is none.
        problem: Why the subscription stands, "" where it does not.
        parked_id: The key of its ``ParkedEvent``, None where it is not parked.
    """

    handler: str
    fate: Fate
    attempts: int = 0
    available_at: datetime | None = None
    error: str = ""
    lag_count: int = 0
    state: str = ""
    problem: str = ""
    parked_id: int | None = None


def outcomes_of(events: Sequence[Event | Pending], log_alias: str) -> dict[UUID, list[Outcome]]:
    """
    Return what became of events for each handler that hears them, by event id, in order of the handlers' names.

    Handlers that are gone from the code are left out. Two statements for each database that handlers write to.

    Args:
        events: Rows of the log or of what is pending, of one database.
        log_alias: That database's alias.
    """
    handlers = [handler for _, handler in sorted(get_handlers().items()) if handler.hears_log(log_alias)]
    aliases = {handler.alias_for(log_alias) for handler in handlers}
    positions = [event.position for event in events if isinstance(event, Event)]
    shards = {alias: _shards(alias, log_alias) for alias in aliases}
    parked = {alias: _parked(alias, log_alias, positions) for alias in aliases}
    return {
        event.event_id: [
            _outcome(event, handler, shards[handler.alias_for(log_alias)], parked[handler.alias_for(log_alias)])
            for handler in handlers
            if _hears(handler, event)
        ]
        for event in events
    }


def _hears(handler: Handler, event: Event | Pending) -> bool:
    is_of_type = not handler.event_types or event.kind in handler.kinds
    return is_of_type and (handler.labels is None or event.entity_type in handler.labels)


def _outcome(
    event: Event | Pending,
    handler: Handler,
    shards: Iterable[Subscription],
    parked: Mapping[tuple[str, int], ParkedEvent],
) -> Outcome:
    if isinstance(event, Pending):
        return Outcome(handler=handler.name, fate=Fate.PENDING)
    row = parked.get((handler.name, event.position))
    if row is not None:
        return _of_parked(handler, row)
    mine = [shard for shard in shards if shard.handler == handler.name]
    shard = next((shard for shard in mine if shard.slot_from <= event.slot <= shard.slot_to), None)
    if shard is None:
        return Outcome(handler=handler.name, fate=Fate.UNBORN)
    if event.position <= shard.cursor:
        is_before = event.position <= shard.start
        fate = Fate.BEFORE if is_before else Fate.SENT if handler.send else Fate.DELIVERED
        return Outcome(handler=handler.name, fate=fate, state=shard.state)
    return Outcome(
        handler=handler.name,
        fate=Fate.DUE,
        lag_count=event.position - shard.cursor - 1,
        state=shard.state,
        problem=shard.problem,
        available_at=shard.resume_at,
    )


def _of_parked(handler: Handler, row: ParkedEvent) -> Outcome:
    return Outcome(
        handler=handler.name,
        fate=Fate(row.state),
        attempts=row.attempts,
        available_at=row.available_at if row.state == ParkedEvent.State.RETRY else None,
        error=row.last_error,
        parked_id=row.pk,
    )


def _shards(using: str, log_alias: str) -> list[Subscription]:
    return list(Subscription.objects.using(using).filter(log_alias=log_alias))


def _parked(using: str, log_alias: str, positions: Sequence[int]) -> dict[tuple[str, int], ParkedEvent]:
    rows = ParkedEvent.objects.using(using).filter(log_alias=log_alias, position__in=positions)
    return {(row.handler, row.position): row for row in rows}
