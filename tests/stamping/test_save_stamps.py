"""``save()``: how ``updated_at`` increases, and stamps that are given."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from django_clean_timestamps.context import stamped_at
from django_clean_timestamps.testing import capture_events
from tests.stamping.rows import SECOND, TICK, row
from tests.testapp.models import (
    Asking,
    Chained,
    Crate,
    Dog,
    Note,
    Puppy,
    Token,
)

pytestmark = pytest.mark.django_db

both_databases = pytest.mark.django_db(databases=["default", "other"])


def test_updated_at_increases_while_the_clock_stands(clock):
    note = Note.objects.create()
    stamps = [note.updated_at]
    for _ in range(3):
        note.save()
        stamps.append(row(note).updated_at)
    assert stamps == [clock.now + count * TICK for count in range(4)]


def test_updated_at_increases_when_the_clock_goes_back(clock):
    note = Note.objects.create()
    before = note.updated_at
    clock.tick(-3600)
    note.save()
    assert note.updated_at == row(note).updated_at == before + TICK


@pytest.mark.parametrize("how", [{}, {"update_fields": ["title"]}, {"force_update": True}])
def test_updated_at_increases_over_what_another_writer_stored(clock, how):
    note = Note.objects.create()
    stale = row(note)
    clock.tick(60)
    note.save()
    later = note.updated_at
    clock.tick(-60)
    stale.title = "stale"
    with capture_events() as events:
        stale.save(**how)
    assert stale.updated_at == row(note).updated_at == later + TICK
    assert (events[0].old_timestamp, events[0].new_timestamp) == (later, later + TICK)
    assert row(note).title == "stale"


@pytest.mark.parametrize("model", [Asking, Chained, Dog, Puppy, Crate, Token])
def test_every_shape_of_model_increases_over_another_writer(clock, model):
    entity = model.objects.create()
    stale = row(entity)
    clock.tick(60)
    entity.save()
    clock.tick(-60)
    stale.save()
    assert stale.updated_at == row(entity).updated_at == entity.updated_at + TICK


@given(st.lists(st.integers(-10_000_000, 10_000_000), min_size=1, max_size=8), st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_updated_at_increases_strictly_whatever_the_clock_and_stale_instances_do(clock, steps, data):
    instances = [Note.objects.create()]
    instances.append(row(instances[0]))
    last = instances[0].updated_at
    for step in steps:
        clock.set(clock.now + timedelta(microseconds=step))
        entity = instances[data.draw(st.integers(0, 1))]
        data.draw(st.sampled_from([entity.save, entity.touch, lambda e=entity: e.save(update_fields=["title"])]))()
        stored = row(entity).updated_at
        assert stored > last
        assert stored == entity.updated_at
        last = stored


@given(st.datetimes(datetime(1990, 1, 1), datetime(2025, 1, 1), timezones=st.just(UTC)))
def test_microseconds_survive(moment):
    with stamped_at(moment):
        note = Note.objects.create()
    assert row(note).created_at == row(note).updated_at == moment


# Given stamps.


def test_a_given_updated_at_is_written_exactly_twice_the_same_too(clock):
    note = Note.objects.create()
    moment = clock.now + timedelta(seconds=3, microseconds=7)
    clock.tick(60)
    for _ in range(2):
        note.updated_at = moment + timedelta(0)
        note.save()
        assert note.updated_at == row(note).updated_at == moment
    note.updated_at = note.updated_at + timedelta(0)
    note.save()
    assert row(note).updated_at == moment


def test_a_given_updated_at_may_be_earlier_than_the_rows(clock):
    note = Note.objects.create()
    clock.tick(60)
    note.save()
    note.updated_at = clock.now - 30 * SECOND
    note.save(update_fields=["title"])
    assert row(note).updated_at == clock.now - 30 * SECOND


def test_a_given_stamp_of_another_zone_is_kept_in_utc(clock):
    from zoneinfo import ZoneInfo

    note = Note.objects.create()
    clock.tick(60)
    moment = clock.now - SECOND
    note.updated_at = moment.astimezone(ZoneInfo("Asia/Tokyo"))
    note.save()
    assert (row(note).updated_at, note.updated_at.tzinfo) == (moment, UTC)


def test_stamped_at_is_the_stamp_of_a_save(clock):
    note = Note.objects.create()
    clock.tick(60)
    with stamped_at(clock.now - SECOND):
        note.save()
        note.save()
    assert row(note).updated_at == clock.now - SECOND


def test_a_given_stamp_wins_over_stamped_at(clock):
    note = Note.objects.create()
    clock.tick(60)
    note.updated_at = clock.now - 10 * SECOND
    with stamped_at(clock.now - 20 * SECOND):
        note.save()
    assert row(note).updated_at == clock.now - 10 * SECOND
