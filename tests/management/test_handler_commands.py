"""What all commands of handlers do alike, and the short ones among them."""

import pytest
from django.db import connections

from django_clean_timestamps.delivery.drain import drain
from django_clean_timestamps.delivery.models import Subscription
from django_clean_timestamps.delivery.registry import only_handlers
from tests.eventlog.log import add_pending, dropped
from tests.management.ears import Ear, park

PAUSE, RESUME, FORGET, RENAME = ("timestamps_pause", "timestamps_resume", "timestamps_forget", "timestamps_rename")
BOTH = pytest.mark.django_db(databases=["default", "other"])


def drain_both():
    drain("default")
    drain("other")


def states(handler="testapp.ear", using="default"):
    shards = Subscription.objects.using(using).filter(handler=handler).order_by("log_alias", "slot_from")
    return list(shards.values_list("state", flat=True))


class TestPlaces:
    @BOTH
    def test_each_log_that_the_handler_hears_is_a_row(self, rows):
        Ear(shards=2)
        drain_both()
        assert rows(PAUSE, "testapp.ear") == (
            0,
            [
                {"database": "default", "using": "default", "handler": "testapp.ear", "paused": 2, "error": None},
                {"database": "other", "using": "other", "handler": "testapp.ear", "paused": 2, "error": None},
            ],
        )

    @BOTH
    def test_the_log_can_be_named(self, run):
        Ear()
        drain_both()
        assert run(PAUSE, "testapp.ear", "--database", "other").out == "other: testapp.ear: 1 shard paused\n"
        assert (states(), states(using="other")) == (["active"], ["paused"])

    @BOTH
    def test_a_subscription_that_lives_elsewhere_is_told(self, run):
        Ear(using="other")
        drain("default")
        assert run(PAUSE, "testapp.ear").out == "default, in other: testapp.ear: 1 shard paused\n"
        assert states(using="other") == ["paused"]
        # Also where its log is named.
        assert (
            run(RESUME, "testapp.ear", "--database", "default").out
            == "default, in other: testapp.ear: 1 shard resumed\n"
        )

    @BOTH
    def test_a_handler_that_is_gone_from_the_code_is_found(self, run):
        Ear()
        drain("default")
        with only_handlers():
            assert run(PAUSE, "testapp.ear").out == "default: testapp.ear: 1 shard paused\n"

    @BOTH
    def test_what_is_parked_is_enough_to_be_found(self, run):
        park("testapp.gone")
        assert run(FORGET, "testapp.gone").out == "default: testapp.gone: forgotten, 0 shards and 1 parked event\n"

    @BOTH
    def test_another_log_than_it_hears_is_refused(self, run):
        Ear(using="other")
        drain("default")
        done = run(PAUSE, "testapp.ear", "--database", "other")
        assert done.code == 2
        assert done.err == "'testapp.ear' has no subscription to the log of other; it has to that of default."

    @BOTH
    def test_a_handler_that_has_not_begun_is_refused_with_the_way_out(self, run):
        Ear()
        done = run(PAUSE, "testapp.ear")
        assert done.code == 2
        assert done.err == (
            "'testapp.ear' has no subscription yet: it begins at its first drain. Run 'manage.py timestamps_relay' first."
        )
        done = run(PAUSE, "testapp.ear", "--database", "other")
        assert done.err.startswith("'testapp.ear' has no subscription to the log of other yet: ")

    @BOTH
    def test_an_unknown_name_is_refused_with_those_that_are_near_and_known(self, run):
        Ear("testapp.search")
        with only_handlers():
            Ear("testapp.gone")
            drain("default")
        done = run(PAUSE, "testapp.serach")
        assert done.code == 2
        assert done.err == (
            "There is no handler 'testapp.serach': did you mean 'testapp.search'? Known are testapp.gone, testapp.search."
        )

    @BOTH
    def test_where_there_is_no_handler_it_is_said_where_they_stand(self, run):
        done = run(PAUSE, "testapp.ear")
        assert done.code == 2
        assert "none is in the code, where they stand in timestamp_handlers.py of an installed app" in done.err

    @BOTH
    def test_an_unknown_database_is_refused(self, run):
        assert run(PAUSE, "testapp.ear", "--database", "third").err.startswith("There is no database 'third'")

    def test_a_database_that_cannot_be_asked_is_a_row_and_keeps_nobody_waiting(
        self, delivering, rows, run, unreachable
    ):
        Ear()
        drain("default")
        code, found = rows(PAUSE, "testapp.ear")
        assert code == 2
        assert [(row["using"], row["paused"]) for row in found] == [("default", 1), ("away", None)]
        assert found[1].keys() == found[0].keys()
        assert found[1]["error"]
        assert states() == ["paused"]
        done = run(PAUSE, "testapp.eer")
        assert "The database 'away' could not be asked: " in done.err

    def test_where_a_log_is_named_only_what_its_handlers_write_to_is_asked(self, delivering, rows, unreachable):
        Ear()
        drain("default")
        assert rows(PAUSE, "testapp.ear", "--database", "default")[0] == 0

    def test_a_database_without_the_tables_is_passed_over(self, delivering, run):
        Ear()
        drain("default")
        with dropped(Subscription, using="other"):
            assert run(PAUSE, "testapp.ear").code == 0

    @BOTH
    def test_a_database_that_must_not_have_the_tables_is_passed_over(self, run, settings):
        Ear()
        drain_both()
        settings.DATABASE_ROUTERS = ["tests.management.test_handler_commands.NoDeliveryOnOther"]
        assert run(PAUSE, "testapp.ear").out == "default: testapp.ear: 1 shard paused\n"

    @pytest.mark.postgres
    @BOTH
    def test_a_replica_is_passed_over(self, run):
        Ear()
        drain_both()
        with connections["other"].cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
        done = run(PAUSE, "testapp.ear")
        assert (done.code, done.out, done.err) == (0, "default: testapp.ear: 1 shard paused\n", "")


