"""Where a project's tests run Celery's tasks eagerly, the drain runs in the committer's thread, right after COMMIT."""

import logging
from datetime import UTC, datetime

import pytest
from django.db import connections, transaction
from django.test import TestCase

from django_clean_timestamps.context import no_touching, stamped_at, timestamp_context, without_events
from django_clean_timestamps.delivery import doorbell, on_timestamp
from django_clean_timestamps.delivery.doorbell import eager
from django_clean_timestamps.delivery.drain import Drained
from django_clean_timestamps.tasks import running
from tests.brokers import celery_app
from tests.delivery.bells import doorbell_threads, fresh_doorbell_fixture, heard_fixture  # noqa: F401 - used by name
from tests.testapp.models import Note

pytestmark = pytest.mark.usefixtures("fresh_doorbell")


@pytest.fixture(autouse=True)
def app():
    with celery_app(task_always_eager=True) as app:
        yield app


def reasons(events):
    return [event.reason for event in events]


def save(reason, using="default"):
    with timestamp_context(reason=reason):
        return Note.objects.using(using).create(title=reason)


def test_a_lone_save_is_handled_when_it_returns(heard, log):
    threads = doorbell_threads()
    save("a")
    assert reasons(heard) == ["a"]
    assert doorbell_threads() == threads


def test_a_block_is_handled_at_its_end(heard, log):
    with transaction.atomic():
        save("a")
        with transaction.atomic():
            save("b")
        assert heard == []
    assert reasons(heard) == ["a", "b"]


def test_a_set_based_write_is_handled(heard, log):
    save("a")
    with timestamp_context(reason="b"):
        Note.objects.update(amount=1)
    assert reasons(heard) == ["a", "b"]


def test_switched_off_nothing_is_handled(heard, log, settings):
    settings.CLEAN_TIMESTAMPS = {"DOORBELL": False}
    save("a")
    assert heard == []


@pytest.mark.django_db
def test_in_a_testcase_nothing_is_handled(heard):
    with TestCase.captureOnCommitCallbacks(execute=True):
        save("a")
    assert heard == []


def test_it_comes_before_the_projects_callbacks_of_which_one_may_raise(heard, log):
    seen = []

    def fail():
        seen.extend(reasons(heard))
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"), transaction.atomic():
        transaction.on_commit(fail)
        save("a")
    assert seen == ["a"]


def test_in_manual_mode_it_waits_for_autocommit_once(heard, log, monkeypatch):
    drained = []
    drain = running.drain
    monkeypatch.setattr(running, "drain", lambda using, **options: drained.append(using) or drain(using, **options))
    transaction.set_autocommit(False)
    for reason in ("a", "b"):
        save(reason)
        transaction.commit()
    assert heard == []
    transaction.set_autocommit(True)
    assert reasons(heard) == ["a", "b"]
    assert drained == ["default"]


def test_what_a_handler_writes_is_handled_too_and_no_drain_runs_inside_another(log, monkeypatch):
    depth, deepest, events = 0, 0, []

    @on_timestamp(name="tests.answer", atomic=False)
    def answer(event):
        events.append(event)
        if event.reason == "a":
            save("answer")

    drain = running.drain

    def counting(using, **options):
        nonlocal depth, deepest
        depth += 1
        deepest = max(deepest, depth)
        try:
            return drain(using, **options)
        finally:
            depth -= 1

    monkeypatch.setattr(running, "drain", counting)
    save("a")
    assert reasons(events) == ["a", "answer"]
    assert deepest == 1


def test_what_a_handler_writes_to_another_log_is_handled_after_its_own(log, monkeypatch):
    drained, events = [], []
    drain = running.drain

    def counting(using, **options):
        drained.append(using)
        done = drain(using, **options)
        drained.append("done")
        return done

    monkeypatch.setattr(running, "drain", counting)

    @on_timestamp(name="tests.answer", atomic=False)
    def answer(event):
        events.append(event)
        if event.reason == "a":
            save("there", "other")
        if event.reason == "there":
            save("and back")

    save("a")
    assert reasons(events) == ["a", "there", "and back"]
    assert drained == ["default", "done", "other", "done", "default", "done"]


