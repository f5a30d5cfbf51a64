"""Leases: one worker at a time, and whoever lost its own can do nothing any more."""

import logging
import os

import pytest
from django.db import connection
from django.test.utils import override_settings

from django_clean_timestamps.delivery import on_timestamp
from django_clean_timestamps.delivery.drain import drain
from django_clean_timestamps.delivery.leases import deaths_of, owner_name, skip_window, take_lease
from django_clean_timestamps.delivery.models import ParkedEvent, Subscription
from django_clean_timestamps.delivery.subscriptions import read_shards
from django_clean_timestamps.eventlog.fields import database_now
from django_clean_timestamps.events import TimestampUpdatedEvent
from tests.delivery.deliveries import die, lease_to_other, make_due, notes, parked, shard, subscribe, touch
from tests.testapp.models import Note, Project

pytestmark = pytest.mark.usefixtures("log")

ALONE = override_settings(CLEAN_TIMESTAMPS={"CRASH_LIMIT": 2})


def born(**options):
    heard = subscribe(TimestampUpdatedEvent, **options)
    drain()
    return heard


def taken(row=None):
    row = row or read_shards("default", "default")[0]
    return take_lease(row, "default", seconds=30, deaths=deaths_of(row, 0))


class TestTaking:
    def test_one_of_two_who_saw_the_same_wins(self):
        born()
        [row] = read_shards("default", "default")
        assert taken(row) is not None
        assert taken(row) is None

    def test_it_lasts_as_long_as_asked_by_the_databases_clock(self):
        born()
        taken()
        left = (shard().lease_until - database_now("default")).total_seconds()
        assert 25 < left <= 30

    def test_its_owner_is_named(self):
        born()
        taken()
        assert shard().owner == owner_name()
        assert f":{os.getpid()}:" in owner_name()

    def test_a_paused_subscription_is_not_to_be_had(self):
        born()
        [row] = read_shards("default", "default")
        shard(state="paused")
        assert taken(row) is None

    def test_one_whose_cursor_moved_is_not_to_be_had(self):
        born()
        [row] = read_shards("default", "default")
        shard(cursor=5)
        assert taken(row) is None

    def test_what_one_left_behind_itself_it_takes_at_once(self):
        heard = born()
        taken()
        notes("a")
        drain()
        assert heard.reasons == ["a"]
        assert (shard().unfinished, shard().alone_until) == (0, 0)


class TestBesideOthers:
    def test_while_somebody_has_it_nothing_is_done(self):
        heard = born()
        lease_to_other()
        notes("a")
        result = drain()
        assert (heard, result.is_finished) == ([], True)
        assert shard().cursor == 0

    def test_whoever_was_overtaken_commits_nothing(self, caplog):
        born(name="other")

        @on_timestamp(TimestampUpdatedEvent, sender=Note, name="tests.heard")
        def hear(event):
            Project.objects.create()
            if overtake:
                overtake.clear()
                Subscription.objects.filter(pk=row.pk).update(owner="other", epoch=99)

        drain()
        row, overtake = shard(), [True]
        notes("a")
        # The row was changed in the handler's own transaction, as nobody else could while it is locked: what counts is
        # that the epoch is another.
        with caplog.at_level(logging.WARNING, "django_clean_timestamps.delivery"):
            drain()
        assert "was overtaken" in caplog.text
        # Rolled back with the rest, and handled the second time.
        assert Project.objects.count() == 1
        assert shard().cursor == 3

    def test_a_window_that_holds_nothing_is_passed_over_without_a_lease(self):
        born()
        [row] = read_shards("default", "default")
        assert skip_window(row, "default", 7)
        assert (shard().cursor, shard().epoch) == (7, 0)

    def test_it_is_not_where_somebody_has_it(self):
        born()
        lease_to_other()
        [row] = read_shards("default", "default")
        assert not skip_window(row, "default", 7)

    def test_it_is_not_where_somebody_had_it_meanwhile(self):
        born()
        [row] = read_shards("default", "default")
        taken(row).leave()
        assert not skip_window(row, "default", 7)


class TestLeaving:
    def test_a_clean_end_gives_it_back(self):
        born()
        notes("a")
        drain()
        assert (shard().owner, shard().lease_until) == ("", None)

    def test_an_interrupted_one_gives_it_back_too(self):
        heard = born()
        heard.fail["stop"] = KeyboardInterrupt
        notes("stop")
        with pytest.raises(KeyboardInterrupt):
            drain()
        assert (shard().owner, shard().lease_until, shard().cursor) == ("", None, 0)
        heard.fail.clear()
        drain()
        assert heard.reasons == ["stop"]

    def test_a_handler_that_ends_the_process_leaves_without_a_word(self):
        heard = born()
        heard.fail["exit"] = SystemExit
        notes("exit")
        with pytest.raises(SystemExit):
            drain()
        assert shard().owner == owner_name()
        assert shard().lease_until <= database_now("default")


