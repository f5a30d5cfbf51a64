"""``created_at`` cannot change: every path of one instance, every policy."""

import warnings
from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.test import override_settings

from django_clean_timestamps.context import preserve_timestamps
from django_clean_timestamps.exceptions import CleanTimestampsError, ImmutableTimestampError, InvalidTimestampError
from django_clean_timestamps.testing import capture_events
from tests.testapp.models import Careful, Currency, Dog, Note, Seat

pytestmark = pytest.mark.django_db

OTHER = datetime(2020, 5, 17, 8, 30, 0, 123456, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def loaded(note):
    return Note.objects.get(pk=note.pk)


def deferred(note):
    return Note.objects.defer("created_at").get(pk=note.pk)


def only(note):
    return Note.objects.only("title").get(pk=note.pk)


def by_hand(note):
    return Note(pk=note.pk)


ATTEMPTS = {
    "save": lambda note: note.save(),
    "update_fields": lambda note: note.save(update_fields={"created_at"}),
    "other update_fields": lambda note: note.save(update_fields={"title"}),
    "force_update": lambda note: note.save(force_update=True),
    "save_base": lambda note: note.save_base(),
}
INSTANCES = [loaded, deferred, only, by_hand]


def policy(name):
    return override_settings(
        CLEAN_TIMESTAMPS={"CREATED_AT_POLICY": name, "CLOCK": "tests.stamping.standing_clock.clock"}
    )


@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=ATTEMPTS)
@pytest.mark.parametrize("instance", INSTANCES)
@pytest.mark.parametrize("given", [OTHER, Now(), F("updated_at")], ids=["time", "function", "column"])
def test_another_created_at_is_refused(clock, attempt, instance, given):
    original = Note.objects.create()
    note = instance(original)
    note.created_at = given
    note.title = "changed"
    clock.tick()
    with transaction.atomic():
        with pytest.raises(ImmutableTimestampError), capture_events() as events:
            attempt(note)
        stored = loaded(original)
    assert (stored.created_at, stored.updated_at, stored.title) == (original.created_at, original.updated_at, "")
    assert note.created_at is given
    assert events == []


def test_the_refusal_names_the_object_both_values_and_the_way_out(clock):
    note = Note.objects.create()
    note.created_at = OTHER
    with pytest.raises(ImmutableTimestampError) as caught:
        note.save()
    assert str(caught.value) == (
        f"testapp.Note {note.pk}: created_at is 2026-01-01 00:00:00+00:00 and cannot become "
        "2020-05-17 08:30:00.123456+00:00; wrap a deliberate correction in preserve_timestamps()"
    )
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, CleanTimestampsError)


def test_a_database_function_is_named(clock):
    note = Note.objects.create()
    note.created_at = Now()
    with pytest.raises(ImmutableTimestampError, match=r"cannot become Now\(\)"):
        note.save()


@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=ATTEMPTS)
@pytest.mark.parametrize("instance", INSTANCES)
def test_under_warn_it_is_left_out_with_a_warning(clock, attempt, instance):
    original = Note.objects.create()
    note = instance(original)
    note.created_at = OTHER
    clock.tick()
    with policy("warn"), pytest.warns(RuntimeWarning, match=f"testapp.Note {note.pk}: created_at is 2026.*2020"):
        attempt(note)
    stored = loaded(original)
    assert (stored.created_at, stored.updated_at) == (original.created_at, clock.now)
    assert note.created_at == original.created_at


@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=ATTEMPTS)
@pytest.mark.parametrize("instance", INSTANCES)
@pytest.mark.parametrize("given", [OTHER, Now()], ids=["time", "function"])
def test_under_ignore_it_is_left_out_without_a_word(clock, attempt, instance, given):
    original = Note.objects.create()
    note = instance(original)
    note.created_at = given
    clock.tick()
    with policy("ignore"), warnings.catch_warnings():
        warnings.simplefilter("error")
        attempt(note)
    stored = loaded(original)
    assert (stored.created_at, stored.updated_at) == (original.created_at, clock.now)
    assert note.created_at == original.created_at


def test_an_ignored_attempt_whose_save_fails_leaves_the_instance_as_it_was(clock):
    careful = Careful.objects.create(name="a")
    careful.created_at, careful.name = OTHER, "forbidden"
    with policy("ignore"), pytest.raises(Exception, match="forbidden"):
        careful.save()
    assert careful.created_at is OTHER


def test_the_same_value_is_no_attempt(clock):
    note = Note.objects.create()
    note.created_at = note.created_at + timedelta(0)
    clock.tick()
    note.save()
    by_hand = Note(pk=note.pk, created_at=note.created_at)
    clock.tick()
    by_hand.save()
    assert (by_hand.created_at, by_hand.updated_at) == (note.created_at, clock.now)


def test_a_multi_table_child_is_protected(clock):
    dog = Dog.objects.create()
    dog.created_at = OTHER
    with pytest.raises(ImmutableTimestampError, match=f"testapp.Dog {dog.pk}"):
        dog.save(update_fields=["breed"])


def test_a_natural_key_that_exists_is_protected(clock):
    Currency.objects.create(code="EUR")
    with pytest.raises(ImmutableTimestampError, match=r"testapp.Currency EUR"):
        Currency(code="EUR", created_at=OTHER).save()
    Currency(code="USD", created_at=OTHER).save()
    assert Currency.objects.get(code="USD").created_at == OTHER


def test_a_composite_key_is_protected(clock):
    seat = Seat.objects.create(row=1, number=2)
    seat.created_at = OTHER
    with pytest.raises(ImmutableTimestampError, match=r"testapp.Seat \(1, 2\)"):
        seat.save()


def test_preserve_timestamps_corrects_it(clock):
    note = Note.objects.create()
    updated = note.updated_at
    note.created_at = OTHER
    clock.tick()
    with preserve_timestamps(Note), capture_events() as events:
        note.save()
    stored = loaded(note)
    assert (stored.created_at, stored.updated_at) == (OTHER, updated) == (note.created_at, note.updated_at)
    assert len(events) == 1
    clock.tick()
    note.save()
    assert loaded(note).updated_at == clock.now


@pytest.mark.parametrize("names", [{"title"}, {"created_at"}, {"created_at", "updated_at"}])
@pytest.mark.parametrize("instance", INSTANCES)
def test_preserve_timestamps_corrects_it_whatever_update_fields_say(clock, names, instance):
    original = Note.objects.create()
    note = instance(original)
    note.created_at = OTHER
    clock.tick()
    with preserve_timestamps():
        note.save(update_fields=names)
    assert (loaded(note).created_at, loaded(note).updated_at) == (OTHER, original.updated_at)


@pytest.mark.parametrize("instance", INSTANCES)
def test_a_correction_later_than_updated_at_is_refused(clock, instance):
    note = instance(Note.objects.create())
    note.created_at = clock.now + SECOND
    with preserve_timestamps(), pytest.raises(InvalidTimestampError, match="before its created_at"):
        note.save()
    note.updated_at = clock.now + SECOND
    with preserve_timestamps():
        note.save()
    assert loaded(note).updated_at == clock.now + SECOND
