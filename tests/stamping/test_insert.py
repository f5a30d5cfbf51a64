"""Inserts by ``save()`` and ``create()``: both stamps equal, given ones kept, copies fresh."""

import copy
import pickle
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_clean_timestamps.context import preserve_timestamps, stamped_at
from django_clean_timestamps.exceptions import InvalidTimestampError
from django_clean_timestamps.stamping.decision import insert_stamps
from django_clean_timestamps.testing import capture_events
from tests.testapp.models import Animal, Currency, Dog, Note, Puppy, Seat, Token

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)


def stamps(entity):
    stored = type(entity)._base_manager.get(pk=entity.pk)
    assert (entity.created_at, entity.updated_at) == (stored.created_at, stored.updated_at)
    return entity.created_at, entity.updated_at


SHAPES = {
    "plain": Note,
    "natural key": lambda: Currency(code="EUR"),
    "UUID": Token,
    "given UUID": lambda: Token(pk=uuid4()),
    "composite": lambda: Seat(row=1, number=2),
    "child": Dog,
    "grandchild": Puppy,
    "given number": lambda: Note(pk=77),
}


@pytest.mark.parametrize("make", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("how", [{}, {"force_insert": True}])
def test_both_stamps_of_an_insert_are_the_reading(clock, make, how):
    entity = make()
    entity.save(**how)
    assert stamps(entity) == (clock.now, clock.now)


@pytest.mark.parametrize("make", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("name", ["created_at", "updated_at"])
def test_a_stamp_that_is_not_given_equals_the_one_that_is(clock, make, name):
    entity = make()
    moment = clock.now - 10 * SECOND
    setattr(entity, name, moment)
    entity.save()
    assert stamps(entity) == (moment, moment)


@pytest.mark.parametrize("make", SHAPES.values(), ids=SHAPES)
def test_both_given_stamps_are_kept(clock, make):
    entity = make()
    entity.created_at, entity.updated_at = clock.now - 10 * SECOND, clock.now - 5 * SECOND
    with capture_events() as events:
        entity.save()
    assert stamps(entity) == (clock.now - 10 * SECOND, clock.now - 5 * SECOND)
    (event,) = events
    assert (event.created_timestamp, event.occurred_at) == (clock.now - 10 * SECOND, clock.now - 5 * SECOND)


def test_given_stamps_reach_create_by_keyword(clock):
    note = Note.objects.create(created_at=clock.now - SECOND)
    assert stamps(note) == (clock.now - SECOND,) * 2


def test_created_later_than_updated_is_refused(clock):
    note = Note(created_at=clock.now, updated_at=clock.now - SECOND)
    with pytest.raises(InvalidTimestampError, match="before its created_at") as caught:
        note.save()
    assert caught.value.code == "created_first"
    assert (note.pk, note.created_at, note.updated_at) == (None, clock.now, clock.now - SECOND)
    assert not Note.objects.exists()


def test_stamped_at_gives_both_stamps(clock):
    with stamped_at(clock.now - SECOND):
        assert stamps(Note.objects.create()) == (clock.now - SECOND,) * 2


def test_stamped_at_stands_for_the_updated_at_that_is_missing(clock):
    with stamped_at(clock.now - SECOND):
        assert stamps(Note.objects.create(created_at=clock.now - 9 * SECOND)) == (
            clock.now - 9 * SECOND,
            clock.now - SECOND,
        )


def test_a_created_at_later_than_stamped_at_is_refused(clock):
    with stamped_at(clock.now - SECOND), pytest.raises(InvalidTimestampError, match="before its created_at"):
        Note.objects.create(created_at=clock.now)


@pytest.mark.parametrize("make", SHAPES.values(), ids=SHAPES)
def test_preserve_timestamps_fills_what_an_insert_lacks(clock, make):
    entity = make()
    with preserve_timestamps():
        entity.save()
    assert stamps(entity) == (clock.now, clock.now)


# Copies and re-inserts.


def test_a_copy_with_no_key_gets_fresh_stamps(clock):
    note = Note.objects.create(title="a")
    clock.tick()
    note.pk = None
    note.save()
    assert stamps(note) == (clock.now, clock.now)
    assert Note.objects.count() == 2


@pytest.mark.parametrize(
    "duplicate",
    [copy.copy, copy.deepcopy, lambda note: pickle.loads(pickle.dumps(note))],
    ids=["copy", "deep", "pickle"],
)
def test_a_copied_instance_with_no_key_gets_fresh_stamps(clock, duplicate):
    note = duplicate(Note.objects.get(pk=Note.objects.create().pk))
    clock.tick()
    note.pk = None
    note._state.adding = True
    note.save()
    assert stamps(note) == (clock.now, clock.now)


def test_a_copy_with_another_key_gets_fresh_stamps(clock):
    Currency.objects.create(code="EUR")
    clock.tick()
    currency = Currency.objects.get()
    currency.code = "USD"
    with capture_events() as events:
        currency.save()
    assert stamps(currency) == (clock.now, clock.now)
    assert events[0].event_type == "timestamp_created"


def test_a_copy_of_a_multi_table_child_gets_fresh_stamps(clock):
    dog = Dog.objects.create(name="a")
    clock.tick()
    dog.pk = dog.id = None
    dog._state.adding = True
    dog.save()
    assert stamps(dog) == (clock.now, clock.now)
    assert Animal.objects.count() == 2


def test_a_copy_after_a_deferred_load_gets_fresh_stamps(clock):
    Note.objects.create(title="a")
    clock.tick()
    note = Note.objects.defer("created_at", "updated_at").get()
    assert note.created_at == note.updated_at
    note.pk = None
    note.save()
    assert stamps(note) == (clock.now, clock.now)


def test_a_copy_keeps_a_stamp_that_was_given_to_it(clock):
    note = Note.objects.create()
    note.pk, note.created_at = None, clock.now - SECOND
    clock.tick()
    note.save()
    assert stamps(note) == (clock.now - 2 * SECOND,) * 2


@pytest.mark.parametrize(
    "delete", [lambda note: Note.objects.all().delete(), lambda note: note.delete()], ids=["row", "self"]
)
def test_a_row_that_was_deleted_is_inserted_with_fresh_stamps(clock, delete):
    note = Note.objects.create()
    delete(note)
    clock.tick()
    with capture_events() as events:
        note.save()
    assert stamps(note) == (clock.now, clock.now)
    assert [event.event_type for event in events] == ["timestamp_created"]


def test_a_lost_row_is_inserted_again_with_the_stamps_given_to_it(clock):
    note = Note.objects.create()
    Note.objects.all().delete()
    note.created_at = clock.now - SECOND
    note.save()
    assert stamps(note) == (clock.now - SECOND,) * 2


def test_a_failed_insert_leaves_the_instance_unsaved(clock):
    Note.objects.create(pk=5)
    note = Note(pk=5, title="b")
    with pytest.raises(IntegrityError), transaction.atomic():
        note.save(force_insert=True)
    assert (note.created_at, note.updated_at, note._state.adding, note._state.db) == (None, None, True, None)
    clock.tick()
    note.pk = 6
    note.save()
    assert stamps(note) == (clock.now, clock.now)


def test_get_or_create_and_update_or_create_stamp(clock):
    currency, created = Currency.objects.get_or_create(code="EUR")
    assert (created, stamps(currency)) == (True, (clock.now, clock.now))
    clock.tick()
    currency, created = Currency.objects.update_or_create(code="EUR", defaults={"name": "b"})
    assert (created, stamps(currency)) == (False, (clock.now - SECOND, clock.now))


@given(
    created=st.none() | st.integers(-1000, 0),
    updated=st.none() | st.integers(-1000, 0),
    moment=st.none() | st.integers(-1000, 0),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_insert_never_stores_created_after_updated(clock, created, updated, moment):
    def at(seconds):
        return None if seconds is None else clock.now + seconds * SECOND

    pair = insert_stamps(
        clock.now if moment is None else at(moment), exact=moment is not None, created=at(created), updated=at(updated)
    )
    if created is not None:
        assert pair[0] == at(created)
    if updated is not None:
        assert pair[1] == at(updated)
    if created is None or (updated is None and moment is None):
        assert pair[0] == pair[1]
