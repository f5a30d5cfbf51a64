from contextlib import suppress
from copy import deepcopy

import pytest
from django.db import Error, connections

from django_clean_timestamps.delivery.models import ParkedEvent, Subscription
from django_clean_timestamps.eventlog.models import Event, LogHead, Pending
from tests.eventlog import odd_keys
from tests.eventlog.log import empty_log
from tests.testapp.models import Note, Project, Task
from tests.unit_of_work.conftest import Database


@pytest.fixture
def committing(django_db_setup, django_db_blocker):
    """
    Let the test commit, on both aliases, and empty the tables that these tests write.

    A flush of every table, as ``django_db(transaction=True)`` does it, takes a second on a server.
    """
    with django_db_blocker.unblock():
        for alias in ("default", "other"):
            # A test that was flushed has left no head.
            empty_log(alias)
        yield
        for alias in ("default", "other"):
            with suppress(Error):
                connections[alias].rollback()
            connections[alias].set_autocommit(True)
            with connections[alias].cursor() as cursor:
                for model in (Task, Project, Note):
                    cursor.execute(f"DELETE FROM {model._meta.db_table}")
            empty_log(alias)


@pytest.fixture
def shared_database(committing, vendor, tmp_path, monkeypatch):
    """Return a database that each thread opens for itself: a file where it is SQLite."""
    changes = {}
    if vendor == "sqlite":
        changes = {
            "NAME": str(tmp_path / "shared.sqlite3"),
            "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 30},
        }
    database = Database("shared", {**deepcopy(connections["default"].settings_dict), **changes})
    # Known to the site, too, as long as the test runs.
    monkeypatch.setitem(connections.settings, "shared", database.settings)
    with database.opened() as connection:
        if vendor == "sqlite":
            with connection.schema_editor() as editor:
                for model in (Note, Pending, Event, LogHead, Subscription, ParkedEvent):
                    editor.create_model(model)
        yield database


@pytest.fixture(scope="session")
def odd_tables(django_db_setup, django_db_blocker):
    """Make the tables of the entities with odd keys; no app has them in its models."""
    with django_db_blocker.unblock():
        connection = connections["default"]
        there = connection.introspection.table_names()
        with connection.schema_editor() as editor:
            for model in odd_keys.ALL:
                if model._meta.db_table not in there:
                    editor.create_model(model)
