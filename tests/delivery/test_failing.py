"""A handler that fails: what it failed on is parked, what follows it waits, and everything else flows."""

import logging

import pytest
from django.test.utils import override_settings

from django_clean_timestamps.delivery import RetryLater
from django_clean_timestamps.delivery.drain import drain
from django_clean_timestamps.delivery.models import ParkedEvent
from django_clean_timestamps.eventlog.fields import database_now
from django_clean_timestamps.eventlog.models import Event
from django_clean_timestamps.events import TimestampEvent, TimestampUpdatedEvent
from tests.delivery.deliveries import BROKEN, make_due, notes, parked, shard, subscribe, touch, updates
from tests.testapp.models import Animal, Dog, LongKey, Project

pytestmark = pytest.mark.usefixtures("log")


def test_what_failed_is_parked_and_everything_else_flows():
    heard = updates()
    heard.fail["bad"] = BROKEN
    notes("a", "bad", "c")
    result = drain()
    assert heard.reasons == ["a", "c"]
    assert (result.delivered, result.parked) == (2, 1)
    assert parked() == [("bad", "retry", 1)]
    assert shard().cursor == 6


def test_those_before_it_run_again_and_it_runs_alone():
    heard = updates()
    heard.fail["bad"] = BROKEN
    notes("a", "b", "bad", "c")
    drain()
    assert heard.calls == ["a", "b", "bad", "a", "b", "bad", "c"]


def test_one_that_fails_only_in_company_is_not_parked():
    heard = updates()
    times = []
    heard.fail["shy"] = lambda event: BROKEN if times.append(1) or len(times) == 1 else None
    notes("a", "shy", "c")
    drain()
    assert parked() == []
    assert heard.calls == ["a", "shy", "a", "shy", "c"]


def test_the_parked_row_holds_the_event_and_its_error():
    heard = updates()
    heard.fail["bad"] = BROKEN
    [note] = notes("bad")
    before = database_now("default")
    drain()
    row = ParkedEvent.objects.get()
    event = Event.objects.get(position=2)
    assert TimestampEvent.from_dict(row.event).event_id == event.event_id
    assert (row.position, row.slot, row.entity_key) == (2, event.slot, f"testapp.note:{note.pk}")
    assert row.last_error == "ValueError: broken"
    assert 0 <= (row.available_at - before).total_seconds() < 700
    assert row.parked_at >= before


def test_the_log_tells_with_the_traceback(caplog):
    heard = updates()
    heard.fail["bad"] = BROKEN
    notes("bad")
    with caplog.at_level(logging.WARNING, "django_clean_timestamps.delivery"):
        drain()
    [record] = caplog.records
    assert "tests.heard failed on event 2" in record.message
    assert record.exc_info[1] is BROKEN


class TestFollowers:
    def test_later_events_of_the_entity_wait_behind_it(self):
        heard = updates()
        heard.fail["bad"] = BROKEN
        note, other = notes("bad", "x")
        touch(note, "b")
        drain()
        touch(note, "c")
        touch(other, "y")
        drain()
        assert heard.reasons == ["x", "y"]
        assert parked() == [("bad", "retry", 1), ("b", "waiting", 0), ("c", "waiting", 0)]

    def test_they_follow_it_once_it_works(self):
        heard = updates()
        heard.fail["bad"] = BROKEN
        [note] = notes("bad")
        touch(note, *"bcd")
        drain()
        heard.fail.clear()
        make_due()
        drain()
        touch(note, "e")
        drain()
        assert heard.reasons == ["bad", "b", "c", "d", "e"]
        assert parked() == []

    def test_a_hundred_followers_of_one_that_fails_twice_come_in_order(self):
        heard = updates()
        heard.fail["0"] = BROKEN
        [note] = notes("0")
        touch(note, *(str(number) for number in range(1, 101)))
        drain()
        make_due()
        drain()
        assert heard == []
        heard.fail.clear()
        make_due()
        drain()
        assert heard.reasons == [str(number) for number in range(101)]
        assert parked() == []

    def test_one_of_the_followers_that_fails_holds_the_rest(self):
        heard = updates()
        heard.fail.update({"bad": BROKEN, "c": BROKEN})
        [note] = notes("bad")
        touch(note, *"bcd")
        drain()
        heard.fail.pop("bad")
        make_due()
        drain()
        assert heard.reasons == ["bad", "b"]
        assert parked() == [("c", "retry", 1), ("d", "waiting", 0)]

    def test_a_child_and_its_parent_are_one_entity(self):
        heard = subscribe(TimestampUpdatedEvent, sender=None)
        dog = Dog.objects.create()
        heard.fail["bad"] = BROKEN
        dog.touch("bad")
        Animal.objects.get().touch("later")
        drain()
        assert [reason for reason, _, _ in parked()] == ["bad", "later"]

    def test_others_are_not_held_where_keys_differ_by_case_alone(self):
        heard = subscribe(TimestampUpdatedEvent, sender=LongKey)
        heard.fail["bad"] = BROKEN
        upper = LongKey.objects.create(code="KEY")
        upper.touch("bad")
        upper.delete()
        drain()
        LongKey.objects.create(code="key").touch("good")
        drain()
        assert heard.reasons == ["good"]


