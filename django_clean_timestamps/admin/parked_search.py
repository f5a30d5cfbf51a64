"""How parked events are found: by handler, by entity, by position, by event id."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, NamedTuple
from uuid import UUID

from django.contrib import admin
from django.db import connections
from django.db.models import QuerySet
from django.db.models.functions import Length
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from django_clean_timestamps.admin.databases import chosen_database
from django_clean_timestamps.delivery.models import Subscription
from django_clean_timestamps.delivery.registry import get_handlers
from django_clean_timestamps.eventlog.slots import root_label_of

__all__ = ["HandlerFilter", "Known", "find_parked"]


class Known(NamedTuple):
    """
    What a parked event can belong to.

    Attributes:
        handlers: The names of the handlers in the code, and of those that have subscriptions.
        logs: The aliases of the databases there are, and of those that subscriptions name.
    """

    handlers: list[str]
    logs: list[str]

    @classmethod
    def of(cls, using: str) -> Known:
        """Find out, by a statement over a database's subscriptions, which are few; parked events may be many."""
        found = list(Subscription.objects.using(using).order_by().values_list("handler", "log_alias").distinct())
        handlers = {*get_handlers(), *(handler for handler, _ in found)}
        return cls(sorted(handlers), sorted({*connections, *(log_alias for _, log_alias in found)}))


def find_parked(rows: QuerySet[Any], text: str) -> QuerySet[Any]:
    """
    Return the parked events that a text means.

    That is an entity's key (``app.model:id``), an event's id, a position, or part of a handler's name. All but an
    event's id are found by an index, which begins with the handler: that is why all of them are named.

    Args:
        rows: Where to look, of one database.
        text: What was typed in, "" for all.
    """
    word = text.strip()
    if not word:
        return rows
    with suppress(ValueError):
        return rows.filter(event__event_id=str(UUID(word)))
    handlers, logs = Known.of(rows.db)
    if word.isascii() and word.isdigit() and len(word) < 19:
        return rows.filter(handler__in=handlers, log_alias__in=logs, position=int(word))
    named = [name for name in handlers if word.lower() in name.lower()]
    # Not stripped at its end: an entity's id may end with a space.
    label, is_key, entity_id = text.lstrip().partition(":")
    if is_key and not named:
        key = f"{root_label_of(label.lower())}:{entity_id}"
        found: QuerySet[Any] = rows.filter(handler__in=handlers, entity_key=key).alias(_length=Length("entity_key"))
        # MariaDB finds "A" and "a " too where "a" is asked for; in JSON it tells the former, by the length the latter.
        rows = found.filter(event__entity_id=entity_id, _length=len(key))
    else:
        rows = rows.filter(handler__in=named)
    return rows


class HandlerFilter(admin.SimpleListFilter):
    """By handler, those that are gone from the code among them."""

    title = _("handler")
    parameter_name = "handler"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        """Return the choices."""
        return [(name, name) for name in Known.of(chosen_database(request)).handlers]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows of the chosen one."""
        return queryset if self.value() is None else queryset.filter(handler=self.value())