class NoDeliveryOnOther:
    def allow_migrate(self, db, app_label, model_name=None, **hints):
        return not (db == "other" and model_name == "subscription")


@BOTH
class TestPauseAndResume:
    def test_a_paused_handler_hears_nothing_until_it_is_resumed(self, run, rung):
        ear = Ear()
        drain("default")
        run(PAUSE, "testapp.ear")
        add_pending(1)
        drain("default")
        assert ear.heard == []
        assert rung == []
        assert run(RESUME, "testapp.ear").out == "default: testapp.ear: 1 shard resumed\n"
        assert rung == ["default"]
        drain("default")
        assert ear.reasons == ["1"]

    def test_what_is_so_already_is_said(self, run):
        Ear()
        drain("default")
        assert run(RESUME, "testapp.ear").out == "default: testapp.ear: was active already\n"
        run(PAUSE, "testapp.ear")
        assert run(PAUSE, "testapp.ear").out == "default: testapp.ear: was paused already\n"

    def test_the_keys_of_json(self, rows):
        Ear()
        drain("default")
        (row,) = rows(RESUME, "testapp.ear")[1]
        assert row == {"database": "default", "using": "default", "handler": "testapp.ear", "resumed": 0, "error": None}


@BOTH
class TestForget:
    def test_a_handler_that_is_gone_is_forgotten_everywhere(self, rows, rung):
        with only_handlers():
            Ear("testapp.gone", shards=2)
            drain_both()
        park("testapp.gone")
        names = {"handler": "testapp.gone", "error": None}
        assert rows(FORGET, "testapp.gone") == (
            0,
            [
                {"database": "default", "using": "default", "shards": 2, "parked": 1, **names},
                {"database": "other", "using": "other", "shards": 2, "parked": 0, **names},
            ],
        )
        assert not Subscription.objects.exists()
        assert rung == []

    def test_one_that_is_in_the_code_is_kept_unless_it_is_forced(self, run):
        Ear()
        drain("default")
        done = run(FORGET, "testapp.ear")
        assert (done.code, done.out) == (1, "")
        assert done.err.startswith("default: 'testapp.ear' is in the code: ")
        assert Subscription.objects.count() == 1
        done = run(FORGET, "testapp.ear", "--force")
        assert done.out == "default: testapp.ear: forgotten, 1 shard and 0 parked events\n"


@BOTH
class TestRename:
    def test_another_name_goes_on_where_the_old_one_was(self, rows, rung):
        with only_handlers():
            Ear("testapp.old")
            drain("default")
        ear = Ear("testapp.new")
        add_pending(1)
        assert rows(RENAME, "testapp.old", "testapp.new") == (
            0,
            [
                {
                    "database": "default",
                    "using": "default",
                    "handler": "testapp.old",
                    "new": "testapp.new",
                    "shards": 1,
                    "error": None,
                }
            ],
        )
        assert rung == ["default"]
        drain("default")
        assert ear.reasons == ["1"]

    def test_the_new_name_need_not_be_in_the_code_yet(self, run):
        Ear("testapp.old")
        drain("default")
        assert (
            run(RENAME, "testapp.old", "testapp.new").out == "default: testapp.old: goes by testapp.new now, 1 shard\n"
        )

    def test_a_name_that_has_a_subscription_is_refused(self, run):
        Ear("testapp.old")
        Ear("testapp.new")
        drain("default")
        done = run(RENAME, "testapp.old", "testapp.new")
        assert done.code == 1
        assert "'testapp.new' has a subscription already" in done.err

    def test_the_same_name_is_refused(self, run):
        Ear()
        drain("default")
        done = run(RENAME, "testapp.ear", "testapp.ear")
        assert (done.code, done.err) == (2, "The names are the same, 'testapp.ear'.")

    def test_a_handler_that_writes_elsewhere_is_refused(self, run):
        with only_handlers():
            Ear("testapp.old")
            drain("default")
        Ear("testapp.new", using="other")
        done = run(RENAME, "testapp.old", "testapp.new")
        assert done.code == 1
        assert "'testapp.new' writes to 'other', and the subscription of 'testapp.old' is in 'default'" in done.err
        assert states("testapp.old") == ["active"]
