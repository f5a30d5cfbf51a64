"""Events as people read them."""

from __future__ import annotations

import dataclasses
from typing import Final

from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from django_clean_timestamps.admin.display import show_stamp
from django_clean_timestamps.admin.outcomes import EventOutcomes
from django_clean_timestamps.eventlog.encoding import CREATED, DELETED, UPDATED
from django_clean_timestamps.eventlog.models import Event, Pending

__all__ = ["KIND_WORDS", "EventRow"]

KIND_WORDS: Final = {CREATED: _("created"), UPDATED: _("updated"), DELETED: _("deleted")}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """
    One event of a table.

    Attributes:
        event: As it stands in the log, or is pending.
        url: Its own page; None where it has none.
        entity_url: The page of its entity; None where it has none.
        correlation_url: The events of the same correlation id.
        outcomes: What became of it, None where no handler hears it or nobody has asked.
    """

    event: Event | Pending
    url: str | None = None
    entity_url: str | None = None
    correlation_url: str | None = None
    outcomes: EventOutcomes | None = None

    @property
    def position(self) -> int | None:
        """Its position; None while it is pending."""
        return self.event.position if isinstance(self.event, Event) else None

    @property
    def what(self) -> str | Promise:
        """What happened, in a word."""
        return KIND_WORDS.get(self.event.kind, _("unknown"))

    @property
    def occurred(self) -> SafeString | None:
        """When it happened."""
        return show_stamp(self.event.occurred_at)

    @property
    def recorded(self) -> SafeString | None:
        """When the database recorded it."""
        return show_stamp(self.event.recorded_at)

    @property
    def previous(self) -> SafeString | None:
        """The other time that the event tells, see ``previous_label``; None where there is none."""
        return show_stamp(self.event.previous_at)

    @property
    def previous_label(self) -> str | Promise:
        """What that time is."""
        return _("Created") if self.event.kind == CREATED else _("Updated before")