class TestRetrying:
    def test_it_is_tried_when_it_is_due(self):
        heard = updates()
        heard.fail["bad"] = BROKEN
        notes("bad")
        drain()
        ParkedEvent.objects.update(available_at=database_now("default").replace(year=2100))
        drain()
        assert heard.calls == ["bad"]
        make_due()
        drain()
        assert heard.calls == ["bad", "bad"]
        assert parked() == [("bad", "retry", 2)]

    def test_after_its_last_attempt_it_is_dead(self):
        heard = updates(max_attempts=2)
        heard.fail["bad"] = BROKEN
        notes("bad")
        drain()
        make_due()
        drain()
        assert parked() == [("bad", "dead", 2)]
        make_due()
        drain()
        assert heard.calls == ["bad", "bad"]

    def test_with_one_attempt_it_is_dead_at_once(self):
        heard = updates(max_attempts=1)
        heard.fail["bad"] = BROKEN
        [note] = notes("bad")
        touch(note, "b")
        drain()
        assert parked() == [("bad", "dead", 1)]
        assert heard.reasons == ["b"]

    def test_the_number_of_attempts_comes_from_the_settings(self):
        heard = updates()
        heard.fail["bad"] = BROKEN
        notes("bad")
        with override_settings(CLEAN_TIMESTAMPS={"MAX_ATTEMPTS": 1}):
            drain()
        assert parked() == [("bad", "dead", 1)]

    def test_the_waits_grow(self):
        with override_settings(CLEAN_TIMESTAMPS={"BACKOFF_SECONDS": (1000, 1_000_000), "MAX_ATTEMPTS": 30}):
            heard = updates()
            heard.fail["bad"] = BROKEN
            notes("bad")
            drain()
            for _ in range(15):
                make_due()
                drain()
            wait = (ParkedEvent.objects.get().available_at - database_now("default")).total_seconds()
        assert wait > 1000

    def test_dead_its_followers_go_on(self):
        heard = updates(max_attempts=1)
        heard.fail["bad"] = BROKEN
        [note] = notes("bad")
        drain()
        touch(note, "b")
        drain()
        assert heard.reasons == ["b"]

    def test_followers_that_wait_go_on_when_it_dies(self):
        heard = updates(max_attempts=2)
        heard.fail["bad"] = BROKEN
        [note] = notes("bad")
        touch(note, "b")
        drain()
        make_due()
        drain()
        assert heard.reasons == ["b"]
        assert parked() == [("bad", "dead", 2)]

    def test_where_it_blocks_they_stay(self):
        heard = updates(max_attempts=2, on_dead="block")
        heard.fail["bad"] = BROKEN
        [note] = notes("bad")
        touch(note, "b")
        drain()
        make_due()
        drain()
        touch(note, "c")
        drain()
        assert heard.reasons == []
        assert parked() == [("bad", "dead", 2), ("b", "waiting", 0), ("c", "waiting", 0)]

    def test_where_it_blocks_and_dies_at_once_they_stay_too(self):
        heard = updates(max_attempts=1, on_dead="block")
        heard.fail["bad"] = BROKEN
        [note] = notes("bad")
        touch(note, "b")
        drain()
        assert parked() == [("bad", "dead", 1), ("b", "waiting", 0)]

    def test_an_attempt_that_ended_its_process_was_counted(self):
        heard = updates(max_attempts=3)
        heard.fail["bad"] = BROKEN
        notes("bad")
        drain()
        heard.fail["bad"] = KeyboardInterrupt
        make_due()
        with pytest.raises(KeyboardInterrupt):
            drain()
        assert parked() == [("bad", "retry", 2)]

    def test_after_the_last_that_did_it_is_dead_without_another(self):
        heard = updates(max_attempts=2)
        heard.fail["bad"] = BROKEN
        [note] = notes("bad")
        touch(note, "b")
        drain()
        heard.fail["bad"] = KeyboardInterrupt
        make_due()
        with pytest.raises(KeyboardInterrupt):
            drain()
        make_due()
        drain()
        assert parked() == [("bad", "dead", 2)]
        assert "process ended" in ParkedEvent.objects.get().last_error
        assert heard.reasons == ["b"]

    def test_what_a_newer_release_parked_waits(self):
        heard = updates()
        heard.fail["bad"] = BROKEN
        notes("bad", "c")
        drain()
        row = ParkedEvent.objects.get()
        ParkedEvent.objects.update(event={**row.event, "colour": "red"})
        make_due()
        notes("d")
        drain()
        row = ParkedEvent.objects.get()
        assert (row.state, row.attempts) == ("retry", 1)
        assert "no field colour" in row.last_error
        assert heard.reasons == ["c", "d"]

    def test_one_that_was_skipped_while_it_ran_has_not_happened(self):
        heard = updates()
        heard.fail["bad"] = BROKEN
        notes("bad")
        drain()

        def skip(event):
            Project.objects.create()
            ParkedEvent.objects.update(state="skipped")

        heard.fail["bad"] = skip
        make_due()
        drain()
        assert Project.objects.count() == 0
        # The skip was made in the same transaction here, and went with it.
        assert parked() == [("bad", "retry", 2)]


