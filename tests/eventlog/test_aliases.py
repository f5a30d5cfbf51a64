import pytest
from django.db import connection

from django_clean_timestamps.eventlog.aliases import (
    entity_aliases,
    has_log,
    holds_entities,
    is_read_only,
    missing_tables,
)
from django_clean_timestamps.eventlog.models import Event, LogHead
from django_clean_timestamps.testing import drain_all
from tests.eventlog.log import add_pending, dropped


class NoEntities:
    def allow_migrate(self, db, app_label, **hints):
        return db == "default" if app_label in {"testapp", "tracker", "codebase", "besideapp", "otherapp"} else None


def test_entities_can_be_wherever_the_routers_let_one_be(settings):
    assert entity_aliases() == ("default", "other")
    settings.DATABASE_ROUTERS = [NoEntities()]
    assert entity_aliases() == ("default",)


@pytest.mark.django_db(databases=["default", "other"])
def test_a_database_holds_entities_where_the_table_of_one_is_there(settings):
    assert holds_entities("default")
    assert holds_entities("other")
    settings.DATABASE_ROUTERS = [NoEntities()]
    assert not holds_entities("other")
    assert has_log("other")


def test_the_tables_that_are_missing_are_named(committing):
    assert missing_tables("default") == ()
    with dropped(Event, LogHead):
        assert missing_tables("default") == ("clean_timestamps_event", "clean_timestamps_loghead")
        assert has_log("default")


def test_a_database_with_neither_entities_nor_tables_has_no_log(committing, settings):
    settings.DATABASE_ROUTERS = [NoEntities()]
    with dropped(Event, using="other"):
        assert not has_log("other")


@pytest.mark.django_db
def test_a_database_that_takes_writes_is_not_read_only():
    assert not is_read_only("default")


@pytest.mark.postgres
@pytest.mark.django_db
def test_a_session_that_may_not_write_is_read_only():
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")
    assert is_read_only("default")


class LogOnDefaultAlone:
    def allow_migrate(self, db, app_label, **hints):
        return db == "default" if app_label == "clean_timestamps" else None


@pytest.mark.django_db(databases=["default", "other"])
def test_everything_is_drained_wherever_the_routers_let_a_log_be(settings):
    for alias in ("default", "other"):
        add_pending(2, alias)
    settings.DATABASE_ROUTERS = [LogOnDefaultAlone()]
    assert drain_all() == 2
    settings.DATABASE_ROUTERS = []
    assert drain_all() == 2
