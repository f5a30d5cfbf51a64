"""Every operation gives one observation, and nothing else does."""

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction

from django_clean_timestamps import probes
from django_clean_timestamps.context import no_touching, timestamp_context
from django_clean_timestamps.delivery import on_timestamp
from django_clean_timestamps.delivery.models import ParkedEvent
from django_clean_timestamps.exceptions import ImmutableTimestampError, InvalidTimestampError
from django_clean_timestamps.testing import drain_all
from django_clean_timestamps.unit_of_work import write_pending
from tests.metrics.recordings import hearing
from tests.testapp.models import Attachment, Careful, Note, Project, Tag, Task

pytestmark = pytest.mark.django_db


@pytest.fixture
def heard():
    with hearing() as heard:
        yield heard


def test_a_create_and_an_update(heard):
    note = Note.objects.create(title="a")
    note.save()
    assert heard.told == [
        ("testapp.note", "create", "ok", 1, str(note.pk), ""),
        ("testapp.note", "update", "ok", 1, str(note.pk), ""),
    ]
    assert heard.databases == "default"


def test_the_reason_of_the_context_comes_along(heard):
    with timestamp_context(reason="import"):
        note = Note.objects.create()
        note.touch()
        note.touch("seen")
        note.delete()
        Note.objects.update(title="b")
        Note.objects.touch("all")
    assert [(operation, reason) for model, operation, _, _, _, reason in heard.told if model] == [
        ("create", "import"),
        ("touch", "import"),
        ("touch", "seen"),
        ("delete", "import"),
        ("queryset_update", "import"),
        ("queryset_touch", "all"),
    ]


def test_a_save_that_turns_out_to_insert_is_a_create(heard):
    Note(pk=1_000_000).save()
    assert heard.operations() == [("create", "ok")]


def test_a_save_that_changes_nothing_is_no_operation(heard):
    draft = Careful.objects.create()
    Careful.objects.get(pk=draft.pk).save()
    draft.save(update_fields=[])
    assert heard.operations() == [("create", "ok")]


def test_a_touch(heard):
    note = Note.objects.create()
    note.touch("seen")
    with no_touching():
        note.touch("suspended")
    assert heard.told[1:] == [("testapp.note", "touch", "ok", 1, str(note.pk), "seen")]


def test_a_deletion_knows_the_key_that_is_gone(heard):
    note = Note.objects.create()
    key = str(note.pk)
    note.delete()
    assert heard.told[1:] == [("testapp.note", "delete", "ok", 1, key, "")]


def test_a_cascade_belongs_to_its_deletion_and_what_it_sets_to_null_is_an_update(heard):
    project = Project.objects.create()
    Task.objects.create(project=project)
    Attachment.objects.create(project=project)
    del heard.told[:]
    project.delete()
    told = [(model, operation, outcome) for model, operation, outcome, *_ in heard.told if model]
    assert ("testapp.attachment", "queryset_update", "ok") in told
    assert [each for each in told if each[1] != "queryset_update"] == [("testapp.project", "delete", "ok")]


def test_bulk_forms_tell_of_their_rows(heard):
    notes = Note.objects.bulk_create([Note(), Note(), Note()])
    Note.objects.bulk_update(notes, ["title"], batch_size=1)
    Note.objects.filter(pk__in=[note.pk for note in notes[:2]]).update(title="x")
    Note.objects.touch()
    Note.objects.all().delete()
    assert [(operation, outcome, rows, key) for model, operation, outcome, rows, key, _ in heard.told if model] == [
        ("bulk_create", "ok", 3, None),
        ("bulk_update", "ok", 3, None),
        ("queryset_update", "ok", 2, None),
        ("queryset_touch", "ok", 3, None),
        ("queryset_delete", "ok", 3, None),
    ]


def test_get_or_create_and_update_or_create_are_what_they_do(heard):
    Tag.objects.get_or_create(name="a")
    Tag.objects.get_or_create(name="a")
    Tag.objects.update_or_create(name="a", defaults={"name": "b"})
    assert heard.operations() == [("create", "ok"), ("update", "ok")]


