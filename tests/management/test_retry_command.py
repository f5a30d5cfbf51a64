from uuid import UUID

import pytest

from django_clean_timestamps.delivery.drain import drain
from django_clean_timestamps.delivery.models import ParkedEvent
from tests.eventlog.log import add_pending
from tests.management.ears import Ear, Terminal, park

RETRY = "timestamps_retry"
BOTH = pytest.mark.django_db(databases=["default", "other"])


@pytest.fixture
def one_attempt(settings):
    settings.CLEAN_TIMESTAMPS = {"MAX_ATTEMPTS": 1}


def states(using="default"):
    return dict(ParkedEvent.objects.using(using).order_by("position").values_list("position", "state"))


@BOTH
class TestHandler:
    def test_dead_events_are_tried_again(self, run, rung, one_attempt):
        ear = Ear(error=ValueError("down"))
        add_pending(2)
        drain("default")
        assert states() == {1: "dead", 2: "dead"}
        done = run(RETRY, "testapp.ear")
        assert (done.code, done.out) == (0, "default: testapp.ear: 2 parked events to be tried at once\n")
        assert rung == ["default"]
        ear.error = None
        drain("default")
        # Of two entities, in whichever order.
        assert sorted(ear.reasons) == ["1", "2"]
        assert states() == {}

    def test_other_handlers_stay_as_they_are(self, run):
        Ear()
        drain("default")
        park()
        park("testapp.other")
        run(RETRY, "testapp.ear")
        assert set(ParkedEvent.objects.values_list("handler", "state")) == {
            ("testapp.ear", "retry"),
            ("testapp.other", "dead"),
        }

    def test_the_keys_of_json(self, rows):
        Ear()
        drain("default")
        park()
        names = {"database": "default", "using": "default", "handler": "testapp.ear"}
        assert rows(RETRY, "testapp.ear") == (0, [{**names, "retried": 1, "error": None}])

    def test_progress_is_shown_on_a_terminal(self, run):
        park()
        done = run(RETRY, "testapp.ear", stderr=Terminal())
        assert done.err.startswith("\rdefault: testapp.ear: 1 events …\r")

    def test_an_unknown_one_is_refused(self, run):
        Ear()
        done = run(RETRY, "testapp.eer")
        assert done.code == 2
        assert "did you mean 'testapp.ear'?" in done.err


