"""Windows: what a subscription reads next, also where a newer release has written."""

import pytest
from django.test.utils import override_settings

from django_clean_timestamps.delivery.drain import drain
from django_clean_timestamps.eventlog.models import Event
from django_clean_timestamps.events import TimestampUpdatedEvent
from tests.delivery.deliveries import make_due, notes, parked, shard, subscribe, touch
from tests.testapp.models import Note, Project

pytestmark = pytest.mark.usefixtures("log")


class TestNewerReleases:
    @pytest.mark.parametrize("change", [{"schema": 2}, {"kind": 9}])
    def test_the_subscription_waits_before_what_it_cannot_read_and_says_so(self, change):
        heard = subscribe(name="t.other", sender=Project)
        heard = subscribe()
        notes("a", "b")
        drain()
        notes("c")
        drain()
        heard.clear()
        shard(cursor=0)
        Event.objects.filter(position=3).update(**change)
        drain()
        assert heard.positions == [1, 2]
        assert shard().cursor == 2
        assert "Upgrade django-clean-timestamps" in shard().problem
        drain()
        assert heard.positions == [1, 2]

    def test_once_it_can_it_goes_on(self):
        heard = subscribe()
        notes("a")
        Event.objects.update(schema=2)
        drain()
        drain()
        Event.objects.update(schema=2)
        shard(cursor=0)
        drain()
        assert shard().problem
        heard.clear()
        Event.objects.update(schema=1)
        drain()
        assert heard.positions == [1, 2]
        assert shard().problem == ""

    def test_an_older_one_is_read(self):
        heard = subscribe()
        notes("a")
        drain()
        Event.objects.update(schema=0)
        shard(cursor=0)
        drain()
        assert heard.positions == [1, 2, 1, 2]

    def test_an_unknown_type_is_passed_by_who_asked_for_others(self):
        heard = subscribe(TimestampUpdatedEvent)
        notes("a")
        drain()
        Event.objects.filter(position=1).update(kind=9)
        shard(cursor=0)
        drain()
        assert heard.positions == [2, 2]


def test_all_that_it_reads_may_wait_behind_parked_ones():
    heard = subscribe(TimestampUpdatedEvent)
    heard.fail["bad"] = ValueError("no")
    [note] = notes("bad")
    drain()
    touch(note, "b", "c")
    assert drain().delivered == 0
    assert parked() == [("bad", "retry", 1), ("b", "waiting", 0), ("c", "waiting", 0)]
    assert (shard().cursor, shard().owner) == (4, "")


def test_positions_between_two_that_it_hears_are_done_with_too():
    heard = subscribe(TimestampUpdatedEvent)
    notes("a", "b")
    Project.objects.create()
    with override_settings(CLEAN_TIMESTAMPS={"BATCH_SIZE": 1}):
        drain()
    assert heard.reasons == ["a", "b"]
    assert shard().cursor == 5


def test_a_handler_of_few_events_among_many_gets_there():
    heard = subscribe(TimestampUpdatedEvent, sender=Project)
    Note.objects.bulk_create([Note() for _ in range(100)])
    Project.objects.create().touch("found")
    with override_settings(CLEAN_TIMESTAMPS={"BATCH_SIZE": 2}):
        drain()
    assert heard.reasons == ["found"]


def test_time_that_is_up_ends_a_batch_where_it_is(monkeypatch):
    import time

    heard = subscribe(TimestampUpdatedEvent)
    moments = iter([*[0.0] * 3, *[100.0] * 1000])
    notes("a", "b", "c")
    from django_clean_timestamps.delivery import running

    class Clock:
        sleep = time.sleep

        @staticmethod
        def monotonic():
            return next(moments)

    monkeypatch.setattr(running, "time", Clock)
    drain()
    assert heard.reasons == ["a", "b", "c"]
    assert heard.calls == ["a", "b", "c"]
    assert shard().cursor == 6


def test_retries_end_when_time_is_up_and_go_on_in_the_next_turn(monkeypatch):
    heard = subscribe(TimestampUpdatedEvent)
    heard.fail.update(dict.fromkeys("abc", ValueError("no")))
    notes(*"abc")
    drain()
    heard.fail.clear()
    make_due()
    from django_clean_timestamps.delivery import running

    monkeypatch.setattr(running.Runner, "is_over", property(lambda self: True))
    drain()
    assert sorted(heard.reasons) == ["a", "b", "c"]
    assert parked() == []
