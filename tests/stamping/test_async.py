"""The async forms, each in the context of its own task."""

import asyncio
from datetime import timedelta

import django
import pytest
from asgiref.sync import sync_to_async

from django_clean_timestamps.context import stamped_at, timestamp_context
from django_clean_timestamps.exceptions import ImmutableTimestampError
from django_clean_timestamps.testing import capture_events
from tests.testapp.models import Note

pytestmark = pytest.mark.django_db(transaction=True)

SECOND = timedelta(seconds=1)


def run(coroutine_function):
    """Run a coroutine function from a sync test, with the database in the test's own thread."""
    from asgiref.sync import async_to_sync

    return async_to_sync(coroutine_function)()


@pytest.mark.parametrize("how", [{}, {"update_fields": ["title"]}, {"force_update": True}])
def test_asave_stamps(clock, how):
    async def write():
        note = await Note.objects.acreate()
        clock.tick()
        note.title = "b"
        with capture_events() as events:
            await note.asave(**how)
        return events

    events = run(write)
    note = Note.objects.get()
    assert (note.title, note.created_at, note.updated_at) == ("b", clock.now - SECOND, clock.now)
    assert [event.event_type for event in events] == ["timestamp_updated"]


@pytest.mark.skipif(django.VERSION >= (6, 0), reason="a TypeError from 6.0 on")
def test_asave_by_position_stamps_and_django_warns(clock):
    async def write():
        note = await Note.objects.acreate()
        clock.tick()
        await note.asave(False, False, None, ["title"])

    with pytest.warns(DeprecationWarning, match="positional arguments to asave"):
        run(write)
    assert Note.objects.get().updated_at == clock.now


def test_atouch_takes_what_touch_takes(clock):
    async def write():
        note = await Note.objects.acreate()
        clock.tick(60)
        with capture_events() as events:
            await note.atouch("seen", fields=["seen_at"], at=clock.now - SECOND, propagate=False, using="default")
        return note, events

    note, events = run(write)
    assert Note.objects.get().seen_at == note.updated_at == clock.now - SECOND
    assert [event.reason for event in events] == ["seen"]


def test_arefresh_from_db_loads_stamps(clock):
    async def write():
        note = await Note.objects.acreate()
        clock.tick()
        await Note.objects.aupdate(title="b")
        await note.arefresh_from_db()
        return note

    note = run(write)
    assert note.updated_at == clock.now
    clock.tick()
    note.save()
    assert Note.objects.get().updated_at == clock.now


def test_asave_refuses_what_save_refuses(clock):
    async def write():
        note = await Note.objects.acreate()
        note.created_at -= SECOND
        await note.asave()

    with pytest.raises(ImmutableTimestampError):
        run(write)


def test_two_tasks_write_each_in_its_own_context(clock):
    moment = clock.now

    async def write(name):
        with timestamp_context(reason=name), stamped_at(moment - len(name) * SECOND):
            await asyncio.sleep(0)
            note = await Note.objects.acreate(title=name)
            await asyncio.sleep(0)
            await note.atouch()

    async def both():
        with capture_events() as events:
            await asyncio.gather(write("a"), write("bbb"))
        return events

    events = run(both)
    assert sorted(event.reason for event in events) == ["a", "a", "bbb", "bbb"]
    assert dict(Note.objects.values_list("title", "updated_at")) == {"a": moment - SECOND, "bbb": moment - 3 * SECOND}


def test_a_sync_function_called_from_a_task_is_in_its_context(clock):
    async def write():
        with timestamp_context(reason="outer"), capture_events() as events:
            await sync_to_async(Note.objects.create)()
        return events

    assert [event.reason for event in run(write)] == ["outer"]
