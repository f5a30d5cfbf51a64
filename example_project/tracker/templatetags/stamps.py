"""Template tags that show stamps and events."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django import template
from django.contrib.auth import get_user_model
from django.contrib.humanize.templatetags.humanize import naturaltime
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

register = template.Library()

EVENT_NAMES = {
    "timestamp_created": _("created"),
    "timestamp_updated": _("updated"),
    "timestamp_deleted": _("deleted"),
}


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
    """Show events as a table; an actor that is a user's key is shown by the user's name."""
    keys = {event.actor for event in events if event.actor.isdecimal()}
    users = get_user_model()._default_manager.in_bulk(keys) if keys else {}
    names = {str(key): user.get_username() for key, user in users.items()}
    return {"rows": [(event, names.get(event.actor, event.actor)) for event in events]}


@register.filter
def event_name(event: Any) -> str:
    """Return what an event says has happened, in one word."""
    return str(EVENT_NAMES.get(event.event_type, event.event_type))


@register.filter
def entity_name(event: Any) -> str:
    """Return the model's name of the entity that an event is about."""
    return str(event.entity_type.rpartition(".")[2].lower())
