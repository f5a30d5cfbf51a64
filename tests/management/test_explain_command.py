"""``timestamps_explain``: what an entity's log tells of it."""

from datetime import timedelta

import pytest

from django_clean_timestamps.context import timestamp_context, without_events
from django_clean_timestamps.delivery.models import ParkedEvent
from django_clean_timestamps.eventlog.fields import database_now
from django_clean_timestamps.eventlog.models import Event, Pending
from django_clean_timestamps.eventlog.sequencer import sequence
from tests.admin.log import place
from tests.management.ears import Ear, park
from tests.management.explaining import BOTH, EXPLAIN, make
from tests.testapp.models import Box, Currency, Dog, Note, NoteProxy, Product, Seat, Token


@BOTH
class TestText:
    def test_a_story_as_a_person_reads_it(self, run):
        Ear("testapp.search", sender=Note)
        Ear("testapp.mail", sender=Note, error=ValueError("no address"))
        with timestamp_context(actor="anna"):
            note = make()
        note.touch("reviewed")
        assert Pending.objects.count() == 1
        Pending._base_manager.update(recorded_at=database_now("default") - timedelta(minutes=5))
        created, updated = (f"{moment:%Y-%m-%d %H:%M:%S.%f} UTC" for moment in (note.created_at, note.updated_at))
        done = run(EXPLAIN, "testapp.note", str(note.pk), "--database", "default")
        assert (done.code, done.err) == (0, "")
        lines = done.out.splitlines()
        assert lines[:12] == [
            f"testapp.note {note.pk} in default",
            f"  created_at  {created}",
            f"  updated_at  {updated}",
            "  events, newest first",
            f"    pending  {updated}  updated, 'reviewed'",
            "      testapp.mail: pending",
            "      testapp.search: pending",
            f"    #1  {created}  created, 'entity_created', by anna",
            "      testapp.mail: retry",
            "      testapp.search: delivered",
            f"  updated_at is that of the pending event, at {updated}: updated, 'reviewed'.",
            (
                "  testapp.mail, testapp.search have not heard the pending event yet: nobody has given it a position, for "
                "which it has waited for 5 minutes. A worker does that, or 'manage.py timestamps_relay'."
            ),
        ]
        (parked,) = lines[12:]
        assert parked.startswith("  testapp.mail failed on #1 once: ValueError: no address; next attempt ")

    def test_a_row_without_events_has_no_list_of_them(self, run):
        with without_events(Note):
            note = Note.objects.create()
        lines = run(EXPLAIN, "note", str(note.pk)).out.splitlines()
        assert lines[3].startswith("  No event of it is in the log")

    def test_a_row_that_is_gone_has_no_stamps(self, run):
        note = make()
        key = note.pk
        note.delete()
        assert run(EXPLAIN, "note", str(key)).out.splitlines()[1] == "  events, newest first"


