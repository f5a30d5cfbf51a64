"""``save()`` of each shape of model, and reading its rows again."""

import django
import pytest
from django.db.models import F

from django_clean_timestamps.testing import capture_events
from tests.stamping.rows import SECOND, TICK, row
from tests.testapp.models import (
    Animal,
    Asking,
    Box,
    Chained,
    Crate,
    Currency,
    Dog,
    Note,
    NoteProxy,
    Puppy,
    Seat,
    Token,
)

pytestmark = pytest.mark.django_db

both_databases = pytest.mark.django_db(databases=["default", "other"])


def test_a_natural_key_is_inserted_once_and_updated_after(clock):
    with capture_events() as events:
        Currency(code="EUR", name="a").save()
        clock.tick()
        again = Currency(code="EUR", name="b")
        again.save()
    assert (again.created_at, again.updated_at) == (clock.now - SECOND, clock.now)
    assert [event.event_type for event in events] == ["timestamp_created", "timestamp_updated"]
    assert row(again).name == "b"


def test_a_composite_key_is_saved(clock):
    seat = Seat(row=1, number=2, guest="a")
    with capture_events() as events:
        seat.save()
        clock.tick()
        seat.guest = "b"
        seat.save()
    stored = Seat.objects.get(pk=(1, 2))
    assert (stored.guest, stored.created_at, stored.updated_at) == ("b", clock.now - SECOND, clock.now)
    assert [event.entity_id for event in events] == [str((1, 2))] * 2


def test_a_uuid_key_is_saved(clock):
    token = Token()
    with capture_events() as events:
        token.save()
        clock.tick()
        token.save()
    assert (token.created_at, token.updated_at) == (clock.now - SECOND, clock.now)
    assert [event.entity_id for event in events] == [str(token.pk)] * 2


def test_a_multi_table_child_is_one_entity_with_equal_stamps(clock):
    with capture_events() as events:
        puppy = Puppy.objects.create(name="x")
    assert puppy.created_at == puppy.updated_at == Animal.objects.get().updated_at == clock.now
    assert [(event.event_type, event.entity_type) for event in events] == [("timestamp_created", "testapp.puppy")]


@pytest.mark.parametrize("names", [None, ["weeks"], ["breed"], ["name"]])
def test_a_write_of_any_of_its_tables_bumps_the_roots_row(clock, names):
    puppy = Puppy.objects.create()
    clock.tick()
    with capture_events() as events:
        puppy.save(update_fields=names)
    assert puppy.updated_at == Animal.objects.get().updated_at == clock.now
    assert [(event.event_type, event.entity_type) for event in events] == [("timestamp_updated", "testapp.puppy")]


def test_a_child_written_through_its_parent_is_named_by_the_parent(clock):
    Dog.objects.create()
    with capture_events() as events:
        Animal.objects.get().save()
    assert [event.entity_type for event in events] == ["testapp.animal"]


@pytest.mark.parametrize("link", ["instance", "key", "inherited key"])
@pytest.mark.parametrize("how", [{}, {"force_insert": True}])
def test_making_a_child_of_a_row_that_exists_keeps_its_created_at(clock, link, how):
    animal = Animal.objects.create(name="a")
    clock.tick(60)
    arguments = {
        "instance": {"animal_ptr": animal},
        "key": {"animal_ptr_id": animal.pk},
        "inherited key": {"id": animal.pk},
    }
    dog = Dog(name="a", breed="b", **arguments[link])
    dog.save(**how)
    stored = Dog.objects.get()
    assert (stored.pk, stored.created_at, stored.updated_at) == (animal.pk, animal.created_at, clock.now)
    assert (dog.created_at, dog.updated_at) == (animal.created_at, clock.now)


def test_making_a_child_of_a_row_never_moves_it_back(clock):
    clock.tick(60)
    animal = Animal.objects.create()
    clock.tick(-60)
    Dog(id=animal.pk).save()
    assert Dog.objects.get().updated_at == animal.updated_at + TICK


def test_forcing_the_insert_of_every_table_stamps_both(clock):
    dog = Dog(id=77)
    dog.save(force_insert=(Animal,))
    assert Dog.objects.get().created_at == Dog.objects.get().updated_at == clock.now


def test_a_child_of_a_model_that_is_no_entity_is_stamped_in_its_own_table(clock):
    crate = Crate.objects.create(name="a")
    clock.tick()
    crate.name = "b"
    crate.save(update_fields=["name"])
    assert (row(crate).created_at, row(crate).updated_at, Box.objects.get().name) == (
        clock.now - SECOND,
        clock.now,
        "b",
    )


def test_the_events_of_a_proxy_name_its_concrete_model(clock):
    with capture_events() as events:
        proxy = NoteProxy.objects.create()
        proxy.save()
    assert {event.entity_type for event in events} == {"testapp.note"}


def test_a_model_down_an_abstract_chain_is_stamped(clock):
    chained = Chained.objects.create()
    clock.tick()
    chained.save()
    assert (row(chained).created_at, row(chained).updated_at) == (clock.now - SECOND, clock.now)


def test_a_model_that_asks_first_is_stamped_and_a_lost_row_is_inserted_again(clock):
    entity = Asking.objects.create()
    clock.tick()
    entity.save()
    assert row(entity).updated_at == clock.now
    Asking.objects.all().delete()
    clock.tick()
    entity.save()
    assert row(entity).created_at == clock.now


def test_an_expression_is_written_by_the_database(clock):
    note = Note.objects.create(amount=2)
    stale = row(note)
    clock.tick()
    note.amount = F("amount") + 1
    note.save()
    assert (row(note).amount, row(note).updated_at) == (3, clock.now)
    if django.VERSION >= (6, 0):
        note.refresh_from_db()
    clock.tick(-30)
    stale.amount = F("amount") + 10
    stale.save()
    assert row(note).amount == 13


# Refreshing.


def test_refreshed_stamps_are_loaded_not_given(clock):
    note = Note.objects.create()
    other = row(note)
    clock.tick()
    other.save()
    note.refresh_from_db()
    assert note.updated_at == clock.now
    clock.tick()
    note.save()
    assert row(note).updated_at == clock.now


def test_a_refresh_takes_back_a_given_stamp(clock):
    note = Note.objects.create()
    note.created_at = note.updated_at = clock.now - SECOND
    note.refresh_from_db(fields=(name for name in ("created_at", "updated_at")))
    clock.tick()
    note.save()
    assert (row(note).created_at, row(note).updated_at) == (clock.now - SECOND, clock.now)


def test_a_refresh_of_other_fields_leaves_a_given_stamp(clock):
    note = Note.objects.create()
    clock.tick(60)
    note.updated_at = clock.now - SECOND
    note.refresh_from_db(None, ["title"], Note.objects.all())
    note.save()
    assert row(note).updated_at == clock.now - SECOND
