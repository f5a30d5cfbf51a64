"""What a transaction recorded is written with one INSERT, all of it or nothing."""

import re

import pytest
from django.db import IntegrityError, connection, connections, transaction
from django.test import override_settings

from django_clean_timestamps.context import without_events
from django_clean_timestamps.eventlog.insertion import insert_pending
from django_clean_timestamps.eventlog.models import Pending
from django_clean_timestamps.eventlog.slots import slot_of
from django_clean_timestamps.eventlog.writer import LogWriter
from django_clean_timestamps.unit_of_work import attach_writer, get_unit, get_writer, is_set_based
from tests.eventlog.log import make_event, pending_events, raw_count, statements
from tests.testapp.models import Note, Project, Task


def inserts(found):
    # Django writes "5 times: " before what one executemany() ran.
    return [sql for sql in found if re.match(r'(\d+ times: )?INSERT INTO ["`]clean_timestamps_pending', sql)]


def test_the_log_is_attached_when_the_apps_are_ready():
    assert isinstance(get_writer(), LogWriter)
    assert is_set_based(get_writer())


class TestInATransaction:
    pytestmark = pytest.mark.django_db(databases=["default", "other"])

    def test_many_saves_are_one_insert(self):
        with statements() as found:
            for number in range(30):
                Note(title=str(number)).save()
            assert len(pending_events()) == 30
        assert len(inserts(found)) == 1

    def test_events_are_in_the_order_of_the_writes(self):
        notes = [Note.objects.create() for _ in range(5)]
        Project.objects.create()
        for note in reversed(notes):
            note.touch()
        written = [
            (event.event_type, event.entity_id) for event in pending_events() if event.entity_type[-4:] == "note"
        ]
        assert written == [("timestamp_created", str(note.pk)) for note in notes] + [
            ("timestamp_updated", str(note.pk)) for note in reversed(notes)
        ]

    @pytest.mark.parametrize("count", [1, 1_999, 2_000, 2_001, 4_500])
    def test_any_number_of_events_is_written_in_order(self, count):
        LogWriter().write(connections["default"], [make_event(reason=str(number)) for number in range(count)])
        assert [event.reason for event in pending_events()] == [str(number) for number in range(count)]

    @pytest.mark.postgres
    @pytest.mark.mariadb
    def test_a_statement_has_at_most_two_thousand_rows(self):
        with statements() as found:
            LogWriter().write(connections["default"], [make_event()] * 4_500)
        assert len(inserts(found)) == 3

    def test_more_events_than_are_kept_in_memory_are_written_early_and_once(self):
        with transaction.atomic():
            for _ in range(5_003):
                Note().save()
            assert raw_count(Pending) == 5_000
        assert len(pending_events()) == 5_003

    def test_nothing_is_a_fine_number_of_events(self):
        insert_pending(connection, [])
        assert raw_count(Pending) == 0

    def test_each_alias_has_a_log_of_its_own(self):
        note = Note(title="here")
        note.save()
        Note(title="there").save(using="other")
        Note.objects.using("other").update(amount=1)
        Note.objects.using("other").bulk_create([Note(), Note()])
        Note.objects.using("other").all().delete()
        assert [event.entity_id for event in pending_events()] == [str(note.pk)]
        kinds = [event.event_type.removeprefix("timestamp_") for event in pending_events("other")]
        assert kinds == ["created", "updated", "created", "created", "deleted", "deleted", "deleted"]

    @override_settings(CLEAN_TIMESTAMPS={"EVENTS": False})
    def test_without_events_in_the_settings_every_path_stamps_and_writes_none(self):
        note = Note.objects.create()
        before = note.updated_at
        note.touch()
        Note.objects.update(amount=1)
        Note.objects.bulk_create([Note()])
        assert Note.objects.get(pk=note.pk).updated_at > before
        Note.objects.all().delete()
        assert raw_count(Pending) == 0
        assert pending_events() == []

    def test_what_was_recorded_before_the_setting_went_off_is_not_written(self):
        note = Note.objects.create()
        with override_settings(CLEAN_TIMESTAMPS={"EVENTS": False}):
            note.touch()
            assert pending_events() == []
        note.touch("later")
        assert [event.reason for event in pending_events()] == ["later"]

    def test_models_without_events_write_none(self):
        with without_events(Note):
            note = Note.objects.create()
            note.touch()
            Note.objects.update(amount=1)
            Note.objects.bulk_create([Note()])
            Note.objects.all().delete()
            project = Project.objects.create()
        assert [(event.entity_type, event.entity_id) for event in pending_events()] == [
            ("testapp.project", str(project.pk))
        ]

    def test_a_touched_parent_is_written_with_its_child(self):
        project = Project.objects.create()
        with transaction.atomic():
            Task.objects.create(project=project)
            Task.objects.create(project=project)
        kinds = [(event.event_type, event.entity_type) for event in pending_events()]
        assert kinds.count(("timestamp_updated", "testapp.project")) == 1

    def test_a_writer_of_no_set_based_kind_gets_events_one_by_one(self):
        got = []

        class Plain:
            def write(self, connection, events):
                got.extend(events)

        writer = get_writer()
        attach_writer(Plain())
        try:
            Note.objects.bulk_create([Note(), Note()])
            Note.objects.update(amount=1)
            Note.objects.all().delete()
            pending_events()
        finally:
            attach_writer(writer)
        assert len(got) == 6


