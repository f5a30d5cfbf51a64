"""What the tasks do with a log that has news, one that is down, and a worker that is to stop."""

import logging
from types import SimpleNamespace

import pytest
from celery.app.trace import build_tracer
from django.db import OperationalError, connections
from kombu.exceptions import OperationalError as BrokerError

from django_clean_timestamps import tasks
from django_clean_timestamps.delivery import doorbell
from django_clean_timestamps.delivery.doorbell import ringing
from django_clean_timestamps.delivery.drain import Drained
from django_clean_timestamps.eventlog.models import Event, Pending
from django_clean_timestamps.exceptions import EventLogMissingError
from django_clean_timestamps.tasks import running
from tests.delivery.bells import fresh_doorbell_fixture, heard_fixture  # noqa: F401 - used by name
from tests.eventlog.conftest import committing  # noqa: F401 - a fixture
from tests.tasks.messages import app_fixture, ours, take_all  # noqa: F401 - one is used by name
from tests.testapp.models import Note

pytestmark = pytest.mark.usefixtures("fresh_doorbell")
log = pytest.mark.usefixtures("committing")
FINISHED = Drained()
UNFINISHED = Drained(is_finished=False)


@pytest.fixture(autouse=True)
def _asked_nobody(monkeypatch):
    monkeypatch.setattr(running, "_asked_at", {})


@pytest.fixture
def sent(app, monkeypatch):
    """Return what was sent again."""
    sent = []
    monkeypatch.setattr(doorbell, "publish", lambda app, name, *args: sent.append((app, name, *args)))
    return sent


class Draining:
    """Stands in for the engine: gives the results that a test wants and takes down how it was called."""

    def __init__(self):
        self.results = []
        self.calls = []
        self.during = lambda using: None

    def __call__(self, using, *, seconds=None, should_stop=None):
        self.calls.append(SimpleNamespace(using=using, seconds=seconds, should_stop=should_stop))
        self.during(using)
        result = self.results.pop(0) if self.results else FINISHED
        if isinstance(result, Exception):
            raise result
        return result

    @property
    def aliases(self):
        return [call.using for call in self.calls]


@pytest.fixture
def draining(monkeypatch):
    draining = Draining()
    monkeypatch.setattr(running, "drain", draining)
    return draining


@pytest.fixture
def pruned(monkeypatch):
    """Return the aliases whose prune was asked for; a function among them is called with the progress."""
    pruned = []
    monkeypatch.setattr(running, "prune_if_due", lambda using, progress: pruned.append(using))
    return pruned


def run(app, name, *args):
    """Run a task as a worker does; return its state and what it returned."""
    request = {"is_eager": False, "delivery_info": {}}
    traced = build_tracer(name, app.tasks[name], app=app)("id", args, {}, request)
    return traced.info, traced.retval


def run_drain(app, *args):
    assert run(app, doorbell.DRAIN, *args) == (None, None)


def run_sweep(app):
    assert run(app, doorbell.SWEEP) == (None, None)


# The drain.


@log
def test_a_drain_delivers_what_was_written(app, heard):
    Note.objects.create(title="a")
    run_drain(app, "default")
    assert [event.reason for event in heard] == ["entity_created"]
    assert Pending.objects.count() == 0


@log
def test_a_drain_is_of_one_log_and_of_the_default_one_unless_another_is_named(app):
    Note.objects.create(title="a")
    Note.objects.using("other").create(title="b")
    run_drain(app)
    assert (Event.objects.count(), Event.objects.using("other").count()) == (1, 0)
    run_drain(app, "other")
    assert Event.objects.using("other").count() == 1


def test_a_drain_is_bounded_in_time_and_looks_whether_the_worker_stops(app, draining, sent, django_db_blocker):
    with django_db_blocker.unblock():
        run_drain(app, "default")
    (call,) = draining.calls
    assert call.seconds == 5
    assert call.should_stop is running.is_stopping
    assert sent == []


@log
def test_a_drain_that_is_not_finished_sends_itself_again(app, draining, sent):
    draining.results = [UNFINISHED]
    run_drain(app, "other")
    assert sent == [(app, doorbell.DRAIN, "other")]
    assert draining.aliases == ["other"]


@log
def test_what_is_sent_again_is_a_message_like_the_doorbells(app, draining, settings):
    settings.CLEAN_TIMESTAMPS = {"DOORBELL": False}
    draining.results = [UNFINISHED]
    run_drain(app, "other")
    (message,) = take_all(app)
    assert message.headers["task"] == doorbell.DRAIN
    assert message.payload[0] == ["other"]
    assert message.headers["expires"]


@log
def test_a_drain_that_cannot_be_sent_again_is_one_line(app, draining, monkeypatch, caplog):
    def fail(*args):
        raise BrokerError("nobody\nthere")

    monkeypatch.setattr(doorbell, "publish", fail)
    draining.results = [UNFINISHED]
    run_drain(app, "default")
    assert [record.levelno for record in ours(caplog)] == [logging.WARNING]
    assert ours(caplog)[0].getMessage().endswith("the sweep goes on: OperationalError: nobody there")