def test_handlers_do_not_see_what_surrounds_the_committer(log):
    seen = []

    @on_timestamp(name="tests.writes")
    def write(event):
        if event.reason == "a":
            note = Note.objects.create(title="written")
            note.touch("seen")
            seen.append(note)

    moment = datetime(2000, 1, 1, tzinfo=UTC)
    with timestamp_context(reason="a", actor="somebody"), stamped_at(moment), no_touching():
        note = Note.objects.create(title="a")
        assert note.created_at == moment
        # Again in force.
        assert Note.objects.create(title="b").created_at == moment
    written = seen[0]
    assert written.created_at > moment
    assert written.updated_at > written.created_at
    assert not any(event.actor for event in written.get_domain_events())


def test_a_committer_without_events_of_some_models_suspends_nothing_in_the_handlers(log):
    events = []

    @on_timestamp(name="tests.writes", atomic=False)
    def write(event):
        events.append(event)
        if event.reason == "a":
            save("answer")

    transaction.set_autocommit(False)
    save("a")
    transaction.commit()
    with without_events():
        transaction.set_autocommit(True)
    assert reasons(events) == ["a", "answer"]


@pytest.mark.parametrize("propagates", [False, True])
def test_a_handler_that_fails_raises_nothing_into_the_committer(propagates, app, log):
    app.conf.task_eager_propagates = propagates

    @on_timestamp(name="tests.fails")
    def fail(event):
        raise ValueError("no")

    assert save("a").pk


@pytest.mark.parametrize("propagates", [False, True])
def test_a_drain_that_fails_raises_nothing_into_the_committer(propagates, app, heard, log, monkeypatch, caplog):
    app.conf.task_eager_propagates = propagates

    def fail(using, **options):
        raise ValueError("no")

    with monkeypatch.context() as patch:
        patch.setattr(running, "drain", fail)
        assert save("a").pk
    assert "no" in caplog.text
    save("b")
    assert reasons(heard) == ["a", "b"]


def remove(app, patch):
    del app.tasks["clean_timestamps.drain"]


def break_it(app, patch):
    # What Celery has in hand of a task that is called, say the project's own class of task.
    patch.setattr(app.tasks["clean_timestamps.drain"], "apply", None)


@pytest.mark.parametrize("change", [remove, break_it])
def test_a_task_that_cannot_be_called_is_logged(change, app, heard, log, caplog, monkeypatch):
    change(app, monkeypatch)
    save("a")
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "The eager drain of 'default' failed" in caplog.text
    assert not hasattr(eager._local, "waiting")
    assert heard == []


def test_a_drain_that_is_not_finished_goes_on_until_it_is(heard, log, monkeypatch):
    drain, calls = running.drain, []

    def unfinished(using, **options):
        calls.append(using)
        if len(calls) < 3:
            return Drained(is_finished=False)
        return drain(using, **options)

    monkeypatch.setattr(running, "drain", unfinished)
    save("a")
    assert len(calls) == 3
    assert reasons(heard) == ["a"]


def test_a_connection_that_is_old_is_not_closed_under_the_committer(heard, log, monkeypatch):
    closed = []
    with monkeypatch.context() as patch:
        patch.setattr(connections["default"], "close_at", 0)
        patch.setattr(connections["default"], "close", lambda: closed.append("default"))
        save("a")
    assert reasons(heard) == ["a"]
    assert closed == []


def test_a_ring_by_hand_drains_too(heard, log, settings):
    settings.CLEAN_TIMESTAMPS = {"DOORBELL": False}
    save("a")
    settings.CLEAN_TIMESTAMPS = {}
    doorbell.ring("default")
    assert reasons(heard) == ["a"]
