"""What the events that the database makes say."""

from datetime import timedelta

import pytest

from django_clean_timestamps.context import timestamp_context
from django_clean_timestamps.eventlog.models import Pending
from tests.eventlog.log import empty_log, pending_events
from tests.eventlog.set_based.both_paths import (
    NOW,
)
from tests.testapp.models import (
    Country,
    Note,
    Tag,
)

pytestmark = pytest.mark.django_db


def test_every_path_says_why_by_whom_and_as_part_of_what(clock, no_values):
    no_values()
    with timestamp_context(reason="moved", actor="jo", correlation_id="c-1", source="import", depth=[1, {"a": None}]):
        Note.objects.bulk_create([Note(pk=1), Note(pk=2)])
        Note.objects.update(amount=1)
        Note.objects.all().touch()
        Note.objects.all().touch("looked at")
        Note.objects.all().delete()
    rows = list(Pending.objects.order_by("id"))
    assert [row.reason for row in rows] == ["moved"] * 6 + ["looked at"] * 2 + ["moved"] * 2
    for row in rows:
        assert (row.actor, row.correlation_id, row.entity_type) == ("jo", "c-1", "testapp.note")
        assert row.metadata == {"source": "import", "depth": [1, {"a": None}]}
    assert [row.kind for row in rows] == [1, 1, 2, 2, 2, 2, 2, 2, 3, 3]


def test_without_a_context_the_kind_of_write_is_the_reason():
    Note.objects.bulk_create([Note()])
    Note.objects.update(amount=1)
    Note.objects.all().delete()
    rows = Pending.objects.order_by("id")
    assert [row.reason for row in rows] == ["entity_created", "entity_updated", "entity_deleted"]
    assert {(row.actor, row.correlation_id, row.metadata) for row in rows} == {("", "", None)}


def test_an_update_tells_each_rows_old_and_new_stamp(clock):
    first, second = Note.objects.create(), Note.objects.create()
    clock.tick(5)
    second.touch()
    empty_log()
    clock.tick(-1)
    Note.objects.update(amount=1)
    rows = {row.entity_id: (row.previous_at, row.occurred_at) for row in Pending.objects.all()}
    assert rows == {
        str(first.pk): (NOW, NOW + timedelta(seconds=4)),
        str(second.pk): (NOW + timedelta(seconds=5), NOW + timedelta(seconds=5, microseconds=1)),
    }
    assert {str(note.pk): note.updated_at for note in Note.objects.all()} == {
        key: new for key, (_, new) in rows.items()
    }


def test_a_tag_is_written_by_get_or_create_too(clock):
    Tag.objects.get_or_create(name="a")
    Tag.objects.update_or_create(name="a", defaults={"name": "b"})
    Country.objects.update_or_create(code="de")
    kinds = [(event.event_type, event.entity_type) for event in pending_events()]
    assert kinds == [
        ("timestamp_created", "testapp.tag"),
        ("timestamp_updated", "testapp.tag"),
        ("timestamp_created", "testapp.country"),
    ]
