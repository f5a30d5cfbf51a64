import json
import logging
import os
import signal
import threading
import time

import pytest
from django.db import connection, connections

from django_clean_timestamps.delivery import on_timestamp
from django_clean_timestamps.delivery.doorbell import ringing
from django_clean_timestamps.eventlog import retention
from django_clean_timestamps.eventlog.models import Event, Pending
from django_clean_timestamps.eventlog.sequencer import PASS_SIZE
from django_clean_timestamps.management import relaying
from django_clean_timestamps.management.relaying import Found, Relayed, Watch, stopped_by_signals
from tests.eventlog.aged import add_aged, make_older, positions
from tests.eventlog.log import add_pending, dropped
from tests.management.ears import Ear, Terminal
from tests.management.project import Project
from tests.testapp.models import Note

RELAY = "timestamps_relay"
BOTH = pytest.mark.django_db(databases=["default", "other"])


@BOTH
class TestOnce:
    def test_everything_that_is_pending_gets_a_position(self, run):
        add_pending(3)
        add_pending(2, "other")
        done = run(RELAY)
        assert (done.code, done.err) == (0, "")
        assert done.out == "default: 3 events sequenced\nother: 2 events sequenced\n"
        assert positions() == [1, 2, 3]
        assert positions("other") == [1, 2]

    def test_once_says_what_is_done_anyway(self, run):
        assert run(RELAY, "--once").out == run(RELAY).out

    def test_more_than_one_pass_is_made_where_more_is_pending(self, run):
        add_pending(PASS_SIZE + 1)
        assert run(RELAY, "--database", "default").out == "default: 5,001 events sequenced\n"

    def test_only_the_databases_that_are_named_are_relayed(self, run):
        add_pending(1)
        add_pending(1, "other")
        assert run(RELAY, "--database", "other", "--database", "other").out == "other: 1 event sequenced\n"
        assert positions() == []

    def test_the_keys_of_json(self, rows):
        add_pending(3)
        assert rows(RELAY, "--database", "default") == (
            0,
            [{"database": "default", "sequenced": 3, "delivered": 0, "parked": 0, "pruned": 0, "error": None}],
        )

    def test_events_are_brought_to_their_handlers_until_nothing_is_due(self, run):
        ear, deaf = Ear(), Ear("testapp.deaf", error=ValueError("no"))
        add_pending(3)
        done = run(RELAY, "--database", "default")
        assert done.out == "default: 3 events sequenced, 3 delivered, 3 failed and parked\n"
        assert (done.code, done.err) == (0, "")
        assert ear.reasons == ["1", "2", "3"]
        assert deaf.heard == []

    def test_what_a_handler_writes_is_delivered_too(self, run):
        def answer(event):
            if event.reason == "1":
                Note.objects.create(title="answer")

        on_timestamp(name="testapp.answer")(answer)
        ear = Ear()
        add_pending(1)
        assert run(RELAY, "--database", "default").out == "default: 2 events sequenced, 4 delivered\n"
        assert ear.reasons == ["1", "entity_created"]

    def test_what_a_handler_writes_to_a_log_that_had_its_turn_is_delivered_too(self, rows):
        def answer(event):
            if event.reason == "1":
                Note(title="answer").save(using="default")

        on_timestamp(name="testapp.answer", using="default")(answer)
        add_pending(1, "other")
        code, (default, other) = rows(RELAY)
        assert code == 0
        assert (default["sequenced"], default["delivered"]) == (1, 1)
        assert (other["sequenced"], other["delivered"]) == (1, 1)

    def test_what_handlers_write_rings_for_nobody_since_the_drain_looks_once_more(self, run):
        silenced = []
        on_timestamp(name="testapp.listener")(lambda event: silenced.append(ringing._local.draining))
        add_pending(1)
        run(RELAY, "--database", "default")
        assert silenced == ["default"]
        assert ringing._local.draining is None

    def test_progress_is_shown_on_a_terminal(self, run):
        add_pending(3)
        done = run(RELAY, "--database", "default", stderr=Terminal())
        assert done.err.startswith("\rdefault: 3 events sequenced\r")

    def test_old_events_go_when_they_have_been_due_for_a_day(self, run):
        add_aged(32, 32, 30.5, 0)
        assert run(RELAY, "--database", "default").out == "default: 0 events sequenced, 3 old ones deleted\n"
        assert run(RELAY, "--database", "default").out == "default: 0 events sequenced\n"

    def test_a_database_without_entities_is_left_out(self, run, only_default):
        assert run(RELAY).out == "default: 0 events sequenced\n"

    def test_an_unknown_database_is_refused(self, run):
        done = run(RELAY, "--database", "third")
        assert done.code == 2
        assert done.err == "There is no database 'third'; DATABASES has default, other."

    def test_once_and_watch_exclude_each_other(self, run):
        assert run(RELAY, "--once", "--watch").code == 1


