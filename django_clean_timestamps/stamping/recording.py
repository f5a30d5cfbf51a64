"""From a write to its domain event: built, recorded in the unit of work, sent to the receivers."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model

from django_clean_timestamps import signals
from django_clean_timestamps.context.frame import Frame
from django_clean_timestamps.events import (
    TimestampCreatedEvent,
    TimestampDeletedEvent,
    TimestampEvent,
    TimestampUpdatedEvent,
)
from django_clean_timestamps.events.identity import new_event_id
from django_clean_timestamps.events.validation import ENTITY_ID_LENGTH
from django_clean_timestamps.exceptions import InvalidTimestampError
from django_clean_timestamps.stamping.description import Description
from django_clean_timestamps.stamping.identity import has_own_identity, sql_key_kind
from django_clean_timestamps.stamping.keys import is_key_set, stamped_table
from django_clean_timestamps.stamping.per_class import per_class
from django_clean_timestamps.unit_of_work import SharedFacts, get_unit, is_capturing, is_set_based, writer_in_use

if TYPE_CHECKING:
    from django_clean_timestamps.stamping.entity import BaseTimestampEntity

__all__ = [
    "FEW",
    "Recording",
    "check_entity_id",
    "check_identity",
    "entity_type_of",
    "has_audience",
    "record_created",
    "record_deleted",
    "record_updated",
    "recording_of",
    "shared_facts",
]

_REASONS: Final = {
    TimestampCreatedEvent: "entity_created",
    TimestampUpdatedEvent: "entity_updated",
    TimestampDeletedEvent: "entity_deleted",
}
_SIGNALS: Final = {
    TimestampCreatedEvent: signals.timestamp_created,
    TimestampUpdatedEvent: signals.timestamp_updated,
    TimestampDeletedEvent: signals.timestamp_deleted,
}


@per_class
def entity_type_of(model: type[Model]) -> str:
    """Return the label of the concrete model in lower case: a proxy's rows are its model's."""
    return _concrete(model)._meta.label_lower


@per_class
def _concrete(model: type[Model]) -> type[Model]:
    return model._meta.concrete_model or model


def has_audience(model: type[Model], kind: type[TimestampEvent]) -> bool:
    """Say whether anybody wants the values of a bulk write's events: a receiver, or an open capture."""
    return is_capturing() or _SIGNALS[kind].has_listeners(_concrete(model))


FEW: Final = 50
"""Up to how many rows of a set-based write are recorded one by one, where the write has locked and read them anyway."""


class Recording(Enum):
    """How the events of a bulk write are recorded."""

    NOTHING = "nobody wants them"
    SHARED = "the writer makes them in the database"
    VALUES = "each is built, since somebody hears it or nobody else can make it"


def recording_of(model: type[Model], *kinds: type[TimestampEvent], frame: Frame, by_sql: bool = True) -> Recording:
    """
    Return how the events of a bulk write are recorded.

    Args:
        model: Whose rows.
        kinds: The types of event that the write brings.
        frame: The contexts in force.
        by_sql: Whether the database has to find the rows' entity ids.
    """
    if frame.events_suspended(model):
        return Recording.NOTHING
    if any(has_audience(model, kind) for kind in kinds):
        return Recording.VALUES
    writer = writer_in_use()
    if writer is None:
        return Recording.NOTHING
    can_share = is_set_based(writer) and not (by_sql and sql_key_kind(model) is None)  # type: ignore[arg-type]
    return Recording.SHARED if can_share else Recording.VALUES


def shared_facts(
    model: type[Model], kind: type[TimestampEvent], description: Description, reading: datetime
) -> SharedFacts:
    """Return what the events of one set-based write have in common."""
    return SharedFacts(
        kind=kind,
        entity_type=entity_type_of(model),
        root_label=_root_label(model),
        reading=reading,
        reason=description.reason or _REASONS[kind],
        actor=description.actor,
        correlation_id=description.correlation_id,
        metadata=description.metadata,
    )


@per_class
def _root_label(model: type[Model]) -> str:
    return stamped_table(_concrete(model))._meta.label_lower


def check_identity(entity: BaseTimestampEntity) -> None:
    """
    Refuse an entity id that is too long while nothing is written; of a new row's own key only the database knows.

    Raises:
        InvalidTimestampError: The id has more than 200 characters.
    """
    if is_key_set(entity) and (entity.pk.__class__ is not int or has_own_identity(type(entity))):
        check_entity_id(type(entity), entity._get_entity_id())


def record_created(
    connection: BaseDatabaseWrapper,
    model: type[Model],
    entity_id: str,
    description: Description,
    *,
    created_at: datetime,
    updated_at: datetime,
    instance: Any = None,
) -> None:
    """Record that a row was inserted."""
    event = TimestampCreatedEvent(
        event_id=new_event_id(updated_at),
        entity_type=entity_type_of(model),
        entity_id=check_entity_id(model, entity_id),
        occurred_at=updated_at,
        reason=description.reason or _REASONS[TimestampCreatedEvent],
        actor=description.actor,
        correlation_id=description.correlation_id,
        metadata=description.metadata,
        created_timestamp=created_at,
    )
    _record(connection, model, event, instance)


def record_updated(
    connection: BaseDatabaseWrapper,
    model: type[Model],
    entity_id: str,
    description: Description,
    *,
    old: datetime | None,
    new: datetime,
    instance: Any = None,
) -> None:
    """Record that a row was changed or touched."""
    event = TimestampUpdatedEvent(
        event_id=new_event_id(new),
        entity_type=entity_type_of(model),
        entity_id=check_entity_id(model, entity_id),
        occurred_at=new,
        reason=description.reason or _REASONS[TimestampUpdatedEvent],
        actor=description.actor,
        correlation_id=description.correlation_id,
        metadata=description.metadata,
        old_timestamp=old,
        new_timestamp=new,
    )
    _record(connection, model, event, instance)


def record_deleted(
    connection: BaseDatabaseWrapper,
    model: type[Model],
    entity_id: str,
    description: Description,
    *,
    at: datetime,
    instance: Any = None,
) -> None:
    """Record that a row was deleted."""
    event = TimestampDeletedEvent(
        event_id=new_event_id(at),
        entity_type=entity_type_of(model),
        entity_id=check_entity_id(model, entity_id),
        occurred_at=at,
        reason=description.reason or _REASONS[TimestampDeletedEvent],
        actor=description.actor,
        correlation_id=description.correlation_id,
        metadata=description.metadata,
    )
    _record(connection, model, event, instance)


def check_entity_id(model: type[Model], entity_id: str) -> str:
    """
    Return the entity id.

    Raises:
        InvalidTimestampError: It has more than 200 characters.
    """
    if len(entity_id) > ENTITY_ID_LENGTH:
        raise InvalidTimestampError(
            f"{entity_type_of(model)}: the entity id {entity_id[:40]!r}... has {len(entity_id)} characters; at most "
            f"{ENTITY_ID_LENGTH} fit, so override _get_entity_id() with something shorter and unique",
            code="entity_id_fits",
        )
    return entity_id


def _record(connection: BaseDatabaseWrapper, model: type[Model], event: TimestampEvent, instance: Any) -> None:
    unit = get_unit(connection)
    entry = unit.record(event)
    if instance is not None:
        instance._attach_event(unit, entry)
    _SIGNALS[type(event)].send(sender=_concrete(model), event=event, instance=instance)
