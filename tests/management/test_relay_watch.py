"""``timestamps_relay --watch`` within this process: its rounds, its signals and its arguments."""

import json
import logging
import os
import signal
import threading

import pytest
from django.db import connection, connections

from django_clean_timestamps.delivery import on_timestamp
from django_clean_timestamps.eventlog import retention
from django_clean_timestamps.eventlog.models import Pending
from django_clean_timestamps.management import relaying
from django_clean_timestamps.management.relaying import Found, Relayed, Watch, stopped_by_signals
from tests.eventlog.aged import add_aged, make_older, positions
from tests.eventlog.log import add_pending, dropped
from tests.management.ears import Ear
from tests.management.relaying import RELAY
from tests.testapp.models import Note


class Rounds:
    """A watch whose rounds a test makes one by one."""

    def __init__(self, *aliases, is_meant=lambda alias: True):
        self.stop = threading.Event()
        self.told = []
        self.watch = Watch(
            aliases or ("default",), is_meant=is_meant, report=lambda *row: self.told.append(row), stop=self.stop
        )

    def look(self):
        self.told.clear()
        self.found = self.watch.look_round()
        return [(alias, {key: count for key, count in told._asdict().items() if count}) for alias, told in self.told]


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(relaying, "FAILING_SECONDS", 0.0)


