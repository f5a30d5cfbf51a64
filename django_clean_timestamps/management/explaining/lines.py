"""A story as lines of text, and as values of JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django_clean_timestamps.delivery.models import ParkedEvent
from django_clean_timestamps.delivery.outcomes import Outcome
from django_clean_timestamps.eventlog.encoding import KINDS
from django_clean_timestamps.eventlog.models import Event, Pending
from django_clean_timestamps.management.explaining.event_words import event_name, event_words, moment
from django_clean_timestamps.management.explaining.handler_answers import handler_answers
from django_clean_timestamps.management.explaining.stamp_answers import stamp_answers
from django_clean_timestamps.management.explaining.story import Story

__all__ = ["story_as_json", "story_lines"]

EVENT_TYPES = {number: kind.event_type for kind, number in KINDS.items()}


def story_as_json(story: Story) -> dict[str, Any]:
    """Return a story's values, times in ISO 8601."""
    row = story.row
    return {
        "entity_type": story.entity.label,
        "entity_id": story.entity_id,
        "row": row and {"created_at": row.created_at.isoformat(), "updated_at": row.updated_at.isoformat()},
        "events": [_event(story, event) for event in story.events],
        "parked": [_parked(row) for each in story.handlers for row in each.parked],
        "answers": _answers(story),
    }


def story_lines(story: Story) -> Iterator[str]:
    """Yield what a person reads: the row, its events and what became of them, and the answers."""
    yield f"{story.entity.label} {story.entity_id} in {story.using}"
    if story.row is not None:
        yield f"  created_at  {moment(story.row.created_at)}"
        yield f"  updated_at  {moment(story.row.updated_at)}"
    if story.events:
        yield "  events, newest first"
    for event in story.events:
        name = event_name(event) if isinstance(event, Event) else "pending"
        yield f"    {name}  {moment(event.occurred_at)}  {event_words(event)}"
        for outcome in story.outcomes[event.event_id]:
            yield f"      {outcome.handler}: {outcome.fate}"
    yield from (f"  {answer}" for answer in _answers(story))


def _answers(story: Story) -> list[str]:
    return [*stamp_answers(story), *handler_answers(story)]


def _event(story: Story, event: Event | Pending) -> dict[str, Any]:
    return {
        "position": event.position if isinstance(event, Event) else None,
        "event_id": str(event.event_id),
        "event_type": EVENT_TYPES.get(event.kind),
        "entity_type": event.entity_type,
        "occurred_at": event.occurred_at.isoformat(),
        "recorded_at": event.recorded_at.isoformat(),
        "previous_at": _plain(event.previous_at),
        "reason": event.reason,
        "actor": event.actor,
        "correlation_id": event.correlation_id,
        "metadata": event.metadata or {},
        "outcomes": [_outcome(outcome) for outcome in story.outcomes[event.event_id]],
    }


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {name: _plain(value) for name, value in dataclasses.asdict(outcome).items()}


def _parked(row: ParkedEvent) -> dict[str, Any]:
    return {
        "id": row.pk,
        "using": row._state.db,
        "handler": row.handler,
        "position": row.position,
        "event_id": row.event["event_id"],
        "state": row.state,
        "attempts": row.attempts,
        "available_at": row.available_at.isoformat(),
        "error": row.last_error,
    }


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
