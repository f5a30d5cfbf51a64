"""The UPDATE of touched parents of one model."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from django.db.backends.base.base import BaseDatabaseWrapper

from django_clean_timestamps.clocks import later, read_clock
from django_clean_timestamps.events import TimestampUpdatedEvent
from django_clean_timestamps.stamping.baseline import normalised
from django_clean_timestamps.stamping.expressions import NeverBack, StrictlyLater
from django_clean_timestamps.stamping.fields import UPDATED_AT
from django_clean_timestamps.stamping.identity import entity_ids
from django_clean_timestamps.stamping.recording import has_audience, record_updated
from django_clean_timestamps.stamping.rows import chunks, lock_rows

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
    Stamp the rows of one model, in the order of ``touches``, and record their events where anybody listens.

    All rows without a given moment share one reading. A stamp never goes back, whatever moment was given.
    """
    rows_of: Any = model._base_manager.using(connection.alias)
    heard = has_audience(model, TimestampUpdatedEvent)
    old: dict[Any, datetime] = {}
    if heard or len(touches) > 1:
        for chunk in chunks(list(touches)):
            old.update(lock_rows(rows_of.filter(pk__in=chunk), (UPDATED_AT,)))
    by_moment: dict[datetime | None, list[Any]] = defaultdict(list)
    for key, touch in touches.items():
        by_moment[normalised(touch.description.frame.moment)].append(key)
    reading = read_clock()
    for moment, keys in by_moment.items():
        stamp = StrictlyLater(reading) if moment is None else NeverBack(moment)
        for chunk in chunks(keys):
            rows_of.filter(pk__in=chunk)._update_rows({UPDATED_AT: stamp})
    if heard:
        _record(connection, model, touches, old, reading)


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
