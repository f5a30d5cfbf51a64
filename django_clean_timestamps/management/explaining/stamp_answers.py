"""Why a row has the stamp that it has, in sentences."""

from __future__ import annotations

from collections.abc import Iterator

from django_clean_timestamps.conf import get_settings
from django_clean_timestamps.eventlog.encoding import DELETED
from django_clean_timestamps.eventlog.models import Event, Pending
from django_clean_timestamps.management.explaining.event_words import event_name, event_words, moment
from django_clean_timestamps.management.explaining.story import Story
from django_clean_timestamps.stamping.entity import BaseTimestampEntity

__all__ = ["stamp_answers"]


def stamp_answers(story: Story) -> Iterator[str]:
    """Yield why the row has its stamp, or what became of a row that is not there."""
    if story.row is not None:
        yield _of_stamp(story, story.row)
    elif story.entity.model is None:
        yield f"{story.entity.label} is not installed (any more): there is no row to look at."
    elif story.events and story.events[0].kind == DELETED:
        yield f"There is no row any more: {_told(story.events[0])}."
    elif story.entity.has_own_identity:
        yield "The row was not found: its class makes its ids itself, so name it by its primary key."
    else:
        yield (
            "There is no row, and no event says that it was deleted: that happened past Django, or under "
            f"without_events(){_retained(story)}."
        )


def _of_stamp(story: Story, row: BaseTimestampEntity) -> str:
    of_stamp = next((event for event in story.events if event.occurred_at == row.updated_at), None)
    if of_stamp is not None:
        told = f"updated_at is that of {_told(of_stamp)}."
        if of_stamp is not story.events[0]:
            newest = _told(story.events[0])
            told += f" Later in the log is {newest}: a time that was given, or a stamp or row that was put back."
        return told
    if not story.events:
        return f"No event of it is in the log: it was written last where no event was{_retained(story)}."
    return (
        f"No event has this stamp: the newest, {_told(story.events[0])}. Somebody wrote the row past Django, or under "
        "without_events() or preserve_timestamps()."
    )


def _told(event: Event | Pending) -> str:
    return f"{event_name(event)}, at {moment(event.occurred_at)}: {event_words(event)}"


def _retained(story: Story) -> str:
    """Return what else can be the reason that there is no event, as the end of a sentence."""
    settings = get_settings()
    pruned = f", or its events were pruned: they are kept for {settings.retention_days:g} days"
    return (", since CLEAN_TIMESTAMPS['EVENTS'] is False" if not settings.events else "") + pruned
