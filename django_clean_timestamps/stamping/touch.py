"""``touch()`` of one instance."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import router
from django.db.backends.base.base import BaseDatabaseWrapper

from django_clean_timestamps import probes
from django_clean_timestamps.clocks import TICK
from django_clean_timestamps.context.frame import current_frame
from django_clean_timestamps.probes import Observed
from django_clean_timestamps.stamping.baseline import LOADED, loaded_parents, loaded_stamp, normalised, remember_stamp
from django_clean_timestamps.stamping.decision import read_moment, update_stamp
from django_clean_timestamps.stamping.description import Description, describe
from django_clean_timestamps.stamping.fields import CREATED_AT, UPDATED_AT, as_value_of
from django_clean_timestamps.stamping.keys import is_key_set, read_stamps
from django_clean_timestamps.stamping.recording import check_identity, entity_type_of, record_updated
from django_clean_timestamps.stamping.rows import locking
from django_clean_timestamps.stamping.snapshot import Attributes
from django_clean_timestamps.stamping.statements import stamp_row
from django_clean_timestamps.stamping.touching import enlist_parents, links_of
from django_clean_timestamps.stamping.trackers import sync_trackers
from django_clean_timestamps.stamping.updating import touched_fields
from django_clean_timestamps.unit_of_work import write_block

if TYPE_CHECKING:
    from django_clean_timestamps.stamping.entity import BaseTimestampEntity

__all__ = ["touch_entity"]


def touch_entity(
    entity: BaseTimestampEntity,
    reason: str | None,
    *,
    fields: Sequence[str],
    at: datetime | None,
    propagate: bool,
    using: str | None,
) -> None:
    """Do what ``BaseTimestampEntity.touch()`` promises."""
    model = type(entity)
    if entity._state.adding or not is_key_set(entity):
        raise ValueError(f"{model._meta.label}: touch() needs a saved instance; save() it first")
    names = touched_fields(model, fields) if fields else ()
    frame = current_frame()
    moment = normalised(frame.moment if at is None else at)
    if frame.touches_suspended(model) or (moment is None and frame.stamps_preserved(model)):
        return
    alias = using or router.db_for_write(model, instance=entity)
    if probes.recorder is None:
        _touch(entity, alias, reason, names, at, moment, propagate=propagate)
        return
    with Observed("touch", entity_type_of(model), alias) as observed:
        observed.key = entity._get_entity_id()
        observed.reason = (frame.reason or "") if reason is None else reason
        _touch(entity, alias, reason, names, at, moment, propagate=propagate)


def _touch(
    entity: BaseTimestampEntity,
    alias: str,
    reason: str | None,
    names: tuple[str, ...],
    at: datetime | None,
    moment: datetime | None,
    *,
    propagate: bool,
) -> None:
    model, frame = type(entity), current_frame()
    entity._validate_entity()
    description = _describe(entity, alias, reason, at, moment)
    if not frame.events_suspended(model):
        check_identity(entity)
    before = Attributes(entity, (UPDATED_AT, LOADED[UPDATED_AT], *names))
    try:
        with write_block(alias) as block:
            old, new = _write(entity, block.connection, names, moment)
            for name in (UPDATED_AT, *names):
                setattr(entity, name, as_value_of(entity._meta.get_field(name), new))  # type: ignore[arg-type]
            remember_stamp(entity, UPDATED_AT)
            if not frame.events_suspended(model):
                entity_id = entity._get_entity_id()
                record_updated(block.connection, model, entity_id, description, old=old, new=new, instance=entity)
            if propagate and model.touches:
                _enlist(entity, block.connection, description)
    except BaseException:
        before.restore()
        raise
    sync_trackers(entity, (UPDATED_AT, *names))


def _describe(
    entity: BaseTimestampEntity, using: str, reason: str | None, at: datetime | None, moment: datetime | None
) -> Description:
    frame, label = current_frame(), entity._meta.label
    if moment is None:
        return describe(frame, label, reason=reason)
    return describe(
        frame,
        f"{label} {entity.pk}",
        reason=reason,
        # Not what stands on the instance: that may be a change which is never saved.
        created_at=loaded_stamp(entity, CREATED_AT) or read_stamps(entity, using)[0],
        updated_at=moment,
        given=(("stamped_at()" if at is None else "at", moment),),
    )


def _write(
    entity: BaseTimestampEntity, connection: BaseDatabaseWrapper, names: tuple[str, ...], moment: datetime | None
) -> tuple[datetime | None, datetime]:
    """Run the UPDATE and return the row's old stamp, as far as it is known, and its new one."""
    previous = loaded_stamp(entity, UPDATED_AT)
    reading = normalised(read_moment(current_frame())) if moment is None else moment
    stamp, exact = update_stamp(reading, exact=False, given=moment, previous=previous)
    if stamp_row(entity, connection, names, stamp, guarded=not exact):
        return previous, stamp
    # The row is gone, or another transaction stamped it later; one locked read tells which.
    rows_of = type(entity)._base_manager.using(connection.alias)
    stored = locking(rows_of.filter(pk=entity.pk)).values_list(UPDATED_AT, flat=True).first()
    if stored is None:
        raise type(entity).DoesNotExist(
            f"{entity._meta.label} {entity.pk} is not in the database {connection.alias!r}; touch() needs its row"
        )
    stamp = max(stamp, stored + TICK)
    stamp_row(entity, connection, names, stamp, guarded=False)
    return stored, stamp


def _enlist(entity: BaseTimestampEntity, connection: BaseDatabaseWrapper, description: Description) -> None:
    """Enlist the row's own parents: another one that was set on the instance stays unsaved."""
    links = links_of(type(entity))
    stored: Any = loaded_parents(entity)
    if stored is None:
        rows_of = type(entity)._base_manager.using(connection.alias)
        stored = rows_of.filter(pk=entity.pk).values_list(*(link.attname for link in links)).get()
    for link, value in zip(links, stored, strict=True):
        enlist_parents(connection, type(entity), link, (value,), description, child=entity.pk)