class TestRounds:
    def test_a_round_drains_each_log(self, delivering):
        rounds, ear = Rounds("default", "other"), Ear()
        add_pending(2)
        add_pending(1, "other")
        assert rounds.look() == [
            ("default", {"sequenced": 2, "delivered": 2}),
            ("other", {"sequenced": 1, "delivered": 1}),
        ]
        assert rounds.found is Found.NEWS
        assert rounds.look() == []
        assert rounds.found is Found.NOTHING
        assert len(ear.heard) == 3

    def test_a_log_that_takes_long_does_not_keep_the_others_from_their_turn(self, delivering, monkeypatch):
        monkeypatch.setattr(relaying, "SLICE_SECONDS", 0.0)
        rounds = Rounds("default", "other")
        assert rounds.look() == []
        assert rounds.found is Found.MORE

    def test_the_next_round_begins_at_once_where_more_is_left(self, delivering, monkeypatch):
        monkeypatch.setattr(relaying, "FIRST_PAUSE_SECONDS", 3_600.0)
        drained = iter([relaying.Drained(sequenced=7, is_finished=False), relaying.Drained(sequenced=3)])
        monkeypatch.setattr(relaying, "drain", lambda alias, **limits: next(drained))
        rounds = Rounds()
        rounds.watch.report = lambda alias, relayed: relayed.sequenced == 3 and rounds.stop.set()
        rounds.watch.run(interval=3_600)
        assert next(drained, None) is None

    def test_rounds_that_find_nothing_come_less_often_up_to_the_interval(self, monkeypatch):
        rounds, pauses = Rounds(), []
        rounds.stop = rounds.watch.stop = Recording(pauses, 6)
        found = iter([Found.NOTHING, Found.NOTHING, Found.NOTHING, Found.NEWS, Found.NOTHING, Found.NOTHING])
        monkeypatch.setattr(rounds.watch, "look_round", lambda: next(found))
        rounds.watch.run(interval=0.06)
        assert pauses == [0.02, 0.04, 0.06, 0.02, 0.04, 0.06]

    def test_no_further_log_is_looked_at_after_the_stop(self, delivering):
        rounds = Rounds("default", "other")
        add_pending(1)
        add_pending(1, "other")
        rounds.watch.report = lambda *row: rounds.stop.set()
        rounds.look()
        assert Pending.objects.using("other").count() == 1

    def test_a_database_is_asked_whether_it_is_meant_until_it_says_yes(self, delivering):
        asked = []

        def is_meant(alias):
            asked.append(alias)
            return len(asked) == 2

        rounds = Rounds(is_meant=is_meant)
        add_pending(1)
        assert [rounds.look(), rounds.look(), rounds.look()] == [[], [("default", {"sequenced": 1})], []]
        assert len(asked) == 2

    def test_a_database_that_fails_is_logged_once_and_tried_again(self, delivering, caplog, impatient):
        rounds = Rounds("default", "other")
        add_pending(1)
        add_pending(1, "other")
        with dropped(Pending):
            assert rounds.look() == [("other", {"sequenced": 1})]
            assert rounds.look() == []
        assert rounds.look() == [("default", {"sequenced": 1})]
        failed, again = caplog.messages
        assert failed.startswith("The log of 'default' could not be drained, and is tried again: The tables")
        assert again == "The log of 'default' is drained again"

    def test_a_database_that_fails_is_left_alone_for_a_while(self, delivering):
        rounds = Rounds()
        add_pending(1)
        with dropped(Pending):
            rounds.look()
        assert rounds.look() == []
        rounds.watch._failed_at["default"] -= relaying.FAILING_SECONDS
        assert rounds.look() == [("default", {"sequenced": 1})]

    @pytest.mark.postgres
    @pytest.mark.mariadb
    def test_a_connection_that_was_ended_is_opened_anew(self, delivering, caplog, vendor, impatient):
        rounds = Rounds()
        rounds.look()
        connection.ensure_connection()
        end_session(vendor)
        add_pending_elsewhere()
        assert rounds.look() == []
        assert rounds.look() == [("default", {"sequenced": 1})]
        assert len(caplog.messages) == 2

    @pytest.mark.postgres
    @pytest.mark.mariadb
    def test_after_a_failure_the_connection_is_another_one(self, delivering):
        # It may be to a primary that takes no writes any more.
        rounds = Rounds()
        with dropped(Pending):
            rounds.look()
            assert connection.connection is None

    @pytest.mark.postgres
    @pytest.mark.mariadb
    def test_a_connection_is_kept_between_two_rounds_and_renewed_now_and_then(self, delivering):
        rounds = Rounds()
        rounds.look()
        kept = connection.connection
        rounds.look()
        assert connection.connection is kept
        rounds.watch._connections_at -= relaying.CONNECTION_SECONDS
        rounds.look()
        assert connection.connection is not kept

    @pytest.mark.postgres
    @pytest.mark.mariadb
    def test_a_connection_that_a_handler_broke_is_closed_at_once(self, delivering, vendor):
        rounds = Rounds()
        other = connections["other"]
        other.ensure_connection()
        end_session(vendor, "other")

        def use_other(event):
            Note.objects.using("other").count()

        on_timestamp(name="testapp.user", atomic=False)(use_other)
        add_pending(1)
        rounds.look()
        assert other.errors_occurred
        rounds.look()
        assert other.connection is None

    def test_a_prune_is_tried_at_once_and_then_every_hour(self, delivering, monkeypatch):
        rounds = Rounds()
        add_aged(40, 40, 0)
        assert rounds.look() == [("default", {"pruned": 2})]
        make_older(40)
        add_pending(1)
        assert rounds.look() == [("default", {"sequenced": 1})]
        monkeypatch.setattr(relaying, "SECONDS_BETWEEN_PRUNES", 0.0)
        assert rounds.look() == [("default", {"pruned": 1})]

    def test_a_prune_ends_between_two_batches_when_it_is_stopped(self, delivering, monkeypatch):
        rounds = Rounds()
        add_aged(40, 40, 40, 0)
        monkeypatch.setattr(retention.prune, "__kwdefaults__", {**retention.prune.__kwdefaults__, "batch_size": 1})
        prune_if_due = relaying.prune_if_due

        def stop_after_one(alias, *, progress):
            def count(pruned):
                rounds.stop.set()
                progress(pruned)

            return prune_if_due(alias, progress=count)

        monkeypatch.setattr(relaying, "prune_if_due", stop_after_one)
        assert rounds.look() == [("default", {"pruned": 1})]
        assert positions() == [2, 3, 4]

    def test_nothing_is_pruned_after_the_stop(self, delivering):
        rounds = Rounds()
        add_aged(40, 40, 0)
        on_timestamp(name="testapp.stopper")(lambda event: rounds.stop.set())
        add_pending(1)
        assert rounds.look() == [("default", {"sequenced": 1, "delivered": 1})]
        assert positions() == [1, 2, 3, 4]

    def test_a_prune_that_fails_does_not_keep_new_events_waiting(self, delivering, caplog, monkeypatch):
        rounds = Rounds()
        add_aged(40, 0)
        add_pending(1)

        def no_pruning(alias, *, progress):
            with connection.cursor() as cursor:
                cursor.execute("DELETE FROM nowhere")

        monkeypatch.setattr(relaying, "prune_if_due", no_pruning)
        assert rounds.look() == [("default", {"sequenced": 1})]
        assert caplog.messages[0].startswith("The log of 'default' could not be pruned: ")
        add_pending(1)
        assert rounds.look() == [("default", {"sequenced": 1})]
        assert len(caplog.messages) == 1


