"""Template tags that show stamps and events."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from django import template
from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.db import models
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from django_clean_timestamps.eventlog.encoding import CREATED, DELETED, UPDATED

register = template.Library()

EVENT_NAMES = {
    "timestamp_created": _("created"),
    "timestamp_updated": _("updated"),
    "timestamp_deleted": _("deleted"),
}
EVENT_TYPES = {CREATED: "timestamp_created", UPDATED: "timestamp_updated", DELETED: "timestamp_deleted"}


@register.simple_tag
def stamp(moment: datetime | None) -> SafeString | str:
    """
    Return a stamp's age as a ``time`` element, with the exact UTC as its title.

    ``{% stamp task.updated_at %}`` becomes "3 minutes ago".
    """
    if moment is None:
        return "–"
    exact = moment.astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        exact.isoformat(),
        f"{exact:%Y-%m-%d %H:%M:%S.%f} UTC",
        naturaltime(moment),
    )


@register.inclusion_tag("tracker/_recent_events.html")
def recent_events_table(events: Sequence[Any]) -> dict[str, Any]:
    """Show the newest events of what a page is about, in a card."""
    return {"events": events}


@register.inclusion_tag("tracker/_events.html")
def events_table(events: Sequence[Any], heading: str) -> dict[str, Any]:
    """
    Show events as a table: rows of the log, domain events or activity entries.

    An actor that is a user's key is shown by the user's name, and an entity that still exists by its own, with a link:
    one query for all users, and one for each model.

    Args:
        events: What to show, in this order.
        heading: The id of the heading that names the table.
    """
    keys = {event.actor for event in events if event.actor.isdecimal()}
    users = get_user_model()._default_manager.in_bulk(keys) if keys else {}
    names = {str(key): user.get_username() for key, user in users.items()}
    entities = _entities_of(events)
    rows = [
        (event, names.get(event.actor, event.actor), entities.get((event.entity_type, event.entity_id)))
        for event in events
    ]
    return {"rows": rows, "heading": heading}


def _entities_of(events: Sequence[Any]) -> dict[tuple[str, str], models.Model]:
    keys: dict[str, set[str]] = defaultdict(set)
    for event in events:
        keys[event.entity_type].add(event.entity_id)
    found: dict[tuple[str, str], models.Model] = {}
    for entity_type, entity_ids in keys.items():
        if model := _model_of(entity_type):
            entities = model._default_manager.all()
            # An address may need what the entity belongs to, so that is read with it.
            if parents := getattr(model, "touches", ()):
                entities = entities.select_related(*parents)
            found |= {(entity_type, str(key)): entity for key, entity in entities.in_bulk(entity_ids).items()}
    return found


def _model_of(entity_type: str) -> type[models.Model] | None:
    """Return the model of a label, None where it is gone: what is kept of it may be older than the code."""
    try:
        return apps.get_model(entity_type)
    except LookupError:
        return None


@register.filter
def event_name(event: Any) -> str:
    """Return what an event says has happened, in one word."""
    # The log's rows have the event's type as a number.
    event_type = EVENT_TYPES[event.kind] if hasattr(event, "kind") else event.event_type
    return str(EVENT_NAMES.get(event_type, event_type))


@register.filter
def is_backdated(event: Any) -> bool:
    """Return whether an event was recorded more than an hour after it occurred, as an import's are."""
    return bool(event.recorded_at - event.occurred_at > timedelta(hours=1))


@register.filter
def entity_name(event: Any) -> str:
    """Return what kind of entity an event is about, as its model calls itself."""
    model = _model_of(event.entity_type)
    return str(model._meta.verbose_name if model else event.entity_type)
