"""Where the log's tables are missing, a write fails with the way out, and nothing is half done."""

import pytest
from django.db import DatabaseError, ProgrammingError, connection, connections, transaction
from django.test import override_settings

from django_clean_timestamps.context import without_events
from django_clean_timestamps.delivery.models import ParkedEvent, Subscription
from django_clean_timestamps.eventlog import changed_since
from django_clean_timestamps.eventlog.insertion import naming_missing_tables
from django_clean_timestamps.eventlog.models import Event, LogHead, Pending
from django_clean_timestamps.eventlog.sequencer import sequence
from django_clean_timestamps.exceptions import CleanTimestampsError, EventLogMissingError
from tests.eventlog.log import add_pending, dropped, raw_count
from tests.testapp.models import Note

MESSAGE = (
    r"\(clean_timestamps_pending, clean_timestamps_event\) are missing in the database 'default', which holds "
    r"entities; run 'manage.py migrate clean_timestamps --database default', or set .*'EVENTS': False"
)
WRITES = {
    "save": lambda: Note(title="new").save(),
    "touch": lambda: Note.objects.get().touch(),
    "update": lambda: Note.objects.update(title="changed"),
    "touch of many": lambda: Note.objects.all().touch(),
    "bulk_create": lambda: Note.objects.bulk_create([Note(title="new")]),
    "bulk_create of rows with stamps": lambda: Note.objects.bulk_create([Note(title="new"), Note.objects.get()][:1]),
    "delete": lambda: Note.objects.get().delete(),
    "delete of many": lambda: Note.objects.all().delete(),
}


@pytest.fixture(autouse=True)
def committed(committing):
    pass


@pytest.fixture
def missing():
    Note.objects.create(title="there")
    with dropped(Pending, Event, LogHead):
        yield
    # The row's own event.
    assert raw_count(Pending) == 1


def rows():
    return list(Note._base_manager.values_list("title", "updated_at"))


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_write_fails_with_the_way_out_and_changes_nothing(write, missing):
    before = rows()
    with pytest.raises(EventLogMissingError, match=MESSAGE) as caught:
        write()
    assert isinstance(caught.value.__cause__, DatabaseError)
    assert rows() == before


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_whole_transaction_fails_with_it(write, missing):
    before = rows()
    with pytest.raises(EventLogMissingError), transaction.atomic():
        Note._base_manager.update(title="first")
        write()
    assert rows() == before


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_under_back_pressure_the_error_is_the_same(write, missing):
    connections["default"].__dict__.pop("_clean_timestamps_pressure", None)
    with override_settings(CLEAN_TIMESTAMPS={"MAX_UNDELIVERED": 5}), pytest.raises(EventLogMissingError, match=MESSAGE):
        write()


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_without_events_a_write_needs_no_tables(write, missing):
    before = rows()
    with override_settings(CLEAN_TIMESTAMPS={"EVENTS": False}):
        write()
    assert rows() != before


def test_where_events_are_suspended_a_write_needs_no_tables(missing):
    with without_events(Note):
        Note.objects.update(title="changed")
        Note(title="new").save()
    assert len(rows()) == 2


def test_reading_entities_needs_no_tables(missing):
    assert Note.objects.count() == 1


@pytest.mark.parametrize("call", [sequence, changed_since], ids=["sequence", "changed_since"])
def test_reading_the_log_fails_with_the_way_out(call, missing):
    with pytest.raises(EventLogMissingError, match=MESSAGE):
        call()


@pytest.mark.parametrize("call", [sequence, changed_since], ids=["sequence", "changed_since"])
@pytest.mark.parametrize("model", [Event, LogHead])
def test_one_missing_table_is_enough_and_loses_nothing(call, model):
    add_pending(2)
    with dropped(model), pytest.raises(EventLogMissingError, match=MESSAGE):
        call()
    assert raw_count(Pending) == 2
    assert sequence() == 2


@pytest.mark.parametrize("model", [Subscription, ParkedEvent])
def test_a_missing_table_of_delivery_is_named(model):
    with (
        dropped(model),
        pytest.raises(
            EventLogMissingError,
            match=rf"^The table {model._meta.db_table} is missing in the database 'default', where handlers .*; "
            r"run 'manage.py migrate clean_timestamps --database default'$",
        ),
        naming_missing_tables(connection),
    ):
        list(model.objects.all())


def test_the_error_names_the_database():
    with (
        dropped(Pending, using="other"),
        pytest.raises(EventLogMissingError, match=r"in the database 'other'.*--database other"),
    ):
        Note(title="a").save(using="other")
    assert raw_count(Note, "other") == 0


def test_the_error_is_one_of_ours_and_of_the_databases():
    assert issubclass(EventLogMissingError, CleanTimestampsError)
    assert issubclass(EventLogMissingError, DatabaseError)


def test_the_connection_can_be_used_afterwards():
    with dropped(Pending), pytest.raises(EventLogMissingError):
        Note.objects.update(title="a")
        Note(title="a").save()
    Note(title="b").save()
    assert [title for title, _ in rows()] == ["b"]


@pytest.mark.parametrize("statement", ["SELECT * FROM no_such_table", "SELECT no_column FROM testapp_note", "SELEKT 1"])
def test_any_other_error_stays_what_it_is(statement):
    with pytest.raises(DatabaseError) as caught, naming_missing_tables(connection):
        with connection.cursor() as cursor:
            cursor.execute(statement)
    assert not isinstance(caught.value, EventLogMissingError)


@pytest.mark.skipif(connection.vendor != "mysql", reason="runs on mysql only")
def test_another_missing_table_of_a_database_named_after_the_package_stays_what_it_is():
    error = ProgrammingError(1146, "Table 'clean_timestamps_production.no_such_table' doesn't exist")
    with pytest.raises(ProgrammingError) as caught, naming_missing_tables(connection):
        raise error
    assert caught.value is error


def test_an_error_that_is_none_of_the_databases_stays_what_it_is():
    with pytest.raises(ZeroDivisionError), naming_missing_tables(connection):
        raise ZeroDivisionError
    with pytest.raises(ProgrammingError, match=r"^clean_timestamps_$"), naming_missing_tables(connection):
        raise ProgrammingError("clean_timestamps_")
    with pytest.raises(ProgrammingError), naming_missing_tables(connection):
        raise ProgrammingError
