import shlex
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import connection

from django_clean_timestamps.context import timestamp_context, without_events
from django_clean_timestamps.delivery.drain import drain
from django_clean_timestamps.delivery.models import ParkedEvent, Subscription
from django_clean_timestamps.delivery.operations import pause, replay_entity, skip
from django_clean_timestamps.delivery.places import Place
from django_clean_timestamps.delivery.registry import on_timestamp, only_handlers
from django_clean_timestamps.eventlog.fields import database_now
from django_clean_timestamps.eventlog.models import Event, Pending
from django_clean_timestamps.eventlog.sequencer import sequence
from django_clean_timestamps.events import TimestampDeletedEvent
from django_clean_timestamps.exceptions import RetryLater
from tests.admin.log import place
from tests.eventlog.aged import make_older
from tests.eventlog.log import dropped
from tests.management.ears import Ear, park
from tests.testapp.models import Box, Currency, Dog, Note, NoteProxy, Product, Seat, Token

EXPLAIN = "timestamps_explain"
DEFAULT = Place("default", "default")
BOTH = pytest.mark.django_db(databases=["default", "other"])


@pytest.fixture
def answers(rows):
    """Return a function that returns the sentences about an entity, in the log of default."""

    def answers(entity, *words, label=None):
        label = label or entity._meta.label_lower
        _, (row,) = rows(EXPLAIN, label, str(entity.pk), "--database", "default", *words)
        return row["answers"]

    return answers


def make(title="tea"):
    note = Note.objects.create(title=title)
    drain("default")
    return note


def only_sequenced(note, reason="reviewed"):
    """Touch a note, and give the event a position that no handler hears yet."""
    note.touch(reason)
    sequence("default")
    return Event.objects.order_by("-position").first()


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


class Sent:
    """A task that is published nowhere, as Celery's look from outside."""

    # Eager, so that nobody connects to a broker for it.
    app = SimpleNamespace(conf=SimpleNamespace(task_always_eager=True))

    def __init__(self, published):
        self.published = published

    def __call__(self, event):
        raise AssertionError("it is published")

    run = __call__

    def apply_async(self, arguments, *, task_id, **options):
        self.published.append(task_id)


def told(event):
    """Return how an event is told: by position, time, kind and reason."""
    words = {1: "created", 2: "updated", 3: "deleted"}[event.kind]
    return f"#{event.position}, at {event.occurred_at:%Y-%m-%d %H:%M:%S.%f} UTC: {words}, '{event.reason}'"


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


