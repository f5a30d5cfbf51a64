"""Savepoints, early writes, and what is held in memory meanwhile."""

import gc

import pytest
from django.db import connection, connections, transaction

from django_clean_timestamps.testing import capture_events
from django_clean_timestamps.unit_of_work import Entry, attach_writer, get_unit, get_writer, unit, write_pending
from django_clean_timestamps.unit_of_work.levels import Level, Marker
from tests.unit_of_work.written import make_event, rolled_back, save, set_savepoint, titles, written

pytestmark = pytest.mark.usefixtures("writer")


class Counter:
    """A writer that only counts."""

    def __init__(self):
        self.batch_sizes = []

    def write(self, connection, events):
        self.batch_sizes.append(len(events))


def test_a_savepoint_takes_its_events_back(using):
    with capture_events() as events, transaction.atomic(using):
        note = save("a", using)
        with rolled_back(using):
            note.touch("b", using=using)
            assert [event.reason for event in note.get_domain_events()] == ["a", "b"]
        assert [event.reason for event in note.get_domain_events()] == ["a"]
        assert [event.reason for event in events] == ["a"]
    assert written(using) == ["a"]


def test_events_written_early_are_written_again_when_only_the_writing_is_undone(using, writer):
    with transaction.atomic(using):
        save("a", using)
        with rolled_back(using):
            save("b", using)
            write_pending(connections[using])
            assert written(using) == ["a", "b"]
        assert written(using) == []
        save("c", using)
    assert titles(using) == written(using) == ["a", "c"]
    assert writer.batch_sizes == [2, 2]


def test_events_written_under_a_savepoint_that_ended_well_are_written_once(using, writer):
    with transaction.atomic(using):
        save("a", using)
        with transaction.atomic(using):
            save("b", using)
            write_pending(connections[using])
        save("c", using)
    assert titles(using) == written(using) == ["a", "b", "c"]
    assert writer.batch_sizes == [2, 1]


def test_a_savepoint_can_be_rolled_back_to_twice(using):
    with transaction.atomic(using):
        save("a", using)
        sid = set_savepoint(using)
        save("b", using)
        write_pending(connections[using])
        transaction.savepoint_rollback(sid, using)
        save("c", using)
        write_pending(connections[using])
        transaction.savepoint_rollback(sid, using)
        save("d", using)
    assert titles(using) == written(using) == ["a", "d"]


def test_a_savepoint_set_before_the_units_first_event_takes_all_events_back(make_database):
    using = make_database("fresh").alias
    with transaction.atomic(using):
        sid = set_savepoint(using)
        save("a", using)
        transaction.savepoint_rollback(sid, using)
        save("b", using)
    assert titles(using) == written(using) == ["b"]


def test_a_released_savepoint_ends_those_set_after_it(using):
    with transaction.atomic(using):
        outer = set_savepoint(using)
        save("a", using)
        set_savepoint(using)
        save("b", using)
        transaction.savepoint_commit(outer, using)
        with rolled_back(using):
            save("c", using)
    assert titles(using) == written(using) == ["a", "b"]


def test_events_of_a_closed_transaction_do_not_come_back_with_the_next_one(shared_database):
    using = shared_database.alias
    transaction.set_autocommit(False, using)
    save("a", using)
    connections[using].close()
    transaction.set_autocommit(False, using)
    with rolled_back(using):
        pass
    transaction.commit(using)
    transaction.set_autocommit(True, using)
    assert titles(using) == written(using) == []


# Early writes.


def test_five_thousand_pending_events_are_written_at_once(writer):
    with transaction.atomic():
        for number in range(4_999):
            get_unit(connection).record(make_event(number))
        assert writer.batch_sizes == []
        get_unit(connection).record(make_event(4_999))
        assert writer.batch_sizes == [5_000]
        get_unit(connection).record(make_event(5_000))
    assert writer.batch_sizes == [5_000, 1]
    assert written() == [str(number) for number in range(5_001)]


def test_pending_events_are_counted_over_all_savepoints(writer, monkeypatch):
    monkeypatch.setattr(unit, "EARLY_WRITE_AT", 3)
    with transaction.atomic():
        save("a")
        with transaction.atomic():
            save("b")
            with transaction.atomic():
                save("c")
                assert writer.batch_sizes == [3]
    assert titles() == written() == ["a", "b", "c"]


def test_writing_nothing_calls_no_writer(writer, using):
    write_pending(connections[using])
    save("a", using)
    write_pending(connections[using])
    assert writer.batch_sizes == [1]


# Memory.


@pytest.fixture
def held():
    """Return a function that counts the objects that the units of work keep alive."""
    attach_writer(Counter())
    gc.collect()
    before = _count()

    def count():
        gc.collect()
        return _count() - before

    return count


def _count():
    return sum(isinstance(each, Entry | Level | Marker) for each in gc.get_objects())


def many(vendor):
    return 20_000 if vendor == "sqlite" else 2_000


def test_memory_stays_flat_over_many_savepoints_in_one_transaction(held, vendor, monkeypatch):
    monkeypatch.setattr(unit, "EARLY_WRITE_AT", 100)
    with transaction.atomic():
        save("outer")
        for number in range(many(vendor)):
            with transaction.atomic():
                get_unit(connection).record(make_event(number))
            if number % 9_000 == 1_550:
                assert held() < 310
                assert len(connection.run_on_commit) < 3


def test_memory_stays_flat_over_many_savepoints_set_by_hand(held, vendor, monkeypatch):
    monkeypatch.setattr(unit, "EARLY_WRITE_AT", 100)
    with transaction.atomic():
        save("outer")
        for number in range(many(vendor)):
            sid = set_savepoint()
            get_unit(connection).record(make_event(number))
            (transaction.savepoint_rollback if number % 2 else transaction.savepoint_commit)(sid)
            if number % 2:
                transaction.savepoint_commit(sid)
            if number % 9_000 == 1_550:
                assert held() < 310
                assert len(connection.run_on_commit) < 3


def test_memory_stays_flat_over_many_events_written_early(held, monkeypatch):
    monkeypatch.setattr(unit, "EARLY_WRITE_AT", 100)
    with transaction.atomic():
        for number in range(20_000):
            get_unit(connection).record(make_event(number))
            if number % 9_000 == 1_550:
                assert held() < 310
    assert sum(get_writer().batch_sizes) == 20_000


def test_memory_stays_flat_over_many_saves(held, vendor, monkeypatch):
    monkeypatch.setattr(unit, "EARLY_WRITE_AT", 100)
    with transaction.atomic():
        for number in range(many(vendor) // 10):
            with transaction.atomic():
                save("a")
            if number % 900 == 150:
                assert held() < 310


def test_memory_stays_flat_over_many_transactions(held):
    for _ in range(50):
        with transaction.atomic():
            save("a")
    assert held() == 0