class TestRetryLater:
    def test_it_counts_no_attempt(self):
        heard = updates(max_attempts=2)
        heard.fail["busy"] = RetryLater(100)
        [note] = notes("busy")
        touch(note, "b")
        for _ in range(4):
            drain()
            make_due()
        assert parked() == [("busy", "retry", 0), ("b", "waiting", 0)]

    def test_it_waits_as_long_as_asked(self):
        heard = updates()
        heard.fail["busy"] = RetryLater(1000)
        notes("busy")
        drain()
        wait = (ParkedEvent.objects.get().available_at - database_now("default")).total_seconds()
        assert 900 < wait <= 1000

    @pytest.mark.parametrize("seconds", [-1, float("inf"), float("nan"), "5", None, True])
    def test_it_takes_seconds(self, seconds):
        with pytest.raises(ValueError, match="number of seconds"):
            RetryLater(seconds)


class TestLists:
    def test_a_list_is_halved_until_the_one_is_found(self):
        heard = updates(batch=True)
        heard.fail["bad"] = BROKEN
        notes("a", "b", "c", "bad", "e", "f")
        drain()
        assert heard.reasons == ["a", "b", "c", "e", "f"]
        assert parked() == [("bad", "retry", 1)]

    def test_several_are_found(self):
        heard = updates(batch=True)
        heard.fail.update({"bad": BROKEN, "worse": BROKEN})
        notes("worse", "b", "c", "bad")
        drain()
        assert heard.reasons == ["b", "c"]
        assert parked() == [("worse", "retry", 1), ("bad", "retry", 1)]

    def test_a_retry_is_a_list_of_one(self):
        heard = updates(batch=True)
        heard.fail["bad"] = BROKEN
        notes("bad")
        drain()
        heard.fail.clear()
        make_due()
        drain()
        assert heard.calls[-1] == ["bad"]
        assert parked() == []