@BOTH
class TestHandler:
    """The first sentence is about the stamp."""

    def test_one_that_has_heard_it(self, answers):
        Ear()
        note = make()
        assert answers(note)[1:] == ["testapp.ear has heard #1."]

    def test_one_without_a_subscription(self, answers):
        note = make()
        Ear()
        assert answers(note)[1:] == [
            (
                "testapp.ear has not heard #1: it has no subscription, since nothing was drained since it came into the "
                "code. With 'manage.py timestamps_relay' it begins behind #1."
            )
        ]

    def test_one_without_a_subscription_that_will_hear_all(self, answers):
        note = make()
        Ear(replay="all")
        assert answers(note)[1].endswith("With 'manage.py timestamps_relay' it hears all that is retained.")

    def test_one_that_began_later(self, answers, run):
        note = make()
        ear = Ear()
        drain("default")
        (sentence,) = answers(note)[1:]
        command = f"manage.py timestamps_replay testapp.ear --entity testapp.note {note.pk}"
        assert sentence == (
            f"testapp.ear has not heard #1: it began behind it, at position 2. '{command}' hands it over."
        )
        # And so it does.
        assert run(*shlex.split(command)[1:]).code == 0
        drain("default")
        assert ear.reasons == ["entity_created"]

    def test_a_key_with_a_space_is_quoted(self, answers):
        Currency.objects.create(code="a b")
        sequence("default")
        Ear()
        drain("default")
        assert "--entity testapp.currency 'a b'' hands" in answers(Currency(code="a b"))[1]

    def test_one_that_comes_to_it_soon(self, answers):
        Ear()
        note = make()
        only_sequenced(note)
        assert answers(note)[1:] == ["testapp.ear has not heard #2 yet: it comes next."]

    def test_one_that_nobody_moves(self, answers):
        Ear()
        note = make()
        only_sequenced(note)
        make_older(2 / 24)
        assert answers(note)[1:] == [
            (
                "testapp.ear has not heard #2 yet: it comes next, and it was recorded 2 hours ago. Does a worker run, or "
                "'manage.py timestamps_relay --watch'?"
            )
        ]

    @pytest.mark.parametrize(("before", "words"), [(1, "1 position comes first"), (2, "2 positions come first")])
    def test_one_that_is_behind(self, answers, before, words):
        Ear()
        note, other = make(), make()
        for _ in range(before):
            only_sequenced(other)
        only_sequenced(note)
        assert answers(note)[1:] == [f"testapp.ear has not heard #{3 + before} yet: {words}."]
        make_older(2 / 24)
        assert f"{words}, and the first of them was recorded 2 hours ago." in answers(note)[1]

    def test_one_that_is_paused(self, answers):
        Ear()
        note = make()
        pause("testapp.ear", DEFAULT)
        only_sequenced(note)
        assert answers(note)[1:] == [
            "testapp.ear has not heard #2 yet: it is paused, and 'manage.py timestamps_resume testapp.ear' lets it go on."
        ]

    def test_one_that_backs_off(self, answers):
        Ear()
        note = make()
        only_sequenced(note)
        later = database_now("default") + timedelta(seconds=3_700)
        Subscription.objects.update(state="backing_off", failures=23, problem="OSError: down", resume_at=later)
        assert answers(note)[1:] == [
            (
                "testapp.ear has not heard #2 yet: it backs off after 23 failures in a row (OSError: down), and tries again "
                "in 1 hour."
            )
        ]

    def test_one_that_goes_no_further(self, answers):
        Ear()
        note = make()
        only_sequenced(note)
        Subscription.objects.update(problem="Event 2 is unreadable")
        assert answers(note)[1:] == ["testapp.ear has not heard #2 yet: it goes no further (Event 2 is unreadable)."]

    @pytest.mark.parametrize(
        ("seconds", "words"),
        [
            (60, "a worker has it in hand, somebody"),
            (-60, "the worker that had it, somebody, ended without a word, and the next drain goes on"),
        ],
    )
    def test_one_that_a_worker_has_or_had(self, answers, seconds, words):
        Ear()
        note = make()
        only_sequenced(note)
        Subscription.objects.update(owner="somebody", lease_until=database_now("default") + timedelta(seconds=seconds))
        assert answers(note)[1:] == [f"testapp.ear has not heard #2 yet: {words}."]

    def test_one_that_failed(self, answers, settings):
        settings.CLEAN_TIMESTAMPS = {"BACKOFF_SECONDS": (1e9, 1e9)}
        Ear(error=ValueError("no address"))
        note = make()
        ParkedEvent.objects.update(available_at=database_now("default") + timedelta(seconds=7_300))
        failed = "testapp.ear failed on #1 once: ValueError: no address; next attempt in 2 hours"
        assert answers(note)[1:] == [f"{failed}."]
        note.touch("reviewed")
        drain("default")
        assert answers(note)[1:] == [f"{failed}; #2 waits behind it."]
        ParkedEvent.objects.update(available_at=database_now("default"), attempts=2)
        assert answers(note)[1].startswith(
            "testapp.ear failed on #1 twice: ValueError: no address; next attempt now; #2 waits"
        )
        pause("testapp.ear", DEFAULT)
        assert "no address; it is paused, and 'manage.py timestamps_resume testapp.ear' lets it" in answers(note)[1]

    def test_one_whose_process_ended(self, answers):
        Ear()
        note = make()
        park(position=1, state="retry", attempts=2, entity_id=str(note.pk))
        assert answers(note)[1] == "testapp.ear failed on #1 twice, and ended its process; next attempt now."

    def test_one_that_failed_and_has_no_subscription_any_more(self, answers):
        note = make()
        Ear()
        park(position=1, state="retry", attempts=1, entity_id=str(note.pk), last_error="OSError: down")
        assert answers(note)[1] == "testapp.ear failed on #1 once: OSError: down; next attempt now."

    def test_one_that_asked_for_time(self, answers):
        Ear(error=RetryLater(7_300))
        note = make()
        assert answers(note)[1] == (
            "testapp.ear has not heard #1 yet: it is to hear it in 2 hours: RetryLater: To be tried again in 7300 seconds."
        )

    def test_one_that_is_to_hear_it_again(self, answers):
        Ear()
        note = make()
        replay_entity("testapp.ear", DEFAULT, "testapp.note", str(note.pk))
        assert answers(note)[1] == "testapp.ear has not heard #1 yet: it is to hear it now."
        pause("testapp.ear", DEFAULT)
        assert answers(note)[1].startswith("testapp.ear has not heard #1 yet: it is paused, and ")

    def test_an_event_that_waits_behind_nothing_waits_for_its_turn(self, answers):
        Ear()
        note = make()
        park(position=1, state="waiting", entity_id=str(note.pk))
        assert answers(note)[1:] == ["testapp.ear has not heard #1 yet: it waits for its turn."]

    def test_one_that_gave_up_and_holds_what_follows(self, answers, settings):
        settings.CLEAN_TIMESTAMPS = {"MAX_ATTEMPTS": 1}
        Ear(error=ValueError("no"), on_dead="block")
        note = make()
        row = ParkedEvent.objects.get()
        retry = f"'manage.py timestamps_retry testapp.ear --event {row.pk}' tries it again"
        assert answers(note)[1:] == [f"testapp.ear gave #1 up after 1 attempt: ValueError: no. {retry}."]
        note.touch("reviewed")
        drain("default")
        assert answers(note)[1:] == [
            f"testapp.ear gave #1 up after 1 attempt: ValueError: no. {retry}; #2 waits behind it."
        ]

    def test_one_that_gave_up_and_went_on(self, answers, settings):
        settings.CLEAN_TIMESTAMPS = {"MAX_ATTEMPTS": 1}
        ear = Ear(error=ValueError("no"))
        note = make()
        ear.error = None
        note.touch("reviewed")
        drain("default")
        heard, gave_up = answers(note)[1:]
        assert heard == "testapp.ear has heard #2."
        assert gave_up.startswith("testapp.ear gave #1 up after 1 attempt: ")

    def test_one_that_gave_up_and_fails_on_what_follows(self, answers):
        Ear()
        note = make()
        gave_up = park(position=1, state="dead", attempts=10, entity_id=str(note.pk))
        park(position=2, state="retry", attempts=1, entity_id=str(note.pk), last_error="OSError: down")
        place(2, 3, entity_id=str(note.pk))
        park(position=3, state="waiting", entity_id=str(note.pk))
        assert answers(note)[1:] == [
            "testapp.ear failed on #2 once: OSError: down; next attempt now; #3 waits behind it.",
            (
                "testapp.ear gave #1 up after 10 attempts. 'manage.py timestamps_retry testapp.ear --event "
                f"{gave_up.pk}' tries it again."
            ),
        ]

    def test_an_event_that_was_given_up_by_somebody(self, answers):
        Ear(error=ValueError("no"))
        note = make()
        skip(ParkedEvent.objects.all(), because="it is a duplicate")
        assert answers(note)[1:] == ["testapp.ear is not to hear #1: Skipped, because it is a duplicate."]

    def test_a_long_error_is_cut(self, answers):
        Ear(error=ValueError("x" * 400))
        note = make()
        cut = "ValueError: " + "x" * (300 - len("ValueError: ")) + "…"
        assert f"once: {cut}; next attempt" in answers(note)[1]

    def test_one_that_publishes_tells_the_tasks_id(self, answers):
        published = []
        on_timestamp(name="testapp.sent", send=True)(Sent(published))
        note = make()
        assert answers(note)[1:] == [
            (f"testapp.sent was sent #1 as a task with the id {published[0]}; what became of that, Celery knows.")
        ]

    def test_one_that_is_gone_from_the_code(self, answers):
        with only_handlers():
            Ear("testapp.gone")
            note = make()
        settled = (
            "testapp.gone is gone from the code, and nobody calls it; 'manage.py timestamps_forget testapp.gone' or "
            "'manage.py timestamps_rename testapp.gone NEW' settles that."
        )
        assert answers(note)[1:] == [settled]
        park("testapp.gone", position=1, attempts=10, entity_id=str(note.pk))
        gone, gave_up = answers(note)[1:]
        assert gone == settled
        assert gave_up.startswith("testapp.gone gave #1 up after 10 attempts. ")

    def test_those_that_do_not_subscribe_to_it(self, answers):
        Ear("testapp.first", sender=Product)
        Ear("testapp.second", TimestampDeletedEvent, sender=Box) if False else Ear(
            "testapp.second", sender=[Seat, Token]
        )
        Ear("testapp.third")
        note = make()
        assert answers(note)[1:] == [
            "testapp.third has heard #1.",
            "Not subscribed to testapp.note: testapp.first, testapp.second.",
        ]

    def test_one_alone_that_does_not_subscribe_to_it_says_what_it_hears(self, answers):
        Ear("testapp.first", sender=[Seat, Token])
        Ear("testapp.third")
        note = make()
        assert answers(note, "--handler", "testapp.first")[1:] == [
            "testapp.first does not subscribe to testapp.note: it hears everything of testapp.seat, testapp.token."
        ]

    def test_one_that_hears_other_kinds(self, answers):
        on_timestamp(TimestampDeletedEvent, sender=Note, name="testapp.mourner")(lambda event: None)
        note = make()
        assert answers(note)[1:] == [
            "testapp.mourner hears timestamp_deleted of testapp.note, and none of these events is such a one."
        ]

    def test_one_that_would_hear_it_if_there_were_anything(self, answers):
        on_timestamp(TimestampDeletedEvent, name="testapp.mourner")(lambda event: None)
        with without_events(Note):
            note = make()
        assert answers(note)[1:] == ["testapp.mourner hears timestamp_deleted, and there is no event of it."]

    def test_one_that_does_not_subscribe_any_more_and_failed_before(self, answers):
        with only_handlers():
            Ear()
            note = make()
        park(position=1, entity_id=str(note.pk), attempts=10)
        Ear(sender=Product)
        assert answers(note)[1].startswith("testapp.ear gave #1 up after 10 attempts. ")

    def test_the_handler_narrows_the_whole_story(self, rows):
        Ear("testapp.first", error=ValueError("no"))
        Ear("testapp.second", error=ValueError("no"))
        note = make()
        _, (row,) = rows(EXPLAIN, "note", str(note.pk), "--handler", "testapp.second")
        assert [outcome["handler"] for event in row["events"] for outcome in event["outcomes"]] == ["testapp.second"]
        assert [parked["handler"] for parked in row["parked"]] == ["testapp.second"]
        assert len(row["answers"]) == 2

    def test_an_unknown_handler_is_refused(self, run):
        Ear()
        note = make()
        for words in ([], ["--database", "default"]):
            done = run(EXPLAIN, "note", str(note.pk), "--handler", "testapp.eer", *words)
            assert done.code == 2
            assert "did you mean 'testapp.ear'?" in done.err

    def test_one_that_writes_elsewhere_is_found_there(self, answers):
        Ear(using="other", error=ValueError("no"))
        note = make()
        assert answers(note)[1].startswith("testapp.ear failed on #1 once")


def test_missing_tables_are_told(delivering, rows):
    note = Note.objects.create()
    with dropped(Event, Pending):
        code, (row,) = rows(EXPLAIN, "note", str(note.pk), "--database", "default")
    assert code == 1
    assert row["error"].startswith("The tables of the event log")
    assert row["answers"] is None


def test_without_handlers_no_table_of_delivery_is_needed(delivering, rows):
    note = Note.objects.create()
    with dropped(Subscription, ParkedEvent):
        assert rows(EXPLAIN, "note", str(note.pk), "--database", "default")[0] == 0


def test_a_database_that_cannot_be_asked_is_a_row(delivering, rows, unreachable):
    note = Note.objects.create()
    code, found = rows(EXPLAIN, "note", str(note.pk))
    assert code == 2
    assert [(row["database"], row["error"] is None) for row in found] == [("default", True), ("away", False)]
