"""An action in the admin and what becomes of it at once, where the project's tests let Celery run tasks eagerly."""

import pytest
from django.contrib.auth.models import User

from django_clean_timestamps.delivery.drain import drain
from django_clean_timestamps.delivery.models import ParkedEvent, Subscription
from tests.admin.deliveries import act
from tests.brokers import celery_app
from tests.delivery.bells import fresh_doorbell_fixture  # noqa: F401 - used by name
from tests.delivery.deliveries import notes, parked, shard, subscribe

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "other"]),
    pytest.mark.usefixtures("fresh_doorbell"),
]


@pytest.fixture
def heard(client):
    """Log a superuser in, and return what a handler heard that has failed on the only event that it was to hear."""
    client.force_login(User.objects.create_superuser("ada"))
    heard = subscribe(max_attempts=1)
    heard.fail["entity_created"] = ValueError("broken")
    drain()
    notes("a")
    drain()
    assert [state for _, state, _ in parked()] == ["dead"]
    heard.fail.clear()
    return heard


def test_a_retried_event_is_handled_at_once(client, heard):
    with celery_app(task_always_eager=True):
        act(client, ParkedEvent, "retry_now", ParkedEvent.objects.get())
    assert heard.reasons == ["a", "entity_created"]
    assert parked() == []


def test_events_retried_from_one_on_are_handled_at_once(client, heard):
    with celery_app(task_always_eager=True):
        act(client, ParkedEvent, "retry_from_here", ParkedEvent.objects.get())
    assert heard.reasons == ["a", "entity_created", "a"]
    assert [event.replayed for event in heard] == [False, True, True]


def test_a_resumed_handler_goes_on_at_once(client, heard):
    shard(state="paused")
    notes("b")
    drain()
    with celery_app(task_always_eager=True):
        act(client, Subscription, "resume", shard())
    assert heard.reasons == ["a", "entity_created", "b"]


def test_what_waits_behind_a_skipped_event_is_handled_at_once(client, heard):
    row = ParkedEvent.objects.get()
    ParkedEvent.objects.update(state="retry", attempts=0)
    waiting = ParkedEvent.objects.get()
    waiting.pk, waiting.position, waiting.state = None, 99, "waiting"
    waiting.event = waiting.event | {"reason": "later"}
    waiting.save()
    with celery_app(task_always_eager=True):
        act(client, ParkedEvent, "skip", row, post="yes", timestamp_reason="old")
    assert heard.reasons == ["a", "later"]