class TestDeaths:
    def test_after_a_batch_ended_its_process_events_run_alone(self):
        heard = born(batch=True)
        notes("a", "b")
        die()
        drain()
        assert heard.calls == [["a"], ["b"]]
        row = shard()
        assert (row.cursor, row.unfinished, row.running, row.alone_until) == (4, 0, None, 4)

    def test_what_comes_later_runs_together_again(self):
        heard = born(batch=True)
        notes("a", "b")
        die()
        drain()
        notes("c", "d")
        drain()
        assert heard.calls == [["a"], ["b"], ["c", "d"]]

    def test_a_death_in_company_counts_against_nobody(self):
        heard = born()
        notes("a")
        with ALONE:
            for _ in range(5):
                die()
            drain()
        assert heard.reasons == ["a"]

    def test_one_that_died_alone_is_tried_again(self):
        heard = born()
        notes("a", "b")
        with ALONE:
            die()
            shard(alone_until=4)
            die(running=3)
            drain()
        assert heard.reasons == ["a", "b"]

    def test_one_that_died_alone_too_often_is_dead(self):
        heard = born()
        [note, _] = notes("deadly", "b")
        touch(note, "after")
        with ALONE:
            shard(alone_until=5, unfinished=1)
            die(running=3)
            drain()
        assert parked() == [("deadly", "dead", 2)]
        assert "ended 2 times while it ran alone" in ParkedEvent.objects.get().last_error
        assert heard.reasons == ["b", "after"]
        assert shard().unfinished == 0

    def test_where_it_blocks_its_followers_wait(self):
        heard = born(on_dead="block")
        [note, _] = notes("deadly", "b")
        touch(note, "after")
        with ALONE:
            shard(alone_until=5, unfinished=1)
            die(running=3)
            drain()
        assert heard.reasons == ["b"]
        assert parked() == [("deadly", "dead", 2), ("after", "waiting", 0)]

    def test_deaths_of_another_event_do_not_count(self):
        heard = born()
        notes("a", "b")
        with ALONE:
            shard(alone_until=5, unfinished=7)
            die(running=4)
            drain()
        assert heard.reasons == ["a", "b"]

    def test_an_event_that_outlasts_its_lease_alone_counts_too(self):
        born()
        notes("a")
        shard(alone_until=2)
        die(running=2)
        [row] = read_shards("default", "default")
        assert deaths_of(row, 9).unfinished == 1

    def test_a_retry_that_ended_its_process_counts_against_no_new_event(self):
        heard = born()
        heard.fail["bad"] = ValueError("no")
        notes("bad")
        drain()
        notes("c")
        shard(alone_until=4)
        die(running=2)
        [row] = read_shards("default", "default")
        assert deaths_of(row, 4) == (0, 4)

    def test_what_waits_is_passed_while_others_run_alone(self):
        heard = born()
        heard.fail["bad"] = ValueError("no")
        [note] = notes("bad")
        drain()
        touch(note, "waits")
        notes("c")
        die()
        drain()
        assert heard.reasons == ["c"]
        assert parked() == [("bad", "retry", 1), ("waits", "waiting", 0)]


class TestOutside:
    """Handlers that want no transaction."""

    def test_it_runs_outside_one(self):
        seen = []

        @on_timestamp(TimestampUpdatedEvent, sender=Note, name="tests.heard", atomic=False)
        def hear(event):
            seen.append((connection.in_atomic_block, event.reason, shard().cursor, shard().running))

        notes("a", "b")
        drain()
        assert seen == [(False, "a", 0, 3), (False, "b", 3, 4)]
        assert (shard().cursor, shard().owner, shard().running) == (4, "", None)

    def test_what_failed_is_parked_and_nothing_runs_twice(self):
        heard = born(atomic=False)
        heard.fail["bad"] = ValueError("no")
        [note] = notes("a", "bad", "c")[1:2]
        touch(note, "after")
        drain()
        assert heard.calls == ["a", "bad", "c"]
        assert parked() == [("bad", "retry", 1), ("after", "waiting", 0)]

    def test_a_list_is_heard_outside_one_too(self):
        heard = born(atomic=False, batch=True)
        heard.fail["bad"] = ValueError("no")
        notes("a", "bad", "c")
        drain()
        assert heard.reasons == ["a", "c"]
        assert parked() == [("bad", "retry", 1)]

    def test_whoever_lost_its_lease_calls_no_more(self):
        seen = []

        @on_timestamp(TimestampUpdatedEvent, sender=Note, name="tests.heard", atomic=False)
        def hear(event):
            seen.append(event.reason)
            if event.reason == "a":
                lease_to_other()

        notes("a", "b")
        drain()
        assert seen == ["a"]
        assert (shard().owner, shard().cursor) == ("other:1:x", 0)

    def test_what_the_database_is_to_blame_for_waits(self):
        heard = born(atomic=False)
        from django.db import InterfaceError

        heard.fail["a"] = InterfaceError("connection already closed")
        notes("a")
        drain()
        assert (shard().state, parked()) == ("backing_off", [])
        heard.fail.clear()
        make_due()
        drain()
        assert heard.reasons == ["a"]

    def test_it_coalesces(self):
        heard = born(atomic=False, coalesce=True)
        [note] = notes("a")
        touch(note, "b")
        drain()
        assert heard.calls == ["b"]

    def test_the_deadly_one_is_found_behind_one_that_waits(self):
        heard = born(atomic=False)
        heard.fail["bad"] = ValueError("no")
        [note] = notes("bad")
        drain()
        touch(note, "waits")
        notes("deadly")
        with ALONE:
            shard(unfinished=1)
            die(running=5)
            drain()
        assert parked() == [("bad", "retry", 1), ("waits", "waiting", 0), ("deadly", "dead", 2)]
