"""Lists that collect events as they are recorded."""

import asyncio
import threading

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import connection, connections, transaction

from django_clean_timestamps.testing import capture_events
from django_clean_timestamps.unit_of_work import Entry, get_unit, is_capturing, write_pending
from tests.testapp.models import Note
from tests.unit_of_work.written import make_event, rolled_back, save

pytestmark = pytest.mark.usefixtures("real_transactions")


def reasons(events):
    return [event.reason for event in events]


def test_events_are_captured_in_order_without_a_writer():
    with capture_events() as events:
        note = save("a")
        note.touch("b")
        note.delete()
    assert reasons(events) == ["a", "b", "entity_deleted"]


def test_a_capture_ends_with_its_block_and_keeps_its_list():
    assert not is_capturing()
    with capture_events() as events:
        assert is_capturing()
        save("a")
    save("b")
    assert not is_capturing()
    assert reasons(events) == ["a"]


def test_a_capture_ends_also_when_its_block_raises():
    with pytest.raises(ValueError, match="no"), capture_events():
        raise ValueError("no")
    assert not is_capturing()


def test_bulk_writes_are_captured_one_event_a_row():
    with capture_events() as events:
        Note.objects.bulk_create([Note(), Note()])
        Note.objects.update(title="b")
    assert [event.event_type for event in events] == ["timestamp_created"] * 2 + ["timestamp_updated"] * 2


def test_captures_nest():
    with capture_events() as outer:
        save("a")
        with capture_events() as inner:
            save("b")
        save("c")
    assert reasons(outer) == ["a", "b", "c"]
    assert reasons(inner) == ["b"]


def test_a_rollback_takes_events_out_of_every_capture():
    with capture_events() as outer, transaction.atomic():
        save("a")
        with rolled_back(), capture_events() as inner:
            save("b")
        assert inner == []
    assert reasons(outer) == ["a"]


def test_a_capture_inside_the_transaction_loses_what_is_rolled_back_after_it():
    with rolled_back():
        with capture_events() as events:
            save("a")
        assert reasons(events) == ["a"]
    assert events == []


def test_events_leave_although_they_were_written_early():
    with capture_events() as events, rolled_back():
        save("a")
        write_pending(connection)
    assert events == []


def test_an_event_that_somebody_took_out_of_the_list_is_not_missed():
    with capture_events() as events, rolled_back():
        save("a")
        events.clear()
    assert events == []


def test_a_rollback_takes_the_very_event_and_not_an_equal_one():
    first, second = make_event(1), make_event(1)
    assert first == second
    with capture_events() as events, transaction.atomic():
        get_unit(connection).record(first)
        with rolled_back():
            get_unit(connection).record(second)
        assert [id(event) for event in events] == [id(first)]


def test_a_rollback_takes_the_very_event_also_where_an_equal_one_came_after():
    first, second = make_event(1), make_event(1)
    captured = []
    with transaction.atomic():
        level = get_unit(connection).record(make_event(2)).level
    Entry(first, level, (captured,)).leave_captures()
    assert captured == []
    taken = Entry(first, level, (captured,))
    Entry(second, level, (captured,))
    taken.leave_captures()
    assert [id(event) for event in captured] == [id(second)]


def test_another_thread_does_not_collect_into_this_ones_list():
    seen = []
    with capture_events() as events:
        thread = threading.Thread(target=lambda: seen.append(is_capturing()))
        thread.start()
        thread.join()
    assert seen == [False]
    assert events == []


def test_each_thread_has_captures_of_its_own(shared_database):
    barrier = threading.Barrier(2, timeout=30)
    found = {}

    def work(name):
        with capture_events() as events:
            barrier.wait()
            for number in range(5):
                save(f"{name}{number}", shared_database.alias)
            found[name] = reasons(events)
            barrier.wait()

    shared_database.run_in_threads(lambda: work("a"), lambda: work("b"))
    assert found == {name: [f"{name}{number}" for number in range(5)] for name in "ab"}


def test_sync_code_called_from_a_task_collects_into_the_tasks_list():
    async def work():
        with capture_events() as events:
            await sync_to_async(save)("a")
            await Note(title="b").asave()
        return events

    events = async_to_sync(work)()
    assert [event.event_type for event in events] == ["timestamp_created"] * 2


def test_two_tasks_have_captures_of_their_own():
    async def one(title):
        with capture_events() as events:
            await sync_to_async(save)(title)
            await asyncio.sleep(0)
            await sync_to_async(save)(title)
        return reasons(events)

    async def both():
        return await asyncio.gather(one("a"), one("b"))

    assert async_to_sync(both)() == [["a", "a"], ["b", "b"]]


def test_a_capture_heeds_connections_that_recorded_nothing(make_database):
    make_database("idle")
    assert get_unit(connections["default"])
    with capture_events() as events:
        pass
    assert events == []
