"""A parked event as people read it."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from django_clean_timestamps.admin.display import first_line, show_stamp
from django_clean_timestamps.admin.event_rows import KIND_WORDS
from django_clean_timestamps.admin.marks import GONE, Mark, fate_mark
from django_clean_timestamps.delivery.models import ParkedEvent
from django_clean_timestamps.delivery.registry import get_handlers
from django_clean_timestamps.eventlog.encoding import KINDS

__all__ = ["ParkedRow"]

_WORDS: Final = {kind.event_type: KIND_WORDS[number] for kind, number in KINDS.items()}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ParkedRow:
    """
    One parked event of a table.

    Attributes:
        parked: Its row.
        url: Its own page.
        entity_url: The page of its entity; None where it has none.
    """

    parked: ParkedEvent
    url: str
    entity_url: str | None = None

    @property
    def event(self) -> dict[str, Any]:
        """The event."""
        event: dict[str, Any] = self.parked.event
        return event

    @property
    def what(self) -> str | Promise:
        """What happened, in a word."""
        return _WORDS.get(self.event["event_type"], _("unknown"))

    @property
    def mark(self) -> Mark:
        """What becomes of it."""
        return fate_mark(self.parked.state)

    @property
    def gone(self) -> Mark | None:
        """The mark of one whose handler is not in the code, None where it is."""
        return None if self.parked.handler in get_handlers() else GONE

    @property
    def attempts_allowed(self) -> int | None:
        """How many attempts it has, None where nobody can say."""
        handler = get_handlers().get(self.parked.handler)
        return None if handler is None else handler.attempts_allowed

    @property
    def next_attempt(self) -> SafeString | None:
        """When it is tried again at the earliest; None where it is not."""
        return show_stamp(self.parked.available_at) if self.parked.state == ParkedEvent.State.RETRY else None

    @property
    def since(self) -> SafeString | None:
        """Since when it is parked."""
        return show_stamp(self.parked.parked_at)

    @property
    def error_line(self) -> str:
        """The first line of what it failed of, or of why it was skipped, "" for nothing."""
        return first_line(self.parked.last_error)

    @property
    def event_text(self) -> str:
        """The whole event, as JSON."""
        return json.dumps(self.event, indent=2, ensure_ascii=False)
