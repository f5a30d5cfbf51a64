"""How old an entity is, and all that is known of its times as values that JSON can hold."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, TypedDict

from django_clean_timestamps.clocks import read_clock

if TYPE_CHECKING:
    from django_clean_timestamps.stamping.entity import BaseTimestampEntity

__all__ = ["TimestampDict", "describe_times", "seconds_since"]


class TimestampDict(TypedDict):
    """What ``to_timestamp_dict()`` returns: times in ISO 8601, ages in seconds, None where there is no stamp."""

    entity_id: str
    created_at: str | None
    updated_at: str | None
    age_seconds: float | None
    staleness_seconds: float | None
    domain_events_count: int


def describe_times(entity: BaseTimestampEntity) -> TimestampDict:
    """Do what ``BaseTimestampEntity.to_timestamp_dict()`` promises."""
    return TimestampDict(
        entity_id=entity._get_entity_id(),
        created_at=_iso(entity.created_at),
        updated_at=_iso(entity.updated_at),
        age_seconds=entity.get_age_seconds(),
        staleness_seconds=entity.get_staleness_seconds(),
        domain_events_count=len(entity.get_domain_events()),
    )


def seconds_since(stamp: datetime | None) -> float | None:
    """Return how long ago a stamp was by the clock, in seconds; None for none."""
    return None if stamp is None else (read_clock() - stamp).total_seconds()


def _iso(stamp: datetime | None) -> str | None:
    return None if stamp is None else stamp.isoformat()
