from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import FieldError
from django.db import DatabaseError, connections, transaction
from django.test.utils import CaptureQueriesContext

from django_clean_timestamps.context import stamped_at
from django_clean_timestamps.exceptions import InvalidTimestampError
from django_clean_timestamps.services import BaseTimestampRepository
from django_clean_timestamps.testing import capture_events
from tests.testapp.models import Chained, FlaggedFirst, Managed, Note

pytestmark = pytest.mark.django_db(databases=["default", "other"])

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def notes():
    return BaseTimestampRepository(Note)


def made_at(when, **fields):
    with stamped_at(when):
        return Note.objects.create(**fields)


def test_save_inserts_a_new_entity_and_returns_it(notes):
    note = notes.save(Note(title="a"))
    assert Note.objects.get() == note


def test_save_updates_an_entity_that_exists(notes):
    note = Note.objects.create()
    note.title = "b"
    notes.save(note)
    assert Note.objects.get().title == "b"


def test_update_writes_the_row(notes):
    note = Note.objects.create()
    note.title = "b"
    assert notes.update(note) is note
    assert Note.objects.get().title == "b"


def test_update_writes_the_named_fields_only(notes):
    note = Note.objects.create()
    note.title, note.amount = "b", 7
    notes.update(note, fields=iter(["amount"]))
    assert Note.objects.values_list("title", "amount").get() == ("", 7)


def test_update_of_a_row_that_is_gone_raises_does_not_exist(notes):
    note = Note.objects.create()
    Note.objects.all().delete()
    with pytest.raises(Note.DoesNotExist, match=f"testapp.Note {note.pk} is not in the database 'default'"):
        notes.update(note)


def test_after_update_of_a_row_that_is_gone_the_transaction_goes_on(notes):
    note = Note.objects.create()
    Note.objects.all().delete()
    with transaction.atomic():
        with pytest.raises(Note.DoesNotExist):
            notes.update(note, fields=["title"])
        Note.objects.create(title="after")
    assert Note.objects.get().title == "after"


def test_another_error_of_the_database_stays_what_it_is():
    entity = Chained.objects.create()
    entity.label = "refused"
    with pytest.raises(DatabaseError, match=r"label_not_refused"):
        BaseTimestampRepository(Chained).update(entity)


def test_delete_returns_what_django_returns(notes):
    assert notes.delete(Note.objects.create()) == (1, {"testapp.Note": 1})


def test_delete_of_a_row_that_is_gone_raises_does_not_exist(notes):
    note = Note.objects.create()
    pk = note.pk
    Note.objects.all().delete()
    with pytest.raises(Note.DoesNotExist, match=f"testapp.Note {pk} is not in"):
        notes.delete(note)


def test_delete_accepts_a_model_that_deletes_softly(notes, monkeypatch):
    monkeypatch.setattr(Note, "delete", lambda self, using=None: None)
    assert notes.delete(Note.objects.create()) is None


def test_get_by_id_returns_the_entity(notes):
    note = Note.objects.create()
    assert notes.get_by_id(note.pk) == note


def test_get_by_id_of_nothing_raises_does_not_exist(notes):
    with pytest.raises(Note.DoesNotExist):
        notes.get_by_id(0)


@pytest.mark.postgres
@pytest.mark.mariadb
def test_get_by_id_can_lock_the_row(notes):
    note = Note.objects.create()
    with CaptureQueriesContext(connections["default"]) as queries, transaction.atomic():
        notes.get_by_id(note.pk, lock=True)
    assert any(query["sql"].endswith(("FOR UPDATE", "FOR NO KEY UPDATE")) for query in queries)


def test_touch_entity_moves_the_stamp_for_the_reason(notes):
    note = Note.objects.create()
    before = note.updated_at
    with capture_events() as events:
        touched = notes.touch_entity(note.pk, "reviewed")
    assert touched.updated_at > before
    assert [event.reason for event in events] == ["reviewed"]


def test_touch_entity_of_nothing_raises_does_not_exist(notes):
    with pytest.raises(Note.DoesNotExist):
        notes.touch_entity(0, "reviewed")


def test_touch_entity_refuses_a_reason_that_is_too_long(notes):
    with pytest.raises(InvalidTimestampError):
        notes.touch_entity(Note.objects.create().pk, "x" * 201)


def test_a_range_includes_both_ends(notes):
    first, last = made_at(NOON), made_at(NOON + timedelta(hours=1))
    made_at(NOON + timedelta(hours=1, microseconds=1))
    assert set(notes.find_by_timestamp_range(NOON, NOON + timedelta(hours=1))) == {first, last}


def test_a_range_of_created_at_looks_at_created_at(notes):
    note = made_at(NOON)
    note.touch("later")
    assert not notes.find_by_timestamp_range(NOON, NOON)
    assert list(notes.find_by_timestamp_range(NOON, NOON, field="created_at")) == [note]


def test_a_range_of_another_field_is_refused(notes):
    with pytest.raises(FieldError, match="'seen_at' is no stamp; give 'created_at' or 'updated_at'"):
        notes.find_by_timestamp_range(NOON, NOON, field="seen_at")


def test_stale_entities_are_those_not_written_for_so_long(notes):
    stale = made_at(NOON)
    Note.objects.create()
    assert list(notes.find_stale_entities(timedelta(days=1))) == [stale]
    assert not notes.find_stale_entities(NOON)


def test_stats_count_the_rows_and_name_their_ends(notes):
    made_at(NOON)
    made_at(NOON + timedelta(hours=1))
    assert notes.get_timestamp_stats() == {
        "count": 2,
        "oldest_created_at": NOON,
        "newest_created_at": NOON + timedelta(hours=1),
        "oldest_updated_at": NOON,
        "newest_updated_at": NOON + timedelta(hours=1),
    }


def test_the_default_manager_says_which_rows_there_are():
    FlaggedFirst(active=False).save()
    assert not BaseTimestampRepository(FlaggedFirst).rows()


def test_a_manager_of_the_project_keeps_its_methods():
    Managed.objects.create(name="a")
    assert BaseTimestampRepository(Managed).rows().named("a").exists()


def test_using_names_the_database_of_every_call():
    elsewhere = BaseTimestampRepository(Note, using="other")
    note = elsewhere.save(Note(title="a"))
    note.title = "b"
    elsewhere.update(note)
    elsewhere.touch_entity(note.pk, "there")
    assert not Note.objects.exists()
    assert elsewhere.get_by_id(note.pk).title == "b"
    assert elsewhere.get_timestamp_stats()["count"] == 1
    elsewhere.delete(note)
    assert not Note.objects.using("other").exists()
