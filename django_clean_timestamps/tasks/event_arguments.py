"""Events as arguments of Celery tasks."""

from __future__ import annotations

from typing import Final

from kombu.utils.json import register_type

from django_clean_timestamps.events import TimestampEvent

__all__ = ["connect"]

MARKER: Final = "clean_timestamps.event"


def connect() -> None:
    """Let Celery's JSON hold events: a task that is given one gets the same one, of the same type."""
    register_type(TimestampEvent, MARKER, TimestampEvent.to_dict, TimestampEvent.from_dict)