@pytest.mark.postgres
@BOTH
def test_a_replica_is_left_out_unless_it_is_named(rows):
    with connections["other"].cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")
    assert [row["database"] for row in rows(RELAY)[1]] == ["default"]
    assert [row["database"] for row in rows(RELAY, "--database", "other")[1]] == ["other"]


def test_missing_tables_are_wrong_and_keep_nobody_else_waiting(committing, run):
    add_pending(1, "other")
    with dropped(Event):
        done = run(RELAY)
    assert done.code == 1
    assert done.out == "other: 1 event sequenced\n"
    assert done.err.startswith("default: The tables of the event log (clean_timestamps_pending,")


def test_a_database_that_cannot_be_asked_is_unknown(committing, rows, unreachable):
    code, found = rows(RELAY)
    assert code == 2
    assert [row["database"] for row in found] == ["default", "other", "away"]
    assert found[2].keys() == found[0].keys()
    assert (found[2]["sequenced"], found[2]["delivered"], found[2]["pruned"]) == (None, None, None)
    assert found[2]["error"]


def test_the_greatest_exit_code_counts(committing, run, unreachable):
    with dropped(Event, using="other"):
        assert run(RELAY).code == 2
        assert run(RELAY, "--database", "away", "--database", "other").code == 2


def test_where_no_database_has_a_log_it_says_so(committing, run, only_default, settings):
    settings.DATABASE_ROUTERS = ["tests.management.test_relay.Nowhere"]
    done = run(RELAY)
    assert done.code == 2
    assert done.err.startswith("No database holds the table of an entity; run 'manage.py migrate'")


class Nowhere:
    def allow_migrate(self, db, app_label, **hints):
        return False


def test_a_bad_setting_is_named_without_a_traceback(run, settings):
    settings.CLEAN_TIMESTAMPS = {"SWEEP_SECOND": 1}
    done = run(RELAY, "--watch")
    assert done.code == 2
    assert "SWEEP_SECOND" in done.err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_between_two_batches_and_nothing_is_lost(delivering, run, settings, number):
    settings.CLEAN_TIMESTAMPS = {"BATCH_SIZE": 2}
    add_pending(10)
    heard = []

    def hear(event):
        heard.append(event.reason)
        if event.reason == "3":
            os.kill(os.getpid(), number)

    on_timestamp(name="testapp.stopper")(hear)
    done = run(RELAY, "--database", "default")
    assert done.code == 2
    assert done.out == "default: 10 events sequenced, 4 delivered\n"
    assert done.err == "Stopped before everything was done.\n"
    assert run(RELAY, "--database", "default").out == "default: 0 events sequenced, 6 delivered\n"
    assert heard == [str(number) for number in range(1, 11)]


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


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("relay"))
    code, _, err = project.run("migrate", "--run-syncdb", "-v0")
    assert code == 0, err
    return project


