"""``timestamps_relay``, once."""

import os
import signal

import pytest
from django.db import connections

from django_clean_timestamps.delivery import on_timestamp
from django_clean_timestamps.delivery.doorbell import ringing
from django_clean_timestamps.eventlog.models import Event
from django_clean_timestamps.eventlog.sequencer import PASS_SIZE
from tests.eventlog.aged import add_aged, positions
from tests.eventlog.log import add_pending, dropped
from tests.management.ears import Ear, Terminal
from tests.management.relaying import BOTH, RELAY
from tests.testapp.models import Note


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