@BOTH
class TestJson:
    def test_the_keys(self, rows):
        Ear(error=ValueError("down"))
        with timestamp_context(actor="anna", correlation_id="c1", basket=7):
            note = make()
        row = ParkedEvent.objects.get()
        event = Event.objects.get()
        assert rows(EXPLAIN, "testapp.note", str(note.pk)) == (
            0,
            [
                {
                    "database": "default",
                    "entity_type": "testapp.note",
                    "entity_id": str(note.pk),
                    "row": {"created_at": note.created_at.isoformat(), "updated_at": note.updated_at.isoformat()},
                    "events": [
                        {
                            "position": 1,
                            "event_id": str(event.event_id),
                            "event_type": "timestamp_created",
                            "entity_type": "testapp.note",
                            "occurred_at": note.created_at.isoformat(),
                            "recorded_at": event.recorded_at.isoformat(),
                            "previous_at": None,
                            "reason": "entity_created",
                            "actor": "anna",
                            "correlation_id": "c1",
                            "metadata": {"basket": 7},
                            "outcomes": [
                                {
                                    "handler": "testapp.ear",
                                    "fate": "retry",
                                    "attempts": 1,
                                    "available_at": row.available_at.isoformat(),
                                    "error": "ValueError: down",
                                    "lag_count": 0,
                                    "state": "",
                                    "problem": "",
                                    "parked_id": row.pk,
                                }
                            ],
                        }
                    ],
                    "parked": [
                        {
                            "id": row.pk,
                            "using": "default",
                            "handler": "testapp.ear",
                            "position": 1,
                            "event_id": str(event.event_id),
                            "state": "retry",
                            "attempts": 1,
                            "available_at": row.available_at.isoformat(),
                            "error": "ValueError: down",
                        }
                    ],
                    "answers": rows(EXPLAIN, "testapp.note", str(note.pk))[1][0]["answers"],
                    "error": None,
                }
            ],
        )

    def test_a_row_that_is_gone_and_an_event_of_another_kind(self, rows):
        place(1, entity_id="7", kind=9)
        _, (row,) = rows(EXPLAIN, "testapp.note", "7")
        assert row["row"] is None
        assert row["events"][0]["event_type"] is None
        assert row["events"][0]["metadata"] == {}

    def test_of_many_events_the_newest_are_told(self, rows):
        note = make()
        for number in range(3):
            note.touch(str(number))
        sequence("default")
        _, (row,) = rows(EXPLAIN, "testapp.note", str(note.pk), "--limit", "2")
        assert [event["reason"] for event in row["events"]] == ["2", "1"]

    @pytest.mark.parametrize("limit", ["0", "10001", "many", "-1"])
    def test_the_limit_must_be_a_number_of_events(self, run, limit):
        done = run(EXPLAIN, "testapp.note", "1", f"--limit={limit}")
        assert done.code == 1
        assert "is no number of events, from 1 to 10,000" in done.err