@pytest.mark.sqlite
class TestProcess:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_it_sequences_what_comes_and_ends_at_a_signal(self, project, number):
        # The project is that of other tests, too.
        project.query("DELETE FROM clean_timestamps_pending")
        before = project.event_count()
        with project.start(RELAY, "--watch", "--interval", "0.1") as process:
            try:
                assert process.stdout.readline().startswith("Watching default every 0.1 seconds")
                project.add_pending(2)
                wait_until(lambda: project.event_count() == before + 2)
                process.send_signal(number)
                out, err = process.communicate(timeout=20)
            finally:
                process.kill()
        assert (process.returncode, out, err) == (0, "Stopped\n", "")

    def test_a_long_interval_does_not_delay_the_end(self, project):
        with project.start(RELAY, "--watch", "--interval", "600") as process:
            try:
                process.stdout.readline()
                project.add_pending()
                process.terminate()
                process.communicate(timeout=20)
            finally:
                process.kill()
        assert process.returncode == 0

    def test_a_database_that_fails_is_logged_and_tried_again(self, project):
        with project.start(RELAY, "--watch", "--interval", "0.1") as process:
            try:
                process.stdout.readline()
                before = project.event_count()
                project.query("ALTER TABLE clean_timestamps_pending RENAME TO away")
                assert "could not be drained, and is tried again: The tables" in process.stderr.readline()
                project.query("ALTER TABLE away RENAME TO clean_timestamps_pending")
                project.add_pending()
                wait_until(lambda: project.event_count() > before)
                assert process.stderr.readline() == "The log of 'default' is drained again\n"
                process.terminate()
                process.communicate(timeout=20)
            finally:
                process.kill()
        assert process.returncode == 0

    def test_the_exit_code_reaches_the_shell(self, project):
        assert project.run(RELAY)[0] == 0
        assert project.run(RELAY, "--database", "nowhere")[0] == 2
        project.query("ALTER TABLE clean_timestamps_loghead RENAME TO away")
        try:
            project.add_pending()
            assert project.run(RELAY)[0] == 1
        finally:
            project.query("ALTER TABLE away RENAME TO clean_timestamps_loghead")


@pytest.mark.sqlite
class TestProcessWithHandler:
    """The handler of the project writes one row for each event, and takes its time."""

    @pytest.fixture
    def slow(self, tmp_path):
        project = Project(tmp_path, handler_seconds=0.02)
        code, _, err = project.run("migrate", "--run-syncdb", "-v0")
        assert code == 0, err
        return project

    def test_it_delivers_what_comes(self, slow):
        with slow.start(RELAY, "--watch") as process:
            try:
                assert process.stdout.readline().startswith("Watching default every 0.25 seconds")
                slow.add_pending(2)
                wait_until(lambda: slow.heard() == [1, 2])
                slow.add_pending(1)
                wait_until(lambda: slow.heard() == [1, 2, 3])
                process.terminate()
                out, err = process.communicate(timeout=20)
            finally:
                process.kill()
        assert (process.returncode, out, err) == (0, "Stopped\n", "")

    def test_the_end_loses_nothing_and_doubles_nothing(self, slow):
        slow.add_pending(60)
        with slow.start(RELAY, "--watch") as process:
            try:
                wait_until(slow.heard)
                process.terminate()
                process.communicate(timeout=20)
            finally:
                process.kill()
        assert process.returncode == 0
        assert len(slow.heard()) < 60
        assert slow.query("SELECT owner, lease_until FROM clean_timestamps_subscription") == [("", None)]
        code, out, _ = slow.run(RELAY, "--once")
        assert code == 0
        assert "delivered" in out
        assert slow.heard() == list(range(1, 61))

    def test_a_relay_that_was_killed_is_replaced_by_the_next(self, slow):
        slow.add_pending(60)
        with slow.start(RELAY, "--watch") as process:
            try:
                wait_until(slow.heard)
            finally:
                process.kill()
        with slow.start(RELAY, "--watch") as process:
            try:
                wait_until(lambda: len(slow.heard()) == 60)
                process.terminate()
                process.communicate(timeout=20)
            finally:
                process.kill()
        assert slow.heard() == list(range(1, 61))


def wait_until(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
