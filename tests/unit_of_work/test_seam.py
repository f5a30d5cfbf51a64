"""How the five methods get onto a connection, and where they end."""

import logging

import pytest
from django.db import IntegrityError, connection, connections, transaction

from django_clean_timestamps.testing import capture_events
from django_clean_timestamps.unit_of_work import UnitOfWorkMixin, get_unit, peek_unit, write_pending
from django_clean_timestamps.unit_of_work.levels import Marker
from tests.unit_of_work.written import METHODS, rolled_back, save, set_savepoint, take_seam_away, titles, written

pytestmark = pytest.mark.usefixtures("writer")


def markers(using="default"):
    return [call for _, call, _ in connections[using].run_on_commit if isinstance(call, Marker)]


@pytest.fixture
def fresh(make_database):
    """Return the alias of a connection that has recorded nothing yet."""
    return make_database("fresh").alias


def test_a_connection_without_events_is_left_alone(fresh):
    with transaction.atomic(fresh):
        titles(fresh)
    assert not set(METHODS) & set(connections[fresh].__dict__)
    assert peek_unit(connections[fresh]) is None


def test_the_methods_are_put_on_a_connection_once(fresh):
    save("a", fresh)
    installed = {name: connections[fresh].__dict__[name] for name in METHODS}
    save("b", fresh)
    assert {name: connections[fresh].__dict__[name] for name in METHODS} == installed
    assert all(connections[fresh].__dict__[name] is method for name, method in installed.items())


def test_the_proxy_of_the_default_connection_stands_for_it():
    assert get_unit(connection) is get_unit(connections["default"])
    assert peek_unit(connection) is get_unit(connections["default"])


def test_each_connection_has_a_unit_of_its_own(fresh):
    assert get_unit(connections[fresh]) is get_unit(connections[fresh])
    assert get_unit(connections[fresh]) is not get_unit(connection)


def test_the_methods_come_back_after_somebody_deleted_one():
    save("a")
    del connection.commit
    save("b")
    assert "commit" in connections["default"].__dict__
    assert titles() == written() == ["a", "b"]


def test_an_engine_with_the_mixin_gets_no_methods(engine_alias):
    save("a", engine_alias)
    assert isinstance(connections[engine_alias], UnitOfWorkMixin)
    assert not set(METHODS) & set(connections[engine_alias].__dict__)


def test_an_engine_with_the_mixin_goes_on_without_a_unit(engine_alias):
    with transaction.atomic(engine_alias):
        with transaction.atomic(engine_alias):
            pass
        with rolled_back(engine_alias):
            pass
    with rolled_back(engine_alias):
        pass
    assert peek_unit(connections[engine_alias]) is None
    assert connections[engine_alias].get_autocommit()


def use_everything(using):
    with transaction.atomic(using):
        with transaction.atomic(using):
            save("a", using)
        with rolled_back(using):
            save("b", using)
    with rolled_back(using):
        save("c", using)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_ends_in_the_one_that_the_class_has_at_that_moment(name, using, monkeypatch):
    save("before", using)
    owner = next(
        kind
        for kind in type(connections[using]).__mro__
        if name in vars(kind) and not issubclass(kind, UnitOfWorkMixin)
    )
    called = []
    original = getattr(owner, name)

    def replaced(self, *args, **kwargs):
        called.append(self)
        return original(self, *args, **kwargs)

    monkeypatch.setattr(owner, name, replaced)
    use_everything(using)
    assert connections[using] in called
    assert titles(using) == written(using) == ["before", "a"]


def test_a_savepoint_that_django_did_not_set_is_left_to_django(using):
    # Outside a transaction a connection's savepoint() returns None, and takes it back.
    save("a", using)
    sid = set_savepoint(using)
    transaction.savepoint_commit(sid, using)
    transaction.savepoint_rollback(sid, using)
    assert sid is None
    assert titles(using) == written(using) == ["a"]


# Markers.


