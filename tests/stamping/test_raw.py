"""Rows written raw, from fixtures and by django-reversion."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.core import serializers
from django.core.management import call_command
from django.db import models

from django_clean_timestamps.context import preserve_timestamps, stamped_at
from django_clean_timestamps.testing import capture_events
from tests.testapp.models import Animal, Crate, Currency, Dog, Note, Seat

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)
OLD = datetime(2020, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
OLDER = datetime(2019, 1, 1, 12, 0, 0, 654321, tzinfo=UTC)


def load(model, using="default", pk=1, **fields):
    """Write one row as ``loaddata`` does; return the instance that was written."""
    record = {"model": model._meta.label_lower, "pk": pk, "fields": fields}
    (found,) = serializers.deserialize("python", [record])
    found.save(using=using)
    return found.object


def text(moment):
    return moment.isoformat()


def test_missing_stamps_are_filled_in(clock):
    note = load(Note, title="a")
    stored = Note.objects.get()
    assert stored.created_at == stored.updated_at == clock.now
    assert (note.created_at, note.updated_at) == (clock.now, clock.now)


@pytest.mark.parametrize("name", ["created_at", "updated_at"])
def test_a_stamp_that_is_missing_equals_the_one_that_is_given(clock, name):
    load(Note, **{name: text(OLD)})
    assert (Note.objects.get().created_at, Note.objects.get().updated_at) == (OLD, OLD)


def test_given_stamps_are_kept(clock):
    load(Note, created_at=text(OLDER), updated_at=text(OLD))
    assert (Note.objects.get().created_at, Note.objects.get().updated_at) == (OLDER, OLD)


def test_a_row_that_exists_keeps_its_created_at(clock):
    Note.objects.create(pk=1, title="a")
    created = clock.now
    clock.tick()
    moment = clock.now - timedelta(milliseconds=500)
    note = load(Note, title="b", created_at=text(OLDER), updated_at=text(moment))
    stored = Note.objects.get()
    assert (stored.title, stored.created_at, stored.updated_at) == ("b", created, moment)
    assert note.created_at == created


def test_a_row_that_exists_is_not_updated_before_it_was_created(clock):
    Note.objects.create(pk=1)
    load(Note, updated_at=text(OLD))
    assert (Note.objects.get().created_at, Note.objects.get().updated_at) == (clock.now, clock.now)


def test_a_row_that_exists_gets_a_fresh_updated_at_where_none_is_given(clock):
    Note.objects.create(pk=1)
    clock.tick()
    load(Note, title="b")
    assert (Note.objects.get().created_at, Note.objects.get().updated_at) == (clock.now - SECOND, clock.now)
    load(Note, title="c")
    assert Note.objects.get().updated_at == clock.now + timedelta(microseconds=1)


def test_preserve_timestamps_lets_a_fixture_correct_created_at(clock):
    Note.objects.create(pk=1)
    with preserve_timestamps():
        load(Note, created_at=text(OLDER))
    assert (Note.objects.get().created_at, Note.objects.get().updated_at) == (OLDER, clock.now)


def test_preserve_timestamps_takes_nothing_from_the_clock_for_a_row_that_exists(clock):
    Note.objects.create(pk=1)
    clock.tick()
    with preserve_timestamps(Note):
        load(Note, title="b")
    assert (Note.objects.get().created_at, Note.objects.get().updated_at) == (clock.now - SECOND,) * 2


def test_stamped_at_is_the_time_of_what_is_missing(clock):
    Note.objects.create(pk=1)
    clock.tick(60)
    with stamped_at(clock.now - 9 * SECOND):
        load(Note)
        load(Note, pk=2)
    assert set(Note.objects.values_list("updated_at", flat=True)) == {clock.now - 9 * SECOND}


def test_nothing_is_recorded(clock):
    with capture_events() as events:
        note = load(Note, title="a")
        load(Note, title="b")
    assert events == []
    assert note.get_domain_events() == []


def test_receivers_are_told_that_it_is_raw(clock):
    told = []

    def receive(raw, **_):
        told.append(raw)

    models.signals.post_save.connect(receive, sender=Note)
    try:
        load(Note)
    finally:
        models.signals.post_save.disconnect(receive, sender=Note)
    assert told == [True]


@pytest.mark.parametrize("kind", ["json", "xml", "jsonl"])
def test_what_dumpdata_wrote_comes_back(clock, tmp_path, kind):
    clock.tick(0.123456)
    Note.objects.create(title="a")
    Dog.objects.create(name="rex", breed="b")
    Seat.objects.create(row=1, number=2)
    before = {model: list(model.objects.values()) for model in (Note, Animal, Dog)}
    file = tmp_path / f"fixture.{kind}"
    call_command("dumpdata", "testapp.note", "testapp.animal", "testapp.dog", format=kind, output=str(file))
    for model in (Note, Dog, Animal):
        model.objects.all().delete()
    with capture_events() as events:
        call_command("loaddata", str(file), verbosity=0)
    after = {model: list(model.objects.values()) for model in (Note, Animal, Dog)}
    # Django's JSON cuts stamps to milliseconds.
    assert [cut(row) for rows in after.values() for row in rows] == [
        cut(row) for rows in before.values() for row in rows
    ]
    assert events == []


def cut(row):
    def floor(value):
        return value.replace(microsecond=value.microsecond // 1000 * 1000) if isinstance(value, datetime) else value

    return {name: floor(value) for name, value in row.items()}


def test_loaddata_over_rows_that_exist_does_not_cut_their_created_at(clock, tmp_path):
    clock.tick(0.123456)
    Note.objects.create(title="a")
    file = tmp_path / "fixture.json"
    call_command("dumpdata", "testapp.note", output=str(file))
    assert json.loads(file.read_text())[0]["fields"]["created_at"].endswith(".123Z")
    call_command("loaddata", str(file), verbosity=0)
    assert Note.objects.get().created_at == clock.now


def test_a_multi_table_child_is_loaded_table_by_table(clock):
    load(Animal, name="rex", created_at=text(OLDER), updated_at=text(OLD))
    load(Dog, breed="b")
    dog = Dog.objects.get()
    assert (dog.name, dog.breed, dog.created_at, dog.updated_at) == ("rex", "b", OLDER, OLD)


def test_a_child_whose_table_holds_the_stamps_is_filled_in(clock):
    from tests.testapp.models import Box

    Box.objects.create(pk=1, name="a")
    load(Crate, weight=3)
    assert (Crate.objects.get().created_at, Crate.objects.get().weight) == (clock.now, 3)


def test_a_natural_key_is_loaded(clock):
    load(Currency, pk="EUR", name="a")
    clock.tick()
    load(Currency, pk="EUR", name="b")
    assert (Currency.objects.get().created_at, Currency.objects.get().updated_at) == (clock.now - SECOND, clock.now)


def test_a_row_without_a_key_is_inserted(clock):
    load(Note, pk=None)
    assert Note.objects.get().created_at == clock.now


@pytest.mark.django_db(databases=["default", "other"])
def test_another_database_is_asked_about_its_own_row(clock):
    Note.objects.create(pk=1)
    load(Note, using="other", created_at=text(OLD), updated_at=text(OLD))
    assert Note.objects.using("other").get().created_at == OLD


def test_a_row_that_was_loaded_raw_can_be_saved_after(clock):
    note = load(Note, created_at=text(OLDER), updated_at=text(OLD))
    note.title = "b"
    note.save()
    assert (Note.objects.get().created_at, Note.objects.get().updated_at) == (OLDER, clock.now)


def test_save_base_of_the_instance_itself_can_be_raw(clock):
    note = Note(title="a")
    with capture_events() as events:
        note.save_base(raw=True, using="default")
    assert (Note.objects.get().created_at, events) == (clock.now, [])


def test_a_parent_is_made_a_child_by_a_raw_save(clock):
    animal = Animal.objects.create(name="a")
    dog = Dog(animal_ptr=animal, breed="b")
    dog.__dict__.update(animal.__dict__)
    dog.save_base(raw=True)
    clock.tick()
    dog.save()
    stored = Dog.objects.get()
    assert (stored.name, stored.created_at, stored.updated_at) == ("a", clock.now - SECOND, clock.now)
