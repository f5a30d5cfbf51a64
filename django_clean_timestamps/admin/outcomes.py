"""What became of events for each handler, as people read it."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from django.contrib.admin import AdminSite
from django.db import Error
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import ngettext

from django_clean_timestamps.admin.delivery_links import may_see_parked, may_see_subscriptions, parked_url
from django_clean_timestamps.admin.display import first_line, show_stamp
from django_clean_timestamps.admin.marks import Mark, fate_mark, state_mark
from django_clean_timestamps.delivery.models import Subscription
from django_clean_timestamps.delivery.outcomes import Fate, Outcome, outcomes_of
from django_clean_timestamps.delivery.registry import get_handlers
from django_clean_timestamps.eventlog.models import Event, Pending
from django_clean_timestamps.eventlog.story import reading_log
from django_clean_timestamps.views.access import viewable_labels

__all__ = ["EventOutcomes", "OutcomeGroup", "OutcomeRow", "read_outcomes"]

logger = logging.getLogger("django_clean_timestamps.admin")

_CALM: Final = (Fate.DELIVERED, Fate.SENT, Fate.PENDING, Fate.DUE, Fate.UNBORN, Fate.BEFORE)
"""What needs nobody, in the order in which it is told."""

_NAMED_AT_MOST: Final = 3


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeRow:
    """
    What became of one event for one handler.

    Attributes:
        outcome: As delivery tells it.
        url: The page of its parked event; None where it has none or the viewer may not see it.
        error: What it failed of, or why it was skipped; "" where the viewer may not see that, too.
        problem: Why its subscription stands, the same.
    """

    outcome: Outcome
    url: str | None = None
    error: str = ""
    problem: str = ""

    @property
    def mark(self) -> Mark:
        """What became of it."""
        return fate_mark(self.outcome.fate)

    @property
    def standing(self) -> Mark | None:
        """The state of a subscription that keeps it from being delivered, None where it does not."""
        is_held = self.outcome.fate == Fate.DUE and self.outcome.state != Subscription.State.ACTIVE
        return state_mark(self.outcome.state) if is_held else None

    @property
    def is_calm(self) -> bool:
        """Whether it needs nobody."""
        return self.outcome.fate in _CALM and self.standing is None and not self.outcome.problem

    @property
    def next_attempt(self) -> SafeString | None:
        """When it is tried next at the earliest; None where no time is set."""
        return show_stamp(self.outcome.available_at)

    @property
    def error_line(self) -> str:
        """The error's first line."""
        return first_line(self.error)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeGroup:
    """
    Handlers for which the same became of an event.

    Attributes:
        mark: What.
        names: Theirs.
    """

    mark: Mark
    names: tuple[str, ...]

    @property
    def told(self) -> str:
        """Their names, or how many they are where they are many."""
        if len(self.names) <= _NAMED_AT_MOST:
            return ", ".join(self.names)
        return ngettext("%(count)d handler", "%(count)d handlers", len(self.names)) % {"count": len(self.names)}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EventOutcomes:
    """What became of one event: a row for each handler that hears it, in order of their names."""

    rows: tuple[OutcomeRow, ...]

    @property
    def delivered(self) -> OutcomeGroup | None:
        """Those that it was delivered to, None for nobody."""
        return self._group(Fate.DELIVERED)

    @property
    def groups(self) -> list[OutcomeGroup]:
        """Those for which something else became of it that needs nobody."""
        return [group for fate in _CALM[1:] if (group := self._group(fate)) is not None]

    @property
    def troubled(self) -> list[OutcomeRow]:
        """The rows that somebody may have to look at."""
        return [row for row in self.rows if not row.is_calm]

    def _group(self, fate: Fate) -> OutcomeGroup | None:
        names = tuple(row.outcome.handler for row in self.rows if row.is_calm and row.outcome.fate == fate)
        return OutcomeGroup(mark=fate_mark(fate), names=names) if names else None


def read_outcomes(
    site: AdminSite, request: HttpRequest | None, events: Sequence[Event | Pending], using: str
) -> dict[UUID, EventOutcomes] | None:
    """
    Return what became of events, by their ids, without those that no handler hears; None where it cannot be read.

    By two statements for each database that handlers of the log write to, none where there is no handler. That one of
    these databases cannot be reached does not break a page of the project's.

    Args:
        site: Where parked events are linked to.
        request: Whose user reads it; None for nobody, who sees no error.
        events: Rows of the log, or of what is pending.
        using: The log's database alias.
    """
    try:
        with reading_log(using):
            found = outcomes_of(events, using)
    except Error as error:
        logger.warning("What became of events of %r cannot be read: %s", using, error)
        return None
    viewer = _Viewer.of(site, request)
    return {
        event.event_id: EventOutcomes(rows=tuple(viewer.row(event, each, using) for each in found[event.event_id]))
        for event in events
        if found[event.event_id]
    }


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Viewer:
    """
    Who reads it, and what he may see.

    Attributes:
        site: Where.
        sees_parked: Whether parked events of the types that may be viewed.
        sees_subscriptions: Whether subscriptions.
        labels: The entity types that may be viewed, None for all.
    """

    site: AdminSite
    sees_parked: bool = False
    sees_subscriptions: bool = False
    labels: tuple[str, ...] | None = None

    @classmethod
    def of(cls, site: AdminSite, request: HttpRequest | None) -> _Viewer:
        if request is None:
            return cls(site=site)
        return cls(
            site=site,
            sees_parked=may_see_parked(site, request),
            sees_subscriptions=may_see_subscriptions(site, request),
            labels=viewable_labels(request.user),
        )

    def row(self, event: Event | Pending, outcome: Outcome, using: str) -> OutcomeRow:
        problem = outcome.problem if self.sees_subscriptions else ""
        is_seen = self.sees_parked and (self.labels is None or event.entity_type in self.labels)
        if outcome.parked_id is None or not is_seen:
            return OutcomeRow(outcome=outcome, problem=problem)
        lives_in = get_handlers()[outcome.handler].alias_for(using)
        url = parked_url(self.site, lives_in, outcome.parked_id)
        return OutcomeRow(outcome=outcome, url=url, error=outcome.error, problem=problem)
