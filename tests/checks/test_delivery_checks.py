import pytest
from django.core import checks

from django_clean_timestamps.checks.delivery import check_delivery, check_delivery_database
from django_clean_timestamps.delivery.drain import drain
from django_clean_timestamps.delivery.models import ParkedEvent, Subscription
from django_clean_timestamps.delivery.operations import reshard
from django_clean_timestamps.delivery.places import Place
from django_clean_timestamps.delivery.registry import on_timestamp, only_handlers
from tests.eventlog.log import dropped

BOTH = pytest.mark.django_db(databases=["default", "other"])


def hear(event):
    pass


def handler(name="testapp.ear", **options):
    on_timestamp(name=name, **options)(hear)


def router(settings, kind):
    settings.DATABASE_ROUTERS = [f"tests.checks.test_delivery_checks.{kind.__name__}"]


class NoDeliveryOnOther:
    def allow_migrate(self, db, app_label, model_name=None, **hints):
        return not (db == "other" and model_name in ("subscription", "parkedevent"))


class NoParkingOnOther:
    def allow_migrate(self, db, app_label, model_name=None, **hints):
        return not (db == "other" and model_name == "parkedevent")


def test_the_checks_are_registered():
    registered = checks.registry.registry.get_checks(include_deployment_checks=True)
    assert {check_delivery, check_delivery_database} <= set(registered)


class TestRouters:
    def test_those_of_this_project_refuse_nothing(self):
        handler()
        assert check_delivery(None) == []

    def test_tables_that_may_not_be_where_handlers_write_are_an_error(self, settings):
        for number in range(5):
            handler(f"testapp.ear{number}")
        router(settings, NoDeliveryOnOther)
        (message,) = check_delivery(None)
        assert (message.id, message.level) == ("clean_timestamps.E040", checks.ERROR)
        assert message.msg == (
            "Handlers (testapp.ear0, testapp.ear1, testapp.ear2 and 2 more) keep their subscriptions in the database "
            "'other', where DATABASE_ROUTERS do not let their tables be (clean_timestamps.Subscription, "
            "clean_timestamps.ParkedEvent): nothing could be delivered."
        )
        assert message.hint.startswith("Let allow_migrate('other', 'clean_timestamps') return True or None")

    def test_one_table_is_not_enough(self, settings):
        handler()
        router(settings, NoParkingOnOther)
        (message,) = check_delivery(None)
        assert "(clean_timestamps.ParkedEvent)" in message.msg

    def test_where_no_handler_writes_none_is_needed(self, settings):
        router(settings, NoDeliveryOnOther)
        assert check_delivery(None) == []
        handler(using="default")
        assert check_delivery(None) == []

    def test_where_a_handler_hears_no_log_none_is_needed(self, settings):
        handler(sender="otherapp.remote", using="default")
        router(settings, NoDeliveryOnOther)
        assert check_delivery(None) == []

    def test_where_a_handler_says_it_writes_they_are_needed(self, settings):
        handler(sender="testapp.note", using="other")
        router(settings, NoDeliveryOnOther)
        assert [message.id for message in check_delivery(None)] == ["clean_timestamps.E040"]


class TestLabels:
    @pytest.mark.parametrize("label", ["testapp.note", "testapp.Note", "testapp.noteproxy", "otherapp.remote"])
    def test_an_entity_may_be_heard(self, label):
        handler(sender=label)
        assert check_delivery(None) == []

    @pytest.mark.parametrize("label", ["testapp.nte", "shop.order", "testapp.box"])
    def test_what_is_no_entity_is_warned_of(self, label):
        handler(sender=["testapp.note", label])
        (message,) = check_delivery(None)
        assert (message.id, message.level) == ("clean_timestamps.W041", checks.WARNING)
        assert message.msg == (
            f"The handler testapp.ear hears {label!r}, which is no installed entity: there will be no event of it."
        )
        assert "silence clean_timestamps.W041" in message.hint


class TestSettings:
    def test_handlers_hear_nothing_where_no_events_are_written(self, settings):
        settings.CLEAN_TIMESTAMPS = {"EVENTS": False}
        assert check_delivery(None) == []
        handler()
        (message,) = check_delivery(None)
        assert (message.id, message.level) == ("clean_timestamps.W042", checks.WARNING)
        assert message.msg == "CLEAN_TIMESTAMPS['EVENTS'] is False, so the handlers hear nothing (testapp.ear)."

    def test_bad_settings_are_told_by_their_own_check_alone(self, settings):
        handler(sender="testapp.nte")
        settings.CLEAN_TIMESTAMPS = {"EVENT": False}
        assert check_delivery(None) == []


