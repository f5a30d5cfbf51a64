"""The domain events: immutable values, their rules and their JSON form."""

from django_clean_timestamps.events.types import (
    TimestampCreatedEvent,
    TimestampDeletedEvent,
    TimestampEvent,
    TimestampUpdatedEvent,
)

__all__ = ["TimestampCreatedEvent", "TimestampDeletedEvent", "TimestampEvent", "TimestampUpdatedEvent"]