class TestCommitted:
    def test_row_and_event_are_committed_together(self, shared_database):
        Note(title="a").save(using="shared")
        seen = []

        def look():
            seen.append((raw_count(Note, "shared"), [event.reason for event in pending_events("shared")]))

        shared_database.run_in_threads(look)
        assert seen == [(1, ["entity_created"])]

    def test_row_and_event_are_rolled_back_together(self, committing):
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            Note().save()
            Note.objects.update(amount=1)
            Note.objects.bulk_create([Note()])
            Note.objects.all().delete()
            raise ZeroDivisionError
        assert (raw_count(Note), raw_count(Pending)) == (0, 0)

    def test_a_transaction_of_ten_saves_has_one_insert_more_than_without_the_log(self, committing):
        def write():
            with transaction.atomic():
                for number in range(10):
                    Note(title=str(number)).save()

        with statements() as with_log:
            write()
        with override_settings(CLEAN_TIMESTAMPS={"EVENTS": False}), statements() as without_log:
            write()
        assert (len(with_log), len(without_log)) == (11, 10)
        assert len(inserts(with_log)) == 1
        assert with_log[-1] == inserts(with_log)[0]

    def test_an_event_that_cannot_be_inserted_rolls_its_row_back(self, committing):
        event = make_event(reason=None)
        with pytest.raises(IntegrityError), transaction.atomic():
            Note().save()
            get_unit(connection).record(event)
        assert (raw_count(Note), raw_count(Pending)) == (0, 0)

    def test_a_new_connection_of_sqlite_learns_the_function_of_slots(self, shared_database):
        note = Note(title="a")
        note.save(using="shared")
        Note.objects.using("shared").update(amount=1)
        connections["shared"].close()
        Note.objects.using("shared").update(amount=2)
        rows = Pending._base_manager.using("shared").values_list("slot", flat=True)
        assert list(rows) == [slot_of("testapp.note", str(note.pk))] * 3


@pytest.mark.parametrize("write", ["update", "delete"])
def test_a_commit_that_fails_takes_a_set_based_write_back_also_on_a_new_connection(shared_database, write):
    """Nothing is recorded in memory then, and a new connection has nothing of ours on it yet."""
    Note.objects.using("shared").bulk_create([Note(), Note()])
    before = raw_count(Pending, "shared")

    def fail_once():
        shared = connections["shared"]
        really_commit = shared._commit

        def fail():
            shared._commit = really_commit
            raise RuntimeError("lost")

        shared._commit = fail
        notes = Note.objects.using("shared")
        with pytest.raises(RuntimeError, match="lost"):
            notes.update(amount=5) if write == "update" else notes.all().delete()
        assert shared.get_autocommit()
        assert not shared.in_atomic_block
        assert notes.filter(amount=0).count() == 2
        Note.objects.using("shared").create(title="after")

    shared_database.run_in_threads(fail_once)
    assert raw_count(Pending, "shared") == before + 1
    assert raw_count(Note, "shared") == 3
    Note.objects.using("shared").all()._raw_delete("shared")
