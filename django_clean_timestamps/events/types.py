"""The domain events, as frozen values."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, ClassVar, Final, Self
from uuid import UUID

from django_clean_timestamps.events import codec

__all__ = [
    "EVENT_TYPES",
    "TimestampCreatedEvent",
    "TimestampDeletedEvent",
    "TimestampEvent",
    "TimestampUpdatedEvent",
]

NO_METADATA: Final[Mapping[str, Any]] = MappingProxyType({})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TimestampEvent:
    """
    What every domain event has in common.

    Attributes:
        event_id: A UUID of version 7; the idempotency key of whoever handles the event.
        entity_type: The concrete model's label, ``app_label.model`` in lower case.
        entity_id: The entity's key as text, at most 200 characters.
        occurred_at: The row's new ``updated_at``; of a deletion, when it happened. Aware, UTC.
        reason: Why, at most 200 characters.
        actor: Who, at most 150 characters; ``""`` where nobody is known.
        correlation_id: What it belongs to, at most 64 characters; ``""`` for nothing.
        metadata: Anything else that JSON can hold.
        position: The place in the event log; None until the event has been read from there.
        recorded_at: When the database recorded it; None until the event has been read from the log.
        replayed: Whether a handler hears it again, or for the first time long after.
    """

    event_type: ClassVar[str] = "timestamp_event"

    event_id: UUID
    entity_type: str
    entity_id: str
    occurred_at: datetime
    reason: str = ""
    actor: str = ""
    correlation_id: str = ""
    metadata: Mapping[str, Any] = dataclasses.field(default_factory=lambda: NO_METADATA, hash=False)
    position: int | None = None
    recorded_at: datetime | None = None
    replayed: bool = False

    def __reduce__(self) -> tuple[Any, ...]:
        """Let events be pickled and copied: a read-only view of metadata cannot be, so its values travel."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return _remade, (type(self), values | {"metadata": dict(self.metadata)})

    def to_dict(self) -> dict[str, Any]:
        """Return the event as JSON-ready values: times in ISO 8601, the id as text, ``event_type`` beside them."""
        return codec.encode(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """
        Return the event that :meth:`to_dict` described; called on the base class, of whichever type it was.

        Raises:
            ValueError: A key is missing or unknown, a value unreadable, or the event is of another type.
        """
        return codec.decode(data, {name: kind for name, kind in EVENT_TYPES.items() if issubclass(kind, cls)})  # type: ignore[return-value]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TimestampCreatedEvent(TimestampEvent):
    """
    A row was inserted.

    Attributes:
        created_timestamp: The row's ``created_at``, which may be older than ``occurred_at`` (an import).
    """

    event_type: ClassVar[str] = "timestamp_created"

    created_timestamp: datetime


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TimestampUpdatedEvent(TimestampEvent):
    """
    A row was changed or touched.

    Attributes:
        old_timestamp: The ``updated_at`` before; None where it could not be known (an upsert).
        new_timestamp: The ``updated_at`` after.
    """

    event_type: ClassVar[str] = "timestamp_updated"

    old_timestamp: datetime | None = None
    new_timestamp: datetime


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TimestampDeletedEvent(TimestampEvent):
    """A row was deleted."""

    event_type: ClassVar[str] = "timestamp_deleted"


def _remade(kind: type[TimestampEvent], values: dict[str, Any]) -> TimestampEvent:
    return kind(**values | {"metadata": MappingProxyType(values["metadata"])})


EVENT_TYPES: Final[dict[str, type[TimestampEvent]]] = {
    kind.event_type: kind for kind in (TimestampCreatedEvent, TimestampUpdatedEvent, TimestampDeletedEvent)
}