@log
def test_what_is_written_during_a_drain_does_not_ring(app, draining, heard, monkeypatch):
    rung = []
    monkeypatch.setattr(
        ringing, "_thread_of_this_process", lambda: SimpleNamespace(ring=lambda *args: rung.append(args))
    )
    draining.during = doorbell.ring
    run_drain(app, "default")
    assert rung == []
    doorbell.ring("default")
    assert rung == [(app, "default")]


@log
@pytest.mark.parametrize("error", [OperationalError("the server is\ngone"), EventLogMissingError("no tables")])
def test_a_database_that_is_down_is_one_line_and_no_failure(error, app, draining, sent, caplog):
    draining.results = [error]
    run_drain(app, "default")
    (record,) = ours(caplog)
    assert (record.levelno, record.exc_info) == (logging.WARNING, None)
    assert "The log of 'default' could not be drained" in record.getMessage()
    assert "\n" not in record.getMessage()
    assert sent == []


@log
def test_any_other_error_is_logged_with_its_traceback(app, draining, caplog):
    draining.results = [ValueError("no")]
    run_drain(app, "default")
    (record,) = ours(caplog)
    assert (record.levelno, record.exc_info[0]) == (logging.ERROR, ValueError)


@log
def test_a_connection_that_was_lost_is_closed_before_the_next_drain(app, draining, monkeypatch):
    connection = connections["default"]
    connection.ensure_connection()
    closed = []
    with monkeypatch.context() as patch:
        patch.setattr(connection, "is_usable", lambda: False)
        patch.setattr(connection, "errors_occurred", True)
        patch.setattr(connection, "close", lambda: closed.append(list(draining.calls)))
        run_drain(app, "default")
    assert closed == [[]]


# The sweep.


@log
def test_a_sweep_drains_every_log(app, heard):
    Note.objects.create(title="a")
    Note.objects.using("other").create(title="b")
    run_sweep(app)
    assert len(heard) == 2
    assert Event.objects.using("other").count() == 1


@log
def test_the_logs_share_the_time_and_those_that_are_not_finished_get_a_drain(app, draining, sent, pruned):
    draining.results = [UNFINISHED, FINISHED]
    run_sweep(app)
    assert [(call.using, call.seconds) for call in draining.calls] == [("default", 2.5), ("other", 2.5)]
    assert sent == [(app, doorbell.DRAIN, "default")]


@log
@pytest.mark.parametrize("error", [OperationalError("gone"), ValueError("no")])
def test_a_log_that_fails_keeps_no_other_from_its_turn(error, app, draining, pruned, caplog):
    draining.results = [error]
    run_sweep(app)
    assert draining.aliases == ["default", "other"]
    assert pruned == ["other"]
    assert len(ours(caplog)) == 1


@log
@pytest.mark.parametrize(("name", "answer"), [("has_log", False), ("is_read_only", True)])
def test_a_database_without_a_log_and_one_that_cannot_be_written_to_are_left_out(
    name, answer, app, draining, pruned, monkeypatch
):
    usual = getattr(running, name)
    monkeypatch.setattr(running, name, lambda using: answer if using == "default" else usual(using))
    run_sweep(app)
    assert draining.aliases == pruned == ["other"]


@log
def test_a_prune_is_asked_for_once_an_hour(app, draining, pruned, monkeypatch):
    now = [10.0]
    monkeypatch.setattr(running.time, "monotonic", lambda: now[0])
    for _ in range(3):
        run_sweep(app)
    assert pruned == ["default", "other"]
    now[0] += running.PRUNE_SECONDS
    run_sweep(app)
    assert pruned == ["default", "other"] * 2


@log
def test_a_prune_that_takes_long_is_stopped_and_goes_on_in_the_next_sweep(app, draining, monkeypatch):
    asked, now = [], [10.0]
    monkeypatch.setattr(running.time, "monotonic", lambda: now[0])

    def prune(using, progress):
        asked.append(using)
        progress(5_000)
        if using == "default" and len(asked) < 3:
            now[0] += 2.6
            progress(10_000)
            pytest.fail("it was not stopped")

    monkeypatch.setattr(running, "prune_if_due", prune)
    for _ in range(3):
        run_sweep(app)
    assert asked == ["default", "other", "default"]


@log
def test_a_prune_is_stopped_with_its_worker(app, draining, monkeypatch):
    stopped = []

    def prune(using, progress):
        monkeypatch.setattr(running, "is_stopping", lambda: True)
        try:
            progress(1)
        except Exception as error:
            stopped.append(using)
            raise error

    monkeypatch.setattr(running, "prune_if_due", prune)
    run_sweep(app)
    assert stopped == ["default", "other"]


@log
def test_old_events_are_pruned(app, settings, monkeypatch):
    settings.CLEAN_TIMESTAMPS = {"RETENTION_DAYS": 30}
    for _ in range(3):
        Note.objects.create()
    run_sweep(app)
    with connections["default"].cursor() as cursor:
        cursor.execute("UPDATE clean_timestamps_event SET recorded_at = '2000-01-01 00:00:00'")
    monkeypatch.setattr(running, "_asked_at", {})
    run_sweep(app)
    assert Event.objects.count() == 1


@log
def test_an_eager_sweep_drains_here_and_sends_nothing(app, draining, sent, pruned):
    draining.results = [UNFINISHED, UNFINISHED, FINISHED]
    tasks.sweep.apply()
    assert draining.aliases == ["default", "default", "default", "other"]
    assert sent == []
