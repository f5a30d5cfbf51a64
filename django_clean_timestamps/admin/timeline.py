"""The newest events of one entity, shown on its page."""

from __future__ import annotations

import dataclasses
from typing import Final
from uuid import UUID

from django.contrib.admin import AdminSite
from django.db import router
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from django_clean_timestamps.admin.event_rows import EventRow
from django_clean_timestamps.admin.eventlog import EventLogAdmin
from django_clean_timestamps.admin.outcomes import EventOutcomes, read_outcomes
from django_clean_timestamps.eventlog.models import Event
from django_clean_timestamps.eventlog.story import entity_story, labels_of_entity, reading_log
from django_clean_timestamps.exceptions import EventLogMissingError
from django_clean_timestamps.stamping.entity import BaseTimestampEntity
from django_clean_timestamps.views.access import viewable_labels

__all__ = ["TIMELINE_LENGTH", "remember_viewer", "render_timeline"]

TIMELINE_LENGTH: Final = 20

_VIEWER: Final = "_timestamp_viewer"


@dataclasses.dataclass(slots=True, kw_only=True)
class _Viewer:
    """
    Who looks at an entity's page.

    Attributes:
        request: The page's.
        entity_id: By which id the entity was found: what is typed into its form may change it.
        shown: The timeline, once it was asked for. Unfold's templates ask three times.
    """

    request: HttpRequest
    entity_id: str
    shown: SafeString | None = None


def remember_viewer(entity: BaseTimestampEntity, request: HttpRequest) -> None:
    """Let :func:`render_timeline` know who looks; Django asks for what a read-only field shows by the object alone."""
    if not hasattr(entity, _VIEWER):
        setattr(entity, _VIEWER, _Viewer(request=request, entity_id=entity._get_entity_id()))


def render_timeline(site: AdminSite, entity: BaseTimestampEntity) -> SafeString:
    """
    Return the entity's newest events, newest first, as a table, with what handlers made of them.

    By two queries a page, and two more for each database that handlers write to.
    """
    viewer: _Viewer | None = getattr(entity, _VIEWER, None)
    if viewer is None:
        return _render(site, entity, entity._get_entity_id(), None)
    if viewer.shown is None:
        viewer.shown = _render(site, entity, viewer.entity_id, viewer.request)
    return viewer.shown


def _render(site: AdminSite, entity: BaseTimestampEntity, entity_id: str, request: HttpRequest | None) -> SafeString:
    using = entity._state.db or router.db_for_read(type(entity))
    labels = labels_of_entity(entity._meta.concrete_model._meta.label_lower)  # type: ignore[union-attr]
    log = _log_admin(site, request, labels)
    rows: list[EventRow] = []
    outcomes: dict[UUID, EventOutcomes] | None = {}
    missing = story_url = None
    try:
        with reading_log(using):
            found = entity_story(labels, entity_id, using=using, limit=TIMELINE_LENGTH)
    except EventLogMissingError:
        missing = using
    else:
        outcomes = read_outcomes(site, request, found, using)
        rows = [EventRow(event=event, outcomes=(outcomes or {}).get(event.event_id)) for event in found]
        if log is not None and found:
            rows = [_linked(log, row, using) for row in rows]
            story_url = log.url_of_entity(found[0], using)
    context = {
        "rows": rows,
        "missing": missing,
        "story_url": story_url,
        "has_outcomes": bool(outcomes),
        "is_outcome_unknown": outcomes is None,
    }
    return render_to_string("admin/clean_timestamps/timeline.html", context)


def _log_admin(site: AdminSite, request: HttpRequest | None, labels: tuple[str, ...]) -> EventLogAdmin | None:
    """Return the event log's admin where it stands on the site and its user may see such events there."""
    if request is None or not site.is_registered(Event):
        return None
    log = site.get_model_admin(Event)
    if not isinstance(log, EventLogAdmin) or not log.has_view_permission(request):
        return None
    permitted = viewable_labels(request.user)
    return log if permitted is None or set(labels) & set(permitted) else None


def _linked(log: EventLogAdmin, row: EventRow, using: str) -> EventRow:
    event = row.event
    return dataclasses.replace(row, url=log.url_of_event(event, using)) if isinstance(event, Event) else row
