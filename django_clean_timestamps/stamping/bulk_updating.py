"""``QuerySet.bulk_update()``: one reading, given stamps, instances put back when it fails."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django_clean_timestamps.clocks import later
from django_clean_timestamps.context.frame import Frame, current_frame
from django_clean_timestamps.stamping.baseline import given_stamp, loaded_stamp, normalised, remember
from django_clean_timestamps.stamping.decision import read_moment
from django_clean_timestamps.stamping.description import describe
from django_clean_timestamps.stamping.fields import CREATED_AT, UPDATED_AT
from django_clean_timestamps.stamping.immutable import refuse_created_at
from django_clean_timestamps.stamping.snapshot import Snapshot
from django_clean_timestamps.unit_of_work import write_block

if TYPE_CHECKING:
    from django_clean_timestamps.stamping.entity import BaseTimestampEntity
    from django_clean_timestamps.stamping.querysets import StampingQuerySet

__all__ = ["bulk_update"]


def bulk_update(
    queryset: StampingQuerySet[Any], objs: Iterable[Any], fields: Iterable[str], batch_size: int | None
) -> int:
    """Run Django's ``bulk_update()`` with the stamps decided here; return how many rows matched."""
    entities: Sequence[BaseTimestampEntity] = tuple(objs)
    names = list(fields)
    if not entities or not all(entity._is_pk_set() for entity in entities):
        return queryset._bulk_update_rows(entities, names, batch_size)
    # Whatever Django refuses about the arguments, it refuses for no rows as well, before a block is open.
    queryset._bulk_update_rows((), names, batch_size)
    frame = current_frame()
    preserved = frame.stamps_preserved(queryset.model)
    snapshots = [Snapshot(entity) for entity in entities]
    try:
        if CREATED_AT in names and not preserved:
            _protect_created(entities)
            names = [name for name in names if name != CREATED_AT]
        if UPDATED_AT in names:
            _check_given(entities, frame)
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
    preserved = frame.stamps_preserved(queryset.model)
    with write_block(queryset.db):
        reading = normalised(read_moment(frame))
        given = {id(entity) for entity in entities if UPDATED_AT in names and given_stamp(entity, UPDATED_AT)}
        if not preserved:
            for entity in entities:
                if id(entity) not in given:
                    previous = loaded_stamp(entity, UPDATED_AT)
                    entity.updated_at = reading if frame.moment is not None else later(reading, previous)
        shared: Any = queryset._chain()  # type: ignore[attr-defined]
        shared._reading = reading
        count: int = shared._bulk_update_rows(entities, names or [UPDATED_AT], batch_size)
    for entity in entities:
        remember(entity)
    return count


def _protect_created(entities: Sequence[BaseTimestampEntity]) -> None:
    for entity in entities:
        given = given_stamp(entity, CREATED_AT)
        stored = loaded_stamp(entity, CREATED_AT)
        if given is not None and given != stored:
            refuse_created_at(f"{entity._meta.label} {entity.pk}", stored or "what it was inserted with", given)
        if stored is not None:
            entity.created_at = stored


def _check_given(entities: Sequence[BaseTimestampEntity], frame: Frame) -> None:
    for entity in entities:
        given = given_stamp(entity, UPDATED_AT)
        if given is not None:
            describe(
                frame,
                f"{entity._meta.label} {entity.pk}",
                created_at=loaded_stamp(entity, CREATED_AT),
                updated_at=given,
                given=((UPDATED_AT, given),),
            )
