"""The bell rings after each COMMIT that brought something into the log, and after no other."""

import logging
from contextlib import ExitStack, contextmanager

import pytest
from django.db import connection, connections, transaction
from django.test import TestCase
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_clean_timestamps.eventlog.models import Pending
from django_clean_timestamps.unit_of_work import attach_bell, bell, get_unit, write_pending
from tests.testapp.models import Note
from tests.unit_of_work.written import METHODS, rolled_back, save, set_savepoint, take_seam_away, titles

HOW_TO_WRITE = {
    "save": lambda using: save("a", using),
    "touch": lambda using: notes(using).get().touch("seen"),
    "delete": lambda using: notes(using).get().delete(using=using),
    "update": lambda using: notes(using).update(amount=7),
    "bulk_create": lambda using: notes(using).bulk_create([Note(title="b"), Note(title="c")]),
    "delete of a queryset": lambda using: notes(using).all().delete(),
}


def notes(using):
    return Note.objects.using(using)


@contextmanager
def attached(function):
    before = bell._bell
    attach_bell(function)
    try:
        yield
    finally:
        attach_bell(before)


@pytest.fixture
def rings(real_transactions):
    """Return the aliases that the bell was called with."""
    called = []
    with attached(called.append):
        yield called


@pytest.fixture
def note(using, real_transactions):
    """Return a note that was there before."""
    with attached(None):
        return save("before", using)


@pytest.mark.parametrize("write", HOW_TO_WRITE.values(), ids=HOW_TO_WRITE)
def test_each_way_of_writing_rings_once_after_its_commit(write, using, note, rings):
    write(using)
    assert rings == [using]


@pytest.mark.parametrize("write", HOW_TO_WRITE.values(), ids=HOW_TO_WRITE)
def test_a_transaction_of_many_writes_rings_once_at_its_end(write, using, note, rings):
    with transaction.atomic(using):
        save("first", using)
        with transaction.atomic(using):
            write_pending(connections[using])
        notes(using).filter(title="first").delete()
        write(using)
        assert rings == []
    assert rings == [using]


@pytest.mark.parametrize("write", HOW_TO_WRITE.values(), ids=HOW_TO_WRITE)
def test_a_rollback_is_silent_and_so_is_the_next_commit(write, using, note, rings):
    with rolled_back(using):
        write(using)
    with transaction.atomic(using):
        titles(using)
    assert rings == []


def test_it_rings_when_everybody_sees_the_event(using, observer):
    seen = []
    with attached(lambda alias: seen.append(Pending.objects.using(observer).count())):
        save("a", using)
    assert seen == [1]


def test_a_write_that_finds_nothing_is_silent(using, rings):
    notes(using).filter(title="nobody").update(amount=1)
    notes(using).filter(title="nobody").delete()
    notes(using).bulk_create([])
    assert rings == []


def test_with_events_off_it_is_silent(using, rings, settings):
    settings.CLEAN_TIMESTAMPS = {"EVENTS": False}
    save("a", using)
    notes(using).update(amount=1)
    assert rings == []


def test_a_transaction_that_only_reads_is_silent(using, note, rings):
    with transaction.atomic(using):
        titles(using)
    assert rings == []


@pytest.mark.parametrize("write", HOW_TO_WRITE.values(), ids=HOW_TO_WRITE)
def test_a_savepoint_that_is_rolled_back_takes_its_ring_along(write, using, note, rings):
    with transaction.atomic(using):
        with rolled_back(using):
            write(using)
            write_pending(connections[using])
    assert rings == []


@pytest.mark.parametrize("write", HOW_TO_WRITE.values(), ids=HOW_TO_WRITE)
def test_a_savepoint_leaves_the_ring_of_what_was_written_before_it(write, using, note, rings):
    with transaction.atomic(using):
        write(using)
        write_pending(connections[using])
        with rolled_back(using), rolled_back(using):
            notes(using).update(amount=2)
        with rolled_back(using):
            save("taken back", using)
    assert rings == [using]


