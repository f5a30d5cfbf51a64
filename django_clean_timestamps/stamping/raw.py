"""Rows written raw, from fixtures and django-reversion: nothing is recorded, missing stamps are filled in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django_clean_timestamps.context.frame import current_frame
from django_clean_timestamps.stamping.baseline import is_aware, normalised
from django_clean_timestamps.stamping.decision import insert_stamps, read_moment, update_stamp
from django_clean_timestamps.stamping.fields import CREATED_AT, UPDATED_AT
from django_clean_timestamps.stamping.keys import is_key_set, stamped_table

if TYPE_CHECKING:
    from django_clean_timestamps.stamping.entity import BaseTimestampEntity

__all__ = ["complete_raw_row"]


def complete_raw_row(entity: BaseTimestampEntity, table: Any, using: str) -> None:
    """
    Put the stamps on an entity that is about to be written raw.

    Given ones are kept, but a row that exists keeps its ``created_at``: Django's JSON cuts stamps to milliseconds. Its
    ``updated_at`` is not put before that.

    Args:
        entity: The instance.
        table: The model whose table is written; of several inherited tables one holds the stamps.
        using: The database alias.
    """
    if table is not stamped_table(type(entity)):
        return
    state, frame = entity.__dict__, current_frame()
    preserved = frame.stamps_preserved(type(entity))
    stored = None
    if is_key_set(entity):
        stored = table._base_manager.using(using).filter(pk=entity.pk).values_list(CREATED_AT, UPDATED_AT).first()
    reading, exact = normalised(read_moment(frame)), frame.moment is not None
    if stored is not None:
        if not preserved or state.get(CREATED_AT) is None:
            entity.created_at = stored[0]
        given, created = normalised(state.get(UPDATED_AT)), state[CREATED_AT]
        if given is None:
            moved, _ = update_stamp(reading, exact=exact, given=None, previous=stored[1])
            entity.updated_at = stored[1] if preserved and not exact else moved
        elif is_aware(given) and given < created == stored[0]:
            # The one that stays is not cut, so that the other one may lie before it.
            entity.updated_at = created
    entity.created_at, entity.updated_at = insert_stamps(
        reading, exact=exact, created=state.get(CREATED_AT), updated=state.get(UPDATED_AT)
    )
