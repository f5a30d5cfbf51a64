"""``save()`` and receivers of Django's signals."""

from datetime import UTC, datetime

import pytest
from django.core.exceptions import ObjectDoesNotExist
from django.db import models, transaction
from django.test import override_settings

from django_clean_timestamps.stamping.entity import BaseTimestampEntity
from django_clean_timestamps.testing import capture_events
from tests.stamping.rows import TICK, row
from tests.testapp.models import (
    Note,
)

pytestmark = pytest.mark.django_db

both_databases = pytest.mark.django_db(databases=["default", "other"])


@pytest.fixture
def before_save():
    """Connect a receiver of ``pre_save`` for the test."""
    connected = []

    def connect(receiver, sender=Note):
        models.signals.pre_save.connect(receiver, sender=sender)
        connected.append((receiver, sender))

    yield connect
    for receiver, sender in connected:
        models.signals.pre_save.disconnect(receiver, sender=sender)


def test_stamps_stand_on_the_instance_for_receivers_of_pre_save(before_save, clock):
    seen = []
    before_save(lambda instance, **_: seen.append((instance.created_at, instance.updated_at)))
    Note.objects.create()
    assert seen == [(clock.now, clock.now)]


def test_updated_at_set_by_a_receiver_of_pre_save_comes_too_late(before_save, clock):
    def receive(instance, **_):
        instance.updated_at = datetime(2001, 1, 1, tzinfo=UTC)
        instance.title = "received"

    before_save(receive)
    note = Note.objects.create()
    clock.tick()
    note.save()
    assert note.updated_at == row(note).updated_at == clock.now
    assert row(note).title == "received"


def test_created_at_set_by_a_receiver_of_pre_save_is_refused(before_save, clock):
    note = Note.objects.create()

    def receive(instance, **_):
        instance.created_at = datetime(2001, 1, 1, tzinfo=UTC)

    before_save(receive)
    with pytest.raises(ValueError, match="cannot become 2001-01-01"), transaction.atomic():
        note.save()
    with override_settings(CLEAN_TIMESTAMPS={"CREATED_AT_POLICY": "ignore"}):
        note.save()
    assert note.created_at == row(note).created_at == clock.now
    Note().save()
    assert Note.objects.latest("pk").created_at > datetime(2020, 1, 1, tzinfo=UTC)


def test_a_touch_by_a_receiver_of_pre_save_is_not_moved_back(before_save, clock):
    note = Note.objects.create()
    before_save(lambda instance, **_: instance.touch())
    clock.tick()
    note.save()
    assert note.updated_at == row(note).updated_at == clock.now + TICK


def test_a_save_by_a_receiver_of_post_save_is_a_second_write(clock):
    def receive(instance, created, **_):
        if created:
            instance.title = "again"
            instance.save(update_fields=["title"])

    models.signals.post_save.connect(receiver=receive, sender=Note)
    try:
        with capture_events() as events:
            note = Note.objects.create()
    finally:
        models.signals.post_save.disconnect(receiver=receive, sender=Note)
    assert note.updated_at == row(note).updated_at == clock.now + TICK
    assert [event.event_type for event in events] == ["timestamp_created", "timestamp_updated"]


def test_the_class_has_no_save_of_its_own_so_that_djangos_checks_come_first():
    assert BaseTimestampEntity.save is models.Model.save
    assert BaseTimestampEntity.save_base.alters_data
    assert issubclass(Note.DoesNotExist, ObjectDoesNotExist)


def test_a_base_that_passes_our_save_by_still_fills_the_stamps():
    note = Note()
    models.Model.save_base(note)
    assert note.created_at == note.updated_at
    assert Note.objects.get(pk=note.pk).created_at == note.created_at
