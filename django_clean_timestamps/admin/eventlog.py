"""The event log's pages: to look at, never to change."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.db import router
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from django_clean_timestamps.admin.entity_links import entity_url
from django_clean_timestamps.admin.event_rows import EventRow
from django_clean_timestamps.admin.log_pages import PAGE_SIZE, SEARCH_WINDOW, LogPage, read_page
from django_clean_timestamps.admin.log_search import LogForm
from django_clean_timestamps.admin.outcomes import read_outcomes
from django_clean_timestamps.admin.read_only import ReadOnlyAdmin
from django_clean_timestamps.eventlog.aliases import entity_aliases
from django_clean_timestamps.eventlog.encoding import DELETED
from django_clean_timestamps.eventlog.models import Event, Pending
from django_clean_timestamps.eventlog.story import entity_events, entity_labels, labels_of_entity, reading_log
from django_clean_timestamps.exceptions import EventLogMissingError
from django_clean_timestamps.views.access import viewable_labels

__all__ = ["EventLogAdmin"]


class EventLogAdmin(ReadOnlyAdmin):
    """
    The event log, read-only.

    ``clean_timestamps.view_event`` opens it; of the events a user sees those of the models that he has ``view`` on, a
    superuser all.
    """

    # Pages.

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show a page of the log."""
        self.refuse_all_but_reading(request)
        permitted = viewable_labels(request.user)
        aliases = _aliases()
        labels = entity_labels() if permitted is None else permitted
        form = LogForm(request.GET, aliases=aliases, labels=labels)
        page, missing, using = LogPage(), None, aliases[0]
        if form.is_valid():
            search = form.as_search(permitted)
            using = search.using
            try:
                with reading_log(using):
                    page = read_page(search)
            except EventLogMissingError as error:
                missing = str(error)
        context = {
            "title": capfirst(self.opts.verbose_name_plural),
            "form": form,
            "labels": labels,
            "page": page,
            "missing": missing,
            "rows": [self._row(request, event, using) for events in (page.pending, page.events) for event in events],
            "page_size": PAGE_SIZE,
            "window": SEARCH_WINDOW,
            "newest_url": form.query(),
            "newer_url": None if page.newer is None else form.query(after=page.newer),
            "older_url": None if page.older is None else form.query(upto=page.older),
        }
        return self._render(request, "event_log", context | (extra_context or {}))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show one event."""
        self.refuse_all_but_reading(request)
        form = LogForm(request.GET, aliases=_aliases(), labels=())
        using = form.as_search(None).using if form.is_valid() else form.aliases[0]
        context: dict[str, Any] = {"title": _("Event %(position)s") % {"position": object_id}}
        try:
            with reading_log(using):
                context |= self._story(request, self._event(request, object_id, using), using)
        except EventLogMissingError as error:
            context["missing"] = str(error)
        return self._render(request, "event", context | (extra_context or {}))

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Refuse."""
        raise PermissionDenied

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Refuse: nobody changes an event, so it has no history."""
        raise PermissionDenied

    # What they show.

    def url_of_entity(self, event: Event | Pending, using: str) -> str:
        """Return the address of the page with all events of an event's entity."""
        return self._list_url(using, entity_type=event.entity_type, entity_id=event.entity_id)

    def url_of_event(self, event: Event, using: str) -> str:
        """Return the address of an event's own page."""
        url = reverse(f"{self.admin_site.name}:clean_timestamps_event_change", args=[event.position])
        return url + _query(using)

    def _list_url(self, using: str, **asked: Any) -> str:
        return reverse(f"{self.admin_site.name}:clean_timestamps_event_changelist") + _query(using, **asked)

    def _event(self, request: HttpRequest, object_id: str, using: str) -> Event:
        position = int(object_id) if object_id.isascii() and object_id.isdigit() and len(object_id) < 19 else 0
        event: Event | None = Event.objects.using(using).filter(position=position).first()
        if event is None:
            raise Http404(f"There is no event {object_id} in the log of {using!r}: it was pruned, or is still to come")
        permitted = viewable_labels(request.user)
        if permitted is not None and event.entity_type not in permitted:
            raise PermissionDenied
        return event

    def _story(self, request: HttpRequest, event: Event, using: str) -> dict[str, Any]:
        """Return what the page of an event shows."""
        permitted = viewable_labels(request.user)
        labels = [each for each in labels_of_entity(event.entity_type) if permitted is None or each in permitted]
        events = Event.objects.using(using)
        before, after = events.filter(position__lt=event.position), events.filter(position__gt=event.position)
        earlier = entity_events(before, labels, event.entity_id, limit=1)
        later = entity_events(after, labels, event.entity_id, limit=1, oldest_first=True)
        outcomes = read_outcomes(self.admin_site, request, [event], using)
        return {
            "row": self._row(request, event, using),
            "outcomes": (outcomes or {}).get(event.event_id),
            "is_outcome_unknown": outcomes is None,
            "using": using if len(_aliases()) > 1 else None,
            "metadata": json.dumps(event.metadata, indent=2, ensure_ascii=False) if event.metadata else None,
            "earlier_url": self.url_of_event(earlier[0], using) if earlier else None,
            "later_url": self.url_of_event(later[0], using) if later else None,
            "story_url": self.url_of_entity(event, using),
            "log_url": self._list_url(using, upto=event.position),
        }

    def _row(self, request: HttpRequest, event: Event | Pending, using: str) -> EventRow:
        around: dict[str, Any] = {}
        url = entity = None
        if isinstance(event, Event):
            url = self.url_of_event(event, using)
            # What belongs together lies close together, so its search begins a little behind the event.
            around["upto"] = event.position + SEARCH_WINDOW // 2
        if event.kind != DELETED:
            entity = entity_url(self.admin_site, request, event.entity_type, event.entity_id, using)
        correlation_url = self._list_url(using, correlation_id=event.correlation_id, **around)
        return EventRow(event=event, url=url, entity_url=entity, correlation_url=correlation_url)

    def _render(self, request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
        return self.render_page(request, name, {"list_url": self._list_url(_aliases()[0])} | context)


def _aliases() -> tuple[str, ...]:
    return entity_aliases() or (router.db_for_read(Event),)


def _query(using: str, **asked: Any) -> str:
    named = {"database": using, **asked} if len(_aliases()) > 1 else asked
    return "?" + urlencode(named) if named else ""