def test_a_broken_rule_is_invalid(heard):
    with pytest.raises(InvalidTimestampError):
        Note.objects.create(created_at="2999-01-01T00:00:00Z")
    note = Note.objects.create()
    note.created_at = "2020-01-01T00:00:00Z"
    with pytest.raises(ImmutableTimestampError):
        note.save()
    with pytest.raises(InvalidTimestampError):
        note.touch("x" * 201)
    assert heard.operations() == [("create", "invalid"), ("create", "ok"), ("update", "invalid"), ("touch", "invalid")]


def test_what_the_entity_itself_refuses_is_invalid(heard, monkeypatch):
    def refuse(self):
        raise ValidationError("no")

    monkeypatch.setattr(Note, "_validate_entity", refuse)
    with pytest.raises(ValidationError):
        Note().save()
    assert heard.operations() == [("create", "invalid")]


def test_what_the_database_refuses_has_failed(heard):
    Tag.objects.create(name="a")
    with pytest.raises(IntegrityError), transaction.atomic():
        Tag.objects.create(name="a")
    assert heard.operations() == [("create", "ok"), ("create", "failed")]


def test_events_are_told_of_by_the_writes_into_the_log(heard):
    Note.objects.bulk_create([Note(), Note()])
    Note.objects.update(title="x")
    Note.objects.filter(pk=0).update(title="y")
    Note.objects.all().delete()
    Note.objects.create()
    write_pending(connection)
    writes = [told for told in heard.told if told[1] == "write_events"]
    assert {told[2] for told in writes} == {"ok"}
    # How many writes it takes differs from one database to the other.
    assert sum(rows for _, _, _, rows, *_ in writes) == 7


class TestHandlers:
    def test_runs_are_told_of_by_handler(self, heard):
        @on_timestamp(name="tests.each")
        def each(event):
            pass

        @on_timestamp(name="tests.lists", batch=True)
        def lists(events):
            pass

        @on_timestamp(name="tests.outside", atomic=False)
        def outside(event):
            pass

        drain_all()
        Note.objects.bulk_create([Note(), Note(), Note()])
        del heard.told[:]
        drain_all()
        assert sorted((operation, outcome, rows) for model, operation, outcome, rows, *_ in heard.told) == [
            ("handler:tests.each", "ok", 1),
            ("handler:tests.each", "ok", 1),
            ("handler:tests.each", "ok", 1),
            ("handler:tests.lists", "ok", 3),
            ("handler:tests.outside", "ok", 1),
            ("handler:tests.outside", "ok", 1),
            ("handler:tests.outside", "ok", 1),
        ]

    def test_a_failure_is_told_of_once_and_what_ran_again_is_not(self, heard):
        @on_timestamp(name="tests.picky")
        def picky(event):
            if event.entity_id == str(second.pk):
                raise RuntimeError("no")

        drain_all()
        _, second, _ = Note.objects.bulk_create([Note(), Note(), Note()])
        del heard.told[:]
        drain_all()
        assert sorted((operation, outcome, rows) for _, operation, outcome, rows, *_ in heard.told) == [
            ("handler:tests.picky", "failed", 1),
            ("handler:tests.picky", "ok", 1),
            ("handler:tests.picky", "ok", 1),
        ]


def test_where_nobody_records_nothing_is_told():
    before = probes.recorder
    probes.connect(None)
    try:
        note = Note.objects.create()
        note.touch()
        note.delete()
        Note.objects.update(title="x")
        drain_all()
    finally:
        probes.connect(before)


def test_where_nobody_records_a_handler_may_fail_all_the_same():
    @on_timestamp(name="tests.failing")
    def failing(event):
        raise RuntimeError("no")

    drain_all()
    Note.objects.create()
    before = probes.recorder
    probes.connect(None)
    try:
        drain_all()
    finally:
        probes.connect(before)
    assert ParkedEvent.objects.get().attempts == 1
