"""``QuerySet.bulk_update()``: one reading, given stamps, instances put back when it fails."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django.db.models import F

from django_clean_timestamps.clocks import later
from django_clean_timestamps.context.frame import Frame, current_frame
from django_clean_timestamps.stamping.baseline import (
    given_stamp,
    loaded_parents,
    loaded_stamp,
    normalised,
    remember_stamp,
)
from django_clean_timestamps.stamping.decision import read_moment
from django_clean_timestamps.stamping.description import describe
from django_clean_timestamps.stamping.expressions import StrictlyLater
from django_clean_timestamps.stamping.fields import CREATED_AT, UPDATED_AT
from django_clean_timestamps.stamping.immutable import refuse_created_at
from django_clean_timestamps.stamping.snapshot import Snapshot
from django_clean_timestamps.stamping.touching import links_of, lock_parents
from django_clean_timestamps.unit_of_work import write_block

if TYPE_CHECKING:
    from django_clean_timestamps.stamping.entity import BaseTimestampEntity
    from django_clean_timestamps.stamping.querysets import StampingQuerySet

__all__ = ["bulk_update"]


def bulk_update(
    queryset: StampingQuerySet[Any], objs: Iterable[Any], fields: Iterable[str], batch_size: int | None
) -> int:
    """Run Django's ``bulk_update()`` with the stamps decided here; return how many rows matched."""
    entities: Sequence[Any] = tuple(objs)
    names = list(fields)
    if not entities or not all(entity._is_pk_set() for entity in entities):
        return queryset._bulk_update_rows(entities, names, batch_size)
    # Whatever Django refuses about the arguments, it refuses for no rows as well, before a block is open.
    queryset._bulk_update_rows((), names, batch_size)
    frame = current_frame()
    snapshots = [Snapshot(entity) for entity in entities]
    try:
        if CREATED_AT in names and not frame.stamps_preserved(queryset.model):
            _protect_created(entities)
            names = [name for name in names if name != CREATED_AT]
        _check_given(entities, names, frame)
        return _write(queryset, entities, names, batch_size, frame)
    except BaseException:
        for snapshot in snapshots:
            snapshot.restore()
        raise


def _write(
    queryset: StampingQuerySet[Any],
    entities: Sequence[BaseTimestampEntity],
    names: list[str],
    batch_size: int | None,
    frame: Frame,
) -> int:
    queryset._for_write = True
    with write_block(queryset.db) as block:
        _lock_parents(block.connection, queryset.model, entities, names, frame)
        reading = normalised(read_moment(frame))
        stamps = [_stamp(entity, names, reading, frame) for entity in entities]
        shared: Any = queryset._chain()  # type: ignore[attr-defined]
        shared._reading = reading
        count: int = shared._bulk_update_rows(entities, names or [UPDATED_AT], batch_size)
        for entity, stamp in zip(entities, stamps, strict=True):
            _learn(entity, names, stamp)
    return count


def _lock_parents(connection: Any, model: Any, entities: Sequence[Any], names: Sequence[str], frame: Frame) -> None:
    links = links_of(model) if model.touches else ()
    named = [link for link in links if link.field.name in names or link.attname in names]
    pairs = {(link, entity.__dict__.get(link.attname)) for link in named for entity in entities}
    lock_parents(connection, model, pairs, frame)


def _stamp(entity: BaseTimestampEntity, names: Sequence[str], reading: Any, frame: Frame) -> Any:
    """
    Return the stamp that the instance has afterwards, None where it keeps the one it has.

    Where ``updated_at`` is among the fields, what stands on the instance goes into the row: so it is either a given
    time, or SQL that follows the rule in force.
    """
    given = given_stamp(entity, UPDATED_AT) if UPDATED_AT in names else None
    if given is not None:
        entity.updated_at = given
        return given
    previous = loaded_stamp(entity, UPDATED_AT)
    row_stamp: Any
    if frame.moment is not None:
        row_stamp = stamp = reading
    elif frame.stamps_preserved(type(entity)):
        row_stamp, stamp = F(UPDATED_AT), None
    else:
        row_stamp, stamp = StrictlyLater(reading), later(reading, previous)
    if UPDATED_AT in names or not names:
        entity.updated_at = row_stamp
        return stamp or previous
    return stamp


def _learn(entity: BaseTimestampEntity, names: Sequence[str], stamp: Any) -> None:
    """Take what was written for what the row holds, and nothing else that stands on the instance."""
    if stamp is not None:
        entity.updated_at = stamp
        remember_stamp(entity, UPDATED_AT)
    if CREATED_AT in names:
        remember_stamp(entity, CREATED_AT)
    links = links_of(type(entity)) if entity.touches else ()
    parents = loaded_parents(entity)
    if parents is not None:
        entity._loaded_parents = tuple(
            getattr(entity, link.attname) if link.field.name in names or link.attname in names else parent
            for link, parent in zip(links, parents, strict=True)
        )


def _protect_created(entities: Sequence[BaseTimestampEntity]) -> None:
    for entity in entities:
        given = given_stamp(entity, CREATED_AT)
        stored = loaded_stamp(entity, CREATED_AT)
        if given is not None and given != stored:
            refuse_created_at(f"{entity._meta.label} {entity.pk}", stored or "what it was inserted with", given)
        if stored is not None:
            entity.created_at = stored


def _check_given(entities: Sequence[BaseTimestampEntity], names: Sequence[str], frame: Frame) -> None:
    for entity in entities:
        times = {name: given_stamp(entity, name) for name in (CREATED_AT, UPDATED_AT) if name in names}
        given = tuple((name, value) for name, value in times.items() if value is not None)
        if given:
            describe(
                frame,
                f"{entity._meta.label} {entity.pk}",
                created_at=times.get(CREATED_AT) or loaded_stamp(entity, CREATED_AT),
                updated_at=times.get(UPDATED_AT) or loaded_stamp(entity, UPDATED_AT),
                given=given,
            )