class Recording:
    """An event that notes how long it is waited for, and is set after so many times."""

    def __init__(self, pauses, count):
        self.pauses = pauses
        self.count = count

    def is_set(self):
        return len(self.pauses) == self.count

    def wait(self, seconds):
        self.pauses.append(seconds)


def end_session(vendor, using="default"):
    """End the session of a connection of the test's own from another one."""
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()" if vendor == "postgresql" else "SELECT CONNECTION_ID()")
        (number,) = cursor.fetchone()
    elsewhere(f"SELECT pg_terminate_backend({number})" if vendor == "postgresql" else f"KILL {number}")


def add_pending_elsewhere():
    elsewhere("INSERT INTO clean_timestamps_pending (entity_type) VALUES ('testapp.note')")


def elsewhere(statement):
    def work():
        try:
            with connections["default"].cursor() as cursor:
                cursor.execute(statement)
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


class TestSignals:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_the_first_one_stops_and_the_next_does_what_it_did_before(self, number):
        before = signal.getsignal(number)
        stop = threading.Event()
        with stopped_by_signals(stop):
            assert signal.getsignal(number) is not before
            os.kill(os.getpid(), number)
            assert stop.wait(5)
            assert signal.getsignal(number) is before

    def test_outside_the_main_thread_there_are_none(self):
        def work():
            with stopped_by_signals(threading.Event()):
                found.append(signal.getsignal(signal.SIGTERM))

        found = [signal.getsignal(signal.SIGTERM)]
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        assert found[0] is found[1]

    def test_without_one_everything_is_as_it_was_afterwards(self):
        before = signal.getsignal(signal.SIGTERM)
        with stopped_by_signals(threading.Event()):
            pass
        assert signal.getsignal(signal.SIGTERM) is before


class TestWatching:
    @pytest.fixture(autouse=True)
    def stops_after_a_round(self, delivering, monkeypatch):
        run = Watch.run

        def once(self, interval):
            report = self.report
            self.report = lambda *row: (report(*row), self.stop.set())
            run(self, interval)

        monkeypatch.setattr(Watch, "run", once)
        add_pending(2)

    def test_it_says_what_it_watches_and_when_it_has_stopped(self, run):
        done = run(RELAY, "--watch")
        assert done.code == 0
        assert done.out == "Watching default, other every 5 seconds; stop with Ctrl-C\nStopped\n"

    def test_with_a_handler_it_looks_more_often(self, run):
        Ear()
        assert run(RELAY, "--watch").out.startswith("Watching default, other every 0.25 seconds")

    def test_it_tells_of_each_pass_on_request(self, run):
        done = run(RELAY, "--watch", "--interval", "0.5", "--database", "default", verbosity=2)
        assert done.out.splitlines()[1] == "default: 2 events sequenced"

    def test_json_has_an_object_for_each_pass_and_nothing_else(self, run):
        done = run(RELAY, "--watch", "--format", "json")
        assert json.loads(done.out) == {"database": "default", **Relayed(sequenced=2)._asdict(), "error": None}

    def test_what_the_engine_says_in_each_round_is_logged_once_a_minute(self, run, caplog, monkeypatch):
        logger = logging.getLogger("django_clean_timestamps.delivery")

        def look_often(self, interval):
            for _ in range(3):
                logger.warning("The subscriptions in 'other' cannot be read")

        monkeypatch.setattr(Watch, "run", look_often)
        run(RELAY, "--watch")
        assert caplog.messages == ["The subscriptions in 'other' cannot be read"]

    def test_it_can_be_silent(self, run):
        assert run(RELAY, "--watch", verbosity=0).out == ""

    @pytest.mark.parametrize("interval", ["0", "-1", "nan", "inf", "soon"])
    def test_the_interval_must_be_a_number_of_seconds(self, run, interval):
        done = run(RELAY, "--watch", f"--interval={interval}")
        assert done.code == 1
        assert "is no number of seconds above 0" in done.err
