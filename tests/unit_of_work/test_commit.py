"""Rows and events are committed together, whatever goes wrong on the way."""

import threading
from contextlib import nullcontext

import pytest
from django.db import DatabaseError, IntegrityError, OperationalError, connection, connections, transaction
from django.db.transaction import TransactionManagementError
from django.http import HttpResponse
from django.urls import path

from django_clean_timestamps.exceptions import UnitOfWorkError
from django_clean_timestamps.testing import capture_events
from django_clean_timestamps.unit_of_work import attach_writer, unit, write_pending
from tests.testapp.models import Task
from tests.unit_of_work.written import rolled_back, save, set_savepoint, titles, written

pytestmark = pytest.mark.usefixtures("writer")

MORE = [f"more {number}" for number in range(5)]


def save_five_more(using):
    for title in MORE:
        save(title, using)


def test_a_lone_save_commits_its_row_and_event(using, observer):
    save("a", using)
    assert titles(observer) == written(observer) == ["a"]


def test_events_wait_for_the_end_of_the_outermost_block(using, writer):
    with transaction.atomic(using):
        save("a", using)
        with transaction.atomic(using):
            save("b", using)
        assert written(using) == []
    assert written(using) == ["a", "b"]
    assert writer.batch_sizes == [2]


@pytest.mark.parametrize(
    "blocks",
    [
        [{}],
        [{"durable": True}],
        [{"savepoint": False}],
        [{"durable": True}, {}],
        [{}, {"savepoint": False}, {}],
        [{"durable": True}, {"savepoint": False}, {"savepoint": False}],
    ],
    ids=str,
)
def test_any_nesting_of_blocks_commits_row_and_event_together(blocks, using, observer):
    def enter(remaining):
        if not remaining:
            save("a", using)
            assert written(using) == []
            return
        with transaction.atomic(using, **remaining[0]):
            enter(remaining[1:])

    enter(blocks)
    assert titles(observer) == written(observer) == ["a"]


def test_atomic_as_a_decorator_writes_the_events(using, observer):
    @transaction.atomic(using=using)
    def work():
        save("a", using)

    work()
    work()
    assert titles(observer) == written(observer) == ["a", "a"]


def saving_view(request):
    save("from a view")
    if "fail" in request.GET:
        raise ValueError
    return HttpResponse()


urlpatterns = [path("save/", saving_view)]


@pytest.mark.urls("tests.unit_of_work.test_commit")
@pytest.mark.parametrize(("query", "expected"), [("", ["from a view"]), ("?fail", [])])
def test_atomic_requests_commit_or_drop_both(query, expected, client, monkeypatch, observer):
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)
    client.raise_request_exception = False
    client.get(f"/save/{query}")
    assert titles(observer) == written(observer) == expected


def test_without_a_writer_the_row_is_committed(using, observer):
    attach_writer(None)
    save("a", using)
    assert titles(observer) == ["a"]
    assert written(observer) == []


def test_with_events_off_signals_and_captures_go_on_and_the_writer_gets_nothing(settings, writer, using):
    settings.CLEAN_TIMESTAMPS = {"EVENTS": False}
    with capture_events() as events, transaction.atomic(using):
        note = save("a", using)
        assert len(note.get_domain_events()) == 1
    assert [event.reason for event in events] == ["a"]
    assert writer.batch_sizes == []
    assert titles(using) == ["a"]


# Failures before COMMIT.