def test_savepoints_that_are_counted_anew_lose_no_ring(using, note, rings):
    with transaction.atomic(using):
        for _ in range(3):
            set_savepoint(using)
        notes(using).update(amount=1)
        transaction.clean_savepoints(using)
        transaction.savepoint_rollback(set_savepoint(using), using)
    assert rings == [using]


def test_savepoints_that_are_counted_anew_bring_no_ring(using, rings):
    with transaction.atomic(using):
        transaction.savepoint_commit(set_savepoint(using), using)
        transaction.savepoint_rollback(set_savepoint(using), using)
        transaction.clean_savepoints(using)
        transaction.savepoint_rollback(set_savepoint(using), using)
    assert rings == []


STEPS = st.lists(
    st.sampled_from(["save", "update", "delete", "write early", "set", "release", "roll back"]), max_size=14
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, commits=st.booleans())
def test_it_rings_where_a_transaction_left_something_in_the_log_and_nowhere_else(real_transactions, steps, commits):
    connection.cursor().execute(f"DELETE FROM {Pending._meta.db_table}")
    with attached(None):
        save("before")
    before, rings, open_savepoints = Pending.objects.count(), [], []
    with ExitStack() as stack:
        stack.enter_context(attached(rings.append))
        stack.enter_context(transaction.atomic() if commits else rolled_back())
        for step in steps:
            carry_out(step, open_savepoints)
    has_written = Pending.objects.count() > before
    assert rings == (["default"] if has_written else [])


