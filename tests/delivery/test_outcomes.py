"""What became of events for each handler."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from django_clean_timestamps.delivery import on_timestamp
from django_clean_timestamps.delivery.drain import drain
from django_clean_timestamps.delivery.models import ParkedEvent
from django_clean_timestamps.delivery.operations import pause, skip
from django_clean_timestamps.delivery.outcomes import Fate, outcomes_of
from django_clean_timestamps.eventlog.models import Event, Pending
from django_clean_timestamps.eventlog.sequencer import sequence
from django_clean_timestamps.events import TimestampCreatedEvent, TimestampDeletedEvent, TimestampUpdatedEvent
from tests.delivery.deliveries import BROKEN, HERE, notes, shard, subscribe, touch
from tests.delivery.test_sending import Task
from tests.testapp.models import Note, Project

pytestmark = pytest.mark.usefixtures("log")


def fates(*rows):
    """Return what became of each row's event, the fates of all handlers together."""
    rows = rows or tuple(Event.objects.order_by("position"))
    found = outcomes_of(rows, "default")
    return [[outcome.fate.value for outcome in found[row.event_id]] for row in rows]


def test_without_handlers_nothing_became_of_it():
    notes("a")
    sequence()
    assert fates() == [[], []]


def test_what_was_heard_is_delivered():
    subscribe()
    notes("a")
    drain()
    assert fates() == [["delivered"], ["delivered"]]


def test_handlers_come_by_name_and_only_those_that_hear_it():
    subscribe(name="t.b")
    subscribe(TimestampUpdatedEvent, name="t.a")
    subscribe(name="t.c", sender=Project)
    subscribe(TimestampDeletedEvent, name="t.d")
    notes("a")
    drain()
    events = list(Event.objects.order_by("position"))
    found = outcomes_of(events, "default")
    assert [[each.handler for each in found[event.event_id]] for event in events] == [["t.b"], ["t.a", "t.b"]]


def test_without_a_position_it_is_pending():
    subscribe()
    notes("a")
    assert fates(*Pending.objects.all()) == [["pending"], ["pending"]]


def test_before_the_first_drain_nobody_is_born():
    subscribe()
    notes("a")
    sequence()
    assert fates() == [["unborn"], ["unborn"]]


def test_what_came_before_a_subscription_was_not_heard():
    notes("a")
    sequence()
    subscribe()
    drain()
    assert fates() == [["before"], ["before"]]


def test_what_is_still_to_come_is_due_and_says_why():
    subscribe()
    drain()
    pause("tests.heard", HERE)
    notes("a", "b")
    sequence()
    last = Event.objects.order_by("position").last()
    [outcome] = outcomes_of([last], "default")[last.event_id]
    assert (outcome.fate, outcome.lag_count, outcome.state) == (Fate.DUE, 3, "paused")


def test_what_keeps_a_subscription_is_told():
    subscribe()
    drain()
    shard(problem="the moon", state="backing_off")
    notes("a")
    sequence()
    first = Event.objects.order_by("position").first()
    [outcome] = outcomes_of([first], "default")[first.event_id]
    assert (outcome.problem, outcome.state) == ("the moon", "backing_off")


def test_what_failed_is_told_with_its_error_and_its_next_attempt():
    heard = subscribe(TimestampUpdatedEvent)
    heard.fail["bad"] = BROKEN
    [note] = notes("bad")
    touch(note, "b")
    drain()
    events = list(Event.objects.filter(kind=2).order_by("position"))
    found = outcomes_of(events, "default")
    [bad], [behind] = (found[event.event_id] for event in events)
    row = ParkedEvent.objects.get(state="retry")
    assert (bad.fate, bad.attempts, bad.error, bad.available_at, bad.parked_id) == (
        Fate.RETRY,
        1,
        "ValueError: broken",
        row.available_at,
        row.pk,
    )
    assert (behind.fate, behind.available_at) == (Fate.WAITING, None)


def test_dead_and_skipped_are_told():
    heard = subscribe(TimestampUpdatedEvent, max_attempts=1)
    heard.fail.update({"bad": BROKEN, "worse": BROKEN})
    notes("bad", "worse")
    drain()
    skip(ParkedEvent.objects.using("default").filter(event__reason="worse"), because="no")
    assert [fate for [fate] in fates(*Event.objects.filter(kind=2).order_by("position"))] == ["dead", "skipped"]


def test_what_was_published_is_sent():
    on_timestamp(TimestampUpdatedEvent, sender=Note, name="t.sent", send=True)(Task())
    notes("a")
    drain()
    assert fates() == [[], ["sent"]]


def test_each_shard_tells_for_its_own_slots():
    subscribe(shards=2, name="tests.heard")
    notes(*map(str, range(10)))
    drain()
    notes("new")
    sequence()
    assert [fate for [fate] in fates()].count("due") == 2


def test_it_asks_twice_whatever_there_is():
    subscribe(name="t.a")
    subscribe(TimestampCreatedEvent, name="t.b")
    notes(*map(str, range(20)))
    drain()
    rows = list(Event.objects.all())
    with CaptureQueriesContext(connection) as queries:
        outcomes_of(rows, "default")
    assert len(queries) == 2


def test_an_event_of_a_type_to_come_is_heard_by_who_hears_all():
    subscribe(TimestampUpdatedEvent, name="t.a")
    subscribe(name="t.b")
    notes("a")
    sequence()
    Event.objects.update(kind=9)
    row = Event.objects.first()
    assert [each.handler for each in outcomes_of([row], "default")[row.event_id]] == ["t.b"]
