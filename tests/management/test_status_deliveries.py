"""What timestamps_status tells of handlers."""

from datetime import timedelta

import pytest
from django.db import connections

from django_clean_timestamps.delivery.drain import drain
from django_clean_timestamps.delivery.models import Subscription
from django_clean_timestamps.delivery.operations import pause, reshard
from django_clean_timestamps.delivery.places import Place
from django_clean_timestamps.delivery.registry import only_handlers
from django_clean_timestamps.eventlog.fields import database_now
from django_clean_timestamps.eventlog.models import Event
from tests.eventlog.aged import make_older
from tests.eventlog.log import add_pending, dropped
from tests.management.ears import Ear, park

STATUS = "timestamps_status"
DEFAULT = Place("default", "default")
BOTH = pytest.mark.django_db(databases=["default", "other"])


@pytest.fixture
def status(run):
    """Return a function that returns the exit code, and the lines of the log of default from the subscriptions on."""

    def status(*words):
        done = run(STATUS, "--database", "default", *words)
        lines = [line.removeprefix("  ") for line in done.out.splitlines()]
        return done.code, lines[6:]

    return status


def lag_behind(count):
    """Give positions to events that the handlers do not hear yet."""
    add_pending(count)
    with only_handlers():
        drain("default")


@BOTH
class TestSubscriptions:
    def test_each_shard_is_a_line(self, status):
        Ear("testapp.whole")
        Ear("testapp.divided", shards=2)
        drain("default")
        assert status() == (
            0,
            [
                "subscriptions",
                "  testapp.divided [0-127]    up to date",
                "  testapp.divided [128-255]  up to date",
                "  testapp.whole              up to date",
            ],
        )

    def test_one_that_lives_elsewhere_is_told(self, status):
        Ear(using="other")
        drain("default")
        assert status() == (0, ["subscriptions", "  testapp.ear, in other  up to date"])

    def test_how_far_one_is_behind(self, status):
        Ear()
        drain("default")
        lag_behind(1_002)
        make_older(0.1)
        assert status() == (
            0,
            ["subscriptions", "  testapp.ear  at 0, 1,002 behind, the first recorded 2 hours ago"],
        )

    def test_an_event_that_is_gone_has_no_age(self, status):
        Ear()
        drain("default")
        lag_behind(1)
        Event.objects.all().delete()
        assert status() == (0, ["subscriptions", "  testapp.ear  at 0, 1 behind"])

    def test_what_is_parked_is_counted(self, status):
        Ear()
        drain("default")
        park(state="retry")
        park(position=2, state="waiting")
        park(position=3, state="waiting")
        park(position=4, state="skipped")
        assert status() == (
            0,
            ["subscriptions", "  testapp.ear  up to date; 1 to be retried; 2 waiting behind them"],
        )

    def test_the_keys_of_json(self, rows):
        Ear()
        drain("default")
        Subscription.objects.update(lease_until=database_now("default"), owner="somebody")
        park()
        code, (row,) = rows(STATUS, "--database", "default")
        assert code == 1
        assert (row["dead"], row["unborn"], row["is_well"]) == (1, [], False)
        (finding,) = row["findings"]
        assert finding.startswith("1 event of testapp.ear is dead.")
        (subscription,) = row["subscriptions"]
        assert subscription.pop("lease_until").endswith("+00:00")
        assert subscription == {
            "handler": "testapp.ear",
            "using": "default",
            "log_alias": "default",
            "slot_from": 0,
            "slot_to": 255,
            "cursor": 0,
            "lag_count": 0,
            "lag_seconds": None,
            "state": "active",
            "resume_at": None,
            "problem": "",
            "owner": "somebody",
            "failures": 0,
            "retry_count": 0,
            "waiting_count": 0,
            "dead_count": 1,
            "replay_until": 0,
            "until": None,
            "shards_wanted": None,
            "shards_declared": 1,
            "is_orphan": False,
            "is_well": False,
        }

    def test_handlers_that_were_not_drained_yet_are_named(self, status, rows):
        Ear()
        Ear("testapp.second")
        assert status() == (
            0,
            [
                (
                    "Not drained yet since they came into the code: testapp.ear, testapp.second. Each begins at its first "
                    "drain, by a worker or 'manage.py timestamps_relay'."
                )
            ],
        )
        assert rows(STATUS, "--database", "default")[1][0]["unborn"] == ["testapp.ear", "testapp.second"]

    @pytest.mark.postgres
    def test_of_a_replica_no_handler_is_missed(self, rows):
        Ear()
        drain("default")
        with connections["other"].cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
        _, (_, other) = rows(STATUS)
        assert (other["database"], other["unborn"], other["findings"]) == ("other", [], [])


