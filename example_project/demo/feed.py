"""Every page of the feed, and what its events alone make of the entities."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from django_clean_timestamps.eventlog import changed_since
from django_clean_timestamps.events import (
    TimestampCreatedEvent,
    TimestampDeletedEvent,
    TimestampEvent,
    TimestampUpdatedEvent,
)


class Stamps(NamedTuple):
    """An entity's ``created_at`` and ``updated_at``."""

    created_at: datetime
    updated_at: datetime


class Key(NamedTuple):
    """Which entity: the model's label and the key as text."""

    entity_type: str
    entity_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedReading:
    """
    All that the feed told from its beginning to its end.

    ``seconds`` is how long that took, with giving positions to what had none.
    """

    events: tuple[TimestampEvent, ...]
    page_count: int
    seconds: float

    def gap(self) -> str:
        """Return where the positions are not 1, 2, 3 and so on; empty where they are."""
        for expected, event in enumerate(self.events, start=1):
            if event.position != expected:
                return f"the feed's event number {expected} has position {event.position}"
        return ""


def read_feed(*, limit: int = 500) -> FeedReading:
    """Return every event of the log, read page by page from the cursor None."""
    started = time.perf_counter()
    events: list[TimestampEvent] = []
    page = changed_since(limit=limit)
    events += page.changes
    page_count = 1
    while page.has_more:
        page = changed_since(page.cursor, limit=limit)
        events += page.changes
        page_count += 1
    return FeedReading(events=tuple(events), page_count=page_count, seconds=time.perf_counter() - started)


@dataclass(slots=True)
class Rebuilding:
    """
    The stamps of the entities that exist after some events, and nothing but the events to know them from.

    A file that git renames is one deletion and one addition there, and so an entity that ends and another one that
    begins here. Times may lie years back and need not ascend from event to event; what must hold is the order of
    each entity's own events.

    ``faults`` has a sentence for each event that does not follow from those before it.
    """

    stamps: dict[Key, Stamps] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    _deleted: set[Key] = field(default_factory=set)

    def apply_all(self, events: Iterable[TimestampEvent]) -> None:
        """Go on with some events, in the order of the feed."""
        for event in events:
            self.apply(event)

    def apply(self, event: TimestampEvent) -> None:
        """Go on with the next event."""
        key = Key(event.entity_type, event.entity_id)
        known = self.stamps.get(key)
        if (known is None) != isinstance(event, TimestampCreatedEvent) or key in self._deleted:
            self._note(event, "deleted" if key in self._deleted else "there" if known else "not there")
        if isinstance(event, TimestampDeletedEvent):
            self.stamps.pop(key, None)
            self._deleted.add(key)
        elif isinstance(event, TimestampCreatedEvent):
            self.stamps[key] = Stamps(event.created_timestamp, event.occurred_at)
        elif isinstance(event, TimestampUpdatedEvent) and known is not None:
            if event.old_timestamp != known.updated_at:
                self._note(event, f"at {known.updated_at}, not at {event.old_timestamp}")
            self.stamps[key] = Stamps(known.created_at, event.new_timestamp)

    def of(self, entity_type: str) -> dict[str, Stamps]:
        """Return the stamps of one model's entities, by key."""
        return {key.entity_id: stamps for key, stamps in self.stamps.items() if key.entity_type == entity_type}

    def _note(self, event: TimestampEvent, state: str) -> None:
        said = f"{event.event_type} of {event.entity_type} {event.entity_id}"
        self.faults.append(f"event {event.position} says {said}, which was {state}")
