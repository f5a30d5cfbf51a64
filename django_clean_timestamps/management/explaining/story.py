"""One entity's story, as one database tells it: its row, its events, and what each handler made of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django_clean_timestamps.delivery.handlers import Handler
from django_clean_timestamps.delivery.models import ParkedEvent, Subscription
from django_clean_timestamps.delivery.outcomes import Outcome, outcomes_of
from django_clean_timestamps.delivery.registry import get_handlers
from django_clean_timestamps.delivery.status import SubscriptionStatus, read_subscriptions
from django_clean_timestamps.eventlog.fields import database_now
from django_clean_timestamps.eventlog.models import Event, Pending
from django_clean_timestamps.eventlog.slots import root_label_of, slot_of
from django_clean_timestamps.eventlog.story import entity_story, labels_of_entity, reading_log
from django_clean_timestamps.management.entities import EntityArgument
from django_clean_timestamps.management.handler_places import find_databases
from django_clean_timestamps.stamping.entity import BaseTimestampEntity

__all__ = ["HandlerStory", "Story", "read_story"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HandlerStory:
    """
    What one handler made of an entity's events.

    Attributes:
        name: The handler's name.
        handler: It, None where it is gone from the code.
        subscription: The shard that the entity belongs to, None where there is none.
        start: Where that began.
        heard: The events that it hears and what became of them, newest first.
        parked: Those that are parked, oldest first; also such as the log has pruned.
    """

    name: str
    handler: Handler | None
    subscription: SubscriptionStatus | None
    start: int
    heard: tuple[tuple[Event | Pending, Outcome], ...]
    parked: tuple[ParkedEvent, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """
    What one database tells of an entity.

    Attributes:
        using: The database alias.
        entity: What was asked for.
        labels: The entity types that its events can have.
        entity_id: Its id in the log.
        row: The row, None where there is none.
        events: The newest, newest first.
        outcomes: What became of each for each handler, by event id.
        handlers: What each handler made of them, by name.
        now: What the database's clock says.
    """

    using: str
    entity: EntityArgument
    labels: tuple[str, ...]
    entity_id: str
    row: BaseTimestampEntity | None
    events: tuple[Event | Pending, ...]
    outcomes: Mapping[UUID, Sequence[Outcome]]
    handlers: tuple[HandlerStory, ...]
    now: datetime

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to tell."""
        return self.row is None and not self.events and not any(each.parked for each in self.handlers)


def read_story(entity: EntityArgument, using: str, *, handler: str | None, limit: int) -> Story:
    """
    Return what a database tells of an entity; changes nothing.

    Args:
        entity: The entity.
        using: The database alias, of the row and of the log.
        handler: Of which handler, None for all.
        limit: How many of the newest events.

    Raises:
        EventLogMissingError: The tables of the log are not there.
        Error: A database cannot be asked.
    """
    identity = entity.identify(using)
    labels = labels_of_entity(entity.label)
    with reading_log(using):
        found = entity_story(labels, identity.entity_id, using=using, limit=limit)
        # MariaDB may find "a" where "A" was asked for.
        events = tuple(event for event in found if event.entity_id == identity.entity_id)
        outcomes = outcomes_of(events, using)
        handlers = _handlers(entity, identity.entity_id, using, events, outcomes)
    wanted = tuple(each for each in handlers if handler in (None, each.name))
    return Story(
        using=using,
        entity=entity,
        labels=labels,
        entity_id=identity.entity_id,
        row=identity.row,
        events=events,
        outcomes={key: [each for each in told if handler in (None, each.handler)] for key, told in outcomes.items()},
        handlers=wanted,
        now=database_now(using),
    )


def _handlers(
    entity: EntityArgument,
    entity_id: str,
    using: str,
    events: Iterable[Event | Pending],
    outcomes: Mapping[UUID, Sequence[Outcome]],
) -> list[HandlerStory]:
    root = root_label_of(entity.label)
    slot = slot_of(root, entity_id)
    aliases = find_databases([using]).aliases
    shards = {
        shard.handler: shard for shard in read_subscriptions(using, aliases) if shard.slot_from <= slot <= shard.slot_to
    }
    declared = {name: each for name, each in get_handlers().items() if each.hears_log(using)}
    names = sorted({*shards, *declared})
    parked = _parked(names, aliases, using, f"{root}:{entity_id}")
    starts = _starts(aliases, using, slot)
    heard: dict[str, list[tuple[Event | Pending, Outcome]]] = {name: [] for name in names}
    for event in events:
        for outcome in outcomes[event.event_id]:
            heard[outcome.handler].append((event, outcome))
    return [
        HandlerStory(
            name=name,
            handler=get_handlers().get(name),
            subscription=shards.get(name),
            start=starts.get(name, 0),
            heard=tuple(heard[name]),
            parked=tuple(row for row in parked if row.handler == name),
        )
        for name in names
    ]


def _parked(names: Sequence[str], aliases: Iterable[str], log_alias: str, key: str) -> list[ParkedEvent]:
    return [
        row
        for alias in aliases
        for row in ParkedEvent.objects.using(alias)
        .filter(handler__in=names, log_alias=log_alias, entity_key=key)
        .order_by("position")
        # MariaDB may find "a" where "A" was asked for.
        if row.entity_key == key
    ]


def _starts(aliases: Iterable[str], log_alias: str, slot: int) -> dict[str, int]:
    return {
        name: start
        for alias in aliases
        for name, start in Subscription.objects.using(alias)
        .filter(log_alias=log_alias, slot_from__lte=slot, slot_to__gte=slot)
        .values_list("handler", "start")
    }