@BOTH
class TestEntity:
    def told(self, rows, label, key):
        """Return under which type and id a command has found something, in whichever databases."""
        code, found = rows(EXPLAIN, label, key)
        assert code == 0
        return [(row["database"], row["entity_type"], row["entity_id"], row["row"] is not None) for row in found]

    @pytest.mark.parametrize("label", ["testapp.note", "testapp.Note", "note", "testapp.noteproxy"])
    def test_a_model_is_named_by_its_label_its_name_or_a_proxys(self, rows, label):
        note = make()
        assert self.told(rows, label, str(note.pk)) == [("default", "testapp.note", str(note.pk), True)]
        assert NoteProxy._meta.proxy

    def test_a_name_that_several_entities_have_must_be_whole(self, run):
        Note.objects.create()
        done = run(EXPLAIN, "product", "1")
        # Of the tests' own app and of others.
        assert done.code == 2

    def test_a_child_and_its_parent_have_one_story(self, rows):
        dog = Dog.objects.create(name="Rex")
        dog.touch("walked")
        for label in ("testapp.dog", "testapp.animal"):
            _, (row,) = rows(EXPLAIN, label, str(dog.pk))
            assert [event["reason"] for event in row["events"]] == ["walked", "entity_created"]

    def test_each_database_that_has_one_is_a_row(self, rows):
        note = make()
        Note(pk=note.pk, title="there").save(using="other", force_insert=True)
        assert self.told(rows, "note", str(note.pk)) == [
            ("default", "testapp.note", str(note.pk), True),
            ("other", "testapp.note", str(note.pk), True),
        ]
        code, found = rows(EXPLAIN, "note", str(note.pk), "--database", "other")
        assert (code, [row["database"] for row in found]) == (0, ["other"])

    def test_a_key_is_read_as_its_field_reads_it(self, rows):
        note = Note.objects.create(pk=7)
        token = Token.objects.create()
        assert self.told(rows, "note", "007") == [("default", "testapp.note", "7", True)]
        assert self.told(rows, "token", token.pk.hex) == [("default", "testapp.token", str(token.pk), True)]
        note.delete()
        Token.objects.filter(pk=token.pk).delete()
        assert self.told(rows, "note", "007") == [("default", "testapp.note", "7", False)]
        assert self.told(rows, "token", token.pk.hex) == [("default", "testapp.token", str(token.pk), False)]

    def test_a_composite_key_is_written_as_in_the_log(self, rows):
        seat = Seat.objects.create(row=3, number=14)
        assert self.told(rows, "seat", "(3,14)") == [("default", "testapp.seat", "(3, 14)", True)]
        seat.delete()
        assert self.told(rows, "seat", "(3,14)") == [("default", "testapp.seat", "(3, 14)", False)]

    @pytest.mark.parametrize("key", ["3-14", "(3, [])", "14"])
    def test_a_composite_key_of_another_form_is_none(self, run, key):
        Seat.objects.create(row=3, number=14)
        done = run(EXPLAIN, "seat", key)
        assert done.code == 2
        assert done.err.endswith("Its key is the IntegerField 'row' and the IntegerField 'number'.")

    def test_an_id_of_the_classs_own_is_found_by_the_rows_key_or_by_itself(self, rows):
        product = Product.objects.create(sku="tea")
        assert self.told(rows, "testapp.product", str(product.pk)) == [("default", "testapp.product", "sku-tea", True)]
        assert self.told(rows, "testapp.product", "sku-tea") == [("default", "testapp.product", "sku-tea", False)]
        _, (row,) = rows(EXPLAIN, "testapp.product", "sku-tea")
        assert row["answers"][0] == (
            "The row was not found: its class makes its ids itself, so name it by its primary key."
        )

    def test_keys_that_differ_in_case_are_different_entities(self, rows):
        place(1, entity_type="testapp.currency", entity_id="eur")
        place(2, entity_type="testapp.currency", entity_id="EUR", reason="mine")
        park(position=3, entity_id="eur", event={"entity_type": "testapp.currency"})
        Ear("testapp.ear")
        _, (row,) = rows(EXPLAIN, "testapp.currency", "EUR")
        assert [event["reason"] for event in row["events"]] == ["mine"]
        assert row["parked"] == []
        assert not Currency.objects.exists()

    def test_a_model_that_is_not_installed_any_more_still_has_a_story(self, rows):
        place(1, entity_type="shop.order", entity_id="7")
        assert self.told(rows, "shop.Order", "7") == [("default", "shop.order", "7", False)]
        _, (row,) = rows(EXPLAIN, "shop.order", "7")
        assert row["answers"] == ["shop.order is not installed (any more): there is no row to look at."]

    def test_an_unknown_model_is_refused_with_those_that_are_near(self, run):
        done = run(EXPLAIN, "testapp.curency", "7")
        assert done.code == 2
        assert done.err.startswith(
            "There is no model 'testapp.curency', and no event of one with the key '7': did you mean 'testapp.currency'?"
        )

    def test_a_model_that_is_no_entity_is_refused(self, run):
        box = Box.objects.create()
        done = run(EXPLAIN, "testapp.box", str(box.pk))
        assert (done.code, done.err) == (
            2,
            "testapp.Box is no entity: it does not subclass BaseTimestampEntity, so nothing is recorded of it.",
        )

    @pytest.mark.parametrize("key", ["7", "seven"])
    def test_a_key_of_nothing_is_refused_with_what_was_looked_at(self, run, key):
        done = run(EXPLAIN, "testapp.note", key)
        assert (done.code, done.out) == (2, "")
        assert done.err == (
            f"There is no testapp.Note with the key '{key}' in default, other, and no event of one: they are kept for 30 "
            "days. Its key is the BigAutoField 'id'."
        )

    def test_only_databases_that_it_can_be_in_are_looked_at(self, run):
        assert "in other, and no event" in run(EXPLAIN, "otherapp.remote", "7").err

    def test_a_database_that_is_named_is_looked_at_anyway(self, run):
        assert "in default, and no event" in run(EXPLAIN, "otherapp.remote", "7", "--database", "default").err

    def test_what_is_parked_is_story_enough(self, answers):
        Ear()
        park(position=7, attempts=10, last_error="ValueError: down")
        (row,) = ParkedEvent.objects.all()
        assert answers(Note(pk=1)) == [
            (
                "There is no row, and no event says that it was deleted: that happened past Django, or under "
                "without_events(), or its events were pruned: they are kept for 30 days."
            ),
            (
                "testapp.ear gave #7 up after 10 attempts: ValueError: down. 'manage.py timestamps_retry testapp.ear "
                f"--event {row.pk}' tries it again."
            ),
        ]
