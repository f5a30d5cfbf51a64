"""Events and moments, in words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from django_clean_timestamps.eventlog.encoding import CREATED, DELETED, UPDATED
from django_clean_timestamps.eventlog.models import Event, Pending
from django_clean_timestamps.management.ages import in_words

__all__ = ["event_name", "event_words", "moment", "until"]

KIND_WORDS: Final = {CREATED: "created", UPDATED: "updated", DELETED: "deleted"}


def event_name(event: Event | Pending) -> str:
    """Return what an event is called: ``"#12"``, by its position, which one that is pending has not."""
    return f"#{event.position:,}" if isinstance(event, Event) else "the pending event"


def event_words(event: Event | Pending) -> str:
    """Return what happened, why and by whom: ``"updated, 'reviewed', by anna"``."""
    reason = f", {event.reason!r}" if event.reason else ""
    actor = f", by {event.actor}" if event.actor else ""
    return KIND_WORDS.get(event.kind, "written by a newer release") + reason + actor


def moment(when: datetime) -> str:
    """Return a time in full: ``"2026-01-01 12:00:00.000000 UTC"``."""
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f} UTC"


def until(when: datetime | None, now: datetime) -> str:
    """Return how far off a time is: ``"in 40 seconds"``, or ``"now"``."""
    seconds = 0.0 if when is None else (when - now).total_seconds()
    return f"in {in_words(seconds)}" if seconds > 0 else "now"