@pytest.mark.parametrize("after_half", [False, True], ids=["at once", "half written"])
@pytest.mark.parametrize("kind", [ValueError, DatabaseError, OperationalError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("in_block", [False, True], ids=["lone", "block"])
def test_a_writer_that_fails_rolls_the_row_back_and_the_connection_goes_on(
    kind, after_half, in_block, using, observer, writer
):
    writer.fail_with(kind("no"), after_half=after_half)
    block = transaction.atomic(using) if in_block else nullcontext()
    with pytest.raises(kind, match="no"), capture_events() as events, block:
        save("a", using)
    assert events == []
    assert connections[using].get_autocommit()
    assert not connections[using].in_atomic_block
    save_five_more(using)
    assert titles(observer) == written(observer) == MORE


def test_an_error_of_the_database_in_the_writer_rolls_the_row_back(using, observer, writer):
    def break_the_transaction(connection, events):
        if len(writer.batch_sizes) == 1:
            with connection.cursor() as cursor:
                cursor.execute("INSERT INTO there_is_no_such_table VALUES (1)")

    writer.before = break_the_transaction
    with pytest.raises(DatabaseError):
        save("a", using)
    save_five_more(using)
    assert titles(observer) == written(observer) == MORE


@pytest.mark.parametrize("kind", [RuntimeError, OperationalError, KeyboardInterrupt])
def test_an_error_in_the_drivers_commit_rolls_back(kind, using, observer, monkeypatch):
    def fail():
        monkeypatch.undo()
        raise kind("lost")

    monkeypatch.setattr(connections[using], "_commit", fail)
    with pytest.raises(kind, match="lost"), capture_events() as events:
        save("a", using)
    assert events == []
    save_five_more(using)
    assert titles(observer) == written(observer) == MORE


@pytest.mark.sqlite
@pytest.mark.postgres
def test_a_constraint_that_fails_at_commit_takes_the_event_back(using, observer):
    with pytest.raises(IntegrityError), capture_events() as events:
        Task(project_id=987_654).save(using=using)
    assert events == []
    assert written(observer) == []


@pytest.mark.parametrize("close_fails", [False, True], ids=["closed", "close fails"])
def test_a_rollback_that_fails_closes_the_connection_and_the_first_error_is_raised(
    close_fails, shared_database, writer, monkeypatch
):
    using = shared_database.alias
    failing = connections[using]
    closed = []
    really_close = failing.close

    def fail():
        raise OperationalError("the rollback failed")

    def close():
        closed.append(True)
        really_close()
        if close_fails:
            raise OperationalError("the close failed")

    writer.fail_with(ValueError("first"))
    monkeypatch.setattr(failing, "_rollback", fail)
    monkeypatch.setattr(failing, "close", close)
    with pytest.raises(ValueError, match="first"), capture_events() as events:
        save("a", using)
    monkeypatch.undo()
    assert closed
    assert events == []
    save_five_more(using)
    assert titles(using) == written(using) == MORE


def test_events_that_bring_events_for_ever_raise_and_roll_back(using, observer, writer, monkeypatch):
    monkeypatch.setattr(unit, "MAX_ROUNDS", 5)
    writer.before = lambda connection, events: save("again", connection.alias)
    with pytest.raises(UnitOfWorkError, match="after 5 rounds"):
        save("a", using)
    writer.before = None
    save_five_more(using)
    assert titles(observer) == written(observer) == MORE


def test_a_row_saved_by_the_writer_is_committed_with_its_event(using, observer, writer):
    def save_once(connection, events):
        writer.before = None
        save("b", connection.alias)

    writer.before = save_once
    save("a", using)
    assert titles(observer) == written(observer) == ["a", "b"]


def test_a_transaction_marked_for_rollback_while_it_is_written_is_not_committed(using, observer, writer):
    def mark(connection, events):
        transaction.set_rollback(True, connection.alias)

    class Marking:
        def write(self, connection, events):
            mark(connection, events)

    attach_writer(Marking())
    with pytest.raises(UnitOfWorkError, match="marked for rollback"):
        save("a", using)
    attach_writer(writer)
    save_five_more(using)
    assert titles(observer) == written(observer) == MORE


@pytest.mark.parametrize("kind", [ValueError, KeyboardInterrupt])
def test_a_failed_early_write_that_was_caught_forbids_the_commit(kind, using, observer, writer):
    def work():
        with transaction.atomic(using):
            save("a", using)
            save("b", using)
            writer.fail_with(kind("no"), after_half=True)
            with pytest.raises(kind):
                write_pending(connections[using])

    with pytest.raises(UnitOfWorkError, match="writer failed"):
        work()
    assert titles(observer) == written(observer) == []


def test_a_failed_early_write_is_forgiven_when_its_savepoint_is_rolled_back(using, observer, writer):
    with transaction.atomic(using):
        save("a", using)
        writer.fail_with(ValueError("no"), after_half=True)
        with rolled_back(using):
            save("b", using)
            with pytest.raises(ValueError, match="no"), transaction.atomic(using):
                write_pending(connections[using])
            save("after", using)
        save("c", using)
    assert titles(observer) == written(observer) == ["a", "c"]


def test_a_failed_early_write_counts_for_the_block_around_a_savepoint_that_ended_well(using, observer, writer):
    def work():
        with transaction.atomic(using):
            save("a", using)
            with transaction.atomic(using):
                writer.fail_with(ValueError("no"))
                with pytest.raises(ValueError, match="no"):
                    write_pending(connections[using])
            sid = set_savepoint(using)
            transaction.savepoint_rollback(sid, using)

    with pytest.raises(UnitOfWorkError, match="writer failed"):
        work()
    assert titles(observer) == written(observer) == []


# What Django refuses.


def in_another_thread(function):
    raised = []

    def run():
        try:
            function()
        except DatabaseError as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return raised[0]


@pytest.mark.parametrize("method", ["commit", "rollback", "set_autocommit"])
def test_another_thread_is_refused_as_django_does_and_nothing_is_written(method, using, observer):
    own = connections[using]
    arguments = (True,) if method == "set_autocommit" else ()
    transaction.set_autocommit(False, using)
    save("a", using)
    error = in_another_thread(lambda: getattr(own, method)(*arguments))
    assert isinstance(error, DatabaseError)
    assert "can only be used in that same thread" in str(error)
    assert written(using) == []
    transaction.commit(using)
    transaction.set_autocommit(True, using)
    assert titles(observer) == written(observer) == ["a"]


@pytest.mark.parametrize("method", ["commit", "rollback", "set_autocommit"])
def test_an_open_block_is_refused_as_django_does_and_nothing_is_written(method, using, observer):
    arguments = (True,) if method == "set_autocommit" else ()
    with transaction.atomic(using):
        save("a", using)
        with pytest.raises(TransactionManagementError, match="forbidden when an 'atomic' block is active"):
            getattr(connections[using], method)(*arguments)
        assert written(using) == []
    assert titles(observer) == written(observer) == ["a"]


# Lost connections.


def test_a_connection_closed_in_its_transaction_drops_everything(shared_database):
    using = shared_database.alias
    with capture_events() as events:
        with transaction.atomic(using):
            note = save("a", using)
            connections[using].close()
        assert note.get_domain_events() == []
        assert events == []
    save_five_more(using)
    assert titles(using) == written(using) == MORE


@pytest.mark.postgres
@pytest.mark.mariadb
def test_a_capture_ends_without_the_events_of_a_closed_connection():
    with capture_events() as events, transaction.atomic():
        save("a")
        connection.close()
    assert events == []


def test_a_connection_that_was_closed_and_opened_again_writes_its_events(shared_database):
    using = shared_database.alias
    save("a", using)
    connections[using].close()
    save("b", using)
    with transaction.atomic(using):
        save("c", using)
    assert titles(using) == written(using) == ["a", "b", "c"]
