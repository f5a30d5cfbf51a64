"""The UPDATE of touched parents of one model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from django.db.backends.base.base import BaseDatabaseWrapper

from django_clean_timestamps.clocks import later, read_clock
from django_clean_timestamps.context.frame import EMPTY_FRAME
from django_clean_timestamps.events import TimestampUpdatedEvent
from django_clean_timestamps.stamping.baseline import normalised
from django_clean_timestamps.stamping.expressions import NeverBack, StrictlyLater
from django_clean_timestamps.stamping.fields import UPDATED_AT
from django_clean_timestamps.stamping.identity import entity_ids
from django_clean_timestamps.stamping.recording import FEW, Recording, record_updated, recording_of, shared_facts
from django_clean_timestamps.stamping.rows import chunks, lock_rows
from django_clean_timestamps.unit_of_work import set_based_writer, write_pending

if TYPE_CHECKING:
    from django_clean_timestamps.stamping.description import Description
    from django_clean_timestamps.stamping.entity import BaseTimestampEntity

__all__ = ["touch_rows"]


class _Touch(Protocol):
    @property
    def description(self) -> Description: ...


def touch_rows(
    connection: BaseDatabaseWrapper, model: type[BaseTimestampEntity], touches: Mapping[Any, _Touch]
) -> None:
    """
    Stamp the rows of one model, in the order of ``touches``, and record their events.

    All rows without a given moment share one reading. A stamp never goes back, whatever moment was given. The events
    of many rows are made by the writer; those of a few are built here, to go with the transaction's other ones.
    """
    recording = recording_of(model, TimestampUpdatedEvent, frame=EMPTY_FRAME)
    if recording is Recording.SHARED and len(touches) <= FEW:
        recording = Recording.VALUES
    rows_of: Any = model._base_manager.using(connection.alias)
    old: dict[Any, datetime] = {}
    if recording is Recording.VALUES or len(touches) > 1:
        for chunk in chunks(list(touches)):
            old.update(lock_rows(rows_of.filter(pk__in=chunk), (UPDATED_AT,)))
    reading = read_clock()
    for description, keys in _by_description(touches):
        stamp = _stamp(description, reading)
        is_shared = recording is Recording.SHARED and not description.frame.events_suspended(model)
        for chunk in chunks(keys):
            rows = rows_of.filter(pk__in=chunk)
            if is_shared:
                write_pending(connection)
                facts = shared_facts(model, TimestampUpdatedEvent, description, reading)
                set_based_writer().update(connection, facts, rows, {UPDATED_AT: stamp}, stamp, locked=True)
            else:
                rows._update_rows({UPDATED_AT: stamp})
    if recording is Recording.VALUES:
        _record(connection, model, touches, old, reading)


def _by_description(touches: Mapping[Any, _Touch]) -> Iterable[tuple[Description, list[Any]]]:
    """Return the keys that one statement can stamp, and what their events say."""
    grouped: dict[int, tuple[Description, list[Any]]] = {}
    for key, touch in touches.items():
        description = touch.description
        grouped.setdefault(id(description), (description, []))[1].append(key)
    return grouped.values()


def _stamp(description: Description, reading: datetime) -> StrictlyLater | NeverBack:
    moment = normalised(description.frame.moment)
    return StrictlyLater(reading) if moment is None else NeverBack(moment)


def _record(
    connection: BaseDatabaseWrapper,
    model: type[BaseTimestampEntity],
    touches: Mapping[Any, _Touch],
    old: Mapping[Any, datetime],
    reading: datetime,
) -> None:
    loud = [key for key in old if not touches[key].description.frame.events_suspended(model)]
    for key, entity_id in entity_ids(model, connection.alias, loud).items():
        description = touches[key].description
        moment = normalised(description.frame.moment)
        new = later(reading, old[key]) if moment is None else max(moment, old[key])
        record_updated(connection, model, entity_id, description, old=old[key], new=new)