@BOTH
class TestWrong:
    def test_dead_events_are_counted_with_the_way_out(self, status):
        Ear()
        drain("default")
        park()
        park(position=2)
        code, lines = status()
        assert code == 1
        assert lines == [
            "subscriptions",
            "  testapp.ear  up to date; 2 dead",
            (
                "2 events of testapp.ear are dead. Run 'manage.py timestamps_retry testapp.ear' once what they failed of is "
                "mended."
            ),
        ]

    def test_a_handler_that_is_gone_is_named_with_what_it_keeps(self, status):
        with only_handlers():
            Ear("testapp.gone")
            drain("default")
        lag_behind(3)
        code, lines = status()
        assert code == 1
        assert lines[2] == (
            "testapp.gone is gone from the code and keeps 3 events, from #1 on, from being pruned. Run 'manage.py "
            "timestamps_forget testapp.gone' if it is gone for good, or 'manage.py timestamps_rename testapp.gone NEW' "
            "if it goes by another name now."
        )

    def test_that_nobody_moves_it_need_not_be_said_as_well(self, status):
        with only_handlers():
            Ear("testapp.gone")
            drain("default")
        lag_behind(1)
        make_older(1.5)
        assert len(status()[1]) == 3

    def test_it_keeps_what_is_still_there_only(self, status):
        with only_handlers():
            Ear("testapp.gone")
            drain("default")
        lag_behind(5)
        Event.objects.filter(position__lte=3).delete()
        assert "keeps 2 events, from #4 on, from being pruned" in status()[1][2]

    def test_one_that_is_up_to_date_keeps_what_comes(self, status):
        with only_handlers():
            Ear("testapp.gone")
            drain("default")
        assert "keeps every later event from being pruned" in status()[1][2]

    def test_a_handler_that_writes_elsewhere_now_has_left_a_subscription(self, status):
        with only_handlers():
            Ear()
            drain("default")
        Ear(using="other")
        lag_behind(1)
        code, lines = status()
        assert code == 1
        assert lines[2].startswith(
            "testapp.ear has no use for its subscription in 'default' any more: it writes to 'other'. Nobody moves it, "
            "and it keeps 1 event, from #1 on, from being pruned. Run 'manage.py timestamps_forget testapp.ear --force "
            "--database default'; where it still hears"
        )

    def test_a_handler_that_hears_nothing_of_the_log_now_has_left_a_subscription(self, status):
        with only_handlers():
            Ear()
            drain("default")
        Ear(sender="otherapp.Remote")
        code, lines = status()
        assert code == 1
        assert "it hears nothing of this log. Nobody moves it" in lines[2]

    def test_one_that_backs_off_is_told_with_its_problem(self, status):
        Ear(shards=2)
        drain("default")
        lag_behind(1)
        Subscription.objects.update(state="backing_off", failures=23, problem="ConnectionError: no route")
        code, lines = status()
        assert code == 1
        assert lines[1].startswith("  testapp.ear [0-127]    backs off, at 0, 1 behind")
        assert lines[3:] == [
            "testapp.ear backs off after 23 failures in a row, and tries now and then: ConnectionError: no route"
        ]

    def test_one_that_goes_no_further_is_told_with_its_problem(self, status):
        Ear()
        drain("default")
        Subscription.objects.update(problem="Event 7 was written by a newer release")
        code, lines = status()
        assert code == 1
        assert lines[2:] == ["testapp.ear goes no further: Event 7 was written by a newer release"]

    def test_one_that_nobody_has_moved_for_a_day_is_wrong(self, status):
        Ear()
        drain("default")
        lag_behind(2)
        make_older(1.5)
        code, lines = status()
        assert code == 1
        assert lines[2:] == [
            (
                "testapp.ear is 2 positions behind, the first recorded 1 day ago, and nobody has moved it for a day. Is a "
                "worker running, or 'manage.py timestamps_relay --watch'?"
            )
        ]

    def test_what_is_heard_again_may_be_old(self, status):
        Ear()
        drain("default")
        lag_behind(2)
        make_older(1.5)
        Subscription.objects.update(replay_until=2)
        assert status()[0] == 0


