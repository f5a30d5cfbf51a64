"""``timestamps_explain``: which event a stamp is of."""

from django.db import connection

from django_clean_timestamps.context import without_events
from django_clean_timestamps.eventlog.models import Event
from django_clean_timestamps.eventlog.sequencer import sequence
from tests.admin.log import place
from tests.management.explaining import BOTH, make, told
from tests.testapp.models import Note


@BOTH
class TestStamp:
    def test_it_is_that_of_an_event(self, answers):
        note = make()
        assert answers(note) == [f"updated_at is that of {told(Event.objects.get())}."]

    def test_it_may_be_that_of_an_earlier_event(self, answers):
        note = make()
        note.touch("reviewed")
        sequence("default")
        with connection.cursor() as cursor:
            cursor.execute("UPDATE testapp_note SET updated_at = created_at")
        first, last = Event.objects.order_by("position")
        assert answers(note) == [
            (
                f"updated_at is that of {told(first)}. Later in the log is {told(last)}: a time that was given, or a stamp "
                "or row that was put back."
            )
        ]

    def test_a_write_past_django_leaves_a_stamp_of_no_event(self, answers):
        note = make()
        with connection.cursor() as cursor:
            cursor.execute("UPDATE testapp_note SET updated_at = '2001-01-01 00:00:00'")
        assert answers(note) == [
            (
                f"No event has this stamp: the newest, {told(Event.objects.get())}. Somebody wrote the row past Django, or "
                "under without_events() or preserve_timestamps()."
            )
        ]

    def test_a_row_may_have_no_event(self, answers, settings):
        with without_events(Note):
            note = make()
        assert answers(note) == [
            (
                "No event of it is in the log: it was written last where no event was, or its events were pruned: they are "
                "kept for 30 days."
            )
        ]
        settings.CLEAN_TIMESTAMPS = {"EVENTS": False, "RETENTION_DAYS": 7.5}
        assert answers(note) == [
            (
                "No event of it is in the log: it was written last where no event was, since CLEAN_TIMESTAMPS['EVENTS'] is "
                "False, or its events were pruned: they are kept for 7.5 days."
            )
        ]

    def test_a_row_that_was_deleted_says_so(self, answers):
        note = make()
        key = note.pk
        note.delete()
        sequence("default")
        event = Event.objects.get(kind=3)
        assert answers(Note(pk=key)) == [f"There is no row any more: {told(event)}."]

    def test_a_row_that_was_deleted_past_django_says_so(self, answers):
        note = make()
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM testapp_note")
        assert answers(note)[0].startswith("There is no row, and no event says that it was deleted: ")

    def test_an_event_of_a_newer_release_is_told_as_such(self, answers):
        place(1, entity_id="7", kind=9, reason="", actor="anna")
        note = Note(pk=7)
        with without_events(Note):
            note.save()
        assert "written by a newer release, by anna. Somebody" in answers(note)[0]
