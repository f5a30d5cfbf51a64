"""Events to rows of the log."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.backends.base.base import BaseDatabaseWrapper

from django_clean_timestamps.eventlog.fields import UtcDateTimeField
from django_clean_timestamps.eventlog.slots import root_label_of, slot_of
from django_clean_timestamps.events import (
    TimestampCreatedEvent,
    TimestampDeletedEvent,
    TimestampEvent,
    TimestampUpdatedEvent,
)

__all__ = ["COLUMNS", "CREATED", "DELETED", "KINDS", "UPDATED", "WRITTEN", "Encoder", "metadata_as_text"]

CREATED, UPDATED, DELETED = 1, 2, 3
KINDS: Final[dict[type[TimestampEvent], int]] = {
    TimestampCreatedEvent: CREATED,
    TimestampUpdatedEvent: UPDATED,
    TimestampDeletedEvent: DELETED,
}

WRITTEN: Final = (
    "event_id",
    "slot",
    "kind",
    "entity_type",
    "entity_id",
    "occurred_at",
    "previous_at",
    "reason",
    "actor",
    "correlation_id",
    "metadata",
)
"""The columns that a writer fills; the database adds ``schema`` and ``recorded_at``."""

COLUMNS: Final = (*WRITTEN, "schema", "recorded_at")
"""The columns of an event, without its number."""

_TIME: Final = UtcDateTimeField()


def metadata_as_text(metadata: Any) -> str | None:
    """Return metadata as JSON, None where there is none."""
    return json.dumps(dict(metadata)) if metadata else None


class Encoder:
    """Makes a row of ``WRITTEN`` columns of an event, as one database takes it."""

    __slots__ = ("_connection", "_uuid_as_text")

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._connection = connection
        self._uuid_as_text = not connection.features.has_native_uuid_field

    def __call__(self, event: TimestampEvent) -> tuple[Any, ...]:
        previous: datetime | None = None
        if isinstance(event, TimestampUpdatedEvent):
            previous = event.old_timestamp
        elif isinstance(event, TimestampCreatedEvent) and event.created_timestamp != event.occurred_at:
            previous = event.created_timestamp
        return (
            self.identifier(event.event_id),
            slot_of(root_label_of(event.entity_type), event.entity_id),
            KINDS[type(event)],
            event.entity_type,
            event.entity_id,
            self.time(event.occurred_at),
            None if previous is None else self.time(previous),
            event.reason,
            event.actor,
            event.correlation_id,
            metadata_as_text(event.metadata),
        )

    def identifier(self, event_id: UUID) -> Any:
        """Return an event's id as a parameter."""
        return event_id.hex if self._uuid_as_text else event_id

    def time(self, moment: datetime) -> Any:
        """Return a time as a parameter."""
        return self._connection.ops.adapt_datetimefield_value(_TIME.get_prep_value(moment))
