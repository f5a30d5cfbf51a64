from io import StringIO

import pytest
from django.core import checks
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import isolate_apps

from django_clean_timestamps.checks.entities import ENTITY_CHECKS
from django_clean_timestamps.checks.log import check_log_database, check_routers
from django_clean_timestamps.eventlog.models import Event, LogHead
from django_clean_timestamps.models import BaseTimestampEntity
from tests.eventlog.log import dropped

BOTH = pytest.mark.django_db(databases=["default", "other"])


class NoLogOnOther:
    def allow_migrate(self, db, app_label, **hints):
        return not (db == "other" and app_label == "clean_timestamps")


class NoHeadOnOther:
    def allow_migrate(self, db, app_label, model_name=None, **hints):
        return not (db == "other" and model_name == "loghead")


class NothingOnOther:
    def allow_migrate(self, db, app_label, **hints):
        return db == "default"


def test_the_checks_are_registered():
    registered = checks.registry.registry.get_checks()
    assert {check_routers, check_log_database} <= set(registered)


class TestRouters:
    def refused(self, settings, router):
        settings.DATABASE_ROUTERS = [f"tests.checks.test_log_checks.{router.__name__}"]
        return check_routers(None)

    def test_the_routers_of_this_project_refuse_nothing(self):
        assert check_routers(None) == []

    def test_a_log_that_may_not_be_where_its_entities_are_is_an_error(self, settings):
        (message,) = self.refused(settings, NoLogOnOther)
        assert message.id == "clean_timestamps.E020"
        assert "in the database 'other'" in message.msg
        assert "clean_timestamps.Pending, clean_timestamps.Event, clean_timestamps.LogHead" in message.msg
        assert message.hint.startswith("Let allow_migrate('other', 'clean_timestamps')")

    def test_some_entities_are_named_and_the_others_counted(self, settings):
        (message,) = self.refused(settings, NoLogOnOther)
        assert "let entities (" in message.msg
        assert message.msg.count(", ") < 10
        assert " more) be in" in message.msg

    def test_a_part_of_the_log_is_not_enough(self, settings):
        (message,) = self.refused(settings, NoHeadOnOther)
        assert "(clean_timestamps.LogHead)" in message.msg

    def test_where_no_entity_is_no_log_is_needed(self, settings):
        assert self.refused(settings, NothingOnOther) == []

    def test_without_events_no_log_is_needed(self, settings):
        settings.CLEAN_TIMESTAMPS = {"EVENTS": False}
        assert self.refused(settings, NoLogOnOther) == []

    def test_bad_settings_are_told_by_their_own_check_alone(self, settings):
        settings.CLEAN_TIMESTAMPS = {"EVENT": False}
        assert self.refused(settings, NoLogOnOther) == []


class TestTables:
    @BOTH
    def test_a_migrated_database_has_no_problem(self):
        assert check_log_database(None, databases=["default", "other"]) == []

    def test_databases_are_looked_into_only_on_request(self):
        assert check_log_database(None) == []

    def test_missing_tables_are_warned_of(self, committing):
        with dropped(Event, LogHead):
            default, *others = check_log_database(None, databases=["default", "other"])
        assert others == []
        assert default.id == "clean_timestamps.W021"
        assert "(clean_timestamps_event, clean_timestamps_loghead)" in default.msg
        assert "migrate clean_timestamps --database default" in default.hint

    def test_migrate_can_still_make_them(self, committing):
        with dropped(Event):
            call_command("migrate", "clean_timestamps", skip_checks=False, verbosity=0, stderr=StringIO())
            with pytest.raises(CommandError, match="W021"):
                call_command("check", databases=["default"], fail_level="WARNING", stderr=StringIO())

    @BOTH
    @pytest.mark.parametrize("router", [NothingOnOther, NoLogOnOther])
    def test_a_database_that_is_to_have_no_log_is_passed_over(self, settings, router, monkeypatch):
        monkeypatch.setattr("django_clean_timestamps.checks.log.missing_tables", lambda alias: ["a"])
        settings.DATABASE_ROUTERS = [f"tests.checks.test_log_checks.{router.__name__}"]
        assert check_log_database(None, databases=["other"]) == []

    @BOTH
    def test_a_database_whose_entities_are_not_there_yet_is_passed_over(self, monkeypatch):
        monkeypatch.setattr("django_clean_timestamps.checks.log.missing_tables", lambda alias: ["a"])
        monkeypatch.setattr("django_clean_timestamps.checks.log.holds_entities", lambda alias: False)
        assert check_log_database(None, databases=["default"]) == []

    def test_without_events_no_table_is_missed(self, committing, settings):
        settings.CLEAN_TIMESTAMPS = {"EVENTS": False}
        with dropped(Event):
            assert check_log_database(None, databases=["default"]) == []


@pytest.mark.postgres
@pytest.mark.django_db
def test_a_sequence_with_a_cache_is_an_error():
    with connection.cursor() as cursor:
        cursor.execute("ALTER SEQUENCE clean_timestamps_pending_id_seq CACHE 20")
    (message,) = check_log_database(None, databases=["default"])
    assert message.id == "clean_timestamps.E022"
    assert "has a cache of 20" in message.msg
    with connection.cursor() as cursor:
        cursor.execute(message.hint.split("'")[1])
    assert check_log_database(None, databases=["default"]) == []


@pytest.mark.mariadb
@pytest.mark.django_db
def test_ids_of_several_nodes_are_warned_of():
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION auto_increment_increment = 3")
        try:
            (message,) = check_log_database(None, databases=["default"])
        finally:
            cursor.execute("SET SESSION auto_increment_increment = 1")
    assert message.id == "clean_timestamps.W024"
    assert "auto_increment_increment is 3 in 'default'" in message.msg


@pytest.mark.parametrize(("length", "expected"), [(120, []), (121, ["clean_timestamps.E023"])])
@isolate_apps("tests.testapp")
def test_a_label_that_is_too_long_for_the_log_is_an_error(length, expected):
    assert entity_ids("L" * (length - len("testapp."))) == expected


@isolate_apps("tests.testapp")
def test_of_a_proxy_the_label_of_its_concrete_model_counts():
    class Short(BaseTimestampEntity):
        class Meta:
            app_label = "testapp"

    meta = type("Meta", (), {"app_label": "testapp", "proxy": True})
    proxy = type("L" * 150, (Short,), {"__module__": __name__, "Meta": meta})
    assert [message.id for check in ENTITY_CHECKS for message in check(proxy)] == []


def entity_ids(name):
    meta = type("Meta", (), {"app_label": "testapp", "db_table": "short"})
    model = type(name, (BaseTimestampEntity,), {"__module__": __name__, "Meta": meta})
    return [message.id for check in ENTITY_CHECKS for message in check(model)]