def test_there_is_one_marker_for_each_savepoint_level(using):
    with transaction.atomic(using):
        for _ in range(20):
            save("outer", using)
        with transaction.atomic(using):
            for _ in range(20):
                save("inner", using)
            assert len(markers(using)) == 2
        save("outer", using)
        assert len(markers(using)) == 1
    assert markers(using) == []


def test_a_marker_has_a_name_for_djangos_log():
    with transaction.atomic():
        save("a")
        assert markers()[0].__qualname__ == "django_clean_timestamps.unit_of_work.Marker"


def test_the_callbacks_of_others_keep_their_place_and_run(using):
    called = []
    with transaction.atomic(using):
        transaction.on_commit(lambda: called.append("first"), using)
        save("a", using)
        transaction.on_commit(lambda: called.append(written(using)), using)
    assert called == ["first", ["a"]]


def test_a_callback_may_save_an_entity(using):
    with transaction.atomic(using):
        transaction.on_commit(lambda: save("after", using), using)
        save("a", using)
    assert titles(using) == written(using) == ["a", "after"]


# Manual mode.


@pytest.fixture
def manual(using):
    """Return an alias in manual mode."""
    transaction.set_autocommit(False, using)
    yield using
    transaction.rollback(using)
    transaction.set_autocommit(True, using)


def test_a_manual_commit_writes_first(manual, observer):
    note = save("a", manual)
    assert len(note.get_domain_events()) == 1
    transaction.commit(manual)
    assert note.get_domain_events() == []
    assert titles(observer) == written(observer) == ["a"]


def test_a_manual_rollback_drops_row_and_event_and_empties_captures(manual, observer):
    with capture_events() as events:
        save("a", manual)
        transaction.rollback(manual)
        assert events == []
        save("b", manual)
        transaction.commit(manual)
    assert [event.reason for event in events] == ["b"]
    assert titles(observer) == written(observer) == ["b"]


def test_a_manual_commit_removes_our_markers_and_leaves_the_callbacks_of_others(using):
    called = []
    transaction.set_autocommit(False, using)
    with transaction.atomic(using, savepoint=False):
        save("a", using)
        transaction.on_commit(lambda: called.append("theirs"), using)
    assert len(markers(using)) == 1
    transaction.commit(using)
    assert markers(using) == []
    assert len(connections[using].run_on_commit) == 1
    transaction.set_autocommit(True, using)
    assert called == ["theirs"]
    assert written(using) == ["a"]


@pytest.mark.sqlite
@pytest.mark.mariadb
@pytest.mark.parametrize("early", [False, True])
def test_leaving_manual_mode_commits_row_and_event(early, using, observer):
    transaction.set_autocommit(False, using)
    note = save("a", using)
    if early:
        write_pending(connections[using])
    transaction.set_autocommit(True, using)
    assert note.get_domain_events() == []
    assert markers(using) == []
    assert titles(observer) == written(observer) == ["a"]


@pytest.mark.postgres
def test_leaving_manual_mode_in_a_transaction_is_refused_by_the_driver_and_drops_row_and_event(using, observer):
    transaction.set_autocommit(False, using)
    save("a", using)
    with pytest.raises(Exception, match="autocommit"), capture_events():
        transaction.set_autocommit(True, using)
    transaction.set_autocommit(True, using)
    assert titles(observer) == written(observer) == []


def test_a_writer_that_fails_while_manual_mode_is_left_rolls_back(using, observer, writer):
    transaction.set_autocommit(False, using)
    save("a", using)
    writer.fail_with(ValueError("no"))
    with pytest.raises(ValueError, match="no"):
        transaction.set_autocommit(True, using)
    assert not connections[using].autocommit
    transaction.set_autocommit(True, using)
    save("b", using)
    assert titles(observer) == written(observer) == ["b"]


