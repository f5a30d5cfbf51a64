"""The tables: as the protocol wants them, and such that releases can stand side by side."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connection, connections
from django.db.models import NOT_PROVIDED, CharField

from django_clean_timestamps.eventlog.fields import database_now
from django_clean_timestamps.eventlog.models import ENTITY_TYPE_LENGTH, HEAD_KEY, SCHEMA, Event, LogHead, Pending
from django_clean_timestamps.eventlog.sequencer import sequence
from django_clean_timestamps.events.validation import (
    ACTOR_LENGTH,
    CORRELATION_ID_LENGTH,
    ENTITY_ID_LENGTH,
    REASON_LENGTH,
)
from tests.eventlog.log import add_pending, empty_log

TABLES = (Pending, Event, LogHead)


def test_the_tables_have_the_names_of_the_app():
    assert [model._meta.db_table for model in TABLES] == [
        "clean_timestamps_pending",
        "clean_timestamps_event",
        "clean_timestamps_loghead",
    ]
    assert [model._meta.label for model in TABLES] == [f"clean_timestamps.{model.__name__}" for model in TABLES]


@pytest.mark.parametrize("model", TABLES)
def test_every_column_that_is_not_null_has_a_default_in_the_database(model):
    """So that an older release can still insert beside a newer migration."""
    bare = [f.name for f in model._meta.concrete_fields if not f.null and f.db_default is NOT_PROVIDED]
    assert bare == {Pending: ["id"], Event: ["position"], LogHead: []}[model]


@pytest.mark.parametrize("model", TABLES)
def test_no_foreign_key_leads_to_or_from_the_log(model):
    assert not [field for field in model._meta.get_fields(include_hidden=True) if field.is_relation]


def test_there_is_one_index_and_it_is_by_entity():
    assert [index.fields for index in Event._meta.indexes] == [["entity_type", "entity_id", "position"]]
    assert Pending._meta.indexes == []
    assert not [
        f.name for model in TABLES for f in model._meta.fields if (f.db_index or f.unique) and not f.primary_key
    ]


def test_the_texts_are_as_long_as_an_events_may_be():
    lengths = {field.name: field.max_length for field in Event._meta.fields if isinstance(field, CharField)}
    assert lengths == {
        "entity_type": ENTITY_TYPE_LENGTH,
        "entity_id": ENTITY_ID_LENGTH,
        "reason": REASON_LENGTH,
        "actor": ACTOR_LENGTH,
        "correlation_id": CORRELATION_ID_LENGTH,
    }
    assert (ENTITY_TYPE_LENGTH, ENTITY_ID_LENGTH) == (120, 200)


def test_an_event_may_be_seen_and_nothing_else():
    assert Event._meta.default_permissions == ("view",)
    assert Pending._meta.default_permissions == LogHead._meta.default_permissions == ()


@pytest.mark.django_db(databases=["default", "other"])
def test_the_migrations_are_those_of_the_models():
    call_command("makemigrations", "clean_timestamps", check=True, dry_run=True, verbosity=0)


@pytest.mark.django_db
def test_each_row_says_what_it_is():
    empty_log()
    add_pending(1, entity_id="7")
    assert str(Pending.objects.get()) == "testapp.note 7"
    sequence()
    assert str(Event.objects.get()) == "#1 testapp.note 7"
    assert str(LogHead.objects.get()) == "head 1"


@pytest.mark.django_db
@pytest.mark.parametrize("model", [Pending, Event])
def test_a_row_with_nothing_given_gets_the_databases_defaults(model):
    key = {} if model is Pending else {"position": 1}
    row = model._base_manager.create(**key)
    row.refresh_from_db()
    assert (row.event_id, row.schema, row.slot, row.kind) == (UUID(int=0), SCHEMA, 0, 0)
    assert (row.entity_type, row.entity_id, row.reason, row.actor, row.correlation_id) == ("",) * 5
    assert (row.previous_at, row.metadata) == (None, None)
    for time in (row.occurred_at, row.recorded_at):
        assert abs(time - datetime.now(UTC)) < timedelta(seconds=5)


@pytest.mark.django_db
def test_a_bare_insert_of_a_head_is_the_one_row():
    empty_log()
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO clean_timestamps_loghead (sequenced_at) VALUES (NULL)")
    head = LogHead.objects.get()
    assert (head.pk, head.position, head.sequenced_at) == (HEAD_KEY, 0, None)


@pytest.mark.django_db(databases=["default", "other"])
@pytest.mark.parametrize("alias", ["default", "other"])
def test_the_tables_are_on_every_alias(alias):
    names = connections[alias].introspection.table_names()
    assert {model._meta.db_table for model in TABLES} <= set(names)


@pytest.mark.django_db(databases=["default", "other"])
@pytest.mark.parametrize("alias", ["default", "other"])
def test_the_databases_clock_is_aware_utc(alias):
    now = database_now(alias)
    assert now.tzinfo is UTC
    assert abs(now - datetime.now(UTC)) < timedelta(seconds=5)


@pytest.mark.django_db
@pytest.mark.mariadb
def test_the_databases_clock_does_not_follow_mariadbs_session():
    with connection.cursor() as cursor:
        cursor.execute("SET time_zone = '+05:00'")
        try:
            add_pending(1)
            assert abs(database_now("default") - datetime.now(UTC)) < timedelta(seconds=5)
            assert abs(Pending.objects.get().recorded_at - datetime.now(UTC)) < timedelta(seconds=5)
        finally:
            cursor.execute("SET time_zone = DEFAULT")


@pytest.mark.django_db
@pytest.mark.postgres
def test_the_databases_clock_does_not_follow_postgresqls_session():
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL TIME ZONE 'Asia/Kolkata'")
    assert abs(database_now("default") - datetime.now(UTC)) < timedelta(seconds=5)


@pytest.mark.django_db
@pytest.mark.postgres
def test_postgresql_vacuums_the_pending_events_often():
    with connection.cursor() as cursor:
        cursor.execute("SELECT reloptions FROM pg_class WHERE relname = 'clean_timestamps_pending'")
        (options,) = cursor.fetchone()
    assert any(option.startswith("autovacuum_vacuum_scale_factor") for option in options)


def test_the_models_stand_with_the_app():
    assert {model.__name__ for model in apps.get_app_config("clean_timestamps").get_models()} >= {
        "Pending",
        "Event",
        "LogHead",
    }
