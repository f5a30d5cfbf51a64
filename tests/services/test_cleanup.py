import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, models
from django.db.models.signals import pre_delete

from django_clean_timestamps.context import stamped_at
from django_clean_timestamps.services import BaseTimestampService, CleanupReport, KeptEntity
from django_clean_timestamps.testing import capture_events
from tests.testapp.models import Category, Note, Project, Task

pytestmark = pytest.mark.django_db(databases=["default", "other"])

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=1)


class NoteService(BaseTimestampService[Note]):
    cleanup_batch_size = 2

    def _can_cleanup_entity(self, entity):
        return entity.title != "pinned"

    def _validate_deletion_allowed(self, entity):
        if entity.title == "invoiced":
            raise ValidationError("It is on an invoice.")
        if entity.title == "silent":
            raise ValidationError([])


class ProjectService(BaseTimestampService[Project]):
    pass


class CategoryService(BaseTimestampService[Category]):
    pass


notes = NoteService()


def stale(model=Note, *, at=NOON, **fields):
    with stamped_at(at):
        return model.objects.create(**fields)


def test_a_dry_run_deletes_nothing_and_reports_what_it_would():
    old, _fresh = stale(), Note.objects.create()
    assert notes.cleanup_stale_entities(LATER) == CleanupReport(dry_run=True, stale_before=LATER, deleted=(old.pk,))
    assert Note.objects.count() == 2


def test_a_cleanup_deletes_the_stale_and_leaves_the_rest():
    old, fresh = stale(), Note.objects.create()
    report = notes.cleanup_stale_entities(timedelta(hours=1), dry_run=False)
    assert (report.deleted, report.deleted_count, report.kept_count) == ((old.pk,), 1, 0)
    assert list(Note.objects.all()) == [fresh]


def test_a_cleanup_records_each_deletion():
    stale()
    stale()
    with capture_events() as events:
        notes.cleanup_stale_entities(LATER, dry_run=False)
    assert [event.event_type for event in events] == ["timestamp_deleted", "timestamp_deleted"]


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize(
    ("title", "reason"),
    [
        ("pinned", "_can_cleanup_entity() said no"),
        ("invoiced", "It is on an invoice."),
        ("silent", "_validate_deletion_allowed() said no"),
    ],
)
def test_what_a_hook_keeps_is_reported_with_the_reason(title, reason, dry_run):
    kept, gone = stale(title=title), stale()
    report = notes.cleanup_stale_entities(LATER, dry_run=dry_run)
    assert report.kept == (KeptEntity(pk=kept.pk, reason=reason),)
    assert report.deleted == (gone.pk,)


@pytest.mark.parametrize("dry_run", [True, False])
def test_what_other_rows_protect_is_kept(dry_run, monkeypatch):
    monkeypatch.setattr(Task._meta.get_field("project").remote_field, "on_delete", models.PROTECT)
    kept, gone = stale(Project), stale(Project)
    Task.objects.create(project=kept)
    Project.objects.filter(pk=kept.pk).update(updated_at=NOON)
    report = ProjectService().cleanup_stale_entities(LATER, dry_run=dry_run)
    assert report.deleted == (gone.pk,)
    assert [entity.pk for entity in report.kept] == [kept.pk]
    assert "protected foreign keys" in report.kept[0].reason


def test_an_integrity_error_without_a_text_is_named_by_its_kind():
    def refuse(sender, **kwargs):
        raise IntegrityError

    note = stale()
    pre_delete.connect(refuse, sender=Note)
    try:
        report = notes.cleanup_stale_entities(LATER, dry_run=False)
    finally:
        pre_delete.disconnect(refuse, sender=Note)
    assert report.kept == (KeptEntity(pk=note.pk, reason="IntegrityError"),)


def test_the_oldest_are_deleted_first_whatever_their_keys():
    young, old = stale(at=NOON), stale(at=NOON - timedelta(hours=1))
    assert notes.cleanup_stale_entities(LATER).deleted == (old.pk, young.pk)


def test_more_than_one_batch_is_cleaned_up():
    keys = [stale(at=NOON + timedelta(minutes=number)).pk for number in range(5)]
    report = notes.cleanup_stale_entities(LATER, dry_run=False)
    assert report.deleted == tuple(keys)
    assert not Note.objects.exists()


def test_what_is_kept_is_not_looked_at_twice():
    for _ in range(5):
        stale(title="pinned")
    assert notes.cleanup_stale_entities(LATER, dry_run=False).kept_count == 5


def test_what_went_with_another_one_is_not_listed():
    parent = stale(Category)
    stale(Category, parent=parent, at=NOON + timedelta(minutes=1))
    Category.objects.filter(pk=parent.pk).update(updated_at=NOON)
    report = CategoryService().cleanup_stale_entities(LATER, dry_run=False)
    assert report.deleted == (parent.pk,)
    assert report.kept == ()
    assert not Category.objects.exists()


def test_what_is_written_in_the_meantime_is_kept():
    class Slow(BaseTimestampService[Note]):
        cleanup_batch_size = 1

        def _can_cleanup_entity(self, entity):
            Note.objects.exclude(pk=entity.pk).touch("still needed")
            return True

    first, second = stale(), stale(at=NOON + timedelta(minutes=1))
    report = Slow().cleanup_stale_entities(LATER, dry_run=False)
    assert report.deleted == (first.pk,)
    assert report.kept == (KeptEntity(pk=second.pk, reason="it was written in the meantime"),)


def test_what_is_deleted_in_the_meantime_is_not_listed():
    class Slow(BaseTimestampService[Note]):
        cleanup_batch_size = 1

        def _can_cleanup_entity(self, entity):
            Note.objects.exclude(pk=entity.pk).delete()
            return True

    first, _second = stale(), stale(at=NOON + timedelta(minutes=1))
    report = Slow().cleanup_stale_entities(LATER, dry_run=False)
    assert (report.deleted, report.kept) == ((first.pk,), ())


@pytest.mark.django_db(transaction=True)
def test_a_batch_that_breaks_leaves_the_batches_before_it_deleted():
    class Breaking(BaseTimestampService[Note]):
        cleanup_batch_size = 1

        def _can_cleanup_entity(self, entity):
            if entity.title == "break":
                raise RuntimeError("broken")
            return True

    stale(title="first")
    stale(title="break", at=NOON + timedelta(minutes=1))
    with pytest.raises(RuntimeError, match="broken"):
        Breaking().cleanup_stale_entities(LATER, dry_run=False)
    assert [note.title for note in Note.objects.all()] == ["break"]
    assert not connection.in_atomic_block


def test_a_cleanup_happens_in_the_services_database():
    with stamped_at(NOON):
        there = Note.objects.using("other").create()
    here = stale()
    report = NoteService(using="other").cleanup_stale_entities(LATER, dry_run=False)
    assert report.deleted == (there.pk,)
    assert list(Note.objects.all()) == [here]
    assert not Note.objects.using("other").exists()


def test_a_report_cannot_be_changed():
    report = notes.cleanup_stale_entities(LATER)
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.dry_run = False
