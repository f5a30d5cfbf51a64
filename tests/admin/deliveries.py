"""Subscriptions and parked events that a page of the admin shows, and what it shows."""

import re
from datetime import timedelta
from uuid import UUID

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from django_clean_timestamps.delivery import on_timestamp
from django_clean_timestamps.delivery.models import ParkedEvent, Subscription
from django_clean_timestamps.eventlog.slots import slot_of
from django_clean_timestamps.events import TimestampUpdatedEvent
from tests.eventlog.log import NOON, make_event

MAIL = "shop.mail"


def add_handler(name=MAIL, **options):
    """Put a handler into the code that hears everything and does nothing."""

    @on_timestamp(name=name, **options)
    def handle(event):
        pass


def subscription(handler=MAIL, using="default", log_alias="default", **values):
    return Subscription.objects.using(using).create(handler=handler, log_alias=log_alias, **values)


def park(position, entity="testapp.note:1", handler=MAIL, using="default", *, kind=TimestampUpdatedEvent, **values):
    """Park an event, to be retried in an hour unless something else is given."""
    entity_type, _, entity_id = entity.partition(":")
    times = {"new_timestamp": NOON} if kind is TimestampUpdatedEvent else {}
    event = make_event(
        kind, event_id=UUID(int=position), entity_type=entity_type, entity_id=entity_id, position=position, **times
    )
    given = {
        "log_alias": "default",
        "entity_key": entity,
        "slot": slot_of(entity_type, entity_id),
        "available_at": timezone.now() + timedelta(hours=1),
    }
    return ParkedEvent.objects.using(using).create(
        handler=handler, position=position, event=event.to_dict(), **given | values
    )


def states(using="default"):
    """Return the state of each parked event by its position."""
    return dict(ParkedEvent.objects.using(using).values_list("position", "state"))


def url(model, page="changelist", *args, site="timestamps"):
    return reverse(f"{site}:clean_timestamps_{model._meta.model_name}_{page}", args=args)


def listed(client, model, **asked):
    """Return the response of a list, and its rows."""
    response = client.get(url(model), asked)
    assert response.status_code == 200
    return response, response.context["cl"].rows


def positions(client, **asked):
    return [row.parked.position for row in listed(client, ParkedEvent, **asked)[1]]


def handlers(client, **asked):
    return [row.shard.handler for row in listed(client, Subscription, **asked)[1]]


def table(response):
    """Return the text of the list's table or of a page's, each run of white space as one space."""
    page = response.content.decode()
    assert "<tbody>" in page
    inner = page.partition("<tbody>")[2].partition("</tbody>")[0]
    return " ".join(re.sub(r"<[^>]*>", " ", inner).split())


def act(client, model, action, *rows, query="", **data):
    keys = [str(row.pk) for row in rows]
    return client.post(url(model) + query, {"action": action, ACTION_CHECKBOX_NAME: keys, **data})


def told(response, client):
    """Return the messages that the page shows that an action leads to."""
    assert response.status_code == 302, response.content.decode()
    return [(message.level_tag, str(message)) for message in client.get(response.url).context["messages"]]


def logged():
    """Return what stands in the admin's log, as (object, its name, message)."""
    entries = LogEntry.objects.order_by("id")
    return [(entry.object_id, entry.object_repr, entry.get_change_message()) for entry in entries]


def allow(user, *codenames):
    user.user_permissions.add(*Permission.objects.filter(codename__in=codenames))