@BOTH
class TestWell:
    def test_a_pause_by_hand_is_told_and_not_wrong(self, status):
        Ear()
        drain("default")
        pause("testapp.ear", DEFAULT)
        lag_behind(1)
        make_older(1.5)
        code, lines = status()
        assert code == 0
        assert lines == [
            "subscriptions",
            "  testapp.ear  paused, at 0, 1 behind, the first recorded 1 day ago",
            (
                "testapp.ear is paused, and 1 position behind, the first recorded 1 day ago. 'manage.py timestamps_resume "
                "testapp.ear' lets it go on."
            ),
        ]

    def test_a_paused_one_without_news_is_up_to_date(self, status):
        Ear()
        drain("default")
        pause("testapp.ear", DEFAULT)
        assert status()[1][2].startswith("testapp.ear is paused, and up to date.")

    def test_another_number_of_shards_is_told_and_not_wrong(self, status):
        with only_handlers():
            Ear(shards=2)
            drain("default")
        Ear(shards=4)
        code, lines = status()
        assert code == 0
        assert lines[3:] == [
            (
                "testapp.ear asks for 4 shards in the code and has 2, which counts. Run 'manage.py timestamps_reshard "
                "testapp.ear 4', or say shards=2."
            )
        ]

    def test_a_division_that_is_under_way_is_told(self, status):
        Ear()
        drain("default")
        pause("testapp.ear", DEFAULT)
        reshard("testapp.ear", DEFAULT, 3)
        assert status() == (
            0,
            [
                "subscriptions",
                "  testapp.ear  paused, up to date",
                "testapp.ear is on its way from 1 shard to 3.",
                "testapp.ear is paused, and up to date. 'manage.py timestamps_resume testapp.ear' lets it go on.",
            ],
        )


def test_missing_tables_of_delivery_are_wrong_where_a_handler_needs_them(delivering, status):
    with dropped(Subscription):
        assert status() == (0, [])
        Ear("testapp.first", sender="testapp.note")
        Ear("testapp.second")
        Ear("testapp.elsewhere", using="other")
        code, lines = status()
    assert code == 1
    assert lines[0] == (
        "The tables of delivery are missing in 'default', which testapp.first, testapp.second would have a subscription "
        "in. Run 'manage.py migrate clean_timestamps --database default'."
    )


def test_a_database_of_a_handlers_that_cannot_be_asked_is_unknown(delivering, run, unreachable, settings):
    settings.DATABASE_ROUTERS = ["tests.management.test_status_deliveries.NoEntitiesAway"]
    Ear(using="away")
    done = run(STATUS, "--database", "default")
    assert done.code == 2
    assert "The subscriptions in 'away' could not be read: " in done.out
    # What no handler of the log writes to is nothing to it.
    with only_handlers():
        assert run(STATUS).code == 0


class NoEntitiesAway:
    def allow_migrate(self, db, app_label, **hints):
        return db != "away" or app_label == "clean_timestamps"


def test_one_that_backs_off_says_until_when(delivering, rows):
    Ear()
    drain("default")
    resume_at = database_now("default") + timedelta(seconds=40)
    Subscription.objects.update(state="backing_off", resume_at=resume_at)
    _, (row,) = rows(STATUS, "--database", "default")
    assert row["subscriptions"][0]["resume_at"].endswith("+00:00")
