"""Events at chosen positions, and what a page of the log shows."""

from uuid import uuid4

from django.urls import reverse

from django_clean_timestamps.eventlog.models import Event
from tests.eventlog.log import NOON


def place(*positions, using="default", **values):
    """Put events into the log at these positions, of an entity that there is no row of."""
    given = {"kind": 2, "entity_type": "testapp.note", "entity_id": "1", "occurred_at": NOON, "reason": "placed"}
    Event._base_manager.using(using).bulk_create(
        Event(position=position, event_id=uuid4(), **given | values) for position in positions
    )


def log_url(site="timestamps"):
    return reverse(f"{site}:clean_timestamps_event_changelist")


def log_of(client, **asked):
    return client.get(log_url(), asked)


def event_of(client, position, **asked):
    return client.get(reverse("timestamps:clean_timestamps_event_change", args=[position]), asked)


def shown(response):
    """Return the positions of the rows, None of what is pending."""
    assert response.status_code == 200
    return [row.position for row in response.context["rows"]]


def link(response, name):
    """Return the query string that a link of the page leads to."""
    return response.context[f"{name}_url"]
