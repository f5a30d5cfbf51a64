"""``timestamps_explain``: what became of an entity's events with a handler."""

import shlex
from datetime import timedelta
from types import SimpleNamespace

import pytest

from django_clean_timestamps.context import without_events
from django_clean_timestamps.delivery.drain import drain
from django_clean_timestamps.delivery.models import ParkedEvent, Subscription
from django_clean_timestamps.delivery.operations import pause, replay_entity, skip
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
from tests.management.explaining import BOTH, DEFAULT, EXPLAIN, make, only_sequenced
from tests.testapp.models import Box, Currency, Note, Product, Seat, Token


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
