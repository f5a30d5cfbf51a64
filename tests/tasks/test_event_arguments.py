"""Events are arguments of Celery tasks as they are."""

import dataclasses
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from kombu.exceptions import DecodeError
from kombu.serialization import dumps, loads
from kombu.utils import json

from django_clean_timestamps.events import (
    TimestampCreatedEvent,
    TimestampDeletedEvent,
    TimestampEvent,
    TimestampUpdatedEvent,
)
from tests.brokers import celery_app

NOON = datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
COMMON = {
    "event_id": UUID(int=7),
    "entity_type": "testapp.note",
    "entity_id": "1",
    "occurred_at": NOON,
    "reason": "nightly",
    "metadata": {"lines": [1, None, {"deep": 2.5}], "at": "2026"},
    "position": 9,
    "recorded_at": NOON,
    "replayed": True,
}
EVENTS = [
    TimestampCreatedEvent(**COMMON, created_timestamp=NOON),
    TimestampUpdatedEvent(**COMMON, old_timestamp=None, new_timestamp=NOON),
    TimestampDeletedEvent(**COMMON),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.event_type)
def test_an_event_comes_back_as_the_same_event(event):
    content_type, encoding, data = dumps(((event,), {"events": [event]}), "json")
    (back,), kwargs = loads(data, content_type, encoding)
    assert (back, kwargs["events"]) == (event, [event])
    assert type(back) is type(event)
    assert dict(back.metadata) == dict(event.metadata)


def test_a_task_gets_the_event_it_was_given():
    seen = []
    with celery_app(broker_url="memory://", task_default_queue="tests-of-events", task_always_eager=True) as app:

        @app.task(name="tests.hear", shared=False)
        def hear(event):
            seen.append(event)

        for event in EVENTS:
            app.tasks["tests.hear"].delay(event)
    assert seen == EVENTS
    assert [type(event) for event in seen] == [type(event) for event in EVENTS]


def test_its_place_is_marked():
    assert json.loads(json.dumps(EVENTS[0]), object_hook=None) == {
        "__type__": "clean_timestamps.event",
        "__value__": EVENTS[0].to_dict(),
    }


def test_times_of_another_zone_are_the_same_moments():
    event = dataclasses.replace(EVENTS[0], occurred_at=NOON.astimezone(timezone(timedelta(hours=5))))
    assert json.loads(json.dumps(event)).occurred_at == NOON


def test_an_event_that_this_release_does_not_know_cannot_be_read():
    text = json.dumps(EVENTS[0]).replace("timestamp_created", "timestamp_moved")
    with pytest.raises(DecodeError, match="timestamp_moved"):
        loads(text.encode(), "application/json", "utf-8")


def test_other_values_are_left_to_celery():
    assert json.loads(json.dumps([NOON, UUID(int=1)])) == [NOON, UUID(int=1)]
    with pytest.raises(TypeError):
        json.dumps(TimestampEvent)