@BOTH
class TestEvent:
    def test_one_is_chosen_by_its_number(self, run):
        first, second = park(), park(position=2, entity_id="2")
        done = run(RETRY, "--event", str(second.pk))
        assert (done.code, done.out) == (0, "default: testapp.ear: 1 parked event to be tried at once\n")
        assert states() == {1: "dead", 2: "retry"}
        assert first.pk != second.pk

    def test_an_events_id_chooses_it_for_every_handler_that_failed_on_it(self, run):
        event = {"event_id": UUID(int=9)}
        park(event=event)
        park("testapp.other", event=event)
        park(position=2, entity_id="2")
        assert run(RETRY, "--event", str(UUID(int=9))).out == (
            "default: testapp.ear: 1 parked event to be tried at once\n"
            "default: testapp.other: 1 parked event to be tried at once\n"
        )
        assert states()[2] == "dead"

    def test_the_handler_narrows_it(self, run):
        event = {"event_id": UUID(int=9)}
        park(event=event)
        park("testapp.other", event=event)
        assert run(RETRY, "testapp.other", "--event", UUID(int=9).hex).out == (
            "default: testapp.other: 1 parked event to be tried at once\n"
        )

    def test_a_number_that_several_databases_gave_must_be_narrowed(self, run):
        row = park()
        park("testapp.other", using="other", id=row.pk)
        done = run(RETRY, "--event", str(row.pk))
        assert done.code == 2
        assert done.err == (
            f"Several parked events have the number {row.pk}: one of testapp.ear (log of default, in default), one of "
            "testapp.other (log of other, in other). Name the handler or the --database as well, or the event's UUID."
        )
        assert run(RETRY, "--event", str(row.pk), "--database", "other").out.startswith("other: testapp.other: 1 ")
        assert run(RETRY, "--event", str(row.pk), "testapp.ear").out.startswith("default: testapp.ear: 1 ")

    def test_one_of_another_log_is_left_out_where_a_log_is_named(self, run):
        row = park("testapp.elsewhere", using="other", log_alias="default")
        done = run(RETRY, "--event", str(row.pk), "--database", "other")
        assert done.code == 2
        assert states("other") == {1: "dead"}

    def test_one_that_waits_names_the_one_that_it_waits_behind(self, run):
        first = park(state="retry")
        waiting = park(position=1_002, state="waiting")
        done = run(RETRY, "--event", str(waiting.pk))
        assert done.code == 1
        assert done.err == (
            f"default: Event #1,002 of testapp.note:1 waits behind #1: retry that, with --event {first.pk}\n"
        )
        first.delete()
        assert run(RETRY, "--event", str(waiting.pk)).err == "default: Event #1,002 of testapp.note:1 waits\n"

    def test_one_that_was_given_up_is_refused_with_the_way_out(self, run):
        row = park(state="skipped", last_error="Skipped, because it is a duplicate\nValueError: no")
        done = run(RETRY, "--event", str(row.pk))
        assert done.code == 1
        assert done.err == (
            "default: Event #1 of testapp.note:1 was given up (Skipped, because it is a duplicate); to have it heard all "
            "the same, run 'manage.py timestamps_replay testapp.ear --from 1 --entity testapp.note 1'\n"
        )

    @pytest.mark.parametrize(
        ("wanted", "words"), [("4711", "number 4711"), (str(UUID(int=4711)), f"event id {UUID(int=4711)}")]
    )
    def test_one_that_is_not_parked_is_refused(self, run, wanted, words):
        park()
        done = run(RETRY, "--event", wanted)
        assert (done.code, done.err) == (
            2,
            f"No parked event has the {words}; one that was handled is parked no more.",
        )
        done = run(RETRY, "testapp.ear", "--event", wanted)
        assert f"{words} and is of 'testapp.ear'" in done.err

    @pytest.mark.parametrize("wanted", ["soon", "-1", "1.5", str(2**63)])
    def test_it_must_be_a_number_or_an_id(self, run, wanted):
        done = run(RETRY, f"--event={wanted}")
        assert done.code == 1
        assert "is neither the number of a parked event nor the UUID of an event" in done.err


@BOTH
class TestAll:
    def test_those_of_every_handler_are_tried_again(self, run, rung):
        park()
        park("testapp.other", using="other")
        park("testapp.waits", state="waiting")
        park("testapp.gave_up", state="skipped")
        done = run(RETRY, "--all")
        assert done.out == (
            "default: testapp.ear: 1 parked event to be tried at once\n"
            "other: testapp.other: 1 parked event to be tried at once\n"
        )
        assert rung == ["default", "other"]

    def test_the_log_can_be_named(self, run):
        park()
        park(using="other")
        park("testapp.elsewhere", using="other", log_alias="default")
        assert (
            run(RETRY, "--all", "--database", "other").out == "other: testapp.ear: 1 parked event to be tried at once\n"
        )
        assert states() == {1: "dead"}

    def test_nothing_parked_is_well(self, run, rows):
        assert run(RETRY, "--all").out == "Nothing is parked.\n"
        assert rows(RETRY, "--all") == (0, [])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "Nothing was named"),
        (["--all", "testapp.ear"], "--all goes with nothing else"),
        (["--all", "--event", "1"], "--all goes with nothing else"),
    ],
)
def test_it_asks_nothing_so_the_way_must_be_said(run, words, told):
    done = run(RETRY, *words)
    assert done.code == 2
    assert done.err == (
        f"{told}: say HANDLER for its parked events, --event ID for one, or --all for those of every handler."
    )


def test_a_database_that_cannot_be_asked_is_told(delivering, run, rows, unreachable):
    done = run(RETRY, "--event", "4711")
    assert done.code == 2
    assert "'away' could not be asked: " in done.err
    code, found = rows(RETRY, "--all")
    assert code == 2
    assert [(row["using"], row["handler"]) for row in found] == [("away", None)]