def carry_out(step, open_savepoints):
    match step:
        case "save":
            save("a")
        case "update":
            Note.objects.update(amount=1)
        case "delete":
            Note.objects.filter(title="a").delete()
        case "write early":
            write_pending(connection)
        case "set":
            open_savepoints.append(set_savepoint())
        case "release" if open_savepoints:
            transaction.savepoint_commit(open_savepoints.pop())
        case "roll back" if open_savepoints:
            # To any of them: those set after it are gone.
            del open_savepoints[len(open_savepoints) // 2 + 1 :]
            transaction.savepoint_rollback(open_savepoints.pop())


# Manual mode.


@pytest.fixture
def manual(using, note):
    """Return an alias in manual mode."""
    transaction.set_autocommit(False, using)
    yield using
    transaction.rollback(using)
    transaction.set_autocommit(True, using)


@pytest.mark.parametrize("write", HOW_TO_WRITE.values(), ids=HOW_TO_WRITE)
def test_a_manual_commit_rings(write, manual, rings):
    write(manual)
    assert rings == []
    transaction.commit(manual)
    assert rings == [manual]
    transaction.commit(manual)
    assert rings == [manual]


@pytest.mark.parametrize("write", HOW_TO_WRITE.values(), ids=HOW_TO_WRITE)
def test_a_manual_rollback_is_silent(write, manual, rings):
    write(manual)
    transaction.rollback(manual)
    transaction.commit(manual)
    assert rings == []


@pytest.mark.sqlite
@pytest.mark.mariadb
@pytest.mark.parametrize("write", HOW_TO_WRITE.values(), ids=HOW_TO_WRITE)
def test_leaving_manual_mode_rings(write, manual, rings):
    write(manual)
    transaction.set_autocommit(True, manual)
    assert rings == [manual]
    transaction.set_autocommit(False, manual)


@pytest.mark.postgres
@pytest.mark.parametrize("write", HOW_TO_WRITE.values(), ids=HOW_TO_WRITE)
def test_leaving_manual_mode_where_the_driver_refuses_is_silent(write, manual, rings):
    write(manual)
    with pytest.raises(Exception, match="autocommit"):
        transaction.set_autocommit(True, manual)
    transaction.set_autocommit(True, manual)
    assert rings == []
    transaction.set_autocommit(False, manual)


@pytest.mark.sqlite
@pytest.mark.parametrize("write", HOW_TO_WRITE.values(), ids=HOW_TO_WRITE)
def test_a_savepoint_that_commits_on_sqlite_rings(write, manual, rings):
    with transaction.atomic(manual):
        write(manual)
    assert rings == [manual]


# What else can happen to a connection.


def test_a_connection_that_is_closed_in_its_transaction_is_silent(shared_database, rings):
    using = shared_database.alias
    with transaction.atomic(using):
        save("a", using)
        notes(using).update(amount=1)
        connections[using].close()
    with transaction.atomic(using):
        titles(using)
    assert rings == []


def test_each_database_rings_for_itself(make_database, rings):
    fresh = make_database("fresh").alias
    with transaction.atomic(), transaction.atomic(fresh):
        save("a", fresh)
    assert rings == [fresh]


def test_events_that_are_written_late_ring(rings):
    with transaction.atomic():
        save("a")
        take_seam_away()
    assert rings == ["default"]
    get_unit(connection)
    with transaction.atomic():
        titles()
    assert rings == ["default"]


def test_what_a_savepoint_takes_back_is_known_without_another_look(using, rings):
    with transaction.atomic(using):
        with rolled_back(using):
            get_unit(connections[using]).note_written()
        with transaction.atomic(using):
            pass
    assert rings == []


@pytest.mark.parametrize("early", [False, True])
def test_without_the_seam_all_levels_ring_once(early, rings):
    with transaction.atomic():
        save("a")
        with transaction.atomic():
            save("b")
            # Keeps the marker of this savepoint from being taken off the list.
            transaction.on_commit(lambda: None)
        if early:
            write_pending(connection)
        take_seam_away()
    assert rings == ["default"]


def test_events_that_were_written_early_ring_although_the_seam_was_taken_away(rings):
    with transaction.atomic():
        save("a")
        write_pending(connection)
        take_seam_away()
    assert rings == ["default"]


def test_a_late_write_rings_once_where_the_seam_came_back(rings, monkeypatch):
    with transaction.atomic():
        transaction.on_commit(lambda: save("callback"))
        save("a")
        take_seam_away()
    assert set(METHODS) <= set(connections["default"].__dict__)
    assert set(rings) == {"default"}
    rings.clear()
    with transaction.atomic():
        titles()
    assert rings == []


def test_callbacks_that_a_test_captures_are_silent(rings):
    with TestCase.captureOnCommitCallbacks(execute=True), rolled_back():
        save("a")
    with rolled_back():
        with TestCase.captureOnCommitCallbacks(execute=True):
            save("b")
    assert rings == []


class TestInATestCase(TestCase):
    def test_nothing_rings(self):
        called = []
        with attached(called.append):
            save("a")
            Note.objects.update(amount=1)
            Pending.objects.count()
            with transaction.atomic():
                save("b")
        assert called == []


# Who is called.


def test_a_bell_that_fails_is_logged_and_the_commit_stands(using, observer, caplog):
    def fail(alias):
        raise ValueError("no rope")

    with attached(fail):
        save("a", using)
        with transaction.atomic(using):
            save("b", using)
    assert titles(observer) == ["a", "b"]
    assert Pending.objects.using(observer).count() == 2
    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.ERROR]
    assert f"failed after a COMMIT on {using!r}" in caplog.text
    assert "no rope" in caplog.text
    assert connections[using].get_autocommit()


def test_without_a_bell_nothing_happens(using, note, caplog):
    with attached(None):
        save("a", using)
        notes(using).update(amount=1)
    assert caplog.records == []


def test_what_the_bell_itself_writes_in_an_own_transaction_rings_again(using, real_transactions):
    aliases = []

    def answer(alias):
        aliases.append(alias)
        if len(aliases) == 1:
            # As the eager drain does it: once the connection is back in autocommit.
            connections[alias].run_on_commit.append((set(), lambda: save("answer", alias), True))

    with attached(answer):
        save("a", using)
    assert aliases == [using, using]
    assert titles(using) == ["a", "answer"]
