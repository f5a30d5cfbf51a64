"""The subscriptions' pages: how each handler's delivery stands, and pausing it."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db import Error, connections, transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from django_clean_timestamps.admin.databases import DatabaseFilter
from django_clean_timestamps.admin.delivery_admin import MANAGE, DeliveryAdmin, log_operation
from django_clean_timestamps.admin.delivery_links import may_see_parked, parked_list_url
from django_clean_timestamps.admin.marks import fate_mark
from django_clean_timestamps.admin.subscription_rows import ParkedCount, SubscriptionRow
from django_clean_timestamps.delivery import operations
from django_clean_timestamps.delivery.doorbell import ring
from django_clean_timestamps.delivery.models import ParkedEvent, Subscription
from django_clean_timestamps.delivery.places import Place
from django_clean_timestamps.delivery.status import SubscriptionStatus, read_subscriptions
from django_clean_timestamps.eventlog.fields import database_now
from django_clean_timestamps.eventlog.story import reading_log

__all__ = ["SubscriptionAdmin"]

State = Subscription.State

logger = logging.getLogger("django_clean_timestamps.admin")


class SubscriptionAdmin(DeliveryAdmin):
    """
    The subscriptions, read-only but for two actions.

    ``clean_timestamps.view_subscription`` opens it. An action is done to all shards of the handlers that are selected.
    """

    ordering = ("handler", "log_alias", "slot_from")
    list_filter = (DatabaseFilter, "state")
    search_fields = ("handler",)
    actions = ("pause", "resume")
    gone_message = gettext_lazy("This subscription is not there any more: its handler was forgotten or divided anew.")

    @admin.action(
        permissions=[MANAGE], description=gettext_lazy("Pause the handlers of selected %(verbose_name_plural)s")
    )
    def pause(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Keep the handlers from being delivered to until they are resumed."""
        count = 0
        with transaction.atomic(using=queryset.db):
            for place, handler in _places(queryset):
                rows = list(_shards(handler, place).exclude(state=State.PAUSED))
                count += operations.pause(handler, place)
                log_operation(request, rows, place.using, _("Paused"))
        text = ngettext("%(count)d subscription was paused.", "%(count)d subscriptions were paused.", count)
        self._tell(request, text, count)

    @admin.action(
        permissions=[MANAGE], description=gettext_lazy("Resume the handlers of selected %(verbose_name_plural)s")
    )
    def resume(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Let the handlers be delivered to again, at once also those that back off."""
        count = 0
        places = _places(queryset)
        with transaction.atomic(using=queryset.db):
            for place, handler in places:
                rows = list(_shards(handler, place).exclude(state=State.ACTIVE))
                count += operations.resume(handler, place)
                log_operation(request, rows, place.using, _("Resumed"))
        for log_alias in sorted({place.log_alias for place, handler in places}):
            ring(log_alias)
        text = ngettext("%(count)d subscription was resumed.", "%(count)d subscriptions were resumed.", count)
        self._tell(request, text, count)

    def list_rows(self, request: HttpRequest, changelist: ChangeList) -> list[SubscriptionRow]:
        """Return the rows with how they stand: one statement for all, and five for each log."""
        return self._rows(request, list(changelist.result_list))

    def page_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """Return what a subscription's page shows."""
        (shown,) = self._rows(request, [row])
        return {"row": shown}

    def _rows(self, request: HttpRequest, shards: list[Subscription]) -> list[SubscriptionRow]:
        if not shards:
            return []
        using = str(shards[0]._state.db)
        statuses = {
            (status.handler, status.log_alias, status.slot_from): status
            for log_alias in sorted({shard.log_alias for shard in shards})
            for status in _statuses(log_alias, using)
        }
        now = database_now(using) if any(shard.owner for shard in shards) else None
        return [
            self._row(request, shard, statuses.get((shard.handler, shard.log_alias, shard.slot_from)), now)
            for shard in shards
        ]

    def _row(
        self, request: HttpRequest, shard: Subscription, status: SubscriptionStatus | None, now: datetime | None
    ) -> SubscriptionRow:
        using = str(shard._state.db)
        counts = {} if status is None else _parked_counts(status)
        has_links = may_see_parked(self.admin_site, request)
        parked = tuple(
            ParkedCount(mark=fate_mark(state), count=count, url=self._parked_url(using, shard, state, has_links))
            for state, count in counts.items()
            if count
        )
        return SubscriptionRow(shard=shard, status=status, parked=parked, now=now, url=self.row_url(shard.pk, using))

    def _parked_url(self, using: str, shard: Subscription, state: str, has_links: bool) -> str | None:
        if not has_links:
            return None
        return parked_list_url(self.admin_site, using, handler=shard.handler, state__exact=state)

    def _tell(self, request: HttpRequest, text: str, count: int) -> None:
        self.message_user(request, text % {"count": count}, messages.SUCCESS if count else messages.WARNING)


def _places(queryset: QuerySet[Any]) -> list[tuple[Place, str]]:
    """Return the handlers of the rows, each with where it is, in an order in which two users cannot deadlock."""
    found = set(queryset.order_by().values_list("log_alias", "handler"))
    return [(Place(queryset.db, log_alias), handler) for log_alias, handler in sorted(found)]


def _shards(handler: str, place: Place) -> QuerySet[Subscription, Subscription]:
    return Subscription.objects.using(place.using).filter(handler=handler, log_alias=place.log_alias)


def _parked_counts(status: SubscriptionStatus) -> dict[str, int]:
    return {
        ParkedEvent.State.DEAD: status.dead_count,
        ParkedEvent.State.RETRY: status.retry_count,
        ParkedEvent.State.WAITING: status.waiting_count,
    }


def _statuses(log_alias: str, using: str) -> Iterable[SubscriptionStatus]:
    """Return how the subscriptions to a log stand; nothing where it cannot be read, which must not hide the rest."""
    if log_alias not in connections:
        return []
    try:
        with reading_log(log_alias):
            return read_subscriptions(log_alias, [using])
    except Error as error:
        logger.warning("The log of %r cannot be read: %s", log_alias, error)
        return []