def test_a_rollback_that_fails_in_manual_mode_drops_the_events(manual, monkeypatch):
    def fail():
        raise IntegrityError("the rollback failed")

    with capture_events() as events:
        save("a", manual)
        with monkeypatch.context() as patch:
            patch.setattr(connections[manual], "_rollback", fail)
            with pytest.raises(IntegrityError):
                transaction.rollback(manual)
        assert events == []


def test_counting_savepoints_anew_loses_nothing(manual, observer):
    with transaction.atomic(manual):
        save("a", manual)
        with transaction.atomic(manual):
            save("b", manual)
    transaction.commit(manual)
    transaction.clean_savepoints(manual)
    save("c", manual)
    with rolled_back(manual):
        save("d", manual)
    transaction.commit(manual)
    assert titles(observer) == written(observer) == ["a", "b", "c"]


@pytest.mark.sqlite
def test_a_savepoint_that_commits_on_sqlite_writes_first(using, observer):
    # SAVEPOINT begins a transaction where none is open, and RELEASE commits it: a rollback() comes too late.
    transaction.set_autocommit(False, using)
    with transaction.atomic(using):
        note = save("a", using)
    assert note.get_domain_events() == []
    transaction.rollback(using)
    transaction.set_autocommit(True, using)
    assert titles(observer) == written(observer) == ["a"]


@pytest.mark.sqlite
@pytest.mark.parametrize("kind", [ValueError, IntegrityError])
def test_a_writer_that_fails_before_a_savepoint_commits_on_sqlite_takes_the_row_back(kind, using, observer, writer):
    transaction.set_autocommit(False, using)
    writer.fail_with(kind("no"), after_half=True)
    with pytest.raises(kind, match="no"), transaction.atomic(using):
        save("a", using)
    save("b", using)
    transaction.commit(using)
    transaction.set_autocommit(True, using)
    assert titles(observer) == written(observer) == ["b"]


# Where the seam was taken away.


def test_events_are_written_late_and_an_error_is_logged(caplog):
    with transaction.atomic():
        save("a")
        with transaction.atomic():
            save("b")
        take_seam_away()
    assert titles() == written() == ["a", "b"]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "2 events were written after COMMIT on 'default'" in caplog.text


def test_events_are_written_late_also_when_a_callback_before_saved_an_entity(caplog):
    with transaction.atomic():
        transaction.on_commit(lambda: save("callback"))
        save("a")
        take_seam_away()
    assert titles() == ["a", "callback"]
    assert sorted(written()) == ["a", "callback"]
    assert "1 events were written after COMMIT" in caplog.text


def test_events_that_were_written_early_are_not_written_late(caplog):
    with transaction.atomic():
        save("a")
        write_pending(connection)
        take_seam_away()
    assert written() == ["a"]
    assert caplog.records == []


def test_events_that_a_savepoint_took_back_are_not_written_late():
    with transaction.atomic():
        save("a")
        sid = set_savepoint()
        save("b")
        transaction.savepoint_rollback(sid)
        take_seam_away()
    assert titles() == written() == ["a"]


def test_a_transaction_after_a_late_write_is_as_ever(caplog):
    with transaction.atomic():
        save("a")
        take_seam_away()
    caplog.clear()
    with transaction.atomic():
        note = save("b")
        assert len(note.get_domain_events()) == 1
    assert written() == ["a", "b"]
    assert caplog.records == []


def test_a_rollback_without_the_seam_is_noticed_at_the_next_event():
    with capture_events() as events:
        with rolled_back():
            note = save("a")
            take_seam_away()
        save("b")
    assert note.get_domain_events() == []
    assert [event.reason for event in events] == ["b"]
    assert titles() == written() == ["b"]


def test_a_savepoint_rolled_back_without_the_seam_is_noticed_at_the_next_event():
    with capture_events() as events, transaction.atomic():
        save("a")
        with rolled_back():
            save("b")
            take_seam_away()
        save("c")
    assert [event.reason for event in events] == ["a", "c"]
    assert titles() == written() == ["a", "c"]
