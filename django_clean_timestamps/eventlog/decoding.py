"""
Rows of the log to events.

Times travel as text, which Python reads twenty times faster than the drivers and Django do: they take most of what a
page costs otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

from django.conf import settings

from django_clean_timestamps.eventlog.encoding import COLUMNS, CREATED, DELETED, UPDATED
from django_clean_timestamps.eventlog.models import SCHEMA
from django_clean_timestamps.events import (
    TimestampCreatedEvent,
    TimestampDeletedEvent,
    TimestampEvent,
    TimestampUpdatedEvent,
)
from django_clean_timestamps.events.types import NO_METADATA
from django_clean_timestamps.exceptions import UnreadableEventError

__all__ = ["decoder", "selected_columns"]

_TIMES: Final = ("occurred_at", "previous_at", "recorded_at")
_AS_TEXT: Final = {
    "postgresql": "{}::text",
    "mysql": "CONCAT({}, '+00:00')",
    "sqlite": "{} || '+00:00'",
}


def selected_columns(connection: Any, number: str) -> str:
    """Return what to select for :func:`decoder`: the column of that name, ``position`` or ``id``, then ``COLUMNS``."""
    quote, text = connection.ops.quote_name, _AS_TEXT[connection.vendor]
    names = [text.format(quote(name)) if name in _TIMES else quote(name) for name in COLUMNS]
    return ", ".join([quote(number), *names])


def decoder(connection: Any) -> Callable[[Sequence[Any]], TimestampEvent]:
    """
    Return the function that makes an event of a row of :func:`selected_columns`.

    The number in front becomes the event's ``position``; of a pending row that is to be taken off again.

    Raises (when called):
        UnreadableEventError: A newer release wrote the row.
    """
    as_uuid: Callable[[Any], UUID] = _as_is if connection.vendor == "postgresql" else UUID
    as_time = _time_reader(connection)
    as_recorded = _as_time if connection.vendor == "postgresql" else datetime.fromisoformat

    def decode(row: Sequence[Any]) -> TimestampEvent:
        position, event_id, _, kind, entity_type, entity_id, occurred, previous, *rest = row
        reason, actor, correlation_id, metadata, schema, recorded = rest
        if schema > SCHEMA or kind not in (CREATED, UPDATED, DELETED):
            raise UnreadableEventError(
                f"Event {position} of {connection.alias!r} has schema {schema} and kind {kind}; this release reads "
                f"schema {SCHEMA} and kinds {CREATED}, {UPDATED}, {DELETED}. Upgrade django-clean-timestamps here too"
            )
        occurred_at = as_time(occurred)
        previous_at = None if previous is None else as_time(previous)
        make: type[TimestampEvent] = TimestampDeletedEvent
        own: dict[str, Any] = {}
        if kind == UPDATED:
            make, own = TimestampUpdatedEvent, {"old_timestamp": previous_at, "new_timestamp": occurred_at}
        elif kind == CREATED:
            make, own = TimestampCreatedEvent, {"created_timestamp": previous_at or occurred_at}
        # What they share by name and not as a second dict: a page holds hundreds, and unpacking it would show there.
        return make(
            event_id=as_uuid(event_id),
            entity_type=entity_type,
            entity_id=entity_id,
            occurred_at=occurred_at,
            reason=reason,
            actor=actor,
            correlation_id=correlation_id,
            metadata=NO_METADATA if metadata is None else _as_mapping(metadata),
            position=position,
            recorded_at=as_recorded(recorded),
            **own,
        )

    return decode


def _as_is(value: Any) -> Any:
    return value


def _time_reader(connection: Any) -> Callable[[str], datetime]:
    """Return what reads the times that Django wrote; those of the database's own clock are UTC everywhere."""
    if connection.vendor == "postgresql":
        return _as_time if settings.USE_TZ else _as_naive_utc
    zone = connection.timezone
    if zone is None or zone is UTC:
        return datetime.fromisoformat
    # DATABASES[…]["TIME_ZONE"]: Django keeps that zone's local times there.
    return lambda text: _as_naive_utc(text).replace(tzinfo=zone).astimezone(UTC)


def _as_time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return time if time.tzinfo is UTC else time.astimezone(UTC)


def _as_naive_utc(text: str) -> datetime:
    """Without time zone support Django has told PostgreSQL that the naive UTC was the session's local time."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def _as_mapping(value: Any) -> Any:
    return MappingProxyType(json.loads(value) if isinstance(value, str | bytes) else value)
