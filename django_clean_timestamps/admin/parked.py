"""The parked events' pages: what failed and why, and trying it again or giving it up."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db import Error, connections
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy

from django_clean_timestamps.admin.databases import DatabaseFilter
from django_clean_timestamps.admin.delivery_admin import MANAGE, DeliveryAdmin
from django_clean_timestamps.admin.entity_links import entity_url
from django_clean_timestamps.admin.eventlog import EventLogAdmin
from django_clean_timestamps.admin.parked_actions import retry_from_selected, retry_selected, skip_selected
from django_clean_timestamps.admin.parked_rows import ParkedRow
from django_clean_timestamps.admin.parked_search import HandlerFilter, find_parked
from django_clean_timestamps.delivery.models import ParkedEvent
from django_clean_timestamps.eventlog.models import Event
from django_clean_timestamps.eventlog.story import reading_log
from django_clean_timestamps.events import TimestampDeletedEvent
from django_clean_timestamps.events.validation import REASON_LENGTH
from django_clean_timestamps.views.access import viewable_labels

__all__ = ["ParkedEventAdmin"]

State = ParkedEvent.State


class ParkedEventAdmin(DeliveryAdmin):
    """
    The parked events, read-only but for three actions.

    ``clean_timestamps.view_parkedevent`` opens it; of the events a user sees those of the models that he has ``view``
    on, a superuser all, and an action is done to no others.
    """

    ordering = ("-id",)
    list_per_page = 50
    list_filter = (DatabaseFilter, "state", HandlerFilter)
    # What makes the admin show the search; find_parked() does it.
    search_fields = ("entity_key",)
    search_help_text = gettext_lazy("An entity (app.model:id), an event id, a position, or part of a handler’s name.")
    actions = ("retry_now", "retry_from_here", "skip")
    gone_message = gettext_lazy(
        "This event is not parked any more, or not yours to see: most likely it was delivered after all."
    )

    @admin.action(permissions=[MANAGE], description=gettext_lazy("Retry now"))
    def retry_now(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Let the events be tried at once, dead ones with all their attempts again."""
        retry_selected(self, request, queryset)

    @admin.action(permissions=[MANAGE], description=gettext_lazy("Retry from here: the entity’s later events, too"))
    def retry_from_here(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Hand the entities' events over anew from these on."""
        retry_from_selected(self, request, queryset)

    @admin.action(permissions=[MANAGE], description=gettext_lazy("Skip, because …"))
    def skip(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Give the events up, once a reason is given."""
        return skip_selected(self, request, queryset)

    def rows_in(self, request: HttpRequest, using: str) -> QuerySet[Any]:
        """Return the parked events of a database whose models the user may view."""
        rows = super().rows_in(request, using)
        permitted = viewable_labels(request.user)
        return rows if permitted is None else rows.filter(event__entity_type__in=permitted)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Return what the search means, see :func:`~.parked_search.find_parked`."""
        return find_parked(queryset, search_term), False

    def list_rows(self, request: HttpRequest, changelist: ChangeList) -> list[ParkedRow]:
        """Return the rows of the page, by one statement."""
        return [self._row(request, parked) for parked in changelist.result_list]

    def page_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """Return what a parked event's page shows."""
        return {
            "row": self._row(request, row),
            "event_url": self._event_url(request, row),
            "entity_list_url": self.list_url(row._state.db, q=row.entity_key),
            "can_retry": row.state in (State.RETRY, State.DEAD),
            "can_skip": row.state != State.SKIPPED,
            "reason_length": REASON_LENGTH,
        }

    def _row(self, request: HttpRequest, parked: ParkedEvent) -> ParkedRow:
        event, entity = parked.event, None
        if event["event_type"] != TimestampDeletedEvent.event_type:
            entity = entity_url(self.admin_site, request, event["entity_type"], event["entity_id"], parked.log_alias)
        return ParkedRow(parked=parked, url=self.row_url(parked.pk, str(parked._state.db)), entity_url=entity)

    def _event_url(self, request: HttpRequest, parked: ParkedEvent) -> str | None:
        """Return the address of the event in its log, None where it was pruned or the user cannot see it there."""
        if parked.log_alias not in connections or not self.admin_site.is_registered(Event):
            return None
        log = self.admin_site.get_model_admin(Event)
        if not isinstance(log, EventLogAdmin) or not log.has_view_permission(request):
            return None
        # What keeps the log from being read must not hide what it holds.
        with suppress(Error), reading_log(parked.log_alias):
            event = Event.objects.using(parked.log_alias).filter(position=parked.position).first()
            return None if event is None else log.url_of_event(event, parked.log_alias)
        return None