class TestTables:
    @pytest.fixture(autouse=True)
    def committing_too(self, committing):
        pass

    @pytest.mark.parametrize("model", [Subscription, ParkedEvent])
    def test_missing_ones_are_warned_of(self, model):
        handler()
        with dropped(model, using="other"):
            (message,) = check_delivery_database(None, databases=["default", "other"])
        assert (message.id, message.level) == ("clean_timestamps.W043", checks.WARNING)
        assert message.msg == (
            "The tables of delivery are missing in the database 'other', where handlers (testapp.ear) keep their "
            "subscriptions: nothing can be delivered."
        )
        assert message.hint == "Run 'manage.py migrate clean_timestamps --database other'."

    def test_where_no_handler_writes_none_is_missed(self):
        handler(using="default")
        with dropped(Subscription, using="other"):
            assert check_delivery_database(None, databases=["default", "other"]) == []

    def test_where_they_must_not_be_none_is_missed(self, settings):
        handler()
        router(settings, NoDeliveryOnOther)
        with dropped(Subscription, using="other"):
            assert check_delivery_database(None, databases=["other"]) == []

    def test_a_database_that_is_only_now_being_made_is_passed_over(self, monkeypatch):
        handler()
        monkeypatch.setattr("django.db.backends.base.introspection.BaseDatabaseIntrospection.table_names", lambda _: [])
        assert check_delivery_database(None, databases=["default"]) == []


@BOTH
class TestSubscriptions:
    def found(self):
        return check_delivery_database(None, databases=["default", "other"])

    def test_databases_are_looked_into_only_on_request(self):
        with only_handlers():
            handler("testapp.gone")
            drain("default")
        assert check_delivery_database(None) == []

    def test_those_that_the_code_fits_are_well(self):
        handler(shards=3)
        handler("testapp.elsewhere", using="other")
        drain("default")
        assert self.found() == []

    def test_one_whose_handler_is_gone_is_warned_of(self):
        with only_handlers():
            handler("testapp.gone", shards=2)
            drain("default")
        (message,) = self.found()
        assert (message.id, message.level) == ("clean_timestamps.W044", checks.WARNING)
        assert message.msg == (
            "Nobody moves the subscription of testapp.gone to the log of 'default', which lives in 'default': there is no "
            "such handler in the code. It keeps every event that it has not heard from being pruned."
        )
        assert message.hint == (
            "Run 'manage.py timestamps_rename testapp.gone NEW' if it goes by another name now, or 'manage.py "
            "timestamps_forget testapp.gone' if it is gone for good."
        )

    def test_one_whose_handler_writes_elsewhere_now_is_warned_of(self):
        with only_handlers():
            handler()
            drain("default")
        handler(using="other")
        (message,) = self.found()
        assert message.id == "clean_timestamps.W044"
        assert "which lives in 'default': the handler writes to 'other' now." in message.msg
        assert message.hint.startswith("Run 'manage.py timestamps_forget testapp.ear --force --database default'")

    def test_one_whose_handler_hears_nothing_of_the_log_now_is_warned_of(self):
        with only_handlers():
            handler()
            drain("default")
        handler(sender="otherapp.remote")
        (message,) = self.found()
        assert message.id == "clean_timestamps.W044"
        assert ": the handler hears nothing of this log any more." in message.msg

    def test_another_number_of_shards_is_warned_of(self):
        with only_handlers():
            handler(shards=2)
            drain("default")
        handler(shards=4)
        (message,) = self.found()
        assert (message.id, message.level) == ("clean_timestamps.W045", checks.WARNING)
        assert message.msg == (
            "The handler testapp.ear asks for shards=4, and its subscription to the log of 'default' has 2, which counts."
        )
        assert message.hint == "Run 'manage.py timestamps_reshard testapp.ear 4', or say shards=2."

    def test_one_that_is_being_divided_is_left_alone(self):
        with only_handlers():
            handler()
            drain("default")
        handler(shards=4)
        reshard("testapp.ear", Place("default", "default"), 4)
        assert self.found() == []
