"""Rows written raw, from fixtures and django-reversion: nothing is recorded, missing stamps are filled in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django_clean_timestamps.clocks import later
from django_clean_timestamps.context.frame import current_frame
from django_clean_timestamps.stamping.decision import insert_stamps, read_moment
from django_clean_timestamps.stamping.fields import CREATED_AT, UPDATED_AT

if TYPE_CHECKING:
    from django_clean_timestamps.stamping.entity import BaseTimestampEntity

__all__ = ["complete_raw_row"]


def complete_raw_row(entity: BaseTimestampEntity, table: Any, using: str) -> None:
    """
    Put the stamps on an entity that is about to be written raw.

    Given ones are kept, but a row that exists keeps its ``created_at``: Django's JSON cuts stamps to milliseconds.

    Args:
        entity: The instance.
        table: The model whose table is written; of several inherited tables one holds the stamps.
        using: The database alias.
    """
    if not any(field.name == CREATED_AT for field in table._meta.local_concrete_fields):
        return
    state = entity.__dict__
    frame = current_frame()
    stored = None
    if entity._is_pk_set():
        stored = table._base_manager.using(using).filter(pk=entity.pk).values_list(CREATED_AT, UPDATED_AT).first()
    if stored is not None and not (frame.stamps_preserved(type(entity)) and state.get(CREATED_AT) is not None):
        entity.created_at = stored[0]
    reading = read_moment(frame)
    if stored is not None and state.get(UPDATED_AT) is None:
        entity.updated_at = later(reading, stored[1])
    entity.created_at, entity.updated_at = insert_stamps(
        reading, exact=frame.moment is not None, created=state.get(CREATED_AT), updated=state.get(UPDATED_AT)
    )
