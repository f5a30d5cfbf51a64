"""How deliveries stand, in values: for the command, health and the admin."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db import connections
from django.db.models import Count

from django_clean_timestamps.delivery.models import ParkedEvent, Subscription
from django_clean_timestamps.delivery.places import delivery_aliases
from django_clean_timestamps.delivery.registry import get_handlers
from django_clean_timestamps.eventlog.bounds import read_head
from django_clean_timestamps.eventlog.fields import database_now
from django_clean_timestamps.eventlog.models import Event

__all__ = ["SubscriptionStatus", "read_subscriptions"]

State = ParkedEvent.State


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionStatus:
    """
    How one shard of a handler's subscription stands. Ages are by the database's clock.

    Attributes:
        handler: The handler's name.
        using: The database that the subscription lives in.
        log_alias: That of the log.
        slot_from: The first slot of the shard.
        slot_to: The last one.
        cursor: The last position that it has done with.
        lag_count: How many positions lie before it, those that it does not hear among them.
        lag_seconds: How long ago the first of them was recorded, None where there is none.
        state: ``active``, ``paused`` or ``backing_off``.
        resume_at: Until when it backs off, aware, in UTC.
        problem: Why it stands, ``""`` where it does not.
        owner: Who has the lease, ``""`` for nobody.
        lease_until: Until when, aware, in UTC; in the past that of a process that died or was stopped.
        failures: How many events have failed in a row.
        retry_count: How many of its events are to be retried.
        waiting_count: How many wait behind those.
        dead_count: How many are dead.
        replay_until: Up to where it hears events again, 0 for nowhere.
        until: Where it stops to be resharded, None where it does not.
        shards_wanted: Into how many, None where it is not.
        shards_declared: How many its handler asks for, None of an orphan.
        is_orphan: Whether its handler is gone from the code.
    """

    handler: str
    using: str
    log_alias: str
    slot_from: int
    slot_to: int
    cursor: int
    lag_count: int
    lag_seconds: float | None
    state: str
    resume_at: datetime | None
    problem: str
    owner: str
    lease_until: datetime | None
    failures: int
    retry_count: int
    waiting_count: int
    dead_count: int
    replay_until: int
    until: int | None
    shards_wanted: int | None
    shards_declared: int | None
    is_orphan: bool

    @property
    def is_well(self) -> bool:
        """Whether nothing of it needs somebody: no dead event, no outage, no problem, no missing handler."""
        return not (self.is_orphan or self.dead_count or self.problem or self.state == Subscription.State.BACKING_OFF)


def read_subscriptions(log_alias: str, aliases: Iterable[str] | None = None) -> list[SubscriptionStatus]:
    """
    Return how each subscription to a log stands, ordered by handler and slot; changes nothing.

    Args:
        log_alias: The log's database alias.
        aliases: The databases to look in; by default all that have the tables.

    Raises:
        Error: A database cannot be reached.
    """
    head = read_head(connections[log_alias])
    found = [
        status
        for alias in (delivery_aliases() if aliases is None else aliases)
        for status in _of_alias(alias, log_alias, head)
    ]
    return sorted(found, key=lambda status: (status.handler, status.using, status.slot_from))


def _of_alias(using: str, log_alias: str, head: int) -> list[SubscriptionStatus]:
    shards = list(Subscription.objects.using(using).filter(log_alias=log_alias))
    recorded = _recorded_after(log_alias, {shard.cursor for shard in shards if shard.cursor < head})
    parked = _parked(using, log_alias)
    handlers, now = get_handlers(), database_now(log_alias) if recorded else None
    statuses = []
    for shard in shards:
        handler = handlers.get(shard.handler)
        at = recorded.get(shard.cursor)
        counts = _counts(parked, shard)
        statuses.append(
            SubscriptionStatus(
                using=using,
                lag_count=max(0, head - shard.cursor),
                lag_seconds=None if at is None or now is None else max(0.0, (now - at).total_seconds()),
                retry_count=counts.get(State.RETRY, 0),
                waiting_count=counts.get(State.WAITING, 0),
                dead_count=counts.get(State.DEAD, 0),
                shards_declared=None if handler is None else handler.shards,
                is_orphan=handler is None,
                **{name: getattr(shard, name) for name in _COLUMNS},
            )
        )
    return statuses


_COLUMNS = (
    "handler",
    "log_alias",
    "slot_from",
    "slot_to",
    "cursor",
    "state",
    "resume_at",
    "problem",
    "owner",
    "lease_until",
    "failures",
    "replay_until",
    "until",
    "shards_wanted",
)


def _recorded_after(log_alias: str, cursors: set[int]) -> dict[int, datetime]:
    """Return when the first event after each cursor was recorded."""
    events = Event.objects.using(log_alias).filter(position__in=[cursor + 1 for cursor in cursors])
    return {position - 1: recorded_at for position, recorded_at in events.values_list("position", "recorded_at")}


def _parked(using: str, log_alias: str) -> list[tuple[str, int, str, int]]:
    rows: Any = ParkedEvent.objects.using(using).filter(log_alias=log_alias).exclude(state=State.SKIPPED)
    return list(rows.values_list("handler", "slot", "state").annotate(count=Count("id")).order_by())


def _counts(parked: list[tuple[str, int, str, int]], shard: Subscription) -> dict[str, int]:
    counts: dict[str, int] = {}
    for handler, slot, state, count in parked:
        if handler == shard.handler and shard.slot_from <= slot <= shard.slot_to:
            counts[state] = counts.get(state, 0) + count
    return counts
